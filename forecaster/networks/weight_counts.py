"""About how many weights a network has, told from its settings, without Keras.

What is left out is small beside the rest: biases, normalisation, static numbers, and what
:mod:`forecaster.networks.assembly` adds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from forecaster.networks.assembly import gates_of
from forecaster.networks.blocks import segment_of
from forecaster.networks.factory import NETWORKS
from forecaster.networks.families import nbeats, nhits
from forecaster.networks.families.cnn_lstm import KERNEL, POOL
from forecaster.networks.families.tcn import KERNEL as TCN_KERNEL
from forecaster.networks.families.tcn import widths
from forecaster.networks.families.tide import DECODED, PROJECTED
from forecaster.networks.families.transformer import HEADS
from forecaster.networks.heads import output_segments

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Shapes

#: Gates of a recurrent cell, each with weights of its own; LSTM where a network is not named.
GATES = {"gru": 3, "segrnn": 3, "rnn": 1}
#: Numbers that a network with ``base="gate"`` is told of a window, beside one for each simple forecast.
CHANGES = 2


def weights_of(config: Config, shapes: Shapes) -> int:
    """Return about how many weights a network has.

    Args:
        config: its settings.
        shapes: what it must fit.
    """
    gates = gates_of(config, shapes) if NETWORKS[config.network].gates else 0
    static = CHANGES + gates if gates else 0
    own = replace(shapes, outputs=shapes.outputs + gates, static=shapes.static + static)
    return _COUNTED.get(config.network, _recurrent)(config, own)


def _head(config: Config, shapes: Shapes, state: int) -> int:
    """Count :func:`forecaster.networks.heads.dense_head`."""
    state += shapes.static
    each_step = config.units[-1] * (state + shapes.features + shapes.outputs) if shapes.known else 0
    return each_step + _linear(shapes, state)


def _linear(shapes: Shapes, state: int) -> int:
    """Count :func:`forecaster.networks.heads.linear_head`."""
    return (state + shapes.steps * shapes.features) * shapes.steps * shapes.outputs


def _read(config: Config, shapes: Shapes) -> tuple[int, int]:
    """Return how many segments a window has, and the numbers of each."""
    segment = segment_of(config, shapes)
    return shapes.lookback // segment, segment * shapes.channels + shapes.static


def _recurrent(config: Config, shapes: Shapes) -> int:
    """Count what is projected, the recurrent layers, attention, and a head or a decoder."""
    name, first, segment = config.network, config.units[0], segment_of(config, shapes)
    (count, read), gates, ways = (
        _read(config, shapes),
        GATES.get(name, 4),
        1 + (config.bidirectional or name == "bilstm"),
    )
    found, below = (read * first, first) if segment > 1 else (0, read)
    if name == "cnn-lstm":
        pooled = -(-segment // POOL) * first + shapes.static
        found, below = (KERNEL * shapes.channels + pooled) * first, first
    for units in config.units:
        found, below = found + ways * gates * units * (below + units), ways * units
    if name == "attention-lstm" and count > 1:
        return found + 2 * below * config.units[-1] + _head(config, shapes, 2 * below)
    if config.head == "dense" and name not in ("segrnn", "encoder-decoder"):
        return found + _head(config, shapes, below)
    written, length = output_segments(config, shapes)
    found += written * below + gates * below * (2 * below + length * shapes.features)
    if name == "encoder-decoder" and count > 1:
        found += 3 * below * below
    return found + (below + shapes.static) * length * shapes.outputs


def _transformer(config: Config, shapes: Shapes) -> int:
    (count, read), width = _read(config, shapes), config.units[0]
    attention = 4 * width * HEADS * max(1, width // HEADS)
    layers = sum(attention + 4 * width * units for units in config.units)
    return (read + count) * width + layers + _head(config, shapes, count * width)


def _tcn(config: Config, shapes: Shapes) -> int:
    count, read = _read(config, shapes)
    pairs = pairwise((read, *widths(config.units, count)))
    blocks = sum(TCN_KERNEL * (below + units) * units + (below != units) * below * units for below, units in pairs)
    return blocks + _head(config, shapes, config.units[-1])


def _blocks(blocks: tuple[nbeats.Block, ...]) -> Callable[[Config, Shapes], int]:
    def count(config: Config, shapes: Shapes) -> int:
        first, covariates = config.units[0], shapes.lookback * (shapes.channels - 1) + shapes.steps * shapes.features
        found = (shapes.static + covariates) * first
        for number, block in enumerate(blocks, 1):
            read = -(-shapes.lookback // block.pool) + (first if found else 0)
            forecast = -(-shapes.steps // block.every) * shapes.outputs
            backcast = -(-shapes.lookback // block.every) if number < len(blocks) else 0
            found += sum(below * units for below, units in pairwise((read, *config.units, forecast + backcast)))
        return found

    return count


def _tide(config: Config, shapes: Shapes) -> int:
    def block(below: int, hidden: int, units: int) -> int:
        return below * hidden + hidden * units + below * units

    first, last, steps = config.units[0], config.units[-1], shapes.steps
    past, ahead = ((PROJECTED if n else 0) for n in (shapes.channels - 1, shapes.features))
    found = block(shapes.channels - 1, first, past) + block(shapes.features, first, ahead)
    read = shapes.lookback * (1 + past) + steps * ahead + shapes.static
    found += sum(block(below, units, units) for below, units in pairwise((read, *config.units)))
    found += block(last, last, steps * DECODED) + block(DECODED + ahead, last, shapes.outputs)
    return found + shapes.lookback * steps * shapes.outputs


_COUNTED: dict[str, Callable[[Config, Shapes], int]] = {
    "transformer": _transformer,
    "tcn": _tcn,
    "nbeats": _blocks(nbeats.BLOCKS),
    "nhits": _blocks(nhits.BLOCKS),
    "tide": _tide,
    "dlinear": lambda config, shapes: _linear(shapes, 2 * shapes.lookback + shapes.static),
    "nlinear": lambda config, shapes: _linear(shapes, shapes.lookback + shapes.static),
}
