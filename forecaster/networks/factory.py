"""Build a compiled Keras model from the settings and the shapes of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecaster.config import FIELDS
from forecaster.families import NETWORKS
from forecaster.families.shapes import Shapes
from forecaster.losses import LOSSES
from forecaster.networks.assembly import assemble_network
from forecaster.networks.initial.start import Start
from forecaster.networks.optimizers import build_optimizer

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config


def unread_settings(config: Config) -> tuple[str, ...]:
    """Return the settings that were changed from their defaults but that the network does not read."""
    return tuple(name for name in NETWORKS[config.network].unread if getattr(config, name) != FIELDS[name].default)


def build_network(config: Config, shapes: Shapes, start: Start | None = None, decay_steps: int = 10_000) -> keras.Model:
    """Return the compiled network of the settings.

    Inputs are named ``past``, ``(batch, lookback, channels)`` (channel 0 the scaled target), ``future``,
    ``(batch, steps, features)``, ``static``, ``(batch, numbers)``, and ``categories``, ``(batch, groups)`` int32; an
    input without columns is left out. The output is ``(batch, steps, outputs)``, so that sample weights
    ``(batch, steps)`` mask single steps.

    Args:
        config: the ``network`` and ``training`` groups are read; ``segment`` None means 1.
        shapes: its shapes.
        start: from :func:`forecaster.networks.initial.start.find_start`; by default equal weights of the simple
            forecasts and no effect of covariates.
        decay_steps: optimisation steps over which a falling learning rate falls.

    Raises:
        SettingError: ``base="seasonal"`` with a lookback shorter than a season.

    Example:
        >>> from forecaster.config import Config
        >>> model = build_network(Config.of(units=(32,)), Shapes(lookback=36, steps=12, seasons=(12,)))
        >>> model.output_shape
        (None, 12, 1)
    """
    family = NETWORKS[config.network]
    config = family.applied(config)
    if config.base == "gate" and not family.supports_gate:
        config = config.replace(base="mix")
    model = assemble_network(family.core, config, shapes, start)
    loss = LOSSES[config.loss].build() if config.task == "value" else _direction_loss(model)
    model.compile(optimizer=build_optimizer(config, decay_steps), loss=loss, weighted_metrics=[])
    return model


def _direction_loss(model: keras.Model) -> keras.losses.Loss:
    from forecaster.networks.layers.direction import DirectionLoss

    return DirectionLoss(model.get_layer("directions"))
