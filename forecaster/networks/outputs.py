"""What the numbers are that a network gives for each step: a point forecast, and what its loss says of the spread.

=====================  =====================================================================================
loss                   outputs of each step
=====================  =====================================================================================
mse, mae, huber, ...   the point forecast
quantile               the median; distances from each quantile to the next above it, upwards, and then down
gaussian               mean, deviation
student-t              mean, scale, degrees of freedom
negative-binomial      mean, shape
=====================  =====================================================================================

Channel 0 is always the point forecast. Where an ensemble or passes with dropout give a spread of their own, it is one
more output, the last one: the standard deviation of the point forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import DataError
from forecaster.features.direction_rule import CLASSES
from forecaster.losses import LOSSES
from forecaster.losses.card import LEAST_SPREAD, Z_80
from forecaster.words import setting

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.data.panel.panel import Panel


def outputs_of(config: Config) -> int:
    """Return how many numbers the core of a network gives for each step: for a direction the logits of its classes."""
    return len(CLASSES) if config.task == "direction" else LOSSES[config.loss].outputs


def window_norm_of(config: Config) -> str:
    """Return what is taken off each window: for counts their mean, which divides them, for others what is set.

    Salinas et al. 2020, DeepAR, arXiv:1704.04110, section 3.3.
    """
    return "mean" if config.counts else config.window_norm


def refuse_unlike_counts(config: Config, panel: Panel) -> None:
    """Refuse a target that the loss has no likelihood for.

    Raises:
        DataError: ``loss="negative-binomial"`` and a reading is negative or no whole number.
    """
    if not config.counts:
        return
    bad = panel.observed & ((panel.values < 0) | (panel.values != np.round(panel.values)))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"the loss {config.loss} is for counts, but {int(bad.sum()):,} values of '{panel.roles.target}' are "
            f"negative or not whole, the first {panel.values[row]:g}{panel.of_series(row)}",
            f"use {setting('loss', 'gaussian')} or {setting('loss', 'student-t')}",
        )


def finish_outputs(config: Config, raw: Any, base: Any, level: Any, deviation: Any) -> Any:
    """Return the outputs of a network, in units of the scaled target, ``(batch, steps, outputs)``.

    Args:
        config: ``loss`` is read.
        raw: what the head gives, ``(batch, steps, outputs)``.
        base: the simple forecast that it corrects, ``(batch, steps or 1, 1)``; or None.
        level: what was taken off the window, ``(batch, 1, 1)``; or None.
        deviation: what the window was divided by, ``(batch, 1, 1)``; or None.
    """
    point, rest = raw[..., :1], raw[..., 1:]
    if base is not None:
        point = base + point
    return LOSSES[config.loss].finish(point, rest, level, deviation)


def quantile_spreads(config: Config, outputs: np.ndarray) -> np.ndarray:
    """Return how far the network itself puts its 10 % quantile below the point forecast, and its 90 % one above.

    Where an ensemble or passes with dropout give a deviation too, the variances add.

    Args:
        config: ``loss`` is read.
        outputs: ``(windows, steps, outputs)``, the last one a deviation where there is one more than the loss has.

    Returns:
        np.ndarray: ``(windows, steps, 2)`` float64, positive, in the unit of the scaled target; ones where the network
        says nothing of its spread.
    """
    own, card = np.asarray(outputs, np.float64), LOSSES[config.loss]
    distances = np.zeros((*own.shape[:2], 2)) if card.spreads is None else card.spreads(own)
    if own.shape[2] > card.outputs:
        distances = np.sqrt(distances**2 + (Z_80 * own[:, :, -1:]) ** 2)
    elif card.spreads is None:
        return np.ones((*own.shape[:2], 2))
    return np.maximum(distances, LEAST_SPREAD)
