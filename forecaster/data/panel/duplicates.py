"""Several readings of one series at one time: refused, or combined and counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.data.columns.readings import Readings
from forecaster.data.columns.roles import telling_column
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.freq import DAY, FIXED_UNITS, format_time, weekday_numbers
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural

#: Share of rows that repeat a time from which on they may be series of their own.
MANY = 0.05


def merge_duplicates(readings: Readings, rule: str, alone: bool = False) -> tuple[Readings, list[Note]]:
    """Return one row for each series and time.

    ``first`` and ``last`` take the covariates of the row whose reading they take, and where they are empty the newest
    there are; ``mean`` and ``sum`` take the mean of numbers and the first category.

    Args:
        readings: sorted.
        rule: ``error``, or how to combine the readings that are not empty: ``first``, ``last``, ``mean``, ``sum``.
        alone: a person, or a model, says that the table is one of a single series.

    Raises:
        DataError: there are duplicates and the rule is ``error``; or a column that is not taken for the series id tells
            them apart, so that several series would be merged into one.
    """
    again = np.zeros(len(readings.codes), bool)
    again[1:] = (readings.times[1:] == readings.times[:-1]) & (readings.codes[1:] == readings.codes[:-1])
    if not again.any():
        return readings, []
    if rule == "error":
        raise _duplicate(readings, again)
    telling = _telling(readings)
    if telling and not alone and again.sum() >= MANY * len(again):
        raise _merged(readings, again, telling, rule)
    heads = np.flatnonzero(~again)
    values, covariates = _combined(readings.values, heads, rule), np.empty_like(readings.covariates[heads])
    for k, column in enumerate(readings.columns):
        covariates[:, k] = _combined_covariate(readings, k, heads, rule, column.categories is not None)
    combined = replace(readings.take(heads), values=values, covariates=covariates)
    first = int(np.flatnonzero(again)[0])
    found = count_per_series(readings.ids, np.bincount(readings.codes[again], minlength=len(readings.ids)))
    place = f"first at {format_time(readings.times[first])}{readings.of(first)}{found.most}"
    place += f"; column '{telling}' tells them apart, and may name series that are merged here" if telling else ""
    reason, value = f"several readings at one time, {place}: --duplicates {rule}", plural(int(again.sum()), "row")
    return combined, [Note("duplicates", f"{value} combined{found.across}", reason, True, found.counts)]


def _telling(readings: Readings) -> str | None:
    """Return a column that may name the series of a table that is read as one; None where there is none."""
    roles = readings.roles
    return None if roles.series else telling_column(readings.frame, roles.time, taken=(roles.target,))


def _merged(readings: Readings, again: np.ndarray, column: str, rule: str) -> DataError:
    at = int(np.flatnonzero(again)[0])
    lines = f"{readings.line(at - 1)} and {readings.line(at)}"
    return DataError(
        f"--duplicates {rule} would merge several series: {plural(int(again.sum()), 'row')} repeat a time, first "
        f"{lines} at {format_time(readings.times[at])}, and column '{column}' tells them apart",
        f"--series {column}; or --series none, where they are one series",
    )


def _duplicate(readings: Readings, again: np.ndarray) -> DataError:
    at, roles = int(np.flatnonzero(again)[0]), readings.roles
    column = _telling(readings)
    hint = f"column '{column}' tells them apart: --series {column}; or " if column else ""
    if again.sum() == len(again) - len(readings.starts) and len(again) > 2 * len(readings.starts):
        which = (
            "row of a series has the same time"
            if roles.series
            else f"row has the same time, {format_time(readings.times[0])}"
        )
        return DataError(f"every {which}", f"{hint}name another column with --time")
    lines = f"{readings.line(at - 1)} and {readings.line(at)}"
    more = f"; {int(again.sum()) - 1:,} more rows repeat a time" if again.sum() > 1 else ""
    hint += "keep one with --duplicates first or last, or combine them with mean or sum"
    if not readings.zone and _may_be_put_back(readings.times[at : at + 1]):
        hint = f"where the clock was put back, name the time zone: --zone Europe/Berlin; {hint}"
    return DataError(f"two readings{readings.of(at)} at {format_time(readings.times[at])}, {lines}{more}", hint)


def _may_be_put_back(time: np.ndarray) -> bool:
    """Return whether a time is one that a clock may show twice: early on a Sunday."""
    if time.dtype.kind != "M" or weekday_numbers(time)[0] != 6:
        return False
    return 0 < int(time.view(np.int64)[0]) % DAY < 3 * FIXED_UNITS["h"]


def _picked(full: np.ndarray, heads: np.ndarray, rule: str) -> np.ndarray:
    """Return the first or last row of each group where ``full``, ``(groups,)``; -1 where there is none."""
    places = np.arange(len(full))
    if rule == "last":
        return np.maximum.reduceat(np.where(full, places, -1), heads)
    first = np.minimum.reduceat(np.where(full, places, len(full)), heads)
    return np.where(first < len(full), first, -1)


def _combined(values: np.ndarray, heads: np.ndarray, rule: str) -> np.ndarray:
    """Return one value a group, ``(groups,)``, NaN where all its cells are empty; groups start at ``heads``."""
    full = ~np.isnan(values)
    if rule in ("first", "last"):
        picked = _picked(full, heads, rule)
        return np.where(picked < 0, values.dtype.type(np.nan), values[picked])
    count = np.add.reduceat(full, heads, dtype=np.int64)
    total = np.where(count, np.add.reduceat(np.where(full, values, 0), heads, dtype=np.float64), np.nan)
    return (total / np.maximum(count, 1) if rule == "mean" else total).astype(values.dtype)


def _combined_covariate(readings: Readings, k: int, heads: np.ndarray, rule: str, category: bool) -> np.ndarray:
    values = readings.covariates[:, k]
    if rule in ("mean", "sum"):
        return _combined(values, heads, "first" if category else "mean")
    picked = _picked(~np.isnan(readings.values), heads, rule)
    ends = np.append(heads[1:], len(values)) - 1
    own = values[np.where(picked < 0, heads if rule == "first" else ends, picked)]
    return np.where(np.isnan(own), _combined(values, heads, "last"), own)
