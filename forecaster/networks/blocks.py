"""What the cores of several families are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.networks.shapes import Read, Shapes


def segment_of(config: Config, shapes: Shapes) -> int:
    """Return the steps of a segment of the window: no more than the window has."""
    return min(config.segment or 1, shapes.lookback)


def window_segments(x: Any, context: Any, config: Config, shapes: Shapes) -> Any:
    """Return the newest whole segments of a window, ``(batch, segments, segment * channels + numbers)``.

    Args:
        x: ``(batch, lookback, channels)``.
        context: what is known of the series as a whole, ``(batch, numbers)``, is put beside each; or None.
        config: ``segment`` is read.
        shapes: ``lookback`` is read.
    """
    import keras

    segment = segment_of(config, shapes)
    count = shapes.lookback // segment
    if segment > 1:
        if shapes.lookback % segment:
            x = x[:, shapes.lookback - count * segment :]
        x = keras.layers.Reshape((count, segment * x.shape[-1]), name="segments")(x)
    if context is None:
        return x
    beside_each = keras.layers.RepeatVector(count, name="context_of_segments")(context)
    return keras.layers.Concatenate(name="with_context")([x, beside_each])


def projected_segments(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the segments of what a core reads, each projected, ``(batch, segments, units)``; as it is for segment 1.

    Segments instead of steps: Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.2).
    """
    import keras

    x = window_segments(read.sequence, read.context, config, shapes)
    if segment_of(config, shapes) == 1:
        return x
    return keras.layers.Dense(config.units[0], activation="relu", name="projection")(x)


def dense_layer(config: Config, units: int, name: str, **options: Any) -> Any:
    """Return a hidden Dense layer, ReLU by default, with the penalties of a configuration."""
    import keras

    return keras.layers.Dense(
        units, **{"activation": "relu", **options}, kernel_regularizer=weight_penalty(config), name=name
    )


def weight_penalty(config: Config) -> Any:
    """Return the L1 and L2 penalty on weights; None without any."""
    import keras

    return keras.regularizers.L1L2(config.l1, config.l2) if config.l1 or config.l2 else None


def regularize(x: Any, config: Config, number: int | str) -> Any:
    """Return the output of a hidden layer after normalisation and Dropout, where they are asked for."""
    return apply_dropout(normalize(x, config, f"norm_{number}"), config, f"dropout_{number}")


def normalize(x: Any, config: Config, name: str) -> Any:
    """Return the output of a hidden layer after the normalisation that is asked for."""
    import keras

    if config.layer_norm == "batch":
        return keras.layers.BatchNormalization(name=name)(x)
    return keras.layers.LayerNormalization(name=name)(x) if config.layer_norm == "layer" else x


def apply_dropout(x: Any, config: Config, name: str) -> Any:
    """Return the output of a hidden layer after Dropout, where it is asked for."""
    import keras

    return keras.layers.Dropout(config.dropout, name=name)(x) if config.dropout else x


def concatenate_optional(x: Any, other: Any, name: str) -> Any:
    """Return ``(..., n + m)`` of ``(..., n)`` and ``(..., m)``; the first alone where the other is None."""
    import keras

    return x if other is None else keras.layers.Concatenate(name=name)([x, other])
