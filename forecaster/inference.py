"""Running a trained network: one interface, two engines, and rolling forward beyond the steps it was trained for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import keras

#: Windows in one call of an engine: bounds memory, changes no number.
CHUNK = 1024


class Engine(Protocol):
    """Something that forecasts windows."""

    def run(self, past: np.ndarray, future: np.ndarray) -> np.ndarray:
        """Return the forecast of each window, scaled.

        Args:
            past: ``(windows, lookback, 1 + features)`` float32, the scaled target and the calendar features.
            future: ``(windows, steps, features)`` float32.

        Returns:
            np.ndarray: ``(windows, steps)`` float32.
        """
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU; imports neither TensorFlow nor Keras.

    Args:
        model: the bytes of an ONNX file.

    Raises:
        ModelError: they are not a network that ONNX Runtime can load.
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        from forecaster.errors import ModelError

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1 if len(model) < 4_000_000 else 0
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot load the network: {reason}", "fit the model again") from None
        self._inputs = {i.name for i in self._session.get_inputs()}

    def run(self, past: np.ndarray, future: np.ndarray) -> np.ndarray:
        """See :class:`Engine`."""
        feed = {k: v for k, v in {"past": past, "future": future}.items() if k in self._inputs}
        return np.asarray(self._session.run(None, feed)[0])[:, :, 0]


class KerasEngine:
    """The Keras network itself, traced once for batches of any size.

    Args:
        network: a network of :func:`forecaster.networks.factory.build_network`.
    """

    def __init__(self, network: keras.Model) -> None:
        import tensorflow as tf

        shapes = {i.name: tf.TensorSpec((None, *i.shape[1:]), "float32") for i in network.inputs}

        @tf.function(input_signature=[shapes])
        def forward(inputs: Any) -> Any:
            return network(inputs, training=False)

        self._forward, self._inputs = forward, set(shapes)

    def run(self, past: np.ndarray, future: np.ndarray) -> np.ndarray:
        """See :class:`Engine`."""
        feed = {k: v for k, v in {"past": past, "future": future}.items() if k in self._inputs}
        return np.asarray(self._forward(feed))[:, :, 0]


def roll_forward(engine: Engine, past: np.ndarray, future: np.ndarray, steps: int) -> np.ndarray:
    """Forecast a horizon of any length: cut where it is shorter than ``steps``, fed back where it is longer.

    After each run of the engine its forecast is appended to the window, which moves forward by ``steps``.

    Args:
        engine: runs one direct forecast of ``steps`` steps.
        past: ``(windows, lookback, 1 + features)`` float32.
        future: ``(windows, horizon, features)`` float32; its length is the horizon.
        steps: output steps of the engine.

    Returns:
        np.ndarray: ``(windows, horizon)`` float32.
    """
    parts = [_rolled(engine, past[i : i + CHUNK], future[i : i + CHUNK], steps) for i in range(0, len(past), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, future.shape[1]), np.float32)


def _rolled(engine: Engine, past: np.ndarray, future: np.ndarray, steps: int) -> np.ndarray:
    horizon, lookback = future.shape[1], past.shape[1]
    runs = -(-horizon // steps)
    known = np.pad(future, ((0, 0), (0, runs * steps - horizon), (0, 0)), mode="edge")
    found = []
    for run in range(runs):
        ahead = known[:, run * steps : (run + 1) * steps]
        found.append(engine.run(np.ascontiguousarray(past), np.ascontiguousarray(ahead)))
        if run < runs - 1:
            news = np.concatenate([found[-1][:, :, None], ahead], axis=2)
            past = np.concatenate([past, news], axis=1)[:, -lookback:]
    return np.concatenate(found, axis=1)[:, :horizon]
