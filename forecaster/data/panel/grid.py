"""The regular grid of a panel: a row for every step, with placeholders for missing readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecaster.data.blocks import series_blocks
from forecaster.data.columns.readings import Readings
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import bridge_short_gaps, fill_from_past, interpolate
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq, format_time, is_on_anchor, month_days, month_numbers, weekday_numbers
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural, setting

#: Largest share of the steps of a whole table that may be absent; beyond it, the freq is taken to be wrong.
MAX_ABSENT = 0.5
#: A series can hardly be learned if more than this share of its steps is missing, and one gap is more than that share.
MAX_MISSING = 0.6
MAX_GAP = 0.25


@dataclass(frozen=True)
class Grid:
    """The place of each reading on the grid of its series.

    Attributes:
        freq: the step.
        offsets: ``(series + 1,)`` int64, bounds of the readings of each series.
        sizes: ``(series,)`` int64, steps from the first reading of each series to its last.
        moved: ``(series,)`` int64, readings moved to the first or the last day of their month.
        steps: for each block of series its first, its last + 1, and the steps from the first reading of a series to
            each of its readings, ``(rows of the block,)``; None if no step is absent.
        longest: absent steps of the longest gap, and the row after it.
    """

    freq: Freq
    offsets: np.ndarray
    sizes: np.ndarray
    moved: np.ndarray
    steps: list[tuple[int, int, np.ndarray | None]]
    longest: tuple[int, int]

    @property
    def absent(self) -> np.ndarray:
        """Steps without a row, ``(series,)`` int64."""
        return self.sizes - np.diff(self.offsets)

    @property
    def bounds(self) -> np.ndarray:
        """Bounds of the series on the grid, ``(series + 1,)`` int64."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    def parts(self) -> Iterator[tuple[slice, slice, np.ndarray | None]]:
        """Yield for each block its rows, its rows on the grid, and which of the latter are readings; None for all."""
        bounds = self.bounds
        for a, b, step in self.steps:
            own, target = slice(self.offsets[a], self.offsets[b]), slice(bounds[a], bounds[b])
            if step is not None:
                step = step + np.repeat(bounds[a:b] - bounds[a], np.diff(self.offsets[a : b + 1]))
            yield own, target, step

    @property
    def places(self) -> np.ndarray:
        """The grid row of each reading, ``(rows,)`` int64."""
        parts = self.parts()
        return np.concatenate([np.arange(t.start, t.stop) if at is None else at + t.start for _, t, at in parts])

    def spread(self, values: np.ndarray, empty: float | bool) -> np.ndarray:
        """Return values of readings, ``(rows, ...)``, with a row for every step, ``empty`` at absent ones."""
        spread = np.full((int(self.bounds[-1]), *values.shape[1:]), empty, values.dtype)
        for own, target, places in self.parts():
            spread[target][slice(None) if places is None else places] = values[own]
        return spread


def lay_on_grid(readings: Readings, freq: Freq, gaps: str, missing: str) -> tuple[Panel, list[Note]]:
    """Return the panel with a row for every step, and notes on steps that are absent, empty or moved.

    The freqs ``B`` and ``row`` add no rows: an absent weekday is a holiday. The panel has no static covariates: all
    columns of the readings become columns of its rows.

    Args:
        readings: sorted, without duplicates, each series from its first reading to its last.
        freq: the step.
        gaps: rule for absent steps: ``mask``, ``fill`` or ``error``. The first two make placeholders from the past;
            ``mask`` also interpolates short gaps and flags all of them for the network.
        missing: rule for empty cells: ``mask``, ``interpolate``, ``seasonal`` or ``error``.

    Raises:
        DataError: a time does not fit the freq, steps are absent and ``gaps`` is ``error``, or too much is missing.
    """
    grid, full = make_grid(readings, freq), ~np.isnan(readings.values)
    sparse = check_missing(readings, grid, full)
    if gaps == "error" and grid.absent.any():
        raise _gap_error(readings, grid)
    values, whole, offsets = readings.values, bool(full.all()), grid.bounds
    if missing == "interpolate" and not whole:
        values = interpolate(values, grid.places)
    covariates, observed, masked = readings.covariates, full, np.full(len(full), missing == "mask") & ~full
    if grid.absent.any():
        values, observed = grid.spread(values, np.nan), grid.spread(full, False)
        covariates, masked = grid.spread(covariates, np.nan), grid.spread(masked, gaps == "mask")
    if not observed.all():
        season = default_season(str(freq))
        values = fill_from_past(values, offsets, season)
        values = bridge_short_gaps(values, observed, masked, season) if masked.any() else values
    times, ids = _grid_times(readings.times, grid), _ids_with_rows(readings, grid.offsets)
    panel = Panel(
        values,
        observed,
        times,
        offsets,
        ids,
        str(freq),
        readings.roles,
        readings.zone,
        readings.columns,
        covariates,
        masked=bool(masked.any()),
        bridged=bool(masked.any()) or (missing == "interpolate" and not whole),
    )
    notes = [*_moved_note(ids, grid), *_gap_note(readings, ids, grid, gaps)]
    return panel, [*notes, *_empty_note(readings, ids, grid, full, missing), *sparse]


def make_grid(readings: Readings, freq: Freq) -> Grid:
    """Return the grid of readings.

    Raises:
        DataError: a time does not fit the freq, or two fall on one step.
    """
    offsets = readings.offsets
    sizes, moved, steps, longest = np.diff(offsets), np.zeros(len(offsets) - 1, np.int64), [], (0, 0)
    for a, b in series_blocks(offsets):
        own, starts = slice(offsets[a], offsets[b]), offsets[a:b] - offsets[a]
        times, step = readings.times[own], None
        if not _is_complete(times, starts, freq):
            step, bad = _count_steps(times, starts, freq)
            if bad.any():
                at = int(offsets[a]) + int(np.flatnonzero(bad)[0])
                raise _off_grid_error(readings, offsets, at, freq, int(bad.sum()))
            if freq.months:
                days = month_days(month_numbers(times), freq.unit)
                moved[a:b] = np.add.reduceat(times != days, starts, dtype=np.int64)
            gaps = _count_absent(step, starts)
            sizes[a:b] += np.add.reduceat(gaps, starts)
            longest = max(longest, (int(gaps.max()), int(offsets[a]) + int(gaps.argmax())), key=lambda gap: gap[0])
            step = _to_small_integers(step) if gaps.any() else None
        steps.append((a, b, step))
    return Grid(freq, offsets, sizes, moved, steps, longest)


def _is_complete(times: np.ndarray, starts: np.ndarray, freq: Freq) -> bool:
    """Return True if every time of a block is one step after the time before it; False for months, unchecked."""
    if freq.unit == "row":
        return True
    if freq.months or freq.unit == "B":
        return False
    length = freq.nanoseconds or 1
    steps = np.diff(times.view(np.int64))
    steps[starts[1:] - 1] = length
    return bool((steps == length).all() and is_on_anchor(times[starts], freq).all())


def _count_steps(times: np.ndarray, starts: np.ndarray, freq: Freq) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps from the first row of its series to each row, and a mask of misfits, ``(rows,)`` each."""
    start = np.repeat(starts, np.diff(starts, append=len(times)))
    if freq.unit == "B":
        step, bad = np.arange(len(times)) - start, weekday_numbers(times) > 4
        places = times.astype("datetime64[D]").astype(np.int64)
    else:
        numbers = month_numbers(times) if freq.months else times.astype(np.int64)
        length = freq.months or freq.nanoseconds or 1
        whole, rest = np.divmod(numbers, length)  # before subtracting, which may overflow in nanoseconds
        step = whole - whole[start]
        bad, places = (rest != rest[start]) | ~is_on_anchor(times, freq), step
    bad[1:] |= (np.diff(places) == 0) & (np.diff(start) == 0)
    return step, bad


def _count_absent(step: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the steps absent right before each row, ``(rows,)`` int64."""
    gaps = np.diff(step, prepend=-1) - 1
    gaps[starts] = 0
    return gaps


def _to_small_integers(step: np.ndarray) -> np.ndarray:
    return step.astype(np.int32) if step.max() < 2**31 else step


def _off_grid_error(readings: Readings, offsets: np.ndarray, at: int, freq: Freq, count: int) -> DataError:
    times, place = readings.times, int(np.searchsorted(offsets, at, side="right")) - 1
    start = int(offsets[place])
    if freq.nanoseconds:  # the first row itself may be the odd one
        own = times[start : offsets[place + 1]].astype(np.int64) % freq.nanoseconds
        phases, first, counts = np.unique(own, return_index=True, return_counts=True)
        odd = np.flatnonzero(own != phases[counts.argmax()])
        if len(odd):
            at, start, count = start + int(odd[0]), start + int(first[counts.argmax()]), len(odd)
    zone = setting("zone", "Europe/Berlin")
    midnight = f"if days begin at midnight elsewhere, name the time zone, such as {zone}; "
    hint = midnight if readings.zone == "UTC" and freq.whole_days else ""
    return DataError(
        f"{readings.where(at)}: {format_time(times[at])} does not fit the freq {freq} counted from "
        f"{format_time(times[start])} ({plural(count, 'such row')})",
        f"{hint}correct or remove those rows, name another {setting('freq')}, resample the table first, or take rows "
        f"as steps: {setting('freq', 'row')}",
    )


def check_missing(readings: Readings, grid: Grid, full: np.ndarray) -> list[Note]:
    """Return a note on the series with too few readings to be learned, if others have enough.

    Args:
        readings: sorted.
        grid: their grid.
        full: ``(rows,)`` bool, True for rows with a reading.

    Raises:
        DataError: more than half of all steps are absent, or no series has enough readings.
    """
    absent, sizes = grid.absent, grid.sizes
    empty = np.zeros_like(sizes) if full.all() else np.add.reduceat(~full, grid.offsets[:-1], dtype=np.int64)
    share = (absent + empty) / sizes
    if absent.sum() > MAX_ABSENT * sizes.sum():
        raise _too_sparse_error(readings, grid, full, int(absent.argmax()), share)
    sparse = np.zeros(len(sizes), bool)
    for i in np.flatnonzero(share > MAX_MISSING).tolist():
        sparse[i] = _find_longest_gap(grid, full, i)[0] > MAX_GAP * sizes[i]
    if not sparse.any():
        return []
    if sparse.all():
        raise _too_sparse_error(readings, grid, full, int(share.argmax()), share)
    found = count_per_series(_ids_with_rows(readings, grid.offsets), np.where(sparse, absent + empty, 0))
    reason = f"more than {MAX_MISSING:.0%} of their steps have no reading{found.most}"
    return [Note("sparse", f"{int(sparse.sum()):,} of {len(sizes):,} series", reason, True, found.counts)]


def _find_longest_gap(grid: Grid, full: np.ndarray, series: int) -> tuple[int, int, int]:
    """Return the steps of the longest gap without a reading in a series, and the rows before and after it."""
    a, _, step = next(part for part in grid.steps if part[0] <= series < part[1])
    rows = np.arange(grid.offsets[series], grid.offsets[series + 1])
    places = rows if step is None else step[rows - grid.offsets[a]].astype(np.int64)
    seen = np.flatnonzero(full[rows])
    lengths = np.diff(places[seen]) - 1
    if not len(lengths):
        return 0, int(rows[0]), int(rows[0])
    at = int(lengths.argmax())
    return int(lengths[at]), int(rows[seen[at]]), int(rows[seen[at + 1]])


def _too_sparse_error(readings: Readings, grid: Grid, full: np.ndarray, worst: int, share: np.ndarray) -> DataError:
    steps, freq = int(grid.sizes[worst]), grid.freq
    length, before, after = _find_longest_gap(grid, full, worst)
    times = readings.times
    ends = f"between {format_time(times[before])} and {format_time(times[after])}"
    line = readings.line(after)
    longest = f", the longest gap {freq.words(length)} {ends}, {line}"
    others = int((share > MAX_ABSENT).sum()) - 1
    more = f" ({others:,} more series are like it)" if others > 0 else ""
    return DataError(
        f"{int(100 * share[worst])}% of the {freq.words(steps)}{readings.of(after)} have no reading{longest}{more}",
        f"keep the rows on one side of the longest gap, correct the time next to it, name the right {setting('freq')}, "
        f"or take rows as equal steps: {setting('freq', 'row')}",
    )


def _gap_error(readings: Readings, grid: Grid) -> DataError:
    for (a, b, step), (own, _, _) in zip(grid.steps, grid.parts(), strict=True):
        if step is not None:
            gaps = _count_absent(step.astype(np.int64), grid.offsets[a:b] - grid.offsets[a])
            row = int(own.start) + int(np.flatnonzero(gaps)[0])
            words = grid.freq.words(int(gaps[row - own.start]))
            break
    return DataError(
        f"{words} absent{_between_words(readings, row)}{readings.of(row)}, {readings.where(row)}; "
        f"{int(grid.absent.sum()):,} in all",
        f"add them, or mask them for the network: {setting('gaps', 'mask')}",
    )


def _between_words(readings: Readings, row: int) -> str:
    return f" between {format_time(readings.times[row - 1])} and {format_time(readings.times[row])}"


def _grid_times(times: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the time of every step; months are written as their first or last day."""
    freq, bounds = grid.freq, grid.bounds
    if not freq.months and not grid.absent.any():
        return times
    spread = np.empty(int(bounds[-1]), times.dtype)
    for (a, b, _), (own, target, places) in zip(grid.steps, grid.parts(), strict=True):
        if places is None:
            spread[target] = month_days(month_numbers(times[own]), freq.unit) if freq.months else times[own]
            continue
        sizes = grid.sizes[a:b]
        step = np.arange(target.stop - target.start) - np.repeat(bounds[a:b] - bounds[a], sizes)
        spread[target] = _add_steps(np.repeat(times[grid.offsets[a:b]], sizes), step, freq)
    return spread


def _add_steps(first: np.ndarray, step: np.ndarray, freq: Freq) -> np.ndarray:
    if freq.months:
        return month_days(month_numbers(first) + step * freq.months, freq.unit)
    return first + ((step * freq.nanoseconds).astype("timedelta64[ns]") if freq.nanoseconds else step)


def _ids_with_rows(readings: Readings, offsets: np.ndarray) -> tuple[str, ...]:
    names = readings.ids
    codes = readings.codes[offsets[:-1]].tolist()
    return names if codes == list(range(len(names))) else tuple(names[i] for i in codes)


def _moved_note(ids: tuple[str, ...], grid: Grid) -> list[Note]:
    if not grid.moved.any():
        return []
    day, found = "last" if grid.freq.unit.endswith("E") else "first", count_per_series(ids, grid.moved)
    reason = f"to the {day} day of their month, as freq {grid.freq} has it{found.most}"
    return [Note("moved", plural(int(grid.moved.sum()), "time") + found.across, reason, True, found.counts)]


def _gap_note(readings: Readings, ids: tuple[str, ...], grid: Grid, rule: str) -> list[Note]:
    if not grid.absent.any():
        return []
    length, row = grid.longest
    freq, found = grid.freq, count_per_series(ids, grid.absent)
    longest = f"the longest gap {freq.words(length)}{_between_words(readings, row)}{readings.of(row)}"
    reason = f"{longest}{found.most}; {_placeholder_words(freq, rule)}; {setting('gaps', 'error')} stops instead"
    value = f"{freq.words(int(grid.absent.sum()))} absent{found.across}"
    return [Note("gaps", value, reason, True, found.counts)]


def _empty_note(readings: Readings, ids: tuple[str, ...], grid: Grid, full: np.ndarray, rule: str) -> list[Note]:
    if full.all():
        return []
    at, found = int(full.argmin()), count_per_series(ids, np.add.reduceat(~full, grid.offsets[:-1], dtype=np.int64))
    how = "interpolated between the readings around, which looks ahead; not trained on, not scored"
    how = how if rule == "interpolate" else _placeholder_words(grid.freq, rule)
    first = f"the first at {format_time(readings.times[at])}, {readings.where(at)}"
    value = plural(int((~full).sum()), "empty cell") + found.across
    reason = f"{first}{found.most}; {how}; {setting('missing', 'error')} stops instead"
    return [Note("missing", value, reason, True, found.counts)]


def _placeholder_words(freq: Freq, rule: str) -> str:
    """Return a phrase on the source of placeholders in the past."""
    season = default_season(str(freq))
    how = "the last value"
    if season > 1:
        how = f"the value {freq.span(season)} earlier, shifted to the last level (without such history, the last value)"
    if rule == "mask":
        return f"masked: flagged for the network, short gaps interpolated, long ones filled with {how}; not scored"
    return f"filled with {how}; not trained on, not scored"
