"""The regular grid of a panel: a row for every step, filled from the past where there was no reading."""

from __future__ import annotations

import numpy as np

from forecaster.data.calendar import default_season
from forecaster.data.freq import Freq, month_numbers, on_anchor, on_month, shown, weekdays
from forecaster.data.panel import Panel
from forecaster.data.readings import Readings
from forecaster.data.sources import plural
from forecaster.errors import DataError
from forecaster.notes import Note

#: Largest share of a series that may be absent or empty, and the largest share that one absent stretch may be.
MAX_MISSING = 0.4
MAX_STRETCH = 0.25


def on_grid(readings: Readings, freq: Freq, utc: bool, gaps: str) -> tuple[Panel, list[Note]]:
    """Return the panel with a row for every step, and a note for what was filled or moved.

    Business days keep the rows there are: an absent weekday is a holiday.

    Args:
        readings: sorted, without duplicates, each series from its first reading to its last.
        freq: the step.
        utc: whether the times are UTC.
        gaps: ``fill`` or ``error``, where steps are absent.

    Raises:
        DataError: a time does not lie on the freq, steps are absent and ``gaps`` is ``error``, or too much is missing.
    """
    step = _steps(readings, freq)
    starts, lengths = readings.starts, np.diff(readings.offsets)
    sizes = step[starts + lengths - 1] + 1
    _check_missing(readings, freq, step, sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values, times = readings.values, _grid_times(readings, freq, step)
    moved = int((times != readings.times).sum())
    if len(step) < offsets[-1]:
        if gaps == "error":
            raise _gap(readings, freq, step)
        values = np.full(offsets[-1], np.nan)
        values[np.repeat(offsets[:-1], lengths) + step] = readings.values
        every = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        times = _times_of(times[starts], sizes, every, freq)
    observed = ~np.isnan(values)
    if not observed.all():
        values = fill_from_past(values, offsets, default_season(str(freq)))
    ids = tuple(readings.ids[i] for i in readings.codes[starts])
    panel = Panel(values, observed, times, offsets, ids, str(freq), readings.roles, utc)
    return panel, [*_moved_note(freq, moved), *_filled_notes(readings, freq, step)]


def _steps(readings: Readings, freq: Freq) -> np.ndarray:
    """Return how many steps each row lies after the first row of its series, ``(rows,)`` int64."""
    times, start = readings.times, np.repeat(readings.starts, np.diff(readings.offsets))
    if freq.unit == "B":
        step, bad = np.arange(len(times)) - start, weekdays(times) > 4
        places = times.astype("datetime64[D]").astype(np.int64)
    else:
        numbers = month_numbers(times) if freq.months else times.astype(np.int64)
        step, rest = np.divmod(numbers - numbers[start], freq.months or freq.nanoseconds or 1)
        bad, places = (rest != 0) | ~on_anchor(times, freq), step
    bad[1:] |= (np.diff(places) == 0) & (np.diff(readings.codes) == 0)
    if bad.any():
        raise _off_grid(readings, freq, bad)
    return step


def _off_grid(readings: Readings, freq: Freq, bad: np.ndarray) -> DataError:
    at, times = int(np.flatnonzero(bad)[0]), readings.times
    place = int(np.searchsorted(readings.offsets, at, side="right")) - 1
    start, count = int(readings.starts[place]), int(bad.sum())
    if freq.nanoseconds:  # the first row itself may be the odd one
        own = times[start : readings.offsets[place + 1]].astype(np.int64) % freq.nanoseconds
        phases, first, counts = np.unique(own, return_index=True, return_counts=True)
        odd = np.flatnonzero(own != phases[counts.argmax()])
        if len(odd):
            at, start, count = start + int(odd[0]), start + int(first[counts.argmax()]), len(odd)
    return DataError(
        f"{readings.where(at)}: {shown(times[at])} does not fit the freq {freq} counted from {shown(times[start])} "
        f"({plural(count, 'such row')})",
        "correct or remove those rows, name another --freq, or resample the table first",
    )


def _check_missing(readings: Readings, freq: Freq, step: np.ndarray, sizes: np.ndarray) -> None:
    starts = readings.starts
    share = 1 - np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), starts) / sizes
    gaps = _gaps(readings, step)
    longest = np.maximum.reduceat(gaps, starts)
    bad = np.flatnonzero((share > MAX_MISSING) | (longest > np.maximum(MAX_STRETCH * sizes, 2)))
    if not len(bad):
        return
    worst = int(bad[0])
    row = int(starts[worst]) + int(gaps[starts[worst] : readings.offsets[worst + 1]].argmax())
    more = f" ({len(bad) - 1:,} more series are like it)" if len(bad) > 1 else ""
    stretch = f", the longest stretch {freq.words(int(gaps[row]))}{_between(readings, row)}" if gaps[row] else ""
    raise DataError(
        f"{share[worst]:.0%} of the {freq.words(int(sizes[worst]))}{readings.of(row)} have no reading{stretch}{more}",
        "keep the rows on one side of the longest gap, name the right --freq, or take rows as equal steps: --freq step",
    )


def _gaps(readings: Readings, step: np.ndarray) -> np.ndarray:
    """Return the steps absent right before each row, ``(rows,)`` int64."""
    gaps = np.zeros(len(step), np.int64)
    gaps[1:] = np.diff(step) - 1
    gaps[readings.starts] = 0
    return gaps


def _between(readings: Readings, row: int) -> str:
    return f" between {shown(readings.times[row - 1])} and {shown(readings.times[row])}"


def _gap(readings: Readings, freq: Freq, step: np.ndarray) -> DataError:
    gaps = _gaps(readings, step)
    row = int(np.flatnonzero(gaps)[0])
    return DataError(
        f"{freq.words(int(gaps[row]))} absent{_between(readings, row)}{readings.of(row)}, {readings.where(row)}; "
        f"{int(gaps.sum()):,} in all",
        "add them, or let them be filled from the past: --gaps fill",
    )


def _grid_times(readings: Readings, freq: Freq, step: np.ndarray) -> np.ndarray:
    """Return the times that rows have on the grid: their own, but months are told by their first or last day."""
    return on_month(month_numbers(readings.times), freq.unit) if freq.months else readings.times


def _times_of(first: np.ndarray, sizes: np.ndarray, step: np.ndarray, freq: Freq) -> np.ndarray:
    if freq.months:
        return on_month(np.repeat(month_numbers(first), sizes) + step * freq.months, freq.unit)
    return (
        np.repeat(first, sizes) + (step * freq.nanoseconds).astype("timedelta64[ns]")
        if freq.nanoseconds
        else np.repeat(first, sizes) + step
    )


def fill_from_past(values: np.ndarray, offsets: np.ndarray, season: int) -> np.ndarray:
    """Return a copy of the values without NaN, each filled from what came before it in its series.

    Step ``j`` of a run of missing values after ``y[p - 1]`` becomes ``y[p - m + j % m]``, its place in the last season
    of ``m`` steps, plus what the series gained over that season, ``y[p - 1] - y[p - 1 - m]``; never below the smallest
    value so far where none is negative. Without a season of history, it is the last value.

    Args:
        values: ``(rows,)`` float64; the first value of a series is not NaN.
        offsets: ``(series + 1,)`` int64, the bounds of the series.
        season: the seasonal period in steps.
    """
    values = values.copy()
    missing = np.isnan(values)
    for i in np.unique(np.searchsorted(offsets, np.flatnonzero(missing), side="right") - 1):
        rows = slice(offsets[i], offsets[i + 1])
        _fill_series(values[rows], missing[rows], season)
    return values


def _fill_series(y: np.ndarray, missing: np.ndarray, m: int) -> None:
    """Fill one series in place."""
    lowest = np.minimum.accumulate(np.where(missing, np.inf, y))
    edges = np.flatnonzero(np.diff(missing, append=False)) + 1
    for p, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if m == 1 or p <= m:
            y[p:end] = y[p - 1]
            continue
        shape = y[p - m : p] if end - p > m else y[p - m : end - m]
        if end - p > m:
            shape = np.resize(shape, end - p)
        filled = shape + (y[p - 1] - y[p - 1 - m])
        y[p:end] = np.maximum(filled, lowest[p - 1]) if lowest[p - 1] >= 0 else filled


def _moved_note(freq: Freq, moved: int) -> list[Note]:
    if not moved:
        return []
    day = "last" if freq.unit.endswith("E") else "first"
    return [
        Note("moved", plural(moved, "time"), f"to the {day} day of their month, as freq {freq} has it", warning=True)
    ]


def _filled_notes(readings: Readings, freq: Freq, step: np.ndarray) -> list[Note]:
    notes, gaps, empty = [], _gaps(readings, step), np.isnan(readings.values)
    season = default_season(str(freq))
    how = "the last value"
    if season > 1:
        how = (
            f"the value {freq.span(season)} earlier at the level of the last (the last itself where history is shorter)"
        )
    how = f"filled with {how}, not trained on, not scored"
    if gaps.any():
        at, places = int(gaps.argmax()), len(np.unique(readings.codes[gaps > 0]))
        across = f" in {places:,} of {len(readings.starts):,} series" if readings.roles.series else ""
        longest = f"the longest stretch {freq.words(int(gaps[at]))}{_between(readings, at)}{readings.of(at)}"
        reason = f"{longest}; {how}; --gaps error stops instead"
        notes.append(Note("gaps", f"{freq.words(int(gaps.sum()))} absent{across}", reason, warning=True))
    if empty.any():
        at = int(np.flatnonzero(empty)[0])
        reason = f"the first at {shown(readings.times[at])}, {readings.where(at)}; {how}; --missing error stops instead"
        notes.append(Note("missing", plural(int(empty.sum()), "empty cell"), reason, warning=True))
    return notes
