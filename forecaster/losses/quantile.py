"""The pinball loss of several quantiles at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.losses.card import LossCard, finish_spreads, make_loss

if TYPE_CHECKING:
    import keras
    import numpy as np

#: Quantiles that are learned: ends of the intervals of 95, 80 and 50 %, and the median.
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


def quantile() -> keras.losses.Loss:
    """Return the pinball loss of the quantiles of :data:`QUANTILES`, ``mean_q 2 max(q e, (q - 1) e)``.

    Koenker & Bassett 1978, Regression quantiles, Econometrica 46(1). Twice, so that the median alone would be the mean
    absolute error. Outputs are the median and the distances between neighbours, upwards and then downwards, none
    negative: quantiles never cross.

    Example:
        >>> import numpy as np
        >>> outputs = np.zeros((1, 2, len(QUANTILES)), "float32")  # all quantiles at 0
        >>> float(quantile()(np.array([[[1.0], [3.0]]], "float32"), outputs))
        2.0
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

    return make_loss(pinball, "quantile")


def spreads(outputs: np.ndarray) -> np.ndarray:
    """Return the distances of the 10 and 90 % quantiles; see :attr:`~forecaster.losses.card.LossCard.spreads`."""
    import numpy as np

    half = len(QUANTILES) // 2
    inside = sum(0.5 < q <= 0.9 for q in QUANTILES)
    up, down = outputs[:, :, 1 : 1 + inside].sum(axis=2), outputs[:, :, 1 + half : 1 + half + inside].sum(axis=2)
    return np.stack([down, up], axis=2)


LOSSES = {"quantile": LossCard(quantile, outputs=len(QUANTILES), finish=finish_spreads, spreads=spreads)}
