"""Run a network with ONNX Runtime, which imports neither TensorFlow nor Keras."""

from __future__ import annotations

import os
from collections.abc import Collection

import numpy as np

from forecaster.engines.engine import Inputs, select_inputs
from forecaster.engines.onnx_check.graph import Graph, as_model_error


class OnnxEngine:
    """ONNX Runtime on the CPU; imports neither TensorFlow nor Keras.

    Its telemetry, which since version 1.29 puts an identifier of the machine into the home folder and reports models
    and errors to Microsoft, is switched off, as it must be before the import.

    Args:
        model: the bytes of an ONNX file.
        output: accepted pairs of steps and outputs per window; any by default.

    Raises:
        ModelError: they are not a network that ONNX Runtime can load, see :mod:`forecaster.engines.onnx_check.graph`,
            or its output is not accepted.
    """

    def __init__(self, model: bytes, output: Collection[tuple[int, int]] | None = None) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        self._graph = Graph(model)
        if output is not None and self._graph.output not in output:
            raise as_model_error(ValueError(f"it gives {self._graph.output} numbers of a window"))
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
            raise as_model_error(error) from None
        self._dtypes = {i.name: _DTYPES.get(i.type, "float32") for i in self._session.get_inputs()}

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`.

        Raises:
            ModelError: the network cannot be run on them.
        """
        if absent := self._dtypes.keys() - inputs.keys():
            raise as_model_error(ValueError(f"it reads {', '.join(absent)}, which the model does not have"))
        feed = select_inputs(inputs, self._dtypes)
        windows = self._graph.windows_per_run({name: array.shape for name, array in feed.items()})
        try:
            found = np.concatenate(
                [
                    self._session.run(None, {name: array[first : first + windows] for name, array in feed.items()})[0]
                    for first in range(0, len(feed["past"]), windows)
                ]
            )
        except Exception as error:
            raise as_model_error(error) from None
        if found.shape != (len(feed["past"]), *self._graph.output) or found.dtype != np.float32:
            raise as_model_error(ValueError(f"it gives {found.shape} numbers"))
        return found


#: Types of ONNX inputs other than float32.
_DTYPES = {"tensor(int32)": "int32", "tensor(int64)": "int64"}
