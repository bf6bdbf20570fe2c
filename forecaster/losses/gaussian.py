"""The likelihood of a normal distribution."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Any

from forecaster.losses.card import FARTHEST, Z_80, LossCard, finish_spreads, make_loss

if TYPE_CHECKING:
    import keras
    import numpy as np


def gaussian() -> keras.losses.Loss:
    """Return the negative log-likelihood of a normal distribution; outputs are its mean and deviation.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[[0.0, 1.0], [3.0, 1.0]]], "float32")
        >>> round(float(gaussian()(np.array([[[1.0], [3.0]]], "float32"), outputs)), 4)
        1.1689
    """
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        mean, deviation = outputs[..., 0], outputs[..., 1]
        z = ops.clip((target[..., 0] - mean) / deviation, -FARTHEST, FARTHEST)
        return 0.5 * z * z + ops.log(deviation) + 0.5 * log(2 * pi)

    return make_loss(negative_log, "gaussian")


def spreads(outputs: np.ndarray) -> np.ndarray:
    """Return the distances of the 10 and 90 % quantiles; see :attr:`~forecaster.losses.card.LossCard.spreads`."""
    import numpy as np

    return np.repeat(Z_80 * outputs[:, :, 1:2], 2, axis=2)


LOSSES = {"gaussian": LossCard(gaussian, outputs=2, finish=finish_spreads, spreads=spreads, is_likelihood=True)}
