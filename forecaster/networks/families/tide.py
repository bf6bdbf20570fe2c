"""TiDE: a dense encoder of the window and a dense decoder of each step.

Das et al. 2023 (arXiv:2304.08424, section 4): covariates of each step are projected to few numbers; window, covariates
and static numbers are encoded by residual blocks and decoded to a vector for each step, which a last block, shared by
all steps, reads beside the covariates of that step; a linear forecast from the window is added. Its Dense layers take
the place of hidden ones of the paper: ``units`` are those of the encoder's blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.networks.blocks import apply_dropout, dense_layer, normalize
from forecaster.networks.heads import head_initializer

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes

#: Numbers that the covariates of a step are projected to, and length of the vector that a step is decoded to.
PROJECTED, DECODED = 4, 8


def tide(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``; everything is read."""
    import keras

    last, window = config.units[-1], keras.layers.Flatten(name="flat_window")(read.window)
    parts = [window] if read.context is None else [window, read.context]
    if shapes.channels > 1:
        past = _block(config, read.sequence[:, :, 1:], config.units[0], PROJECTED, "past_numbers")
        parts.append(keras.layers.Flatten(name="flat_past")(past))
    future = None if read.future is None else _block(config, read.future, config.units[0], PROJECTED, "future_numbers")
    if future is not None:
        parts.append(keras.layers.Flatten(name="flat_future")(future))
    x = keras.layers.Concatenate(name="read")(parts) if len(parts) > 1 else window
    for number, units in enumerate(config.units, 1):
        x = _block(config, x, units, units, f"encoder_{number}")
    x = _block(config, x, last, shapes.steps * DECODED, "decoder")
    x = keras.layers.Reshape((shapes.steps, DECODED), name="decoded")(x)
    if future is not None:
        x = keras.layers.Concatenate(name="decoded_and_future")([x, future])
    initializer = head_initializer(config)
    steps = _residual(config, x, last, shapes.outputs, "head", initializer)
    linear = keras.layers.Dense(
        shapes.steps * shapes.outputs, use_bias=False, kernel_initializer=initializer, name="linear"
    )(window)
    linear = keras.layers.Reshape((shapes.steps, shapes.outputs), name="linear_steps")(linear)
    return keras.layers.Add(name="forecast")([steps, linear])


def _block(config: Config, x: Any, hidden: int, units: int, name: str) -> Any:
    """Return a residual block of ``x``, ``(..., units)``: with Dropout, and normalised where that is asked for."""
    return normalize(_residual(config, x, hidden, units, name, "glorot_uniform"), config, f"{name}_norm")


def _residual(config: Config, x: Any, hidden: int, units: int, name: str, initializer: str) -> Any:
    """Return one hidden layer beside a linear way past it, ``(..., units)`` (figure 1 of the paper, right)."""
    import keras

    y = dense_layer(config, hidden, f"{name}_hidden")(x)
    y = dense_layer(config, units, f"{name}_out", activation=None, kernel_initializer=initializer)(y)
    past_it = dense_layer(
        config, units, f"{name}_skip", activation=None, use_bias=False, kernel_initializer=initializer
    )(x)
    return keras.layers.Add(name=name)([apply_dropout(y, config, f"{name}_dropout"), past_it])
