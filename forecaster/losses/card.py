"""The card of a loss: everything that the rest of the package knows of it; and what several losses share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np

#: Smallest deviation that is learned, in deviations of the series.
LEAST_SPREAD = 1e-3
#: Added to the output of a head before softplus makes a spread of it: a head of zeros gives 0.2 deviations.
START_SPREAD = -1.5
#: Standard normal quantile of the upper end of the 80 % interval.
Z_80 = 1.2815515655446004
#: Deviations beyond which an error counts as no larger, so that its square stays finite.
FARTHEST = 1e15


def restore_point(point: Any, level: Any, deviation: Any) -> Any:
    """Return the point forecast, ``(batch, steps, 1)``, with the normalisation of its window undone.

    Args:
        point: in units of the normalised window, ``(batch, steps, 1)``.
        level: what was subtracted from the window, ``(batch, 1, 1)``; or None.
        deviation: what the window was divided by, ``(batch, 1, 1)``; or None.
    """
    if deviation is not None:
        point = point * deviation
    return point if level is None else level + point


def positive_spread(raw: Any, deviation: Any) -> Any:
    """Return spreads above :data:`LEAST_SPREAD`, ``(batch, steps, n)``, of what a head gives for them."""
    from keras import ops

    spread = ops.softplus(raw + START_SPREAD)
    return LEAST_SPREAD + (spread if deviation is None else spread * deviation)


def finish_point(point: Any, rest: Any, level: Any, deviation: Any) -> Any:
    """Return the point forecast alone, ``(batch, steps, 1)``; see :attr:`LossCard.finish`."""
    return restore_point(point, level, deviation)


def finish_spreads(point: Any, rest: Any, level: Any, deviation: Any) -> Any:
    """Return the point forecast and positive spreads, ``(batch, steps, outputs)``; see :attr:`LossCard.finish`."""
    from keras import ops

    return ops.concatenate([restore_point(point, level, deviation), positive_spread(rest, deviation)], axis=-1)


@dataclass(frozen=True)
class LossCard:
    """One loss. A file of this folder has a dict ``LOSSES`` of them, by the names users write.

    Attributes:
        build: returns the Keras loss. It takes targets ``(batch, steps, 1)``, outputs ``(batch, steps, outputs)`` and
            weights ``(batch, steps)``; a step of weight 0 adds nothing. It is never infinite or NaN for finite
            arguments within the range of a scaled target.
        outputs: numbers that the core of a network gives for each step; the first is the point forecast.
        finish: turns them into the outputs of the network, in units of the scaled target, from the point forecast with
            its base, ``(batch, steps, 1)``, the other numbers, ``(batch, steps, outputs - 1)``, and the level and the
            deviation of the window, ``(batch, 1, 1)`` each or None.
        spreads: the distances, ``(windows, steps, 2)`` float64, from the point forecast down to the 10 % quantile and
            up to the 90 % quantile, from outputs ``(windows, steps, outputs)`` float64; None if the loss has none.
        is_likelihood: it is the logarithm of a likelihood, so that differences compare as ratios.
        for_counts: it is for counts, which are learned in their own unit: not centred, scaled by window means only.
    """

    build: Callable[[], keras.losses.Loss]
    outputs: int = 1
    finish: Callable[[Any, Any, Any, Any], Any] = finish_point
    spreads: Callable[[np.ndarray], np.ndarray] | None = None
    is_likelihood: bool = False
    for_counts: bool = False


def make_loss(function: Callable[[Any, Any], Any], name: str) -> keras.losses.Loss:
    """Return the Keras loss of a function of targets and outputs that gives a number for each step."""
    import keras

    class Loss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    return Loss(name=name)


def log_gamma(x: Any) -> Any:
    """Return the logarithm of the gamma function of positive numbers, which Keras does not have.

    Stirling's series of ``log gamma(x + 8)`` (Abramowitz & Stegun 6.1.41), brought back by the recurrence
    ``gamma(x + 1) = x gamma(x)``; in float64 exact to twelve digits.

    Example:
        >>> import numpy as np
        >>> np.asarray(log_gamma(np.array([5.0]))).round(6)  # log 4!
        array([3.178054])
    """
    from math import log, pi

    from keras import ops

    y = x + 8
    product = x
    for k in range(1, 8):
        product = product * (x + k)
    square = 1 / (y * y)
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / y
    return (y - 0.5) * ops.log(y) - y + 0.5 * log(2 * pi) + series - ops.log(product)
