"""Running a trained network: one interface, two engines, and rolling forward beyond the steps it was trained for."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from forecaster.config import Config
from forecaster.errors import SettingError
from forecaster.graphs import Graph, refused

if TYPE_CHECKING:
    import keras

#: Windows in one call of an engine: bounds memory, changes numbers by what float32 rounds at most.
CHUNK = 1024

#: What a network reads, by the names of its inputs: see :meth:`forecaster.windowing.Windows.batch`.
Inputs = dict[str, np.ndarray]


class Engine(Protocol):
    """Something that forecasts windows."""

    def run(self, inputs: Inputs) -> np.ndarray:
        """Return the forecast of each window, scaled.

        Args:
            inputs: ``past`` ``(windows, lookback, channels)`` float32, the scaled target first; ``future``
                ``(windows, steps, features)`` float32; ``static`` ``(windows, numbers)`` float32; ``categories``
                ``(windows, groups)`` int32. What the network does not read is left aside.

        Returns:
            np.ndarray: ``(windows, steps, outputs)`` float32, the point forecast first, see
            :mod:`forecaster.networks.outputs`.
        """
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU; imports neither TensorFlow nor Keras.

    Its telemetry, which since version 1.29 puts an identifier of the machine into the home folder and reports models
    and errors to Microsoft, is switched off, as it must be before the import.

    Args:
        model: the bytes of an ONNX file.
        output: steps and outputs of each that a run may give; by default whatever it gives.

    Raises:
        ModelError: they are not a network that ONNX Runtime can load, see :mod:`forecaster.graphs`, or one that gives
            something else.
    """

    def __init__(self, model: bytes, output: Collection[tuple[int, int]] | None = None) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        self._graph = Graph(model)
        if output is not None and self._graph.output not in output:
            raise refused(ValueError(f"it gives {self._graph.output} numbers of a window"))
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.log_severity_level = 4
        options.intra_op_num_threads = 1 if len(model) < 4_000_000 else 0
        try:
            self._session = onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # which prints on stdout
            )
        except Exception as error:
            raise refused(error) from None
        self._dtypes = {i.name: _DTYPES.get(i.type, "float32") for i in self._session.get_inputs()}

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`.

        Raises:
            ModelError: the network cannot be run on them.
        """
        if absent := self._dtypes.keys() - inputs.keys():
            raise refused(ValueError(f"it reads {', '.join(absent)}, which the model does not have"))
        feed = _feed(inputs, self._dtypes)
        windows = self._graph.together({name: array.shape for name, array in feed.items()})
        try:
            found = np.concatenate(
                [
                    self._session.run(None, {name: array[first : first + windows] for name, array in feed.items()})[0]
                    for first in range(0, len(feed["past"]), windows)
                ]
            )
        except Exception as error:
            raise refused(error) from None
        if found.shape != (len(feed["past"]), *self._graph.output) or found.dtype != np.float32:
            raise refused(ValueError(f"it gives {found.shape} numbers"))
        return found


#: Types of ONNX inputs other than float32.
_DTYPES = {"tensor(int32)": "int32", "tensor(int64)": "int64"}


class KerasEngine:
    """The Keras network itself, traced once for batches of any size.

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
        return np.asarray(self._forward(_feed(inputs, self._dtypes)))


#: Passes with dropout from which the deviation of a forecast is found.
PASSES = 30


class DropoutEngine:
    """The Keras network, and as one more output the deviation of its point forecast over passes with dropout.

    Gal & Ghahramani 2016, Dropout as a Bayesian approximation, arXiv:1506.02142: dropout that stays on draws networks
    from an approximate posterior. The forecast itself is that of one pass without dropout.

    Args:
        network: one that drops something; batch normalisation, which a pass with dropout would change, is refused.
        seed: of the passes, which begin anew with every call.

    Raises:
        SettingError: nothing is dropped, or there is batch normalisation.
    """

    def __init__(self, network: keras.Model, seed: int) -> None:
        import keras
        import tensorflow as tf

        layers = network._flatten_layers()
        if not any(_drops(layer) for layer in layers):
            raise SettingError("intervals by dropout need something that is dropped", "--dropout 0.2")
        if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
            raise SettingError("intervals by dropout do not go with batch normalisation", "--layer-norm layer")
        self._plain, self._seed = KerasEngine(network), seed
        self._states = [v for v in network.variables if v.path.endswith("seed_generator_state")]
        self._dtypes = {i.name: i.dtype for i in network.inputs}
        shapes = {i.name: tf.TensorSpec((None, *i.shape[1:]), i.dtype) for i in network.inputs}

        @tf.function(input_signature=[shapes], autograph=False)
        def dropped(inputs: Any) -> Any:
            return network(inputs, training=True)

        self._dropped = dropped

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`; one output more, the last."""
        for number, state in enumerate(self._states):
            state.assign([self._seed + number, 0])
        feed = _feed(inputs, self._dtypes)
        passes = np.stack([np.asarray(self._dropped(feed))[:, :, 0] for _ in range(PASSES)])
        return np.concatenate([self._plain.run(inputs), passes.std(axis=0, ddof=1)[:, :, None]], axis=2)


def _drops(layer: Any) -> bool:
    return any(isinstance(rate := getattr(layer, name, 0), float) and rate > 0 for name in _RATES)


#: Attributes of layers that hold the share of what they drop.
_RATES = ("rate", "dropout", "recurrent_dropout")


def calibrating(engine: KerasEngine, network: keras.Model, config: Config) -> Engine:
    """Return what forecasts validation windows: the engine of a network, or passes with dropout where they are set."""
    return DropoutEngine(network, config.seed) if config.intervals == "dropout" else engine


def _feed(inputs: Inputs, dtypes: dict[str, str]) -> Inputs:
    """Return the inputs that a network reads, in the types that it reads."""
    return {name: np.ascontiguousarray(inputs[name], dtype) for name, dtype in dtypes.items()}


def roll_forward(engine: Engine, inputs: Inputs, horizon: int, steps: int, indicator: bool = False) -> np.ndarray:
    """Forecast a horizon of any length: cut where it is shorter than ``steps``, fed back where it is longer.

    After each run of the engine its point forecast is appended to the window, which moves forward by ``steps``, with
    what is known of those steps. Covariates known until the cutoff only repeat their last value.

    Args:
        engine: runs one direct forecast of ``steps`` steps.
        inputs: as for :meth:`Engine.run`, but ``future``, ``(windows, ahead, features)``, reaches over the horizon;
            beyond its end, where the last run of the engine goes beyond the horizon, its last step is repeated.
        horizon: steps to forecast.
        steps: output steps of the engine.
        indicator: the last channel of ``past`` is 1 where the target was observed: a forecast counts as observed.

    Returns:
        np.ndarray: ``(windows, horizon, outputs)`` float32; ``(0, horizon, 1)`` of no windows.
    """
    parts = []
    for first in range(0, len(inputs["past"]), CHUNK):
        chunk = {name: array[first : first + CHUNK] for name, array in inputs.items()}
        parts.append(_rolled(engine, chunk, horizon, steps, indicator))
    return np.concatenate(parts) if parts else np.zeros((0, horizon, 1), np.float32)


def _rolled(engine: Engine, inputs: Inputs, horizon: int, steps: int, indicator: bool) -> np.ndarray:
    runs, found, inputs = -(-horizon // steps), [], dict(inputs)
    known = _reaching(inputs.get("future"), len(inputs["past"]), runs * steps)
    for run in range(runs):
        ahead = known[:, run * steps : (run + 1) * steps]
        if ahead.shape[2]:
            inputs["future"] = ahead
        found.append(engine.run(inputs))
        if run < runs - 1:
            inputs["past"] = _moved(inputs["past"], found[-1][:, :, :1], ahead, indicator)
    return np.concatenate(found, axis=1)[:, :horizon]


def _reaching(future: np.ndarray | None, windows: int, steps: int) -> np.ndarray:
    """Return what is known of so many steps, ``(windows, steps, features)``, the last step repeated where it ends."""
    if future is None or not future.shape[2]:
        return np.zeros((windows, steps, 0), np.float32)
    absent = steps - future.shape[1]
    return np.pad(future, ((0, 0), (0, absent), (0, 0)), mode="edge") if absent > 0 else future


def _moved(past: np.ndarray, forecast: np.ndarray, ahead: np.ndarray, indicator: bool) -> np.ndarray:
    """Return the windows moved forward over their forecast, ``(windows, steps, 1)``."""
    steps = forecast.shape[1]
    last = np.repeat(past[:, -1:, 1 + ahead.shape[2] :], steps, axis=1)
    if indicator:
        last[:, :, -1] = 1
    news = np.concatenate([forecast, ahead, last], axis=2)
    return np.concatenate([past, news], axis=1)[:, -past.shape[1] :]
