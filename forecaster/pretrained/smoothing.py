"""Exponential smoothing of many windows with many parameters in one pass over time.

Additive trend and season, the trend damped: Holt 1957, Winters 1960, Gardner & McKenzie 1985 (Management Science
31(10)), in the error-correction form of Hyndman et al. 2008, Forecasting with Exponential Smoothing, section 2.3.
Instead of estimating parameters, every set of :data:`GRID` is run, and the forecasts are averaged with weights that
fall steeply with the running squared error of one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

#: Parameters, ``(parameters,)`` each: of the level, the trend, its damping, the season; and if there is a season.
GRID = np.array(
    [
        (level, trend, damping, season, seasonal)
        for level, (trend, damping), (season, seasonal) in product(
            (0.05, 0.2, 0.5, 0.9), ((0.0, 0.0), (0.1, 0.95)), ((0.05, 1.0), (0.3, 1.0), (0.0, 0.0))
        )
    ]
)
LEVEL, TREND, DAMPING, SEASON, SEASONAL = GRID.T
#: Masks of the parameters with and without a season, with and without a trend.
WITH_SEASON, WITH_BOTH, WITH_NONE, WITH_TREND = (
    (season == SEASONAL) & ((TREND > 0) == trend) for season, trend in ((1, 0), (1, 1), (0, 0), (0, 1))
)
#: Power of the squared errors that weigh the parameters, and the share of an old squared error that is kept at a step.
STEEPNESS, MEMORY = 8, 0.99


def smooth(
    values: np.ndarray, observed: np.ndarray, season: int, cutoffs: Mapping[int, int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the forecasts of every set of parameters from every cutoff, and their running squared errors.

    Args:
        values: ``(windows, rows)``.
        observed: ``(windows, rows)`` bool; a row that is not observed changes no state.
        season: seasonal period in rows, 1 for none; every cutoff is after two of it at least.
        cutoffs: numbers of rows known, each with the steps to forecast from there.

    Returns:
        For each cutoff ``(windows, steps, parameters)`` and ``(windows, parameters)``.
    """
    count, rows = values.shape
    size = (count, len(GRID))
    level = np.repeat(values[:, :season].mean(axis=1)[:, None], len(GRID), axis=1)
    trend, error, weight = np.zeros(size), np.zeros(size), np.full((count, 1), 1e-9)
    seasons = np.zeros((season, *size))
    if season > 1:
        cycles = min(min(cutoffs) // season, 3)
        first = values[:, : cycles * season].reshape(count, cycles, season)
        pattern = (first - first.mean(axis=2, keepdims=True)).mean(axis=1)
        seasons += pattern.T[:, :, None] * SEASONAL
    damped = np.cumsum(DAMPING ** np.arange(1, max(cutoffs.values()) + 1)[:, None], axis=0)
    gain_season, gain_trend = SEASON * SEASONAL, LEVEL * TREND
    found = {}
    weights = observed.astype(float)
    for row in range(rows + 1):
        if row in cutoffs:
            steps = cutoffs[row]
            ahead = seasons[(row + np.arange(steps)) % season].transpose(1, 0, 2)
            found[row] = level[:, None] + damped[:steps] * trend[:, None] + ahead, error / weight
        if row >= rows:
            break
        place, seen = row % season, weights[:, row, None]
        pattern, fall = seasons[place], DAMPING * trend
        miss = (values[:, row, None] - (level + fall + pattern)) * seen
        level = level + fall + LEVEL * miss
        trend = fall + gain_trend * miss
        if season > 1:
            seasons[place] = pattern + gain_season * miss
        if row >= min(season, 8):
            error += seen * (miss * miss - (1 - MEMORY) * error)
            weight += seen * (1 - (1 - MEMORY) * weight)
    return found


def average(forecasts: np.ndarray, errors: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the weighted mean of some parameters' forecasts, ``(windows, steps)``.

    Args:
        forecasts: of :func:`smooth`.
        errors: likewise.
        which: ``(parameters,)`` bool.
    """
    errors = errors[..., which] + 1e-12
    weights = (errors.min(axis=-1, keepdims=True) / errors) ** STEEPNESS
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray((forecasts[..., which] @ weights[..., None])[..., 0])
