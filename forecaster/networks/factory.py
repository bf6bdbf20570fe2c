"""The model factory: a configuration and the shapes of the data in, a compiled Keras model out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from forecaster.networks.losses import LOSSES
from forecaster.networks.optimizers import build_optimizer
from forecaster.networks.recurrent import build_recurrent
from forecaster.networks.shapes import Shapes
from forecaster.networks.start import Start

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config


Builder = Callable[["Config", Shapes, "Start | None"], "keras.Model"]

#: Keys are the choices of ``Config.network``. Each takes the configuration, the shapes and the start.
NETWORKS: dict[str, Builder] = {
    "lstm": partial(build_recurrent, "LSTM"),
    "gru": partial(build_recurrent, "GRU"),
    "rnn": partial(build_recurrent, "SimpleRNN"),
}


def build_network(config: Config, shapes: Shapes, start: Start | None = None, decay_steps: int = 10_000) -> keras.Model:
    """Return the compiled network of a configuration.

    Inputs are named ``past``, ``(batch, lookback, channels)`` (channel 0 the scaled target), ``future``,
    ``(batch, steps, features)``, ``static``, ``(batch, numbers)``, and ``categories``, ``(batch, groups)`` int32; what
    has no columns is no input. The output is ``(batch, steps, 1)``, so that sample weights ``(batch, steps)`` mask
    single steps.

    Args:
        config: the ``network`` and ``training`` groups are read; ``segment`` None means 1.
        shapes: what the network must fit.
        start: from :func:`forecaster.networks.start.find_start`; equal weights of the simple forecasts and no effect
            of covariates by default.
        decay_steps: optimisation steps over which a falling learning rate falls.

    Raises:
        SettingError: ``base="seasonal"`` with a lookback shorter than a season.

    Example:
        >>> model = build_network(Config.of(units=(32,)), Shapes(lookback=36, steps=12, seasons=(12,)))
        >>> model.output_shape
        (None, 12, 1)
    """
    model = NETWORKS[config.network](config, shapes, start)
    model.compile(optimizer=build_optimizer(config, decay_steps), loss=LOSSES[config.loss](), weighted_metrics=[])
    return model
