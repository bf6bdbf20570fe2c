"""Outliers, and numbers that mark a missing reading: reported, never changed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from forecaster.data.blocks import row_blocks, series_blocks
from forecaster.data.columns.readings import Readings
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import format_time
from forecaster.notes import Note
from forecaster.words import plural

#: An outlier is this many robust deviations of the steps of its series away from the median around it, ...
DEVIATIONS = 8.0
#: ... this many times as far from it as nine in ten of the readings around it, ...
SPREADS = 5.0
#: ... and among at most this share of its series (or three readings): more common ones belong to the series, and only
#: readings that far beyond nine in ten of those are outliers.
RARE = 0.005
#: Readings on each side that count as around it, besides those one and two seasons away.
AROUND = 8

#: Numbers that loggers write for a missing reading.
SENTINELS = (-99.0, -99.9, -999.0, -999.9, -9999.0, -99999.0, 9999.0, 99999.0, 999999.0)
#: Most series that are checked one by one.
MOST_CHECKED = 1_000

_SQRT_MEAN = 0.676  # square of the mean of sqrt |x|, of a normal x with deviation 1
_NEAR = np.array([step for step in range(-AROUND, AROUND + 1) if step])
_SEASONS = np.array([-2, -1, 1, 2])
_MOST_SUSPECTS = 100_000


def find_outliers(panel: Panel) -> np.ndarray:
    """Return the rows of a panel whose reading is an outlier, ``(outliers,)`` int64, ascending.

    An outlier departs from the median of the readings around it by more than :data:`DEVIATIONS` robust deviations of
    the steps of its series, and by more than :data:`SPREADS` times as much as nine in ten of those readings. A peak
    that returns every season is none.

    Args:
        panel: the panel; placeholders are ignored.
    """
    found = []
    for a, b in series_blocks(panel.offsets):
        own = slice(int(panel.offsets[a]), int(panel.offsets[b]))
        y, offsets = panel.values[own], panel.offsets[a : b + 1] - panel.offsets[a]
        with np.errstate(over="ignore", invalid="ignore"):  # readings near the largest float
            deviation, rows = _find_suspects(y, offsets)
            y = np.where(panel.observed[own], y, np.nan) if len(rows) else y
            rows = rows[~np.isnan(y[rows])]
            found.append(_select_outliers(y, offsets, rows, deviation, default_season(panel.freq)) + own.start)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _find_suspects(y: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the deviation of the steps of each series, ``(series,)``, and the rows at a far larger step, ascending.

    The deviation is computed from the mean of square roots, which a few huge steps hardly move.
    """
    steps = np.abs(np.diff(y, prepend=y[:1]))
    steps[offsets[:-1]] = 0
    lengths = np.diff(offsets)
    roots = np.add.reduceat(np.sqrt(steps), offsets[:-1], dtype=np.float64) / np.maximum(lengths - 1, 1)
    deviation = roots**2 / _SQRT_MEAN
    far = np.flatnonzero(steps > np.repeat((DEVIATIONS / 2 * deviation).astype(y.dtype), lengths))
    return deviation, np.unique(np.concatenate([far, far - 1]))


def _select_outliers(
    y: np.ndarray, offsets: np.ndarray, rows: np.ndarray, deviation: np.ndarray, season: int
) -> np.ndarray:
    """Return the outliers among suspect rows; ``y`` is NaN where there is no reading."""
    series = np.searchsorted(offsets, rows, side="right") - 1
    apart, away = np.zeros(len(rows), bool), np.zeros(len(rows))
    for first in range(0, len(rows), _MOST_SUSPECTS):
        part = slice(first, first + _MOST_SUSPECTS)
        own, bounds = rows[part], (offsets[series[part]], offsets[series[part] + 1])
        middle, spread = _median_and_spread(_neighbours(y, own, _NEAR, bounds))
        far = np.abs(y[own] - middle)
        like = np.abs(_neighbours(y, own, season * _SEASONS, bounds) - y[own, None]) < far[:, None] / 2
        away[part] = far
        apart[part] = (far > SPREADS * spread) & (far > DEVIATIONS * deviation[series[part]]) & ~like.any(axis=1)
    rows, series, away = rows[apart], series[apart], away[apart]
    common = np.bincount(series, minlength=len(deviation)) > np.maximum(3, RARE * np.diff(offsets))
    usual = np.zeros(len(deviation))
    for i in np.flatnonzero(common).tolist():
        usual[i] = np.quantile(away[slice(*np.searchsorted(series, (i, i + 1)))], 0.9)
    return rows[away > SPREADS * usual[series]]


def _neighbours(
    y: np.ndarray, rows: np.ndarray, steps: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the values at the given steps from each row, ``(rows, steps)``, NaN beyond the ends of its series."""
    places = rows[:, None] + steps
    inside = (places >= bounds[0][:, None]) & (places < bounds[1][:, None])
    return np.where(inside, y[np.clip(places, 0, len(y) - 1)], np.nan)


def _median_and_spread(around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of each row and the 90 % quantile of distances from it; NaN for fewer than 4 values."""
    count, every = (~np.isnan(around)).sum(axis=1), np.arange(len(around))
    count = np.maximum(count, 1)
    ordered = np.sort(around, axis=1)
    middle = (ordered[every, (count - 1) // 2] + ordered[every, count // 2]) / 2
    spread = np.sort(np.abs(around - middle[:, None]), axis=1)[every, -(-9 * count // 10) - 1]
    return np.where(count < 4, np.nan, middle), spread


def outlier_note(panel: Panel, readings: Readings) -> list[Note]:
    """Return a note on the outliers of a panel, if it has any.

    Args:
        panel: the panel.
        readings: the readings it was made from, in the same order of series, to name the line of the largest outlier.
    """
    rows = find_outliers(panel)
    if not len(rows):
        return []
    series = np.searchsorted(panel.offsets, rows, side="right") - 1
    found, at = (
        count_per_series(panel.ids, np.bincount(series, minlength=len(panel))),
        int(np.abs(panel.values[rows]).argmax()),
    )
    largest, own = int(rows[at]), int(series[at])
    before = int(panel.observed[panel.offsets[own] : largest].sum())
    first, end = readings.offsets[own : own + 2]
    row = int(first + np.flatnonzero(~np.isnan(readings.values[first:end]))[before])
    time, place = format_time(panel.times[largest]), readings.where(row)
    reason = f"far from all readings around them, the largest {panel.values[largest]:g} at {time}, {place}{found.most}"
    reason += "; kept as they are"
    return [Note("outliers", plural(len(rows), "reading") + found.across, reason, True, found.counts)]


def find_sentinels(values: np.ndarray) -> dict[float, int]:
    """Return the numbers of :data:`SENTINELS` that occur twice or more in a series, far from all else, with counts.

    Args:
        values: ``(rows,)`` readings of one series, NaN where there is none.
    """
    known = values[~np.isnan(values)]
    marks = np.isin(known, np.array(SENTINELS, known.dtype))
    rest = known[~marks]
    if not marks.any() or not len(rest):
        return {}
    low, high = float(rest.min()), float(rest.max())
    found = {}
    for mark in np.unique(known[marks]):
        alone = low > mark / 2 if mark < 0 else high < mark / 2
        count = int((known == mark).sum())
        if alone and count > 1:
            found[float(mark)] = count
    return found


def count_sentinels(values: np.ndarray, offsets: np.ndarray) -> dict[float, Counter[int]]:
    """Return the numbers that :func:`find_sentinels` finds, and how often each occurs, by number of series.

    Args:
        values: ``(rows,)`` readings, NaN where there is none.
        offsets: ``(series + 1,)``, the bounds of the series.
    """
    marks: dict[float, Counter[int]] = {}
    marked = [np.flatnonzero(_is_sentinel(values[rows])) + rows.start for rows in row_blocks(len(values))]
    suspects = np.concatenate([np.zeros(0, np.int64), *marked])
    series, counts = np.unique(np.searchsorted(offsets, suspects, side="right") - 1, return_counts=True)
    for number in series[counts > 1][:MOST_CHECKED].tolist():
        for mark, count in find_sentinels(values[offsets[number] : offsets[number + 1]]).items():
            marks.setdefault(mark, Counter())[number] = count
    return marks


def _is_sentinel(values: np.ndarray) -> np.ndarray:
    """Return a mask of values among :data:`SENTINELS`, ``(rows,)`` bool."""
    large = np.flatnonzero(np.abs(values) >= 99)
    found = np.zeros(len(values), bool)
    found[large] = np.isin(values[large], np.array(SENTINELS, values.dtype))
    return found


def sentinel_note(readings: Readings) -> list[Note]:
    """Return a warning on numbers that may mark a missing reading, if there are any.

    Args:
        readings: sorted.
    """
    marks = count_sentinels(readings.values, readings.offsets)
    if not marks:
        return []
    tally, codes = np.zeros(len(readings.ids), np.int64), readings.codes[readings.offsets[:-1]]
    for counts in marks.values():
        tally[codes[list(counts)]] += list(counts.values())
    mark, counts = next(iter(marks.items()))
    start, end = readings.offsets[next(iter(counts)) :][:2]
    first = int(start + np.flatnonzero(readings.values[start:end] == readings.values.dtype.type(mark))[0])
    found = count_per_series(readings.ids, tally)
    reason = f"far from all other readings of '{readings.roles.target}', first {readings.where(first)}{found.most}"
    reason += "; does it mark a missing reading? It is learned as a value: empty those cells if it is none"
    value = ", ".join(f"{mark:g} in {plural(counts.total(), 'row')}" for mark, counts in marks.items())
    return [Note("sentinel", value + found.across, reason, True, found.counts)]
