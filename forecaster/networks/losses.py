"""Losses: one function and one entry in the table each. Keras is imported inside, because it is slow.

Every loss compares what the scaler made of the target (:mod:`forecaster.features.scaling`), so that a series of
millions and one of fractions count alike: errors are in deviations of their own series. The counts of
``negative-binomial`` keep their unit, and what counts there is how likely each was, which for large counts depends on
their relative error.

A loss takes targets ``(batch, steps, 1)``, outputs ``(batch, steps, outputs)`` as :func:`forecaster.networks.outputs.
finish` lays them out, and weights ``(batch, steps)``; a step of weight 0 adds nothing to it. None is ever infinite or
NaN for finite arguments within the range of a scaled target.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, pi
from typing import TYPE_CHECKING, Any

from forecaster.networks.outputs import QUANTILES

if TYPE_CHECKING:
    import keras

#: Deviations beyond which an error is taken for no larger, so that its square stays finite.
FARTHEST = 1e15


def mse() -> keras.losses.Loss:
    """Return the mean squared error: the forecast of the mean; of the median where logarithms are learned."""
    import keras

    return keras.losses.MeanSquaredError(name="mse")


def mae() -> keras.losses.Loss:
    """Return the mean absolute error: the forecast of the median, little moved by outliers."""
    import keras

    return keras.losses.MeanAbsoluteError(name="mae")


def huber() -> keras.losses.Loss:
    """Return Huber's loss (1964): squared up to one deviation of the series, absolute beyond."""
    import keras

    return keras.losses.Huber(delta=1.0, name="huber")


def log_cosh() -> keras.losses.Loss:
    """Return ``log(cosh(error))``: a smooth passage from squared to absolute."""
    import keras

    return keras.losses.LogCosh(name="log_cosh")


def quantile() -> keras.losses.Loss:
    """Return the pinball loss of the quantiles of :data:`QUANTILES`, ``mean_q 2 max(q e, (q - 1) e)``.

    Koenker & Bassett 1978, Regression quantiles, Econometrica 46(1). Twice, so that the median alone would be the mean
    absolute error. Outputs are the median and the distances between neighbours, upwards and then downwards, none
    negative: quantiles never cross.
    """
    import numpy as np
    from keras import ops

    above = np.array([q for q in QUANTILES if q > 0.5], np.float32)
    below = np.array([q for q in reversed(QUANTILES) if q < 0.5], np.float32)
    shares = np.concatenate([[0.5], above, below]).astype(np.float32)

    def pinball(target: Any, outputs: Any) -> Any:
        median, up = outputs[..., :1], 1 + len(above)
        higher = median + ops.cumsum(outputs[..., 1:up], axis=-1)
        lower = median - ops.cumsum(outputs[..., up:], axis=-1)
        error = target - ops.concatenate([median, higher, lower], axis=-1)
        return 2 * ops.mean(ops.maximum(shares * error, (shares - 1) * error), axis=-1)

    return _loss(pinball, "quantile")


def gaussian() -> keras.losses.Loss:
    """Return the negative log-likelihood of a normal distribution; outputs are mean and deviation."""
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        mean, deviation = outputs[..., 0], outputs[..., 1]
        z = ops.clip((target[..., 0] - mean) / deviation, -FARTHEST, FARTHEST)
        return 0.5 * z * z + ops.log(deviation) + 0.5 * log(2 * pi)

    return _loss(negative_log, "gaussian")


def student_t() -> keras.losses.Loss:
    """Return the negative log-likelihood of Student's t; outputs are mean, scale and degrees of freedom, above 2."""
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        mean, scale, freedom = outputs[..., 0], outputs[..., 1], outputs[..., 2]
        z = ops.clip((target[..., 0] - mean) / scale, -FARTHEST, FARTHEST)
        constant = log_gamma(freedom / 2) - log_gamma((freedom + 1) / 2) + 0.5 * ops.log(freedom * pi)
        return ops.log(scale) + constant + 0.5 * (freedom + 1) * ops.log1p(z * z / freedom)

    return _loss(negative_log, "student-t")


def negative_binomial() -> keras.losses.Loss:
    """Return the negative log-likelihood of counts; outputs are the mean ``m`` and the shape ``a``.

    The variance is ``m + a m^2`` (Salinas et al. 2020, DeepAR, arXiv:1704.04110, section 3.1). Computed in float64,
    where the gamma functions of large counts still differ by something.
    """
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        count, mean, shape = (ops.cast(x, "float64") for x in (target[..., 0], outputs[..., 0], outputs[..., 1]))
        count, mean = ops.maximum(count, 0.0), ops.maximum(mean, exp(-20))
        size = 1 / shape
        zeros = size * ops.log1p(shape * mean)
        others = count * (ops.log1p(shape * mean) - ops.log(shape * mean))
        ways = log_gamma(count + size) - log_gamma(size) - log_gamma(count + 1)
        return ops.cast(zeros + others - ways, "float32")

    return _loss(negative_log, "negative-binomial")


#: Keys are the choices of ``Config.loss``.
LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "log_cosh": log_cosh,
    "quantile": quantile,
    "gaussian": gaussian,
    "student-t": student_t,
    "negative-binomial": negative_binomial,
}

#: Losses that are logarithms: of two, their difference tells what the ratio of two others tells.
LIKELIHOODS = ("gaussian", "student-t", "negative-binomial")


def gain(loss: str, before: float, after: float) -> float:
    """Return the share by which a loss was lowered; of a likelihood, by which what it measures shrank.

    The logarithm of a deviation is a term of each likelihood, so ``1 - exp(after - before)`` is the share by which the
    deviations of a forecast shrank whose errors keep their shape.

    Args:
        loss: a key of :data:`LOSSES`.
        before: the loss that there was.
        after: the loss that there is.
    """
    if loss in LIKELIHOODS:
        return 1 - exp(min(after - before, 700.0))
    return 1 - after / before if before else 0.0


def log_gamma(x: Any) -> Any:
    """Return the logarithm of the gamma function of positive numbers, which Keras does not have.

    Stirling's series of ``log gamma(x + 8)`` (Abramowitz & Stegun 6.1.41), brought back by the recurrence
    ``gamma(x + 1) = x gamma(x)``; in float64 exact to twelve digits.
    """
    from keras import ops

    y = x + 8
    product = x
    for k in range(1, 8):
        product = product * (x + k)
    square = 1 / (y * y)
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / y
    return (y - 0.5) * ops.log(y) - y + 0.5 * log(2 * pi) + series - ops.log(product)


def _loss(function: Callable[[Any, Any], Any], name: str) -> keras.losses.Loss:
    """Return a loss of a function that gives a number for each step, ``(batch, steps)``."""
    import keras

    class Loss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    return Loss(name=name)
