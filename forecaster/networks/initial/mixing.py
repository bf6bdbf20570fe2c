"""Convex combinations of simple forecasts: the one with the least square, for near and for far steps.

The forecasts are those of :mod:`forecaster.networks.initial.simple_forecasts`. A mix is what a network starts from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: What is added to the share of each candidate before its logarithm is taken, and taken off after the softmax, so that
#: none is out of the reach of training and a mix without it is still what training starts from.
FLOOR = 1e-2
#: Blocks of steps, as long as one another, each of which has a mix of its own: near steps keep to the last value longer
#: than far ones. And windows without which all blocks have the same.
BLOCKS, OWN_WINDOWS = 8, 500


def blocks_of(steps: int) -> np.ndarray:
    """Return the block of each step of a forecast that has a mix of its own, ``(steps,)`` int, 0 for the first."""
    return np.arange(steps) * min(BLOCKS, steps) // steps


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
    """Return the convex combination, ``(candidates,)``, of errors ``(values,)`` each, with the least square.

    An active set, after Lawson & Hanson 1974, Solving Least Squares Problems, chapter 23, under "the weights sum to
    one": the candidate that lowers the square fastest comes in, and one whose weight would turn negative goes out,
    until none lowers it.
    """
    gram = np.array([[a @ b for b in errors] for a in errors]) / max(1, errors[0].size)
    gram[np.diag_indices_from(gram)] += 1e-9 * (1e-9 + np.trace(gram))
    enough = 1e-12 * np.trace(gram)
    best = np.eye(len(errors))[np.argmin(np.diag(gram))]
    while True:
        chosen = np.flatnonzero(best)
        slope = gram @ best
        slope[chosen] = np.inf
        newest = int(np.argmin(slope))
        if not slope[newest] < best @ gram @ best - enough:
            return best.astype("float32")
        best = _least_within(gram, best, np.sort(np.append(chosen, newest)))


def _least_within(gram: np.ndarray, start: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the best convex combination of the chosen candidates that is met on the way from ``start``.

    Wherever the way to the best combination leaves the convex ones, the candidate at whose weight 0 it does so is
    dropped.
    """
    weights = start.copy()
    while True:
        aim = np.zeros(len(weights))
        share = np.linalg.solve(gram[np.ix_(chosen, chosen)], np.ones(len(chosen)))
        aim[chosen] = share / share.sum()
        if (aim[chosen] > 0).all():
            return aim
        falling = chosen[aim[chosen] <= 0]
        reach = weights[falling] / (weights[falling] - aim[falling])
        weights = weights + reach.min() * (aim - weights)
        weights[falling[np.argmin(reach)]] = 0
        chosen = chosen[chosen != falling[np.argmin(reach)]]


def mix_logits(mix: np.ndarray) -> np.ndarray:
    """Return the logits, ``(..., candidates)`` float32, of which :func:`mix_shares` makes a mix."""
    count = mix.shape[-1]
    return np.log(FLOOR + (1 - count * FLOOR) * np.asarray(mix, float)).astype("float32")


def mix_shares(softmax: Any) -> Any:
    """Return the shares of the candidates, ``(..., candidates)``, of the softmax of their logits; their sum is 1.

    None is below ``-FLOOR / (1 - candidates * FLOOR)``, and before training none is negative.
    """
    return (softmax - FLOOR) / (1 - softmax.shape[-1] * FLOOR)
