"""Newer rows joined to the known ones, against a loop over rows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.history_join import prepend_history
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles
from forecaster.data.time.calendar import future_times
from forecaster.errors import DataError


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


def join(panel, history, bearable=0, gaps="mask"):
    return prepend_history(panel, history, bearable, gaps)[0]


def slow(panel, history, bearable=0):
    """Return the rows of each series after those known before its first row, None for a step absent between."""
    known, joined, inserted = rows_of(history), {}, {}
    for name, rows in rows_of(panel).items():
        older = [row for row in known.get(name, []) if row[0] < rows[0][0]]
        if older:
            last = np.array([older[-1][0]], history.times.dtype)
            ahead = future_times(last, history.freq, bearable + 1)[0].tolist()
            gap = ahead.index(rows[0][0]) if rows[0][0] in ahead else None
            older = [] if gap is None else older + [(time, None, False) for time in ahead[:gap]]
            inserted |= {name: gap} if gap else {}
        joined[name] = older + rows
    return joined, inserted


stretches = st.tuples(st.integers(0, 12), st.integers(1, 8))


@given(
    newer=st.dictionaries(st.sampled_from("abcd"), stretches, min_size=1),
    older=st.dictionaries(st.sampled_from("abcd"), stretches, min_size=1),
    bearable=st.integers(0, 4),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_like_a_loop(newer, older, bearable):
    panel = panel_of({name: stretch(*s) for name, s in newer.items()})
    history = panel_of({name: stretch(*s, start=100.0) for name, s in older.items()})
    (joined, notes), (expected, inserted) = prepend_history(panel, history, bearable), slow(panel, history, bearable)
    for name, rows in rows_of(joined).items():
        assert len(rows) == len(expected[name])
        for (time_, value, observed), (step, wanted, seen) in zip(rows, expected[name], strict=True):
            assert (time_, observed) == (step, seen)
            assert value == wanted if wanted is not None else np.isfinite(value)
    assert (joined.freq, joined.roles, joined.zone, joined.ids) == (panel.freq, panel.roles, panel.zone, panel.ids)
    assert joined.offsets.dtype == np.int64
    assert joined.masked == joined.bridged == bool(inserted)
    assert [dict(note.counts) for note in notes if note.name == "gaps"] == ([inserted] if inserted else [])
    for i in range(len(joined)):
        assert (np.diff(joined.times[joined.rows(i)]) == 1).all()


def test_readings_given_again_take_the_place_of_the_known_ones():
    history = panel_of({"a": ([1, 2, 3, 4], [10, 20, 30, 40])})
    joined = join(panel_of({"a": ([3, 4, 5], [-3, -4, -5])}), history)
    assert joined.times.tolist() == [1, 2, 3, 4, 5]
    assert joined.values.tolist() == [10, 20, -3, -4, -5]


def test_older_rows_than_all_that_is_known_stay_as_they_are():
    history = panel_of({"a": ([5, 6], [50, 60])})
    joined, notes = prepend_history(panel_of({"a": ([1, 2, 3], [1, 2, 3])}), history, 5)
    assert joined.times.tolist() == [1, 2, 3] and not notes


def test_series_apart_from_their_history_stay_as_they_are_beside_one_that_fits():
    history = panel_of({"a": ([1, 2], [10, 20]), "b": ([1, 2], [100, 200])})
    newer = panel_of({"b": ([4, 5], [4, 5]), "new": ([3], [7]), "a": ([3], [30])})  # b lacks step 3
    joined = join(newer, history)
    values = {name: [row[1] for row in rows] for name, rows in rows_of(joined).items()}
    assert values == {"b": [4, 5], "new": [7], "a": [10, 20, 30]}


def test_the_panels_given_stay_as_they_were():
    history, newer = panel_of({"a": stretch(0, 3)}), panel_of({"a": stretch(3, 2)})
    before = rows_of(history), rows_of(newer)
    join(newer, history).values[:] = -1
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
    joined = join(panel_of({"a": (first, [2])}, freq), panel_of({"a": (last, [1])}, freq))
    expected = [pd.Timestamp(last[0]), pd.Timestamp(first[0])]
    assert pd.DatetimeIndex(joined.times).tolist() == (expected if fits else expected[1:])


def test_a_time_zone_is_kept():
    newer = replace(panel_of({"a": stretch(3, 2)}), zone="UTC")
    assert join(newer, panel_of({"a": stretch(0, 3)})).zone == "UTC"


COLUMNS = (Column("wind", "past"), Column("sky", "future", ("rain", "sun")), Column("size", "static"))


def with_covariates(panel, sizes, first):
    rows = np.arange(len(panel.values), dtype=np.float32)
    covariates = np.stack([first + rows, rows % 2], axis=1)
    return replace(panel, columns=COLUMNS, covariates=covariates, static=np.array(sizes, np.float32)[:, None])


def test_covariates_go_along_and_empty_static_ones_are_taken_from_the_history():
    history = with_covariates(panel_of({"a": stretch(0, 3), "b": stretch(0, 2), "c": stretch(0, 1)}), [1, 2, 3], 100)
    newer = with_covariates(panel_of({"d": stretch(0, 1), "b": stretch(2, 2), "a": stretch(3, 1)}), [4, np.nan, 5], 0)
    beyond = np.ones((3, 2, 1), np.float32)
    joined = join(replace(newer, beyond=beyond), history)
    assert joined.columns == COLUMNS
    wind = [joined.covariates[joined.rows(i), 0].tolist() for i in range(3)]
    assert wind == [[0], [103, 104, 1, 2], [100, 101, 102, 3]]
    assert joined.covariates[joined.rows(2), 1].tolist() == [0, 1, 0, 1]
    assert joined.static[:, 0].tolist() == [4, 2, 5]
    assert joined.beyond is beyond
    assert joined.covariates.dtype == joined.static.dtype == np.float32
    assert np.isnan(newer.static[1, 0])


def test_rows_that_are_steps_follow_whatever_their_dates():
    history = panel_of({"a": (days("2024-01-02", "2024-01-05", "2024-02-20"), [1, 2, 3])}, "row-B")
    joined = join(panel_of({"a": (days("2024-02-20", "2024-09-02"), [30, 40])}, "row-B"), history)
    assert joined.values.tolist() == [1, 2, 30, 40]


def days(*dates):
    return np.array(dates, "datetime64[ns]")


@pytest.mark.parametrize(
    ("freq", "start", "rows"),
    [("h", "2023-03-25 12:00", 20), ("h", "2023-10-28 12:00", 20), ("D", "2023-03-20", 9), ("MS", "2023-01-01", 12)],
)
def test_tables_of_a_zone_are_joined_across_a_change_of_clocks(freq, start, rows):
    times = pd.date_range(start, periods=rows, freq=freq, tz="Europe/Berlin")
    frame = pd.DataFrame({"t": times, "y": np.arange(rows) ** 0.5})
    whole, _ = build_panel(frame, Config.of())
    for cut in range(3, rows):
        older, _ = build_panel(frame[:cut], Config.of(freq=freq))
        newer, _ = build_panel(frame[cut:], Config.of(), like=older)
        joined = join(newer, older)
        np.testing.assert_array_equal(joined.times, whole.times)
        np.testing.assert_array_equal(joined.values, whole.values)
        assert joined.zone == "Europe/Berlin"


def test_a_hundred_thousand_series_take_seconds():
    count = 100_000
    ids = tuple(f"s{i}" for i in range(count))
    offsets = np.arange(count + 1, dtype=np.int64) * 24
    times = np.tile(np.datetime64("2024-01-01", "ns") + np.arange(24) * np.timedelta64(1, "h"), count)
    values = np.arange(24.0 * count, dtype=np.float32)
    history = Panel(values, values >= 0, times, offsets, ids, "h", Roles("t", "y", "s"))
    shuffled = tuple(np.array(ids)[np.random.default_rng(0).permutation(count)].tolist())
    newer = replace(history, times=times + np.timedelta64(24, "h"), ids=shuffled)
    began = time.process_time()
    joined = join(newer, history)
    assert time.process_time() - began < 3
    assert (joined.lengths == 48).all()
    place = ids.index(shuffled[7])
    np.testing.assert_array_equal(joined.values[joined.rows(7)][:24], values[history.rows(place)])
    np.testing.assert_array_equal(joined.values[joined.rows(7)][24:], values[newer.rows(7)])


@pytest.mark.parametrize(
    ("freq", "last", "first", "between"),
    [
        ("MS", "2024-01-01", "2024-03-01", ["2024-02-01"]),
        ("ME", "2023-11-30", "2024-03-31", ["2023-12-31", "2024-01-31", "2024-02-29"]),
        ("2QS-JAN", "2024-01-01", "2025-01-01", ["2024-07-01"]),
        ("YE-DEC", "2020-12-31", "2022-12-31", ["2021-12-31"]),
        ("15min", "2024-01-01 23:45", "2024-01-02 00:15", ["2024-01-02 00:00"]),
        ("D", "2024-01-05", "2024-01-08", ["2024-01-06", "2024-01-07"]),
        ("D", "2024-01-05", "2024-01-10", None),  # one too many
        ("h", "2024-01-05 00:00", "2024-01-05 02:30", None),  # between two steps
        ("2MS", "2024-01-01", "2024-04-01", None),
        ("B", "2024-01-05", "2024-01-10", []),  # two holidays
        ("row-D", "2024-01-05", "2025-01-10", []),
    ],
)
def test_absent_steps_of_every_freq(freq, last, first, between):
    newer, older = (panel_of({"a": (days(t), [1])}, freq) for t in (first, last))
    joined, notes = prepend_history(newer, older, 3)
    expected = [first] if between is None else [last, *between, first]
    assert joined.times.tolist() == days(*expected).tolist()
    assert [note.value for note in notes if note.name == "history"] == ["not joined" if between is None else "joined"]
    assert joined.observed.sum() == newer.observed.sum() + (0 if between is None else older.observed.sum())


def series(rows, seed, holes=()):
    """Hourly readings with a daily season, negative ones too; of the ``holes`` there are none."""
    rng = np.random.default_rng(seed)
    y = 5 * np.sin(np.arange(rows) * np.pi / 12) + np.arange(rows) / 9 + rng.normal(size=rows)
    frame = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=rows, freq="h"), "y": y, "wind": y + 1})
    return frame.drop(index=list(holes))


@pytest.mark.parametrize("gaps", ["mask", "fill"])
@pytest.mark.parametrize("length", [1, 2, 6, 7, 30])
def test_a_gap_before_the_newer_rows_is_that_of_one_table(gaps, length):
    """Whatever stands in a season before it: here a short hole and a long one, the former on a line under mask."""
    parts = [series(200, seed, holes=[75, 76, *range(81, 91), *range(100, 100 + length)]) for seed in range(3)]
    table = pd.concat([part.assign(id=name) for part, name in zip(parts, "abc", strict=True)], ignore_index=True)
    config = Config.of(target="y", freq="h", past="wind", gaps=gaps)
    whole, _ = build_panel(table, config)
    late = table["time"] >= pd.Timestamp("2024-01-01") + pd.Timedelta(hours=100)
    older, _ = build_panel(table[~late], config)
    empty = pd.DataFrame({"id": list("abc"), "time": [pd.Timestamp("2024-01-05 04:00")] * 3, "wind": np.nan})
    for newer in (table[late], pd.concat([empty, table[late]])):  # the rows absent, or the first of them empty
        panel = build_panel(newer, config, like=older)[0]
        joined, more = prepend_history(panel, older, 30, gaps)
        for part in ("values", "observed", "times", "offsets", "covariates"):
            np.testing.assert_array_equal(getattr(joined, part), getattr(whole, part), part)
        assert (joined.masked, joined.bridged) == (whole.masked, whole.bridged) == (gaps == "mask",) * 2
        note = next(note for note in more if note.name == "gaps")
        assert note.warning and note.counts == dict.fromkeys("abc", length)
        assert f"{3 * length} hours without a reading in 3 of 3 series" in note.value
        assert ("flagged for the network" in note.reason) == (gaps == "mask")


def test_a_gap_is_refused_where_the_settings_say_so():
    config = Config.of(gaps="error", freq="h", target="y")
    older, _ = build_panel(series(48, 0), config)
    newer, _ = build_panel(series(60, 0).iloc[50:], config, like=older)
    with pytest.raises(
        DataError, match="2 hours without a reading between 2024-01-02 23:00, the model's last row, and"
    ):
        prepend_history(newer, older, 6, "error")
    far, notes = prepend_history(newer, older, 1, "error")  # too far to be joined, as under any rule
    assert far.lengths.tolist() == [10] and [note.value for note in notes] == ["not joined"]


def test_a_gap_after_a_history_that_ends_in_a_hole():
    """Two hours were cut off with a holdout, and the hour before them has no reading."""
    history = build_panel(series(50, 0, holes=[47]), Config.of(target="y", freq="h"))[0].drop_newest(2)
    newer, _ = build_panel(series(60, 0).iloc[49:], Config.of(), like=history)
    joined = join(newer, history, 24)
    assert joined.observed.tolist() == [True] * 47 + [False] * 2 + [True] * 11
    assert np.isfinite(joined.values).all()


def test_empty_static_covariates_are_taken_from_the_history_though_no_rows_are():
    history = with_covariates(panel_of({"a": stretch(9, 3), "b": stretch(9, 3)}), [1, 2], 100)
    newer = with_covariates(panel_of({"b": stretch(5, 2), "c": stretch(0, 2)}), [np.nan, np.nan], 0)
    joined, notes = prepend_history(newer, history, 0)
    assert rows_of(joined) == rows_of(newer) and not notes
    assert joined.static[0, 0] == 2 and np.isnan(joined.static[1, 0]) and np.isnan(newer.static[0, 0])


def test_a_hundred_thousand_series_that_missed_an_hour_take_seconds():
    count = 100_000
    times = np.tile(np.datetime64("2024-01-01", "ns") + np.arange(24) * np.timedelta64(1, "h"), count)
    offsets, values = np.arange(count + 1) * 24, np.random.default_rng(0).normal(size=24 * count).astype(np.float32)
    ids, observed = tuple(f"s{i}" for i in range(count)), np.arange(24 * count) % 24 != 12
    history = Panel(values, observed, times, offsets, ids, "h", Roles("t", "y", "s"), masked=True, bridged=True)
    newer = replace(history, times=times + np.timedelta64(26, "h"))
    began = time.process_time()
    joined, notes = prepend_history(newer, history, 24)
    assert time.process_time() - began < 5
    assert (joined.lengths == 50).all() and joined.values.dtype == np.float32
    np.testing.assert_allclose(joined.values[50 * 7 + 24], values[7 * 24 + 23] * 2 / 3 + values[7 * 24] / 3, rtol=1e-5)
    assert next(note for note in notes if note.name == "gaps").value.startswith("200,000 hours")


def test_series_with_steps_absent_between_are_named():
    frame = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=20, freq="h"), "y": np.arange(20.0)})
    both = pd.concat([frame.assign(id="a"), frame.assign(id="b")], ignore_index=True)
    history, _ = build_panel(both[both["time"].dt.hour < 10], Config.of(target="y"))
    newer = both[(both["time"].dt.hour >= 10) & ~((both["id"] == "b") & (both["time"].dt.hour == 10))]
    panel, _ = build_panel(newer, Config.of(), like=history)
    note = next(note for note in prepend_history(panel, history, 0)[1] if note.value == "not joined")
    assert note.warning and note.reason.startswith("more than 0 hours") and note.reason.count("those of b;")
    assert [note.value for note in prepend_history(panel, history, 1)[1]] == [
        "joined",
        "1 hour without a reading in 1 of 2 series",
    ]
    assert prepend_history(history, history, 0)[1] == []
