"""Hostile networks: nodes that make ``filled``, which is much, of ``past`` or of nothing, which is little."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

Nodes: TypeAlias = tuple[list[NodeProto], list[TensorProto]]

NODE = helper.make_node
#: Numbers of a value that looks harmless, of 8 bytes each, and how many of them are too many together.
SIZE, MANY = 60_000, 1_000
MOST = NODE("ReduceMax", ["past"], ["most of past"], keepdims=0), NODE("Cast", ["most of past"], ["seed"], to=11)


def number(name: str, value: object, dtype: type = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def loop(nodes: list[NodeProto], kind: int = TensorProto.DOUBLE, name: str = "filled") -> NodeProto:
    """Return a loop of ``passes``, going on while ``yes``, over nodes that make ``on`` and ``row``."""
    value = helper.make_tensor_value_info
    given = [value("pass", TensorProto.INT64, []), value("go", TensorProto.BOOL, [])]
    made = [value("on", TensorProto.BOOL, []), value("row", kind, None)]
    return NODE("Loop", ["passes", "yes"], [name], body=helper.make_graph(nodes, "body", given, made))


def product() -> Nodes:
    """The product of no axis is that of all axes."""
    reduce = NODE("ReduceProd", ["sizes"], ["product"])
    reduce.attribute.add(name="axes", type=AttributeProto.INTS)
    nodes = [reduce, NODE("Gather", ["product", "first"], ["size"]), NODE("ConstantOfShape", ["size"], ["filled"])]
    return nodes, [number("sizes", [1, 300_000_000]), number("first", [0])]


def lowest() -> Nodes:
    """A number whose magnitude is no number."""
    return [NODE("ConstantOfShape", ["size"], ["filled"])], [number("size", [-(2**63)])]


def text() -> Nodes:
    """Numbers as text."""
    expand, cast = NODE("Expand", ["seed", "size"], ["numbers"]), NODE("Cast", ["numbers"], ["text"], to=8)
    return [*MOST, expand, cast, NODE("Cast", ["text"], ["filled"], to=1)], [number("size", [SIZE])]


def captured() -> Nodes:
    """Values that only a loop reads."""
    sums = [NODE("Add", ["seed", f"number {i}"], [f"sum {i}"]) for i in range(MANY)]
    values = [NODE("Expand", [f"sum {i}", "size"], [f"value {i}"]) for i in range(MANY)]
    inside = NODE("Sum", [f"value {i}" for i in range(MANY)], ["row"])
    weights = [number(f"number {i}", i, float) for i in range(MANY)]
    nodes = [*MOST, *sums, *values, loop([NODE("Identity", ["go"], ["on"]), inside])]
    return nodes, [*weights, number("size", [SIZE]), number("passes", 1), number("yes", True, bool)]


def early() -> Nodes:
    """A loop that ends after its first pass, and the size of what it collects."""
    nodes = [
        loop([NODE("Identity", ["no"], ["on"]), NODE("Identity", ["pass"], ["row"])], TensorProto.INT64, "rows"),
        NODE("Shape", ["rows"], ["made"]),
        NODE("Sub", ["all", "made"], ["fewer"]),
        NODE("Mul", ["fewer", "many"], ["size"]),
        NODE("ConstantOfShape", ["size"], ["filled"]),
    ]
    numbers = {"passes": 5, "all": [5], "many": [60_000_000]}
    flags = [number(name, name == "yes", bool) for name in ("yes", "no")]
    return nodes, [*flags, *(number(name, value) for name, value in numbers.items())]


def folded() -> Nodes:
    """Values of weights alone, which are computed once and kept."""
    nodes = []
    for i in range(MANY):
        nodes += [NODE("Expand", [f"number {i}", "size"], [f"value {i}"])]
        nodes += [NODE("ReduceMax", [f"value {i}"], [f"most {i}"], keepdims=0)]
    nodes += [NODE("Sum", [f"most {i}" for i in range(MANY)], ["filled"])]
    return nodes, [number("size", [SIZE]), *(number(f"number {i}", i, float) for i in range(MANY))]


def order() -> Nodes:
    """A sum whose terms are all made before the first is added, in the order of ONNX Runtime."""
    nodes = [*MOST, NODE("Expand", ["seed", "size"], ["sum 0"])]
    for i in range(MANY // 2):
        nodes += [NODE("Add", ["seed", f"number {i}"], [f"term {i}"])]
        nodes += [NODE("Expand", [f"term {i}", "size"], [f"value {i}"])]
        nodes += [NODE("Add", [f"value {i}", f"sum {i}"], [f"sum {i + 1}"])]
    nodes += [NODE("Identity", [f"sum {MANY // 2}"], ["filled"])]
    return nodes, [number("size", [SIZE]), *(number(f"number {i}", i, float) for i in range(MANY // 2))]


def image() -> Nodes:
    """A convolution, whose one channel becomes sixteen."""
    nodes = [
        NODE("ReduceMax", ["past"], ["seed"], keepdims=0),
        NODE("Expand", ["seed", "size"], ["image"]),
        NODE("Conv", ["image", "kernel"], ["filled"]),
    ]
    return nodes, [number("size", [1, 1, 6000, 6000]), number("kernel", [[[[1]]]], np.float32)]


def gates() -> Nodes:
    """A recurrent layer that computes much and gives little."""
    nodes = [
        NODE("ReduceMax", ["past"], ["seed"], keepdims=0),
        NODE("Expand", ["seed", "size"], ["steps"]),
        NODE("LSTM", ["steps", "kernel", "recurrent"], ["", "filled"], hidden_size=100),
    ]
    kernel = number("kernel", np.zeros((1, 400, 1)), np.float32)
    recurrent = number("recurrent", np.zeros((1, 400, 100)), np.float32)
    return nodes, [number("size", [600_000, 1, 1]), kernel, recurrent]


def crowd() -> Nodes:
    """Many nodes."""
    nodes = [NODE("Neg", [f"value {i}"], [f"value {i + 1}"]) for i in range(20_000)]
    return [NODE("Identity", ["past"], ["value 0"]), *nodes, NODE("Identity", ["value 20000"], ["filled"])], []


def shadow() -> Nodes:
    """A weight that is given from outside."""
    nodes = [
        NODE("Cast", ["past"], ["size"], to=7),
        NODE("ConstantOfShape", ["size"], ["filled"]),
    ]
    return nodes, [number("past", [1], np.float32)]


#: What each makes, and what a refusal says of it.
BOMBS: dict[Callable[[], Nodes], str] = {
    product: "bytes of one window",
    lowest: "too large",
    text: "values of another kind, 8",
    captured: "bytes of one window",
    early: "may end before its last pass",
    folded: "bytes of one window",
    order: "bytes of one window",
    image: "bytes of one window",
    gates: "bytes of one window",
    crowd: "nodes and what they read",
    shadow: "two values are named past",
}


def attributes() -> bytes:
    """Return a node of four million attributes without content, two bytes each in the file."""
    content = b"\x2a\x00" * 4_000_000
    for field in (b"\x0a", b"\x3a"):  # the node of a graph, the graph of a model
        size = len(content)
        content = field + bytes(size >> shift & 127 | 128 for shift in (0, 7, 14)) + bytes([size >> 21]) + content
    return content
