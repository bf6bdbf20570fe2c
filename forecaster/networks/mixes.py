"""Convex combinations of simple forecasts: the one with the least square, for near and for far steps.

The forecasts are those of :mod:`forecaster.networks.candidates`. A mix is what a network starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from forecaster.networks.candidates import candidates

#: Least share of a candidate that a mix starts from, and that one starts from whose weights depend on the window, so
#: that no candidate is out of its reach.
MIXED, GATED = 1e-3, 1e-2
#: Blocks of steps, as long as one another, each of which has a mix of its own: near steps keep to the last value longer
#: than far ones. And windows without which all blocks have the same.
BLOCKS, OWN_WINDOWS = 8, 500


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
