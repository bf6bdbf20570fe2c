from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.columns.date_formats import FORMATS, format_of, month_number, to_nanoseconds
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.raw_cells import numbers_of
from forecaster.data.columns.read_times import Times, read_times
from forecaster.data.columns.time_kinds import find_time_kind
from forecaster.data.columns.time_parts import find_clock, find_parts, join_parts
from forecaster.data.readers.sources import read_table
from forecaster.errors import DataError


def read(values: object, name: str = "when", dates: str = "auto") -> Times:
    table = TableProfile(pd.DataFrame({name: values}))
    assert table[name].time_kind is not None
    return read_times(table, name, dates)


def times(values: object, name: str = "when") -> np.ndarray:
    return read(values, name).values


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1949-02", "1949-02-01"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31 18:30", "2024-01-31T18:30"),
        ("2024-01-31T18:30:15.250", "2024-01-31T18:30:15.250"),
        ("2016-02-15T00:30:00Z", "2016-02-15T00:30"),
        ("2016-02-15T00:30:00+01:00", "2016-02-14T23:30"),
        ("2016-02-15 00:30:00 UTC", "2016-02-15T00:30"),
        ("1990/1/2 0:00", "1990-01-02"),
        ("2024-1-2", "2024-01-02"),
        ("2024.01.31 07:05:09", "2024-01-31T07:05:09"),
        ("1/31/1999", "1999-01-31"),
        ("31/1/1999 6:05", "1999-01-31T06:05"),
        ("1/31/1999 6:05 PM", "1999-01-31T18:05"),
        ("1/31/1999, 12:05:07 am", "1999-01-31T00:05:07"),
        ("1.2.1999", "1999-02-01"),
        ("13/4/99", "1999-04-13"),
        ("4/13/24 13:45", "2024-04-13T13:45"),
        ("2024-W05", "2024-01-29"),
        ("2024-W05-3", "2024-01-31"),
        ("2020W53", "2020-12-28"),
        ("2024Q3", "2024-07-01"),
        ("2024-Q1", "2024-01-01"),
        ("2024 q4", "2024-10-01"),
        ("Q2 2024", "2024-04-01"),
        ("Jan 2024", "2024-01-01"),
        ("Mai 2024", None),
        ("September 2024", "2024-09-01"),
        ("Feb-99", "1999-02-01"),
        ("31 Jan 2024", "2024-01-31"),
        ("31-May-2024 04:05", "2024-05-31T04:05"),
        ("1-Jun-24", "2024-06-01"),
        ("January 31, 2024", "2024-01-31"),
        ("Sept 3rd, 2024 5:06 pm", "2024-09-03T17:06"),
        ("Wed, 31 Jan 2024 10:11:12", "2024-01-31T10:11:12"),
        ("2024-Dec-05", "2024-12-05"),
        ("2024/7", "2024-07-01"),
        ("07/2024", "2024-07-01"),
        (19580329, "1958-03-29"),
        (19580329.0, "1958-03-29"),
        ("19580329", "1958-03-29"),
        (2024013118, "2024-01-31T18:00"),
        (202401311830, "2024-01-31T18:30"),
        (20240131183015, "2024-01-31T18:30:15"),
        (1706729400, "2024-01-31T19:30"),
        (1706729400.25, "2024-01-31T19:30:00.25"),
        (1706729400123, "2024-01-31T19:30:00.123"),
        (1706729400123456, "2024-01-31T19:30:00.123456"),
        ("1706729400", "2024-01-31T19:30"),
        (datetime.date(2024, 1, 31), "2024-01-31"),
        (datetime.datetime(2024, 1, 31, 5), "2024-01-31T05:00"),
        (pd.Timestamp("2024-01-31 10:00", tz="Europe/Berlin"), "2024-01-31T09:00"),
        (pd.Period("2024-02", "M"), "2024-02-01"),
    ],
)
def test_a_time_is_read_as_it_is_meant(written: object, meant: str | None) -> None:
    if meant is None:
        assert find_time_kind(pd.Series([written], name="when")) is None
        return
    found = times([written, None])
    assert found.dtype == "datetime64[ns]"
    assert found[0] == np.datetime64(meant)
    assert np.isnat(found[1])


def test_nanoseconds_since_1970_are_read_to_the_last_digit() -> None:
    found = read(np.array([1706729400123456789, 1706729400123456790]))
    assert found.values.astype(np.int64).tolist() == [1706729400123456789, 1706729400123456790]
    assert (found.zone, found.note.value if found.note else "") == ("UTC", "nanoseconds since 1970")


def test_every_format_is_told_from_every_other() -> None:
    written = {
        "iso": "2024-01-31 10:00",
        "year first": "2024/01/31",
        "year last": "31.01.2024",
        "short year": "31/01/24",
        "day and month name": "31 January 24",
        "month name and day": "Jan 31 2024",
        "month name": "jan 2024",
        "year and month name": "2024 Jan",
        "week": "2024-W01",
        "quarter": "2024-Q1",
        "quarter first": "Q1-2024",
        "year and month": "2024/01",
        "month and year": "1/2024",
    }
    assert {form: format_of(cell) for form, cell in written.items()} == {form: form for form in FORMATS}


@pytest.mark.parametrize(
    "text",
    ["", "x", "12", "2024", "1-2-3", "Marketing 2024", "A1 2024", "24:00", "1.5", "10-11-12", "555-1234", "Q5 2024"],
)
def test_what_is_no_date_has_no_format(text: str) -> None:
    assert format_of(text) is None


# An oracle: the standard library reads every cell by itself

_LAYOUTS = {
    "%Y-%m-%d": "iso",
    "%Y-%m-%d %H:%M:%S": "iso",
    "%Y-%m-%dT%H:%M": "iso",
    "%Y/%m/%d %H:%M": "year first",
    "%d %b %Y": "day and month name",
    "%d-%b-%y": "day and month name",
    "%B %d, %Y %I:%M %p": "month name and day",
    "%a, %d %B %Y": "day and month name",
    "%b %Y": "month name",
    "%m/%d/%Y": "year last",
    "%d.%m.%Y %H:%M:%S": "year last",
    "%m/%d/%y": "short year",
    "%m/%Y": "month and year",
}
_MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2060, 1, 1))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from(sorted(_LAYOUTS)),
    st.lists(_MOMENTS, min_size=1, max_size=30),
    st.sampled_from([object, "category", "string"]),
)
def test_a_column_equals_strptime_cell_by_cell(layout: str, moments: list[datetime.datetime], dtype: str) -> None:
    cells = [moment.strftime(layout) for moment in moments] + [None]
    frame = pd.DataFrame({"when": pd.Series(cells, dtype=dtype)})
    assert find_time_kind(frame["when"]) == _LAYOUTS[layout]
    order = "day-first" if layout.startswith("%d") else "month-first"
    found = read_times(TableProfile(frame), "when", order)
    expected = [datetime.datetime.strptime(cell, layout) for cell in cells[:-1] if cell]
    assert found.values[:-1].astype("datetime64[us]").tolist() == expected
    assert np.isnat(found.values[-1])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31)), min_size=1, max_size=20))
def test_iso_weeks_equal_those_of_the_standard_library(days: list[datetime.date]) -> None:
    cells = ["{}-W{:02d}-{}".format(*day.isocalendar()) for day in days]
    assert times(cells).astype("datetime64[D]").tolist() == days


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.datetimes(datetime.datetime(1990, 1, 2), datetime.datetime(2099, 12, 30)), min_size=1, max_size=9))
def test_numbers_since_1970_equal_those_of_the_standard_library(moments: list[datetime.datetime]) -> None:
    epoch = datetime.datetime(1970, 1, 1)
    seconds = [(moment - epoch) // datetime.timedelta(seconds=1) for moment in moments]
    for scale in (1, 10**3, 10**6, 10**9):
        assert times(np.array(seconds, np.int64) * scale).astype("datetime64[s]").astype(int).tolist() == seconds


# What numbers are


def test_years_and_steps_are_told_by_their_name() -> None:
    assert times([1949, 1950], "Year")[1] == np.datetime64("1950-01-01")
    np.testing.assert_array_equal(times([1949, 1950], "ds"), [1949, 1950])


@pytest.mark.parametrize(
    "values", [["a", "b"], [0.5, 1.5], [True, False], [None, None], ["2024", "x"], ["00123456", "00123457"]]
)
def test_what_is_no_time_is_not_taken_for_one(values: list[object]) -> None:
    assert find_time_kind(pd.Series(values, name="x")) is None


def test_a_note_says_what_numbers_and_zones_were_taken_for() -> None:
    assert str(read([1706729400, 1706733000]).note) == (
        "times: seconds since 1970 (such as 1706729400; they are held and forecast in UTC)"
    )
    berlin = read(pd.date_range("2024", periods=2, tz="Europe/Berlin"))
    assert (berlin.zone, str(berlin.note)) == ("Europe/Berlin", "times: Europe/Berlin (the time zone of the column)")
    assert read(["2024-01-01T00:00+01:00"]).zone == "UTC"
    assert read(pd.to_datetime(["2024-01-01T00:00+01:00"])).zone == "UTC"
    assert read(["1/31/24"]).note is not None
    assert read(["Jan-24"]).note is not None
    assert read(["2024-01-01"]).note is None


# The order of day and month


@pytest.mark.parametrize(
    ("written", "order"),
    [
        (["1/12/1999", "1/13/1999"], "month-first"),
        (["12/1/1999", "13/1/1999"], "day-first"),
        (["1/4/1999", "1/5/1999", "2/1/1999"], "month-first"),
        (["4/1/1999", "5/1/1999", "1/2/1999"], "day-first"),
        (["2/1/1999", "1/5/1999", "1/4/1999"], "month-first"),
    ],
)
def test_the_whole_column_decides_between_day_and_month(written: list[str], order: str) -> None:
    found = read(written)
    layout = {"month-first": "%m/%d/%Y", "day-first": "%d/%m/%Y"}[order]
    assert found.values.tolist() == [pd.Timestamp(datetime.datetime.strptime(text, layout)).value for text in written]
    assert found.dates == order
    assert found.note is not None
    assert found.note.value == order


@pytest.mark.parametrize("written", [["1/1/1999", "2/2/1999"], ["1/4/1999", "4/1/1999", "2/3/1999"], ["1/2/99"]])
def test_day_and_month_that_cannot_be_told_apart_are_refused(written: list[str]) -> None:
    with pytest.raises(DataError, match="read both as month/day and as day/month") as caught:
        times(written)
    assert 'dates="day-first" or dates="month-first"' in caught.value.hint
    assert read(written, dates="day-first").dates == "day-first"
    assert read(written, dates="month-first").values[0] != read(["13/1/1999"]).values[0]


def test_an_order_that_no_order_fits_names_the_row_that_breaks_each() -> None:
    with pytest.raises(
        DataError, match=r"which row 2 '13/1/1999' cannot be, nor all day-first, which row 4 '1/14/1999'"
    ):
        times(["1/1/1999", "2/1/1999", "13/1/1999", "3/1/1999", "1/14/1999", "14/1/1999"])


def test_an_order_that_was_given_is_kept_to() -> None:
    with pytest.raises(DataError, match="row 1: '13/1/1999' is no month-first date") as caught:
        read(["1/1/1999", "13/1/1999"], dates="month-first")
    assert 'dates="day-first"' in caught.value.hint


# What cannot be read


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["2024-01-01"] * 99 + ["soon"], "line 101: 'soon' cannot be read as a time"),
        (["2024-01-01"] * 99 + ["2024-02-30"], "line 101: '2024-02-30' cannot be read"),
        (["2024-01-01"] * 99 + ["1500-01-01"], "line 101: '1500-01-01' .* between 1678 and 2262"),
        (["31 Jan 2024"] * 9 + ["31 Feb 2024"], "line 11: '31 Feb 2024' cannot be read"),
        (["2024-W01"] * 9 + ["2024-W53"], "line 11: '2024-W53' cannot be read"),
        ([20240101] * 2000 + [20240230], "line 2002: '20240230'"),
        ([1706729400] * 2000 + [0], "line 2002: '0' cannot be read .* seconds since 1970"),
        (["2024-01-01 00:00"] * 9 + ["2024-01-01T00:00Z"], "mixes times with and without a time zone: line 2 "),
        (["2024-01-01 00:00Z"] * 9 + ["2024-01-01T00:00"], "mixes times with and without a time zone: line 11"),
        (["1/13/2024"] * 30 + ["40/40/2024", "x"], "line 32: '40/40/2024' cannot be read as a time, nor can 1 other"),
        (
            ["2024-01-31"] * 9 + ["1/31/2024"],
            "mixes formats of dates: line 2 holds '2024-01-31', line 11 .*'1/31/2024'",
        ),
        (["1/31/2024"] * 3 + ["2024-01-31", "Jan 2024"] * 2, "line 2 holds '1/31/2024', line 5 holds '2024-01-31'"),
        (["Jan 2024", "2024Q1"] * 3, "mixes formats of dates: line 2 holds 'Jan 2024', line 3 holds '2024Q1'"),
    ],
)
def test_a_cell_that_is_no_time_is_named_by_its_line(written: list[object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"when": written, "y": 1}).to_csv(path, index=False)
    frame = read_table(path)
    with pytest.raises(DataError, match=message):
        read_times(TableProfile(frame), "when")


def test_offsets_that_change_over_the_year_are_held_in_utc() -> None:
    found = times(["2024-03-31T01:00+01:00", None, "2024-03-31T03:00+02:00"])
    assert found[2] - found[0] == np.timedelta64(1, "h")
    assert found[0] == np.datetime64("2024-03-31T00:00")


def test_times_that_nanoseconds_cannot_hold_become_empty() -> None:
    parsed = pd.Series(np.array(["1500-01-01", "2024-01-01", "NaT", "2300-01-01"], "datetime64[s]"))
    assert np.isnat(to_nanoseconds(parsed)).tolist() == [True, False, True, True]


# Times over several columns


def parts(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def joined(frame: pd.DataFrame, *names: str) -> list[str]:
    return [str(time)[:16] for time in join_parts(TableProfile(frame), names or tuple(frame.columns))]


def test_parts_are_joined() -> None:
    hour = parts(year=[2024, 2024], month=[2, 12], day=[29, 31], hour=[0, 24])
    assert joined(hour) == ["2024-02-29T00:00", "2025-01-01T00:00"]
    assert joined(parts(Year=[2024], Month=["march"])) == ["2024-03-01T00:00"]
    assert joined(parts(year=[2024, 2026], week=[5, 53])) == ["2024-01-29T00:00", "2026-12-28T00:00"]
    assert joined(parts(year=[2024], quarter=[3])) == ["2024-07-01T00:00"]
    assert joined(parts(a=[2024], b=[1], c=[2], d=[3], e=[4])) == ["2024-01-02T03:04"]
    assert joined(parts(date=["2024-01-31"], hour=[7])) == ["2024-01-31T07:00"]
    assert joined(parts(date=["31.1.2024"], time=["6:05 PM"])) == ["2024-01-31T18:05"]
    clock = parts(date=pd.to_datetime(["2024-01-31"]), at=[datetime.time(6, 5)])
    assert joined(clock) == ["2024-01-31T06:05"]
    assert joined(parts(year=[2024, None], month=[1, 2], day=[1, 1])) == ["2024-01-01T00:00", "NaT"]
    assert joined(parts(date=["2024-01-31"] * 2, hour=[7, None])) == ["2024-01-31T07:00", "NaT"]


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(_MOMENTS, min_size=1, max_size=20))
def test_joined_parts_equal_the_standard_library(moments: list[datetime.datetime]) -> None:
    fields = ("year", "month", "day", "hour", "minute", "second")
    frame = pd.DataFrame({field: [getattr(moment, field) for moment in moments] for field in fields})
    found = join_parts(TableProfile(frame), fields).astype("datetime64[s]").tolist()
    assert found == [moment.replace(microsecond=0) for moment in moments]


def test_parts_that_make_no_time_are_named_by_their_row() -> None:
    with pytest.raises(DataError, match="columns 'year', 'month', 'day', row 1: there is no day 2023, 2, 30"):
        join_parts(TableProfile(parts(year=[2023, 2023], month=[2, 2], day=[28, 30])), ("year", "month", "day"))
    with pytest.raises(DataError, match="column 'hour', row 1: '25', expected a whole number from 0 to 24"):
        join_parts(TableProfile(parts(date=["2024-01-01"] * 2, hour=[1, 25])), ("date", "hour"))
    with pytest.raises(DataError, match="column 'at', row 0: '25:00' is no time of day"):
        join_parts(TableProfile(parts(date=["2024-01-01"], at=["25:00"])), ("date", "at"))
    with pytest.raises(DataError, match="'month', 'day' begin with no year and no date"):
        join_parts(TableProfile(parts(month=[1], day=[1])), ("month", "day"))


def test_parts_are_found_by_name_and_content() -> None:
    frame = parts(hour=[1, 2], day=[1, 1], year=[2024, 2024], x=[0.5, 1], month=[1, 1], minute=[0, 30])
    assert find_parts(TableProfile(frame)) == ("year", "month", "day", "hour", "minute")
    assert find_parts(TableProfile(frame.drop(columns="month"))) == ()
    assert find_parts(TableProfile(frame), taken=("day",)) == ("year", "month")
    assert find_parts(TableProfile(parts(year=[2024, 2024], month=[100, 200]))) == ()
    assert find_clock(TableProfile(parts(date=["2024-01-01"] * 3, hour=[0, 1, 2])), "date") == ("hour",)
    assert find_clock(TableProfile(parts(date=["2024-01-01"] * 3, hour=[1, 1, 1])), "date") == ()
    assert find_clock(TableProfile(parts(date=["2024-01-01 05:00"] * 3, hour=[0, 1, 2])), "date") == ()
    assert find_clock(TableProfile(parts(date=["2024-01-01"] * 3, at=["5:00", "6:00", "7:00"])), "date") == ("at",)


def test_months_have_names() -> None:
    assert [month_number(text) for text in ("Jan", "september", "Sept.", "x", "mart")] == [1, 9, 9, 0, 0]


def test_a_whole_number_of_400_digits_is_infinite():
    column = pd.Series([5, 10**400, None, "x", -(10**400)], dtype=object)
    np.testing.assert_array_equal(numbers_of(column), [5, np.inf, np.nan, np.nan, -np.inf])


@pytest.mark.parametrize("word", ["NA", "-", "None", "NaT", " null "])
def test_words_for_no_value_are_no_times_in_any_table(word: str) -> None:
    found = times(["2024-01-01", word, "2024-01-03"])
    assert np.isnat(found).tolist() == [False, True, False]


def test_the_example_of_a_message_can_be_read() -> None:
    with pytest.raises(DataError, match="'2020-W54' cannot be read as a time; expected times such as 2020-W05"):
        times(["2020-W54", *(f"2020-W{k:02d}" for k in range(5, 30))])
