"""The steps between the rows of each series: its own freq, absent steps, repeated times."""

from __future__ import annotations

import numpy as np

from forecaster.data.columns.readings import Readings
from forecaster.data.time.find_freq import infer_freq
from forecaster.data.time.freq import DAY, Freq, month_numbers, weekday_numbers
from forecaster.errors import ForecasterError

#: More absent weekdays in a row than this are a gap of a business-day series, not holidays.
HOLIDAYS = 5
#: Most distinct steps among the series whose freq is inferred; series of a rarer step count as irregular.
MOST_FREQS = 50


def find_repeated_times(readings: Readings) -> np.ndarray:
    """Return a mask of sorted rows that repeat the time of the row before in their series, ``(rows,)`` bool."""
    repeated = np.zeros(len(readings.codes), bool)
    repeated[1:] = (np.diff(readings.times.astype(np.int64)) == 0) & (np.diff(readings.codes) == 0)
    return repeated


def find_series_freqs(readings: Readings, repeated: np.ndarray) -> list[str]:
    """Return the freq of every series by itself, ``""`` if most of its steps differ or it has one row.

    Series of the same most common step are inferred together, so that 100,000 series cost what one does.

    Args:
        readings: sorted, with repeated times.
        repeated: from :func:`find_repeated_times`.
    """
    readings = readings.take(~repeated)
    starts = readings.starts
    keys = _step_keys(readings, starts)
    freqs = np.full(len(starts), "", object)
    found, place, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    for key in np.argsort(-counts, kind="stable")[:MOST_FREQS]:
        if found[key, 0] > 0:
            freqs[place == key] = _infer_common_freq(readings, place == key)
    return freqs.tolist()


def _step_keys(readings: Readings, starts: np.ndarray) -> np.ndarray:
    """Return ``(series, 3)`` int64: the most common step or 0, 1 if it counts months, 1 if a row is on a weekend."""
    dated = readings.times.dtype.kind == "M"
    step, count = _most_common_steps(readings.times.astype(np.int64), starts)
    keys = np.zeros((len(starts), 3), np.int64)
    keys[:, 0] = step
    if not dated:
        return keys
    long = step >= 28 * DAY
    if long.any():
        months, month_count = _most_common_steps(month_numbers(readings.times), starts)
        by_month = long & (month_count >= count) & (months > 0)
        keys[by_month, 0], keys[by_month, 1] = months[by_month], 1
    if (step == DAY).any():
        keys[:, 2] = np.logical_or.reduceat(weekday_numbers(readings.times) > 4, starts) & (step == DAY)
    return keys


def _most_common_steps(numbers: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most common step in each series and its count; 0, 0 for one row.

    Args:
        numbers: ``(rows,)`` int64.
        starts: first row of each series, ``(series,)``.
    """
    steps, lengths = np.diff(numbers, prepend=0), np.diff(np.append(starts, len(numbers)))
    inside = np.ones(len(numbers), bool)
    inside[starts] = False
    best, often = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    if not inside.any():
        return best, often
    usual = steps[inside][:: max(1, int(inside.sum()) // 100_000)]
    values, counts = np.unique(usual, return_counts=True)
    best[:] = values[counts.argmax()]
    often = np.add.reduceat(inside & (steps == best[0]), starts, dtype=np.int64)
    best[lengths < 2] = 0
    for i in np.flatnonzero((2 * often <= lengths - 1) & (lengths > 1)):  # in the others it has the majority
        values, counts = np.unique(steps[starts[i] + 1 : starts[i] + lengths[i]], return_counts=True)
        best[i], often[i] = values[counts.argmax()], counts.max()
    return best, often


def _infer_common_freq(readings: Readings, chosen: np.ndarray) -> str:
    """Return the common freq of the chosen series, ``""`` for none."""
    lengths = np.diff(readings.offsets)
    rows = np.repeat(chosen, lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
    try:
        return str(infer_freq(readings.times[rows], offsets)[0])
    except ForecasterError:
        return ""


def count_absent_steps(readings: Readings, freqs: list[str]) -> np.ndarray:
    """Return the steps absent right before each row, ``(rows,)`` int64, by the freq of its own series.

    Args:
        readings: sorted.
        freqs: the freq of each series that has rows; of ``""`` and ``row`` no step is absent.
    """
    absent = np.zeros(len(readings.codes), np.int64)
    names = sorted(set(freqs))
    kinds = np.repeat(np.array([names.index(freq) for freq in freqs], np.int8), np.diff(readings.offsets))
    kinds[readings.starts] = -1  # the first row of a series follows none
    for kind, name in enumerate(names):
        if not name or Freq.of(name).unit == "row":
            continue
        at = np.flatnonzero(kinds == kind)
        absent[at] = np.maximum(_count_steps(readings.times[at - 1], readings.times[at], Freq.of(name)) - 1, 0)
    return absent


def _count_steps(before: np.ndarray, after: np.ndarray, freq: Freq) -> np.ndarray:
    if before.dtype.kind != "M":
        return after - before
    if freq.nanoseconds:
        return np.rint((after - before).astype(np.int64) / freq.nanoseconds).astype(np.int64)
    if freq.months:
        return np.rint((month_numbers(after) - month_numbers(before)) / freq.months).astype(np.int64)
    days = np.busday_count(before.astype("datetime64[D]"), after.astype("datetime64[D]"))
    return np.where(days > HOLIDAYS + 1, days, 1)
