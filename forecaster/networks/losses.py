"""Losses: one function and one entry in the table each. Keras is imported inside, because it is slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


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


#: Keys are the choices of ``Config.loss``. Each takes targets and outputs ``(batch, steps, 1)``.
LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {"mse": mse, "mae": mae, "huber": huber, "log_cosh": log_cosh}
