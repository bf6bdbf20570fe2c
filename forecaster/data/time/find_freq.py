"""Infer the freq of a table, by majority over the steps of all series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecaster.data.blocks import BLOCK, row_blocks
from forecaster.data.time.freq import (
    DAY,
    FIXED_UNITS,
    MONTH_UNITS,
    WORDS,
    Freq,
    format_duration,
    month_anchor,
    month_numbers,
    week_anchor,
    weekday_numbers,
)
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import setting

#: Share of the steps that the most common one needs if all are multiples of it; otherwise it needs a majority.
LEAST_SHARE = 0.3

#: Readings that are all on this day of the month or later belong to month ends.
LATE = 25


def infer_freq(times: np.ndarray, offsets: np.ndarray) -> tuple[str, Note]:
    """Return the freq that most steps of all series agree on, and a note with their count.

    If so many rows are absent that no step has a majority, the most common one is the freq if all are multiples of it.

    Args:
        times: ``(rows,)`` ``datetime64[ns]`` or int64, ascending and without duplicates within each series.
        offsets: ``(series + 1,)`` int64; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.

    Raises:
        DataError: no series has two rows, or the steps differ.
    """
    lengths, counts = _tally(times, offsets)
    total = int(counts.sum())
    if not total:
        raise DataError("no series has two rows, so the freq cannot be inferred", f"give it with {setting('freq')}")
    if times.dtype.kind != "M":
        return _find_counted_freq(lengths, counts)
    freq, agree, rest = _find_month_freq(times, offsets, lengths, counts) or _find_fixed_freq(times, lengths, counts)
    share = f"{agree:,} of {total:,} steps{rest}"
    if freq.unit == "B":
        share = f"{agree:,} of {total:,} steps are a day, no row falls on a weekend; absent weekdays count as holidays"
    return str(freq), Note("freq", str(freq), f"{_freq_words(freq)}: {share}; {setting('freq')} names another")


def _freq_words(freq: Freq) -> str:
    if freq.count > 1:
        return f"every {freq.count} {WORDS[freq.unit]}s"
    if freq.unit == "B":
        return "business days"
    words = {"D": "daily", "h": "hourly", "W": "weekly", "M": "monthly", "Q": "quarterly", "Y": "yearly"}
    return words.get(freq.base, f"every {WORDS[freq.unit]}")


def _integers(times: np.ndarray) -> np.ndarray:
    return times.view(np.int64)


def _tally(
    times: np.ndarray, offsets: np.ndarray, numbers: Callable[[np.ndarray], np.ndarray] = _integers
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct steps within series, the most common one first, and their counts.

    Args:
        times: ``(rows,)``.
        offsets: ``(series + 1,)``, the bounds of the series.
        numbers: converts times to the numbers whose steps are counted, nanoseconds by default.
    """
    common = np.int64(0)
    tallies: list[tuple[np.ndarray, np.ndarray]] = []
    ends = offsets[1:-1] - 1  # the step after such a row crosses into the next series
    for block in row_blocks(len(times) - 1):  # of steps: each ends in the row after it
        rows = slice(block.start, min(block.stop, len(times) - 1) + 1)
        steps = np.diff(numbers(times[rows]))
        cut = ends[np.searchsorted(ends, rows.start) : np.searchsorted(ends, rows.stop - 1)] - rows.start
        steps = np.delete(steps, cut) if len(cut) else steps
        if not tallies and len(steps):
            common = steps[0]
        same = steps == common
        agree = int(same.sum())
        values, counts = np.unique(steps[~same], return_counts=True)
        tallies.append((np.append(values, common), np.append(counts, agree)) if agree else (values, counts))
        common = tallies[-1][0][tallies[-1][1].argmax()] if len(tallies[-1][0]) else common
    if not tallies:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    values, where = np.unique(np.concatenate([values for values, _ in tallies]), return_inverse=True)
    counts = np.bincount(where.ravel(), np.concatenate([counts for _, counts in tallies])).astype(np.int64)
    order = np.argsort(-counts, kind="stable")
    return values[order].astype(np.int64), counts[order]


def _count_agreeing(steps: np.ndarray, counts: np.ndarray) -> tuple[int, str] | None:
    """Return the count of the first, most common step, and a word on the rest; None if it is too rare for a freq."""
    agree, total = int(counts[0]), int(counts.sum())
    if steps[0] <= 0:
        return None
    multiples = bool((steps % steps[0] == 0).all())
    rest = ", the rest are multiples of it" if multiples and agree < total else ""
    return (agree, rest) if 2 * agree > total or (multiples and agree >= LEAST_SHARE * total) else None


def _find_counted_freq(steps: np.ndarray, counts: np.ndarray) -> tuple[str, Note]:
    agree, total = int(counts[0]), int(counts.sum())
    if steps[0] != 1:
        raise DataError(
            f"the time column counts by {steps[0]:,} in {agree:,} of {total:,} steps, expected by 1",
            f"divide it by that number, write it as dates, or take rows as equal steps: {setting('freq', 'row')}",
        )
    found = _count_agreeing(steps, counts)
    if found is None:
        raise _irregular_error("1", agree, total)
    return "step", Note("freq", "step", f"counted by 1: {agree:,} of {total:,} steps{found[1]}")


def _irregular_error(step: str, agree: int, total: int) -> DataError:
    return DataError(
        f"the readings have no regular step: {step} is the most common, {agree:,} of {total:,}",
        f"resample them first, or take rows as equal steps, their dates kept: {setting('freq', 'row')}",
    )


def _find_month_freq(
    times: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, counts: np.ndarray
) -> tuple[Freq, int, str] | None:
    """Return a freq counted in months, its :func:`_count_agreeing`; None if the steps are not whole months."""
    if _median_step(lengths, counts) < 28 * DAY:
        return None
    months, agrees = _tally(times, offsets, month_numbers)
    found = _count_agreeing(months, agrees)
    if found is None or lengths[0] <= 0:
        return None
    start, end = _all_pass(times, _starts_month), _all_pass(times, _ends_month)
    multiples = len(lengths) > 1 and (lengths % lengths[0] == 0).all()
    if not (start or end) and (counts[0] > found[0] or 2 * found[0] <= counts.sum() or multiples):
        return None  # any two days are a whole number of months apart
    letter = "E" if end or (not start and _all_pass(times, _late_in_month)) else "S"
    for unit in ("Y", "Q", "M"):
        if months[0] % MONTH_UNITS[unit + letter] == 0:
            count = int(months[0]) // MONTH_UNITS[unit + letter]
            return Freq(count, unit + letter, month_anchor(unit + letter, int(month_numbers(times[:1])[0]))), *found
    return None


def _all_pass(times: np.ndarray, test: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Return True if all times pass a test."""
    return all(bool(test(times[rows]).all()) for rows in row_blocks(len(times)))


def _starts_month(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[M]") == times.astype("datetime64[D]")


def _ends_month(times: np.ndarray) -> np.ndarray:
    next_day = times.astype("datetime64[D]") + 1
    return next_day.astype("datetime64[M]") == next_day


def _late_in_month(times: np.ndarray) -> np.ndarray:
    """Return a mask of times in the last days of a month, where last business days are."""
    days = times.astype("datetime64[D]") - times.astype("datetime64[M]").astype("datetime64[D]")
    return days.astype(np.int64) >= LATE - 1


def _are_weekdays(times: np.ndarray) -> np.ndarray:
    return weekday_numbers(times) < 5


def _median_step(steps: np.ndarray, counts: np.ndarray) -> int:
    order = np.argsort(steps)
    return int(steps[order][np.searchsorted(np.cumsum(counts[order]), counts.sum() / 2)])


def _find_fixed_freq(times: np.ndarray, lengths: np.ndarray, counts: np.ndarray) -> tuple[Freq, int, str]:
    found, length = _count_agreeing(lengths, counts), int(lengths[0])
    if found is None:
        raise _irregular_error(format_duration(length), int(counts[0]), int(counts.sum()))
    freq = _freq_of_length(length, times)
    if freq is None:
        raise DataError(f"the readings are {length:,} nanoseconds apart, expected a millisecond or more")
    crossed = bool((lengths > DAY).any() and (lengths == 3 * DAY).any())
    if str(freq) == "D" and crossed and _all_pass(times, _are_weekdays):
        return Freq(1, "B"), *found
    return freq, *found


def _freq_of_length(length: int, times: np.ndarray) -> Freq | None:
    """Return the freq of steps of a length in nanoseconds; None below a millisecond."""
    if length % FIXED_UNITS["W"] == 0:
        return Freq(length // FIXED_UNITS["W"], "W", week_anchor(times[:BLOCK]))
    unit = next((unit for unit in ("D", "h", "min", "s", "ms") if length % FIXED_UNITS[unit] == 0), None)
    return Freq(length // FIXED_UNITS[unit], unit) if unit else None


def resolve_row_freq(times: np.ndarray, offsets: np.ndarray) -> str:
    """Return the freq ``row`` with the step that continues the dates after the end of the table.

    Business days if no row falls on a weekend and most rows are one to four days apart; otherwise the freq that would
    be inferred, or the most common step if none would be. Whole numbers continue with their most common step.

    Args:
        times: ``(rows,)`` ``datetime64[ns]`` or int64, ascending within each series.
        offsets: ``(series + 1,)`` int64; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.

    Returns:
        ``row-B``, ``row-h``, ``row-step``, ...
    """
    lengths, counts = _tally(times, offsets)
    lengths, counts = lengths[lengths > 0], counts[lengths > 0]
    if times.dtype.kind != "M":
        return str(Freq.of(f"row-{lengths[0] if len(lengths) else 1}step"))
    if not len(lengths):
        return "row-D"
    if _all_pass(times, _are_weekdays) and DAY <= _median_step(lengths, counts) <= 4 * DAY:
        return "row-B"
    by_month = _find_month_freq(times, offsets, lengths, counts)
    if by_month is not None:
        return f"row-{by_month[0]}"
    whole = next((int(length) for length in lengths if length % FIXED_UNITS["ms"] == 0), FIXED_UNITS["ms"])
    return f"row-{_freq_of_length(whole, times)}"
