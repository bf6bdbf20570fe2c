"""The model factory: a configuration and the shapes of the data in, a compiled Keras model out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from forecaster.config import FIELDS
from forecaster.networks.assembly import Core, assemble_network
from forecaster.networks.families.attention_lstm import attention_lstm
from forecaster.networks.families.cnn_lstm import cnn_lstm
from forecaster.networks.families.encoder_decoder import encoder_decoder
from forecaster.networks.families.linear import dlinear, nlinear
from forecaster.networks.families.nbeats import nbeats
from forecaster.networks.families.nhits import nhits
from forecaster.networks.families.recurrent import recurrent
from forecaster.networks.families.tcn import tcn
from forecaster.networks.families.tide import tide
from forecaster.networks.families.transformer import transformer
from forecaster.networks.initial.start import Start
from forecaster.networks.losses import LOSSES
from forecaster.networks.optimizers import build_optimizer
from forecaster.networks.shapes import Shapes

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        core: what forecasts normalised windows.
        unread: settings of the ``network`` group that it does not read, or that it fixes.
        gates: it can weigh the simple forecasts by the window; otherwise ``base="gate"`` is a mix, the same for all.
    """

    core: Core
    unread: tuple[str, ...] = ()
    gates: bool = True


#: What only recurrent layers read, what other networks do not, and what linear ones do not.
RECURRENT = ("bidirectional", "activation", "recurrent_dropout")
OTHERS = (*RECURRENT, "head")
LINEAR = (*OTHERS, "segment", "units", "dropout", "layer_norm", "l1", "l2")

#: Keys are those of :data:`forecaster.config.FAMILIES`, which says what each is.
NETWORKS: dict[str, Family] = {
    "lstm": Family(partial(recurrent, "LSTM")),
    "gru": Family(partial(recurrent, "GRU")),
    "rnn": Family(partial(recurrent, "SimpleRNN")),
    "bilstm": Family(partial(recurrent, "LSTM", bidirectional=True), ("bidirectional",)),
    "segrnn": Family(partial(recurrent, "GRU", head="segments"), ("head",)),
    "cnn-lstm": Family(cnn_lstm),
    "attention-lstm": Family(attention_lstm, ("head",)),
    "encoder-decoder": Family(encoder_decoder, ("head",)),
    "transformer": Family(transformer, OTHERS),
    "tcn": Family(tcn, OTHERS),
    "nbeats": Family(nbeats, (*OTHERS, "segment")),
    "nhits": Family(nhits, (*OTHERS, "segment")),
    "tide": Family(tide, (*OTHERS, "segment")),
    "dlinear": Family(dlinear, LINEAR, gates=False),
    "nlinear": Family(nlinear, LINEAR, gates=False),
}


def unread_settings(config: Config) -> tuple[str, ...]:
    """Return the settings that have another value than by default, but which the network does not read."""
    return tuple(name for name in NETWORKS[config.network].unread if getattr(config, name) != FIELDS[name].default)


def build_network(config: Config, shapes: Shapes, start: Start | None = None, decay_steps: int = 10_000) -> keras.Model:
    """Return the compiled network of a configuration.

    Inputs are named ``past``, ``(batch, lookback, channels)`` (channel 0 the scaled target), ``future``,
    ``(batch, steps, features)``, ``static``, ``(batch, numbers)``, and ``categories``, ``(batch, groups)`` int32; what
    has no columns is no input. The output is ``(batch, steps, outputs)``, so that sample weights ``(batch, steps)``
    mask single steps.

    Args:
        config: the ``network`` and ``training`` groups are read; ``segment`` None means 1.
        shapes: what the network must fit.
        start: from :func:`forecaster.networks.initial.start.find_start`; equal weights of the simple forecasts and no
            effect
            of covariates by default.
        decay_steps: optimisation steps over which a falling learning rate falls.

    Raises:
        SettingError: ``base="seasonal"`` with a lookback shorter than a season.

    Example:
        >>> model = build_network(Config.of(units=(32,)), Shapes(lookback=36, steps=12, seasons=(12,)))
        >>> model.output_shape
        (None, 12, 1)
    """
    family = NETWORKS[config.network]
    if config.base == "gate" and not family.gates:
        config = config.replace(base="mix")
    model = assemble_network(family.core, config, shapes, start)
    loss = LOSSES[config.loss]() if config.task == "value" else _direction_loss(model)
    model.compile(optimizer=build_optimizer(config, decay_steps), loss=loss, weighted_metrics=[])
    return model


def _direction_loss(model: keras.Model) -> keras.losses.Loss:
    from forecaster.networks.layers.direction import DirectionLoss

    return DirectionLoss(model.get_layer("directions"))
