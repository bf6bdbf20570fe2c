"""Simple forecasts of a window, which the network's head is added to, and how well each of them fits.

Every candidate is linear in the window and moves with it: adding a constant to the window, or multiplying it, does the
same to the forecast. So a mix whose weights sum to one gives the same answer before and after window normalisation.
The order of the summands matters to Keras: see :mod:`forecaster.networks.recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

#: Least share of a candidate that a mix starts from, and that one starts from whose weights depend on the window, so
#: that no candidate is out of its reach.
MIXED, GATED = 1e-3, 1e-2
#: Seasons of ``recent``: the days of a week.
RECENT = 7
#: Blocks of steps, as long as one another, each of which has a mix of its own: near steps keep to the last value longer
#: than far ones. And windows without which all blocks have the same.
BLOCKS, OWN_WINDOWS = 8, 500


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
    """Return the names of the candidates of a window, in order; ``initial_mix`` returns one weight for each."""
    return tuple(candidates(np.zeros((1, lookback)), 1, seasons))


def blocks_of(steps: int) -> np.ndarray:
    """Return the block of each step of a forecast that has a mix of its own, ``(steps,)`` int, 0 for the first."""
    return np.arange(steps) * min(BLOCKS, steps) // steps


def initial_mix(
    past_target: np.ndarray, targets: np.ndarray, seasons: Sequence[int], weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the convex combinations of the candidates with the least squared error on training windows.

    There are nine unknowns at most and two more for each further season, few enough that every subset of the candidates
    is solved exactly under "the weights sum to one", and the best solution without a negative weight is kept.

    Args:
        past_target: ``(windows, lookback)``.
        targets: ``(windows, steps)``.
        seasons: the seasonal periods in steps, the main one first; 1 for none.
        weights: ``(windows, steps)``, 0 where a target was filled and does not count; all 1 by default.

    Returns:
        As :func:`best_mixes`, in the order of :func:`candidate_names`.
    """
    past, target = np.asarray(past_target, float), np.asarray(targets, float)
    root = np.ones_like(target) if weights is None else np.sqrt(np.asarray(weights, float))
    found = candidates(past, target.shape[1], seasons).values()
    return best_mixes(np.stack([(forecast - target) * root for forecast in found]))


def best_mixes(errors: np.ndarray) -> np.ndarray:
    """Return the convex combination of each block of steps with the least square; one for all where windows are few.

    Args:
        errors: ``(candidates, windows, steps)``.

    Returns:
        ``(blocks, candidates)`` float32, none negative, each block's sum 1.
    """
    block = blocks_of(errors.shape[2])
    count = int(block[-1]) + 1
    if errors.shape[1] < OWN_WINDOWS:
        return np.repeat(best_mix([error.ravel() for error in errors])[None], count, axis=0)
    return np.stack([best_mix([error[:, block == b].ravel() for error in errors]) for b in range(count)])


def best_mix(errors: list[np.ndarray]) -> np.ndarray:
    """Return the convex combination, ``(candidates,)``, of errors ``(values,)`` each, with the least square."""
    gram = np.array([[a @ b for b in errors] for a in errors]) / max(1, errors[0].size)
    gram[np.diag_indices_from(gram)] += 1e-9 * (1e-9 + np.trace(gram))
    best, least = np.eye(len(errors))[0], gram[0, 0]
    for count in range(1, len(errors) + 1):
        for chosen in map(list, combinations(range(len(errors)), count)):
            share = np.linalg.solve(gram[np.ix_(chosen, chosen)], np.ones(count))
            w = np.zeros(len(errors))
            w[chosen] = share / share.sum()
            if (w >= 0).all() and w @ gram @ w < least:
                best, least = w, w @ gram @ w
    return best.astype("float32")


def mix_logits(mix: np.ndarray, least: float = MIXED) -> np.ndarray:
    """Return the logits whose softmax is a mix, ``(candidates,)``; smaller shares are raised to the least one."""
    return np.log(np.maximum(mix, least)).astype("float32")
