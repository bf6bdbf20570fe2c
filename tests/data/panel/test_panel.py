from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles


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


def test_a_panel_without_covariates_has_arrays_of_no_columns(panel: Panel) -> None:
    assert panel.covariates.shape == (9, 0)
    assert panel.static.shape == (3, 0)
    assert panel.of_role("past") == ()
    assert panel.keep_newest(2).covariates.shape == (6, 0)


def test_covariates_go_along(panel: Panel) -> None:
    columns = (Column("wind", "past"), Column("plan", "future"), Column("size", "static"))
    covariates = np.stack([np.arange(9.0), -np.arange(9.0)], axis=1).astype(np.float32)
    static, beyond = np.array([[1], [2], [3]], np.float32), np.ones((3, 4, 1), np.float32)
    full = replace(panel, columns=columns, covariates=covariates, static=static, beyond=beyond)
    assert [column.name for role in ("static", "future") for column in full.of_role(role)] == ["size", "plan"]
    rest = full.drop_newest(2)
    assert rest.covariates.tolist() == [[0, 0], [1, -1], [6, -6]]
    assert rest.static.tolist() == [[1], [3]]
    assert rest.beyond is None  # it belongs to the old ends
    some = full.take_series(np.array([True, False, True]))
    assert (some.ids, some.static[:, 0].tolist(), some.beyond.shape) == (("a", "c"), [1, 3], (2, 4, 1))
    assert some.covariates[:, 0].tolist() == [0, 1, 2, 3, 6, 7, 8]
    assert full.drop_newest(0) is full
    assert full.take_series(np.ones(3, bool)) is full


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 7))
def test_the_newest_rows_are_those_of_a_loop(lengths: list[int], rows: int) -> None:
    offsets = np.cumsum([0, *lengths])
    values = np.arange(float(offsets[-1]))
    ids = tuple(map(str, range(len(lengths))))
    panel = Panel(values, values >= 0, values.astype(np.int64), offsets, ids, "step", Roles("t", "y", "id"))
    parts = [values[a:b].tolist() for a, b in pairwise(offsets)]
    kept, rest = panel.keep_newest(rows), panel.drop_newest(rows)
    assert kept.values.tolist() == [v for part in parts for v in part[max(0, len(part) - rows) :]]
    assert rest.values.tolist() == [v for part in parts for v in part[: max(0, len(part) - rows)]]
    assert rest.lengths.tolist() == [n - rows for n in lengths if n > rows]
    assert [s.stop - s.start for s in panel.slices()] == lengths
