from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.time.zones import check_zone, local_times, localize, to_utc
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC")
ZONES += ("Africa/Casablanca", "Pacific/Apia", "+05:30", "-03:00")


def moments(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[ns]")


def hours(start: str, count: int, step: str = "h") -> np.ndarray:
    return pd.date_range(start, periods=count, freq=step, unit="ns").to_numpy()


def slow_local(utc: np.ndarray, zone: str) -> np.ndarray:
    """Return the clock of a zone by the standard library, one time after the other."""
    if zone[0] in "+-":
        ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
        return utc + np.timedelta64(ahead if zone[0] == "+" else -ahead)
    tz = zoneinfo.ZoneInfo(zone)
    plain = [datetime.fromisoformat(str(moment)[:19]).replace(tzinfo=UTC) for moment in utc]
    return np.array([moment.astimezone(tz).replace(tzinfo=None) for moment in plain], "datetime64[ns]")


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(1950, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["15min", "h", "6h", "D"]),
    st.integers(1, 400),
    st.booleans(),
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_there_and_back_again(zone: str, start: datetime, step: str, rows: int, newest_first: bool) -> None:
    utc = hours(start.replace(microsecond=0, second=0, minute=start.minute // 15 * 15).isoformat(), rows, step)
    utc = utc[::-1] if newest_first else utc
    local = local_times(utc, zone)
    np.testing.assert_array_equal(local, slow_local(utc, zone))
    back = to_utc(local, zone)
    assert back.dtype == "datetime64[ns]"
    if step in ("15min", "h"):  # all of a repeated hour is there, or it is at the edge of the table
        edge = np.abs(back - utc) > np.timedelta64(0)
        assert edge.sum() <= 8
        utc, back = utc[~edge], back[~edge]
        np.testing.assert_array_equal(back, utc)
    np.testing.assert_array_equal(local_times(to_utc(local, zone), zone), local)


@pytest.mark.parametrize("step", ["h", "30min", "10min", "s"])
def test_the_repeated_hour_is_told_by_the_order_of_the_rows(step: str) -> None:
    utc = hours("2024-10-26T23:00", {"h": 5, "30min": 9, "10min": 25, "s": 14401}[step], step)
    for rows in (utc, utc[::-1]):
        notes: list[Note] = []
        np.testing.assert_array_equal(to_utc(local_times(rows, "Europe/Berlin"), "Europe/Berlin", notes=notes), rows)
        assert [note.warning for note in notes] == [False]
    assert notes[0].name == "clock change" and "in a repeated hour" in notes[0].value


def test_the_hour_that_is_left_out_needs_no_thought() -> None:
    local = moments("2024-03-31T01:00", "2024-03-31T03:00", "2024-03-31T04:00")
    expected = moments("2024-03-31T00:00", "2024-03-31T01:00", "2024-03-31T02:00")
    np.testing.assert_array_equal(to_utc(local, "Europe/Berlin"), expected)


def test_series_that_lie_side_by_side_are_told_apart() -> None:
    utc = hours("2024-10-26T20:00", 10)
    times, codes = np.repeat(utc, 3), np.tile([2, 0, 1], 10)
    local = local_times(times, "Europe/Berlin")
    np.testing.assert_array_equal(to_utc(local, "Europe/Berlin", codes), times)
    assert (to_utc(local, "Europe/Berlin") != times).any()


def test_rows_in_no_order_are_first_summer_then_winter() -> None:
    local = moments("2024-10-27T02:30", "2024-10-27T02:00", "2024-10-27T02:45", "2024-10-27T02:00", "2024-10-27T02:30")
    expected = moments(
        "2024-10-27T00:30", "2024-10-27T00:00", "2024-10-27T00:45", "2024-10-27T01:00", "2024-10-27T01:30"
    )
    np.testing.assert_array_equal(to_utc(local, "Europe/Berlin"), expected)


def test_a_step_back_tells_the_passes_apart_where_rows_are_absent() -> None:
    local = moments("2024-10-27T02:00", "2024-10-27T02:30", "2024-10-27T02:15", "2024-10-27T03:00")
    expected = moments("2024-10-27T00:00", "2024-10-27T00:30", "2024-10-27T01:15", "2024-10-27T02:00")
    notes: list[Note] = []
    np.testing.assert_array_equal(to_utc(local, "Europe/Berlin", notes=notes), expected)
    assert "2 read as summer time, 1 after them as winter time" in notes[0].reason and notes[0].warning


def test_an_hour_that_is_there_once_is_summer_time_and_said() -> None:
    local = moments("2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T03:00")
    notes: list[Note] = []
    assert to_utc(local, "Europe/Berlin", notes=notes)[1] == np.datetime64("2024-10-27T00:00")
    assert str(notes[0]).startswith("clock change: 1 row in a repeated hour (clocks show that hour twice, first 2024")
    assert notes[0].warning


def test_two_autumns_are_told_apart() -> None:
    utc = np.concatenate([hours("2023-10-28T22:00", 8), hours("2024-10-26T22:00", 8)])
    np.testing.assert_array_equal(to_utc(local_times(utc, "Europe/Berlin"), "Europe/Berlin"), utc)


def test_a_time_that_does_not_exist_is_refused_with_what_it_may_be() -> None:
    local = moments("2024-03-31T01:00", "2024-03-31T02:30", "2024-03-31T02:45")
    message = r"there is no 2024-03-31 02:30 in Europe/Berlin: clocks went forward over it \(1 more such row\)"
    with pytest.raises(DataError, match=message) as caught:
        to_utc(local, "Europe/Berlin")
    assert 'zone="UTC"' in caught.value.hint and 'zone="+01:00"' in caught.value.hint
    with pytest.raises(DataError, match="there is no 2024-03-10 02:00 in America/New_York") as caught:
        to_utc(moments("2024-03-10T02:00"), "America/New_York")
    assert 'zone="-05:00"' in caught.value.hint


def test_no_zone_utc_counted_steps_and_whole_days_are_left_alone() -> None:
    local, steps = moments("2024-03-31T02:30"), np.array([1, 2])
    for zone in ("", "UTC", "Z"):
        assert to_utc(local, zone) is local
        assert local_times(local, zone) is local
    assert to_utc(steps, "Europe/Berlin") is steps
    assert local_times(steps, "Europe/Berlin") is steps
    for freq in ("D", "W-SAT", "MS", "B", "row-B"):
        assert local_times(local, "Europe/Berlin", freq) is local
    assert local_times(local, "Europe/Berlin", "h") == np.datetime64("2024-03-31T04:30")


def test_empty_cells_stay_empty() -> None:
    local = moments("2024-10-27T02:00", "NaT", "2024-10-27T02:00", "2024-11-01")
    found = to_utc(local, "Europe/Berlin")
    np.testing.assert_array_equal(found, moments("2024-10-27T00:00", "NaT", "2024-10-27T01:00", "2024-10-31T23:00"))
    assert np.isnat(to_utc(moments("NaT"), "Europe/Berlin")).all()
    assert len(to_utc(moments(), "Europe/Berlin")) == len(local_times(moments(), "Europe/Berlin")) == 0


def test_times_of_any_shape_are_made_local() -> None:
    utc = hours("2024-10-26T20:00", 12).reshape(3, 4)
    np.testing.assert_array_equal(local_times(utc, "Europe/Berlin").ravel(), slow_local(utc.ravel(), "Europe/Berlin"))


def test_times_for_a_table_carry_their_offset() -> None:
    zoned = localize(moments("2024-03-31T00:00", "2024-03-31T01:00"), "Europe/Berlin", "h")
    assert [str(moment) for moment in zoned] == ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"]
    assert [str(moment) for moment in localize(moments("2024-03-31"), "UTC")] == ["2024-03-31 00:00:00+00:00"]
    assert [str(moment) for moment in localize(moments("2024-03-31"), "-03:30")] == ["2024-03-30 20:30:00-03:30"]
    for plain in (localize(moments("2024-03-31"), ""), localize(moments("2024-03-31"), "Europe/Berlin", "D")):
        assert plain.dt.tz is None and plain[0] == pd.Timestamp("2024-03-31")
    assert localize(np.array([3, 4]), "Europe/Berlin").tolist() == [3, 4]


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (" Z ", "UTC"),
        ("utc", "UTC"),
        ("", ""),
        ("+2", "+02:00"),
        ("-0330", "-03:30"),
        ("UTC+01:00", "+01:00"),
        ("+00:00", "UTC"),
    ],
)
def test_a_zone_has_one_name(zone: str, name: str) -> None:
    assert check_zone(zone) == name == check_zone(name)


@pytest.mark.parametrize(
    ("zone", "near"),
    [
        ("Europe/Berlim", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("+25:00", ""),
        ("../etc/passwd", ""),
        ("/etc/localtime", ""),
        ("Europe/../Europe/Berlin", "Europe/Berlin"),
        ("Europe", ""),
        ("\0", ""),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(zone: str, near: str) -> None:
    with pytest.raises(SettingError, match=r"unknown time zone .*, expected a name such as Europe/Berlin") as caught:
        check_zone(zone)
    assert near in caught.value.hint
    with pytest.raises(SettingError, match="unknown time zone"):
        to_utc(moments("2024-01-01"), zone)


def test_millions_of_rows_take_a_moment() -> None:
    utc = np.tile(hours("2023-01-01", 10_000), 300)
    codes = np.repeat(np.arange(300), 10_000)
    began = time.process_time()
    np.testing.assert_array_equal(to_utc(local_times(utc, "Europe/Berlin"), "Europe/Berlin", codes), utc)
    assert time.process_time() - began < 4
