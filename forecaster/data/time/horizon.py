"""Horizons: steps, a span of time or a date, and the default of each freq."""

from __future__ import annotations

import re

import numpy as np

from forecaster.data.time.freq import DAY, FIXED_UNITS, Freq, format_time, month_numbers
from forecaster.errors import SettingError

#: Default horizon of each base unit, in steps.
DEFAULT_HORIZONS = {
    "ms": 10,
    "s": 10,
    "min": 10,
    "h": 24,
    "D": 14,
    "B": 10,
    "W": 13,
    "M": 12,
    "Q": 8,
    "Y": 6,
    "step": 10,
}

#: Most steps, and characters, of a horizon.
MAX_HORIZON, LONGEST_TEXT = 100_000, 40
#: The last whole year that a timestamp of nanoseconds can be in.
LAST_YEAR = 2261

_GRAMMAR = "write a horizon as steps (10), a span (12h, 30d, 8w, 6mo, 1y) or a date (2027-01-31)"
_SPANS = {"ms": "ms", "s": "s", "min": "min", "h": "h", "d": "D", "w": "W"}


def default_horizon(freq: str) -> int:
    """Return the default horizon in steps."""
    return DEFAULT_HORIZONS[Freq.of(freq).pace.base]


def horizon_steps(horizon: str, last: np.datetime64 | int, freq: str) -> int:
    """Return a horizon in steps.

    Args:
        horizon: steps ``10``, a span ``30d`` (the steps within it), or a date ``2027-01-31`` (up to its end).
        last: the cutoff.
        freq: the freq of the panel.

    Raises:
        SettingError: it cannot be read, does not reach beyond the cutoff, or is too short or too long.
    """
    text, parts = str(horizon).strip(), Freq.of(freq).pace
    if len(text) > LONGEST_TEXT:
        raise SettingError(f"horizon '{text}' cannot be read", _GRAMMAR)
    if re.fullmatch(r"[+-]?\d+", text):
        steps = int(text)
        if steps < 1:
            raise SettingError(f"horizon must be 1 step or more, got {text}", _GRAMMAR)
    elif parts.unit == "step":
        raise SettingError(f"horizon '{text}' is no number of steps, but the time column counts steps", "such as 10")
    elif found := re.fullmatch(r"(\d+) ?([A-Za-z]+)", text):
        steps = _span_steps(text, int(found[1]), found[2].lower(), _to_microseconds(last), parts)
    else:
        steps = _steps_until(_parse_end(text), _to_microseconds(last), parts)
        if steps < 1:
            raise SettingError(f"horizon '{text}' is not after the last reading, {format_time(last)}", _GRAMMAR)
    if steps > MAX_HORIZON:
        raise SettingError(f"horizon '{text}' is {steps:,} steps, expected at most {MAX_HORIZON:,}", _GRAMMAR)
    year = _end_year(last, steps, parts)
    if year > LAST_YEAR:
        far = f"about the year {year:.0f}, expected one up to the year {LAST_YEAR}"
        raise SettingError(f"horizon '{text}' ends in {far}", _GRAMMAR)
    return steps


def _to_microseconds(time: np.datetime64 | int) -> np.datetime64:
    return np.datetime64(np.asarray(time, dtype="datetime64[us]").item(), "us")  # holds years that nanoseconds cannot


def _end_year(last: np.datetime64 | int, steps: int, freq: Freq) -> float:
    """Return the approximate year in which the horizon ends; 0 for counted steps."""
    if freq.unit == "step":
        return 0.0
    days = steps * (freq.nanoseconds / DAY or freq.months * 30.44 or 1.4)
    return float(_to_microseconds(last).astype("datetime64[D]").astype(int) + days) / 365.2425 + 1970


def _span_steps(text: str, count: int, unit: str, last: np.datetime64, freq: Freq) -> int:
    if unit not in ("mo", "y", *_SPANS):
        raise SettingError(f"horizon '{text}' cannot be read: unknown unit '{unit}'", _GRAMMAR)
    if count < 1:
        raise SettingError(f"horizon must be ahead of the last reading, got '{text}'", _GRAMMAR)
    months = count * {"mo": 1, "y": 12}.get(unit, 0)
    length = count * FIXED_UNITS.get(_SPANS.get(unit, ""), 0) // 1000
    if months > 300 * 12 or length > 300 * 366 * DAY // 1000:
        raise SettingError(f"horizon '{text}' is too far ahead, expected 300 years at most", _GRAMMAR)
    if months and freq.months:
        steps = months // freq.months
    else:
        steps = _steps_until(_add_months(last, months) + np.timedelta64(length, "us"), last, freq)
    if steps < 1:
        raise SettingError(f"horizon '{text}' is shorter than one step of the data ({freq.words(1)})", _GRAMMAR)
    return steps


def _add_months(time: np.datetime64, months: int) -> np.datetime64:
    """Return the same day and clock time some months later, or the last day of a shorter month."""
    day, month = time.astype("datetime64[D]"), time.astype("datetime64[M]") + months
    last = (month + 1).astype("datetime64[D]") - 1
    return min(month.astype("datetime64[D]") + (day - day.astype("datetime64[M]")), last) + (time - day)


def _parse_end(text: str) -> np.datetime64:
    """Return the last microsecond of a month, day, minute or second written as text."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?)?", text):
            raise ValueError
        return (np.datetime64(text.replace(" ", "T")) + 1).astype("datetime64[us]") - 1
    except ValueError:
        raise SettingError(f"horizon '{text}' cannot be read", _GRAMMAR) from None


def _steps_until(end: np.datetime64, last: np.datetime64, freq: Freq) -> int:
    """Return the number of timestamps of the freq after ``last`` up to ``end``."""
    if freq.nanoseconds:
        return int((end - last) // np.timedelta64(freq.nanoseconds // 1000, "us"))
    day = last.astype("datetime64[D]")
    until = (end - (last - day)).astype(
        "datetime64[D]"
    )  # the last day whose clock time, that of `last`, is not after the end
    if freq.unit == "B":
        return int(np.busday_count(day + 1, until + 1))
    if freq.unit[1] == "E":
        day, until = day + 1, until + 1
    return int((month_numbers(until) - month_numbers(day)) // freq.months)
