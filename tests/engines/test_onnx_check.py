"""What a network may be, with golden models and with what hostile files hold; no TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from bombs import BOMBS, NODE, attributes, number
from onnx import TensorProto, helper

from forecaster.engines.onnx import OnnxEngine
from forecaster.engines.onnx_check import graph as graphs
from forecaster.engines.onnx_check import shapes as tracing
from forecaster.engines.onnx_check.graph import Graph
from forecaster.errors import ModelError

NETWORKS = sorted((Path(__file__).parents[1] / "golden").glob("*/*/network.onnx"))


def network(*nodes, weights=(), lookback: int = 4, output=None) -> bytes:
    """Return a network from ``past`` to ``out``, ``(windows, 2, 1)``."""
    past = helper.make_tensor_value_info("past", TensorProto.FLOAT, ["windows", lookback, 1])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, output or ["windows", 2, 1])
    graph = helper.make_graph(list(nodes), "network", [past], [out], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


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
    made = graphs.count_bytes_made

    def spied(graph, kinds, values, opset, passes):
        most = made(graph, kinds, values, opset, passes)
        if passes:
            found.update({name: tracing.sizes_of(kind) for name, kind in kinds.items()})
            found["most"] = (most,)
        return most

    monkeypatch.setattr(graphs, "count_bytes_made", spied)
    graph, model = Graph(path.read_bytes()), onnx.load(path)
    shapes = {name: (windows, *shape) for name, shape in graph.inputs.items()}
    assert graph.windows_per_run(shapes) == windows
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
    known = sum(array.nbytes for array in arrays.values())
    assert known <= found["most"][0] <= 3 * known


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


DOUBLED = [NODE("Concat", [f"x{i}" if i else "past"] * 2, [f"x{i + 1}"], axis=1) for i in range(26)]


def bomb(*nodes, sizes=(1,), weights=()) -> bytes:
    """Return a network of the right shape that makes ``filled`` on the way."""
    ends = NODE("Slice", ["past", "from", "to", "axis"], ["last"]), NODE("Add", ["last", "one"], ["out"])
    reduced = NODE("ReduceMax", ["filled"], ["most"], keepdims=0), NODE("Cast", ["most"], ["one"], to=1)
    return network(*nodes, *reduced, *ends, weights=(*BOUNDS, number("s", sizes), *weights))


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
        (bomb(NODE("ConstantOfShape", ["s"], ["filled"]), sizes=[10**9]), "bytes of one window"),
        (bomb(NODE("ConstantOfShape", ["s"], ["filled"]), sizes=[10**12]), "a number that is too large"),
        (bomb(NODE("Tile", ["past", "s"], ["filled"]), sizes=[1, -3, 1]), "must not contain negative"),
        (bomb(NODE("Tile", ["past", "s"], ["filled"]), sizes=[1, 10**8, 1]), "bytes of one window"),
        (bomb(NODE("Expand", ["past", "s"], ["filled"]), sizes=[10**6, 4, 99]), "bytes of one window"),
        (bomb(*DOUBLED, NODE("Identity", ["x26"], ["filled"])), "bytes of one window"),
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
    refuses(content, words, monkeypatch)


def refuses(content: bytes, words: str, monkeypatch) -> None:
    """See that a network is refused in one line, and never loaded."""
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *args, **options: pytest.fail("loaded"))
    with pytest.raises(ModelError, match=words) as error:
        OnnxEngine(content)
    assert "\n" not in error.value.message


@pytest.mark.parametrize("kind", BOMBS, ids=lambda kind: kind.__name__)
def test_what_takes_much_is_refused_before_it_is_loaded(kind, monkeypatch):
    nodes, weights = kind()
    refuses(bomb(*nodes, weights=weights), BOMBS[kind], monkeypatch)


def test_what_is_much_beside_the_weights_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(onnx, "load_model_from_string", lambda content: pytest.fail("read"))
    refuses(attributes(), "bytes without its weights", monkeypatch)


def test_names_of_operators_are_of_one_version(monkeypatch):
    model = onnx.load_model_from_string(network(LAST, weights=BOUNDS))
    model.opset_import.extend([helper.make_opsetid("", 15)] * 3)
    refuses(model.SerializeToString(), "4 versions of its operators", monkeypatch)


def test_a_product_of_32_bits_is_what_onnx_runtime_makes_of_it():
    found = tracing.COMPUTED["ReduceProd"](np.array([1 << 16, 1 << 15, 3], np.int32), keepdims=0)
    assert found.dtype == np.int32 and found == np.int32(-(1 << 31))


def test_an_output_that_is_left_out():
    gru = NODE("GRU", ["past", "kernel", "recurrent"], ["", "state"], hidden_size=1, layout=0)
    weights = [number(name, np.full((1, 3, 1), 0.5), np.float32) for name in ("kernel", "recurrent")]
    content = bomb(gru, NODE("ReduceMax", ["state"], ["filled"], keepdims=0), weights=weights)
    assert OnnxEngine(content).run({"past": np.ones((3, 4, 1))}).shape == (3, 2, 1)


#: A cube of zeros, as wide as there are windows.
CUBE = bomb(
    NODE("Shape", ["past"], ["shape"]),
    NODE("Gather", ["shape", "s"], ["count"]),
    NODE("Mul", ["count", "count"], ["square"]),
    NODE("Mul", ["square", "count"], ["size"]),
    NODE("ConstantOfShape", ["size"], ["filled"]),
    sizes=[0],
)


def test_windows_are_run_together_as_far_as_there_is_room(monkeypatch):
    engine, past = OnnxEngine(CUBE), np.arange(1100, dtype=np.float32)[:, None, None] + np.arange(4)[:, None]
    windows, session = [], engine._session

    class Spied:
        def run(self, names, feed):
            windows.append(len(feed["past"]))
            return session.run(names, feed)

    monkeypatch.setattr(engine, "_session", Spied())
    np.testing.assert_array_equal(engine.run({"past": past}), past[:, -2:])
    assert sum(windows) == 1100 and len(windows) > 2 and {n % 16 for n in windows[:-1]} == {0}
    assert 4 * max(windows) ** 3 < graphs.ROOM
    np.testing.assert_array_equal(engine.run({"past": past[:3]}), past[:3, -2:])
    assert windows[-1] == 3


def test_what_takes_less_for_one_window_than_for_many_and_more_for_some_is_refused_before_the_run():
    """As many numbers as for two windows, but none of one."""
    content = bomb(
        NODE("Shape", ["past"], ["shape"]),
        NODE("Gather", ["shape", "s"], ["count"]),
        NODE("Sub", ["one window", "count"], ["fewer"]),
        NODE("Mul", ["fewer", "factor"], ["below"]),
        NODE("Max", ["below", "least"], ["least size"]),
        NODE("Mul", ["least size", "sign"], ["size"]),
        NODE("ConstantOfShape", ["size"], ["filled"]),
        sizes=[0],
        weights=[
            number("one window", [1]),
            number("factor", [2_000_000]),
            number("least", [-150_000_000]),
            number("sign", [-1]),
        ],
    )
    engine = OnnxEngine(content)
    with pytest.raises(ModelError, match=r"600,0[\d,]+ bytes of 512 windows"):
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
