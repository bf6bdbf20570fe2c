from __future__ import annotations

import datetime
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.time.calendar import (
    CALENDAR_CYCLES,
    DEFAULT_SEASONS,
    calendar_cycles,
    calendar_features,
    default_season,
    distinct_times,
    future_times,
)
from forecaster.data.time.freq import format_time
from forecaster.data.time.horizon import DEFAULT_HORIZONS, default_horizon
from forecaster.data.time.zones import local_times


def test_the_clock_time_is_kept() -> None:
    last = np.array(["2024-01-05T16:30"], "datetime64[ns]")
    assert [format_time(t) for t in future_times(last, "B", 2)[0]] == ["2024-01-08 16:30", "2024-01-09 16:30"]
    assert [format_time(t) for t in future_times(last, "W-FRI", 1)[0]] == ["2024-01-12 16:30"]


def test_the_tables_cover_every_base_and_defaults_follow_them() -> None:
    assert DEFAULT_SEASONS.keys() == DEFAULT_HORIZONS.keys() == CALENDAR_CYCLES.keys()
    seasons = {
        "h": 24,
        "15min": 96,
        "30min": 48,
        "4h": 6,
        "D": 7,
        "B": 5,
        "W-SAT": 52,
        "MS": 12,
        "QE-DEC": 4,
        "YS": 1,
        "step": 1,
    }
    assert {freq: default_season(freq) for freq in seasons} == seasons
    assert (default_season("7h"), default_season("2D"), default_season("2MS")) == (1, 1, 6)
    horizons = {"h": 24, "15min": 10, "D": 14, "B": 10, "W-SAT": 13, "ME": 12, "QS": 8, "YE": 6, "step": 10}
    assert {freq: default_horizon(freq) for freq in horizons} == horizons


def slow_phases(moment: datetime.datetime, freq: str) -> list[float]:
    phases = {
        "minute": moment.second / 60,
        "hour": (moment.minute * 60 + moment.second) / 3600,
        "day": (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86400,
        "week": moment.weekday() / 7,
        "year": (moment.timetuple().tm_yday - 1) / 366,
        "months": (moment.month - 1) / 12,
    }
    return [phases[cycle] for cycle in CALENDAR_CYCLES[freq]]


@pytest.mark.parametrize("freq", CALENDAR_CYCLES)
@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    moments=st.lists(st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)), min_size=1, max_size=5)
)
def test_calendar_features_are_the_sines_and_cosines_of_the_calendar(
    freq: str, moments: list[datetime.datetime]
) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    alias = {"M": "MS", "Q": "QS", "Y": "YS"}.get(freq, freq)
    cycles = calendar_cycles(alias)
    found = calendar_features(np.array(moments, "datetime64[ns]"), cycles)
    assert found.dtype == np.float32
    assert found.shape == (len(moments), 2 * len(cycles))
    expected = [
        [f(2 * np.pi * phase) for phase in slow_phases(moment, freq) for f in (np.sin, np.cos)] for moment in moments
    ]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), atol=2e-6)


@pytest.mark.parametrize(
    ("freq", "days", "cycles"),
    [
        ("h", 1.9, ()),
        ("h", 2, ("day",)),
        ("h", 14, ("day", "week")),
        ("h", 730, ("day", "week", "year")),
        ("D", 729, ("week",)),
        ("W-SAT", 730, ("year",)),
        ("MS", 23 * 365 / 12, ("months",)),
        ("MS", 12 * 365 / 12, ()),
        ("YS-JAN", 9999, ()),
        ("step", 9999, ()),
    ],
)
def test_a_cycle_is_given_once_it_was_seen_twice(freq: str, days: float, cycles: tuple[str, ...]) -> None:
    assert calendar_cycles(freq, days) == cycles


def test_two_million_rows_of_calendar_take_a_moment() -> None:
    times = np.datetime64("2000-01-01", "ns") + np.arange(2_000_000) * np.timedelta64(3_600_000_000_000, "ns")
    began = time.process_time()
    assert calendar_features(times, ("day", "week", "year")).shape == (2_000_000, 6)
    assert time.process_time() - began < 2


# One axis of time for all rows


def slow_axis(times: np.ndarray) -> list[int]:
    return sorted(set(times.astype(np.int64).tolist()))


@pytest.mark.parametrize("freq", ["h", "15min", "D", "W-SAT", "ms", "B", "MS", "ME", "QS-JAN", "row-B", "row-h"])
def test_every_row_finds_its_time_on_the_axis(freq: str) -> None:
    random = np.random.default_rng(len(freq))
    whole = pd.date_range("2020-01-05", periods=60, freq=freq.removeprefix("row-"), unit="ms").to_numpy()
    times = whole.astype("datetime64[ns]")[random.integers(0, 60, 200)]
    times = times + np.timedelta64(16, "h") if freq == "row-B" else times
    axis, places = distinct_times(times, freq)
    assert (axis.dtype, places.dtype) == (times.dtype, np.int32)
    np.testing.assert_array_equal(axis[places], times)
    assert axis.astype(np.int64).tolist() == slow_axis(times)


def test_the_axis_of_counted_steps_is_counted() -> None:
    axis, places = distinct_times(np.array([7, 9, 3, 7]), "step")
    np.testing.assert_array_equal(axis, [3, 7, 9])
    np.testing.assert_array_equal(places, [1, 2, 0, 1])
    axis, places = distinct_times(np.array([10**15, -(10**15)]), "row-60step")
    np.testing.assert_array_equal(axis[places], [10**15, -(10**15)])


def test_series_that_start_at_other_minutes_or_in_other_centuries_share_an_axis() -> None:
    for times in (
        np.array(["2024-01-01T00:30", "2024-01-01T01:30", "2024-01-01T00:00"], "datetime64[ns]"),
        np.array(["1700-01-01T00:00", "2200-01-01T01:00", "2200-01-01T00:00"], "datetime64[ns]"),
    ):
        axis, places = distinct_times(times, "h")
        np.testing.assert_array_equal(axis, np.sort(times))
        np.testing.assert_array_equal(axis[places], times)
    axis, places = distinct_times(times, "ms")  # as many steps as nobody can hold
    np.testing.assert_array_equal(axis, np.sort(times))
    assert [len(part) for part in distinct_times(times[:0], "h")] == [0, 0]


@pytest.mark.parametrize("freq", ["h", "B"])
def test_an_axis_of_millions_of_rows_takes_a_moment(freq: str) -> None:
    one = pd.date_range("2020-01-01", periods=200, freq=freq, unit="ms").to_numpy().astype("datetime64[ns]")
    times = np.tile(one, 20_000)
    began = time.process_time()
    axis, places = distinct_times(times, freq)
    assert time.process_time() - began < 2
    np.testing.assert_array_equal(axis, one)
    np.testing.assert_array_equal(places, np.tile(np.arange(200, dtype=np.int32), 20_000))


# Daylight saving


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_the_daily_cycle_follows_the_clock_on_the_wall(day: str, hours: int) -> None:
    local = pd.date_range(day, periods=hours + 1, freq="h", tz="Europe/Berlin", unit="ns")
    utc = local.tz_convert("UTC").tz_localize(None).to_numpy()
    ahead = future_times(utc[:1], "h", hours)[0]
    np.testing.assert_array_equal(ahead, utc[1:])
    found = calendar_features(local_times(utc, "Europe/Berlin", "h"), ("day",))
    expected = [[f(2 * np.pi * moment.hour / 24) for f in (np.sin, np.cos)] for moment in local]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found[-1], found[0], atol=1e-6)  # midnight again, after 23 or 25 hours


def test_days_go_on_at_the_same_hour_across_a_change_of_the_clock() -> None:
    last = np.array(["2024-03-29T00:00", "2024-10-25T06:00"], "datetime64[ns]")  # local, as whole days are held
    ahead = future_times(last, "D", 4)
    assert [format_time(time) for time in ahead[0]] == ["2024-03-30", "2024-03-31", "2024-04-01", "2024-04-02"]
    assert {format_time(time)[11:] for time in ahead[1]} == {"06:00"}
    np.testing.assert_array_equal(local_times(ahead, "Europe/Berlin", "D"), ahead)


def test_a_cycle_as_short_as_a_step_says_nothing() -> None:
    assert calendar_cycles("30min") == ("hour", "day", "week", "year")
    assert calendar_cycles("45min") == ("day", "week", "year")
    assert calendar_cycles("12h") == ("day", "week", "year")
    assert calendar_cycles("18h") == ("week", "year")
    assert calendar_cycles("4D") == ("year",)
