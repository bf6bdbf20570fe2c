"""Check an exported network before ONNX Runtime loads it, and before each run of another size.

A network of this project is plain arithmetic on arrays whose shapes follow from those of its inputs. So it may hold the
operators below and nothing else: no function, no data outside the file, no loop but one whose passes are counted in the
file. The shape of every value is inferred node by node, and from it the memory of a run: as many windows are run
together as fit in it.
"""

from __future__ import annotations

import math
from typing import Any

from forecaster.engines.onnx_check.protobuf import count_bytes_outside
from forecaster.engines.onnx_check.shapes import (
    MOST,
    NUMBERS,
    Kinds,
    Values,
    count_bytes_made,
    record_type,
    record_weight,
    sizes_of,
    tensor_type,
)
from forecaster.errors import ModelError
from forecaster.system.limits import is_out_of_memory

#: Operators of networks: none reads a file, draws a random number, or runs other code.
_OPERATORS = """
Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
CumSum Div Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherND Gemm GlobalAveragePool GlobalMaxPool Greater
GreaterOrEqual Identity LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop MatMul Max MaxPool
Mean Min Mul Neg Not OneHot Or Pad Pow RNN Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare Relu Reshape ReverseSequence Round ScatterND Selu Shape Sigmoid Sign Size Slice Softmax Softplus
Softsign Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_OPERATORS.split())
#: Names of the domain of the operators.
DOMAINS = ("", "ai.onnx")
#: Where weights are in a file, by the numbers of fields: the graph, its initializers, their bytes.
WEIGHTS = (7, 5, 9)
#: Fields that a file may hold, by message of the ONNX format. External data, claimed shapes, functions and later
#: additions to the format are not among them.
FIELDS = {
    "ModelProto": "ir_version producer_name producer_version graph opset_import",
    "OperatorSetIdProto": "domain version",
    "GraphProto": "node name initializer doc_string input output",
    "NodeProto": "input output name op_type domain attribute",
    "AttributeProto": "name type i ints f floats s strings t g",
    "TensorProto": "dims data_type name raw_data float_data int32_data int64_data double_data",
    "ValueInfoProto": "name type",
    "TypeProto": "tensor_type",
    "Tensor": "elem_type shape",
    "TensorShapeProto": "dim",
    "Dimension": "dim_value dim_param",
}
#: Bytes of the file at most without its weights; and nodes and their inputs at most, including those of loops: ten
#: transformers of four layers have 0.7 MB and 10,000.
STRUCTURE, NODES = 2 << 20, 30_000
#: Bytes at most of all values of a run, in addition to those of the weights, from which some are computed.
ROOM = 3 << 27
#: Windows computed in parallel: a multiple of them mostly rounds the same alone as among others.
LANES = 16


class Graph:
    """The graph of a network in the ONNX format.

    Args:
        content: the bytes of the file.

    Attributes:
        inputs: shape of each input, without the windows.
        output: shape of the output, ``(steps, outputs)``, without the windows.

    Raises:
        ModelError: it is not a network, or holds something that no network of this project holds.
    """

    def __init__(self, content: bytes) -> None:
        import onnx

        try:
            if count_bytes_outside(content, WEIGHTS, STRUCTURE) > STRUCTURE:
                raise ValueError(f"it holds more than {STRUCTURE:,} bytes without its weights")
            model = onnx.load_model_from_string(content)
            if (nodes := _count_nodes(model.graph)) > NODES:
                raise ValueError(f"it holds {nodes:,} nodes and what they read")
            _check_message(model)
            versions = [each for each in model.opset_import if each.domain in DOMAINS]
            if len(versions) != 1:
                raise ValueError(f"it names {len(versions)} versions of its operators")
            self._graph, self._opset, self._weights = model.graph, versions[0], 0
            self._kinds: Kinds = {}
            self._values: Values = {}
            for weight in model.graph.initializer:
                self._weights += record_weight(weight, self._kinds, self._values)
            del model.graph.initializer[:]
            self.inputs = {value.name: sizes_of(value.type)[1:] for value in model.graph.input}
            (self.output,) = (sizes_of(value.type)[1:] for value in model.graph.output)
            if min(size for shape in (self.output, *self.inputs.values()) for size in shape) < 1:
                raise ValueError("an input or the output has no shape")
        except Exception as error:  # a hostile file may make the two libraries raise any
            raise as_model_error(error) from None
        self._found: dict[int, int] = {}
        self._room = ROOM + self._weights
        self.windows_per_run({name: (1, *shape) for name, shape in self.inputs.items()})

    def windows_per_run(self, shapes: dict[str, tuple[int, ...]]) -> int:
        """Return the number of windows in one run over inputs of these shapes; the last run may have fewer.

        It is a multiple of LANES if that many fit in memory.

        Args:
            shapes: shape of each input, windows first.

        Raises:
            ModelError: the inputs are others, one window takes too much, or a shape does not follow from the inputs.
        """
        try:
            if {name: shape[1:] for name, shape in shapes.items()} != self.inputs:
                raise ValueError(f"it reads {self.inputs} of each window, not {shapes}")
            windows = shapes["past"][0]
            one, most = self._bytes_of(1), self._bytes_of(windows)
            if one > self._room:
                raise ValueError(f"it makes {one:,} bytes of one window")
            if most <= self._room:
                return windows
            fit = 1 + (self._room - one) * (windows - 1) // (most - one)
            lanes = LANES if fit >= LANES else 1
            even = math.ceil(windows / math.ceil(windows / (fit - fit % lanes)))
            found = even + -even % lanes
            for some in (found, windows % found):
                if (taken := self._bytes_of(some)) > self._room:
                    raise ValueError(f"it makes {taken:,} bytes of {some} windows")
            return found
        except Exception as error:
            raise as_model_error(error) from None

    def _bytes_of(self, windows: int) -> int:
        """Return the bytes of all values of a run over ``windows`` windows."""
        if windows not in self._found:
            kinds, values = dict(self._kinds), dict(self._values)
            for value in self._graph.input:
                kind = tensor_type(value.type.tensor_type.elem_type, (windows, *self.inputs[value.name]))
                record_type(value.name, kind, kinds)
            made = count_bytes_made(self._graph, kinds, values, self._opset, self.inputs["past"][0] + self.output[0])
            if sizes_of(kinds[self._graph.output[0].name]) != (windows, *self.output):
                raise ValueError("its output has another shape than it declares")
            self._found[windows] = made
        return self._found[windows]


def as_model_error(error: Exception) -> Exception:
    """Return the error of a network that cannot be run; a lack of memory stays a MemoryError."""
    if is_out_of_memory(error):
        return MemoryError(str(error))
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ModelError(f"ONNX Runtime cannot load the network: {reason}", "fit the model again")


def _check_message(message: Any) -> None:
    """Refuse a message that holds, at any depth, a field or an operator that is not allowed."""
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        if field.name not in FIELDS.get(kind, "").split():
            raise ValueError(f"it holds {kind}.{field.name}")
        if field.message_type:
            for part in value if field.is_repeated else (value,):
                _check_message(part)
    if kind == "NodeProto" and (message.op_type not in OPERATORS or message.domain not in DOMAINS):
        raise ValueError(f"it holds the operator {message.domain}.{message.op_type}")
    if kind == "TensorProto" and message.data_type not in NUMBERS:
        raise ValueError(f"it holds an array of another kind, {message.data_type}")
    if kind == "AttributeProto" and not all(-MOST < whole < MOST for whole in (message.i, *message.ints)):
        raise ValueError(f"{message.name} is too large")


def _count_nodes(graph: Any) -> int:
    """Return the number of nodes of a graph and of their inputs, including those of its loops."""
    inside = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return sum(1 + len(node.input) for node in graph.node) + sum(map(_count_nodes, inside))
