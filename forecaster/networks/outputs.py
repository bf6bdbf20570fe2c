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

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.data.panel.panel import Panel

#: Quantiles that ``loss="quantile"`` learns: ends of the intervals of 95, 80 and 50 %, and the median.
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
#: Smallest deviation that is learned, in deviations of the series.
LEAST_SPREAD = 1e-3
#: What a head that gives zeros says of a spread, before softplus: 0.2 deviations of the window.
START = -1.5
#: Degrees of freedom that are learned, and what a head that gives zeros says of them, before the sigmoid: about 14.
LEAST_FREEDOM, MOST_FREEDOM, START_FREEDOM = 2.1, 100.0, -2.0
#: Mean below which a count forecast bends towards zero, in means of its window.
BEND = 0.05
#: Standard normal quantile of the ends of the 80 % interval.
TENTH = 1.2815515655446004

_OUTPUTS = {"quantile": len(QUANTILES), "gaussian": 2, "student-t": 3, "negative-binomial": 2}


def outputs_of(config: Config) -> int:
    """Return how many numbers the core of a network gives for each step: for a direction the logits of its classes."""
    return len(CLASSES) if config.task == "direction" else _OUTPUTS.get(config.loss, 1)


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
            f"the loss negative-binomial is for counts, but {int(bad.sum()):,} values of '{panel.roles.target}' are "
            f"negative or not whole, the first {panel.values[row]:g}{panel.of_series(row)}",
            "use --loss gaussian or student-t",
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
    from keras import ops

    point, rest = raw[..., :1], raw[..., 1:]
    if base is not None:
        point = base + point
    if config.counts:
        return _counts(point, rest, deviation)
    if deviation is not None:
        point = point * deviation
    if level is not None:
        point = level + point
    if outputs_of(config) == 1:
        return point
    spread = ops.softplus(rest[..., :1] + START if config.loss == "student-t" else rest + START)
    spread = LEAST_SPREAD + (spread if deviation is None else spread * deviation)
    if config.loss != "student-t":
        return ops.concatenate([point, spread], axis=-1)
    freedom = LEAST_FREEDOM + (MOST_FREEDOM - LEAST_FREEDOM) * ops.sigmoid(rest[..., 1:] + START_FREEDOM)
    return ops.concatenate([point, spread, freedom], axis=-1)


def _counts(point: Any, shape: Any, deviation: Any) -> Any:
    """Return mean and shape of counts (DeepAR, section 3.3): the mean is itself above :data:`BEND`, never below 0."""
    from keras import ops

    below = BEND * BEND / (2 * BEND - ops.minimum(point, BEND))
    mean, shape = ops.where(point > BEND, point, below), LEAST_SPREAD + ops.softplus(shape + START)
    if deviation is not None:
        mean, shape = mean * deviation, shape / ops.sqrt(deviation)
    return ops.concatenate([mean, shape], axis=-1)


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
    own, count = np.asarray(outputs, np.float64), outputs_of(config)
    both = _OWN[config.loss](own) if config.loss in _OWN else np.zeros((*own.shape[:2], 2))
    if own.shape[2] > count:
        both = np.sqrt(both**2 + (TENTH * own[:, :, -1:]) ** 2)
    elif count == 1:
        return np.ones((*own.shape[:2], 2))
    return np.maximum(both, LEAST_SPREAD)


def _of_quantiles(outputs: np.ndarray) -> np.ndarray:
    half = len(QUANTILES) // 2
    inside = sum(0.5 < q <= 0.9 for q in QUANTILES)
    up, down = outputs[:, :, 1 : 1 + inside].sum(axis=2), outputs[:, :, 1 + half : 1 + half + inside].sum(axis=2)
    return np.stack([down, up], axis=2)


def _of_gaussian(outputs: np.ndarray) -> np.ndarray:
    return np.repeat(TENTH * outputs[:, :, 1:2], 2, axis=2)


def _of_student(outputs: np.ndarray) -> np.ndarray:
    from scipy.special import stdtrit

    return np.repeat(outputs[:, :, 1:2] * stdtrit(outputs[:, :, 2:3], 0.9), 2, axis=2)


def _of_counts(outputs: np.ndarray) -> np.ndarray:
    """Return the quantiles of the gamma distribution of the same mean and variance, which has some between counts."""
    from scipy.special import gammaincinv

    mean, shape = np.maximum(outputs[:, :, 0], LEAST_SPREAD), outputs[:, :, 1]
    size = mean / (1 + shape * mean)  # mean^2 / variance
    low, high = (gammaincinv(size, q) * mean / size for q in (0.1, 0.9))
    return np.stack([mean - low, high - mean], axis=2)


_OWN = {
    "quantile": _of_quantiles,
    "gaussian": _of_gaussian,
    "student-t": _of_student,
    "negative-binomial": _of_counts,
}
