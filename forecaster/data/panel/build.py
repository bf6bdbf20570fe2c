"""From a table to a regular panel: what was repaired, and how often in each series.

Whatever is filled is filled from the past only, so no reading after a cutoff can change the panel up to it; except on a
line between two readings, where ``missing="interpolate"`` asks for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.panel.duplicates import merge_duplicates
from forecaster.data.panel.future_rows import split_future_rows, with_future_rows
from forecaster.data.panel.grid import on_grid
from forecaster.data.panel.outliers import outlier_note, sentinel_note
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.touched_rows import BLOCK, count_per_series, series_blocks
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.schema import Column
from forecaster.data.time.find_freq import infer_freq, resolve_row_freq
from forecaster.data.time.freq import DAY, FIXED_UNITS, Freq, month_anchor, month_numbers, week_anchor
from forecaster.data.time.zones import local_times
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note
from forecaster.words import plural

#: Size of a reading from which on float64 arithmetic on squares gives out.
LARGEST = 1e100
#: Largest share of the rows that may be on days that begin at 01:00: about one day a year does.
RARE_DAYS = 0.1


def build_panel(
    data: pd.DataFrame | pd.Series, config: Config, like: Panel | None = None, future_names: tuple[str, ...] = ()
) -> tuple[Panel, list[Note]]:
    """Return the regular panel a table holds, and a note for all that was inferred, dropped, masked or filled.

    Args:
        data: a table, or a Series whose index holds the times.
        config: its settings of the group ``data``; what they name is taken as it is.
        like: the panel of a model, whose roles, covariates, zone and freq say how the table is read.
        future_names: columns of the table that holds covariates of the time to come.

    Raises:
        NotFoundError: a column does not exist, or none can be the time or the target.
        DataError: a cell cannot be read, the readings are irregular or contradictory, or too many are missing.
        SettingError: the freq is unknown, or is no freq for such times.
    """
    frame = frame_of(data)
    notes = [Note(**note) for note in frame.attrs.get("notes", [])]
    readings, found, read = _read(frame, config, like, future_names)
    _refuse_large(readings)
    readings, order = sort_rows(readings)
    static, varying = lift_static(readings, _named(config.static))
    alone = like is not None or config.series is not None
    readings, merged = merge_duplicates(_without_static(readings), config.duplicates, alone)
    readings, ahead = split_future_rows(readings)
    readings, trimmed = trim_missing(readings, config.missing)
    readings, freq, freq_notes = decide_freq(readings, like.freq if like else config.freq)
    codes = readings.codes[readings.offsets[:-1]]
    panel, gaps = on_grid(readings, freq, config.gaps, config.missing)
    if ahead is not None:
        panel, known = with_future_rows(panel, ahead, freq)
        gaps += known
    panel = replace(panel, columns=panel.columns + static[0], static=static[1][codes])
    notes += [*found, *freq_notes, *read, *order, *varying, *merged, *trimmed, *gaps]
    return panel, [*notes, *sentinel_note(readings), *outlier_note(panel, readings)]


def _read(
    frame: pd.DataFrame, config: Config, like: Panel | None, future_names: tuple[str, ...]
) -> tuple[Readings, list[Note], list[Note]]:
    """Return the readings of a table, notes on its roles, and notes on its cells."""
    table, roles, found = shape_table(frame, config, like.roles if like else None, future_names)
    columns, zone = (like.columns, like.zone or None) if like else (None, config.zone)
    readings, notes = read_readings(table, roles, columns, zone)
    if like and readings.zone and not like.zone:
        kinds = f"the times of the table are in {readings.zone}, those of the model are without a time zone"
        raise DataError(kinds, "write both in the same way")
    return readings, found, notes


def _refuse_large(readings: Readings) -> None:
    values = readings.values
    if max(float(np.fmax.reduce(values, initial=0)), -float(np.fmin.reduce(values, initial=0))) >= LARGEST:
        row = int(np.nanargmax(np.abs(values)))
        raise DataError(
            f"the largest value of '{readings.roles.target}' is {values[row]:g}, {readings.where(row)}",
            f"correct it, or write readings in another unit: they must be below {LARGEST:g}",
        )


def _named(columns: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (columns or "").split(","))


def sort_rows(readings: Readings) -> tuple[Readings, list[Note]]:
    """Return the readings series by series, as they come, in the order of time; rows of one time keep their order."""
    if not len(readings.codes):
        raise DataError(f"no row has a time in column '{readings.roles.time}'")
    readings = _by_appearance(readings)
    order, moved = _order(readings.codes, readings.times, len(readings.ids))
    if order is not None:
        readings = readings.take(order)
    if not moved.any():
        return readings, []
    found, value = count_per_series(readings.ids, moved), plural(int(moved.sum()), "row") + " out of order"
    reason = f"earlier than the row before it; the rows are sorted by time{found.most}"
    return readings, [Note("order", value + found.across, reason, counts=found.counts)]


def _by_appearance(readings: Readings) -> Readings:
    """Return the readings with the series numbered as they come, so that rows that lie together need no sorting."""
    if not (readings.codes[1:] < readings.codes[:-1]).any():
        return readings
    found = pd.unique(readings.codes)
    rank = np.empty(len(readings.ids), np.int32)
    rank[found] = np.arange(len(found), dtype=np.int32)
    return replace(readings, codes=rank[readings.codes], ids=tuple(readings.ids[i] for i in found.tolist()))


def _order(codes: np.ndarray, times: np.ndarray, series: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the order of rows by series and time, ``(rows,)``, None where it is theirs; and how many rows of
    each series are earlier than the one before them.
    """
    order, moved = None, np.zeros(series, np.int64)
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
    elif not ((times[1:] < times[:-1]) & (codes[1:] == codes[:-1])).any():
        return None, moved
    order = np.arange(len(codes)) if order is None else order
    bounds = np.append(0, np.cumsum(np.bincount(codes, minlength=series)))
    for a, b in series_blocks(bounds):  # a block fits the cache
        rows = order[bounds[a] : bounds[b]]
        own, when = codes[rows], times[rows]
        early = (when[1:] < when[:-1]) & (own[1:] == own[:-1])
        if early.any():
            moved += np.bincount(own[1:][early], minlength=series)
            order[bounds[a] : bounds[b]] = rows[np.lexsort((when, own))]
    return order, moved


def lift_static(readings: Readings, named: tuple[str, ...]) -> tuple[tuple[tuple[Column, ...], np.ndarray], list[Note]]:
    """Return the covariates of each series as a whole: the value of its newest row that has one.

    Args:
        readings: sorted.
        named: the columns that a person named as such: they must not differ.

    Returns:
        The columns with their values, ``(series, static)`` float32, NaN where a series has none; and notes.

    Raises:
        DataError: a named column differs within a series.
    """
    places = [i for i, column in enumerate(readings.columns) if column.role == "static"]
    static, notes = np.full((len(readings.ids), len(places)), np.nan, np.float32), []
    for k, place in enumerate(places):
        full = np.flatnonzero(~np.isnan(readings.covariates[:, place]))
        codes, values = readings.codes[full], readings.covariates[full, place]
        static[codes, k] = values  # the newest of a series is written last
        differ = (values[1:] != values[:-1]) & (codes[1:] == codes[:-1])
        if differ.any():
            notes.append(_varying(readings, full, differ, readings.columns[place].name, named))
    return (tuple(readings.columns[i] for i in places), static), notes


def _varying(readings: Readings, full: np.ndarray, differ: np.ndarray, name: str, named: tuple[str, ...]) -> Note:
    at = int(np.flatnonzero(differ)[0])
    lines = f"{readings.line(full[at])} and {readings.line(full[at + 1])}"
    if name in named:
        raise DataError(
            f"static column '{name}' has two values{readings.of(full[at])}: {lines}",
            f"name it among the covariates that change: --past {name} or --future-columns {name}",
        )
    codes = readings.codes[full[1:][differ]]
    found = count_per_series(readings.ids, np.bincount(codes, minlength=len(readings.ids)))
    reason = f"its newest value counts for the whole series; first {lines}{readings.of(full[at])}{found.most}"
    return Note(f"static {name}", f"changes {plural(len(codes), 'time')}{found.across}", reason, True, found.counts)


def _without_static(readings: Readings) -> Readings:
    moving = [column for column in readings.columns if column.role != "static"]
    if len(moving) == len(readings.columns):
        return readings
    return replace(readings, columns=tuple(moving), covariates=readings.covariates[:, : len(moving)].copy())


def trim_missing(readings: Readings, rule: str) -> tuple[Readings, list[Note]]:
    """Return each series from its first reading to its last; a series without one is left out.

    Raises:
        DataError: a cell is empty and the rule is ``error``.
    """
    full = ~np.isnan(readings.values)
    if full.all():
        return readings, []
    if rule == "error":
        raise _empty(readings, ~full)
    empty, ids = np.flatnonzero(~full), readings.ids
    series = readings.codes[empty]
    head, tail = _at_ends(empty, series, readings.offsets)
    dead = head & tail
    sides = [np.bincount(series[side & ~dead], minlength=len(ids)) for side in (head, tail)]
    full[:] = True
    full[empty[head | tail]] = False
    notes, lost = _trimmed_note(readings, *sides), [ids[i] for i in np.unique(series[dead]).tolist()]
    if lost:
        notes.append(Note("left out", f"{len(lost):,} series", f"without any reading, first '{lost[0]}'", warning=True))
    return (readings if full.all() else readings.take(full)), notes


def _at_ends(empty: np.ndarray, series: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which empty rows lie in a run at the start of their series, and at its end, ``(empty,)`` bool each."""
    first = np.append(True, (np.diff(empty) > 1) | (np.diff(series) != 0))
    lengths = np.diff(np.flatnonzero(np.append(first, True)))
    head = np.isin(empty[first], offsets[:-1])
    tail = np.isin(empty[np.append(first[1:], True)] + 1, offsets[1:])
    return np.repeat(head, lengths), np.repeat(tail, lengths)


def _empty(readings: Readings, empty: np.ndarray) -> DataError:
    rows, count = np.flatnonzero(empty), int(empty.sum())
    row = min(rows.tolist(), key=readings.position)
    return DataError(
        f"column '{readings.roles.target}', {readings.line(row)}: empty ({plural(count, 'such cell')})",
        "fill them in, or let the network know that they are: --missing mask",
    )


def _trimmed_note(readings: Readings, head: np.ndarray, tail: np.ndarray) -> list[Note]:
    total = int(head.sum() + tail.sum())
    if not total:
        return []
    found = count_per_series(readings.ids, head + tail)
    place = "its series" if readings.roles.series else "the table"
    ends = f"{int(head.sum()):,} at the start, {int(tail.sum()):,} at the end of {place}"
    reason = f"'{readings.roles.target}' is empty there: {ends}{found.most}"
    return [Note("trimmed", plural(total, "row") + found.across, reason, True, found.counts)]


def decide_freq(readings: Readings, freq: str | None) -> tuple[Readings, Freq, list[Note]]:
    """Return the freq: the given one, with its weekday, month or pace taken from the data, or the inferred one.

    Times of a zone are local times from here on where the steps are whole days, so that a day on which the clocks are
    changed is a day; they stay in UTC where the steps are shorter, so that an hour is an hour.
    """
    dated, parts = readings.times.dtype.kind == "M", Freq.of(freq or "row")
    if freq is None or (parts.unit == "row" and not parts.anchor):
        readings, parts, note = _inferred(readings, rows=freq is not None)
        return readings, parts, [note]
    if parts.unit == "step" and dated:
        counted = np.arange(len(readings.times)) - np.repeat(readings.starts, np.diff(readings.offsets))
        note = Note("freq", "step", "rows count as equal steps and their dates are not used", warning=True)
        return replace(readings, times=counted, zone=""), parts, [note]
    if parts.unit not in ("step", "row") and not dated:
        raise SettingError(
            f"freq '{freq}' needs dates, but column '{readings.roles.time}' counts steps", "leave --freq out"
        )
    readings = _local(readings) if dated and parts.whole_days else readings
    if not parts.anchor and parts.unit == "W":
        parts = replace(parts, anchor=week_anchor(readings.times))
    if not parts.anchor and parts.months:
        parts = replace(parts, anchor=month_anchor(parts.unit, int(month_numbers(readings.times[:1])[0])))
    return readings, parts, [Note("freq", str(parts), "as given")]


def _inferred(readings: Readings, rows: bool) -> tuple[Readings, Freq, Note]:
    """Return the freq found in local times where it is one of whole days, otherwise the one found in UTC."""

    def found(times: np.ndarray) -> tuple[str, Note]:
        if not rows:
            return infer_freq(times, readings.offsets)
        freq = resolve_row_freq(times, readings.offsets)
        return freq, Note("freq", freq, "as given: each row is a step, and keeps its own time")

    if readings.times.dtype.kind == "M" and _steps_of_days(readings):
        local = _local(readings)
        freq, note = found(local.times)
        if Freq.of(freq).whole_days:
            return local, Freq.of(freq), note
    freq, note = found(readings.times)
    return readings, Freq.of(freq), note


def _steps_of_days(readings: Readings) -> bool:
    """Return whether most rows are about a day or more after the one before; a day in spring has 23 hours."""
    if readings.zone in ("", "UTC"):
        return False
    long = same = 0
    for a, b in series_blocks(readings.offsets):
        own = slice(readings.offsets[a], readings.offsets[b])
        inside = np.diff(readings.codes[own]) == 0
        long += int((inside & (np.diff(readings.times[own].view(np.int64)) >= 23 * DAY // 24)).sum())
        same += int(inside.sum())
    return 2 * long > same


def _local(readings: Readings) -> Readings:
    """Return the readings in local times; in UTC where only there all have one clock time, as daily sums in UTC do."""
    if readings.zone in ("", "UTC"):
        return readings
    local = _without_absent_midnights(local_times(readings.times, readings.zone))
    if not _one_clock(local) and _one_clock(readings.times):
        return replace(readings, zone="UTC")
    return replace(readings, times=local)


def _without_absent_midnights(local: np.ndarray) -> np.ndarray:
    """Return local times with 01:00 as midnight where all others are midnight.

    In some zones the clock is put forward at midnight, as it was in Brazil: such a day begins at 01:00.
    """
    clock = local.view(np.int64) % DAY
    late = np.flatnonzero(clock)
    if not len(late) or (clock[late] != FIXED_UNITS["h"]).any() or len(late) > RARE_DAYS * len(local):
        return local
    local = local.copy()
    local[late] -= np.timedelta64(FIXED_UNITS["h"], "ns")
    return local


def _one_clock(times: np.ndarray) -> bool:
    """Return whether all times have the same time of day."""
    numbers = times.view(np.int64)
    return all((numbers[i : i + BLOCK] % DAY == numbers[0] % DAY).all() for i in range(0, len(numbers), BLOCK))
