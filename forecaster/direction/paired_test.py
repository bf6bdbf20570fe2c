"""Exact paired test of one forecast being right more often than another by more than luck."""

from __future__ import annotations

import numpy as np

#: Significance level: p-value below which one forecast is called better than another.
LEVEL = 0.05


def separate_stretches(cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """Return the number of the time span that each window belongs to, ``(windows,)`` int, 0 for the newest.

    A span holds the windows of one horizon of cutoffs. Windows of different spans forecast no row in common: windows
    in between that would are numbered -1. All windows of a span count instead of one per horizon, which in a seasonal
    series would always see the same part of the season.

    Args:
        cutoffs: ``(windows,)`` int, step of each cutoff on a time axis that all series share.
        horizon: steps that a window forecasts.
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
    """Return the probability that luck alone makes the sum of the differences as large or larger.

    If neither of two forecasts is better, the difference in each span is as likely to have the opposite sign. All
    ``2^spans`` choices of signs are counted, exactly, by adding one span after the other (Fisher 1935, The Design of
    Experiments, section 21). With one window in each this is the exact one-sided test of McNemar (1947), Note on the
    sampling error of the difference between correlated proportions, Psychometrika 12(2). All windows and series of a
    span are summed first, because they are correlated.

    Args:
        differences: ``(n,)`` int: 1 where only the first forecast was right, -1 where only the second was, 0 else.
        stretches: ``(n,)`` int, equal for windows of the same span.

    Returns:
        float: between 0 and 1; 1 if there is no difference.
    """
    _, place = np.unique(stretches, return_inverse=True)
    sums = np.bincount(place, weights=differences).astype(np.int64)
    sums = np.abs(sums[sums != 0])
    most, total = int(sums.sum()), int(differences.sum())
    ways = np.zeros(2 * most + 1)
    ways[most] = 1.0
    for size in sums.tolist():
        shifted = np.zeros_like(ways)
        shifted[size:] += ways[:-size] / 2
        shifted[:-size] += ways[size:] / 2
        ways = shifted
    return float(min(1.0, ways[most + total :].sum()))
