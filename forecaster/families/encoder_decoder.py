"""Encoder and decoder with attention.

An LSTM stack reads the window; another LSTM, from its state, writes the output segments one after another (Sutskever et
al. 2014, arXiv:1409.3215), and each looks back at all outputs of the encoder with the attention of Luong et al. 2015
(arXiv:1508.04025, section 3.1: score "general", equations 5 to 8). The decoder reads the place and the future features
of each output segment, not its own forecast of the segment before: training and forecasting are the same computation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import (
    apply_dropout,
    concatenate_optional,
    count_projection,
    projected_segments,
    regularize,
    segments_shape,
)
from forecaster.families.family import Family
from forecaster.families.heads import decoder_inputs, segments_head
from forecaster.families.recurrent import count_decoder, count_stack, encode_stack, recurrent_layer

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


def encoder_decoder(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    segments = projected_segments(config, shapes, read)
    outputs, states = encode_stack("LSTM", config, segments, sequences=True, state=True)
    units, number = int(outputs.shape[-1]), len(config.units)
    inputs = decoder_inputs(config, shapes, read, states[0])
    if read.context is not None:
        context = keras.layers.RepeatVector(inputs.shape[1], name="context_of_outputs")(read.context)
        inputs = concatenate_optional(inputs, context, "inputs_and_context")
    decoder = recurrent_layer("LSTM", config, units, "decoder", return_sequences=True)
    decoded = regularize(decoder(inputs, initial_state=states), config, number)
    if outputs.shape[1] > 1:
        queries = keras.layers.Dense(units, use_bias=False, name="queries")(decoded)
        seen = keras.layers.Attention(name="attention")([queries, outputs])
        attentional = keras.layers.Dense(units, activation="tanh", use_bias=False, name="attentional")
        decoded = apply_dropout(
            attentional(concatenate_optional(seen, decoded, "seen_and_decoded")), config, "dropout_attentional"
        )
    return segments_head(config, shapes, decoded)


def encoder_decoder_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`encoder_decoder`."""
    segments, _ = segments_shape(config, shapes)
    projection, numbers = count_projection(config, shapes)
    encoder, state = count_stack("LSTM", config, numbers)
    attention = 3 * state * state if segments > 1 else 0
    return projection + encoder + attention + count_decoder("LSTM", config, shapes, state)


FAMILIES = {
    "encoder-decoder": Family(
        "LSTM that reads, LSTM that writes, attention",
        encoder_decoder,
        encoder_decoder_weights,
        kept=(13, 4.5),
        unread=("head",),
    ),
}
