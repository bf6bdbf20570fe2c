"""Runs of one value, and jumps in level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: A jump in level is at least this many robust deviations of the steps, this many times as large as all but the largest
#: percent of them, and in ratios of positive values at least this large.
DEVIATIONS, JUMP, LEAST_RATIO = 12.0, 2.0, 1.5
LARGEST = 0.01
#: Rows before and after a jump whose medians must differ as it does.
JUMP_ROWS = 10
#: Share of all readings, before and after a jump, of which nearly all must lie on their own side of it.
STAYS, SIDE = 0.02, 0.9


@dataclass(frozen=True)
class Anomaly:
    """A reading that stands out: its place or row, its value, and about the value expected."""

    place: int
    value: float
    expected: float


def longest_runs(values: np.ndarray, codes: np.ndarray, series: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the length of the longest run of one value in each series, and the row it begins at.

    Args:
        values: ``(rows,)``, NaN for a missing reading; those rows are skipped.
        codes: ``(rows,)`` the number of the series of each row, ascending.
        series: the number of series.

    Returns:
        ``(series,)`` int64 lengths and first rows, 0 for a series without readings.
    """
    rows = np.flatnonzero(~np.isnan(values))
    lengths, begins = np.zeros(series, np.int64), np.zeros(series, np.int64)
    if not len(rows):
        return lengths, begins
    new = np.append(True, (np.diff(values[rows]) != 0) | (np.diff(codes[rows]) != 0))
    heads = np.flatnonzero(new)
    runs = np.diff(np.append(heads, len(rows)))
    order = np.argsort(runs, kind="stable")
    lengths[codes[rows[heads[order]]]] = runs[order]
    begins[codes[rows[heads[order]]]] = rows[heads[order]]
    return lengths, begins


def find_jumps(values: np.ndarray, season: int) -> list[Anomaly]:
    """Return the steps at which the level changes at once and stays changed, as a price does at a stock split.

    Positive values are judged by ratios, others by differences.

    Args:
        values: ``(rows,)`` on a regular grid, NaN for a missing reading.
        season: the medians before and after a jump cover a season.
    """
    places = np.flatnonzero(~np.isnan(values))
    kept = values[places]
    window = max(JUMP_ROWS, season)
    if len(kept) < 2 * window + 2:
        return []
    positive = bool(kept.min() > 0)
    level = np.log(kept) if positive else kept / max(float(np.abs(kept).max()), 1e-300)
    steps = np.diff(level)
    deviation = 1.4826 * float(np.median(np.abs(steps - np.median(steps))))
    least = np.log(LEAST_RATIO) if positive else 2.0 * float(np.std(level - _rolling_median(level, 2 * window + 1)))
    limit = max(JUMP * _large_distance(np.abs(steps)), DEVIATIONS * deviation, least)
    found = []
    for at in np.flatnonzero(np.abs(steps) > limit) + 1:
        before, after = level[max(at - window, 0) : at], level[at : at + window]
        lasting = float(np.median(after) - np.median(before)) / steps[at - 1]
        if 0.7 < lasting < 1.5 and min(len(before), len(after)) >= JUMP_ROWS and _is_lasting(level, int(at), window):
            found.append(Anomaly(int(places[at]), float(kept[at]), float(kept[at - 1])))
    return found


def _is_lasting(level: np.ndarray, at: int, window: int) -> bool:
    """Return True if the level differs for long before and after a step, not for a few rows as in a gust."""
    rows = max(window, int(STAYS * len(level)))
    middle, sign = (level[at] + level[at - 1]) / 2, np.sign(level[at] - level[at - 1])
    before, after = level[max(at - rows, 0) : at], level[at : at + rows]
    return bool((sign * (before - middle) < 0).mean() >= SIDE and (sign * (after - middle) > 0).mean() >= SIDE)


def _rolling_median(level: np.ndarray, rows: int) -> np.ndarray:
    return pd.Series(level).rolling(rows, center=True, min_periods=1).median().to_numpy()


def _large_distance(distances: np.ndarray) -> float:
    """Return the distance that the largest percent exceed, three of them at least."""
    share = max(LARGEST, 3 / len(distances))
    return float(np.quantile(distances, 1 - min(share, 0.5)))
