"""Run a Keras network: once, or in many passes with dropout."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import Config
from forecaster.engines.engine import Engine, Inputs, select_inputs
from forecaster.errors import SettingError
from forecaster.words import setting

if TYPE_CHECKING:
    import keras


class KerasEngine:
    """Runs a Keras network, traced once for batches of any size.

    Args:
        network: a network of :func:`forecaster.networks.factory.build_network`.
    """

    def __init__(self, network: keras.Model) -> None:
        import tensorflow as tf

        self._dtypes = {i.name: i.dtype for i in network.inputs}
        shapes = {i.name: tf.TensorSpec((None, *i.shape[1:]), i.dtype) for i in network.inputs}

        @tf.function(input_signature=[shapes], autograph=False)
        def forward(inputs: Any) -> Any:
            return network(inputs, training=False)

        self._forward = forward

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`."""
        return np.asarray(self._forward(select_inputs(inputs, self._dtypes)))


#: Passes with dropout of which the deviation is taken.
PASSES = 30


class DropoutEngine:
    """Runs a Keras network and adds an output: the deviation of its point forecast over passes with dropout.

    Gal & Ghahramani 2016, Dropout as a Bayesian approximation, arXiv:1506.02142: dropout that stays on draws networks
    from an approximate posterior. The forecast itself is that of one pass without dropout.

    Args:
        network: has dropout and no batch normalisation, which a pass with dropout would change.
        seed: of the passes; every call starts from it.

    Raises:
        SettingError: it has no dropout, or batch normalisation.
    """

    def __init__(self, network: keras.Model, seed: int) -> None:
        import keras
        import tensorflow as tf

        layers = network._flatten_layers()
        if not any(_has_dropout(layer) for layer in layers):
            raise SettingError("intervals by dropout need something that is dropped", setting("dropout", 0.2))
        if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
            raise SettingError(
                "intervals by dropout do not go with batch normalisation", setting("layer_norm", "layer")
            )
        self._plain, self._seed, self._lock = KerasEngine(network), seed, Lock()
        self._states = [v for v in network.variables if v.path.endswith("seed_generator_state")]
        self._dtypes = {i.name: i.dtype for i in network.inputs}
        shapes = {i.name: tf.TensorSpec((None, *i.shape[1:]), i.dtype) for i in network.inputs}

        @tf.function(input_signature=[shapes], autograph=False)
        def dropped(inputs: Any) -> Any:
            return network(inputs, training=True)

        self._dropped = dropped

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`; the last output is the deviation."""
        feed = select_inputs(inputs, self._dtypes)
        with self._lock:  # the seeds of all passes must follow each other
            for number, state in enumerate(self._states):
                state.assign([self._seed + number, 0])
            passes = np.stack([np.asarray(self._dropped(feed))[:, :, 0] for _ in range(PASSES)])
        return np.concatenate([self._plain.run(inputs), passes.std(axis=0, ddof=1)[:, :, None]], axis=2)


def _has_dropout(layer: Any) -> bool:
    return any(isinstance(rate := getattr(layer, name, 0), float) and rate > 0 for name in _RATES)


#: Attributes of layers that hold a dropout rate.
_RATES = ("rate", "dropout", "recurrent_dropout")


def calibration_engine(engine: KerasEngine, network: keras.Model, config: Config) -> Engine:
    """Return the engine that forecasts validation windows: the given one, or passes with dropout."""
    return DropoutEngine(network, config.seed) if config.intervals == "dropout" else engine
