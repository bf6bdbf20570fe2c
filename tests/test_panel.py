from __future__ import annotations

import numpy as np
import pytest

from forecaster.data.panel import Panel
from forecaster.data.roles import Roles


@pytest.fixture
def panel() -> Panel:
    return Panel(
        values=np.arange(9.0),
        observed=np.arange(9) % 4 != 0,
        times=np.concatenate([np.arange(4), np.arange(2), np.arange(3)]),
        offsets=np.array([0, 4, 6, 9]),
        ids=("a", "b", "c"),
        freq="step",
        roles=Roles("t", "y", "id"),
    )


def test_lengths_rows_and_ages(panel: Panel) -> None:
    assert len(panel) == 3
    assert panel.lengths.tolist() == [4, 2, 3]
    assert panel.values[panel.rows(1)].tolist() == [4, 5]
    assert panel.ages().tolist() == [3, 2, 1, 0, 1, 0, 2, 1, 0]


def test_the_newest_rows_are_kept_or_dropped_in_each_series(panel: Panel) -> None:
    newest, rest = panel.keep_newest(2), panel.drop_newest(2)
    assert (newest.values.tolist(), newest.ids, newest.offsets.tolist()) == (
        [2, 3, 4, 5, 7, 8],
        ("a", "b", "c"),
        [0, 2, 4, 6],
    )
    assert (rest.values.tolist(), rest.ids, rest.offsets.tolist()) == ([0, 1, 6], ("a", "c"), [0, 2, 3])
    assert rest.times.tolist() == [0, 1, 0]
    assert rest.observed.tolist() == [False, True, True]
    assert panel.values.tolist() == list(range(9))


def test_taking_nothing_leaves_an_empty_panel(panel: Panel) -> None:
    empty = panel.take(np.zeros(9, bool))
    assert (len(empty), empty.offsets.tolist(), empty.ids) == (0, [0], ())
    assert len(empty.drop_newest(1)) == 0
