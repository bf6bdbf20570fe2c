"""Build a regular panel from a table, with a note on each repair and how many rows of each series it touched.

Gaps are filled from the past only, so no reading after a cutoff changes the panel up to it; except with
``missing="interpolate"``, which draws a line between two readings.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.blocks import row_blocks, series_blocks
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.panel.duplicates import merge_duplicates
from forecaster.data.panel.future_rows import add_future_rows, split_future_rows
from forecaster.data.panel.grid import lay_on_grid
from forecaster.data.panel.outliers import outlier_note, sentinel_note
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.schema import Column
from forecaster.data.time.find_freq import infer_freq, resolve_row_freq
from forecaster.data.time.freq import DAY, FIXED_UNITS, Freq, month_anchor, month_numbers, week_anchor
from forecaster.data.time.zones import local_times
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note, notes_of
from forecaster.words import plural, setting

#: Readings must be smaller than this, as squares of larger ones overflow float64.
LARGEST = 1e100
#: Largest share of rows on days that begin at 01:00: about one day a year does.
RARE_DAYS = 0.1


def build_panel(
    data: pd.DataFrame | pd.Series, config: Config, like: Panel | None = None, future_names: tuple[str, ...] = ()
) -> tuple[Panel, list[Note]]:
    """Return the regular panel of a table, and notes on all that was inferred, dropped, masked or filled.

    Args:
        data: a table, or a Series whose index holds the times.
        config: settings; those of the groups ``table`` and ``data`` are used, and override what would be inferred.
        like: the panel of a model; the table is read with its roles, covariates, zone and freq.
        future_names: columns of the table of future covariates.

    Raises:
        NotFoundError: a column does not exist, or no column can be the time or the target.
        DataError: a cell cannot be read, the readings are irregular or contradictory, or too many are missing.
        SettingError: the freq is unknown, or does not apply to such times.
    """
    frame = frame_of(data)
    notes = notes_of(frame)
    readings, found, read = _read(frame, config, like, future_names)
    _refuse_large(readings)
    readings, order = sort_rows(readings)
    static, varying = lift_static(readings, _split_names(config.static))
    alone = like is not None or config.series is not None
    readings, merged = merge_duplicates(_drop_static(readings), config.duplicates, alone)
    readings, ahead = split_future_rows(readings)
    readings, trimmed = trim_missing(readings, config.missing)
    readings, freq, freq_notes = decide_freq(readings, like.freq if like else config.freq)
    codes = readings.codes[readings.offsets[:-1]]
    panel, gaps = lay_on_grid(readings, freq, config.gaps, config.missing)
    if ahead is not None:
        panel, known = add_future_rows(panel, ahead, freq)
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


def _split_names(columns: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (columns or "").split(","))


def sort_rows(readings: Readings) -> tuple[Readings, list[Note]]:
    """Return the readings sorted by series, in order of appearance, then by time; rows of one time keep their order."""
    if not len(readings.codes):
        raise DataError(f"no row has a time in column '{readings.roles.time}'")
    readings = _number_by_appearance(readings)
    order, moved = _find_order(readings.codes, readings.times, len(readings.ids))
    if order is not None:
        readings = readings.take(order)
    if not moved.any():
        return readings, []
    found, value = count_per_series(readings.ids, moved), plural(int(moved.sum()), "row") + " out of order"
    reason = f"earlier than the row before it; the rows are sorted by time{found.most}"
    return readings, [Note("order", value + found.across, reason, counts=found.counts)]


def _number_by_appearance(readings: Readings) -> Readings:
    """Return the readings with series numbered in order of appearance, so that contiguous rows need no sorting."""
    if not (readings.codes[1:] < readings.codes[:-1]).any():
        return readings
    found = pd.unique(readings.codes)
    rank = np.empty(len(readings.ids), np.int32)
    rank[found] = np.arange(len(found), dtype=np.int32)
    return replace(readings, codes=rank[readings.codes], ids=tuple(readings.ids[i] for i in found.tolist()))


def _find_order(codes: np.ndarray, times: np.ndarray, series: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the order of rows by series and time, and the number of rows of each series that were out of order.

    The order is ``(rows,)`` int64, None if the rows are sorted already; the counts are ``(series,)`` int64.
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
    """Return the static covariates: for each series the value of its newest row that has one.

    Args:
        readings: sorted.
        named: columns that the settings name as static; their values must not change within a series.

    Returns:
        The columns, their values, ``(series, static)`` float32, NaN where a series has none, and notes.

    Raises:
        DataError: a named column changes within a series.
    """
    places = [i for i, column in enumerate(readings.columns) if column.role == "static"]
    static, notes = np.full((len(readings.ids), len(places)), np.nan, np.float32), []
    for k, place in enumerate(places):
        full = np.flatnonzero(~np.isnan(readings.covariates[:, place]))
        codes, values = readings.codes[full], readings.covariates[full, place]
        static[codes, k] = values  # the newest value of a series is written last
        differ = (values[1:] != values[:-1]) & (codes[1:] == codes[:-1])
        if differ.any():
            notes.append(_varying_note(readings, full, differ, readings.columns[place].name, named))
    return (tuple(readings.columns[i] for i in places), static), notes


def _varying_note(readings: Readings, full: np.ndarray, differ: np.ndarray, name: str, named: tuple[str, ...]) -> Note:
    at = int(np.flatnonzero(differ)[0])
    lines = f"{readings.line(full[at])} and {readings.line(full[at + 1])}"
    if name in named:
        raise DataError(
            f"static column '{name}' has two values{readings.of(full[at])}: {lines}",
            f"name it among the covariates that change: {setting('past', name)} or {setting('future_columns', name)}",
        )
    codes = readings.codes[full[1:][differ]]
    found = count_per_series(readings.ids, np.bincount(codes, minlength=len(readings.ids)))
    reason = f"its newest value counts for the whole series; first {lines}{readings.of(full[at])}{found.most}"
    return Note(f"static {name}", f"changes {plural(len(codes), 'time')}{found.across}", reason, True, found.counts)


def _drop_static(readings: Readings) -> Readings:
    moving = [column for column in readings.columns if column.role != "static"]
    if len(moving) == len(readings.columns):
        return readings
    return replace(readings, columns=tuple(moving), covariates=readings.covariates[:, : len(moving)].copy())


def trim_missing(readings: Readings, rule: str) -> tuple[Readings, list[Note]]:
    """Return each series from its first reading to its last; a series without readings is left out.

    Raises:
        DataError: a cell is empty, and the rule is ``error``.
    """
    full = ~np.isnan(readings.values)
    if full.all():
        return readings, []
    if rule == "error":
        raise _empty_error(readings, ~full)
    empty, ids = np.flatnonzero(~full), readings.ids
    series = readings.codes[empty]
    head, tail = _find_runs_at_ends(empty, series, readings.offsets)
    dead = head & tail
    sides = [np.bincount(series[side & ~dead], minlength=len(ids)) for side in (head, tail)]
    full[:] = True
    full[empty[head | tail]] = False
    notes, lost = _trim_notes(readings, *sides), [ids[i] for i in np.unique(series[dead]).tolist()]
    if lost:
        notes.append(Note("left out", f"{len(lost):,} series", f"without any reading, first '{lost[0]}'", warning=True))
    return (readings if full.all() else readings.take(full)), notes


def _find_runs_at_ends(empty: np.ndarray, series: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the empty rows in a run at the start of their series, and at its end, ``(empty,)`` bool each."""
    first = np.append(True, (np.diff(empty) > 1) | (np.diff(series) != 0))
    lengths = np.diff(np.flatnonzero(np.append(first, True)))
    head = np.isin(empty[first], offsets[:-1])
    tail = np.isin(empty[np.append(first[1:], True)] + 1, offsets[1:])
    return np.repeat(head, lengths), np.repeat(tail, lengths)


def _empty_error(readings: Readings, empty: np.ndarray) -> DataError:
    rows, count = np.flatnonzero(empty), int(empty.sum())
    row = min(rows.tolist(), key=readings.position)
    return DataError(
        f"column '{readings.roles.target}', {readings.line(row)}: empty ({plural(count, 'such cell')})",
        f"fill them in, or mask them for the network: {setting('missing', 'mask')}",
    )


def _trim_notes(readings: Readings, head: np.ndarray, tail: np.ndarray) -> list[Note]:
    total = int(head.sum() + tail.sum())
    if not total:
        return []
    found = count_per_series(readings.ids, head + tail)
    place = "its series" if readings.roles.series else "the table"
    ends = f"{int(head.sum()):,} at the start, {int(tail.sum()):,} at the end of {place}"
    reason = f"'{readings.roles.target}' is empty there: {ends}{found.most}"
    return [Note("trimmed", plural(total, "row") + found.across, reason, True, found.counts)]


def decide_freq(readings: Readings, freq: str | None) -> tuple[Readings, Freq, list[Note]]:
    """Return the readings and their freq: the given one, completed from the data, or the inferred one.

    Times of a zone become local times if a step is whole days, so that a day with a clock change is one step; they
    stay in UTC if a step is shorter, so that an hour is an hour.
    """
    dated, parts = readings.times.dtype.kind == "M", Freq.of(freq or "row")
    if freq is None or (parts.unit == "row" and not parts.anchor):
        readings, parts, note = _infer_freq(readings, rows=freq is not None)
        return readings, parts, [note]
    if parts.unit == "step" and dated:
        counted = np.arange(len(readings.times)) - np.repeat(readings.starts, np.diff(readings.offsets))
        note = Note("freq", "step", "rows count as equal steps and their dates are not used", warning=True)
        return replace(readings, times=counted, zone=""), parts, [note]
    if parts.unit not in ("step", "row") and not dated:
        raise SettingError(
            f"freq '{freq}' needs dates, but column '{readings.roles.time}' counts steps",
            f"leave {setting('freq')} out",
        )
    readings = _to_local(readings) if dated and parts.whole_days else readings
    if not parts.anchor and parts.unit == "W":
        parts = replace(parts, anchor=week_anchor(readings.times))
    if not parts.anchor and parts.months:
        parts = replace(parts, anchor=month_anchor(parts.unit, int(month_numbers(readings.times[:1])[0])))
    return readings, parts, [Note("freq", str(parts), "as given")]


def _infer_freq(readings: Readings, rows: bool) -> tuple[Readings, Freq, Note]:
    """Infer the freq from local times if its steps are whole days, otherwise from UTC."""

    def infer(times: np.ndarray) -> tuple[str, Note]:
        if not rows:
            return infer_freq(times, readings.offsets)
        freq = resolve_row_freq(times, readings.offsets)
        return freq, Note("freq", freq, "as given: each row is a step, and keeps its own time")

    if readings.times.dtype.kind == "M" and _has_daily_steps(readings):
        local = _to_local(readings)
        freq, note = infer(local.times)
        if Freq.of(freq).whole_days:
            return local, Freq.of(freq), note
    freq, note = infer(readings.times)
    return readings, Freq.of(freq), note


def _has_daily_steps(readings: Readings) -> bool:
    """Return True if most rows come about a day or more after the row before; a day in spring has 23 hours."""
    if readings.zone in ("", "UTC"):
        return False
    long = same = 0
    for a, b in series_blocks(readings.offsets):
        own = slice(readings.offsets[a], readings.offsets[b])
        inside = np.diff(readings.codes[own]) == 0
        long += int((inside & (np.diff(readings.times[own].view(np.int64)) >= 23 * DAY // 24)).sum())
        same += int(inside.sum())
    return 2 * long > same


def _to_local(readings: Readings) -> Readings:
    """Return the readings in local times, or in UTC if only there all have one clock time, as daily sums in UTC do."""
    if readings.zone in ("", "UTC"):
        return readings
    local = _restore_midnights(local_times(readings.times, readings.zone))
    if not _is_one_clock_time(local) and _is_one_clock_time(readings.times):
        return replace(readings, zone="UTC")
    return replace(readings, times=local)


def _restore_midnights(local: np.ndarray) -> np.ndarray:
    """Return local times with 01:00 moved to midnight if all others are midnight.

    In some zones clocks go forward at midnight, as they did in Brazil: such a day begins at 01:00.
    """
    clock = local.view(np.int64) % DAY
    late = np.flatnonzero(clock)
    if not len(late) or (clock[late] != FIXED_UNITS["h"]).any() or len(late) > RARE_DAYS * len(local):
        return local
    local = local.copy()
    local[late] -= np.timedelta64(FIXED_UNITS["h"], "ns")
    return local


def _is_one_clock_time(times: np.ndarray) -> bool:
    """Return True if all times have the same time of day."""
    numbers = times.view(np.int64)
    return all((numbers[rows] % DAY == numbers[0] % DAY).all() for rows in row_blocks(len(numbers)))
