from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data.roles import Roles, infer_roles
from forecaster.data.sources import read_table
from forecaster.data.times import looks_like, read_times
from forecaster.errors import DataError, NotFoundError

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


def times(values: object, name: str = "when") -> np.ndarray:
    frame = pd.DataFrame({name: values})
    kind = looks_like(frame[name])
    assert kind is not None
    return read_times(frame, name, kind).values


def test_the_real_files_are_understood(shared_data: Path) -> None:
    expected = {
        "airline_passengers.csv": Roles("Month", "Passengers"),
        "co2_weekly.csv": Roles("date", "co2"),
        "AAPL.csv": Roles("Date", "Close"),
        "sp500.csv.gz": Roles("Date", "Close"),
        "seattle_weather.csv": Roles("date", "temp_max"),
        "ETTh1.csv": Roles("date", "OT"),
        "exchange_rate.csv": Roles("date", "OT"),
        "nyc_weather.csv": Roles("time_hour", "temp", "origin"),
        "sea_surface_temperature.csv.gz": Roles("time (UTC)", "temperature (celsius)"),
    }
    assert {name: infer_roles(read_table(shared_data / name))[0] for name in expected} == expected


def test_a_time_split_over_columns_is_said_to_be_so(shared_data: Path) -> None:
    with pytest.raises(NotFoundError, match="split over 'year', 'month', 'day', 'hour'"):
        infer_roles(read_table(shared_data / "beijing_pollution.csv"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1949-02", "1949-02-01"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31 18:30", "2024-01-31T18:30"),
        ("2024-01-31T18:30:15.250", "2024-01-31T18:30:15.250"),
        ("2016-02-15T00:30:00Z", "2016-02-15T00:30"),
        ("2016-02-15T00:30:00+01:00", "2016-02-14T23:30"),
        ("1990/1/2 0:00", "1990-01-02"),
        ("2024-1-2", "2024-01-02"),
        ("2024.01.31 07:05:09", "2024-01-31T07:05:09"),
        ("1/31/1999", "1999-01-31"),
        ("31/1/1999 6:05", "1999-01-31T06:05"),
        ("1.2.1999", "1999-02-01"),
        (19580329, "1958-03-29"),
        (19580329.0, "1958-03-29"),
        (datetime.date(2024, 1, 31), "2024-01-31"),
        (pd.Timestamp("2024-01-31 10:00", tz="Europe/Berlin"), "2024-01-31T09:00"),
        (pd.Period("2024-02", "M"), "2024-02-01"),
    ],
)
def test_a_time_is_read_as_it_is_meant(written: object, meant: str) -> None:
    found = times([written, None])
    assert found.dtype == "datetime64[ns]"
    assert found[0] == np.datetime64(meant)
    assert np.isnat(found[1])


def test_years_and_steps_are_told_by_their_name() -> None:
    assert times([1949, 1950], "Year")[1] == np.datetime64("1950-01-01")
    np.testing.assert_array_equal(times([1949, 1950], "ds"), [1949, 1950])


@pytest.mark.parametrize("values", [["a", "b"], [0.5, 1.5], [True, False], [None, None], ["2024", "x"], ["1/4/99"]])
def test_what_is_no_time_is_not_taken_for_one(values: list[object]) -> None:
    assert looks_like(pd.Series(values, name="x")) is None


@pytest.mark.parametrize(
    ("written", "order"),
    [
        (["1/12/1999", "1/13/1999"], "month first"),
        (["12/1/1999", "13/1/1999"], "day first"),
        (["1/4/1999", "1/5/1999", "2/1/1999"], "month first"),
        (["4/1/1999", "5/1/1999", "1/2/1999"], "day first"),
        (["2/1/1999", "1/5/1999", "1/4/1999"], "month first"),
    ],
)
def test_the_whole_column_decides_between_day_and_month(written: list[str], order: str) -> None:
    frame = pd.DataFrame({"when": written})
    found = read_times(frame, "when", "year last")
    layout = {"month first": "%m/%d/%Y", "day first": "%d/%m/%Y"}[order]
    assert found.values.tolist() == [pd.Timestamp(datetime.datetime.strptime(text, layout)).value for text in written]
    assert found.note is not None
    assert found.note.value == order


@pytest.mark.parametrize("written", [["1/1/1999", "2/2/1999"], ["1/4/1999", "4/1/1999", "2/3/1999"]])
def test_day_and_month_that_cannot_be_told_apart_are_refused(written: list[str]) -> None:
    with pytest.raises(DataError, match="read both as month/day and as day/month"):
        times(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["2024-01-01"] * 99 + ["soon"], "line 101: 'soon' cannot be read as a time"),
        (["2024-01-01"] * 99 + ["2024-02-30"], "line 101: '2024-02-30' cannot be read"),
        (["2024-01-01"] * 99 + ["1500-01-01"], "line 101: '1500-01-01' .* between 1678 and 2262"),
        ([20240101] * 2000 + [20240230], "line 2002: '20240230'"),
        (["2024-01-01 00:00"] * 9 + ["2024-01-01T00:00Z"], "mixes times with and without a time zone: line 2 "),
        (["2024-01-01 00:00Z"] * 9 + ["2024-01-01T00:00"], "mixes times with and without a time zone: line 11"),
        (["1/13/2024"] * 30 + ["40/40/2024", "x"], "line 32: '40/40/2024' cannot be read as a time, nor can 1 other"),
    ],
)
def test_a_cell_that_is_no_time_is_named_by_its_line(written: list[object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"when": written, "y": 1}).to_csv(path, index=False)
    frame = read_table(path)
    with pytest.raises(DataError, match=message):
        read_times(frame, "when", looks_like(frame["when"]) or "iso")


def test_offsets_that_change_over_the_year_are_held_in_utc() -> None:
    found = times(["2024-03-31T01:00+01:00", None, "2024-03-31T03:00+02:00"])
    assert found[2] - found[0] == np.timedelta64(1, "h")
    assert found[0] == np.datetime64("2024-03-31T00:00")


def test_the_time_is_found_by_content_not_by_name() -> None:
    frame = pd.DataFrame({"date": range(10), "x": DAYS, "y": np.arange(10) * 1.5})
    roles, notes = infer_roles(frame)
    assert roles == Roles("x", "y")
    assert [note.name for note in notes] == ["time", "target"]
    assert infer_roles(pd.DataFrame({"made": DAYS, "date": DAYS, "y": range(5, 15)}))[0].time == "date"
    assert infer_roles(pd.DataFrame({"step": range(10), "y": np.ones(10)}))[0] == Roles("step", "y")
    assert infer_roles(pd.DataFrame({"k": range(10), "y": np.ones(10)}), time="k")[0] == Roles("k", "y")


def test_the_target_is_a_usual_name_else_the_last_and_never_a_row_number() -> None:
    base = {"date": DAYS, "no": range(1, 11), "a": np.ones(10), "b": np.ones(10)}
    roles, notes = infer_roles(pd.DataFrame({**base, "last_no": range(10)}))
    assert roles.target == "b"
    assert notes[-1].warning
    assert "'a'" in notes[-1].reason
    assert "--target" in notes[-1].reason
    assert infer_roles(pd.DataFrame({**base, "Value": 1.0, "c": 2.0}))[0].target == "Value"
    assert infer_roles(pd.DataFrame({"date": DAYS, "no": range(1, 11), "a": np.ones(10)}))[0].target == "a"
    assert infer_roles(pd.DataFrame({"date": DAYS, "y": range(10)}))[0].target == "y"
    assert infer_roles(pd.DataFrame({"date": DAYS, "a": ["1"] * 9 + ["x"]}))[0].target == "a"
    with pytest.raises(NotFoundError, match="no column of readings to forecast: tried 'note' \\('x'\\)"):
        infer_roles(pd.DataFrame({"date": DAYS, "note": ["x"] * 10}))


def test_a_series_column_is_found_only_where_it_makes_the_times_unique() -> None:
    frame = pd.DataFrame({"date": DAYS * 2, "shop": ["a"] * 10 + ["b"] * 10, "kind": ["k"] * 20, "y": np.ones(20)})
    roles, notes = infer_roles(frame)
    assert roles.series == "shop"
    assert "2 values" in notes[1].reason
    assert infer_roles(frame, series="")[0].series is None
    assert infer_roles(frame.iloc[:10])[0].series is None
    assert infer_roles(pd.concat([frame, frame]))[0].series is None
    assert infer_roles(frame, series="kind")[0].series == "kind"


def test_unknown_columns_name_the_nearest_one() -> None:
    frame = pd.DataFrame({"date": DAYS, "sales": np.ones(10)})
    for role in ("time", "target", "series"):
        with pytest.raises(NotFoundError, match="no column 'sale', the table has 'date', 'sales'") as caught:
            infer_roles(frame, **{role: "sale"})
        assert caught.value.hint == "did you mean 'sales'?"


def test_columns_that_cannot_have_their_role_are_refused() -> None:
    frame = pd.DataFrame({"date": DAYS, "word": ["a"] * 10, "sales": np.ones(10) / 3})
    with pytest.raises(DataError, match="column 'word' does not hold times: it holds 'a'"):
        infer_roles(frame, time="word")
    with pytest.raises(DataError, match="column 'sales' cannot have two roles"):
        infer_roles(frame, target="sales", series="sales")
    with pytest.raises(NotFoundError, match=r"no column holds times: tried 'word' \('a'\), 'sales' \('0.33") as caught:
        infer_roles(frame[["word", "sales"]])
    assert "--time COLUMN" in caught.value.hint
    with pytest.raises(NotFoundError, match="and 12 more"):
        infer_roles(pd.DataFrame(np.full((2, 20), 0.5)).rename(columns=str))


def test_a_table_without_column_names_is_refused() -> None:
    with pytest.raises(DataError, match="line 1 holds no column names but a reading, of 2024-01-01"):
        infer_roles(pd.DataFrame({"2024-01-01": DAYS[1:], "5.0": np.ones(9)}))
