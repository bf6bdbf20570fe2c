"""What a network may be, with golden models and with what hostile files hold; no TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from forecaster import graphs
from forecaster.errors import ModelError
from forecaster.graphs import Graph
from forecaster.inference import OnnxEngine

NETWORKS = sorted((Path(__file__).parent / "golden").glob("*/*/network.onnx"))


def network(*nodes, weights=(), lookback: int = 4, output=None) -> bytes:
    """Return a network from ``past`` to ``out``, ``(windows, 2, 1)``."""
    past = helper.make_tensor_value_info("past", TensorProto.FLOAT, ["windows", lookback, 1])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, output or ["windows", 2, 1])
    graph = helper.make_graph(list(nodes), "network", [past], [out], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


def number(name: str, value, dtype=np.int64):
    return numpy_helper.from_array(np.array(value, dtype), name)


NODE = helper.make_node
LAST = NODE("Slice", ["past", "from", "to", "axis"], ["out"])
BOUNDS = (number("from", [-2]), number("to", [2**31]), number("axis", [1]))


def test_a_small_network_runs():
    past = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    np.testing.assert_array_equal(OnnxEngine(network(LAST, weights=BOUNDS)).run({"past": past}), past[:, -2:])


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}")
@pytest.mark.parametrize("windows", [1, 2, 7])
def test_every_shape_is_what_it_is_when_the_network_is_run(path, windows, monkeypatch):
    """ONNX Runtime gives out every value; its shape is the one that was inferred without a run."""
    found: dict[str, tuple[int, ...]] = {}
    held = graphs._held

    def spied(graph, kinds, values, opsets, passes):
        most = held(graph, kinds, values, opsets, passes)
        if passes:
            found.update({name: graphs._sizes(kind) for name, kind in kinds.items()})
            found["most"] = (most,)
        return most

    monkeypatch.setattr(graphs, "_held", spied)
    graph, model = Graph(path.read_bytes()), onnx.load(path)
    shapes = {name: (windows, *shape) for name, shape in graph.inputs.items()}
    graph.check(shapes)
    last, names = model.graph.output[0].name, [name for n in model.graph.node for name in n.output if name]
    typed = onnx.shape_inference.infer_shapes(model).graph.value_info
    others = [value for value in typed if value.name in names and value.name != last]
    model.graph.output.extend(others)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    whole = {each.name for each in session.get_inputs() if "int32" in each.type}
    feed = {name: np.ones(shape, np.int32 if name in whole else np.float32) for name, shape in shapes.items()}
    arrays = dict(zip([last, *(value.name for value in others)], session.run(None, feed), strict=True))
    assert len(arrays) > 30
    assert {name: found[name] for name in arrays} == {name: array.shape for name, array in arrays.items()}
    sizes = [array.size for array in arrays.values()]
    assert max(sizes) <= found["most"][0] <= 3 * sum(sizes)


BODY = helper.make_graph(
    [NODE("Identity", ["go"], ["on"]), NODE("Concat", ["x", "x"], ["xx"], axis=1)],
    "body",
    [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
    ],
    [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("xx", TensorProto.FLOAT, None),
    ],
)
SAME = helper.make_graph(
    [NODE("Identity", ["go"], ["on"]), NODE("Identity", ["x"], ["xx"])],
    "body",
    list(BODY.input),
    list(BODY.output),
)
TRUE = number("true", True, bool)


DOUBLED = [NODE("Concat", [f"x{i}" if i else "past"] * 2, [f"x{i + 1}"], axis=1) for i in range(19)]


def bomb(*nodes, sizes=(1,)) -> bytes:
    """Return a network of the right shape that makes ``filled`` on the way."""
    ends = NODE("Slice", ["past", "from", "to", "axis"], ["last"]), NODE("Add", ["last", "one"], ["out"])
    reduced = NODE("ReduceMax", ["filled"], ["most"], keepdims=0), NODE("Cast", ["most"], ["one"], to=1)
    return network(*nodes, *reduced, *ends, weights=(*BOUNDS, number("s", sizes)))


def outside(location: str) -> TensorProto:
    weight = number("w", [0.0] * 4, np.float32)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return weight


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (network(NODE("Add", ["past", "w"], ["out"]), weights=[outside("/etc/passwd")]), "TensorProto"),
        (network(NODE("Add", ["past", "w"], ["out"]), weights=[outside("*/_ORT_MEM_ADDR_/*")]), "TensorProto"),
        (network(NODE("Evil", ["past"], ["out"], domain="evil")), "the operator evil.Evil"),
        (network(NODE("RandomNormalLike", ["past"], ["out"])), "the operator"),
        (network(NODE("If", ["past"], ["out"], then_branch=SAME, else_branch=SAME)), "the operator .If"),
        (network(LAST, weights=(*BOUNDS, number("s", ["text"], object))), "TensorProto.string_data"),
        (bomb(NODE("ConstantOfShape", ["s"], ["filled"]), sizes=[10**9]), "numbers at once"),
        (bomb(NODE("ConstantOfShape", ["s"], ["filled"]), sizes=[10**12]), "a number that is too large"),
        (bomb(NODE("Tile", ["past", "s"], ["filled"]), sizes=[1, -3, 1]), "must not contain negative"),
        (bomb(NODE("Tile", ["past", "s"], ["filled"]), sizes=[1, 10**8, 1]), "numbers at once"),
        (bomb(NODE("Expand", ["past", "s"], ["filled"]), sizes=[10**6, 4, 99]), "numbers at once"),
        (bomb(*DOUBLED, NODE("Identity", ["x19"], ["filled"])), "numbers at once"),
        (
            network(
                NODE("Loop", ["n", "true", "past"], ["grown"], body=SAME),
                NODE("Slice", ["grown", "from", "to", "axis"], ["out"]),
                weights=(*BOUNDS, number("n", 10**9), TRUE),
            ),
            "a loop of 1000000000 passes",
        ),
        (
            network(
                NODE("Loop", ["n", "true", "past"], ["grown"], body=BODY),
                NODE("Slice", ["grown", "from", "to", "axis"], ["out"]),
                weights=(*BOUNDS, number("n", 5), TRUE),
            ),
            "carries another shape",
        ),
    ],
)
def test_what_no_network_of_ours_holds_is_refused_before_it_is_loaded(content, words, monkeypatch):
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *args, **options: pytest.fail("loaded"))
    with pytest.raises(ModelError, match=words) as error:
        OnnxEngine(content)
    assert "\n" not in error.value.message


def test_what_is_small_for_one_window_and_large_for_many_is_refused_before_the_run():
    """Zeros, as many as windows to the power of three."""
    content = bomb(
        NODE("Shape", ["past"], ["shape"]),
        NODE("Gather", ["shape", "s"], ["count"]),
        NODE("Mul", ["count", "count"], ["square"]),
        NODE("Mul", ["square", "count"], ["size"]),
        NODE("ConstantOfShape", ["size"], ["filled"]),
        sizes=[0],
    )
    engine = OnnxEngine(content)
    assert engine.run({"past": np.ones((3, 4, 1))}).shape == (3, 2, 1)
    with pytest.raises(ModelError, match="numbers at once"):
        engine.run({"past": np.ones((1000, 4, 1))})


def test_weights_that_are_not_in_the_file_count_for_nothing():
    """More weights are a reason for larger values."""
    claimed = TensorProto(name="w", data_type=1, dims=[1 << 30], raw_data=b"1234")
    with pytest.raises(ModelError, match="w has the shape"):
        OnnxEngine(network(LAST, weights=(*BOUNDS, claimed)))


def test_another_output_than_asked_for_is_refused():
    content = network(LAST, weights=BOUNDS)
    OnnxEngine(content, [(3, 1), (2, 1)])
    with pytest.raises(ModelError, match=r"it gives \(2, 1\) numbers of a window"):
        OnnxEngine(content, [(3, 1)])


def test_a_loop_of_few_passes_runs():
    content = network(
        NODE("Loop", ["n", "true", "past"], ["same"], body=SAME),
        NODE("Slice", ["same", "from", "to", "axis"], ["out"]),
        weights=(*BOUNDS, number("n", 3), TRUE),
    )
    past = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    np.testing.assert_array_equal(OnnxEngine(content).run({"past": past}), past[:, -2:])


def test_other_inputs_or_outputs_than_told_are_refused(capfd):
    engine = OnnxEngine(network(LAST, weights=BOUNDS))
    with pytest.raises(ModelError, match="it reads"):
        engine.run({"past": np.ones((3, 5, 1))})
    with pytest.raises(ModelError, match="it reads past, which the model does not have"):
        engine.run({"future": np.ones((3, 5, 1))})
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the network"):
        OnnxEngine(network(LAST, weights=BOUNDS, output=["windows", 3, 1]))
    assert capfd.readouterr().out == ""
