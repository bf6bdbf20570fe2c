"""The likelihood of counts."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Any

from forecaster.losses.card import LEAST_SPREAD, START_SPREAD, LossCard, log_gamma, make_loss

if TYPE_CHECKING:
    import keras
    import numpy as np

#: Mean below which a count forecast bends towards zero, in means of its window.
BEND = 0.05


def negative_binomial() -> keras.losses.Loss:
    """Return the negative log-likelihood of counts; outputs are the mean ``m`` and the shape ``a``.

    The variance is ``m + a m^2`` (Salinas et al. 2020, DeepAR, arXiv:1704.04110, section 3.1). Computed in float64,
    because float32 loses the differences of the gamma functions of large counts.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[[1.0, 1.0], [3.0, 1.0]]], "float32")
        >>> round(float(negative_binomial()(np.array([[[1.0], [3.0]]], "float32"), outputs)), 4)
        1.8178
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

    return make_loss(negative_log, "negative-binomial")


def finish(point: Any, rest: Any, level: Any, deviation: Any) -> Any:
    """Return mean and shape of counts, ``(batch, steps, 2)`` (DeepAR, section 3.3).

    The mean is unchanged above :data:`BEND` and never below 0; see :attr:`~forecaster.losses.card.LossCard.finish`.
    """
    from keras import ops

    below = BEND * BEND / (2 * BEND - ops.minimum(point, BEND))
    mean, shape = ops.where(point > BEND, point, below), LEAST_SPREAD + ops.softplus(rest + START_SPREAD)
    if deviation is not None:
        mean, shape = mean * deviation, shape / ops.sqrt(deviation)
    return ops.concatenate([mean, shape], axis=-1)


def spreads(outputs: np.ndarray) -> np.ndarray:
    """Return the distances of the 10 and 90 % quantiles; see :attr:`~forecaster.losses.card.LossCard.spreads`.

    They are those of the gamma distribution of the same mean and variance, which has quantiles between counts.
    """
    import numpy as np
    from scipy.special import gammaincinv

    mean, shape = np.maximum(outputs[:, :, 0], LEAST_SPREAD), outputs[:, :, 1]
    size = mean / (1 + shape * mean)  # mean^2 / variance
    low, high = (gammaincinv(size, q) * mean / size for q in (0.1, 0.9))
    return np.stack([mean - low, high - mean], axis=2)


LOSSES = {
    "negative-binomial": LossCard(
        negative_binomial, outputs=2, finish=finish, spreads=spreads, is_likelihood=True, for_counts=True
    ),
}
