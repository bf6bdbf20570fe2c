"""TiDE: a dense encoder of the window and a dense decoder of each step.

Das et al. 2023 (arXiv:2304.08424, section 4): covariates of each step are projected to few numbers; window, covariates
and static numbers are encoded by residual blocks and decoded to a vector for each step, which a last block, shared by
all steps, reads with the covariates of that step; a linear forecast from the window is added. ``units`` are the hidden
units of the encoder's blocks.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import apply_dropout, dense_layer, normalize
from forecaster.families.family import RECURRENT, Family
from forecaster.families.heads import head_initializer

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Numbers that the covariates of a step are projected to, and length of the vector that a step is decoded to.
PROJECTED, DECODED = 4, 8


def tide(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
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
    """Return a residual block of ``x``, ``(..., units)``, with Dropout and normalisation of the settings."""
    return normalize(_residual(config, x, hidden, units, name, "glorot_uniform"), config, f"{name}_norm")


def _residual(config: Config, x: Any, hidden: int, units: int, name: str, initializer: str) -> Any:
    """Return a hidden layer with a linear skip connection, ``(..., units)`` (figure 1 of the paper, right)."""
    import keras

    y = dense_layer(config, hidden, f"{name}_hidden")(x)
    y = dense_layer(config, units, f"{name}_out", activation=None, kernel_initializer=initializer)(y)
    skip = dense_layer(config, units, f"{name}_skip", activation=None, use_bias=False, kernel_initializer=initializer)(
        x
    )
    return keras.layers.Add(name=name)([apply_dropout(y, config, f"{name}_dropout"), skip])


def tide_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`tide`."""
    first, last, steps = config.units[0], config.units[-1], shapes.steps
    past, ahead = ((PROJECTED if n else 0) for n in (shapes.channels - 1, shapes.features))
    weights = _residual_weights(shapes.channels - 1, first, past) + _residual_weights(shapes.features, first, ahead)
    read = shapes.lookback * (1 + past) + steps * ahead + shapes.static
    weights += sum(_residual_weights(below, units, units) for below, units in pairwise((read, *config.units)))
    weights += _residual_weights(last, last, steps * DECODED)
    weights += _residual_weights(DECODED + ahead, last, shapes.outputs)
    return weights + shapes.lookback * steps * shapes.outputs


def _residual_weights(below: int, hidden: int, units: int) -> int:
    return below * hidden + hidden * units + below * units


def tide_units(config: Config, segments: int, lookback: int) -> float:
    """Return the hidden units that project the covariates of each step of the window."""
    return lookback * config.units[0]


FAMILIES = {
    "tide": Family(
        "TiDE: dense; loses to seasonal naive on M4 hourly",
        tide,
        tide_weights,
        kept=(6, 5),
        kept_units=tide_units,
        unread=(*RECURRENT, "head", "segment"),
    ),
}
