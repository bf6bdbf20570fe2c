from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.time.calendar import future_times
from forecaster.data.time.horizon import horizon_steps
from forecaster.errors import SettingError

FREQS = ("5s", "min", "15min", "h", "4h", "D", "2D", "B", "W-SAT", "2W-MON", "MS", "ME", "2MS", "QS-FEB", "QE-DEC")
FREQS += ("2QS-JAN", "YS-JUL", "YE-DEC", "5YE-DEC", "row-B", "row-h")


def dates(freq: str, rows: int, start: str = "2019-01-05") -> np.ndarray:
    times = pd.date_range(start, periods=rows, freq=freq.removeprefix("row-"), unit="ms")
    return times.to_numpy().astype("datetime64[ns]")


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
@given(st.sampled_from(FREQS), st.integers(1, 300))
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
        ("100001", "D", "is 100,001 steps, expected at most 100,000$"),
        ("5000", "YS", r"horizon '5000' ends in about the year \d{4}, expected one up to the year 2261$"),
        ("100000", "D", r"horizon '100000' ends in about the year 229\d, expected one up to the year 2261$"),
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
