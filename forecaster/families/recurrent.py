"""Recurrent networks: stacked LSTM, GRU or simple RNN, read step by step or segment by segment.

``segments -> (recurrent -> norm -> Dropout) per layer -> head``; with ``window_norm="none"``, ``segment=1`` and
``base="none"`` that is the textbook ``LSTM -> Dropout -> Dense``.

LSTM: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), with the forget gate of Gers et al. 2000. GRU: Cho et al.
2014, arXiv:1406.1078, section 2.3. Simple RNN: Elman 1990, Cognitive Science 14(2). Both directions: Schuster & Paliwal
1997, IEEE Transactions on Signal Processing 45(11). Segments and parallel decoding: Lin et al. 2023 (SegRNN,
arXiv:2308.11200, sections 3.2 and 3.3), which is the GRU with ``head="segments"``.

Static numbers of the series are appended to each segment and to the input of the head.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import (
    concatenate_optional,
    count_projection,
    projected_segments,
    regularize,
    weight_penalty,
)
from forecaster.families.family import Family
from forecaster.families.heads import count_dense_head, decoder_inputs, dense_head, output_segments, segments_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Weight matrices of a cell: its gates and its candidate state.
MATRICES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


def recurrent(cell: str, config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast of a recurrent network, ``(batch, steps, outputs)``.

    Args:
        cell: ``LSTM``, ``GRU`` or ``SimpleRNN``.
        config: the ``network`` group is read.
        shapes: the shapes of the network.
        read: everything in it is used.
    """
    return forecast_segments(cell, config, shapes, read, projected_segments(config, shapes, read))


def recurrent_weights(cell: str, config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`recurrent`."""
    projection, numbers = count_projection(config, shapes)
    return projection + count_forecast(cell, config, shapes, numbers)


def forecast_segments(cell: str, config: Config, shapes: Shapes, read: Read, x: Any) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``, of recurrent layers over ``(batch, segments, units)``."""
    if config.head == "segments":
        return _decode_in_parallel(cell, config, shapes, read, x)
    return dense_head(config, shapes, read, encode_stack(cell, config, x)[0])


def count_forecast(cell: str, config: Config, shapes: Shapes, numbers: int) -> int:
    """Return the weights of :func:`forecast_segments` over segments of ``numbers`` each."""
    stack, state = count_stack(cell, config, numbers)
    if config.head == "segments":
        return stack + count_decoder(cell, config, shapes, state)
    return stack + count_dense_head(config, shapes, state)


def recurrent_layer(cell: str, config: Config, units: int, name: str, **options: Any) -> Any:
    """Return one recurrent layer."""
    import keras

    weights = weight_penalty(config)
    return getattr(keras.layers, cell)(
        units,
        activation=config.activation,
        recurrent_dropout=config.recurrent_dropout,
        kernel_regularizer=weights,
        recurrent_regularizer=weights,
        name=name,
        **options,
    )


def encode_stack(
    cell: str, config: Config, x: Any, *, sequences: bool = False, state: bool = False
) -> tuple[Any, list[Any]]:
    """Return the output of a stack of recurrent layers, and the state of the last one if ``state`` is set.

    Args:
        cell: ``LSTM``, ``GRU`` or ``SimpleRNN``.
        config: the ``network`` group is read.
        x: ``(batch, segments, numbers)``.
        sequences: return the output after each segment, ``(batch, segments, units)``, instead of the last,
            ``(batch, units)``.
        state: return the state too, each part ``(batch, units)``; like the state, the output is then neither
            normalised nor dropped.
    """
    import keras

    for number, units in enumerate(config.units, 1):
        last = number == len(config.units)
        layer = recurrent_layer(
            cell,
            config,
            units,
            f"recurrent_{number}",
            return_sequences=sequences or not last,
            return_state=last and state,
        )
        if config.bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
        x = layer(x)
        if last and state:
            return x[0], _join_directions(x[1:], config.bidirectional)
        x = regularize(x, config, number)
    return x, []


def count_stack(cell: str, config: Config, numbers: int) -> tuple[int, int]:
    """Return the weights of :func:`encode_stack` over segments of ``numbers`` each, and the units of its state."""
    weights, ways = 0, 2 if config.bidirectional else 1
    for units in config.units:
        weights += ways * MATRICES[cell] * units * (numbers + units)
        numbers = ways * units
    return weights, numbers


def count_decoder(cell: str, config: Config, shapes: Shapes, state: int) -> int:
    """Return the weights of a cell that decodes output segments from a state, with their places and their head."""
    segments, length = output_segments(config, shapes)
    decoder = MATRICES[cell] * state * (2 * state + length * shapes.features)
    return segments * state + decoder + (state + shapes.static) * length * shapes.outputs


def _join_directions(states: list[Any], bidirectional: bool) -> list[Any]:
    """Return the states of one layer; those of both directions concatenated, each ``(batch, 2 * units)``."""
    import keras

    if not bidirectional:
        return list(states)
    half = len(states) // 2
    return [keras.layers.Concatenate()([f, b]) for f, b in zip(states[:half], states[half:], strict=True)]


def _decode_in_parallel(cell: str, config: Config, shapes: Shapes, read: Read, x: Any) -> Any:
    """Return all steps, ``(batch, steps, outputs)``, by decoding the output segments in parallel from the last state.

    Parallel multi-step forecasting of Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.3): every output segment is
    one step of a recurrent cell from the encoder's last state, told apart by a positional embedding.
    """
    import keras
    from keras import ops

    last, states = encode_stack(cell, config, x, state=True)
    inputs, units = decoder_inputs(config, shapes, read, last), int(last.shape[-1])
    count = int(inputs.shape[1])
    inputs = ops.reshape(inputs, (-1, 1, inputs.shape[-1]))
    states = [ops.reshape(ops.repeat(s[:, None], count, axis=1), (-1, units)) for s in states]
    decoded = recurrent_layer(cell, config, units, "decoder")(inputs, initial_state=states)
    decoded = regularize(decoded, config, len(config.units))
    if read.context is not None:
        context = keras.layers.RepeatVector(count, name="context_of_outputs")(read.context)
        decoded = concatenate_optional(decoded, ops.reshape(context, (-1, read.context.shape[-1])), "state_and_context")
    return segments_head(config, shapes, decoded)


def _family(cell: str, says: str, kept: tuple[float, float], fixed: dict[str, Any] | None = None) -> Family:
    core, weights, fixed = partial(recurrent, cell), partial(recurrent_weights, cell), fixed or {}
    return Family(says, core, weights, kept, fixed=fixed, unread=tuple(fixed))


FAMILIES = {
    "lstm": _family("LSTM", "stacked LSTM", kept=(11, 4)),
    "gru": _family("GRU", "stacked GRU", kept=(11, 4)),
    "rnn": _family("SimpleRNN", "stacked simple recurrent layers", kept=(5, 2.5)),
    "bilstm": _family("LSTM", "stacked LSTM that reads both ways", kept=(11, 4), fixed={"bidirectional": True}),
    "segrnn": _family("GRU", "SegRNN: GRU, parallel decoding", kept=(11, 4), fixed={"head": "segments"}),
}
