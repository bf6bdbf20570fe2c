"""Recurrent networks: stacked LSTM, GRU or simple RNN, read step by step or segment by segment.

``WindowNorm -> segments -> (recurrent -> norm -> Dropout) per layer -> head -> + base -> undo WindowNorm``; with
``window_norm="none"``, ``segment=1`` and ``base="none"`` what is left is the textbook ``LSTM -> Dropout -> Dense``.

In sums the smaller array stands first: Keras 3 on TensorFlow takes a second summand ``(n, 1, 1)`` for a bias over the
steps, and so computes something else, where a batch happens to hold as many windows as there are steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import SettingError
from forecaster.networks.candidates import candidate_names

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config
    from forecaster.networks.shapes import Shapes


def build_recurrent(cell: str, config: Config, shapes: Shapes, mix: np.ndarray | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        cell: ``LSTM``, ``GRU`` or ``SimpleRNN``.
        config: the ``network`` group is read.
        shapes: what the network must fit.
        mix: initial weights of the candidates of ``base="mix"``; equal weights by default.
    """
    import keras

    from forecaster.networks.layers import WindowNorm

    past = keras.Input((shapes.lookback, 1 + shapes.features), name="past")
    future = keras.Input((shapes.steps, shapes.features), name="future") if shapes.features else None
    window, x = past[:, :, :1] if shapes.features else past, past
    if config.window_norm != "none":
        window, level, deviation = WindowNorm(config.window_norm, name="window_norm")(window)
        x = keras.layers.Concatenate(name="window")([window, past[:, :, 1:]]) if shapes.features else window
    head = {"dense": _dense_head, "segments": _segments_head}[config.head]
    output = head(cell, config, shapes, _segmented(x, config, shapes), future)
    if config.base != "none":
        output = keras.layers.Add(name="add_base")([_base(window, config, shapes, mix), output])
    if config.window_norm != "none":
        output = level + output * deviation
    return keras.Model([past] if future is None else [past, future], output, name=config.network)


def _segmented(x: Any, config: Config, shapes: Shapes) -> Any:
    """Return ``(batch, segments, units)``: whole segments, the newest ones, each projected; as it is for segment 1."""
    import keras

    segment = _segment(config, shapes)
    if segment == 1:
        return x
    count = shapes.lookback // segment
    if shapes.lookback % segment:
        x = x[:, shapes.lookback - count * segment :]
    x = keras.layers.Reshape((count, segment * (1 + shapes.features)), name="segments")(x)
    return keras.layers.Dense(config.units[0], activation="relu", name="projection")(x)


def _segment(config: Config, shapes: Shapes) -> int:
    return min(config.segment or 1, shapes.lookback)


def _layer(cell: str, config: Config, units: int, name: str, **options: Any) -> Any:
    import keras

    penalty = keras.regularizers.L1L2(config.l1, config.l2) if config.l1 or config.l2 else None
    return getattr(keras.layers, cell)(
        units,
        activation=config.activation,
        recurrent_dropout=config.recurrent_dropout,
        kernel_regularizer=penalty,
        recurrent_regularizer=penalty,
        name=name,
        **options,
    )


def _encoded(cell: str, config: Config, x: Any, state: bool) -> tuple[Any, list[Any]]:
    """Return the last output of the stack, ``(batch, units)``, and, where asked, the last layer's state instead."""
    import keras

    for number, units in enumerate(config.units, 1):
        last = number == len(config.units)
        layer = _layer(
            cell, config, units, f"recurrent_{number}", return_sequences=not last, return_state=last and state
        )
        if config.bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
        x = layer(x)
        if last and state:
            return x[0], _joined(x[1:], config.bidirectional)
        x = _regularized(x, config, number)
    return x, []


def _joined(states: list[Any], bidirectional: bool) -> list[Any]:
    """Return the states of one layer; those of the two directions joined, each ``(batch, 2 * units)``."""
    import keras

    if not bidirectional:
        return list(states)
    half = len(states) // 2
    return [keras.layers.Concatenate()([f, b]) for f, b in zip(states[:half], states[half:], strict=True)]


def _regularized(x: Any, config: Config, number: int) -> Any:
    import keras

    if config.layer_norm == "batch":
        x = keras.layers.BatchNormalization(name=f"norm_{number}")(x)
    elif config.layer_norm == "layer":
        x = keras.layers.LayerNormalization(name=f"norm_{number}")(x)
    return keras.layers.Dropout(config.dropout, name=f"dropout_{number}")(x) if config.dropout else x


def _start(config: Config) -> str:
    """Return the initializer of the head: zeros where it corrects a base, so that training starts from the base."""
    return "glorot_uniform" if config.base == "none" else "zeros"


def _dense_head(cell: str, config: Config, shapes: Shapes, x: Any, future: Any) -> Any:
    """Return all steps, ``(batch, steps, 1)``, by one Dense layer from the last output and the future's calendar."""
    import keras

    x, _ = _encoded(cell, config, x, state=False)
    if future is not None:
        x = keras.layers.Concatenate(name="with_future")([x, keras.layers.Flatten(name="flat_future")(future)])
    x = keras.layers.Dense(shapes.steps, kernel_initializer=_start(config), name="head")(x)
    return keras.layers.Reshape((shapes.steps, 1), name="forecast")(x)


def _segments_head(cell: str, config: Config, shapes: Shapes, x: Any, future: Any) -> Any:
    """Return all steps, ``(batch, steps, 1)``, by decoding the output segments in parallel from the last state.

    Parallel multi-step forecasting of Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.3): every output segment is
    one step of a recurrent cell from the encoder's last state, told apart by a positional embedding.
    """
    import keras
    from keras import ops

    from forecaster.networks.layers import OutputSegments

    last, states = _encoded(cell, config, x, state=True)
    segment, units = min(_segment(config, shapes), shapes.steps), int(last.shape[-1])
    count = -(-shapes.steps // segment)
    places = OutputSegments(count, segment, units, name="output_segments")
    inputs = places(last) if future is None else places(last, future)
    states = [ops.reshape(ops.repeat(s[:, None], count, axis=1), (-1, units)) for s in states]
    decoded = _layer(cell, config, units, "decoder")(inputs, initial_state=states)
    decoded = _regularized(decoded, config, len(config.units))
    parts = keras.layers.Dense(segment, kernel_initializer=_start(config), name="head")(decoded)
    return ops.reshape(parts, (-1, count * segment, 1))[:, : shapes.steps]


def _base(window: Any, config: Config, shapes: Shapes, mix: np.ndarray | None) -> Any:
    """Return the simple forecast, ``(batch, steps, 1)``, of a normalised window ``(batch, lookback, 1)``."""
    from forecaster.networks.layers import Mix

    alone = len(candidate_names(shapes.lookback, shapes.season)) == 1
    if config.base == "last" or (config.base == "mix" and alone):
        return window[:, -1:]
    if config.base == "mix":
        return Mix(shapes.steps, shapes.season, mix, name="mix")(window)
    if shapes.lookback < shapes.season:
        raise SettingError(
            f"base 'seasonal' needs a lookback of a season or more: lookback {shapes.lookback}, season {shapes.season}",
            f"--lookback {shapes.season}, or --base last",
        )
    from keras import ops

    first = shapes.lookback - shapes.season
    return ops.take(window, first + np.arange(shapes.steps) % shapes.season, axis=1)
