"""The pretrained network: LSTMs that read a window and write, step by step, how far to trust which simple forecast.

Two LSTM layers read the window in patches, the whole of it and its newest rows; a third decodes the steps ahead from
their states (Sutskever et al. 2014, arXiv:1409.3215). Weighing forecasts by features of a series is FFORMA
(Montero-Manso et al. 2020, International Journal of Forecasting 36(1)); here the weights may differ from step to step,
and a correction and quantiles are added. Before training it gives the blend of the simple forecasts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.pretrained.inputs import LONGEST, POWER, SHAPES
from forecaster.pretrained.simple import NAMES

if TYPE_CHECKING:
    import keras

#: Quantiles that it forecasts, the median in the middle.
QUANTILES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
MIDDLE = len(QUANTILES) // 2
#: Numbers of a step of its output: distances of the quantiles from the blend in its errors, the trust in each simple
#: forecast, the correction of what they come to.
OUTPUTS = len(QUANTILES) + len(NAMES) + 1
#: Distances between neighbouring quantiles, outwards, of a normal error of mean size one.
NORMAL = (0.31, 0.34, 0.39, 0.55, 0.46, 0.39)


def build_pretrained(units: int = 128, width: int = 96, steps: int | None = LONGEST) -> keras.Model:
    """Return the network, untrained: ``(windows, steps, OUTPUTS)`` from the inputs of :data:`.inputs.SHAPES`.

    Args:
        units: of the LSTM layers that read.
        width: of the LSTM layer that writes, and of the dense layers of each step.
        steps: steps decoded; None for any, as in training.
    """
    import keras
    from keras import layers, ops

    from forecaster.config import Config
    from forecaster.families.recurrent import recurrent_layer

    config = Config.of(dropout=0.0)
    shapes = {**SHAPES, "future": (steps, SHAPES["future"][1])}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    dense = partial(layers.Dense, activation="silu")
    read: list[Any] = [dense(units, name="facts")(inputs["static"])]
    for name in ("past", "near"):
        patches = dense(width, name=f"{name}_patches")(inputs[name])
        read.append(recurrent_layer("LSTM", config, units, f"{name}_read")(patches))
    state = dense(units, name="join")(layers.Concatenate(name="all_read")(read))
    state = dense(units, name="state")(state)
    ahead = layers.Dense(width, name="steps")(inputs["future"])
    ahead = layers.Activation("silu", name="steps_of_window")(
        ahead + ops.expand_dims(layers.Dense(width, name="window_to_steps")(state), 1)
    )
    start = [layers.Dense(width, "tanh", name="output_start")(state), layers.Dense(width, name="cell_start")(state)]
    written = recurrent_layer("LSTM", config, width, "write", return_sequences=True)(ahead, initial_state=start)
    written = dense(width, name="written")(layers.Concatenate(name="written_and_steps")([written, ahead]))
    outputs = _outputs(written, inputs["prior"], inputs["future"])
    return keras.Model(inputs, outputs, name="pretrained")


def _outputs(written: Any, prior: Any, future: Any) -> Any:
    """Return quantiles, trust and correction of each step."""
    from keras import initializers, layers, ops

    zeros = partial(layers.Dense, kernel_initializer="zeros")
    logits = zeros(len(NAMES), name="trust")(written) + POWER * ops.expand_dims(prior, 1)
    trust = ops.softmax(logits)
    correction = zeros(1, name="correction")(written)
    curved = future[:, :, : len(NAMES)]
    gaps = (ops.exp(curved) - ops.exp(-curved)) / 2
    middle = ops.sum(trust * gaps, axis=-1, keepdims=True) + correction
    scale = ops.exp(ops.clip(zeros(1, name="scale")(written), -5.0, 5.0))
    first = initializers.Constant(np.log(np.expm1(np.array(NORMAL + NORMAL))).tolist())
    widths = ops.softplus(zeros(2 * MIDDLE, bias_initializer=first, name="widths")(written)) * scale
    above = ops.cumsum(widths[:, :, :MIDDLE], axis=-1)
    below = ops.flip(ops.cumsum(widths[:, :, MIDDLE:], axis=-1), axis=-1)
    return ops.concatenate([middle - below, middle, middle + above, trust, correction], axis=-1)
