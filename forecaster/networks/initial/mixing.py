"""Convex combinations of simple forecasts with the least squared error, for near and for far steps.

The forecasts are those of :mod:`forecaster.networks.initial.simple_forecasts`. A network starts from such a mix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Added to the share of each candidate before the logarithm and subtracted after the softmax, so that training can
#: reach every candidate although it may start from a mix without it.
FLOOR = 1e-2
#: Blocks of steps of equal length with a mix each, since near steps keep closer to the last value than far ones; and
#: windows below which all blocks share one mix.
BLOCKS, OWN_WINDOWS = 8, 500


def blocks_of(steps: int) -> np.ndarray:
    """Return the block of each step of a forecast, ``(steps,)`` int, 0 for the first."""
    return np.arange(steps) * min(BLOCKS, steps) // steps


def best_mixes(errors: np.ndarray) -> np.ndarray:
    """Return the best convex combination for each block of steps, or one for all if windows are few.

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
    """Return the convex combination, ``(candidates,)``, of errors ``(values,)`` each, with the least squared error.

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
        best = _best_of_chosen(gram, best, np.sort(np.append(chosen, newest)))


def _best_of_chosen(gram: np.ndarray, start: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the best convex combination of the chosen candidates on the path from ``start``.

    Where the path to the best combination leaves the convex ones, the candidate whose weight is 0 there is dropped.
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
    """Return the logits, ``(..., candidates)`` float32, from which :func:`mix_shares` returns a mix."""
    count = mix.shape[-1]
    return np.log(FLOOR + (1 - count * FLOOR) * np.asarray(mix, float)).astype("float32")


def mix_shares(softmax: Any) -> Any:
    """Return the shares of the candidates, ``(..., candidates)``, of the softmax of their logits; their sum is 1.

    None is below ``-FLOOR / (1 - candidates * FLOOR)``, and before training none is negative.
    """
    return (softmax - FLOOR) / (1 - softmax.shape[-1] * FLOOR)
