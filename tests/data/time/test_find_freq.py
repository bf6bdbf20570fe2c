from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data import blocks
from forecaster.data.time import find_freq as infer
from forecaster.data.time.calendar import calendar_cycles, default_season, future_times
from forecaster.data.time.find_freq import infer_freq, resolve_row_freq
from forecaster.data.time.freq import Freq, format_time
from forecaster.data.time.horizon import default_horizon, horizon_steps
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


def test_a_stretch_of_time_is_shown_in_words() -> None:
    assert Freq.of("h").words(1) == "1 hour"
    assert Freq.of("h").words(2000) == "2,000 hours"
    assert Freq.of("30min").words(2) == "2 steps of 30 minutes"
    assert Freq.of("30min").span(48) == "1 day"
    assert Freq.of("MS").span(12) == "12 months"
    assert [format_time(np.datetime64(t, "ns")) for t in ("2024-01-31", "2024-01-31T18:00", "2024-01-31T18:00:05")] == [
        "2024-01-31",
        "2024-01-31 18:00",
        "2024-01-31 18:00:05",
    ]
    assert format_time(17) == "17"


# The freq of a table with rows removed


@pytest.mark.parametrize(
    "freq", ["s", "15min", "h", "4h", "D", "W-SAT", "2W-MON", "MS", "ME", "QS-JAN", "QE-DEC", "YS-JAN", "B"]
)
@pytest.mark.parametrize("removed", [0.3, 0.55])
def test_a_third_or_half_of_the_rows_removed_leaves_the_freq(freq: str, removed: float) -> None:
    times, offsets = [], [0]
    for series in range(4):
        random = np.random.default_rng(series)
        whole = dates(freq, 140, "1980-01-05")[random.integers(0, 20) :]
        times.append(whole[random.random(len(whole)) >= removed])
        offsets.append(offsets[-1] + len(times[-1]))
    found, note = infer_freq(np.concatenate(times), np.array(offsets))
    assert found == freq
    if freq != "B":
        assert "steps, the rest are multiples of it" in note.reason


def test_the_freq_of_a_series_with_a_hole_in_every_place_but_few() -> None:
    hours = np.array([0, 1, 2, 4, 6, 9, 12, 13, 14, 20])  # 4 of 9 steps are an hour
    times = np.datetime64("2024-01-01", "ns") + hours * np.timedelta64(1, "h")
    found, note = infer_freq(times, np.array([0, 10]))
    assert (found, note.reason) == (
        "h",
        "hourly: 4 of 9 steps, the rest are multiples of it; freq names another",
    )
    found, note = infer_freq(hours, np.array([0, 10]))
    assert (found, "4 of 9 steps, the rest are multiples" in note.reason) == ("step", True)


def test_all_steps_of_all_series_are_evidence() -> None:
    times = np.concatenate([dates("h", 1000), dates("h", 500, "2021-01-01")])
    note = infer_freq(times, np.array([0, 1000, 1500]))[1]
    assert note.reason.startswith("hourly: 1,498 of 1,498 steps;")


def test_random_times_are_irregular() -> None:
    seconds = np.sort(np.random.default_rng(0).choice(10**6, 500, replace=False))
    times = np.datetime64("2024-01-01", "ns") + seconds * np.timedelta64(1, "s")
    with pytest.raises(DataError, match=r"no regular step: .* is the most common") as caught:
        infer_freq(times, np.array([0, 500]))
    assert 'their dates kept: freq="row"' in caught.value.hint
    with pytest.raises(DataError, match="no regular step: 1 is the most common"):
        infer_freq(np.cumsum([0, 1, 2, 3, 5, 8, 13]), np.array([0, 7]))
    with pytest.raises(DataError, match="nanoseconds apart, expected a millisecond or more"):
        infer_freq(np.arange(9).astype("datetime64[ns]"), np.array([0, 9]))


def test_trading_days_with_holidays_are_business_days() -> None:
    times = np.delete(dates("B", 500), np.random.default_rng(0).integers(0, 500, 20))
    found, note = infer_freq(times, np.array([0, len(times)]))
    assert (found, "absent weekdays count as holidays" in note.reason) == ("B", True)


def test_steps_are_counted_alike_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    pieces = [np.cumsum(random.integers(1, 4, size)) for size in (1, 5, 2, 40, 1, 1, 13)]
    offsets = np.cumsum([0, *map(len, pieces)])
    times = np.concatenate(pieces).astype(np.int64)
    steps, counts = infer._tally(times, offsets)
    slow = [int(b) - int(a) for piece in pieces for a, b in itertools.pairwise(piece)]
    assert dict(zip(steps.tolist(), counts.tolist(), strict=True)) == {step: slow.count(step) for step in set(slow)}
    for chunk in (1, 2, 3, 7, 62, 63):
        monkeypatch.setattr(blocks, "BLOCK", chunk)
        for found, expected in zip(infer._tally(times, offsets), (steps, counts), strict=True):
            assert sorted(found.tolist()) == sorted(expected.tolist())


def test_millions_of_rows_take_a_moment() -> None:
    one, times = dates("h", 200), np.tile(dates("h", 200), 20_000)
    offsets = np.arange(20_001) * 200
    began = time.process_time()
    assert infer_freq(times, offsets)[1].reason.startswith("hourly: 3,980,000 of 3,980,000 steps")
    keep = np.random.default_rng(0).random(len(times)) > 0.4
    counts = np.add.reduceat(keep, offsets[:-1])
    assert infer_freq(times[keep], np.concatenate([[0], np.cumsum(counts)]))[0] == "h"
    assert time.process_time() - began < 3
    assert len(one) == 200


# Rows as steps


@pytest.mark.parametrize(
    ("times", "freq"),
    [
        (np.delete(dates("B", 300), [5, 6, 7, 50, 51, 100]), "row-B"),
        (dates("D", 30), "row-D"),
        (np.delete(dates("h", 300), np.arange(0, 300, 3)), "row-h"),
        (dates("W-SAT", 30), "row-W-SAT"),
        (dates("MS", 30), "row-MS"),
        (dates("QE", 30), "row-QE-DEC"),
        (dates("90min", 30), "row-90min"),
        (dates("D", 1), "row-D"),
        (np.arange(9), "row-step"),
        (np.array([0, 60, 120, 130]), "row-60step"),
        (np.array([5]), "row-step"),
    ],
)
def test_rows_as_steps_go_on_with_the_step_that_is_most_common(times: np.ndarray, freq: str) -> None:
    found = resolve_row_freq(times, np.array([0, len(times)]))
    assert (found, str(Freq.of(found)), Freq.of(found).unit) == (freq, freq, "row")


def test_the_dates_after_rows_are_those_of_their_step() -> None:
    last = np.array(["2024-01-05T16:00"], "datetime64[ns]")
    for step in ("B", "h", "W-FRI", "90min"):
        np.testing.assert_array_equal(future_times(last, f"row-{step}", 9), future_times(last, step, 9))
    np.testing.assert_array_equal(future_times(np.array([120]), "row-60step", 3), [[180, 240, 300]])
    middle = np.array(["2024-01-15T06:00"], "datetime64[ns]")
    assert [format_time(time) for time in future_times(middle, "row-MS", 2)[0]] == [
        "2024-02-15 06:00",
        "2024-03-15 06:00",
    ]
    with pytest.raises(ValueError, match="freq row counts steps and has no dates"):
        future_times(last, "row", 3)


def test_rows_as_steps_have_the_season_the_horizon_and_the_calendar_of_their_step() -> None:
    assert [default_season(f"row-{step}") for step in ("B", "h", "MS", "step")] == [5, 24, 12, 1]
    assert [default_horizon(freq) for freq in ("row-B", "row-h", "row")] == [10, 24, 10]
    assert calendar_cycles("row-B") == ("week", "year")
    assert calendar_cycles("row") == calendar_cycles("row-60step") == ()
    friday = np.datetime64("2024-01-05", "ns")
    assert horizon_steps("2024-01-12", friday, "row-B") == 5
    assert Freq.of("row-B").words(2) == Freq.of("row").span(2) == "2 rows"
    assert (Freq.of("row-h").nanoseconds, Freq.of("row-MS").months) == (0, 0)


@pytest.mark.parametrize("alias", ["row-", "rows-x", "row-row", "row-row-B", "row-0step", "2row", "row-B-h", "row-2B"])
def test_rows_of_an_unknown_step_are_refused(alias: str) -> None:
    if alias == "row-":
        assert str(Freq.of(alias)) == "row"
        return
    with pytest.raises(SettingError, match="unknown freq"):
        Freq.of(alias)


def test_which_freqs_are_held_as_local_times() -> None:
    whole = ("D", "2D", "B", "W-SAT", "MS", "ME", "QS-JAN", "YE-DEC", "24h", "row-B", "row-MS")
    assert all(Freq.of(freq).whole_days for freq in whole)
    assert not any(Freq.of(freq).whole_days for freq in ("h", "12h", "36h", "15min", "ms", "step", "row", "row-h"))


@given(st.sampled_from(["h", "D", "B", "W-SAT", "15min", "MS"]), st.integers(3, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_whatever_is_inferred_can_be_parsed(freq: str, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.unique(dates(freq, rows)[random.integers(0, rows, rows)])
    offsets = np.array([0, len(times)])
    assert Freq.of(resolve_row_freq(times, offsets)).unit == "row"
    try:
        found, note = infer_freq(times, offsets)
    except DataError as error:
        assert error.hint
        return
    assert str(Freq.of(found)) == found == note.value


def test_the_last_business_days_of_months_are_month_ends() -> None:
    ends = pd.date_range("2015-01-31", periods=60, freq="ME")
    last = np.array([day - pd.Timedelta(days=max(0, day.weekday() - 4)) for day in ends], "datetime64[ns]")
    assert infer_freq(last, np.array([0, 60]))[0] == "ME"
    assert infer_freq(last[2::3], np.array([0, 20]))[0].startswith("QE")
    assert infer_freq(last - np.timedelta64(10, "D"), np.array([0, 60]))[0] == "MS"
