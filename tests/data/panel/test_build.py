from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import fill_from_past
from forecaster.data.readers.sources import read_table
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.notes import Note


def hours(rows: int, start: str = "2024-01-01") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=rows, freq="h").strftime("%Y-%m-%d %H:%M"))


def table(rows: int = 60) -> pd.DataFrame:
    return pd.DataFrame({"date": hours(rows), "y": np.round(np.sin(np.arange(rows)) * 5 + 20, 2)})


def build(data: pd.DataFrame | pd.Series, **config: object) -> tuple[Panel, dict[str, Note]]:
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
    assert (panel.freq, panel.ids, panel.zone, warned(notes)) == ("h", ("",), "", set())


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
        "exchange_rate.csv": ("D", 7588, 0, {"outliers"}),  # 1999-10-30, a single jump
    }
    for name, (freq, rows, filled, warnings) in expected.items():
        panel, notes = build(read_table(shared_data / name))
        assert (panel.freq, len(panel.values), int((~panel.observed).sum())) == (freq, rows, filled), name
        assert warned(notes) == warnings, name


def test_three_stations_with_gaps(shared_data: Path) -> None:
    frame = read_table(shared_data / "nyc_weather.csv")
    panel, notes = build(frame, series="origin", time="time_hour", target="temp")
    assert (panel.ids, panel.freq, panel.zone) == (("EWR", "JFK", "LGA"), "h", "UTC")
    assert len(panel.values) == len(frame) + 75
    assert "75 hours absent in 3 of 3 series" in str(notes["gaps"])
    hours = pd.to_datetime(frame["time_hour"]).groupby(frame["origin"]).agg(["min", "max", "size"])
    absent = (hours["max"] - hours["min"]) // pd.Timedelta(hours=1) + 1 - hours["size"]
    assert notes["gaps"].counts == absent.to_dict()
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
    moved = 0
    for part in (0, 6):
        own = [k for k in order if part <= k < part + 6]
        moved += sum(later < earlier for earlier, later in pairwise(own))
    assert notes["order"].value.split()[0] == str(moved) if moved else "order" not in notes


# Cells that cannot be read


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("oops", r"column 'y', line 5: 'oops' is text, expected a number \(and 1 more such cell\)"),
        (np.inf, r"column 'y', line 5: 'inf' is infinite, expected a number \(and 1 more such cell\)"),
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
        build(frame, series="")
    assert "column 'shop' tells them apart: series=\"shop\"" in caught.value.hint
    assert 'duplicates="first"' in caught.value.hint
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


@pytest.mark.parametrize("ids", [{}, {"id": ["a"] * 5 + ["b"] * 5}])
def test_a_column_of_one_time_is_no_time(ids: dict[str, list[str]]) -> None:
    frame = pd.DataFrame({"date": ["2024-01-01"] * 10, "y": np.arange(10.0) ** 2, **ids})
    with pytest.raises(DataError, match=r"every row .*has the same time") as caught:
        build(frame, series="id" if ids else "")
    assert 'time="COLUMN"' in caught.value.hint


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="the table has no rows"):
        build(table()[:0])


# The freq


def test_a_given_freq_that_does_not_fit_names_the_first_row_that_does_not() -> None:
    with pytest.raises(DataError, match=r"row 1: 2024-01-01 01:00 does not fit the freq D counted from 2024-01-01 "):
        build(table(), freq="D")
    with pytest.raises(DataError, match="98% of the 3,541 minutes have no reading, the longest gap 59 minutes"):
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
    assert "longest gap 3 hours between 2024-01-02 05:00 and 2024-01-02 09:00" in notes["gaps"].reason
    assert notes["missing"].value == "2 empty cells"
    assert "2024-01-02 16:00, row 40" in notes["missing"].reason
    assert warned(notes) == {"gaps", "missing"}
    assert all(f'{name}="error"' in notes[name].reason for name in ("gaps", "missing"))


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


def test_a_third_of_the_rows_may_be_absent_but_not_most_of_them() -> None:
    rng = np.random.default_rng(3)
    frame = table(600)
    panel, notes = build(frame.drop(index=rng.choice(np.arange(1, 599), 180, replace=False)))
    assert (panel.freq, len(panel.values), int((~panel.observed).sum())) == ("h", 600, 180)
    assert warned(notes) == {"gaps"}
    hole = frame.drop(index=range(100, 340))  # as a year in two and a half
    assert warned(build(hole)[1]) == {"gaps"}
    with pytest.raises(DataError, match="66% of the 600 hours have no reading, the longest gap 400 hours") as caught:
        build(frame.drop(index=range(100, 500)))
    assert 'freq="row"' in caught.value.hint
    emptied = frame.copy()
    emptied.loc[[i for i in range(1, 599) if i % 3], "y"] = np.nan
    assert warned(build(emptied)[1]) == {"missing"}
    emptied.loc[100:400, "y"] = np.nan
    with pytest.raises(DataError, match="83% of the 600 hours have no reading, the longest gap 302 hours"):
        build(emptied)


def test_one_sparse_series_among_others_is_kept_and_named() -> None:
    parts = [table().assign(id=name) for name in "abcd"]
    parts[1] = parts[1].drop(index=range(5, 55))
    panel, notes = build(pd.concat(parts, ignore_index=True), series="id")
    assert len(panel.values) == 240
    assert notes["sparse"].value == "1 of 4 series"
    assert notes["sparse"].counts == {"b": 50}
    assert "mostly" not in notes["gaps"].reason
    with pytest.raises(DataError, match="83% of the 60 hours of series 'b' have no reading"):
        build(
            pd.concat([p.drop(index=range(5, 55), errors="ignore") for p in parts], ignore_index=True)[
                lambda f: f["id"] != "a"
            ],
            series="id",
        )


@pytest.mark.parametrize("freq", ["min", "s"])
def test_a_freq_far_too_fine_is_refused_before_it_takes_memory(freq: str) -> None:
    began = time.process_time()
    with pytest.raises(
        DataError, match=r"99% of the .* have no reading, the longest gap .* between 1704-01-01"
    ) as caught:
        build(pd.DataFrame({"date": pd.date_range("1700-01-01", periods=501, freq="YS"), "y": 1.0}), freq=freq)
    assert "name the right freq" in caught.value.hint
    assert time.process_time() - began < 2


def test_empty_cells_lie_on_a_line_where_asked_and_absent_steps_never() -> None:
    frame = table(40).assign(y=np.arange(40.0) ** 2)
    frame.loc[[10, 11, 12, 31], "y"] = np.nan
    frame = frame.drop(index=[20, 21, 30])
    panel, notes = build(frame, missing="interpolate", gaps="fill")
    assert np.flatnonzero(~panel.observed).tolist() == [10, 11, 12, 20, 21, 30, 31]
    np.testing.assert_allclose(panel.values[10:13], 81 + (169 - 81) * np.array([1, 2, 3]) / 4)
    assert panel.values[30] == 6**2 + 29**2 - 5**2  # a day earlier, shifted to the last level
    np.testing.assert_allclose(panel.values[31], 29**2 + (32**2 - 29**2) * 2 / 3)
    assert panel.values[[20, 21]].tolist() == [361, 361]
    assert "interpolated between the readings around" in notes["missing"].reason


def test_masking_and_filling_say_what_the_network_is_told() -> None:
    frame = table().drop(index=[30, 31])
    frame.loc[7, "y"] = np.nan
    (masked, one), (filled, two) = build(frame), build(frame, gaps="fill", missing="seasonal")
    for name in ("observed", "times"):
        np.testing.assert_array_equal(getattr(masked, name), getattr(filled, name))
    assert masked.masked and not filled.masked
    assert all("masked: flagged for the network" in one[name].reason for name in ("gaps", "missing"))
    assert all("filled with" in two[name].reason for name in ("gaps", "missing"))


def test_every_repair_is_counted_by_series() -> None:
    frame = pd.concat([table(30).assign(id=name) for name in ("a", "b", "c")], ignore_index=True)
    frame.loc[[3, 4, 35], "y"] = np.nan  # a, a, b
    frame.loc[[0, 88, 89], "y"] = np.nan  # the ends of a and c
    frame = pd.concat([frame.drop(index=[10, 40, 41]), frame.iloc[[20, 50, 51]]])
    _, notes = build(frame, series="id", duplicates="first")
    counted = {name: dict(notes[name].counts) for name in ("gaps", "missing", "trimmed", "duplicates")}
    assert counted == {
        "gaps": {"a": 1, "b": 2},
        "missing": {"a": 2, "b": 1},
        "trimmed": {"a": 1, "c": 2},
        "duplicates": {"a": 1, "b": 2},
    }
    assert notes["gaps"].value == "3 hours absent in 2 of 3 series"
    assert "most in b 2, a 1" in notes["gaps"].reason


# Covariates


def covered() -> pd.DataFrame:
    """Two shops over ten hours, with a past, a future and two static columns."""
    frame = pd.concat([table(10).assign(shop=name) for name in ("n", "s")], ignore_index=True)
    return frame.assign(
        rain=np.arange(20.0), plan=["yes", "no"] * 10, city=["Bonn"] * 10 + ["Kiel"] * 10, size=[3.5] * 10 + [7] * 10
    )


ROLES = {"series": "shop", "target": "y", "past": "rain", "future_columns": "plan", "static": "city,size"}


def test_covariates_go_along_with_the_rows() -> None:
    frame = covered()
    frame.loc[5, "rain"] = np.nan
    panel, _ = build(frame.drop(index=[3]).sample(frac=1, random_state=0), **ROLES)
    assert [(c.name, c.role) for c in panel.columns] == [
        ("rain", "past"), ("plan", "future"), ("city", "static"), ("size", "static"),
    ]  # fmt: skip
    assert panel.covariates.dtype == panel.static.dtype == np.float32
    order = [panel.ids.index(name) for name in ("n", "s")]
    rain = np.concatenate([panel.covariates[panel.rows(i), 0] for i in order])
    expected = np.arange(20.0)
    expected[[3, 5]] = np.nan
    np.testing.assert_array_equal(rain, expected)
    plan = np.array([*panel.columns[1].categories, "?"])
    codes = np.concatenate([panel.covariates[panel.rows(i), 1] for i in order])
    assert np.flatnonzero(np.isnan(codes)).tolist() == [3]
    named = plan[np.where(np.isnan(codes), -1, codes).astype(int)]
    assert (named[np.arange(20) != 3] == frame["plan"][np.arange(20) != 3]).all()
    cities = panel.columns[2].categories
    assert [cities[int(panel.static[i, 0])] for i in order] == ["Bonn", "Kiel"]
    assert panel.static[order, 1].tolist() == [3.5, 7]


@pytest.mark.parametrize(
    ("rule", "rain", "plan"), [("first", 1, "b"), ("last", 8, "c"), ("mean", 4.5, "a"), ("sum", 4.5, "a")]
)
def test_duplicates_combine_their_covariates(rule: str, rain: float, plan: str) -> None:
    dates = [f"2024-01-0{day}" for day in (1, 2, 2, 2, 2, 3)]
    frame = pd.DataFrame({
        "date": dates,
        "y": [1.0, np.nan, 2, 3, np.nan, 9],
        "rain": [0.0, np.nan, 1, np.nan, 8, 5],
        "plan": ["a", "a", "b", "c", "d", "a"],
    })  # fmt: skip
    panel, _ = build(frame, duplicates=rule, target="y", past="rain", future_columns="plan")
    assert panel.covariates[1, 0] == rain
    assert panel.columns[1].categories[int(panel.covariates[1, 1])] == plan


def test_a_static_column_that_changes_counts_with_its_newest_value_unless_it_was_named() -> None:
    model, _ = build(covered(), **ROLES)
    newer = covered()
    newer.loc[[4, 15], "size"] = np.nan
    newer.loc[[8, 9], "size"] = 4.5
    panel, notes = build_panel(newer, Config.of(), like=model)
    assert panel.static[:, 1].tolist() == [4.5, 7]
    changes = next(note for note in notes if note.name == "static size")
    assert (changes.warning, changes.counts, changes.value) == (True, {"n": 1}, "changes 1 time in 1 of 2 series")
    assert "first row 7 and row 8 of series 'n'" in changes.reason
    with pytest.raises(DataError, match="static column 'size' has two values of series 'n': row 7 and row 8") as caught:
        build(newer, **ROLES)
    assert 'past="size"' in caught.value.hint


def test_a_newer_table_is_read_as_the_model_was() -> None:
    panel, _ = build(covered(), **ROLES)
    newer = covered().iloc[[9]].assign(plan="perhaps", date="2024-03-01", size=np.nan)
    later, _ = build_panel(newer, Config.of(), like=panel)
    assert (later.columns, later.freq, later.ids, later.zone) == (panel.columns, "h", ("n",), "")
    assert later.covariates.tolist() == [[9, -1]]
    assert np.isnan(later.static[0, 1])
    assert later.static[0, 0] == panel.static[panel.ids.index("n"), 0]


def test_rows_after_the_last_reading_tell_future_covariates() -> None:
    frame = covered()
    frame.loc[[7, 8, 9, 19], "y"] = np.nan
    panel, notes = build(frame, **ROLES)
    assert panel.lengths.tolist() == [7, 9]
    names = panel.columns[1].categories
    assert [names[int(code)] for code in panel.beyond[0, :, 0]] == ["no", "yes", "no"]
    assert names[int(panel.beyond[1, 0, 0])] == "no"
    assert np.isnan(panel.beyond[1, 1:]).all()
    assert notes["known ahead"].counts == {"n": 3, "s": 1}
    assert "trimmed" not in notes
    assert build(frame, missing="error", **ROLES)[0].lengths.tolist() == [7, 9]
    assert (
        build(frame.assign(plan=None).astype({"plan": object}), **{**ROLES, "future_columns": "none"})[0].beyond is None
    )


@pytest.mark.parametrize(
    ("freq", "kept"), [("D", [0, 1, 2, 3, 4, 5, 9]), ("B", [0, 1, 2, 3, 4, 5, 6, 8]), ("MS", [0, 1, 2, 3, 4, 7])]
)
def test_future_covariates_lie_on_their_steps_whatever_the_freq(freq: str, kept: list[int]) -> None:
    dates = pd.date_range("2024-01-01", periods=10, freq=freq, tz="Europe/Berlin")
    frame = pd.DataFrame({"t": dates, "y": [1.0, 4, 2, 8, 5, *[np.nan] * 5], "plan": np.arange(10.0)}).iloc[kept]
    panel, _ = build(frame, freq=freq, target="y", future_columns="plan")
    assert len(panel.values) == 5
    expected = [k if k in kept else np.nan for k in range(5, max(kept) + 1)]
    np.testing.assert_array_equal(panel.beyond[0, :, 0], expected)


# Time zones, rows as steps


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("freq", ["h", "15min", "D", "W-MON", "MS", "B"])
def test_both_days_on_which_clocks_change_are_whole(zone: str, freq: str) -> None:
    dates = pd.date_range("2023-01-02" if freq != "MS" else "2020-01-01", periods=200, freq=freq, tz=zone)
    if freq in ("h", "15min"):
        for day in ("2023-03-25", "2023-10-28"):
            dates = pd.date_range(day, periods=200, freq=freq, tz=zone)
            panel, notes = build(pd.DataFrame({"t": dates, "y": np.arange(200.0) ** 0.5}))
            np.testing.assert_array_equal(panel.times, dates.tz_convert("UTC").tz_localize(None).to_numpy())
            assert (panel.freq, panel.zone, warned(notes)) == (freq, zone, set())
        return
    panel, notes = build(pd.DataFrame({"t": dates, "y": np.arange(200.0) ** 0.5}))
    np.testing.assert_array_equal(panel.times, dates.tz_localize(None).to_numpy())
    assert (panel.freq, panel.zone, warned(notes)) == (freq, zone, set())


@pytest.mark.parametrize("freq", ["D", "W-SUN"])
def test_a_day_without_a_midnight_is_a_day(freq: str) -> None:
    dates = pd.date_range("2014-06-01", periods=200 if freq == "W-SUN" else 1500, freq=freq)
    zoned = dates.tz_localize("America/Sao_Paulo", nonexistent="shift_forward")
    assert (zoned.hour == 1).any()
    panel, _ = build(pd.DataFrame({"t": zoned, "y": np.arange(len(dates)) ** 0.5}))
    assert (panel.freq, panel.zone) == (freq, "America/Sao_Paulo")
    np.testing.assert_array_equal(panel.times, dates.to_numpy())


def test_times_of_a_zone_that_is_not_named_are_answered_with_the_flag() -> None:
    dates = pd.date_range("2023-03-01", periods=60, freq="D", tz="Europe/Berlin")
    frame = pd.DataFrame({"t": [date.isoformat() for date in dates], "y": np.arange(60.0) ** 0.5})
    with pytest.raises(
        DataError, match=r"row 0: 2023-02-28 23:00 does not fit the freq D .* \(26 such rows\)"
    ) as caught:
        build(frame)
    assert 'zone="Europe/Berlin"' in caught.value.hint
    panel, _ = build(frame, zone="Europe/Berlin")
    np.testing.assert_array_equal(panel.times, dates.tz_localize(None).to_numpy())
    hourly = pd.date_range("2023-10-28", periods=60, freq="h", tz="Europe/Berlin").tz_localize(None)
    frame = pd.DataFrame({"t": hourly, "y": np.arange(60.0) ** 0.5})
    with pytest.raises(DataError, match="two readings at 2023-10-29 02:00, row 26 and row 27") as caught:
        build(frame)
    assert 'zone="Europe/Berlin"' in caught.value.hint
    assert len(build(frame, zone="Europe/Berlin")[0].values) == 60


def test_days_counted_in_utc_stay_so_in_a_zone() -> None:
    dates = pd.date_range("2023-01-02", periods=400, freq="D", tz="UTC").tz_convert("Europe/Berlin")
    panel, _ = build(pd.DataFrame({"t": dates, "y": np.arange(400.0) ** 0.5}))
    assert (panel.freq, panel.zone) == ("D", "UTC")
    np.testing.assert_array_equal(panel.times, dates.tz_convert("UTC").tz_localize(None).to_numpy())


def test_rows_are_steps_and_keep_their_dates() -> None:
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-03-05", "2024-03-06", "2024-07-01"])
    panel, notes = build(pd.DataFrame({"date": dates[::-1], "y": [1.0, 5, 2, 7, 3]}), freq="row")
    assert panel.freq.startswith("row")
    np.testing.assert_array_equal(panel.times, dates.to_numpy())
    assert panel.values.tolist() == [3, 7, 2, 5, 1]
    assert panel.observed.all()
    assert "gaps" not in notes


# Outliers


@pytest.mark.parametrize("factor", [100, 1000])
def test_a_reading_with_a_slipped_decimal_point_is_named_and_kept(factor: float, shared_data: Path) -> None:
    frame = read_table(shared_data / "ETTh1.csv")
    frame.loc[5000, "OT"] *= factor
    panel, notes = build(frame, target="OT", covariates=False)
    assert panel.values[5000] == frame["OT"][5000]
    assert notes["outliers"].value == "1 reading"
    assert f"the largest {frame['OT'][5000]:g} at 2017-01-25 08:00, line 5002; kept" in notes["outliers"].reason


def test_peaks_that_belong_to_a_series_are_no_outliers() -> None:
    rng = np.random.default_rng(0)
    day = np.arange(1000)
    weekly = rng.normal(10, 1, 1000) + 200 * (day % 7 == 5)
    demand = np.where(rng.random(1000) < 0.05, rng.integers(1, 9, 1000), 0)
    shift = rng.normal(10, 1, 1000) + 500 * (day > 400)
    walk = np.exp(np.cumsum(rng.normal(0, 0.03, 1000)))
    for values in (weekly, demand, shift, walk, np.full(1000, 3.0)):
        frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=1000), "y": values.astype(float)})
        assert "outliers" not in build(frame)[1]


def test_outliers_among_huge_readings_are_looked_for_without_a_warning() -> None:
    values = np.where(np.arange(100) % 2, 1e99, -9e99)
    assert build(table(100).assign(y=values), target="y", series="")[0].values.tolist() == values.tolist()


@pytest.mark.parametrize(("value", "shown"), [(1e100, r"1e\+100"), (-1e308, r"-1e\+308")])
def test_readings_too_large_to_be_computed_with_are_refused(value: float, shown: str) -> None:
    values = np.where(np.arange(100) == 7, value, np.arange(100.0))
    values[3] = np.nan
    with pytest.raises(DataError, match=rf"the largest value of 'y' is {shown}, row 7"):
        build(table(100).assign(y=values), target="y", series="")


def test_outliers_are_found_in_their_series() -> None:
    frame = pd.concat([table(100).assign(id=name) for name in "abc"], ignore_index=True)
    frame.loc[[150, 151], "y"] = [9999, 8888.0]
    frame.loc[250, "y"] = -500
    frame.loc[[110, 120], "y"] = np.nan
    _, notes = build(frame.drop(index=[115, 116]), series="id")
    assert notes["outliers"].counts == {"b": 2, "c": 1}
    assert (
        "the largest 9999 at 2024-01-03 02:00, row 150 of series 'b'; most in b 2, c 1; kept as they are"
        in notes["outliers"].reason
    )


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
@given(st.lists(gappy, min_size=1, max_size=3), st.integers(1, 8), st.sampled_from([1, 10]))
def test_the_fill_is_that_of_the_slow_loop(series: list[list[float]], season: int, copies: int) -> None:
    series = series * copies
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
    one, two = (panel.take(np.arange(len(panel.values)) < common) for panel in (one, two))
    for name in ("values", "observed", "times"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_newest_row_may_be_anything_without_changing_the_past() -> None:
    """The same, to the last bit, at the place where it is easiest to leak: the row right after a gap."""
    frame = table().drop(index=[40, 41, 42])
    one = build(frame)[0]
    frame.loc[43, "y"] = 1e9
    two, newer = build(frame)[0], len(one.values) - 43
    np.testing.assert_array_equal(one.drop_newest(newer).values, two.drop_newest(newer).values)


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


# Several series that would be merged, and numbers that stand for no reading


def merging() -> pd.DataFrame:
    """Return a table of one shop to which a second one is added at the end: few times are shared."""
    days = pd.date_range("2022-01-01", periods=100)
    one, two = days[:95], days[85:]
    return pd.DataFrame({"day": [*one, *two], "shop": ["a"] * len(one) + ["b"] * len(two), "y": np.arange(110.0)})


@pytest.mark.parametrize("rule", ["mean", "sum", "first", "last"])
def test_several_series_are_merged_only_where_a_person_says_that_they_are_one(rule: str) -> None:
    with pytest.raises(DataError, match=f'duplicates="{rule}" would merge several series: 10 rows repeat a time') as e:
        build(merging(), duplicates=rule)
    assert e.value.hint == 'series="shop"; or series="none" if they are one series'
    panel, notes = build(merging(), duplicates=rule, series="none")
    assert (len(panel), len(panel.values)) == (1, 100)
    assert notes["duplicates"].warning and "column 'shop' tells them apart" in notes["duplicates"].reason


def test_few_rows_that_repeat_a_time_are_merged_with_a_word() -> None:
    frame = merging().iloc[:95]
    twice = pd.concat([frame, frame.iloc[[3, 4]]], ignore_index=True)
    panel, notes = build(twice, duplicates="mean")
    assert len(panel.values) == 95 and "tells them apart" not in notes["duplicates"].reason


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_may_stand_for_no_reading_is_warned_of(dtype: type) -> None:
    values = np.sin(np.arange(300.0)).astype(dtype)
    values[[7, 70, 170]] = -99.9
    frame = pd.DataFrame({"day": list(hours(150)) * 2, "id": ["a"] * 150 + ["b"] * 150, "y": values})
    note = build(frame)[1]["sentinel"]
    assert (note.value, note.warning, note.counts) == ("-99.9 in 2 rows in 1 of 2 series", True, {"a": 2})
    assert "far from all other readings of 'y', first row 7 of series 'a'" in note.reason
    assert "sentinel" not in build(frame.assign(y=np.where(frame["y"] < -50, -2, frame["y"])))[1]


def test_a_row_out_of_order_counts_once() -> None:
    frame = pd.DataFrame({"t": hours(100), "y": np.arange(100.0)})
    late = pd.concat([frame.iloc[2:], frame.iloc[:2]])
    assert build(late)[1]["order"].value == "1 row out of order"
