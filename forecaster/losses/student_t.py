"""The likelihood of Student's t distribution, whose tails are heavier than those of a normal one."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Any

from forecaster.losses.card import FARTHEST, LossCard, log_gamma, make_loss, positive_spread, restore_point

if TYPE_CHECKING:
    import keras
    import numpy as np

#: Range of the degrees of freedom, and what is added to the head before the sigmoid: a head of zeros gives about 14.
LEAST_FREEDOM, MOST_FREEDOM, START_FREEDOM = 2.1, 100.0, -2.0


def student_t() -> keras.losses.Loss:
    """Return the negative log-likelihood of Student's t; outputs are mean, scale and degrees of freedom, above 2.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[[0.0, 1.0, 5.0], [3.0, 1.0, 5.0]]], "float32")
        >>> round(float(student_t()(np.array([[[1.0], [3.0]]], "float32"), outputs)), 4)
        1.2421
    """
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        mean, scale, freedom = outputs[..., 0], outputs[..., 1], outputs[..., 2]
        z = ops.clip((target[..., 0] - mean) / scale, -FARTHEST, FARTHEST)
        constant = log_gamma(freedom / 2) - log_gamma((freedom + 1) / 2) + 0.5 * ops.log(freedom * pi)
        return ops.log(scale) + constant + 0.5 * (freedom + 1) * ops.log1p(z * z / freedom)

    return make_loss(negative_log, "student-t")


def finish(point: Any, rest: Any, level: Any, deviation: Any) -> Any:
    """Return mean, scale and degrees of freedom, ``(batch, steps, 3)``; see
    :attr:`~forecaster.losses.card.LossCard.finish`.
    """
    from keras import ops

    point, scale = restore_point(point, level, deviation), positive_spread(rest[..., :1], deviation)
    freedom = LEAST_FREEDOM + (MOST_FREEDOM - LEAST_FREEDOM) * ops.sigmoid(rest[..., 1:] + START_FREEDOM)
    return ops.concatenate([point, scale, freedom], axis=-1)


def spreads(outputs: np.ndarray) -> np.ndarray:
    """Return the distances of the 10 and 90 % quantiles; see :attr:`~forecaster.losses.card.LossCard.spreads`."""
    import numpy as np
    from scipy.special import stdtrit

    return np.repeat(outputs[:, :, 1:2] * stdtrit(outputs[:, :, 2:3], 0.9), 2, axis=2)


LOSSES = {"student-t": LossCard(student_t, outputs=3, finish=finish, spreads=spreads, is_likelihood=True)}
