"""Recurrent networks: stacked LSTM, GRU or simple RNN, read step by step or segment by segment.

``segments -> (recurrent -> norm -> Dropout) per layer -> head``; in the frame of :mod:`forecaster.networks.assembly`,
with ``window_norm="none"``, ``segment=1`` and ``base="none"``, what is left is the textbook ``LSTM -> Dropout ->
Dense``.

LSTM: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), with the forget gate of Gers et al. 2000. GRU: Cho et al.
2014, arXiv:1406.1078, section 2.3. Simple RNN: Elman 1990, Cognitive Science 14(2). Both directions: Schuster & Paliwal
1997, IEEE Transactions on Signal Processing 45(11). Segments and parallel decoding: Lin et al. 2023 (SegRNN,
arXiv:2308.11200, sections 3.2 and 3.3), which is the GRU with ``head="segments"``.

What is known of a series as a whole lies beside each segment and beside the head's input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.networks.blocks import concatenate_optional, projected_segments, regularize, weight_penalty
from forecaster.networks.heads import decoder_inputs, dense_head, segments_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes


def recurrent(cell: str, config: Config, shapes: Shapes, read: Read, **fixed: Any) -> Any:
    """Return the forecast of a recurrent network, ``(batch, steps, outputs)``.

    Args:
        cell: ``LSTM``, ``GRU`` or ``SimpleRNN``.
        config: the ``network`` group is read.
        shapes: what the network must fit.
        read: what it reads: everything.
        fixed: settings that make the family what it is.
    """
    config = config.replace(**fixed)
    return over_segments(cell, config, shapes, read, projected_segments(config, shapes, read))


def over_segments(cell: str, config: Config, shapes: Shapes, read: Read, x: Any) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``, of recurrent layers over ``(batch, segments, units)``."""
    if config.head == "segments":
        return _decoded_in_parallel(cell, config, shapes, read, x)
    return dense_head(config, shapes, read, encode_stack(cell, config, x)[0])


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
    """Return the output of a stack of recurrent layers, and the last layer's state where it is asked for.

    Args:
        cell: ``LSTM``, ``GRU`` or ``SimpleRNN``.
        config: the ``network`` group is read.
        x: ``(batch, segments, numbers)``.
        sequences: the output after each segment, ``(batch, segments, units)``, instead of the last, ``(batch, units)``.
        state: return the state as well, each part ``(batch, units)``; the output is then neither normalised nor
            dropped, as the state is not.
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
            return x[0], _joined(x[1:], config.bidirectional)
        x = regularize(x, config, number)
    return x, []


def _joined(states: list[Any], bidirectional: bool) -> list[Any]:
    """Return the states of one layer; those of the two directions joined, each ``(batch, 2 * units)``."""
    import keras

    if not bidirectional:
        return list(states)
    half = len(states) // 2
    return [keras.layers.Concatenate()([f, b]) for f, b in zip(states[:half], states[half:], strict=True)]


def _decoded_in_parallel(cell: str, config: Config, shapes: Shapes, read: Read, x: Any) -> Any:
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
