"""The frame around the core of a network: inputs, effect of known covariates, window normalisation, base.

``inputs -> - effect -> WindowNorm -> core -> + base -> undo WindowNorm -> + effect``; with ``window_norm="none"``,
``base="none"`` and no known covariates only the core is left. For ``task="direction"`` the core's outputs are logits,
which become probabilities: ``inputs -> - effect -> WindowNorm -> core -> Directions``.

The effect of the covariates known at a step is subtracted from the window and added to the forecast, so that neither
base nor level carries yesterday's weather into tomorrow. With an indicator, a missing target counts for no mean and
deviation of its window, and the core reads the indicator next to the placeholder.

With ``base="gate"`` the base is a mix of the simple forecasts whose weights the core gives for each step, as further
outputs, from the window and from the error of each simple forecast on its newest steps.

In sums the smaller array comes first: Keras 3 on TensorFlow takes a second summand ``(n, 1, 1)`` for a bias over the
steps, and computes something else if a batch happens to hold as many windows as there are steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import SettingError
from forecaster.families.blocks import concatenate_optional
from forecaster.families.shapes import Read
from forecaster.features.direction_rule import Rule
from forecaster.networks.initial.simple_forecasts import simple_forecast_names
from forecaster.networks.initial.start import MIXES, Start
from forecaster.networks.outputs import finish_outputs, window_norm_of
from forecaster.words import setting

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config
    from forecaster.families.family import Core
    from forecaster.families.shapes import Shapes

#: Indicator of a missing reading as the core reads it: small compared with the deviation of the target, since
#: placeholders of short gaps are good; at 1, 30 % of readings missing at random cost 2 % of the error on ETTh1.
MISSING = 0.1


def assemble_network(core: Core, config: Config, shapes: Shapes, start: Start | None = None) -> keras.Model:
    """Return the network around a core, not compiled.

    Args:
        core: forecasts normalised windows.
        config: the ``network`` group is read.
        shapes: the shapes of the network.
        start: the mix and the effect to start from; equal weights and no effect by default.

    Raises:
        SettingError: ``base="seasonal"`` with a lookback shorter than a season.
    """
    import keras

    from forecaster.networks.layers.base import Effect, WindowNorm
    from forecaster.networks.layers.direction import Directions
    from forecaster.networks.layers.gate import Gate, TrackRecord

    start = start or Start()
    given = _make_inputs(shapes)
    past, future = given["past"], given.get("future")
    window = past[:, :, :1] if shapes.channels > 1 else past
    if shapes.known:
        effect = Effect(shapes.calendar, shapes.known, start.effect, name="effect")
        window = window - effect(past[:, :, 1 : 1 + shapes.features])
    observed = past[:, :, -1:] if shapes.indicator else None
    level = deviation = None
    if (kind := window_norm_of(config)) != "none":
        norm = WindowNorm(kind, name="window_norm")
        window, level, deviation = norm(window) if observed is None else norm(window, observed)
    sequence = window
    if shapes.channels > 1:
        others = [past[:, :, 1:]] if observed is None else [past[:, :, 1:-1], MISSING * (1 - observed)]
        sequence = keras.layers.Concatenate(name="window")([window, *others])
    context, gates = _join_context(given, shapes), count_gates(config, shapes)
    if gates:
        record = TrackRecord(shapes.steps, shapes.seasons, name="record")
        record = record(window) if observed is None else record(window, observed)
        context = concatenate_optional(record, context, "context_and_record")
    read = Read(window, sequence, future, context)
    output = core(config, replace(shapes, outputs=shapes.outputs + gates), read)
    if config.task == "direction":
        directions = Directions(start.rule or Rule.unknown(shapes.steps), name="directions")
        return keras.Model(list(given.values()), directions(output, past[:, -1:, :1]), name=config.network)
    if gates:
        base = Gate(shapes.steps, shapes.seasons, start.mix, name="gate")(window, output[:, :, shapes.outputs :])
        output = output[:, :, : shapes.outputs]
    else:
        base = None if config.base == "none" else _base(window, config, shapes, start.mix)
    if shapes.known and config.counts:  # their mean is kept positive with the effect
        output = _add_effect(output, effect(future) / deviation, shapes)
    output = finish_outputs(config, output, base, level, deviation)
    if shapes.known and not config.counts:
        output = _add_effect(output, effect(future), shapes)
    return keras.Model(list(given.values()), output, name=config.network)


def _make_inputs(shapes: Shapes) -> dict[str, Any]:
    """Return the inputs by name, in order; inputs without columns are left out."""
    import keras

    given = {"past": keras.Input((shapes.lookback, shapes.channels), name="past")}
    if shapes.features:
        given["future"] = keras.Input((shapes.steps, shapes.features), name="future")
    if shapes.static:
        given["static"] = keras.Input((shapes.static,), name="static")
    if shapes.categories:
        given["categories"] = keras.Input((len(shapes.categories),), dtype="int32", name="categories")
    return given


def _join_context(given: dict[str, Any], shapes: Shapes) -> Any:
    """Return static numbers and embedded categories, ``(batch, numbers)``; None if there are neither."""
    import keras

    from forecaster.networks.layers.base import Embeddings

    parts = [given["static"]] if shapes.static else []
    if shapes.categories:
        parts.append(Embeddings(shapes.categories, name="embeddings")(given["categories"]))
    return keras.layers.Concatenate(name="context")(parts) if len(parts) > 1 else parts[0] if parts else None


def count_gates(config: Config, shapes: Shapes) -> int:
    """Return the number of simple forecasts that the core weighs step by step, or 0."""
    count = len(simple_forecast_names(shapes.lookback, shapes.seasons))
    return count if config.base == "gate" and config.task == "value" and count > 1 else 0


def _base(window: Any, config: Config, shapes: Shapes, mix: np.ndarray | None) -> Any:
    """Return the simple forecast, ``(batch, steps, 1)``, of a normalised window ``(batch, lookback, 1)``."""
    from forecaster.networks.layers.base import Mix

    alone = len(simple_forecast_names(shapes.lookback, shapes.seasons)) == 1
    if config.base == "last" or (config.base in MIXES and alone):
        return window[:, -1:]
    if config.base == "mix":
        return Mix(shapes.steps, shapes.seasons, mix, name="mix")(window)
    if shapes.lookback < shapes.season:
        raise SettingError(
            f"base 'seasonal' needs a lookback of a season or more: lookback {shapes.lookback}, season {shapes.season}",
            f"{setting('lookback', shapes.season)}, or {setting('base', 'last')}",
        )
    from keras import ops

    first = shapes.lookback - shapes.season
    return ops.take(window, first + np.arange(shapes.steps) % shapes.season, axis=1)


def _add_effect(output: Any, effect: Any, shapes: Shapes) -> Any:
    """Return the outputs with the effect, ``(batch, steps, 1)``, added to the point forecast."""
    import keras

    added = keras.layers.Add(name="add_effect")([output[:, :, :1] if shapes.outputs > 1 else output, effect])
    return added if shapes.outputs == 1 else keras.layers.Concatenate(name="outputs")([added, output[:, :, 1:]])
