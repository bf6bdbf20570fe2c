"""Heads, which end a core: all steps from one state, or each output segment from a state of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import concatenate_optional, segment_of

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


def head_initializer(config: Config) -> str:
    """Return the initializer of a head: zeros if it corrects a base, so that training starts from the base."""
    return "glorot_uniform" if config.base == "none" else "zeros"


def dense_head(config: Config, shapes: Shapes, read: Read, state: Any) -> Any:
    """Return all steps, ``(batch, steps, outputs)``, by one Dense layer from a state and the future features.

    Args:
        config: ``base`` and ``units`` are read.
        shapes: ``steps``, ``outputs`` and ``known`` are read.
        read: ``context`` and ``future`` are read.
        state: the encoded window, ``(batch, units)``.
    """
    import keras

    state = concatenate_optional(state, read.context, "state_and_context")
    x = linear_head(config, shapes, state, read.future)
    if not shapes.known:
        return x
    return keras.layers.Add(name="add_steps")([x, _each_step(config, shapes, state, read.future)])


def linear_head(config: Config, shapes: Shapes, state: Any, future: Any) -> Any:
    """Return all steps, ``(batch, steps, outputs)``, linear in a state and the future features."""
    import keras

    if future is not None:
        state = keras.layers.Concatenate(name="with_future")([state, keras.layers.Flatten(name="flat_future")(future)])
    initializer = head_initializer(config)
    x = keras.layers.Dense(shapes.steps * shapes.outputs, kernel_initializer=initializer, name="head")(state)
    return keras.layers.Reshape((shapes.steps, shapes.outputs), name="forecast")(x)


def count_dense_head(config: Config, shapes: Shapes, state: int) -> int:
    """Return the weights of :func:`dense_head` on a state of the given number of units."""
    state += shapes.static
    each_step = config.units[-1] * (state + shapes.features + shapes.outputs) if shapes.known else 0
    return each_step + count_linear_head(shapes, state)


def count_linear_head(shapes: Shapes, state: int) -> int:
    """Return the weights of :func:`linear_head` on a state of the given number of units."""
    return (state + shapes.steps * shapes.features) * shapes.steps * shapes.outputs


def _each_step(config: Config, shapes: Shapes, state: Any, future: Any) -> Any:
    """Return a correction of each step from the state and the features of that step, by weights all steps share.

    The temporal decoder of Das et al. 2023 (TiDE, arXiv:2304.08424, section 4.2): an effect may depend on the series.
    """
    import keras

    units = config.units[-1]
    own = keras.layers.Dense(units, use_bias=False, name="step_features")(future)
    shared = keras.layers.Dense(units, name="step_state")(state)
    both = keras.layers.Add(name="step")([keras.layers.RepeatVector(shapes.steps, name="step_states")(shared), own])
    both = keras.layers.Activation("relu", name="step_units")(both)
    return keras.layers.Dense(shapes.outputs, kernel_initializer=head_initializer(config), name="step_head")(both)


def output_segments(config: Config, shapes: Shapes) -> tuple[int, int]:
    """Return the number of output segments and the steps of each."""
    segment = min(segment_of(config, shapes), shapes.steps)
    return -(-shapes.steps // segment), segment


def decoder_inputs(config: Config, shapes: Shapes, read: Read, state: Any) -> Any:
    """Return the inputs of a decoder, ``(batch, segments, numbers)``: place and future features of each output segment.

    Args:
        config: ``segment`` is read.
        shapes: what the network must fit.
        read: ``future`` is read.
        state: of the encoder, ``(batch, units)``; the positional embedding has as many numbers.
    """
    from forecaster.families.layers import OutputSegments

    places = OutputSegments(*output_segments(config, shapes), int(state.shape[-1]), name="output_segments")
    return places(state) if read.future is None else places(state, read.future)


def segments_head(config: Config, shapes: Shapes, decoded: Any) -> Any:
    """Return all steps, ``(batch, steps, outputs)``, by one Dense layer shared by all output segments.

    Args:
        config: ``base`` and ``segment`` are read.
        shapes: ``steps`` and ``outputs`` are read.
        decoded: the state of each output segment, ``(batch, segments, units)`` or ``(batch * segments, units)``.
    """
    import keras
    from keras import ops

    count, segment = output_segments(config, shapes)
    initializer = head_initializer(config)
    parts = keras.layers.Dense(segment * shapes.outputs, kernel_initializer=initializer, name="head")(decoded)
    return ops.reshape(parts, (-1, count * segment, shapes.outputs))[:, : shapes.steps]
