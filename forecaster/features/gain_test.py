"""Test whether training beat the simple forecast it started from by more than luck on the validation rows."""

from __future__ import annotations

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.features.plan import Plan
from forecaster.features.windows import Windows

#: Standard errors above zero from which the mean gain of separate spans is accepted, however small; and the same for
#: the best of several epochs, which is also the luckiest of them.
STEADY, STEADY_BEST = 2.0, 3.0
#: Fewest separate spans for such a test.
LEAST_STRETCHES = 5


def needed_gain(config: Config, plan: Plan, panel: Panel) -> float:
    """Return the share by which training must lower the validation loss of the simple forecast it starts from.

    The setting is for validation rows that span one horizon. Rows of ``n = rows / horizon`` separate spans need only
    ``1 / sqrt(n)`` of it, as the mean gain over ``n`` spans fluctuates. A smaller gain is more likely luck than skill,
    unless it is steady, see :func:`gain_t_statistic`.
    """
    if config.base == "none":
        return 0.0
    return needed_share(config.needed_gain, plan.validation * len(panel) / plan.horizon)


def needed_share(share: float, stretches: float) -> float:
    """Return the share of a loss to be gained over some separate spans, from the share for a single one."""
    return share / max(1.0, stretches) ** 0.5


def gain_t_statistic(before: np.ndarray, after: np.ndarray, windows: Windows) -> float:
    """Return the mean gain of separate spans of one horizon in standard errors, the ``t`` of a paired test.

    Windows that begin in the same span overlap and count once, as do the series of a panel, which share the events of a
    span; with fewer spans than :data:`LEAST_STRETCHES`, each series has its own.

    Args:
        before: losses of the windows before training, ``(windows,)``.
        after: losses of the same windows after it.
        windows: the windows.

    Returns:
        float: 0 if there are too few spans, or all gains are equal.
    """
    series, stretch = windows.series(), stretches_of(windows)
    if len(np.unique(stretch)) < LEAST_STRETCHES:
        stretch = stretch + series * (int(stretch.max(initial=0)) + 1)
    _, place, count = np.unique(stretch, return_inverse=True, return_counts=True)
    gains = np.bincount(place, np.asarray(before, float) - np.asarray(after, float)) / count
    if len(gains) < LEAST_STRETCHES or not gains.std() > 0:
        return 0.0
    return float(gains.mean() / (gains.std(ddof=1) / len(gains) ** 0.5))


def stretches_of(windows: Windows) -> np.ndarray:
    """Return the number of the span of one horizon that each window begins in, ``(windows,)`` int, 0 for the newest."""
    return (windows.offsets[windows.series() + 1] - 1 - windows.starts) // windows.horizon
