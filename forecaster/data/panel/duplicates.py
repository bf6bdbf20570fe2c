"""Merge or refuse several readings of one series at one time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.data.columns.readings import Readings
from forecaster.data.columns.roles import telling_column
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.freq import DAY, FIXED_UNITS, format_time, weekday_numbers
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural, setting

#: Share of rows that repeat a time at which they may belong to several series.
MANY = 0.05


def merge_duplicates(readings: Readings, rule: str, alone: bool = False) -> tuple[Readings, list[Note]]:
    """Return one row for each series and time.

    ``first`` and ``last`` take the covariates of the row whose reading they take, or the newest ones where those are
    empty; ``mean`` and ``sum`` take the mean of numbers and the first category.

    Args:
        readings: sorted.
        rule: ``error``, or how to combine readings that are not empty: ``first``, ``last``, ``mean``, ``sum``.
        alone: True if the settings or a model declare the table a single series.

    Raises:
        DataError: there are duplicates and the rule is ``error``; or a column that was not taken for the series id
            tells them apart, so that several series would be merged into one.
    """
    repeated = np.zeros(len(readings.codes), bool)
    repeated[1:] = (readings.times[1:] == readings.times[:-1]) & (readings.codes[1:] == readings.codes[:-1])
    if not repeated.any():
        return readings, []
    if rule == "error":
        raise _duplicate_error(readings, repeated)
    telling = _find_telling_column(readings)
    if telling and not alone and repeated.sum() >= MANY * len(repeated):
        raise _merge_error(readings, repeated, telling, rule)
    heads = np.flatnonzero(~repeated)
    values, covariates = _combine(readings.values, heads, rule), np.empty_like(readings.covariates[heads])
    for k, column in enumerate(readings.columns):
        covariates[:, k] = _combine_covariate(readings, k, heads, rule, column.categories is not None)
    combined = replace(readings.take(heads), values=values, covariates=covariates)
    first = int(np.flatnonzero(repeated)[0])
    found = count_per_series(readings.ids, np.bincount(readings.codes[repeated], minlength=len(readings.ids)))
    place = f"first at {format_time(readings.times[first])}{readings.of(first)}{found.most}"
    place += f"; column '{telling}' tells them apart, and may name series that are merged here" if telling else ""
    reason = f"several readings at one time, {place}: {setting('duplicates', rule)}"
    value = plural(int(repeated.sum()), "row")
    return combined, [Note("duplicates", f"{value} combined{found.across}", reason, True, found.counts)]


def _find_telling_column(readings: Readings) -> str | None:
    """Return a column that may name the series of a table read as one series; None if there is none."""
    roles = readings.roles
    return None if roles.series else telling_column(readings.frame, roles.time, taken=(roles.target,))


def _merge_error(readings: Readings, repeated: np.ndarray, column: str, rule: str) -> DataError:
    at = int(np.flatnonzero(repeated)[0])
    lines = f"{readings.line(at - 1)} and {readings.line(at)}"
    return DataError(
        f"{setting('duplicates', rule)} would merge several series: {plural(int(repeated.sum()), 'row')} repeat a "
        f"time, first {lines} at {format_time(readings.times[at])}, and column '{column}' tells them apart",
        f"{setting('series', column)}; or {setting('series', 'none')} if they are one series",
    )


def _duplicate_error(readings: Readings, repeated: np.ndarray) -> DataError:
    at, roles = int(np.flatnonzero(repeated)[0]), readings.roles
    column = _find_telling_column(readings)
    hint = f"column '{column}' tells them apart: {setting('series', column)}; or " if column else ""
    if repeated.sum() == len(repeated) - len(readings.starts) and len(repeated) > 2 * len(readings.starts):
        which = (
            "row of a series has the same time"
            if roles.series
            else f"row has the same time, {format_time(readings.times[0])}"
        )
        return DataError(f"every {which}", f"{hint}name another column: {setting('time', 'COLUMN')}")
    lines = f"{readings.line(at - 1)} and {readings.line(at)}"
    more = f"; {int(repeated.sum()) - 1:,} more rows repeat a time" if repeated.sum() > 1 else ""
    hint += f"keep one with {setting('duplicates', 'first')} or last, or combine them with mean or sum"
    if not readings.zone and _may_occur_twice(readings.times[at : at + 1]):
        hint = f"if clocks went back then, name the time zone: {setting('zone', 'Europe/Berlin')}; {hint}"
    return DataError(f"two readings{readings.of(at)} at {format_time(readings.times[at])}, {lines}{more}", hint)


def _may_occur_twice(time: np.ndarray) -> bool:
    """Return True if clocks may show a time twice: early on a Sunday."""
    if time.dtype.kind != "M" or weekday_numbers(time)[0] != 6:
        return False
    return 0 < int(time.view(np.int64)[0]) % DAY < 3 * FIXED_UNITS["h"]


def _pick_rows(full: np.ndarray, heads: np.ndarray, rule: str) -> np.ndarray:
    """Return the first or last row of each group where ``full`` is True, ``(groups,)``; -1 for none."""
    places = np.arange(len(full))
    if rule == "last":
        return np.maximum.reduceat(np.where(full, places, -1), heads)
    first = np.minimum.reduceat(np.where(full, places, len(full)), heads)
    return np.where(first < len(full), first, -1)


def _combine(values: np.ndarray, heads: np.ndarray, rule: str) -> np.ndarray:
    """Return one value for each group, ``(groups,)``, NaN if all its cells are empty; groups start at ``heads``."""
    full = ~np.isnan(values)
    if rule in ("first", "last"):
        picked = _pick_rows(full, heads, rule)
        return np.where(picked < 0, values.dtype.type(np.nan), values[picked])
    count = np.add.reduceat(full, heads, dtype=np.int64)
    total = np.where(count, np.add.reduceat(np.where(full, values, 0), heads, dtype=np.float64), np.nan)
    return (total / np.maximum(count, 1) if rule == "mean" else total).astype(values.dtype)


def _combine_covariate(readings: Readings, k: int, heads: np.ndarray, rule: str, category: bool) -> np.ndarray:
    values = readings.covariates[:, k]
    if rule in ("mean", "sum"):
        return _combine(values, heads, "first" if category else "mean")
    picked = _pick_rows(~np.isnan(readings.values), heads, rule)
    ends = np.append(heads[1:], len(values)) - 1
    own = values[np.where(picked < 0, heads if rule == "first" else ends, picked)]
    return np.where(np.isnan(own), _combine(values, heads, "last"), own)
