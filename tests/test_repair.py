from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.grid import fill_from_past
from forecaster.data.panel import Panel
from forecaster.data.repair import build_panel
from forecaster.data.sources import read_table
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.notes import Note


def hours(rows: int, start: str = "2024-01-01") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=rows, freq="h").strftime("%Y-%m-%d %H:%M"))


def table(rows: int = 60) -> pd.DataFrame:
    return pd.DataFrame({"date": hours(rows), "y": np.round(np.sin(np.arange(rows)) * 5 + 20, 2)})


def build(data: pd.DataFrame | pd.Series, **config: str) -> tuple[Panel, dict[str, Note]]:
    panel, notes = build_panel(data, Config.of(**config))
    names = [note.name for note in notes]
    assert len(set(names)) == len(names)
    assert np.isfinite(panel.values).all()
    assert len(panel.values) == len(panel.times) == len(panel.observed) == panel.offsets[-1]
    return panel, dict(zip(names, notes, strict=True))


def warned(notes: dict[str, Note]) -> set[str]:
    return {name for name, note in notes.items() if note.warning}


# Nothing to repair


def test_a_regular_table_is_taken_as_it_is() -> None:
    frame = table()
    panel, notes = build(frame)
    np.testing.assert_array_equal(panel.values, frame["y"])
    np.testing.assert_array_equal(panel.times, pd.to_datetime(frame["date"]))
    assert panel.observed.all()
    assert (panel.freq, panel.ids, panel.utc, warned(notes)) == ("h", ("",), False, set())


def test_the_panel_does_not_share_memory_with_the_table() -> None:
    frame = table()
    before = frame["y"].to_numpy().copy()
    panel, _ = build(frame)
    panel.values[:] = 0
    np.testing.assert_array_equal(frame["y"], before)


def test_a_series_with_its_times_in_the_index_is_accepted() -> None:
    panel, _ = build(pd.Series([1.0, 2, 3], index=pd.period_range("2024-01", periods=3, freq="M"), name="y"))
    assert (panel.freq, panel.roles.time, panel.values.tolist()) == ("MS", "time", [1, 2, 3])


def test_real_files_become_panels(shared_data: Path) -> None:
    expected = {
        "airline_passengers.csv": ("MS", 144, 0, set()),
        "co2_weekly.csv": ("W-SAT", 2284, 59, {"missing"}),
        "AAPL.csv": ("B", 3270, 0, set()),
        "sp500.csv.gz": ("B", 5031, 0, set()),
        "seattle_weather.csv": ("D", 1461, 0, set()),
        "ETTh1.csv": ("h", 17420, 0, set()),
        "exchange_rate.csv": ("D", 7588, 0, set()),
    }
    for name, (freq, rows, filled, warnings) in expected.items():
        panel, notes = build(read_table(shared_data / name))
        assert (panel.freq, len(panel.values), int((~panel.observed).sum())) == (freq, rows, filled), name
        assert warned(notes) == warnings, name


def test_three_stations_with_gaps(shared_data: Path) -> None:
    frame = read_table(shared_data / "nyc_weather.csv")
    panel, notes = build(frame, series="origin", time="time_hour", target="temp")
    assert (panel.ids, panel.freq, panel.utc) == (("EWR", "JFK", "LGA"), "h", True)
    assert len(panel.values) == len(frame) + 75
    assert "75 hours absent in 3 of 3 series" in str(notes["gaps"])
    assert "1 empty cell " in str(notes["missing"])


def test_sea_surface_temperature_has_a_duplicate_and_a_hole(shared_data: Path) -> None:
    frame = read_table(shared_data / "sea_surface_temperature.csv.gz")
    with pytest.raises(DataError, match="two readings at 2017-03-21 16:30, line 19211 and line 19212"):
        build(frame)
    panel, notes = build(frame, duplicates="first")
    assert (panel.freq, len(panel.values), int((~panel.observed).sum())) == ("30min", 19249, 24)
    assert warned(notes) == {"duplicates", "gaps"}


# The order of the rows


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_the_rows_does_not_matter_and_is_counted(order: list[int]) -> None:
    frame = pd.DataFrame({"date": list(hours(6)) * 2, "id": ["a"] * 6 + ["b"] * 6, "y": np.arange(12.0) ** 2})
    panel, notes = build(frame.iloc[order], series="id")
    for i, name in enumerate(panel.ids):
        expected = np.arange(6) ** 2 if name == "a" else np.arange(6, 12) ** 2
        np.testing.assert_array_equal(panel.values[panel.rows(i)], expected)
    moved = sum(
        k != place for part in (0, 6) for place, k in enumerate([k for k in order if part <= k < part + 6], start=part)
    )
    assert notes["order"].value.split()[0] == str(moved) if moved else "order" not in notes


# Cells that cannot be read


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("oops", r"column 'y', line 5: 'oops' is text, expected a number \(and 1 more such cells\)"),
        (np.inf, r"column 'y', line 5: 'inf' is infinite, expected a number \(and 1 more such cells\)"),
    ],
)
def test_text_and_infinities_are_named_by_their_line(cell: object, message: str, tmp_path: Path) -> None:
    frame = table().astype({"y": object})
    frame.loc[[3, 9], "y"] = cell
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=message):
        build(read_table(tmp_path / "t.csv"), target="y")


def test_a_target_without_readings_is_refused() -> None:
    with pytest.raises(DataError, match="column 'y' has no reading, all 60 cells are empty"):
        build(table().assign(y=np.nan), target="y")
    with pytest.raises(DataError, match=r"column 'x' holds datetime64.* expected numbers"):
        build(table().assign(x=pd.Timestamp("2024-01-01")), target="x", time="date")


def test_rows_without_a_time_are_dropped_and_counted() -> None:
    frame = table()
    frame.loc[[58, 59], "date"] = None
    panel, notes = build(frame)
    assert len(panel.values) == 58
    assert notes["undated"] == Note("undated", "2 rows dropped", "'date' is empty, first on row 58", warning=True)
    with pytest.raises(DataError, match="no series has two rows"):
        build(frame[57:])


def test_a_row_without_a_series_id_is_refused() -> None:
    frame = table().assign(id=["a"] * 59 + [None])
    with pytest.raises(DataError, match="column 'id', row 59: no series id"):
        build(frame, series="id")


def test_whole_number_ids_stay_whole() -> None:
    frame = pd.DataFrame({"date": list(hours(4)) * 2, "id": [1.0] * 4 + [20.0] * 4, "y": np.arange(8.0) ** 2})
    assert build(frame, series="id")[0].ids == ("1", "20")


# Duplicates


def test_duplicates_are_refused_with_the_column_that_tells_them_apart() -> None:
    frame = pd.DataFrame({"date": list(hours(4)) * 2, "shop": [1] * 4 + [2] * 4, "y": np.arange(8.0) ** 2})
    with pytest.raises(
        DataError, match="two readings at 2024-01-01, row 0 and row 4; 3 more rows repeat a time"
    ) as caught:
        build(frame)
    assert "column 'shop' tells them apart: --series shop" in caught.value.hint
    assert "--duplicates first" in caught.value.hint
    assert len(build(frame, series="shop")[0]) == 2


@pytest.mark.parametrize(
    ("rule", "expected"), [("first", [1, 4, 9]), ("last", [3, 4, 9]), ("mean", [2, 4, 9]), ("sum", [4, 4, 9])]
)
def test_duplicates_are_combined_from_the_cells_that_are_full(rule: str, expected: list[float]) -> None:
    date = [f"2024-01-0{day}" for day in (1, 1, 1, 1, 2, 3)]
    frame = pd.DataFrame({"date": date, "y": [np.nan, 1, 3, np.nan, 4, 9]})
    panel, notes = build(frame, duplicates=rule)
    assert panel.values.tolist() == expected
    assert notes["duplicates"].value == "3 rows combined"
    assert notes["duplicates"].warning


# The freq


def test_a_given_freq_that_does_not_fit_names_the_first_row_that_does_not() -> None:
    with pytest.raises(DataError, match=r"row 1: 2024-01-01 01:00 does not fit the freq D counted from 2024-01-01 "):
        build(table(), freq="D")
    with pytest.raises(DataError, match="98% of the 3,541 minutes have no reading, the longest stretch 59 minutes"):
        build(table(), freq="min")
    with pytest.raises(DataError, match="row 0: 2024-01-01 does not fit the freq W-SAT"):
        build(table().assign(date=pd.date_range("2024-01-01", periods=60, freq="W-MON")), freq="W-SAT")
    with pytest.raises(DataError, match="row 1: 2024-02-01 does not fit the freq QS"):
        build(table().assign(date=pd.date_range("2024-01-01", periods=60, freq="MS")), freq="QS")
    with pytest.raises(DataError, match="row 5: 2024-01-06 does not fit the freq B"):
        build(table().assign(date=pd.date_range("2024-01-01", periods=60, freq="D")), freq="B")
    with pytest.raises(SettingError, match="unknown freq 'often'"):
        build(table(), freq="often")
    with pytest.raises(SettingError, match="freq 'D' needs dates, but column 't' counts steps"):
        build(pd.DataFrame({"t": range(9), "y": np.ones(9)}), freq="D")


def test_one_row_off_the_grid_is_named_even_if_it_is_the_first() -> None:
    for row in (0, 30):
        frame = table()
        frame.loc[row, "date"] = frame["date"][row].replace(":00", ":20")
        with pytest.raises(DataError, match=rf"row {row}: .*:20 does not fit the freq h .* \(1 such row\)"):
            build(frame)


def test_a_freq_without_an_anchor_takes_it_from_the_data() -> None:
    frame = table().assign(date=pd.date_range("2024-01-03", periods=60, freq="W-WED"))
    assert build(frame, freq="W")[0].freq == "W-WED"
    frame = table().assign(date=pd.date_range("2000-02-01", periods=60, freq="QS-FEB"))
    assert build(frame, freq="QS")[0].freq == "QS-FEB"


def test_months_on_other_days_are_moved_and_counted() -> None:
    dates = pd.date_range("2020-01-01", periods=60, freq="MS") + pd.Timedelta(days=14)
    panel, notes = build(table().assign(date=dates))
    assert panel.freq == "MS"
    assert panel.times[0] == np.datetime64("2020-01-01")
    assert notes["moved"] == Note(
        "moved", "60 times", "to the first day of their month, as freq MS has it", warning=True
    )


def test_holidays_are_no_gaps_of_business_days() -> None:
    days = pd.bdate_range("2024-01-01", periods=60).delete([10, 25])
    panel, notes = build(pd.DataFrame({"date": days, "y": np.arange(58.0) ** 2}))
    assert (panel.freq, len(panel.values)) == ("B", 58)
    assert (panel.times == days.to_numpy()).all()
    assert "holidays" in notes["freq"].reason


def test_rows_count_as_steps_where_asked() -> None:
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-03-05", "2024-03-06", "2024-07-01"])
    panel, notes = build(pd.DataFrame({"date": dates, "y": [1.0, 5, 2, 7, 3]}), freq="step")
    assert (panel.freq, panel.times.tolist(), panel.values.tolist()) == ("step", [0, 1, 2, 3, 4], [1, 5, 2, 7, 3])
    assert notes["freq"].warning


def test_counted_steps_may_have_gaps() -> None:
    panel, _ = build(pd.DataFrame({"t": [5, 6, 7, 9, 10], "y": [1.0, 5, 2, 7, 3]}))
    assert (panel.times.dtype, panel.times.tolist()) == (np.int64, [5, 6, 7, 8, 9, 10])
    assert panel.observed.tolist() == [True, True, True, False, True, True]


def test_the_settings_of_a_model_read_newer_rows_alike() -> None:
    frame = table().assign(other=1.0, word=["a", "b"] * 30)
    panel, _ = build(frame.iloc[:1], time="date", target="y", series="", freq="h")
    assert (len(panel.values), panel.freq, panel.ids) == (1, "h", ("",))
    with pytest.raises(NotFoundError, match="no column 'load'"):
        build(frame, time="date", target="load", freq="h")


# Gaps and missing values


def test_gaps_and_empty_cells_are_filled_counted_and_marked() -> None:
    frame = table()
    frame.loc[[40, 41], "y"] = np.nan
    panel, notes = build(frame.drop(index=[30, 31, 32, 50]))
    assert np.flatnonzero(~panel.observed).tolist() == [30, 31, 32, 40, 41, 50]
    np.testing.assert_array_equal(panel.times, pd.to_datetime(frame["date"]))
    assert notes["gaps"].value == "4 hours absent"
    assert "longest stretch 3 hours between 2024-01-02 05:00 and 2024-01-02 09:00" in notes["gaps"].reason
    assert notes["missing"].value == "2 empty cells"
    assert "2024-01-02 16:00, row 40" in notes["missing"].reason
    assert warned(notes) == {"gaps", "missing"}
    assert all(f"--{name} error" in notes[name].reason for name in ("gaps", "missing"))


def test_gaps_and_empty_cells_stop_where_asked() -> None:
    frame = table().drop(index=[30, 31, 50])
    with pytest.raises(
        DataError, match="2 hours absent between 2024-01-02 05:00 and 2024-01-02 08:00, row 32; 3 in all"
    ):
        build(frame, gaps="error")
    frame.loc[[7, 9], "y"] = np.nan
    with pytest.raises(DataError, match=r"column 'y', row 7: empty \(2 such cells\)"):
        build(frame, missing="error")


def test_empty_cells_at_the_ends_are_trimmed_and_counted() -> None:
    frame = table()
    frame.loc[[0, 1, 57, 58, 59], "y"] = np.nan
    panel, notes = build(frame)
    assert len(panel.values) == 55
    assert panel.observed.all()
    assert str(notes["trimmed"]) == "trimmed: 5 rows ('y' is empty there: 2 at the start, 3 at the end of the table)"
    assert notes["trimmed"].warning


def test_a_series_without_a_reading_is_left_out_and_counted() -> None:
    frame = pd.DataFrame(
        {"date": list(hours(4)) * 3, "id": [*"aaaabbbbcccc"], "y": [1.0, 2, 3, 4] + [np.nan] * 4 + [5, 6, 7, 9]}
    )
    panel, notes = build(frame, series="id")
    assert panel.ids == ("a", "c")
    assert panel.values.tolist() == [1, 2, 3, 4, 5, 6, 7, 9]
    assert str(notes["left out"]) == "left out: 1 series (without any reading, first 'b')"


def test_too_much_missing_names_the_longest_gap() -> None:
    with pytest.raises(DataError, match="33% of the 60 hours have no reading, the longest") as caught:
        build(table().drop(index=range(20, 40)))
    assert "--freq step" in caught.value.hint
    frame = table()
    frame.loc[[i for i in range(1, 59) if i % 2], "y"] = np.nan
    with pytest.raises(DataError, match=r"48% of the 60 hours have no reading$"):
        build(frame)
    pair = pd.concat([table().assign(id="a"), table().drop(index=range(20, 40)).assign(id="b")])
    with pytest.raises(DataError, match="33% of the 60 hours of series 'b' have no reading"):
        build(pair, series="id")


def slow_fill(values: list[float], season: int) -> list[float]:
    """Fill one series cell by cell, as the docstring of the fast one has it."""
    filled = list(values)
    for t, value in enumerate(values):
        if not np.isnan(value):
            continue
        p = max(s for s in range(t) if not np.isnan(values[s])) + 1
        if season == 1 or p - 1 - season < 0:
            filled[t] = filled[p - 1]
            continue
        filled[t] = filled[p - season + (t - p) % season] + filled[p - 1] - filled[p - 1 - season]
        lowest = min(v for v in values[:p] if not np.isnan(v))
        if lowest >= 0:
            filled[t] = max(filled[t], lowest)
    return filled


numbers = st.one_of(st.just(np.nan), st.integers(-3, 50).map(float), st.integers(0, 50).map(float))
gappy = st.tuples(st.integers(0, 9).map(float), st.lists(numbers, max_size=40)).map(lambda pair: [pair[0], *pair[1]])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(gappy, min_size=1, max_size=3), st.integers(1, 8))
def test_the_fill_is_that_of_the_slow_loop(series: list[list[float]], season: int) -> None:
    offsets = np.cumsum([0, *map(len, series)])
    values = np.concatenate(series)
    before = values.copy()
    filled = fill_from_past(values, offsets, season)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_allclose(filled, np.concatenate([slow_fill(one, season) for one in series]))


def test_the_fill_of_a_growing_season_by_hand() -> None:
    values = np.array([1, 5, 9, 2, 6, 10, np.nan, np.nan, np.nan, np.nan, 7.0])
    np.testing.assert_array_equal(fill_from_past(values, np.array([0, 11]), 3), [1, 5, 9, 2, 6, 10, 3, 7, 11, 3, 7])
    early = np.array([4.0, np.nan, 8.0])
    np.testing.assert_array_equal(fill_from_past(early, np.array([0, 3]), 3), [4, 4, 8])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.data())
def test_no_later_row_changes_the_panel_up_to_a_cutoff(data: st.DataObject) -> None:
    """Later rows are altered, emptied and removed at random; earlier ones have gaps, empty cells and duplicates."""
    rows, cutoff = 80, data.draw(st.integers(3, 78))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    frame = table(rows)
    frame.loc[rng.choice(np.arange(1, rows), 12, replace=False), "y"] = np.nan
    frame = pd.concat([frame, frame.iloc[rng.choice(rows, 3)].assign(y=1.0)])
    frame = frame.sample(frac=1, random_state=1).drop(index=rng.integers(1, rows, 4))
    late = frame["date"] > hours(rows)[cutoff]
    other = frame.copy()
    other.loc[late, "y"] = np.where(rng.random(late.sum()) < 0.1, np.nan, rng.normal(0, 1e6, late.sum()))
    other = other[~late | (rng.random(len(other)) < 0.95)]
    settings_of_fit = {"freq": "h", "duplicates": "mean", "time": "date", "target": "y"}
    one, two = build(frame, **settings_of_fit)[0], build(other, **settings_of_fit)[0]
    common = min((panel.times <= np.datetime64(hours(rows)[cutoff])).sum() for panel in (one, two))
    assert common > 0  # less than the cutoff where the last cells are empty in one of them
    for name in ("values", "observed", "times"):
        np.testing.assert_array_equal(getattr(one, name)[:common], getattr(two, name)[:common])


def test_the_newest_row_may_be_anything_without_changing_the_past() -> None:
    """The same, to the last bit, at the place where it is easiest to leak: the row right after a gap."""
    frame = table().drop(index=[40, 41, 42])
    one = build(frame)[0].values
    frame.loc[43, "y"] = 1e9
    np.testing.assert_array_equal(one[:43], build(frame)[0].values[:43])


def test_two_million_rows_take_seconds() -> None:
    rows = 2_000_000
    times = np.datetime64("2000-01-01", "ns") + np.arange(rows) * np.timedelta64(60_000_000_000, "ns")
    frame = pd.DataFrame({"date": times, "y": np.arange(rows) % 1440 / 10})
    frame.loc[frame.index[1:-1:50], "y"] = np.nan
    frame = frame.drop(index=np.arange(100, rows, 1000))
    began = time.process_time()
    panel, _ = build(frame)
    assert time.process_time() - began < 5
    assert len(panel.values) == rows


def test_many_series_take_seconds() -> None:
    names = np.repeat([f"s{i}" for i in range(2000)], 200)
    frame = pd.DataFrame({"date": list(hours(200)) * 2000, "id": names, "y": np.tile(np.arange(200.0) % 24, 2000)})
    frame.loc[frame.index[5::97], "y"] = np.nan
    began = time.process_time()
    panel, notes = build(frame)
    assert time.process_time() - began < 5
    assert len(panel) == 2000
    assert "2,000 values" in notes["series"].reason
