"""A trained network as a file in the ONNX format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forecaster.system.files import read_through_pipe
from forecaster.system.native import environment_variables, silence_native

if TYPE_CHECKING:
    import keras

#: No copy of the graph, with all its weights, before each pass, to return to if the pass fails.
_TF2ONNX: dict[str, str | None] = {"TF2ONNX_CATCH_ERRORS": "FALSE"}


def export_onnx(network: keras.Model) -> bytes:
    """Return the network as an ONNX file; recurrent layers are traced as loops, for which ONNX has operators.

    Its output is named ``forecast``, the open dimension of the inputs and of the output ``windows``.
    """
    with silence_native(), environment_variables(_TF2ONNX), _trace_as_loops(network):
        return _name_outputs(read_through_pipe(lambda path: network.export(path, format="onnx", verbose=False)))


@contextmanager
def _trace_as_loops(network: keras.Model) -> Iterator[None]:
    """Trace recurrent layers as loops while the block runs: neither with cuDNN nor unrolled."""
    before = []
    for layer in network._flatten_layers():
        for name in ("use_cudnn", "unroll"):
            if hasattr(layer, name):
                before.append((layer, name, getattr(layer, name)))
                setattr(layer, name, False)
    try:
        yield
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)


def _name_outputs(content: bytes) -> bytes:
    """Return an ONNX file with names for its output and its open dimension."""
    import onnx

    model = onnx.load_model_from_string(content)
    (output,) = model.graph.output
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["forecast" if name == output.name else name for name in names]
    output.name = "forecast"
    for value in (*model.graph.input, output):
        value.type.tensor_type.shape.dim[0].dim_param = "windows"
    return bytes(model.SerializeToString())
