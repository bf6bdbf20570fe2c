"""Temporal convolutional network: residual blocks of causal convolutions, whose reach doubles from block to block.

Bai, Kolter & Koltun 2018 (arXiv:1803.01271, sections 3.2 to 3.4), over segments of the window; weight normalisation is
left out. There are as many blocks as it takes to read the whole window, ``units`` wide each; the last width is
repeated.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import dense_layer, regularize, segments_shape, weight_penalty, window_segments
from forecaster.families.family import RECURRENT, Family
from forecaster.families.heads import count_dense_head, dense_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Segments a filter reads, and convolutions in a block.
KERNEL, CONVOLUTIONS = 3, 2


def tcn(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    x = window_segments(read.sequence, read.context, config, shapes)
    for number, units in enumerate(widths(config.units, int(x.shape[1]))):
        x = _block(config, x, units, number)
    return dense_head(config, shapes, read, x[:, -1])


def widths(units: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return the filters of each block; with so many blocks the last output reads ``count`` segments."""
    blocks = len(units)
    while 1 + CONVOLUTIONS * (KERNEL - 1) * (2**blocks - 1) < count:
        blocks += 1
    return units + units[-1:] * (blocks - len(units))


def _block(config: Config, x: Any, units: int, number: int) -> Any:
    """Return ``relu(x + F(x))``, ``(batch, segments, units)``, with filters over every ``2**number``-th segment."""
    import keras

    y = x
    for part in range(CONVOLUTIONS):
        y = keras.layers.Conv1D(
            units,
            KERNEL,
            padding="causal",
            dilation_rate=2**number,
            activation="relu",
            kernel_regularizer=weight_penalty(config),
            name=f"filters_{number}_{part}",
        )(y)
        y = regularize(y, config, f"{number}_{part}")
    if x.shape[-1] != units:
        x = dense_layer(config, units, f"widened_{number}", activation=None)(x)
    return keras.layers.Activation("relu", name=f"block_{number}")(keras.layers.Add(name=f"residual_{number}")([x, y]))


def tcn_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`tcn`."""
    segments, numbers = segments_shape(config, shapes)
    blocks = 0
    for below, units in pairwise((numbers, *widths(config.units, segments))):
        blocks += KERNEL * (below + units) * units + (below * units if below != units else 0)
    return blocks + count_dense_head(config, shapes, config.units[-1])


def tcn_units(config: Config, segments: int, lookback: int) -> float:
    """Return the filters of all blocks over all segments."""
    return segments * sum(widths(config.units, segments))


FAMILIES = {
    "tcn": Family(
        "TCN: residual blocks of dilated causal convolutions",
        tcn,
        tcn_weights,
        kept=(8, 3.5),
        kept_units=tcn_units,
        unread=(*RECURRENT, "head"),
    ),
}
