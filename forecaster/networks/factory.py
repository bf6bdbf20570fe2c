"""The model factory: a configuration and the shapes of the data in, a compiled Keras model out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from forecaster.networks.candidates import mix_logits
from forecaster.networks.losses import LOSSES
from forecaster.networks.optimizers import build_optimizer
from forecaster.networks.recurrent import build_recurrent
from forecaster.networks.shapes import Shapes

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config


Builder = Callable[["Config", Shapes, "np.ndarray | None"], "keras.Model"]

#: Keys are the choices of ``Config.network``. Each takes the configuration, the shapes and the initial mix.
NETWORKS: dict[str, Builder] = {
    "lstm": partial(build_recurrent, "LSTM"),
    "gru": partial(build_recurrent, "GRU"),
    "rnn": partial(build_recurrent, "SimpleRNN"),
}


def build_network(
    config: Config, shapes: Shapes, mix: np.ndarray | None = None, decay_steps: int = 10_000
) -> keras.Model:
    """Return the compiled network of a configuration.

    Inputs are named ``past``, ``(batch, lookback, 1 + features)`` (channel 0 the scaled target, the rest calendar
    features), and, where there are features, ``future``, ``(batch, steps, features)``. The output is
    ``(batch, steps, 1)``, so that sample weights ``(batch, steps)`` mask single steps.

    Args:
        config: the ``network`` and ``training`` groups are read; ``segment`` None means 1.
        shapes: what the network must fit.
        mix: initial weights of the candidates of ``base="mix"``, from
            :func:`forecaster.networks.candidates.initial_mix`; equal weights by default.
        decay_steps: optimisation steps over which a falling learning rate falls.

    Raises:
        SettingError: ``base="seasonal"`` with a lookback shorter than a season.

    Example:
        >>> model = build_network(Config.of(units=(32,)), Shapes(lookback=36, steps=12, season=12))
        >>> model.output_shape
        (None, 12, 1)
    """
    model = NETWORKS[config.network](config, shapes, mix)
    model.compile(optimizer=build_optimizer(config, decay_steps), loss=LOSSES[config.loss](), weighted_metrics=[])
    return model


def set_mix(network: keras.Model, mix: np.ndarray) -> None:
    """Give the mix of simple forecasts other weights; a network without one is left as it is.

    Args:
        network: from :func:`build_network`.
        mix: ``(candidates,)``, from :func:`forecaster.networks.candidates.initial_mix`.
    """
    for variable in network.weights:
        if variable.path == "mix/logits":
            variable.assign(mix_logits(mix))
