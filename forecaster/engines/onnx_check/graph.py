"""What an exported network may be: checked before ONNX Runtime sees it, and before each run of another size.

A network of this project is plain arithmetic on arrays whose shapes follow from those of its inputs. So there may be
the operators below and nothing else: no function, no data outside the file, no loop but one whose passes are counted
in the file. The shape of every value is inferred node by node, and with them what a run takes before there is one:
windows are run together as far as there is room.
"""

from __future__ import annotations

import math
from typing import Any

from forecaster.engines.onnx_check.protobuf import bytes_beside
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

#: Operators that networks are made of: none reads a file, draws a number, or runs something else.
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
#: What a file may hold, by the messages of the ONNX format: data outside the file, shapes that somebody claims,
#: functions and whatever will be added to the format are not among it.
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
#: Bytes of the file at most beside its weights; and nodes at most, with those of loops and with what each reads: ten
#: transformers of four layers have 0.7 MB and 10,000.
STRUCTURE, NODES = 2 << 20, 30_000
#: Bytes at most of all values of a run, beside as many as the weights have, which some of them are computed from.
ROOM = 3 << 27
#: Windows that are computed side by side: a multiple of them, apart from others, rounds like with them, mostly.
LANES = 16


class Graph:
    """The graph of a network in the ONNX format.

    Args:
        content: the bytes of the file.

    Attributes:
        inputs: shape of each input, without the windows.
        output: shape of the output, ``(steps, outputs)``, without the windows.

    Raises:
        ModelError: it is no network, or holds what none of ours does.
    """

    def __init__(self, content: bytes) -> None:
        import onnx

        try:
            if bytes_beside(content, WEIGHTS, STRUCTURE) > STRUCTURE:
                raise ValueError(f"it holds more than {STRUCTURE:,} bytes beside its weights")
            model = onnx.load_model_from_string(content)
            if (nodes := _nodes(model.graph)) > NODES:
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
        except Exception as error:  # of two libraries, which a hostile file may bring to raise any
            raise as_model_error(error) from None
        self._found: dict[int, int] = {}
        self._room = ROOM + self._weights
        self.together({name: (1, *shape) for name, shape in self.inputs.items()})

    def together(self, shapes: dict[str, tuple[int, ...]]) -> int:
        """Return how many windows of inputs of these shapes are forecast in one run, the last of which may have fewer.

        Where there is room for as many, it is a multiple of LANES.

        Args:
            shapes: of each input, windows first.

        Raises:
            ModelError: it reads other inputs, one window takes too much, or a shape does not follow from the inputs'.
        """
        try:
            if {name: shape[1:] for name, shape in shapes.items()} != self.inputs:
                raise ValueError(f"it reads {self.inputs} of each window, not {shapes}")
            windows = shapes["past"][0]
            one, most = self._taken(1), self._taken(windows)
            if one > self._room:
                raise ValueError(f"it makes {one:,} bytes of one window")
            if most <= self._room:
                return windows
            fit = 1 + (self._room - one) * (windows - 1) // (most - one)
            lanes = LANES if fit >= LANES else 1
            even = math.ceil(windows / math.ceil(windows / (fit - fit % lanes)))
            found = even + -even % lanes
            for some in (found, windows % found):
                if (taken := self._taken(some)) > self._room:
                    raise ValueError(f"it makes {taken:,} bytes of {some} windows")
            return found
        except Exception as error:
            raise as_model_error(error) from None

    def _taken(self, windows: int) -> int:
        """Return how many bytes the values of a run of so many windows are."""
        if windows not in self._found:
            kinds, values = dict(self._kinds), dict(self._values)
            for value in self._graph.input:
                kind = tensor_type(value.type.tensor_type.elem_type, (windows, *self.inputs[value.name]))
                record_type(value.name, kind, kinds)
            made = count_bytes_made(self._graph, kinds, values, self._opset, self.inputs["past"][0] + self.output[0])
            if sizes_of(kinds[self._graph.output[0].name]) != (windows, *self.output):
                raise ValueError("its output has another shape than it says")
            self._found[windows] = made
        return self._found[windows]


def as_model_error(error: Exception) -> Exception:
    """Return what is said of a network that cannot be run; that memory is short is not its fault."""
    if is_out_of_memory(error):
        return MemoryError(str(error))
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ModelError(f"ONNX Runtime cannot load the network: {reason}", "fit the model again")


def _check_message(message: Any) -> None:
    """Refuse a message, and those in it, that holds another field than it may, or another operator."""
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


def _nodes(graph: Any) -> int:
    """Return how many nodes a graph has, and values that they read, with those of its loops."""
    inside = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return sum(1 + len(node.input) for node in graph.node) + sum(map(_nodes, inside))
