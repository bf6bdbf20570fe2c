"""Usual seasons of freqs, timestamps after the end of a panel, and calendar features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.data.blocks import row_blocks
from forecaster.data.time.freq import DAY, FIXED_UNITS, Freq, month_days, month_numbers, weekday_numbers

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

#: Calendar cycles longer than a step; each becomes a sine and a cosine.
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


def default_season(freq: str) -> int:
    """Return the seasonal period in steps: ``h`` 24, ``15min`` 96, ``4h`` 6; 1 if steps do not divide it."""
    parts = Freq.of(freq).pace
    season = DEFAULT_SEASONS[parts.base]
    return season // parts.count if season % parts.count == 0 else 1


def future_times(last: np.ndarray, freq: str, steps: int) -> np.ndarray:
    """Return the timestamps after the end of each series.

    Args:
        last: ``(series,)`` ``datetime64[ns]``, or int64 for the freq ``step``: the cutoffs, which lie on the freq.
        freq: the freq of the panel.
        steps: the number of timestamps.

    Returns:
        ``(series, steps)``, of the type of ``last``. Business days skip weekends, not holidays.
    """
    parts, ahead = Freq.of(freq).pace, np.arange(1, steps + 1)
    last = np.asarray(last)[:, None]
    if parts.unit == "step":
        if last.dtype.kind == "M":
            raise ValueError(f"freq {freq} counts steps and has no dates")
        return last + ahead * parts.count
    if parts.nanoseconds:
        return last + (ahead * parts.nanoseconds).astype("timedelta64[ns]")
    if parts.unit == "B":
        days = last.astype("datetime64[D]")
        return np.busday_offset(days, ahead, roll="backward") + (last - days)
    months = month_numbers(last)  # rows as steps may lie on any day of theirs
    return month_days(months + ahead * parts.months, parts.unit) + (last - month_days(months, parts.unit))


def distinct_times(times: np.ndarray, freq: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct times of the rows of a panel, and the place of each row among them.

    Args:
        times: ``(rows,)`` ``datetime64[ns]`` or int64, in any order.
        freq: the freq of the panel.

    Returns:
        The distinct times in order, ``(T,)``, and the place of each row's time among them, ``(rows,)`` int32.
    """
    pace = Freq.of(freq).pace
    step = 1 if times.dtype.kind != "M" else pace.nanoseconds or DAY
    if len(times):
        first, last = times.min(), times.max()
        count = int((last - first).astype(np.int64)) // step + 1
        places = _count_steps(times, first, step) if count <= max(2 * len(times), 1_000_000) else None
        if places is not None:
            axis = (first.astype(np.int64) + np.arange(count) * step).astype(times.dtype)
            return _drop_unused(axis, places)
    codes, found = pd.factorize(times, sort=True)
    return np.asarray(found), codes.astype(np.int32)


def _count_steps(times: np.ndarray, first: np.generic, step: int) -> np.ndarray | None:
    """Return the steps from the first time to each, ``(rows,)`` int32; None if any is a fraction."""
    numbers, places = times.view(np.int64), np.empty(len(times), np.int32)
    for rows in row_blocks(len(times)):  # no temporary array as large as the table
        since = numbers[rows] - first.astype(np.int64)
        whole = since // step
        if (whole * step != since).any():
            return None
        places[rows] = whole
    return places


def _drop_unused(axis: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the times that occur, and the places among those."""
    used = np.zeros(len(axis), bool)
    used[places] = True
    if used.all():
        return axis, places
    rank = np.cumsum(used, dtype=np.int32) - np.int32(1)
    for rows in row_blocks(len(places)):
        places[rows] = rank[places[rows]]
    return axis[used], places


def calendar_cycles(freq: str, span: float = np.inf) -> tuple[str, ...]:
    """Return the cycles of :data:`CALENDAR_CYCLES` that readings of a freq can show: those covered at least twice.

    Args:
        freq: the freq of the panel.
        span: days from the first reading to the last.
    """
    pace = Freq.of(freq).pace
    step = pace.nanoseconds / DAY
    return tuple(c for c in CALENDAR_CYCLES[pace.base] if span >= 2 * CYCLE_DAYS[c] and CYCLE_DAYS[c] >= 2 * step)


def calendar_features(times: np.ndarray, cycles: tuple[str, ...]) -> np.ndarray:
    """Return the place of each time in the given cycles, as sines and cosines.

    Args:
        times: ``(rows,)`` ``datetime64[ns]``.
        cycles: from :func:`calendar_cycles`.

    Returns:
        ``(rows, 2 * cycles)`` float32: sine and cosine of the first cycle, then those of the next.
    """
    features = np.empty((len(times), 2 * len(cycles)), np.float32)
    for i, cycle in enumerate(cycles):
        angle = np.float32(2 * np.pi) * _phase(times, cycle)
        np.sin(angle, out=features[:, 2 * i])
        np.cos(angle, out=features[:, 2 * i + 1])
    return features


def _phase(times: np.ndarray, cycle: str) -> np.ndarray:
    """Return the place in a cycle, ``(rows,)`` float32 from 0 up to 1. Weeks and years advance at midnight."""
    if cycle in ("minute", "hour", "day"):
        length = FIXED_UNITS[{"minute": "min", "hour": "h", "day": "D"}[cycle]]
        return ((times.astype(np.int64) % length) / length).astype(np.float32)
    if cycle == "week":
        return (weekday_numbers(times) / 7).astype(np.float32)
    if cycle == "months":
        return (month_numbers(times) % 12 / 12).astype(np.float32)
    days = times.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return (day_of_year / 366).astype(np.float32)
