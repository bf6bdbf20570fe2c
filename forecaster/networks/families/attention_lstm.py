"""LSTM with attention pooling: the head reads a weighted mean of what the LSTM said of all segments, beside the last.

Additive scores of Bahdanau et al. 2015 (arXiv:1409.0473, equation 6 and appendix A.1.2), asked by the last output
instead of a decoder: ``e_t = v tanh(W h_T + U h_t)``, ``a = softmax(e)``, ``c = sum_t a_t h_t``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.networks.blocks import concatenate_optional, projected_segments
from forecaster.networks.families.recurrent import encode_stack
from forecaster.networks.heads import dense_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes


def attention_lstm(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``; everything is read."""
    import keras

    outputs, _ = encode_stack("LSTM", config, projected_segments(config, shapes, read), sequences=True)
    last, units = outputs[:, -1], config.units[-1]
    if outputs.shape[1] == 1:
        return dense_head(config, shapes, read, last)
    query = keras.layers.Dense(units, name="query")(last)
    keys = keras.layers.Dense(units, use_bias=False, name="keys")(outputs)
    return dense_head(
        config, shapes, read, concatenate_optional(_additive(query, keys, outputs), last, "pooled_and_last")
    )


def _additive(query: Any, keys: Any, values: Any) -> Any:
    """Return the values weighted by additive scores, ``(batch, units)``.

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
