"""What an exported network may be: checked before ONNX Runtime sees it, and before each run of another size.

A network of this project is plain arithmetic on arrays whose shapes follow from those of its inputs. So there may be
the operators below and nothing else: no function, no data outside the file, no loop but one whose passes are counted
in the file. The shape of every value is inferred node by node, and with them what a run takes before there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from forecaster.errors import ModelError

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
#: Kinds of numbers, as ONNX counts them, and the bytes of each: float32, int32, int64, bool and float64.
NUMBERS = {1: 4, 6: 4, 7: 8, 9: 1, 11: 8}
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
#: Numbers that a value may hold of each window in any case, and times what :meth:`Graph.check` finds a reason for.
ALWAYS, TIMES = 1 << 16, 16
#: Numbers of an array at most that shapes are computed from.
FEW = 1 << 10
#: Bound of sizes and whole numbers, so that no product of two is beyond int64.
MOST = 1 << 31

#: Types of values by name, and of the small ones that are known what they are.
Kinds: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, np.ndarray]


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
            model = onnx.load_model_from_string(content)
            _check_message(model)
            self._graph, self._opsets, self._weights = model.graph, model.opset_import, 0
            self._kinds: Kinds = {}
            self._values: Values = {}
            for weight in model.graph.initializer:
                self._weights += _learn(weight, self._kinds, self._values)
            del model.graph.initializer[:]
            self.inputs = {value.name: _sizes(value.type)[1:] for value in model.graph.input}
            (self.output,) = (_sizes(value.type)[1:] for value in model.graph.output)
            if min(size for shape in (self.output, *self.inputs.values()) for size in shape) < 1:
                raise ValueError("an input or the output has no shape")
        except Exception as error:  # of two libraries, which a hostile file may bring to raise any
            raise refused(error) from None
        self._checked: list[dict[str, tuple[int, ...]]] = []

    def check(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Refuse to run on inputs of these shapes, windows first, where more is held at once than there is reason for.

        A layer holds ``(steps, width)`` numbers of a window, attention ``(steps, steps)`` a head: the steps are those
        of ``past`` and of the output, and the width of a layer is about the root of the number of weights.

        Raises:
            ModelError: saying what is too large, or whose shape does not follow from those of the inputs.
        """
        if shapes in self._checked:
            return
        try:
            if {name: shape[1:] for name, shape in shapes.items()} != self.inputs:
                raise ValueError(f"it reads {self.inputs} of each window, not {shapes}")
            windows, lookback, channels = shapes["past"]
            steps = lookback + self.output[0]
            kinds, values = dict(self._kinds), dict(self._values)
            for value in self._graph.input:
                kinds[value.name] = _kind(value.type.tensor_type.elem_type, shapes[value.name])
            held = _held(self._graph, kinds, values, self._opsets, steps)
            width = channels + math.isqrt(self._weights)
            if held > self._weights + windows * (ALWAYS + TIMES * steps * (steps + width)):
                raise ValueError(f"it holds {held:,} numbers at once")
            if _sizes(kinds[self._graph.output[0].name]) != (windows, *self.output):
                raise ValueError("its output has another shape than it says")
        except Exception as error:
            raise refused(error) from None
        self._checked.append(shapes)


def refused(error: Exception) -> ModelError:
    """Return what is said of a network that cannot be run."""
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
    if kind == "NodeProto" and (message.op_type not in OPERATORS or message.domain not in ("", "ai.onnx")):
        raise ValueError(f"it holds the operator {message.domain}.{message.op_type}")
    if kind == "TensorProto" and message.data_type not in NUMBERS:
        raise ValueError(f"it holds an array of another kind, {message.data_type}")
    if kind == "AttributeProto" and not all(-MOST < whole < MOST for whole in (message.i, *message.ints)):
        raise ValueError(f"{message.name} is too large")


def _kind(number: int, shape: Sequence[int]) -> Any:
    """Return the type of an array."""
    import onnx

    return onnx.helper.make_tensor_type_proto(number, shape)


def _sizes(kind: Any) -> tuple[int, ...]:
    """Return the shape of a type; 0 for a size that is not told."""
    return tuple(size.dim_value for size in kind.tensor_type.shape.dim)


def _size(kind: Any) -> int:
    """Return how many numbers a value of a type holds."""
    return math.prod(_sizes(kind))


def _learn(weight: Any, kinds: Kinds, values: Values) -> int:
    """Add a weight to what is known; return how many numbers it holds, which are all in the file."""
    import onnx

    shape, written = tuple(weight.dims), len(weight.raw_data) / NUMBERS[weight.data_type]
    written += sum(len(getattr(weight, f"{name}_data")) for name in ("float", "int32", "int64", "double"))
    if not all(0 <= size < MOST for size in shape) or math.prod(shape) != written:
        raise ValueError(f"{weight.name} has the shape {shape}, but {written:g} numbers")
    kinds[weight.name] = _kind(weight.data_type, shape)
    if math.prod(shape) <= FEW:
        values[weight.name] = onnx.numpy_helper.to_array(weight)
    return math.prod(shape)


def _held(graph: Any, kinds: Kinds, values: Values, opsets: Any, passes: int) -> int:
    """Return how many numbers the nodes of a graph hold at once, each value from where it is made to its last use.

    Args:
        graph: its nodes are in the order in which they are run.
        kinds: types of its inputs and weights; those of all its values are added.
        values: what is known of them; what is computed of shapes alone is added.
        opsets: versions of the operators.
        passes: of a loop at most.

    Raises:
        ValueError: the shape of a value does not follow from those of the inputs.
    """
    last = {name: place for place, node in enumerate(graph.node) for name in (*node.input, *node.output)}
    alive: dict[int, int] = {}
    held = most = 0
    for place, node in enumerate(graph.node):
        inside = 0
        if node.op_type == "Loop":
            found, inside = _loop(node, kinds, values, opsets, passes)
        else:
            found = _inferred(node, kinds, values, opsets)
        for name in (name for name in node.output if name):
            if not (kind := found[name]).tensor_type.HasField("shape") or not all(
                size.HasField("dim_value") and 0 <= size.dim_value < MOST for size in kind.tensor_type.shape.dim
            ):
                raise ValueError(f"the shape of {name} does not follow from those of the inputs")
            kinds[name] = kind
            held += _size(kind)
            alive[last[name]] = alive.get(last[name], 0) + _size(kind)
        most = max(most, held + inside)
        held -= alive.get(place, 0)
        _compute(node, kinds, values)
    return most


def _inferred(node: Any, kinds: Kinds, values: Values, opsets: Any) -> Kinds:
    """Return the types of what a node gives."""
    import onnx

    given = [name for name in node.input if name]
    known = {name: values[name] for name in given if name in values}
    if node.op_type != "Slice" and any(v.dtype.kind == "i" and (np.abs(v) >= MOST).any() for v in known.values()):
        raise ValueError(f"{node.op_type} is given a number that is too large")
    version = next(each.version for each in opsets if each.domain in ("", "ai.onnx"))
    return onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, version),
        node,
        {name: kinds[name] for name in given},
        {name: onnx.numpy_helper.from_array(value) for name, value in known.items()},
        opset_imports=list(opsets),
    )


def _compute(node: Any, kinds: Kinds, values: Values) -> None:
    """Add what a node gives to the known values, where it is one of those that shapes are computed with."""
    given = [values.get(name) if name else None for name in node.input]
    small = _size(kinds[node.output[0]]) <= FEW
    if node.op_type == "Shape" and not node.attribute:
        values[node.output[0]] = np.array(_sizes(kinds[node.input[0]]), np.int64)
    elif node.op_type in COMPUTED and all(name in values for name in node.input if name) and small:
        options = {each.name: each.i if each.type == 2 else list(each.ints) for each in node.attribute}
        values[node.output[0]] = np.asarray(COMPUTED[node.op_type](*given, **options))


def _slice(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    axes = range(len(starts)) if axes is None else axes
    steps = np.ones(len(starts), np.int64) if steps is None else steps
    parts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[int(axis)] = slice(int(start), int(end), int(step))
    return x[tuple(parts)]


def _cast(x: Any, to: int) -> Any:
    import onnx

    return x.astype(onnx.helper.tensor_dtype_to_np_dtype(to))


#: What shapes are computed with: the rest of a node's inputs, then its attributes.
COMPUTED: dict[str, Callable[..., Any]] = {
    "Gather": lambda x, indices, axis=0: np.take(x, indices, axis),
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Cast": _cast,
    "Slice": _slice,
    "Squeeze": lambda x, axes=None: np.squeeze(x, None if axes is None else tuple(axes.tolist())),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.tolist())),
    "ReduceProd": lambda x, axes=None, keepdims=1: x.prod(
        None if axes is None else tuple(axes), keepdims=bool(keepdims)
    ),
    "Max": lambda *parts: np.maximum.reduce(parts),
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Identity": lambda x: x,
}


def _loop(node: Any, kinds: Kinds, values: Values, opsets: Any, passes: int) -> tuple[Kinds, int]:
    """Return the types of what a loop gives, and how many numbers one of its passes holds at once.

    What it carries has one shape in all passes; what it collects has a row for each of them. It makes as many passes at
    most as stand in the file.
    """
    (body,) = (attribute.g for attribute in node.attribute)
    count, carried = int(values[node.input[0]]), [kinds[name] for name in node.input[2:]]
    if not 0 <= count <= passes or any(each.op_type == "Loop" for each in body.node):
        raise ValueError(f"it holds a loop of {count} passes, or a loop in a loop")
    names = [value.name for value in body.input]
    own, known = {**kinds, **dict(zip(names, [_kind(7, []), _kind(9, []), *carried], strict=True))}, dict(values)
    for name in names:
        known.pop(name, None)
    for weight in body.initializer:
        _learn(weight, own, known)
    inside = _held(body, own, known, opsets, 0)
    given = [own[value.name] for value in body.output[1:]]
    if [_sizes(kind) for kind in given[: len(carried)]] != [_sizes(kind) for kind in carried]:
        raise ValueError("it holds a loop that carries another shape from each pass to the next")
    collected = [_kind(kind.tensor_type.elem_type, (count, *_sizes(kind))) for kind in given[len(carried) :]]
    return dict(zip(node.output, [*carried, *collected], strict=False)), inside
