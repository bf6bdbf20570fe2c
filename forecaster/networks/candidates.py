"""Simple forecasts of a window, which the network's head is added to, and how well each of them fits.

Every candidate is linear in the window and moves with it: adding a constant to the window, or multiplying it, does the
same to the forecast. So a mix whose weights sum to one gives the same answer before and after window normalisation.
The order of the summands matters to Keras: see :mod:`forecaster.networks.recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Seasons of ``recent``: the days of a week.
RECENT = 7


def candidates(window: Any, steps: int, seasons: Sequence[int], ops: Any = np) -> dict[str, Any]:
    """Return the simple forecasts that a window is long enough for.

    Args:
        window: the target, ``(batch, lookback)``.
        steps: how many steps to forecast.
        seasons: the seasonal periods in steps, the main one first; 1 for none.
        ops: the namespace that computes: :mod:`numpy`, or ``keras.ops``.

    Returns:
        ``(batch, steps)`` arrays by name, always in the same order. ``last``: the last value. ``mean``: the mean of
        the same phase over all whole seasons of the window (without a season: of the window). ``seasonal``: the value
        one season ago. ``recent``: ``mean`` over the newest seven seasons, where there are more. ``shifted``:
        ``seasonal``, moved by how far the last eighth of a season lies above the same eighth one season ago.
        ``mean_shifted``: ``mean``, moved by how far the last eighth of a season lies above it; likewise
        ``mean_shifted_half`` and ``mean_shifted_season``, by half a season and a whole one. ``grown``: ``seasonal``,
        moved for each season ahead by how far the last one lies above the one before it.
        Of every further season ``seasonal_168`` and ``mean_168``, likewise, with its period in the name.
    """
    season, lookback = seasons[0], int(window.shape[1])
    whole, phase = lookback // season, np.arange(steps) % season
    found = {"last": ops.repeat(window[:, -1:], steps, axis=1)}
    if not whole:
        return found | _further(window, steps, seasons[1:], ops)
    folded = ops.reshape(window[:, lookback - whole * season :], (-1, whole, season))
    newest, mean, recent = folded[:, -1], ops.mean(folded, axis=1), -(-season // 8)
    if whole > 1:
        found["mean"] = ops.take(mean, phase, axis=1)
    if season > 1:
        found["seasonal"] = ops.take(newest, phase, axis=1)
    if season > 1 and whole > RECENT:
        found["recent"] = ops.take(ops.mean(folded[:, -RECENT:], axis=1), phase, axis=1)
    if season > 1 and whole > 1:
        shift = ops.mean((newest - folded[:, -2])[:, -recent:], axis=1, keepdims=True)
        found["shifted"] = shift + found["seasonal"]
        above = newest - mean
        for part, rows in (("", recent), ("_half", -(-season // 2)), ("_season", season)):
            found[f"mean_shifted{part}"] = ops.mean(above[:, -rows:], axis=1, keepdims=True) + found["mean"]
        growth = ops.mean(newest - folded[:, -2], axis=1, keepdims=True)
        found["grown"] = growth * (1 + np.arange(steps) // season).astype("float32") + found["seasonal"]
    return found | _further(window, steps, seasons[1:], ops)


def _further(window: Any, steps: int, seasons: Sequence[int], ops: Any) -> dict[str, Any]:
    """Return ``seasonal`` and ``mean`` of the seasons beside the main one that the window holds."""
    found, lookback = {}, int(window.shape[1])
    for season in seasons:
        whole, phase = lookback // season, np.arange(steps) % season
        if not whole or season == 1:
            continue
        folded = ops.reshape(window[:, lookback - whole * season :], (-1, whole, season))
        found[f"seasonal_{season}"] = ops.take(folded[:, -1], phase, axis=1)
        if whole > 1:
            found[f"mean_{season}"] = ops.take(ops.mean(folded, axis=1), phase, axis=1)
    return found


def candidate_names(lookback: int, seasons: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the candidates of a window, in order; a mix has one weight for each."""
    return tuple(candidates(np.zeros((1, lookback)), 1, seasons))
