"""CNN-LSTM: convolution and pooling before a stacked LSTM.

Sainath et al. 2015 (Convolutional, long short-term memory, fully connected deep neural networks, ICASSP, section 2) put
convolution and pooling before recurrent layers; here both run over time. ``causal Conv1D -> ReLU -> max pooling inside
each segment -> projection -> LSTM stack -> head``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import (
    apply_dropout,
    concatenate_optional,
    dense_layer,
    segment_of,
    weight_penalty,
    window_segments,
)
from forecaster.families.family import Family
from forecaster.families.recurrent import count_forecast, forecast_segments

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Steps a filter reads, and steps of which pooling keeps the largest value; segments of one step are not pooled.
KERNEL, POOL = 5, 2


def cnn_lstm(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    x = keras.layers.Conv1D(
        config.units[0],
        KERNEL,
        padding="causal",
        activation="relu",
        kernel_regularizer=weight_penalty(config),
        name="filters",
    )(read.sequence)
    x = apply_dropout(x, config, "dropout_filters")
    segment = segment_of(config, shapes)
    if segment > 1:
        x = _pool_segments(window_segments(x, None, config, shapes), segment)
    if read.context is not None:
        context = keras.layers.RepeatVector(x.shape[1], name="context_of_segments")(read.context)
        x = concatenate_optional(x, context, "with_context")
    x = dense_layer(config, config.units[0], "projection")(x)
    return forecast_segments("LSTM", config, shapes, read, x)


def _pool_segments(x: Any, segment: int) -> Any:
    """Return the maximum over every ``POOL`` steps of each segment of filters, ``(batch, segments, numbers)``."""
    import keras

    count, filters = x.shape[1], x.shape[2] // segment
    x = keras.layers.Reshape((count, segment, filters), name="filters_of_segments")(x)
    x = keras.layers.MaxPooling2D((1, POOL), padding="same", name="pool")(x)
    return keras.layers.Reshape((count, x.shape[2] * filters), name="pooled_segments")(x)


def cnn_lstm_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`cnn_lstm`."""
    first = config.units[0]
    numbers = -(-segment_of(config, shapes) // POOL) * first + shapes.static
    front_end = (KERNEL * shapes.channels + numbers) * first
    return front_end + count_forecast("LSTM", config, shapes, first)


FAMILIES = {
    "cnn-lstm": Family("filters and pooling before a stacked LSTM", cnn_lstm, cnn_lstm_weights, kept=(14, 5)),
}
