"""Whether training gained anything over the forecast that it began with, or was lucky on the validation rows."""

from __future__ import annotations

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.features.plan import Plan
from forecaster.features.windows import Windows

#: Standard errors by which the mean gain of separate stretches lies above zero where it is believed however small; and
#: those that are asked of the best of several epochs, which is the luckiest of them as well.
STEADY, STEADY_BEST = 2.0, 3.0
#: Separate stretches without which their gains are too few to tell.
LEAST_STRETCHES = 5


def needed_gain(config: Config, plan: Plan, panel: Panel) -> float:
    """Return the share by which training must lower the validation loss of the simple forecast it starts from.

    The setting is that of one separate stretch of validation rows. They hold ``rows / horizon`` of them, and a mean
    over so many fluctuates by one over their root; a gain far inside that is more likely to be luck than skill, unless
    it is a steady one.
    """
    if config.base == "none":
        return 0.0
    return needed_share(config.needed_gain, plan.validation * len(panel) / plan.horizon)


def needed_share(share: float, stretches: float) -> float:
    """Return the share of a loss that must be gained over so many separate stretches, of what one of them asks."""
    return share / max(1.0, stretches) ** 0.5


def gain_t_statistic(before: np.ndarray, after: np.ndarray, windows: Windows) -> float:
    """Return the mean gain of separate stretches of one horizon in standard errors, the ``t`` of a paired test.

    Windows that begin in the same stretch overlap and count once, as do the series of a panel, which share what happens
    in a stretch; where there are fewer stretches than :data:`LEAST_STRETCHES`, each series has its own.

    Args:
        before: losses of the windows before training, ``(windows,)``.
        after: losses after it.
        windows: the windows.

    Returns:
        float: 0 where there are too few stretches, or no gain differs from another.
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
    """Return the stretch of one horizon that each window begins in, ``(windows,)`` int, 0 for the newest."""
    return (windows.offsets[windows.series() + 1] - 1 - windows.starts) // windows.horizon
