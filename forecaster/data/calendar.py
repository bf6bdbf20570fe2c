"""The freq of a panel, the timestamps after its end, and the calendar as numbers."""

from __future__ import annotations

import re

import numpy as np

from forecaster.data.freq import (
    DAY,
    FIXED_UNITS,
    MONTH_UNITS,
    WORDS,
    Freq,
    duration,
    month_anchor,
    month_numbers,
    on_month,
    shown,
    week_anchor,
    weekdays,
)
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note

#: Seasonal period of each base unit in steps (after gluonts ``time_feature/seasonality.py``; weeks have a yearly one).
DEFAULT_SEASONS = {
    "ms": 1,
    "s": 3600,
    "min": 1440,
    "h": 24,
    "D": 7,
    "B": 5,
    "W": 52,
    "M": 12,
    "Q": 4,
    "Y": 1,
    "step": 1,
}

#: Steps forecast where no horizon is given.
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

#: The cycles of the calendar that are longer than a step; each becomes a sine and a cosine.
CALENDAR_CYCLES: dict[str, tuple[str, ...]] = {
    "ms": ("minute", "hour", "day", "week", "year"),
    "s": ("minute", "hour", "day", "week", "year"),
    "min": ("hour", "day", "week", "year"),
    "h": ("day", "week", "year"),
    "D": ("week", "year"),
    "B": ("week", "year"),
    "W": ("year",),
    "M": ("months",),
    "Q": ("months",),
    "Y": (),
    "step": (),
}

#: Days of one turn of each cycle.
CYCLE_DAYS = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "year": 365.0, "months": 334.0}

MAX_HORIZON = 100_000


def default_season(freq: str) -> int:
    """Return the seasonal period in steps: ``h`` 24, ``15min`` 96, ``4h`` 6; 1 where the steps do not divide it."""
    parts = Freq.of(freq)
    season = DEFAULT_SEASONS[parts.base]
    return season // parts.count if season % parts.count == 0 else 1


def default_horizon(freq: str) -> int:
    """Return how many steps are forecast where no horizon is given."""
    return DEFAULT_HORIZONS[Freq.of(freq).base]


def infer_freq(times: np.ndarray, offsets: np.ndarray) -> tuple[str, Note]:
    """Return the freq that most steps of all series agree on, with the count of those that do.

    Args:
        times: ``(rows,)`` ``datetime64[ns]`` or int64, ascending and without duplicates within each series.
        offsets: ``(series + 1,)`` int64; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.

    Raises:
        DataError: no series has two rows, or most steps differ.
    """
    steps = np.diff(times.astype(np.int64))
    inside = np.ones(len(steps), bool)
    inside[offsets[1:-1] - 1] = False
    steps = steps if inside.all() else steps[inside]
    if not len(steps):
        raise DataError("no series has two rows, the freq cannot be told", "give it with --freq")
    if times.dtype.kind != "M":
        return _counted(steps)
    freq, agree = _by_month(times, steps, inside) or _by_length(times, steps)
    share = f"{agree:,} of {len(steps):,} steps"
    if freq.unit == "B":
        share += " are a day, no row falls on a weekend, and absent weekdays count as holidays"
    return str(freq), Note("freq", str(freq), f"{_kind(freq)}: {share}; --freq names another")


def _kind(freq: Freq) -> str:
    if freq.count > 1:
        return f"every {freq.count} {WORDS[freq.unit]}s"
    if freq.unit == "B":
        return "business days"
    words = {"D": "daily", "h": "hourly", "W": "weekly", "M": "monthly", "Q": "quarterly", "Y": "yearly"}
    return words.get(freq.base, f"every {WORDS[freq.unit]}")


def _majority(steps: np.ndarray) -> tuple[int, int]:
    """Return the most common of ``(steps,)`` integers, and how often it occurs."""
    agree = int((steps == steps[0]).sum())
    if 2 * agree > len(steps):
        return int(steps[0]), agree
    values, counts = np.unique(steps, return_counts=True)
    return int(values[counts.argmax()]), int(counts.max())


def _counted(steps: np.ndarray) -> tuple[str, Note]:
    step, agree = _majority(steps)
    if step != 1:
        raise DataError(
            f"the time column counts by {step:,} in {agree:,} of {len(steps):,} steps, expected by 1",
            "divide it by that number, or write it as dates",
        )
    return "step", Note("freq", "step", f"counted by 1: {agree:,} of {len(steps):,} steps")


def _by_month(times: np.ndarray, steps: np.ndarray, inside: np.ndarray) -> tuple[Freq, int] | None:
    """Return a freq counted in months, and the steps that agree; None where the steps are no whole months."""
    if np.median(steps) < 28 * DAY:
        return None
    numbers, days = month_numbers(times), times.astype("datetime64[D]")
    month, agree = _majority(np.diff(numbers)[inside])
    start = bool((days.astype("datetime64[M]") == days).all())
    end = bool(((days + 1).astype("datetime64[M]") == days + 1).all())
    if month < 1 or 2 * agree <= len(steps) or (not (start or end) and _majority(steps)[1] > agree):
        return None
    letter = "E" if end and not start else "S"
    for unit in ("Y", "Q", "M"):
        if month % MONTH_UNITS[unit + letter] == 0:
            count = month // MONTH_UNITS[unit + letter]
            return Freq(count, unit + letter, month_anchor(unit + letter, int(numbers[0]))), agree
    return None


def _by_length(times: np.ndarray, steps: np.ndarray) -> tuple[Freq, int]:
    length, agree = _majority(steps)
    if 2 * agree <= len(steps):
        raise DataError(
            f"the readings have no regular step: {duration(length)} is the most common, {agree:,} of {len(steps):,}",
            "resample them first, or take rows as equal steps without dates: --freq step",
        )
    if length % FIXED_UNITS["W"] == 0:
        return Freq(length // FIXED_UNITS["W"], "W", week_anchor(times)), agree
    for unit in ("D", "h", "min", "s", "ms"):
        if length % FIXED_UNITS[unit] == 0:
            freq = Freq(length // FIXED_UNITS[unit], unit)
            return (Freq(1, "B"), agree) if str(freq) == "D" and _is_business(times, steps) else (freq, agree)
    raise DataError(f"the readings are {length:,} nanoseconds apart, expected a millisecond or more")


def _is_business(times: np.ndarray, steps: np.ndarray) -> bool:
    """Return whether a weekend was crossed and no row falls on one."""
    return bool((steps > DAY).any() and (weekdays(times) < 5).all() and (steps == 3 * DAY).any())


def future_times(last: np.ndarray, freq: str, steps: int) -> np.ndarray:
    """Return the timestamps after the end of each series.

    Args:
        last: ``(series,)`` ``datetime64[ns]``, or int64 for the freq ``step``: the cutoffs, which lie on the freq.
        freq: the freq of the panel.
        steps: how many.

    Returns:
        ``(series, steps)``, of the type of ``last``. Business days leave out weekends, not holidays.
    """
    parts, ahead = Freq.of(freq), np.arange(1, steps + 1)
    last = np.asarray(last)[:, None]
    if parts.unit == "step":
        return last + ahead
    if parts.nanoseconds:
        return last + (ahead * parts.nanoseconds).astype("timedelta64[ns]")
    days = last.astype("datetime64[D]")
    clock = last - days
    if parts.unit == "B":
        return np.busday_offset(days, ahead, roll="backward") + clock
    return on_month(month_numbers(last) + ahead * parts.months, parts.unit) + clock


def calendar_cycles(freq: str, span: float = np.inf) -> tuple[str, ...]:
    """Return the cycles of :data:`CALENDAR_CYCLES` that readings of a freq can show: those seen at least twice.

    Args:
        freq: the freq of the panel.
        span: days from the first reading to the last.
    """
    return tuple(c for c in CALENDAR_CYCLES[Freq.of(freq).base] if span >= 2 * CYCLE_DAYS[c])


def calendar_features(times: np.ndarray, cycles: tuple[str, ...]) -> np.ndarray:
    """Return where each time lies in some cycles of :data:`CALENDAR_CYCLES`, as sines and cosines.

    Args:
        times: ``(rows,)`` ``datetime64[ns]``.
        cycles: from :func:`calendar_cycles`.

    Returns:
        ``(rows, 2 * cycles)`` float32: sine and cosine of the first cycle, then of the next.
    """
    features = np.empty((len(times), 2 * len(cycles)), np.float32)
    for i, cycle in enumerate(cycles):
        angle = np.float32(2 * np.pi) * _phase(times, cycle)
        np.sin(angle, out=features[:, 2 * i])
        np.cos(angle, out=features[:, 2 * i + 1])
    return features


def _phase(times: np.ndarray, cycle: str) -> np.ndarray:
    """Return the place in a cycle, ``(rows,)`` float32 from 0 up to 1. Weeks and years move on at midnight."""
    if cycle in ("minute", "hour", "day"):
        length = FIXED_UNITS[{"minute": "min", "hour": "h", "day": "D"}[cycle]]
        return ((times.astype(np.int64) % length) / length).astype(np.float32)
    if cycle == "week":
        return (weekdays(times) / 7).astype(np.float32)
    if cycle == "months":
        return (month_numbers(times) % 12 / 12).astype(np.float32)
    days = times.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return (day_of_year / 366).astype(np.float32)


_GRAMMAR = "write a horizon as steps (10), a span (12h, 30d, 8w, 6mo, 1y) or a date (2027-01-31)"
_SPANS = {"ms": "ms", "s": "s", "min": "min", "h": "h", "d": "D", "w": "W"}


def horizon_steps(horizon: str, last: np.datetime64 | int, freq: str) -> int:
    """Return how many steps a horizon is.

    Args:
        horizon: steps ``10``, a span ``30d`` (the steps that fall in it), or a date ``2027-01-31`` (up to its end).
        last: the cutoff.
        freq: the freq of the panel.

    Raises:
        SettingError: it cannot be read, is not ahead of the cutoff, is shorter than a step, or beyond 100,000 steps.
    """
    text, parts = str(horizon).strip(), Freq.of(freq)
    if re.fullmatch(r"[+-]?\d+", text):
        steps = int(text)
        if steps < 1:
            raise SettingError(f"horizon must be 1 step or more, got {text}", _GRAMMAR)
    elif parts.unit == "step":
        raise SettingError(f"horizon '{text}' is no number of steps, but the time column counts steps", "such as 10")
    elif found := re.fullmatch(r"(\d+) ?([A-Za-z]+)", text):
        steps = _span_steps(text, int(found[1]), found[2].lower(), _microseconds(last), parts)
    else:
        steps = _steps_until(_end_of(text), _microseconds(last), parts)
        if steps < 1:
            raise SettingError(f"horizon '{text}' is not after the last reading, {shown(last)}", _GRAMMAR)
    if steps > MAX_HORIZON or _end_year(last, steps, parts) > 2261:
        raise SettingError(
            f"horizon '{text}' is {steps:,} steps, expected at most {MAX_HORIZON:,}, up to the year 2261", _GRAMMAR
        )
    return steps


def _microseconds(time: np.datetime64 | int) -> np.datetime64:
    return np.datetime64(np.asarray(time, dtype="datetime64[us]").item(), "us")  # holds years that nanoseconds cannot


def _end_year(last: np.datetime64 | int, steps: int, freq: Freq) -> float:
    """Return about which year the horizon ends in; 0 for counted steps."""
    if freq.unit == "step":
        return 0.0
    days = steps * (freq.nanoseconds / DAY or freq.months * 30.44 or 1.4)
    return float(_microseconds(last).astype("datetime64[D]").astype(int) + days) / 365.2425 + 1970


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
        steps = _steps_until(_plus_months(last, months) + np.timedelta64(length, "us"), last, freq)
    if steps < 1:
        raise SettingError(f"horizon '{text}' is shorter than one step of the data ({freq.words(1)})", _GRAMMAR)
    return steps


def _plus_months(time: np.datetime64, months: int) -> np.datetime64:
    """Return the same day and clock time some months later; the month's last day where it is shorter."""
    day, month = time.astype("datetime64[D]"), time.astype("datetime64[M]") + months
    last = (month + 1).astype("datetime64[D]") - 1
    return min(month.astype("datetime64[D]") + (day - day.astype("datetime64[M]")), last) + (time - day)


def _end_of(text: str) -> np.datetime64:
    """Return the last microsecond of a month, day, minute or second."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?)?", text):
            raise ValueError
        return (np.datetime64(text.replace(" ", "T")) + 1).astype("datetime64[us]") - 1
    except ValueError:
        raise SettingError(f"horizon '{text}' cannot be read", _GRAMMAR) from None


def _steps_until(end: np.datetime64, last: np.datetime64, freq: Freq) -> int:
    """Return how many timestamps of the freq lie after ``last`` and not after ``end``."""
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
