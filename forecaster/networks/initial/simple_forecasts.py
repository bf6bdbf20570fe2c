"""Simple forecasts of a window, which the network's head corrects.

Every candidate is linear in the window and equivariant: adding a constant to the window, or multiplying it, does the
same to the forecast. So a mix whose weights sum to one is the same before and after window normalisation.
The order of the summands matters to Keras: see :mod:`forecaster.families.recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Share of the newest reading in a smoothed level, and share of a damped trend left after each step.
SMOOTHING, DAMPING = 0.5, 0.9
#: Rows at least for a local trend; a season if it is longer.
TREND_ROWS = 12


def simple_forecasts(window: Any, steps: int, seasons: Sequence[int], ops: Any = np) -> dict[str, Any]:
    """Return the simple forecasts for which a window is long enough.

    Args:
        window: the target, ``(batch, lookback)``.
        steps: steps to forecast.
        seasons: the seasonal periods in steps, the main one first; 1 for none.
        ops: the namespace that computes: :mod:`numpy`, or ``keras.ops``.

    Returns:
        ``(batch, steps)`` arrays by name, always in the same order. ``last``: the last value. ``mean``: the mean of
        the same phase over all whole seasons of the window (without a season: of the window). ``seasonal``: the value
        one season ago. ``shifted``: ``seasonal`` plus the rise of the last eighth of a season over the same eighth one
        season ago. ``grown``: ``seasonal`` plus, for each season ahead, the rise of the last season over the one before
        it. ``level``, ``damped`` and ``trend``: see :func:`_smoothed`.
        Of every further season ``seasonal_168`` and ``mean_168``, likewise, with its period in the name; and
        ``shifted_168``: ``seasonal_168`` plus the rise of the last main season over the same rows 168 ago.
    """
    season, lookback = seasons[0], int(window.shape[1])
    whole, phase = lookback // season, np.arange(steps) % season
    found = {"last": ops.repeat(window[:, -1:], steps, axis=1)}
    if not whole:
        return found | _longer_seasons(window, steps, seasons, ops)
    folded = ops.reshape(window[:, lookback - whole * season :], (-1, whole, season))
    if whole > 1:
        found["mean"] = ops.take(ops.mean(folded, axis=1), phase, axis=1)
    if season > 1:
        found["seasonal"] = ops.take(folded[:, -1], phase, axis=1)
    if season > 1 and whole > 1:
        grown = folded[:, -1] - folded[:, -2]
        found["shifted"] = ops.mean(grown[:, season - -(-season // 8) :], axis=1, keepdims=True) + found["seasonal"]
        ahead = (1 + np.arange(steps) // season).astype("float32")
        found["grown"] = ops.mean(grown, axis=1, keepdims=True) * ahead + found["seasonal"]
    if whole > 1:
        with np.errstate(invalid="ignore"):  # OpenBLAS at times flags products of finite numbers
            found |= _smoothed(folded, steps, ops)
    return found | _longer_seasons(window, steps, seasons, ops)


def _smoothed(folded: Any, steps: int, ops: Any) -> dict[str, Any]:
    """Return forecasts of level and trend of the deseasonalised window, with the season added back.

    Season and trend are those of least squares on the window: a value for each phase, and a line (Hyndman &
    Athanasopoulos 2021, Forecasting: Principles and Practice, 3rd ed., section 7.4).

    Args:
        folded: whole seasons, two or more, ``(batch, seasons, season)``.
        steps: steps to forecast.
        ops: the namespace that computes.

    Returns:
        ``level``: simple exponential smoothing (Brown 1959; Gardner 1985, Exponential smoothing: the state of the art,
        Journal of Forecasting 4(1)). ``damped``: the level and a local trend that loses a tenth of itself at each step
        (Gardner & McKenzie 1985, Forecasting trends in time series, Management Science 31(10)). ``trend``: the level
        and the trend of the whole window. A level lags its trend by the mean age of its readings, which the latter two
        correct.
    """
    whole, season = int(folded.shape[1]), int(folded.shape[2])
    rows, middle = whole * season, np.arange(season) - (season - 1) / 2
    by_season, by_phase = ops.mean(folded, axis=2), ops.mean(folded, axis=1)
    mean = ops.mean(by_season, axis=1, keepdims=True)
    slope = ops.matmul(by_season - mean, _line(whole)[:, None]) / season
    profile = by_phase - mean - slope * middle.astype("float32")
    left = ops.reshape(folded - profile[:, None], (-1, rows))
    age = np.arange(rows)[::-1]
    share = (1 - SMOOTHING) ** age
    share /= share.sum()
    recent = min(rows, max(season, TREND_ROWS))
    kernels = np.stack([share, np.append(np.zeros(rows - recent), _line(recent))], axis=1).astype("float32")
    newest = left[:, -1:]
    found = ops.matmul(left - newest, kernels)
    level = found[:, :1] + newest + ops.take(profile, np.arange(steps) % season, axis=1)
    ahead = np.arange(1, steps + 1)
    damped, straight = ((share @ age + by).astype("float32") for by in (np.cumsum(DAMPING**ahead), ahead))
    return {"level": level, "damped": found[:, 1:] * damped + level, "trend": slope * straight + level}


def _line(rows: int) -> np.ndarray:
    """Return the weights of readings, ``(rows,)``, in the least squares slope of a line."""
    centred = np.arange(rows) - (rows - 1) / 2
    return (centred / (centred @ centred)).astype("float32")


def _longer_seasons(window: Any, steps: int, seasons: Sequence[int], ops: Any) -> dict[str, Any]:
    """Return ``seasonal``, ``mean`` and ``shifted`` of the further seasons that fit in the window."""
    found, lookback = {}, int(window.shape[1])
    for season in seasons[1:]:
        whole, phase = lookback // season, np.arange(steps) % season
        if not whole or season == 1:
            continue
        folded = ops.reshape(window[:, lookback - whole * season :], (-1, whole, season))
        found[f"seasonal_{season}"] = ops.take(folded[:, -1], phase, axis=1)
        if whole > 1:
            found[f"mean_{season}"] = ops.take(ops.mean(folded, axis=1), phase, axis=1)
        if lookback >= season + seasons[0]:
            grown = window[:, lookback - seasons[0] :] - window[:, lookback - seasons[0] - season : lookback - season]
            shift = ops.mean(grown, axis=1, keepdims=True)
            found[f"shifted_{season}"] = shift + found[f"seasonal_{season}"]
    return found


def simple_forecast_names(lookback: int, seasons: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the candidates of a window, in order; a mix has one weight for each."""
    return tuple(simple_forecasts(np.zeros((1, lookback)), 1, seasons))
