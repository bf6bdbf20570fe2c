"""The likelihood of a Laplace distribution, which outliers move less than a normal one."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from forecaster.losses.card import FARTHEST, LossCard, finish_spreads, make_loss

if TYPE_CHECKING:
    import keras
    import numpy as np


def laplace() -> keras.losses.Loss:
    """Return the negative log-likelihood of a Laplace distribution; outputs are its median and scale.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[[0.0, 1.0], [3.0, 1.0]]], "float32")
        >>> round(float(laplace()(np.array([[[1.0], [3.0]]], "float32"), outputs)), 4)
        1.1931
    """
    from keras import ops

    def negative_log(target: Any, outputs: Any) -> Any:
        median, scale = outputs[..., 0], outputs[..., 1]
        return ops.minimum(ops.abs(target[..., 0] - median) / scale, FARTHEST) + ops.log(2 * scale)

    return make_loss(negative_log, "laplace")


def spreads(outputs: np.ndarray) -> np.ndarray:
    """Return the distances of the 10 and 90 % quantiles; see :attr:`~forecaster.losses.card.LossCard.spreads`."""
    import numpy as np

    return np.repeat(log(5) * outputs[:, :, 1:2], 2, axis=2)


LOSSES = {"laplace": LossCard(laplace, outputs=2, finish=finish_spreads, spreads=spreads, is_likelihood=True)}
