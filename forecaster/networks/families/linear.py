"""DLinear and NLinear: every step is linear in the window.

Zeng et al. 2023 (arXiv:2205.13504, section 4). DLinear parts the window into a moving mean and the rest; NLinear takes
off the last value and adds it again. Calendar and known covariates of the steps to come and static numbers enter
linearly. Covariates known until the cutoff only, and which readings are missing, are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.networks.blocks import concatenate_optional
from forecaster.networks.heads import linear_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes

#: Steps of the moving mean of DLinear, as in the paper; odd.
KERNEL = 25


def dlinear(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    trend = _moving_mean(read.window)
    rest = keras.layers.Subtract(name="rest")([read.window, trend])
    both = keras.layers.Flatten(name="both")(keras.layers.Concatenate(axis=1, name="parts")([trend, rest]))
    return linear_head(config, shapes, concatenate_optional(both, read.context, "parts_and_context"), read.future)


def nlinear(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``; where there is a base, that is what the last value is for."""
    import keras

    last = read.window[:, -1:]
    moved = keras.layers.Flatten(name="moved")(read.window - last)
    found = linear_head(config, shapes, concatenate_optional(moved, read.context, "moved_and_context"), read.future)
    if config.base != "none":
        return found
    point = keras.layers.Add(name="with_last")([last, found[:, :, :1]])
    return keras.layers.Concatenate(name="outputs")([point, found[:, :, 1:]]) if shapes.outputs > 1 else point


def _moving_mean(window: Any) -> Any:
    """Return the mean about each step, ``(batch, lookback, 1)``, as if the ends of the window went on unchanged."""
    import keras
    from keras import ops

    half = KERNEL // 2
    first, last = (ops.repeat(value, half, axis=1) for value in (window[:, :1], window[:, -1:]))
    longer = keras.layers.Concatenate(axis=1, name="longer")([first, window, last])
    return keras.layers.AveragePooling1D(KERNEL, strides=1, padding="valid", name="trend")(longer)
