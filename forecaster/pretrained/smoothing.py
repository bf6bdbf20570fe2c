"""Exponential smoothing of many windows with many parameters in one pass over time.

Additive trend and season, the trend damped: Holt 1957, Winters 1960, Gardner & McKenzie 1985 (Management Science
31(10)), in the error-correction form of Hyndman et al. 2008, Forecasting with Exponential Smoothing, section 2.3.
Instead of estimating parameters, every set of :data:`GRID` is run, and the forecasts are averaged with weights that
fall steeply with the running squared error of one step.

States have the parameters on the first axes and the windows on the last, so that those with a trend, and those with a
season, are slices, and the others cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

import numpy as np

#: Gains of the level; of the trend, as shares of them, with its damping; of the season, and if there is one.
LEVELS, TRENDS, SEASONS = (0.05, 0.2, 0.5, 0.9), ((0.0, 0.0), (0.1, 0.95)), ((0.05, 1), (0.3, 1), (0.0, 0))
#: Every set of them, in the order of the axes of the states: level, trend, its damping, season, if there is one.
GRID = np.array(
    [
        (level, trend, damping, season, seasonal)
        for (trend, damping), (season, seasonal), level in product(TRENDS, SEASONS, LEVELS)
    ]
)
#: Places in ``(trends, seasons, levels)`` of the parameters with and without a season, with and without a trend.
Which = tuple[slice, slice, slice]
WITH_SEASON, WITH_BOTH, WITH_NONE, WITH_TREND, ANY_SEASON = (
    (trend, season, slice(None))
    for trend, season in (
        (slice(0, 1), slice(0, 2)),
        (slice(1, 2), slice(0, 2)),
        (slice(0, 1), slice(2, 3)),
        (slice(1, 2), slice(2, 3)),
        (slice(0, 2), slice(0, 2)),
    )
)
#: Power of the squared errors that weigh the parameters, as doublings, and the share of an old squared error that is
#: kept at a step.
DOUBLINGS, MEMORY = 3, 0.99


@dataclass(frozen=True)
class Smoothed:
    """States of some windows at a cutoff. Without a season there is one phase, and the axis of seasons has length 1.

    Attributes:
        level: ``(trends, seasons, levels, windows)``.
        trend: likewise.
        phases: what the season adds, from the next row on: ``(phases, trends, seasons, levels, windows)``.
        errors: running squared errors of one step, as ``level``.
    """

    level: np.ndarray
    trend: np.ndarray
    phases: np.ndarray
    errors: np.ndarray

    def average(self, which: Which, steps: int) -> np.ndarray:
        """Return the weighted mean of the forecasts of some parameters, ``(windows, steps)``.

        Args:
            which: places of the parameters; which season does not matter where there is none.
            steps: the horizon.
        """
        which = which if len(self.phases) > 1 else (which[0], slice(None), which[2])
        errors = self.errors[which] + 1e-12
        weights = errors.min(axis=(0, 1, 2)) / errors
        for _ in range(DOUBLINGS):
            weights *= weights
        weights /= weights.sum(axis=(0, 1, 2))

        def mean(state: np.ndarray) -> np.ndarray:
            return np.einsum("tslw,tslw->w", weights, state[which])

        damped = np.cumsum(TRENDS[1][1] ** np.arange(1, steps + 1))
        found = mean(self.level)[:, None] + mean(self.trend)[:, None] * damped
        if len(self.phases) > 1:
            pattern = np.einsum("tslw,ptslw->pw", weights, self.phases[(slice(steps), *which)])
            found += pattern[np.arange(steps) % len(self.phases)].T
        return found


def smooth(
    values: np.ndarray, observed: np.ndarray, season: int, cutoffs: Collection[int], seasonal: bool = False
) -> dict[int, Smoothed]:
    """Return the states of every set of parameters at every cutoff; everything is computed in place.

    Args:
        values: ``(windows, rows)``.
        observed: ``(windows, rows)`` bool; a row that is not observed changes no state.
        season: seasonal period in rows, 1 for none; every cutoff is after two of it at least.
        cutoffs: numbers of rows known.
        seasonal: leave out the parameters without a season.
    """
    count, rows = values.shape
    gain = np.array(LEVELS)[:, None]
    gain_season = np.array([share for share, there in SEASONS if there])[:, None, None]
    kinds = 1 if season == 1 else len(gain_season) if seasonal else len(SEASONS)
    shape = (len(TRENDS), kinds, len(LEVELS), count)
    (gain_trend, damping), with_season = TRENDS[1], slice(len(gain_season))
    level, trend, error = np.empty(shape), np.zeros(shape), np.zeros(shape)
    miss, change, slope = np.empty(shape), np.empty(shape), trend[1]
    level[:] = values[:, :season].mean(axis=1)
    phases, weight = np.zeros((season, *shape)), np.full(count, 1e-9)
    if season > 1:
        cycles = min(min(cutoffs) // season, 3)
        first = values[:, : cycles * season].reshape(count, cycles, season)
        pattern = (first - first.mean(axis=2, keepdims=True)).mean(axis=1)
        phases[:, :, with_season] = pattern.T[:, None, None, None]
    by_row, seen = values.T.copy(), observed.T.astype(float)
    whole = np.asarray(observed.all(axis=0))
    found = {}
    for row in range(max(cutoffs) + 1):
        if row in cutoffs:
            order = (row + np.arange(season)) % season
            found[row] = Smoothed(level.copy(), trend.copy(), phases[order], error / weight)
        if row >= rows:
            break
        slope *= damping
        level[1] += slope
        np.subtract(by_row[row], level, out=miss)
        if season > 1:
            phase = phases[row % season][:, with_season]
            miss[:, with_season] -= phase
        if not whole[row]:
            miss *= seen[row]
        np.multiply(miss, gain, out=change)
        level += change
        slope += np.multiply(change[1], gain_trend, out=change[1])
        if season > 1:
            phase += np.multiply(miss[:, with_season], gain_season, out=change[:, with_season])
        if row >= min(season, 8):
            kept = 1 - (1 - MEMORY) * seen[row]
            error *= kept
            error += np.multiply(miss, miss, out=miss)  # 0 where the row is missing
            weight = kept * weight + seen[row]
    return found
