"""From a table to a regular panel: gaps, duplicates and missing values, what was done to them, counted.

Whatever is filled is filled from the past only, so no reading after a cutoff can change the panel up to it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.calendar import infer_freq
from forecaster.data.freq import Freq, month_anchor, month_numbers, shown, week_anchor
from forecaster.data.grid import on_grid
from forecaster.data.panel import Panel
from forecaster.data.readings import Readings, read_readings
from forecaster.data.roles import infer_roles, telling_column
from forecaster.data.sources import frame_of, plural, where
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note


def build_panel(data: pd.DataFrame | pd.Series, config: Config) -> tuple[Panel, list[Note]]:
    """Return the regular panel a table holds, and a note for all that was inferred, dropped or filled.

    What ``config`` names (``time``, ``target``, ``series``, ``freq``) is taken as it is, so that the roles and the freq
    of a model read newer data in the same way; ``series=""`` says that there is one series.

    Args:
        data: a table, or a Series whose index holds the times.
        config: its settings of the group ``data``.

    Raises:
        NotFoundError: a column does not exist, or none can be the time or the target.
        DataError: a cell cannot be read, the readings are irregular or contradictory, or too many are missing.
        SettingError: the freq is unknown, or is no freq for such times.
    """
    frame = frame_of(data)
    roles, notes = infer_roles(frame, config.time, config.target, config.series)
    readings, utc, read_notes = read_readings(frame, roles)
    readings, order_notes = sort_rows(readings)
    readings, duplicate_notes = merge_duplicates(readings, config.duplicates)
    readings, trim_notes = trim_missing(readings, config.missing)
    readings, freq, freq_notes = decide_freq(readings, config.freq)
    panel, gap_notes = on_grid(readings, freq, utc, config.gaps)
    return panel, [*notes, *freq_notes, *read_notes, *order_notes, *duplicate_notes, *trim_notes, *gap_notes]


def sort_rows(readings: Readings) -> tuple[Readings, list[Note]]:
    """Return the readings series by series in the order of time; rows of one time keep their order."""
    if not len(readings.codes):
        raise DataError(f"no row has a time in column '{readings.roles.time}'")
    if (np.diff(readings.codes) < 0).any():
        readings = readings.take(np.argsort(readings.codes, kind="stable"))
    order = np.lexsort((readings.times, readings.codes))
    moved = int((order != np.arange(len(order))).sum())
    if not moved:
        return readings, []
    return readings.take(order), [Note("order", f"{plural(moved, 'row')} moved", "they were not in the order of time")]


def merge_duplicates(readings: Readings, rule: str) -> tuple[Readings, list[Note]]:
    """Return one row for each series and time.

    Args:
        readings: sorted.
        rule: ``error``, or how to combine the readings that are not empty: ``first``, ``last``, ``mean``, ``sum``.

    Raises:
        DataError: there are duplicates and the rule is ``error``.
    """
    again = np.zeros(len(readings.codes), bool)
    again[1:] = (np.diff(readings.times.astype(np.int64)) == 0) & (np.diff(readings.codes) == 0)
    if not again.any():
        return readings, []
    if rule == "error":
        raise _duplicate(readings, again)
    heads = np.flatnonzero(~again)
    combined = replace(readings.take(heads), values=_combined(readings.values, heads, rule))
    first = int(np.flatnonzero(again)[0])
    place = f"first at {shown(readings.times[first])}{readings.of(first)}"
    reason = f"several readings at one time, {place}: --duplicates {rule}"
    return combined, [Note("duplicates", f"{plural(int(again.sum()), 'row')} combined", reason, warning=True)]


def _duplicate(readings: Readings, again: np.ndarray) -> DataError:
    at, roles = int(np.flatnonzero(again)[0]), readings.roles
    lines = f"{where(readings.frame, int(readings.rows[at - 1]))} and {where(readings.frame, int(readings.rows[at]))}"
    more = f"; {int(again.sum()) - 1:,} more rows repeat a time" if again.sum() > 1 else ""
    column = None if roles.series else telling_column(readings.frame, roles.time, taken=(roles.target,))
    keep = "keep one with --duplicates first or last, or combine them with mean or sum"
    hint = f"column '{column}' tells them apart: --series {column}; or {keep}" if column else keep
    return DataError(f"two readings{readings.of(at)} at {shown(readings.times[at])}, {lines}{more}", hint)


def _combined(values: np.ndarray, heads: np.ndarray, rule: str) -> np.ndarray:
    """Return one value a group, ``(groups,)``, NaN where all its cells are empty; groups start at ``heads``."""
    full, places = ~np.isnan(values), np.arange(len(values))
    if rule in ("first", "last"):
        pick = np.minimum if rule == "first" else np.maximum
        picked = pick.reduceat(np.where(full, places, len(values) if rule == "first" else -1), heads)
        return np.append(values, np.nan)[picked]
    count = np.add.reduceat(full.astype(np.int64), heads)
    total = np.where(count, np.add.reduceat(np.where(full, values, 0.0), heads), np.nan)
    return total / np.maximum(count, 1) if rule == "mean" else total


def trim_missing(readings: Readings, rule: str) -> tuple[Readings, list[Note]]:
    """Return each series from its first reading to its last; a series without one is left out.

    Raises:
        DataError: a cell is empty and the rule is ``error``.
    """
    full = ~np.isnan(readings.values)
    if full.all():
        return readings, []
    if rule == "error":
        row, count = int(readings.rows[~full].min()), int((~full).sum())
        raise DataError(
            f"column '{readings.roles.target}', {where(readings.frame, row)}: empty ({plural(count, 'such cell')})",
            "fill them in, or let them be filled from the past: --missing fill",
        )
    places, starts = np.arange(len(full)), readings.starts
    lengths = np.diff(readings.offsets)
    first = np.minimum.reduceat(np.where(full, places, len(full)), starts)
    last = np.maximum.reduceat(np.where(full, places, -1), starts)
    head, tail = places < np.repeat(first, lengths), places > np.repeat(last, lengths)
    notes, dead = [], last < 0
    ends = [int((side & ~np.repeat(dead, lengths)).sum()) for side in (head, tail)]
    if any(ends):
        column, place = readings.roles.target, "its series" if readings.roles.series else "the table"
        reason = f"'{column}' is empty there: {ends[0]:,} at the start, {ends[1]:,} at the end of {place}"
        notes.append(Note("trimmed", plural(sum(ends), "row"), reason, warning=True))
    if dead.any():
        name = readings.ids[readings.codes[starts[dead][0]]]
        notes.append(
            Note("left out", f"{int(dead.sum()):,} series", f"without any reading, first '{name}'", warning=True)
        )
    return readings.take(~(head | tail)), notes


def decide_freq(readings: Readings, freq: str | None) -> tuple[Readings, Freq, list[Note]]:
    """Return the freq: the given one, with its weekday or month taken from the data, or the inferred one."""
    times, dated = readings.times, readings.times.dtype.kind == "M"
    if freq is None:
        freq, note = infer_freq(times, readings.offsets)
        return readings, Freq.of(freq), [note]
    parts = Freq.of(freq)
    if parts.unit == "step" and dated:
        counted = np.arange(len(times)) - np.repeat(readings.starts, np.diff(readings.offsets))
        note = Note("freq", "step", "rows count as equal steps and their dates are not used", warning=True)
        return replace(readings, times=counted), parts, [note]
    if parts.unit != "step" and not dated:
        raise SettingError(
            f"freq '{freq}' needs dates, but column '{readings.roles.time}' counts steps", "leave --freq out"
        )
    if not parts.anchor and parts.unit == "W":
        parts = replace(parts, anchor=week_anchor(times))
    if not parts.anchor and parts.months:
        parts = replace(parts, anchor=month_anchor(parts.unit, int(month_numbers(times[:1])[0])))
    return readings, parts, [Note("freq", str(parts), "as given")]
