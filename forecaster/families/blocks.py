"""Building blocks of cores: segments, hidden layers, penalties and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


def segment_of(config: Config, shapes: Shapes) -> int:
    """Return the steps of a segment of the window, at most the lookback."""
    return min(config.segment or 1, shapes.lookback)


def segments_shape(config: Config, shapes: Shapes) -> tuple[int, int]:
    """Return the segments of a window and the numbers of each, as :func:`window_segments` lays them out."""
    segment = segment_of(config, shapes)
    return shapes.lookback // segment, segment * shapes.channels + shapes.static


def window_segments(x: Any, context: Any, config: Config, shapes: Shapes) -> Any:
    """Return the newest whole segments of a window, ``(batch, segments, segment * channels + numbers)``.

    Args:
        x: ``(batch, lookback, channels)``.
        context: static numbers of the series, ``(batch, numbers)``, appended to each segment; or None.
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
    repeated = keras.layers.RepeatVector(count, name="context_of_segments")(context)
    return keras.layers.Concatenate(name="with_context")([x, repeated])


def projected_segments(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the segments of a window, each projected, ``(batch, segments, units)``; unprojected where segment is 1.

    Segments instead of steps: Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.2).
    """
    import keras

    x = window_segments(read.sequence, read.context, config, shapes)
    if segment_of(config, shapes) == 1:
        return x
    return keras.layers.Dense(config.units[0], activation="relu", name="projection")(x)


def count_projection(config: Config, shapes: Shapes) -> tuple[int, int]:
    """Return the weights of :func:`projected_segments`, and the numbers of each segment that it returns."""
    _, numbers = segments_shape(config, shapes)
    return (numbers * config.units[0], config.units[0]) if segment_of(config, shapes) > 1 else (0, numbers)


def dense_layer(config: Config, units: int, name: str, **options: Any) -> Any:
    """Return a hidden Dense layer, ReLU by default, with the weight penalties of the settings."""
    import keras

    return keras.layers.Dense(
        units, **{"activation": "relu", **options}, kernel_regularizer=weight_penalty(config), name=name
    )


def weight_penalty(config: Config) -> Any:
    """Return the L1 and L2 penalty on weights; None if there is none."""
    import keras

    return keras.regularizers.L1L2(config.l1, config.l2) if config.l1 or config.l2 else None


def regularize(x: Any, config: Config, number: int | str) -> Any:
    """Return the output of a hidden layer after the normalisation and Dropout of the settings."""
    return apply_dropout(normalize(x, config, f"norm_{number}"), config, f"dropout_{number}")


def normalize(x: Any, config: Config, name: str) -> Any:
    """Return the output of a hidden layer after ``layer_norm``."""
    import keras

    if config.layer_norm == "batch":
        return keras.layers.BatchNormalization(name=name)(x)
    return keras.layers.LayerNormalization(name=name)(x) if config.layer_norm == "layer" else x


def apply_dropout(x: Any, config: Config, name: str) -> Any:
    """Return the output of a hidden layer after Dropout; unchanged if it is 0."""
    import keras

    return keras.layers.Dropout(config.dropout, name=name)(x) if config.dropout else x


def concatenate_optional(x: Any, other: Any, name: str) -> Any:
    """Return ``(..., n + m)`` from ``(..., n)`` and ``(..., m)``, or the first if the other is None."""
    import keras

    return x if other is None else keras.layers.Concatenate(name=name)([x, other])
