"""N-BEATS: blocks of Dense layers, each of which explains a part of the window and forecasts from it.

Oreshkin et al. 2020 (arXiv:1905.10437, sections 3.1 to 3.3), the generic architecture: each block takes its backcast
off what the next one reads, and the forecasts of all are added. Covariates, calendar and indicator are read with the
window, as in NBEATSx (Olivares et al. 2023, arXiv:2104.05522), here through one Dense layer shared by all blocks.
``units`` are the Dense layers of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import concatenate_optional, dense_layer, regularize
from forecaster.families.family import RECURRENT, Family
from forecaster.families.heads import head_initializer

if TYPE_CHECKING:
    import numpy as np

    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        pool: steps of the window of which the maximum is read.
        every: steps from one forecast number to the next; those between are interpolated.
    """

    pool: int = 1
    every: int = 1


#: Blocks of N-BEATS.
BLOCKS = (Block(),) * 4


def nbeats(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    return forecast_blocks(BLOCKS, config, shapes, read)


def forecast_blocks(blocks: Sequence[Block], config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the sum of the forecasts of blocks, ``(batch, steps, outputs)``; each reads what is left over."""
    import keras

    left, covariates, forecasts = read.window, _covariates(config, shapes, read), []
    for number, block in enumerate(blocks, 1):
        pooled = _pool_window(left, block.pool, number)
        x = _hidden(config, concatenate_optional(pooled, covariates, f"read_{number}"), number)
        knots = _knots(shapes.steps, block)
        head = keras.layers.Dense(
            knots * shapes.outputs, kernel_initializer=head_initializer(config), name=f"head_{number}"
        )
        found = keras.layers.Reshape((knots, shapes.outputs), name=f"knots_{number}")(head(x))
        forecasts.append(_interpolate(found, shapes.steps))
        if number < len(blocks):
            back = keras.layers.Dense(_knots(shapes.lookback, block), name=f"backcast_{number}")(x)
            back = keras.layers.Reshape((back.shape[-1], 1), name=f"back_knots_{number}")(back)
            explained = _interpolate(back, shapes.lookback)
            left = keras.layers.Subtract(name=f"left_{number}")([left, explained])
    return keras.layers.Add(name="forecast")(forecasts) if len(forecasts) > 1 else forecasts[0]


def _covariates(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the inputs of the blocks in addition to the target, ``(batch, units)``; None if there is nothing."""
    import keras

    parts = [] if read.context is None else [read.context]
    if shapes.channels > 1:
        parts.append(keras.layers.Flatten(name="flat_covariates")(read.sequence[:, :, 1:]))
    if read.future is not None:
        parts.append(keras.layers.Flatten(name="flat_future")(read.future))
    if not parts:
        return None
    parts = [keras.layers.Concatenate(name="with_future")(parts)] if len(parts) > 1 else parts
    return dense_layer(config, config.units[0], "covariates")(parts[0])


def _pool_window(window: Any, pool: int, number: int) -> Any:
    import keras

    if pool > 1:
        window = keras.layers.MaxPooling1D(pool, padding="same", name=f"pool_{number}")(window)
    return keras.layers.Flatten(name=f"window_{number}")(window)


def _hidden(config: Config, x: Any, number: int) -> Any:
    for layer, units in enumerate(config.units, 1):
        x = regularize(dense_layer(config, units, f"hidden_{number}_{layer}")(x), config, f"{number}_{layer}")
    return x


def _knots(steps: int, block: Block) -> int:
    return -(-steps // block.every)


def _interpolate(knots: Any, steps: int) -> Any:
    """Return the steps, ``(batch, steps, outputs)``, on straight lines between ``(batch, knots, outputs)``."""
    from keras import ops

    count = int(knots.shape[1])
    return knots if count == steps else ops.matmul(interpolation(count, steps), knots)


def interpolation(knots: int, steps: int) -> np.ndarray:
    """Return the matrix, ``(steps, knots)``, of linear interpolation from knots to steps.

    Knots lie at equal distances, the first on the first step and the last on the last; a single knot is constant.
    """
    import numpy as np

    places = np.linspace(0, knots - 1, steps)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(knots))).astype(np.float32)


def block_weights(blocks: Sequence[Block], config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`forecast_blocks`."""
    first, covariates = config.units[0], shapes.lookback * (shapes.channels - 1) + shapes.steps * shapes.features
    weights = shared = (shapes.static + covariates) * first
    for number, block in enumerate(blocks, 1):
        read = -(-shapes.lookback // block.pool) + (first if shared else 0)
        forecast = _knots(shapes.steps, block) * shapes.outputs
        backcast = _knots(shapes.lookback, block) if number < len(blocks) else 0
        weights += sum(below * units for below, units in pairwise((read, *config.units, forecast + backcast)))
    return weights


FAMILIES = {
    "nbeats": Family(
        "N-BEATS: dense blocks, each reads what is left over",
        nbeats,
        partial(block_weights, BLOCKS),
        kept=(0, 0),
        unread=(*RECURRENT, "head", "segment"),
    ),
}
