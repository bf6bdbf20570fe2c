"""Newer rows joined to the known ones, against a loop over rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.calendar import future_times
from forecaster.data.join import prepend_history
from forecaster.data.panel import Panel
from forecaster.data.roles import Roles


def panel_of(parts, freq="step"):
    """Return a panel of ``{series: (times, values)}``; every third reading was filled."""
    times = np.concatenate([np.asarray(t) for t, _ in parts.values()])
    values = np.concatenate([np.asarray(v, float) for _, v in parts.values()])
    offsets = np.concatenate([[0], np.cumsum([len(t) for t, _ in parts.values()])]).astype(np.int64)
    roles = Roles("t", "y", "s")
    return Panel(values, np.arange(len(values)) % 3 > 0, times, offsets, tuple(parts), freq, roles)


def stretch(first, rows, start=0.0):
    return np.arange(first, first + rows), start + np.arange(rows)


def rows_of(panel):
    """Return ``{series: [(time, value, observed), ...]}``."""
    columns = (panel.times.tolist(), panel.values.tolist(), panel.observed.tolist())
    rows = list(zip(*columns, strict=True))
    return {name: rows[panel.rows(i)] for i, name in enumerate(panel.ids)}


def slow(panel, history):
    """Return the rows of each series after those known before its first row, where that is the next step."""
    known, joined, fits = rows_of(history), {}, False
    for name, rows in rows_of(panel).items():
        older = [row for row in known.get(name, []) if row[0] < rows[0][0]]
        if older:
            last = np.array([older[-1][0]], history.times.dtype)
            if future_times(last, history.freq, 1)[0, 0].item() != rows[0][0]:
                older = []
        fits |= bool(older)
        joined[name] = older + rows
    return joined if fits else None


stretches = st.tuples(st.integers(0, 12), st.integers(1, 8))


@given(
    newer=st.dictionaries(st.sampled_from("abcd"), stretches, min_size=1),
    older=st.dictionaries(st.sampled_from("abcd"), stretches, min_size=1),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_like_a_loop(newer, older):
    panel = panel_of({name: stretch(*s) for name, s in newer.items()})
    history = panel_of({name: stretch(*s, start=100.0) for name, s in older.items()})
    joined, expected = prepend_history(panel, history), slow(panel, history)
    if expected is None:
        assert joined is None
        return
    assert rows_of(joined) == expected
    assert (joined.freq, joined.roles, joined.utc, joined.ids) == (panel.freq, panel.roles, panel.utc, panel.ids)
    assert joined.offsets.dtype == np.int64
    for i in range(len(joined)):
        assert (np.diff(joined.times[joined.rows(i)]) == 1).all()


def test_readings_given_again_take_the_place_of_the_known_ones():
    history = panel_of({"a": ([1, 2, 3, 4], [10, 20, 30, 40])})
    joined = prepend_history(panel_of({"a": ([3, 4, 5], [-3, -4, -5])}), history)
    assert joined.times.tolist() == [1, 2, 3, 4, 5]
    assert joined.values.tolist() == [10, 20, -3, -4, -5]


def test_older_rows_than_all_that_is_known_stay_as_they_are():
    history = panel_of({"a": ([5, 6], [50, 60])})
    assert prepend_history(panel_of({"a": ([1, 2, 3], [1, 2, 3])}), history) is None


def test_series_apart_from_their_history_stay_as_they_are_beside_one_that_fits():
    history = panel_of({"a": ([1, 2], [10, 20]), "b": ([1, 2], [100, 200])})
    newer = panel_of({"b": ([4, 5], [4, 5]), "new": ([3], [7]), "a": ([3], [30])})  # b lacks step 3
    joined = prepend_history(newer, history)
    values = {name: [row[1] for row in rows] for name, rows in rows_of(joined).items()}
    assert values == {"b": [4, 5], "new": [7], "a": [10, 20, 30]}


def test_the_panels_given_stay_as_they_were():
    history, newer = panel_of({"a": stretch(0, 3)}), panel_of({"a": stretch(3, 2)})
    before = rows_of(history), rows_of(newer)
    prepend_history(newer, history).values[:] = -1
    assert (rows_of(history), rows_of(newer)) == before


@pytest.mark.parametrize(
    ("freq", "last", "first", "fits"),
    [
        ("MS", "2024-01-01", "2024-02-01", True),
        ("MS", "2024-01-01", "2024-03-01", False),
        ("ME", "2024-01-31", "2024-02-29", True),
        ("15min", "2024-01-01 23:45", "2024-01-02 00:00", True),
        ("15min", "2024-01-01 23:45", "2024-01-02 00:15", False),
        ("W-SUN", "2024-01-07", "2024-01-14", True),
        ("D", "2024-01-05", "2024-01-08", False),
        ("B", "2024-01-05", "2024-01-08", True),  # Friday, Monday
        ("B", "2024-12-24", "2024-12-27", True),  # two holidays
        ("B", "2024-12-20", "2025-01-06", False),  # two weeks
    ],
)
def test_the_next_step_of_every_freq(freq, last, first, fits):
    last, first = (np.array([np.datetime64(t, "ns")]) for t in (last, first))
    joined = prepend_history(panel_of({"a": (first, [2])}, freq), panel_of({"a": (last, [1])}, freq))
    assert (joined is not None) == fits
    if fits:
        assert pd.DatetimeIndex(joined.times).tolist() == [pd.Timestamp(last[0]), pd.Timestamp(first[0])]


def test_a_time_zone_is_kept():
    newer = replace(panel_of({"a": stretch(3, 2)}), utc=True)
    assert prepend_history(newer, panel_of({"a": stretch(0, 3)})).utc
