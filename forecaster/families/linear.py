"""DLinear and NLinear: every step is linear in the window.

Zeng et al. 2023 (arXiv:2205.13504, section 4). DLinear parts the window into a moving mean and the rest; NLinear takes
off the last value and adds it again. Calendar and known covariates of the steps ahead and static numbers enter
linearly. Covariates known until the cutoff only, and the indicator of missing readings, are not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import concatenate_optional
from forecaster.families.family import RECURRENT, Core, Family
from forecaster.families.heads import count_linear_head, linear_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

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
    """Return the forecast, ``(batch, steps, outputs)``; a base takes the place of the last value."""
    import keras

    last = read.window[:, -1:]
    moved = keras.layers.Flatten(name="moved")(read.window - last)
    found = linear_head(config, shapes, concatenate_optional(moved, read.context, "moved_and_context"), read.future)
    if config.base != "none":
        return found
    point = keras.layers.Add(name="with_last")([last, found[:, :, :1]])
    return keras.layers.Concatenate(name="outputs")([point, found[:, :, 1:]]) if shapes.outputs > 1 else point


def _moving_mean(window: Any) -> Any:
    """Return the centred mean of each step, ``(batch, lookback, 1)``, repeating the ends of the window."""
    import keras
    from keras import ops

    half = KERNEL // 2
    first, last = (ops.repeat(value, half, axis=1) for value in (window[:, :1], window[:, -1:]))
    longer = keras.layers.Concatenate(axis=1, name="longer")([first, window, last])
    return keras.layers.AveragePooling1D(KERNEL, strides=1, padding="valid", name="trend")(longer)


def dlinear_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`dlinear`."""
    return count_linear_head(shapes, 2 * shapes.lookback + shapes.static)


def nlinear_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`nlinear`."""
    return count_linear_head(shapes, shapes.lookback + shapes.static)


def _family(name: str, core: Core, weights: Callable[[Config, Shapes], int]) -> Family:
    return Family(
        f"{name}: linear; no past covariates, no masks; loses as tide",
        core,
        weights,
        kept=(0, 0),
        unread=(*RECURRENT, "head", "segment", "units", "dropout", "layer_norm", "l1", "l2"),
        supports_gate=False,
    )


FAMILIES = {
    "dlinear": _family("DLinear", dlinear, dlinear_weights),
    "nlinear": _family("NLinear", nlinear, nlinear_weights),
}
