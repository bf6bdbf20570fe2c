"""What an exported network may be: checked before ONNX Runtime sees it, and before each run of another size.

A network of this project is plain arithmetic on arrays whose shapes follow from those of its inputs. So there may be
the operators below and nothing else: no function, no data outside the file, no loop but one whose passes are counted
in the file. Shape inference then finds the shape of every value without computing any, and with them what a run takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

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
#: Kinds of numbers, as ONNX counts them: float32, int32, int64, bool and float64.
NUMBERS = frozenset((1, 6, 7, 9, 11))
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
#: Operators that shapes are computed with.
OF_SHAPES = ("Gather", "Cast", "Concat", "Slice", "ReduceProd", "Max", "Squeeze", "Unsqueeze", "Mul", "Add", "Sub")
#: Numbers of a weight from which on its shape is enough to infer others, and of what is computed of shapes at most.
LARGE = 1 << 10


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
            self._model = onnx.load_model_from_string(content)
            _check_message(self._model)
            graph = self._model.graph
            self.inputs = {value.name: _shape(value.type)[1:] for value in graph.input}
            (output,) = graph.output
            self.output = _shape(output.type)[1:]
            self._weights = _as_inputs(graph)
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
            held = _held(self._model, shapes, steps)
            width = channels + math.isqrt(self._weights)
            if held > self._weights + windows * (ALWAYS + TIMES * steps * (steps + width)):
                raise ValueError(f"it holds {held:,} numbers at once")
        except Exception as error:
            raise refused(error) from None
        self._checked.append(shapes)


def refused(error: Exception) -> ModelError:
    """Return what is said of a network that cannot be run."""
    return ModelError(
        f"ONNX Runtime cannot load the network: {str(error).strip().partition(chr(10))[0]}", "fit the model again"
    )


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


def _shape(kind: Any) -> tuple[int, ...]:
    """Return the shape of a TypeProto; 0 for a size that is not told."""
    if not kind.tensor_type.HasField("shape"):
        raise ValueError("the shape of a value cannot be told")
    return tuple(size.dim_value for size in kind.tensor_type.shape.dim)


def _told(kind: Any, most: float = math.inf) -> bool:
    """Return whether every size of a TypeProto is told, and it holds so many numbers at most."""
    if kind is None or not kind.tensor_type.HasField("shape"):
        return False
    sizes = kind.tensor_type.shape.dim
    return all(size.HasField("dim_value") for size in sizes) and math.prod(size.dim_value for size in sizes) <= most


def _size(kind: Any) -> int:
    """Return how many numbers a value holds."""
    if not _told(kind):
        raise ValueError("the shape of a value cannot be told")
    return math.prod(_shape(kind))


def _as_inputs(graph: Any) -> int:
    """Make inputs of the large weights of a graph, which shapes do not depend on; return the numbers in all of them."""
    import onnx

    sizes = [math.prod(weight.dims) for weight in graph.initializer]
    for weight, size in reversed(list(zip(graph.initializer, sizes, strict=True))):
        if size >= LARGE:
            graph.input.append(onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    kept = [weight for weight, size in zip(graph.initializer, sizes, strict=True) if size < LARGE]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return sum(sizes)


def _held(model: Any, shapes: dict[str, tuple[int, ...]], passes: int) -> int:
    """Return how many numbers a run on inputs of some shapes holds at once, its inputs and weights aside."""
    import onnx

    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        for size, found in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            size.dim_value = found
    held = 0
    while loop := next((node for node in sized.graph.node if node.op_type == "Loop"), None):
        held += _replace_loop(sized, loop, passes)
    kinds = _inferred(sized, [name for node in sized.graph.node for name in node.output if name])
    return held + _most(sized.graph, kinds)


def _inferred(model: Any, wanted: Iterable[str]) -> dict[str, Any]:
    """Return the type of every value of a model, all sizes told of those that are wanted.

    Shape inference itself computes little of what shapes are computed from; the rest is put into the model as numbers.
    """
    import onnx

    while True:
        found = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
        kinds = {w.name: onnx.helper.make_tensor_type_proto(w.data_type, w.dims) for w in found.initializer}
        kinds |= {value.name: value.type for value in (*found.input, *found.value_info, *found.output)}
        if all(_told(kinds.get(name)) for name in wanted) or not _fold(model, kinds):
            return kinds


def _fold(model: Any, kinds: dict[str, Any]) -> bool:
    """Make constants of what is computed of shapes alone; return whether there was any."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    graph, opsets = model.graph, {each.domain: each.version for each in model.opset_import}
    values = {weight.name: onnx.numpy_helper.to_array(weight) for weight in graph.initializer}
    folded = []
    for node in graph.node:
        name, given = str(node.output[0]), [str(each) for each in node.input if each]
        if node.op_type == "Shape" and not node.attribute and _told(kinds.get(given[0])):
            values[name] = np.array(_shape(kinds[given[0]]), np.int64)
        elif node.op_type in OF_SHAPES and values.keys() >= set(given) and _told(kinds.get(name), LARGE):
            known = {each: values[each] for each in given}
            values[name] = np.asarray(*ReferenceEvaluator(node, opsets=opsets).run(None, known))
        else:
            continue
        folded.append(node)
    for node in folded:
        graph.initializer.append(onnx.numpy_helper.from_array(values[node.output[0]], node.output[0]))
        graph.node.remove(node)
    return bool(folded)


def _most(graph: Any, kinds: dict[str, Any]) -> int:
    """Return how many numbers the nodes of a graph hold at once: each value from where it is made to its last use."""
    last = {name: place for place, node in enumerate(graph.node) for name in (*node.input, *node.output)}
    ending: dict[int, list[str]] = {}
    for name in (name for node in graph.node for name in node.output if name):
        ending.setdefault(last[name], []).append(name)
    held = most = 0
    for place, node in enumerate(graph.node):
        held += sum(_size(kinds[name]) for name in node.output if name)
        most = max(most, held)
        held -= sum(_size(kinds[name]) for name in ending.get(place, ()))
    return most


def _replace_loop(model: Any, loop: Any, passes: int) -> int:
    """Make inputs of what a loop gives, in its place; return how many numbers it holds at once.

    What it carries has one shape in all passes; what it collects has a row for each of them. It makes as many passes at
    most as stand in the file.
    """
    import onnx

    (body,) = (attribute.g for attribute in loop.attribute)
    own = {value.name for value in (*body.input, *body.initializer)} | {
        name for each in body.node for name in each.output
    }
    outer = sorted({name for node in body.node for name in node.input if name} - own)
    known = _inferred(model, [*loop.input[2:], *outer])
    limits = {weight.name: weight for weight in model.graph.initializer}
    count = int(onnx.numpy_helper.to_array(limits[loop.input[0]]))
    carried = [known[name] for name in loop.input[2:]]
    if not 0 <= count <= passes or any(node.op_type == "Loop" for node in body.node):
        raise ValueError(f"it holds a loop of {count} passes, or a loop in a loop")
    inside = onnx.ModelProto()
    inside.CopyFrom(model)
    inside.graph.CopyFrom(body)
    for value, kind in zip(body.input[2:], carried, strict=True):
        next(each for each in inside.graph.input if each.name == value.name).type.CopyFrom(kind)
    for name in outer:
        inside.graph.input.append(onnx.helper.make_value_info(name, known[name]))
    kinds = _inferred(inside, [name for node in body.node for name in node.output if name])
    given = [kinds[value.name] for value in body.output[1:]]
    if [_shape(kind) for kind in given[: len(carried)]] != [_shape(kind) for kind in carried]:
        raise ValueError("it holds a loop that carries another shape from each pass to the next")
    collected = [
        onnx.helper.make_tensor_type_proto(kind.tensor_type.elem_type, (count, *_shape(kind)))
        for kind in given[len(carried) :]
    ]
    held = _most(inside.graph, kinds)
    for name, kind in zip(loop.output, [*carried, *collected], strict=False):
        if name:
            model.graph.input.append(onnx.helper.make_value_info(name, kind))
            held += _size(kind)
    model.graph.node.remove(loop)
    return held
