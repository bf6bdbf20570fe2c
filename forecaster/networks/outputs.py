"""The outputs of a network for each step: a point forecast, and the other parameters of its loss.

=====================  =====================================================================================
loss                   outputs of each step
=====================  =====================================================================================
mse, mae, huber, ...   the point forecast
quantile               the median; distances from each quantile to the next above it, upwards, and then down
gaussian               mean, deviation
student-t              mean, scale, degrees of freedom
negative-binomial      mean, shape
=====================  =====================================================================================

Output 0 is always the point forecast. An ensemble and passes with dropout add one output, the last: the standard
deviation of the point forecast. The card of a loss (:mod:`forecaster.losses`) says what its outputs are.
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
    """Return the outputs of the core of a network for each step: those of the loss, or the logits of a direction."""
    return len(CLASSES) if config.task == "direction" else LOSSES[config.loss].outputs


def window_norm_of(config: Config) -> str:
    """Return the normalisation of each window: counts are divided by their mean, anything else as it is set.

    Salinas et al. 2020, DeepAR, arXiv:1704.04110, section 3.3.
    """
    return "mean" if config.counts else config.window_norm


def refuse_unlike_counts(config: Config, panel: Panel) -> None:
    """Refuse a target without a likelihood under the loss.

    Raises:
        DataError: the loss is for counts and a reading is negative or not a whole number.
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
        raw: output of the head, ``(batch, steps, outputs)``.
        base: the simple forecast that it corrects, ``(batch, steps or 1, 1)``; or None.
        level: what was subtracted from the window, ``(batch, 1, 1)``; or None.
        deviation: what the window was divided by, ``(batch, 1, 1)``; or None.
    """
    point, rest = raw[..., :1], raw[..., 1:]
    if base is not None:
        point = base + point
    return LOSSES[config.loss].finish(point, rest, level, deviation)


def quantile_spreads(config: Config, outputs: np.ndarray) -> np.ndarray:
    """Return the distances from the point forecast to the network's own 10 and 90 % quantiles, down and up.

    The variance of an ensemble or of passes with dropout is added.

    Args:
        config: ``loss`` is read.
        outputs: ``(windows, steps, outputs)``; one more than those of the loss is a deviation.

    Returns:
        np.ndarray: ``(windows, steps, 2)`` float64, positive, in the unit of the scaled target; ones if the loss has
        no quantiles.
    """
    own, card = np.asarray(outputs, np.float64), LOSSES[config.loss]
    distances = np.zeros((*own.shape[:2], 2)) if card.spreads is None else card.spreads(own)
    if own.shape[2] > card.outputs:
        distances = np.sqrt(distances**2 + (Z_80 * own[:, :, -1:]) ** 2)
    elif card.spreads is None:
        return np.ones((*own.shape[:2], 2))
    return np.maximum(distances, LEAST_SPREAD)
