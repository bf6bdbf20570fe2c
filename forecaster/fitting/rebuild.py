"""The networks of a stored model: as an engine that forecasts, and as Keras networks with their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from forecaster.artifact.model import Model
from forecaster.engines.combined import CombinedEngine
from forecaster.engines.engine import Engine
from forecaster.engines.keras import DropoutEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import ModelError
from forecaster.networks.ensemble import build_ensemble, weights_by_path
from forecaster.networks.factory import build_network
from forecaster.networks.keras import start_keras
from forecaster.networks.outputs import outputs_of
from forecaster.networks.weight_limit import limit_weights
from forecaster.training.determinism import fix_threads
from forecaster.training.member_fit import members_of, shapes_of

if TYPE_CHECKING:
    import keras


def engine_of(model: Model) -> Engine:
    """Return the engine of a model: ONNX Runtime, or Keras, rebuilt, if its intervals come from dropout.

    With a pretrained network beside the trained one it reads the forecasts of the former as ``outside``.

    Raises:
        ModelError: the network does not have the outputs of the model.
    """
    engine = _trained_engine(model)
    return CombinedEngine(engine, model.pretrained.share) if model.pretrained else engine


def _trained_engine(model: Model) -> Engine:
    if model.config.intervals == "dropout":
        start_keras()
        fix_threads(model.config)
        return DropoutEngine(rebuild_network(model), model.config.seed)
    steps, count = model.plan.steps, outputs_of(model.config)
    return OnnxEngine(model.onnx, [(steps, count), (steps, count + 1)])


def rebuild_network(model: Model) -> keras.Model:
    """Return the trained Keras network, built from the configuration and given the stored weights.

    Raises:
        ModelError: a weight is missing, unknown or of another shape.
    """
    return _rebuild(model)[0]


def member_networks(model: Model) -> list[keras.Model]:
    """Return the trained networks of the members of a model, in order, see :func:`rebuild_network`."""
    return _rebuild(model)[1]


def _rebuild(model: Model) -> tuple[keras.Model, list[keras.Model]]:
    start_keras()
    config, shapes, networks = model.config, shapes_of(model.config, model.plan, model.encoder, model.history), {}
    with limit_weights(model.weights):
        for member in members_of(config, model.plan):
            own = replace(shapes, lookback=member.lookback)
            networks[member.name] = build_network(member.applied(config), own)
    parts = list(networks.values())
    whole = parts[0] if len(parts) == 1 else build_ensemble(networks, spread=config.intervals == "ensemble")
    variables = weights_by_path(whole)
    expected = {path: tuple(variable.shape) for path, variable in variables.items()}
    stored = {path: value.shape for path, value in model.weights.items()}
    for path in sorted(expected.keys() | stored.keys()):
        if expected.get(path) != stored.get(path):
            raise ModelError(
                f"weight {path}: expected {expected.get(path)}, found {stored.get(path)}", "fit the model again"
            )
    for path, variable in variables.items():
        variable.assign(model.weights[path])
    return whole, parts
