from __future__ import annotations

import datetime
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.calendar import (
    CALENDAR_CYCLES,
    DEFAULT_HORIZONS,
    DEFAULT_SEASONS,
    calendar_cycles,
    calendar_features,
    default_horizon,
    default_season,
    future_times,
    horizon_steps,
    infer_freq,
)
from forecaster.data.freq import Freq, shown
from forecaster.errors import DataError, SettingError

#: What pandas is asked for, and the freq that should be found.
FREQS = {
    **{f: f for f in ("ms", "5s", "min", "15min", "h", "4h", "D", "2D", "B", "W-SAT", "2W-MON", "MS", "ME", "2MS")},
    **{
        "QS": "QS-JAN",
        "QS-FEB": "QS-FEB",
        "QE": "QE-DEC",
        "QE-JAN": "QE-JAN",
        "2QS": "2QS-JAN",
        "24h": "D",
        "60s": "min",
    },
    **{"YS": "YS-JAN", "YE": "YE-DEC", "YS-JUL": "YS-JUL", "5YE": "5YE-DEC"},
}


def dates(freq: str, rows: int, start: str = "2019-01-05") -> np.ndarray:
    return pd.date_range(start, periods=rows, freq=freq, unit="ms").to_numpy().astype("datetime64[ns]")


@pytest.mark.parametrize("freq", FREQS)
def test_the_freq_and_the_times_after_the_end_are_those_of_pandas(freq: str) -> None:
    times = dates(freq, 45)
    found, note = infer_freq(times[:25], np.array([0, 25]))
    assert found == FREQS[freq]
    assert note.name == "freq"
    assert f"{20 if freq == 'B' else 24} of 24 steps" in note.reason or freq == "B"
    ahead = future_times(times[[20, 24]], found, 20)
    assert ahead.dtype == "datetime64[ns]"
    np.testing.assert_array_equal(ahead, [times[21:41], times[25:45]])


def test_the_clock_time_is_kept() -> None:
    last = np.array(["2024-01-05T16:30"], "datetime64[ns]")
    assert [shown(t) for t in future_times(last, "B", 2)[0]] == ["2024-01-08 16:30", "2024-01-09 16:30"]
    assert [shown(t) for t in future_times(last, "W-FRI", 1)[0]] == ["2024-01-12 16:30"]


def test_counted_steps_go_on_counting() -> None:
    found, note = infer_freq(np.array([3, 4, 5, 9]), np.array([0, 4]))
    assert found == "step"
    assert "2 of 3 steps" in note.reason
    np.testing.assert_array_equal(future_times(np.array([9, 1]), "step", 3), [[10, 11, 12], [2, 3, 4]])
    with pytest.raises(DataError, match="counts by 60 in 2 of 2 steps, expected by 1"):
        infer_freq(np.array([0, 60, 120]), np.array([0, 3]))


def test_the_majority_decides_and_is_counted() -> None:
    times = np.delete(dates("h", 100), [10, 11, 50])
    found, note = infer_freq(times, np.array([0, 97]))
    assert (found, "94 of 96 steps" in note.reason) == ("h", True)


def test_steps_are_not_counted_across_series() -> None:
    times = np.concatenate([dates("D", 3), dates("D", 3, "1990-01-01")])
    found, note = infer_freq(times, np.array([0, 3, 6]))
    assert (found, "4 of 4 steps" in note.reason) == ("D", True)


def test_business_days_need_a_weekend_left_out() -> None:
    monday = dates("D", 5, "2024-01-01")
    assert infer_freq(monday, np.array([0, 5]))[0] == "D"
    assert infer_freq(dates("B", 6, "2024-01-01"), np.array([0, 6]))[0] == "B"
    assert infer_freq(dates("D", 12, "2024-01-01"), np.array([0, 12]))[0] == "D"


def test_months_on_any_day_are_months_but_four_weeks_are_not() -> None:
    middle = dates("MS", 24) + np.timedelta64(14, "D")
    assert infer_freq(middle, np.array([0, 24]))[0] == "MS"
    assert infer_freq(dates("4W-SAT", 30), np.array([0, 30]))[0] == "4W-SAT"
    assert infer_freq(dates("30D", 30), np.array([0, 30]))[0] == "30D"


def test_no_regular_step_and_too_few_rows_are_refused() -> None:
    steps = np.cumsum([0, 1, 2, 3, 5, 8, 13]) * 3_600_000_000_000
    with pytest.raises(DataError, match="no regular step: 1 hour is the most common, 1 of 6"):
        infer_freq(steps.astype("datetime64[ns]"), np.array([0, 7]))
    with pytest.raises(DataError, match="no series has two rows"):
        infer_freq(dates("D", 2), np.array([0, 1, 2]))


@pytest.mark.parametrize(
    ("alias", "freq"),
    [
        ("H", "h"),
        ("T", "min"),
        ("M", "ME"),
        ("24h", "D"),
        ("w-sat", "W-SAT"),
        ("d", "D"),
        ("Q-DEC", "QE-DEC"),
        (" 30min ", "30min"),
    ],
)
def test_old_spellings_are_understood(alias: str, freq: str) -> None:
    assert str(Freq.of(alias)) == freq


@pytest.mark.parametrize("alias", ["", "x", "0h", "2B", "W-FOO", "h-MON", "QS-MON", "1.5h", "-1D", "2step"])
def test_unknown_freqs_are_refused(alias: str) -> None:
    with pytest.raises(SettingError, match=f"unknown freq '{alias}'"):
        Freq.of(alias)


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


@pytest.mark.parametrize(
    ("horizon", "freq", "last", "steps"),
    [
        ("10", "h", "2024-01-31", 10),
        ("12h", "h", "2024-01-31 05:00", 12),
        ("12h", "15min", "2024-01-31 05:00", 48),
        ("30d", "h", "2024-01-31", 720),
        ("36h", "D", "2024-01-31", 1),
        ("8w", "D", "2024-01-31", 56),
        ("8W", "W-WED", "2024-01-31", 8),
        ("1mo", "D", "2024-01-31", 29),
        ("1y", "D", "2024-01-31", 366),
        ("6mo", "MS", "2024-01-01", 6),
        ("6mo", "ME", "2024-02-29", 6),
        ("1y", "QS-JAN", "2024-01-01", 4),
        ("5y", "YE-DEC", "2023-12-31", 5),
        ("90d", "MS", "2024-01-01", 2),
        ("14d", "B", "2024-01-31", 10),
        ("2024-02-02", "D", "2024-01-31", 2),
        ("2024-02-02", "h", "2024-01-31 23:00", 48),
        ("2024-02-02 05:00", "h", "2024-01-31 23:00", 30),
        ("2024-02", "D", "2024-01-31", 29),
        ("2024-02-04", "B", "2024-01-31", 2),
        ("2024-02-05", "B", "2024-01-31 16:00", 3),
        ("2024-06-30", "ME", "2024-01-31", 5),
        ("2024-06-29", "ME", "2024-01-31", 4),
        ("2024-06-01", "MS", "2024-01-01", 5),
        ("2024-05-31", "MS", "2024-01-01", 4),
        ("2024-06", "QE-DEC", "2023-12-31", 2),
        ("2024-02-13", "W-WED", "2024-01-31", 1),
    ],
)
def test_a_horizon_is_steps_a_span_or_a_date(horizon: str, freq: str, last: str, steps: int) -> None:
    cutoff = np.datetime64(last, "ns")
    assert horizon_steps(horizon, cutoff, freq) == steps
    assert len(future_times(np.array([cutoff]), freq, steps)[0]) == steps


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(set(FREQS.values()) - {"ms"})), st.integers(1, 300))
def test_the_date_of_a_future_step_gives_that_step(freq: str, steps: int) -> None:
    if "Y" in freq:
        steps = min(steps, 40)
    last = dates(freq, 1)
    target = future_times(last, freq, steps)[0, -1]
    assert horizon_steps(str(target)[:19], last[0], freq) == steps


@pytest.mark.parametrize(
    ("horizon", "freq", "message"),
    [
        ("0", "D", "must be 1 step or more, got 0"),
        ("-5", "D", "must be 1 step or more, got -5"),
        ("100001", "D", "is 100,001 steps, expected at most 100,000"),
        ("5000", "YS", "up to the year 2261"),
        ("3000-01-01", "YS", "up to the year 2261"),
        ("999999999999d", "D", "too far ahead"),
        ("99999y", "MS", "too far ahead"),
        ("0d", "D", "must be ahead of the last reading, got '0d'"),
        ("12h", "D", r"'12h' is shorter than one step of the data \(1 day\)"),
        ("1mo", "QS", "shorter than one step of the data"),
        ("5m", "D", "unknown unit 'm'"),
        ("1.5d", "D", "'1.5d' cannot be read"),
        ("soon", "D", "'soon' cannot be read"),
        ("2024-02-30", "D", "'2024-02-30' cannot be read"),
        ("2024-01-31", "D", "not after the last reading, 2024-01-31"),
        ("30d", "step", "the time column counts steps"),
    ],
)
def test_a_horizon_that_cannot_be_is_refused_with_the_grammar(horizon: str, freq: str, message: str) -> None:
    last = 5 if freq == "step" else np.datetime64("2024-01-31", "ns")
    with pytest.raises(SettingError, match=message) as caught:
        horizon_steps(horizon, last, freq)
    assert "10" in caught.value.hint


def test_a_stretch_of_time_is_shown_in_words() -> None:
    assert Freq.of("h").words(1) == "1 hour"
    assert Freq.of("h").words(2000) == "2,000 hours"
    assert Freq.of("30min").words(2) == "2 steps of 30 minutes"
    assert Freq.of("30min").span(48) == "1 day"
    assert Freq.of("MS").span(12) == "12 months"
    assert [shown(np.datetime64(t, "ns")) for t in ("2024-01-31", "2024-01-31T18:00", "2024-01-31T18:00:05")] == [
        "2024-01-31",
        "2024-01-31 18:00",
        "2024-01-31 18:00:05",
    ]
    assert shown(17) == "17"
