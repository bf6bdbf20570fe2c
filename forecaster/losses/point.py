"""Losses of the point forecast alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecaster.losses.card import LossCard

if TYPE_CHECKING:
    import keras


def mse() -> keras.losses.Loss:
    """Return the mean squared error: it forecasts the mean, or the median where logarithms are learned.

    Example:
        >>> import numpy as np
        >>> float(mse()(np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 1))))
        5.0
    """
    import keras

    return keras.losses.MeanSquaredError(name="mse")


def mae() -> keras.losses.Loss:
    """Return the mean absolute error: it forecasts the median, which outliers move little.

    Example:
        >>> import numpy as np
        >>> float(mae()(np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 1))))
        2.0
    """
    import keras

    return keras.losses.MeanAbsoluteError(name="mae")


def huber() -> keras.losses.Loss:
    """Return the loss of Huber (1964): squared up to one deviation of the series, absolute beyond.

    Example:
        >>> import numpy as np
        >>> float(huber()(np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 1))))
        1.5
    """
    import keras

    return keras.losses.Huber(delta=1.0, name="huber")


def log_cosh() -> keras.losses.Loss:
    """Return ``log(cosh(error))``: about squared for small errors, absolute for large ones.

    Example:
        >>> import numpy as np
        >>> round(float(log_cosh()(np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 1)))), 4)
        1.3716
    """
    import keras

    return keras.losses.LogCosh(name="log_cosh")


LOSSES = {"mse": LossCard(mse), "mae": LossCard(mae), "huber": LossCard(huber), "log_cosh": LossCard(log_cosh)}
