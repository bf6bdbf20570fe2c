"""Whether a forecast was right more often than another by more than luck: an exact paired test."""

from __future__ import annotations

import numpy as np

#: Chance of luck below which one forecast is called better than another.
LEVEL = 0.05


def separate_stretches(cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """Return the stretch of time that each window belongs to, ``(windows,)`` int, numbered back in time.

    A stretch holds the windows of one horizon of cutoffs. Windows of two stretches share no row that they forecast:
    between them those are left out that would, whose number is -1. All windows of a stretch count, and not one of each
    horizon, because in a series with a season those would always see the same part of it.

    Args:
        cutoffs: ``(windows,)`` int, step of each cutoff on a clock that all series share.
        horizon: steps that a window reaches beyond its cutoff.
    """
    times, place = np.unique(cutoffs, return_inverse=True)
    numbers, number = np.full(len(times), -1), -1
    newest = oldest = 0
    for i, time in reversed(list(enumerate(times.tolist()))):
        if number < 0 or time <= oldest - horizon:
            number, newest = number + 1, time
        elif time <= newest - horizon:
            continue
        oldest, numbers[i] = time, number
    return numbers[place]


def p_value(differences: np.ndarray, stretches: np.ndarray) -> float:
    """Return how likely luck alone makes the differences add up to so much or more.

    If neither of two forecasts is the better one, then in each stretch the difference might as well have been the other
    way round. All ``2^stretches`` choices of signs are counted, exactly, by adding one stretch after the other (Fisher
    1935, The Design of Experiments, section 21). With one window in each this is the exact one-sided test of McNemar
    (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika 12(2). All
    windows and series of a stretch are taken together, because what moves one of them moves the others.

    Args:
        differences: ``(n,)`` int: 1 where the one was right and the other wrong, -1 where it was the other way round,
            0 else.
        stretches: ``(n,)`` int, equal for windows of the same stretch.

    Returns:
        float: between 0 and 1; 1 where there is no difference.
    """
    _, place = np.unique(stretches, return_inverse=True)
    sums = np.bincount(place, weights=differences).astype(np.int64)
    sums = np.abs(sums[sums != 0])
    most, total = int(sums.sum()), int(differences.sum())
    ways = np.zeros(2 * most + 1)
    ways[most] = 1.0
    for size in sums.tolist():
        moved = np.zeros_like(ways)
        moved[size:] += ways[:-size] / 2
        moved[:-size] += ways[size:] / 2
        ways = moved
    return float(min(1.0, ways[most + total :].sum()))
