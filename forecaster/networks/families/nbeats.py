"""N-BEATS: blocks of Dense layers, each of which explains a part of the window and forecasts from it.

Oreshkin et al. 2020 (arXiv:1905.10437, sections 3.1 to 3.3), the generic architecture: each block takes its backcast
off what the next one reads, and the forecasts of all are added. Covariates, the calendar and the indicator are read
beside the window, as in NBEATSx (Olivares et al. 2023, arXiv:2104.05522), here through one Dense layer that all blocks
share. ``units`` are the Dense layers of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.networks.blocks import concatenate_optional, dense_layer, regularize
from forecaster.networks.heads import head_initializer

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        pool: steps of the window of which the largest value is read.
        every: steps from one number that the block forecasts to the next; those between are interpolated.
    """

    pool: int = 1
    every: int = 1


#: Blocks of N-BEATS.
BLOCKS = (Block(),) * 4


def nbeats(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``; everything is read."""
    return doubly_residual(BLOCKS, config, shapes, read)


def doubly_residual(blocks: Sequence[Block], config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the sum of the forecasts of blocks, ``(batch, steps, outputs)``, each from what those before it left."""
    import keras

    left, covariates, forecasts = read.window, _covariates(config, shapes, read), []
    for number, block in enumerate(blocks, 1):
        x = _hidden(
            config, concatenate_optional(_pooled(left, block.pool, number), covariates, f"read_{number}"), number
        )
        knots = _knots(shapes.steps, block)
        head = keras.layers.Dense(
            knots * shapes.outputs, kernel_initializer=head_initializer(config), name=f"head_{number}"
        )
        found = keras.layers.Reshape((knots, shapes.outputs), name=f"knots_{number}")(head(x))
        forecasts.append(_interpolated(found, shapes.steps))
        if number < len(blocks):
            back = keras.layers.Dense(_knots(shapes.lookback, block), name=f"backcast_{number}")(x)
            back = keras.layers.Reshape((back.shape[-1], 1), name=f"back_knots_{number}")(back)
            explained = _interpolated(back, shapes.lookback)
            left = keras.layers.Subtract(name=f"left_{number}")([left, explained])
    return keras.layers.Add(name="forecast")(forecasts) if len(forecasts) > 1 else forecasts[0]


def _covariates(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return what the blocks read beside the target, ``(batch, units)``; None where there is nothing."""
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


def _pooled(window: Any, pool: int, number: int) -> Any:
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


def _interpolated(knots: Any, steps: int) -> Any:
    """Return the steps, ``(batch, steps, outputs)``, on straight lines between ``(batch, knots, outputs)``."""
    from keras import ops

    count = int(knots.shape[1])
    return knots if count == steps else ops.matmul(interpolation(count, steps), knots)


def interpolation(knots: int, steps: int) -> np.ndarray:
    """Return the matrix, ``(steps, knots)``, that lays steps on straight lines between knots.

    Knots lie at equal distances, the first on the first step and the last on the last; one alone is a level.
    """
    places = np.linspace(0, knots - 1, steps)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(knots))).astype(np.float32)
