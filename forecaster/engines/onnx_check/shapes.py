"""Infer the shape and the bytes of every value of a network, node by node, without a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

#: Numbers that a recurrent layer computes for each unit of all steps before it starts.
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
#: ONNX element types and the bytes of each: float32, int32, int64, bool, float16 and float64.
NUMBERS = {1: 4, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}
#: ONNX Runtime pads the channels of images to a multiple of this if there is a convolution.
BLOCK = 16
#: Numbers at most of an array that shapes are computed from.
FEW = 1 << 10
#: Bound of sizes and whole numbers, so that no product of two is beyond int64.
MOST = 1 << 31

#: Types of values by name; and small known values by name.
Kinds: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, np.ndarray]


def tensor_type(number: int, shape: Sequence[int]) -> Any:
    """Return the type of an array."""
    import onnx

    return onnx.helper.make_tensor_type_proto(number, shape)


def sizes_of(kind: Any) -> tuple[int, ...]:
    """Return the shape of a type; 0 for a size that is not given."""
    return tuple(size.dim_value for size in kind.tensor_type.shape.dim)


def bytes_of(kind: Any, block: int = 1) -> int:
    """Return the bytes of a value of a type, with the channels of images in blocks."""
    if kind.tensor_type.elem_type not in NUMBERS:
        raise ValueError(f"it makes values of another kind, {kind.tensor_type.elem_type}")
    sizes = list(sizes_of(kind))
    if len(sizes) == 4:
        sizes[1] += -sizes[1] % block
    return math.prod(sizes) * NUMBERS[kind.tensor_type.elem_type]


def record_type(name: str, kind: Any, kinds: Kinds) -> None:
    """Add the type of a value; no two values may have the same name."""
    if name in kinds:
        raise ValueError(f"two values are named {name}")
    kinds[name] = kind


def record_weight(weight: Any, kinds: Kinds, values: Values) -> int:
    """Add a weight to types and known values, and return its bytes, which must all be in the file."""
    import onnx

    shape, written = tuple(weight.dims), len(weight.raw_data) / NUMBERS[weight.data_type]
    written += sum(len(getattr(weight, f"{name}_data")) for name in ("float", "int32", "int64", "double"))
    if not all(0 <= size < MOST for size in shape) or math.prod(shape) != written:
        raise ValueError(f"{weight.name} has the shape {shape}, but {written:g} numbers")
    record_type(weight.name, tensor_type(weight.data_type, shape), kinds)
    if math.prod(shape) <= FEW:
        values[weight.name] = onnx.numpy_helper.to_array(weight)
    return bytes_of(kinds[weight.name])


def count_bytes_made(graph: Any, kinds: Kinds, values: Values, opset: Any, passes: int) -> int:
    """Return the bytes of all values that the nodes of a graph compute.

    ONNX Runtime chooses their order, and keeps values computed from weights alone and inputs of loops.

    Args:
        graph: with its nodes in an order in which they can be run.
        kinds: types of its inputs and weights; those of all its values are added.
        values: known values; those computed from shapes alone are added.
        opset: version of the operators.
        passes: of a loop at most.

    Raises:
        ValueError: the shape of a value does not follow from those of the inputs.
    """
    made, block = 0, BLOCK if any(node.op_type == "Conv" for node in graph.node) else 1
    for node in graph.node:
        if node.op_type == "Loop":
            found, inside = _loop(node, kinds, values, opset, passes)
        else:
            found, inside = _infer_types(node, kinds, values, opset), _scratch_bytes(node, kinds)
        made += inside
        for name in (name for name in node.output if name):
            if not (kind := found[name]).tensor_type.HasField("shape") or not all(
                size.HasField("dim_value") and 0 <= size.dim_value < MOST for size in kind.tensor_type.shape.dim
            ):
                raise ValueError(f"the shape of {name} does not follow from those of the inputs")
            record_type(name, kind, kinds)
            made += bytes_of(kind, block)
        _compute(node, kinds, values)
    return made


def _infer_types(node: Any, kinds: Kinds, values: Values, opset: Any) -> Kinds:
    """Return the types of the outputs of a node."""
    import onnx

    given = [name for name in node.input if name]
    known = {name: values[name] for name in given if name in values}
    whole = [value for value in known.values() if value.dtype.kind == "i"]
    if node.op_type != "Slice" and any(((value <= -MOST) | (value >= MOST)).any() for value in whole):
        raise ValueError(f"{node.op_type} is given a number that is too large")
    return onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, opset.version),
        node,
        {name: kinds[name] for name in given},
        {name: onnx.numpy_helper.from_array(value) for name, value in known.items()},
        opset_imports=[opset],
    )


def _scratch_bytes(node: Any, kinds: Kinds) -> int:
    """Return the bytes that a node takes while it runs, in addition to its outputs."""
    if node.op_type not in GATES:
        return 0
    (steps, windows, width), (ways, _, units) = (sizes_of(kinds[name]) for name in (node.input[0], node.input[2]))
    return 4 * steps * windows * ways * (width + (GATES[node.op_type] + 1) * units)


def _compute(node: Any, kinds: Kinds, values: Values) -> None:
    """Add the output of a node to the known values if shapes are computed with it."""
    if not (name := node.output[0]):
        return
    given = [values.get(name) if name else None for name in node.input]
    shape = sizes_of(kinds[name])
    if node.op_type == "Shape" and not node.attribute:
        values[name] = np.array(sizes_of(kinds[node.input[0]]), np.int64)
    elif node.op_type in COMPUTED and all(name in values for name in node.input if name) and math.prod(shape) <= FEW:
        options = {each.name: each.i if each.type == 2 else list(each.ints) for each in node.attribute}
        value = np.asarray(COMPUTED[node.op_type](*given, **options))
        if value.shape != shape:
            raise ValueError(f"{name} has the shape {value.shape}, not {shape}")
        values[name] = value


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


#: Operators that shapes are computed with, as functions of the inputs and attributes of a node.
COMPUTED: dict[str, Callable[..., Any]] = {
    "Gather": lambda x, indices, axis=0: np.take(x, indices, axis),
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Cast": _cast,
    "Slice": _slice,
    "Squeeze": lambda x, axes=None: np.squeeze(x, None if axes is None else tuple(axes.tolist())),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.tolist())),
    "ReduceProd": lambda x, axes=(), keepdims=1: x.prod(tuple(axes) or None, x.dtype, keepdims=bool(keepdims)),
    "Max": lambda *parts: np.maximum.reduce(parts),
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Identity": lambda x: x,
    "And": np.logical_and,
    "Less": np.less,
}


def _loop(node: Any, kinds: Kinds, values: Values, opset: Any, passes: int) -> tuple[Kinds, int]:
    """Return the types of the outputs of a loop, and the bytes it takes in addition to them.

    Carried values have one shape in all passes; collected values have a row for each pass and are joined at the end.
    The number of passes is in the file.
    """
    (body,) = (attribute.g for attribute in node.attribute)
    count, carried = int(values[node.input[0]]), [kinds[name] for name in node.input[2:]]
    if not 0 <= count <= passes or any(each.op_type == "Loop" for each in body.node):
        raise ValueError(f"it holds a loop of {count} passes, or a loop in a loop")
    names = [value.name for value in body.input]
    own, known = (
        {**kinds, **dict(zip(names, [tensor_type(7, []), tensor_type(9, []), *carried], strict=True))},
        dict(values),
    )
    for name in names:
        known.pop(name, None)
    for weight in body.initializer:
        record_weight(weight, own, known)
    inside = count_bytes_made(body, own, known, opset, 0)
    if not (_holds(values.get(node.input[1]), True) and _runs_all_passes(node, body, values, known, count)):
        raise ValueError("it holds a loop that may end before its last pass")
    given = [own[value.name] for value in body.output[1:]]
    if [sizes_of(kind) for kind in given[: len(carried)]] != [sizes_of(kind) for kind in carried]:
        raise ValueError("it holds a loop that carries another shape from each pass to the next")
    collected = [tensor_type(kind.tensor_type.elem_type, (count, *sizes_of(kind))) for kind in given[len(carried) :]]
    return dict(zip(node.output, [*carried, *collected], strict=False)), inside + sum(map(bytes_of, collected))


def _runs_all_passes(node: Any, body: Any, values: Values, known: Values, count: int) -> bool:
    """Return True if a loop makes all of its passes: otherwise it would collect fewer rows.

    Its condition is computed for all passes at once, from their numbers and from carried counters.

    Args:
        node: the loop.
        body: its graph.
        values: known values outside of it.
        known: known values inside of it.
        count: passes.
    """
    passes, (number, going, *carried) = np.arange(count), (value.name for value in body.input)
    each = {name: value for name, value in known.items() if value.size == 1} | {number: passes, going: passes >= 0}
    adding = (part for part in body.node if part.op_type == "Add" and _holds(known.get(part.input[1]), 1))
    counts = {(part.input[0], part.output[0]) for part in adding}
    for name, first, last in zip(carried, node.input[2:], body.output[1:], strict=False):
        if _holds(values.get(first), 0) and (name, last.name) in counts:
            each[name] = passes
    for part in body.node:
        if part.op_type in ("Add", "And", "Cast", "Identity", "Less") and all(name in each for name in part.input):
            options = {option.name: option.i for option in part.attribute}
            each[part.output[0]] = COMPUTED[part.op_type](*(each[name] for name in part.input), **options)
    condition = each.get(body.output[0].name)
    return condition is not None and bool(np.broadcast_to(condition, passes.shape)[:-1].all())


def _holds(value: np.ndarray | None, number: int) -> bool:
    """Return True if a value is known and equals a number."""
    return value is not None and value.size == 1 and bool(value.item() == number)
