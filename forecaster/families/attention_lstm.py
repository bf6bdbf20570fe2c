"""LSTM with attention pooling: the head reads a weighted mean of the LSTM outputs of all segments, and the last one.

Additive scores of Bahdanau et al. 2015 (arXiv:1409.0473, equation 6 and appendix A.1.2), queried by the last output
instead of a decoder: ``e_t = v tanh(W h_T + U h_t)``, ``a = softmax(e)``, ``c = sum_t a_t h_t``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import concatenate_optional, count_projection, projected_segments, segments_shape
from forecaster.families.family import Family
from forecaster.families.heads import count_dense_head, dense_head
from forecaster.families.recurrent import count_stack, encode_stack

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


def attention_lstm(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    outputs, _ = encode_stack("LSTM", config, projected_segments(config, shapes, read), sequences=True)
    last, units = outputs[:, -1], config.units[-1]
    if outputs.shape[1] == 1:
        return dense_head(config, shapes, read, last)
    query = keras.layers.Dense(units, name="query")(last)
    keys = keras.layers.Dense(units, use_bias=False, name="keys")(outputs)
    pooled = _attend(query, keys, outputs)
    return dense_head(config, shapes, read, concatenate_optional(pooled, last, "pooled_and_last"))


def _attend(query: Any, keys: Any, values: Any) -> Any:
    """Return the mean of the values weighted by additive scores, ``(batch, units)``.

    Args:
        query: ``(batch, n)``.
        keys: ``(batch, segments, n)``.
        values: ``(batch, segments, units)``.
    """
    import keras

    query = keras.layers.RepeatVector(keys.shape[1], name="queries")(query)
    both = keras.layers.Activation("tanh", name="matches")(keras.layers.Add(name="query_and_keys")([query, keys]))
    scores = keras.layers.Dense(1, use_bias=False, name="scores")(both)
    shares = keras.layers.Softmax(axis=1, name="shares")(scores)
    pooled = keras.layers.Dot(axes=1, name="pooled")([shares, values])
    return keras.layers.Flatten(name="flat_pooled")(pooled)


def attention_lstm_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`attention_lstm`."""
    segments, _ = segments_shape(config, shapes)
    projection, numbers = count_projection(config, shapes)
    stack, state = count_stack("LSTM", config, numbers)
    if segments == 1:
        return projection + stack + count_dense_head(config, shapes, state)
    scores = 2 * state * config.units[-1]
    return projection + stack + scores + count_dense_head(config, shapes, 2 * state)


FAMILIES = {
    "attention-lstm": Family(
        "stacked LSTM, its outputs pooled by attention",
        attention_lstm,
        attention_lstm_weights,
        kept=(13, 5),
        unread=("head",),
    ),
}
