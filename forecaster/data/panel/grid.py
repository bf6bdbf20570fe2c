"""The regular grid of a panel: a row for every step, a placeholder where there was no reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecaster.data.blocks import series_blocks
from forecaster.data.columns.readings import Readings
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import bridge_short_gaps, fill_from_past, fill_lines
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq, format_time, month_numbers, on_anchor, on_month, weekday_numbers
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural

#: Largest share of the steps of a whole table that may be absent; beyond it, the freq is taken to be wrong.
MAX_ABSENT = 0.5
#: A series can hardly be learned where more than this share of its steps has no reading, and more than that share of
#: them is one stretch.
MAX_MISSING = 0.6
MAX_STRETCH = 0.25


@dataclass(frozen=True)
class Grid:
    """Where the readings of each series lie on the grid of their freq.

    Attributes:
        freq: the step.
        offsets: ``(series + 1,)`` int64, bounds of the readings of each series.
        sizes: ``(series,)`` int64, steps from the first reading of each series to its last.
        moved: ``(series,)`` int64, readings whose time is told by the first or the last day of its month.
        steps: for each block of series, its first, the one after its last, and the steps from the first reading of a
            series to each of its readings, ``(rows of the block,)``; None where no step is absent.
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
        """Yield for each block its rows, its rows on the grid, and where among these a reading lies; None for all."""
        bounds = self.bounds
        for a, b, step in self.steps:
            own, target = slice(self.offsets[a], self.offsets[b]), slice(bounds[a], bounds[b])
            if step is not None:
                step = step + np.repeat(bounds[a:b] - bounds[a], np.diff(self.offsets[a : b + 1]))
            yield own, target, step

    @property
    def places(self) -> np.ndarray:
        """Row on the grid of each reading, ``(rows,)`` int64."""
        parts = self.parts()
        return np.concatenate([np.arange(t.start, t.stop) if at is None else at + t.start for _, t, at in parts])

    def spread(self, values: np.ndarray, empty: float | bool) -> np.ndarray:
        """Return what readings hold, ``(rows, ...)``, with a row for every step, ``empty`` where there is none."""
        spread = np.full((int(self.bounds[-1]), *values.shape[1:]), empty, values.dtype)
        for own, target, places in self.parts():
            spread[target][slice(None) if places is None else places] = values[own]
        return spread


def on_grid(readings: Readings, freq: Freq, gaps: str, missing: str) -> tuple[Panel, list[Note]]:
    """Return the panel with a row for every step, and a note for what is absent, empty or moved.

    Business days and ``row`` keep the rows there are: an absent weekday is a holiday. The panel has no covariates of
    a series as a whole: all columns of the readings count as columns of its rows.

    Args:
        readings: sorted, without duplicates, each series from its first reading to its last.
        freq: the step.
        gaps: ``mask``, ``fill`` or ``error``, where steps are absent. The first two have placeholders made from the
            past; those of the first lie on a line between the readings around them where the stretch is short, and the
            network is told.
        missing: ``mask``, ``interpolate``, ``seasonal`` or ``error``, where cells are empty.

    Raises:
        DataError: a time does not lie on the freq, steps are absent and ``gaps`` is ``error``, or too much is missing.
    """
    grid, full = lay_out(readings, freq), ~np.isnan(readings.values)
    sparse = check_missing(readings, grid, full)
    if gaps == "error" and grid.absent.any():
        raise _gap(readings, grid)
    values, whole, offsets = readings.values, bool(full.all()), grid.bounds
    if missing == "interpolate" and not whole:
        values = fill_lines(values, grid.places)
    covariates, observed, masked = readings.covariates, full, np.full(len(full), missing == "mask") & ~full
    if grid.absent.any():
        values, observed = grid.spread(values, np.nan), grid.spread(full, False)
        covariates, masked = grid.spread(covariates, np.nan), grid.spread(masked, gaps == "mask")
    if not observed.all():
        season = default_season(str(freq))
        values = fill_from_past(values, offsets, season)
        values = bridge_short_gaps(values, observed, masked, season) if masked.any() else values
    times, ids = _times(readings.times, grid), _ids(readings, grid.offsets)
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


def lay_out(readings: Readings, freq: Freq) -> Grid:
    """Return where the readings lie on the grid.

    Raises:
        DataError: a time does not lie on the freq, or two lie on one step.
    """
    offsets = readings.offsets
    sizes, moved, steps, longest = np.diff(offsets), np.zeros(len(offsets) - 1, np.int64), [], (0, 0)
    for a, b in series_blocks(offsets):
        own, starts = slice(offsets[a], offsets[b]), offsets[a:b] - offsets[a]
        times, step = readings.times[own], None
        if not _is_whole(times, starts, freq):
            step, bad = _steps(times, starts, freq)
            if bad.any():
                raise _off_grid(readings, offsets, int(offsets[a]) + int(np.flatnonzero(bad)[0]), freq, int(bad.sum()))
            if freq.months:
                moved[a:b] = np.add.reduceat(times != on_month(month_numbers(times), freq.unit), starts, dtype=np.int64)
            gaps = _gaps(step, starts)
            sizes[a:b] += np.add.reduceat(gaps, starts)
            longest = max(longest, (int(gaps.max()), int(offsets[a]) + int(gaps.argmax())), key=lambda gap: gap[0])
            step = _narrow(step) if gaps.any() else None
        steps.append((a, b, step))
    return Grid(freq, offsets, sizes, moved, steps, longest)


def _is_whole(times: np.ndarray, starts: np.ndarray, freq: Freq) -> bool:
    """Return whether every time of a block is one step after the one before it; months are not looked at."""
    if freq.unit == "row":
        return True
    if freq.months or freq.unit == "B":
        return False
    length = freq.nanoseconds or 1
    steps = np.diff(times.view(np.int64))
    steps[starts[1:] - 1] = length
    return bool((steps == length).all() and on_anchor(times[starts], freq).all())


def _steps(times: np.ndarray, starts: np.ndarray, freq: Freq) -> tuple[np.ndarray, np.ndarray]:
    """Return how many steps each row lies after the first of its series, and which do not fit, ``(rows,)`` each."""
    start = np.repeat(starts, np.diff(starts, append=len(times)))
    if freq.unit == "B":
        step, bad = np.arange(len(times)) - start, weekday_numbers(times) > 4
        places = times.astype("datetime64[D]").astype(np.int64)
    else:
        numbers = month_numbers(times) if freq.months else times.astype(np.int64)
        length = freq.months or freq.nanoseconds or 1
        whole, rest = np.divmod(numbers, length)  # before the difference, which may overflow in nanoseconds
        step = whole - whole[start]
        bad, places = (rest != rest[start]) | ~on_anchor(times, freq), step
    bad[1:] |= (np.diff(places) == 0) & (np.diff(start) == 0)
    return step, bad


def _gaps(step: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the steps absent right before each row, ``(rows,)`` int64."""
    gaps = np.diff(step, prepend=-1) - 1
    gaps[starts] = 0
    return gaps


def _narrow(step: np.ndarray) -> np.ndarray:
    return step.astype(np.int32) if step.max() < 2**31 else step


def _off_grid(readings: Readings, offsets: np.ndarray, at: int, freq: Freq, count: int) -> DataError:
    times, place = readings.times, int(np.searchsorted(offsets, at, side="right")) - 1
    start = int(offsets[place])
    if freq.nanoseconds:  # the first row itself may be the odd one
        own = times[start : offsets[place + 1]].astype(np.int64) % freq.nanoseconds
        phases, first, counts = np.unique(own, return_index=True, return_counts=True)
        odd = np.flatnonzero(own != phases[counts.argmax()])
        if len(odd):
            at, start, count = start + int(odd[0]), start + int(first[counts.argmax()]), len(odd)
    midnight = "if days begin at midnight elsewhere, name the time zone, such as --zone Europe/Berlin; "
    hint = midnight if readings.zone == "UTC" and freq.whole_days else ""
    return DataError(
        f"{readings.where(at)}: {format_time(times[at])} does not fit the freq {freq} counted from "
        f"{format_time(times[start])} ({plural(count, 'such row')})",
        f"{hint}correct or remove those rows, name another --freq, resample the table first, or take rows as steps: "
        "--freq row",
    )


def check_missing(readings: Readings, grid: Grid, full: np.ndarray) -> list[Note]:
    """Return a note on the series that have too few readings to be learned from, where others have enough.

    Args:
        readings: sorted.
        grid: where they lie.
        full: ``(rows,)`` bool, which of them hold a reading.

    Raises:
        DataError: more than half of all steps are absent, or no series has enough readings.
    """
    absent, sizes = grid.absent, grid.sizes
    empty = np.zeros_like(sizes) if full.all() else np.add.reduceat(~full, grid.offsets[:-1], dtype=np.int64)
    share = (absent + empty) / sizes
    if absent.sum() > MAX_ABSENT * sizes.sum():
        raise _too_much(readings, grid, full, int(absent.argmax()), share)
    sparse = np.zeros(len(sizes), bool)
    for i in np.flatnonzero(share > MAX_MISSING).tolist():
        sparse[i] = _stretch(grid, full, i)[0] > MAX_STRETCH * sizes[i]
    if not sparse.any():
        return []
    if sparse.all():
        raise _too_much(readings, grid, full, int(share.argmax()), share)
    found = count_per_series(_ids(readings, grid.offsets), np.where(sparse, absent + empty, 0))
    reason = f"more than {MAX_MISSING:.0%} of their steps have no reading{found.most}"
    return [Note("sparse", f"{int(sparse.sum()):,} of {len(sizes):,} series", reason, True, found.counts)]


def _stretch(grid: Grid, full: np.ndarray, series: int) -> tuple[int, int, int]:
    """Return the longest stretch without a reading in a series, and the rows before and after it."""
    a, _, step = next(part for part in grid.steps if part[0] <= series < part[1])
    rows = np.arange(grid.offsets[series], grid.offsets[series + 1])
    places = rows if step is None else step[rows - grid.offsets[a]].astype(np.int64)
    seen = np.flatnonzero(full[rows])
    lengths = np.diff(places[seen]) - 1
    if not len(lengths):
        return 0, int(rows[0]), int(rows[0])
    at = int(lengths.argmax())
    return int(lengths[at]), int(rows[seen[at]]), int(rows[seen[at + 1]])


def _too_much(readings: Readings, grid: Grid, full: np.ndarray, worst: int, share: np.ndarray) -> DataError:
    steps, freq = int(grid.sizes[worst]), grid.freq
    length, before, after = _stretch(grid, full, worst)
    times = readings.times
    ends = f"between {format_time(times[before])} and {format_time(times[after])}"
    line = readings.line(after)
    stretch = f", the longest stretch {freq.words(length)} {ends}, {line}"
    others = int((share > MAX_ABSENT).sum()) - 1
    more = f" ({others:,} more series are like it)" if others > 0 else ""
    return DataError(
        f"{int(100 * share[worst])}% of the {freq.words(steps)}{readings.of(after)} have no reading{stretch}{more}",
        "keep the rows on one side of the longest gap, correct the time beside it, name the right --freq, or take rows "
        "as equal steps: --freq row",
    )


def _gap(readings: Readings, grid: Grid) -> DataError:
    for (a, b, step), (own, _, _) in zip(grid.steps, grid.parts(), strict=True):
        if step is not None:
            gaps = _gaps(step.astype(np.int64), grid.offsets[a:b] - grid.offsets[a])
            row = int(own.start) + int(np.flatnonzero(gaps)[0])
            words = grid.freq.words(int(gaps[row - own.start]))
            break
    return DataError(
        f"{words} absent{_between(readings, row)}{readings.of(row)}, {readings.where(row)}; "
        f"{int(grid.absent.sum()):,} in all",
        "add them, or let the network know that they are absent: --gaps mask",
    )


def _between(readings: Readings, row: int) -> str:
    return f" between {format_time(readings.times[row - 1])} and {format_time(readings.times[row])}"


def _times(times: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the time of every step; months are told by their first or last day."""
    freq, bounds = grid.freq, grid.bounds
    if not freq.months and not grid.absent.any():
        return times
    spread = np.empty(int(bounds[-1]), times.dtype)
    for (a, b, _), (own, target, places) in zip(grid.steps, grid.parts(), strict=True):
        if places is None:
            spread[target] = on_month(month_numbers(times[own]), freq.unit) if freq.months else times[own]
            continue
        sizes = grid.sizes[a:b]
        step = np.arange(target.stop - target.start) - np.repeat(bounds[a:b] - bounds[a], sizes)
        spread[target] = _times_of(np.repeat(times[grid.offsets[a:b]], sizes), step, freq)
    return spread


def _times_of(first: np.ndarray, step: np.ndarray, freq: Freq) -> np.ndarray:
    if freq.months:
        return on_month(month_numbers(first) + step * freq.months, freq.unit)
    return first + ((step * freq.nanoseconds).astype("timedelta64[ns]") if freq.nanoseconds else step)


def _ids(readings: Readings, offsets: np.ndarray) -> tuple[str, ...]:
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
    longest = f"the longest stretch {freq.words(length)}{_between(readings, row)}{readings.of(row)}"
    reason = f"{longest}{found.most}; {_past_words(freq, rule)}; --gaps error stops instead"
    value = f"{freq.words(int(grid.absent.sum()))} absent{found.across}"
    return [Note("gaps", value, reason, True, found.counts)]


def _empty_note(readings: Readings, ids: tuple[str, ...], grid: Grid, full: np.ndarray, rule: str) -> list[Note]:
    if full.all():
        return []
    at, found = int(full.argmin()), count_per_series(ids, np.add.reduceat(~full, grid.offsets[:-1], dtype=np.int64))
    how = "on a line between the readings around, which looks ahead; not trained on, not scored"
    how = how if rule == "interpolate" else _past_words(grid.freq, rule)
    first = f"the first at {format_time(readings.times[at])}, {readings.where(at)}"
    value = plural(int((~full).sum()), "empty cell") + found.across
    return [Note("missing", value, f"{first}{found.most}; {how}; --missing error stops instead", True, found.counts)]


def _past_words(freq: Freq, rule: str) -> str:
    """Return how a placeholder is made from the past."""
    season = default_season(str(freq))
    how = "the last value"
    if season > 1:
        how = (
            f"the value {freq.span(season)} earlier at the level of the last (the last itself where history is shorter)"
        )
    if rule == "mask":
        return f"masked: the network is told, and sees a line over short stretches, {how} over long ones; not scored"
    return f"filled with {how}, not trained on, not scored"
