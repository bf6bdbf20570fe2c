"""Thousands of changed model directories: each is refused with its exit code, or forecasts what the original does.

``python tests/manual/tamper.py 5000`` changes the golden models in as many ways, at random and by their structure, half
of them with all digests made right again, and loads and predicts each in worker processes. What a change with right
digests means may be another forecast (another weight); those are counted apart. Nothing may crash the interpreter, be
an error that is no :class:`forecaster.errors.ForecasterError`, print anything, take longer than ``SECONDS``, or more
than ``MEMORY``.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecaster import Forecaster
from forecaster.artifact.names import FILES, HISTORY, MANIFEST, NETWORK, WEIGHTS, own_digest
from forecaster.errors import ForecasterError

sys.path.insert(0, str(Path(__file__).parent.parent))

import bombs

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
#: What one load and forecast may take, and the mutations that one worker process tries.
SECONDS, MEMORY, BATCH = 30, 1 << 30, 250
#: Documented exit codes that a refusal may have: of an accident; and of a forgery, such as one that takes the future
#: covariates away, which are then asked for, or has a weight that makes a forecast infinite.
ACCIDENT, FORGERY = {4, 5}, {2, 4, 5, 6}

Files = dict[str, bytes]
Mutation = Callable[[random.Random, Files], None]


# Accidents: digests are not made right again


def flip(rng: random.Random, files: Files) -> None:
    name = rng.choice(list(files))
    content = bytearray(files[name])
    for _ in range(rng.choice((1, 1, 2, 20))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    files[name] = bytes(content)


def cut(rng: random.Random, files: Files) -> None:
    name = rng.choice(list(files))
    files[name] = files[name][: rng.randrange(len(files[name]))]


def grow(rng: random.Random, files: Files) -> None:
    name = rng.choice(list(files))
    place = rng.randrange(len(files[name]) + 1)
    files[name] = files[name][:place] + rng.randbytes(rng.choice((1, 7, 4096))) + files[name][place:]


def blank(rng: random.Random, files: Files) -> None:
    name = rng.choice(list(files))
    place = rng.randrange(len(files[name]))
    files[name] = files[name][:place] + bytes(min(512, len(files[name]) - place)) + files[name][place + 512 :]


def swap(rng: random.Random, files: Files) -> None:
    one, other = rng.sample(list(files), 2)
    files[one], files[other] = files[other], files[one]


def lose(rng: random.Random, files: Files) -> None:
    del files[rng.choice(list(files))]


# The manifest


STRANGE: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    7,
    0.5,
    1e308,
    -1e308,
    10**6,
    10**12,
    2**63,
    10**40,
    "",
    "x",
    "log",
]
STRANGE += [
    "../../etc/passwd",
    "x" * 100_000,
    "\x1b[2J",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    [1, 2],
    "B",
    "ms",
    "9999h",
    "step",
]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a tree of JSON."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def manifest_value(rng: random.Random, files: Files) -> None:
    tree = json.loads(files[MANIFEST])
    paths = [path for path in places(tree) if path[0] not in ("sha256",) and path[:2] != ("record", "notes")]
    path = rng.choice(paths)
    inside, key, value = at(tree, path[:-1]), path[-1], at(tree, path)
    how = rng.randrange(6)
    if how == 0:
        del inside[key]
    elif how == 1 and isinstance(inside, dict):
        inside[str(key) + "x"] = value
    elif how == 2:
        inside[key] = copy.deepcopy(at(tree, rng.choice(paths)))
    elif how == 3 and type(value) in (int, float):
        inside[key] = value * rng.choice((2, 10, 1000, -1)) + rng.choice((-1, 0, 1))
    else:
        inside[key] = rng.choice(STRANGE)
    files[MANIFEST] = json.dumps(tree).encode("utf-8", "surrogatepass")


def manifest_text(rng: random.Random, files: Files) -> None:
    text = files[MANIFEST].decode()
    old, new = rng.choice(
        (
            ('"version": 2', '"version": 2, "version": 2'),
            ('"horizon": 4', '"horizon": NaN'),
            ('"horizon": 4', '"horizon": 1e999'),
            ('"rows":', '"deep": ' + "[" * 100_000 + "]" * 100_000 + ', "rows":'),
            ('"rows":', '"deep": ' + '{"a":' * 3_000 + "1" + "}" * 3_000 + ', "rows":'),
            ('"rows":', '"wide": [' + "[]," * 300_000 + '0], "rows":'),
            ('"horizon": 4', '"horizon": ' + "9" * 5_000),
            ('"version": 2', '"version": 3'),
            ('"version": 2', '"version": 1'),
            ('"version": 2', '"version": 99999999999999999999999'),
            ("{", "\ufeff{"),
        )
    )
    files[MANIFEST] = text.replace(old, new, 1).encode()


def manifest_bomb(rng: random.Random, files: Files) -> None:
    """Put many keys, each longer in memory than in the file, where anything may be; nobody signs it."""
    count = rng.choice((300_000, 5_500_000))
    keys = np.tile(np.frombuffer(b'"0000000":1,', np.uint8), (count, 1))
    for place in range(7):
        keys[:, 7 - place] += (np.arange(count) // 10**place % 10).astype(np.uint8)
    deep = b'"deep": {' + keys.tobytes().removesuffix(b",") + b"}, "
    files[MANIFEST] = files[MANIFEST].replace(b'"rows":', deep + b'"rows":', 1)


# The weights


def arrays_of(files: Files) -> dict[str, np.ndarray]:
    return dict(np.load(io.BytesIO(files[WEIGHTS]), allow_pickle=False))


def npz_array(rng: random.Random, files: Files) -> None:
    arrays = arrays_of(files)
    name = rng.choice(list(arrays))
    array = arrays[name]
    how = rng.randrange(10)
    if how < 4 and array.size:
        array = array.copy()
        values = [0, -1, 1, 3, 1e30, -1e30, np.nan, np.inf] if array.dtype.kind == "f" else [0, 1]
        array.flat[rng.randrange(array.size)] = rng.choice(values)
        arrays[name] = array
    elif how == 4:
        kinds = (np.float16, np.int64, np.complex128, "U8", "S3", "M8[ns]", np.uint8, [("a", np.float32)])
        arrays[name] = np.zeros(array.shape, rng.choice(kinds))
    elif how == 5:
        arrays[name] = np.resize(
            array, rng.choice(((0,), (1,), (2, 2), (*array.shape, 1), (array.size + 1,), (3, 0, 4)))
        )
    elif how == 6:
        del arrays[name]
    elif how == 7:
        arrays[rng.choice(("../evil", "/etc/x", "scaler/evil", "history/evil", "intervals/transform", "a" * 5_000))] = (
            array
        )
    elif how == 8:
        arrays[name] = np.array([{"a": object}], dtype=object)
    else:
        arrays[name] = np.zeros(rng.choice((10**5, 10**6)), np.float32)
    sink = io.BytesIO()
    np.savez(sink, **arrays)  # type: ignore[arg-type]
    files[WEIGHTS] = sink.getvalue()


def npz_zip(rng: random.Random, files: Files) -> None:
    """Write the archive with another hand: compressed, doubled, or with headers that lie."""
    how, sink = rng.randrange(6), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files[WEIGHTS])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(list(members))
    method = zipfile.ZIP_DEFLATED if how in (0, 1) else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in members.items():
            if name == chosen and how == 1:
                content += bytes(50_000_000)
            if name == chosen and how == 2:
                archive.writestr(name, content)
            if name == chosen and how == 3:
                shape = rng.choice(
                    ("(10**10,)", "(99999999999,)", "(-1,)", "(9, 9)", "(True,)", "((((((", "[1]", "(1e3,)")
                )
                descr = rng.choice(("<f4", "|O", "<f8", "<U9", "|V1000000000", "a4", "(99999,)f8"))
                header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
                content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content[128:]
            archive.writestr("x/" * 9 + name if name == chosen and how == 4 else name, content)
    content = sink.getvalue()
    files[WEIGHTS] = content.replace(chosen.encode(), b"\0" * len(chosen)) if how == 5 else content


def npz_bomb(rng: random.Random, files: Files) -> None:
    """Put a shape of many numbers into the archive, or in its place many entries of members that are not there."""
    if rng.randrange(2):
        shape = rng.choice((b"9,", b"1, ", b"0, ")) * rng.choice((9, 300_000, 1_600_000))
        content = b"\x93NUMPY\x01\x00aa{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + b"), }\n"
        sink = io.BytesIO(files[WEIGHTS])
        with zipfile.ZipFile(sink, "a") as archive:
            archive.writestr("x.npy", content)
        files[WEIGHTS] = sink.getvalue()
        return
    count = rng.choice((65_000, 1_500_000))
    names = (b"%x" % number for number in range(count))
    before = struct.pack("<4s4B4HL2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0)
    entries = b"".join(before + struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, 0) + name for name in names)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries), 0)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, len(entries), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    files[WEIGHTS] = entries + end64 + place + end


# The network


def onnx_field(rng: random.Random, files: Files) -> None:
    """Change one field somewhere in the graph."""
    model = onnx.load_model_from_string(files[NETWORK])
    bodies = [attribute.g for node in model.graph.node for attribute in node.attribute if attribute.HasField("g")]
    graph = rng.choice([model.graph, *bodies])
    node, weight = rng.choice(graph.node), rng.choice(graph.initializer)
    others = [name for each in graph.node for name in each.output]
    how = rng.randrange(16)
    if how == 0:
        node.op_type = rng.choice(("Add", "MatMul", "Tile", "Loop", "If", "Scan", "NonZero", "RandomNormal", "Concat"))
    elif how == 1:
        node.domain = rng.choice(("evil", "com.microsoft", "ai.onnx.ml"))
    elif how == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*others, "", "none", "past"])
    elif how == 3 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice((-1, 0, 5, 2**31, 2**62, -(2**63)))
        attribute.ints.extend([rng.choice((-7, 10**9))])
    elif how == 4:
        array = onnx.numpy_helper.to_array(weight).copy()
        if array.size:
            whole = array.dtype.kind == "i"
            value = rng.choice((0, -1, 3, 10**4, 10**9) if whole else (0.0, 1e30, float("nan"), 0.5))
            array.flat[rng.randrange(array.size)] = value
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    elif how == 5:
        weight.dims.extend([rng.choice((0, 1, 10**10, -4))])
    elif how == 6:
        weight.data_location = onnx.TensorProto.EXTERNAL
        place = rng.choice(("/etc/passwd", "../../secret", "history.parquet", "*/_ORT_MEM_ADDR_/*"))
        weight.external_data.add(key="location", value=place)
    elif how == 7:
        del graph.node[rng.randrange(len(graph.node))]
    elif how == 8:
        graph.node.add().CopyFrom(node)
    elif how == 9:
        model.functions.add(name="f", domain="evil")
    elif how == 10:
        kind = rng.choice([*graph.input, *graph.output]).type.tensor_type
        if kind.shape.dim:
            rng.choice(kind.shape.dim).dim_value = rng.choice((0, 1, 5, 10**9, -3))
    elif how == 11:
        model.opset_import[0].version = rng.choice((1, 7, 14, 22, 999, -1))
    elif how == 12:
        weight.data_type = rng.choice((0, 1, 7, 8, 10, 16, 99))
    elif how == 13:
        model.ir_version = rng.choice((0, 3, 99, -5))
    elif how == 14:
        weight.ClearField("raw_data")
        weight.string_data.append(b"evil")
    else:
        model.metadata_props.add(key="ort_config", value="{}")
    files[NETWORK] = model.SerializeToString()


def with_filled(model: onnx.ModelProto) -> bytes:
    """Return a network that makes its forecast of ``filled`` too, which its last nodes make."""
    graph, make = model.graph, onnx.helper.make_node
    name = graph.output[0].name
    last = next(node for node in graph.node if name in node.output)
    last.output[list(last.output).index(name)] = "true"
    graph.node.append(make("ReduceMax", ["filled"], ["most"], keepdims=0))
    graph.node.append(make("Cast", ["most"], ["cast"], to=1))
    graph.node.append(make("Mul", ["cast", "true"], [name]))
    return model.SerializeToString()


def onnx_known(rng: random.Random, files: Files) -> None:
    """Put one of :mod:`bombs` before the output, or in place of the network what is large as soon as it is read."""
    model, kind = onnx.load_model_from_string(files[NETWORK]), rng.choice([None, *bombs.BOMBS])
    nodes, weights = kind() if kind else ([], [])
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    files[NETWORK] = with_filled(model) if kind else bombs.attributes()


def onnx_bomb(rng: random.Random, files: Files) -> None:
    """Put nodes before the output that make much of little, when the file is loaded or when it is run."""
    model = onnx.load_model_from_string(files[NETWORK])
    graph = model.graph
    how, size = rng.randrange(6), rng.choice((10**5, 10**7, 10**9, 10**11))
    make = onnx.helper.make_node

    def constant(label: str, values: list[int]) -> str:
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), label))
        return label

    if how == 0:
        graph.node.append(make("ConstantOfShape", [constant("big", [size])], ["filled"]))
    elif how == 1:
        graph.node.append(make("Tile", ["past", constant("times", [1, size, 1])], ["filled"]))
    elif how == 2:
        graph.node.append(make("Concat", ["past", "past"], ["0"], axis=1))
        for i in range(rng.choice((10, 40, 200))):
            graph.node.append(make("Concat", [str(i), str(i)], [str(i + 1)], axis=1))
        graph.node.append(make("Identity", [graph.node[-1].output[0]], ["filled"]))
    elif how == 3:
        graph.node.append(make("Shape", ["past"], ["s"]))
        graph.node.append(make("Mul", ["s", constant("m", [size])], ["sm"]))
        graph.node.append(make("ConstantOfShape", ["sm"], ["filled"]))
    elif how == 4:
        body = onnx.helper.make_graph(
            [make("Identity", ["c"], ["c2"]), make("Identity", ["past"], ["p2"])],
            "body",
            [
                onnx.helper.make_tensor_value_info("i", 7, []),
                onnx.helper.make_tensor_value_info("c", 9, []),
            ],
            [onnx.helper.make_tensor_value_info("c2", 9, []), onnx.helper.make_tensor_value_info("p2", 1, None)],
        )
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
        count = onnx.numpy_helper.from_array(np.array(size, np.int64), "count")
        graph.initializer.append(count)
        graph.node.append(make("Loop", ["count", "yes"], ["filled"], body=body))
    else:
        graph.node.append(make("Expand", ["past", constant("to", [1, size, 1])], ["filled"]))
    files[NETWORK] = with_filled(model)


# The history


def parquet_table(rng: random.Random, files: Files) -> None:
    """Write other rows, or the same with other settings."""
    table = pq.read_table(io.BytesIO(files[HISTORY]))
    how, settings = rng.randrange(12), {"use_dictionary": ["series", "time"], "compression": "snappy"}
    names, rows = table.column_names, list(range(len(table)))
    if how == 0:
        rng.shuffle(rows)
        table = table.take(rows)
    elif how == 1:
        table = table.slice(0, rng.choice((0, 1, 3, 13, 14, 90)))
    elif how == 2:
        name = rng.choice(names[2:])
        values = table[name].to_numpy(zero_copy_only=False).copy()
        values[rng.randrange(len(values))] = rng.choice((0, 1, np.nan, np.inf, -1e300))
        table = table.set_column(names.index(name), name, pa.array(values, table[name].type, from_pandas=False))
    elif how == 3:
        table = table.drop_columns([rng.choice(names)])
    elif how == 4:
        table = table.append_column("evil", pa.array(["x"] * len(table)))
    elif how == 5:
        name = rng.choice(names)
        kind = rng.choice((pa.string(), pa.float32(), pa.timestamp("s"), pa.int32(), pa.large_string()))
        try:
            table = table.set_column(names.index(name), name, table[name].cast(kind, safe=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            table = table.rename_columns([f"{name}x" for name in names])
    elif how == 6:
        settings["compression"] = rng.choice(("gzip", "zstd", "none", "brotli", "lz4"))
    elif how == 7:
        table = pa.concat_tables([table] * rng.choice((2, 3)))
    elif how == 8:
        one = table.slice(0, 1).combine_chunks()
        table = one.take(np.zeros(rng.choice((10**5, 3 * 10**6)), np.int64))
    elif how == 9:
        settings["row_group_size"] = rng.choice((1, 7, 50))
    elif how == 10:
        days = table["time"].to_numpy().copy()
        days[rng.randrange(len(days)) :] += np.timedelta64(rng.choice((1, 36, 10**6, -5)), "D").astype("m8[ns]")
        table = table.set_column(1, "time", pa.array(days))
    else:
        null = pa.array([None, *table["value"].to_pylist()[1:]], pa.float64())
        table = table.set_column(names.index("value"), "value", null)
    sink = io.BytesIO()
    pq.write_table(table, sink, **settings)
    files[HISTORY] = sink.getvalue()


def parquet_bytes(rng: random.Random, files: Files) -> None:
    """Change bytes of pages, of their headers, or of the footer."""
    content = bytearray(files[HISTORY])
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    first, last = rng.choice(((4, footer), (footer, len(content) - 8), (len(content) - 8, len(content))))
    for _ in range(rng.choice((1, 1, 2, 8))):
        content[rng.randrange(first, last)] = rng.randrange(256)
    files[HISTORY] = bytes(content)


def parquet_bomb(rng: random.Random, files: Files) -> None:
    """Write a footer with a number without end, or of many structures; or many rows, in a file made larger for them."""
    how = rng.randrange(3)
    if how == 0:
        footer = b"\x35" + b"\xff" * rng.choice((9, 10, 300_000, 1_200_000)) + b"\x01\0"
    elif how == 1:
        each, count = rng.choice((b"\0", b"\x11\0")), rng.choice((10**6, 2 * 10**7))
        size = bytes((count >> shift & 127) | 128 for shift in (0, 7, 14)) + bytes([count >> 21])
        footer = b"\x19\xfc" + size + each * count + b"\0"
    else:
        table, sink = pq.read_table(io.BytesIO(files[HISTORY])), io.BytesIO()
        rows, group = rng.choice(((10**6, 10**6), (10**7, 10**7), (10**7, 1 << 17), (200_000, 100)))
        one = table.slice(0, 1).combine_chunks().take(np.zeros(rows, np.int64))
        pq.write_table(one, sink, compression="snappy", row_group_size=group, write_statistics=False)
        content = sink.getvalue()
        place = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        files[HISTORY] = content[:place] + bytes(rows // rng.choice((1, 4, 10))) + content[place:]
        return
    files[HISTORY] = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def signed_bytes(rng: random.Random, files: Files) -> None:
    """Change bytes anywhere but in the manifest."""
    name = rng.choice((WEIGHTS, NETWORK))
    content = bytearray(files[name])
    for _ in range(rng.choice((1, 2, 8))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    files[name] = bytes(content)


ACCIDENTS: list[Mutation] = [flip, cut, grow, blank, swap, lose, manifest_bomb]
FORGERIES: list[Mutation] = [
    *(manifest_value, manifest_value, manifest_text, npz_array, npz_zip),
    *(onnx_field, onnx_field, onnx_bomb, onnx_known, parquet_table, parquet_bytes, signed_bytes),
    *(npz_bomb, parquet_bomb),
]


def signed(files: Files) -> None:
    """Make all digests right, as whoever changes a file can."""
    try:
        manifest = json.loads(files[MANIFEST])
        manifest["sha256"] = {name: hashlib.sha256(files[name]).hexdigest() for name in FILES}
        right = own_digest(manifest)
    except (ValueError, TypeError, RecursionError):
        return
    text, before = files[MANIFEST].decode("utf-8", "surrogatepass"), json.loads(files[MANIFEST])["sha256"]
    for name, digest in {**manifest["sha256"], MANIFEST: right}.items():
        text = text.replace(before[name], digest)
    files[MANIFEST] = text.encode("utf-8", "surrogatepass")


def mutated(number: int, seed: int, files: Files) -> tuple[str, bool, Files]:
    """Return the name of a mutation, whether its digests are right, and the files that it leaves."""
    rng, files = random.Random(f"{seed}:{number}"), dict(files)
    forged = bool(number % 2)
    mutation = rng.choice(FORGERIES if forged else ACCIDENTS)
    mutation(rng, files)
    if forged:
        signed(files)
    return mutation.__name__, forged, files


def sources() -> list[tuple[Files, pd.DataFrame]]:
    """Return the files of the golden models, and their forecasts."""
    places = sorted(path.parent for path in GOLDEN.glob(f"*/*/{MANIFEST}"))
    files = [{name: (place / name).read_bytes() for name in (MANIFEST, *FILES)} for place in places]
    return list(zip(files, [Forecaster.load(place, True).predict() for place in places], strict=True))


def outcome(directory: Path, expected: pd.DataFrame) -> str:
    """Load and predict; return ``refused CODE``, ``same``, ``another forecast``, or what went wrong."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            found = Forecaster.load(directory, True).predict()
        result = "same" if found.equals(expected) else "another forecast"
    except ForecasterError as error:
        result = "WRONG: several lines" if "\n" in error.message else f"refused {error.exit_code}"
    except Exception as error:
        result = f"WRONG: {type(error).__name__}: {str(error)[:200]}"
    return f"WRONG: printed {printed.getvalue()[:200]}" if printed.getvalue() else result


def work(seed: int, first: int, last: int) -> None:
    """Try mutations, a line on stdout before and after each."""
    known = sources()
    for number in range(first, last):
        source, expected = known[number // 2 % len(known)]
        print(json.dumps([number]), flush=True)
        name, forged, files = mutated(number, seed, source)
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                Path(folder, file).write_bytes(content)
            Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
            signal.alarm(SECONDS)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                result = outcome(Path(folder), expected)
            signal.alarm(0)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak = int(status["VmHWM"].split()[0]) * 1024
        print(json.dumps([number, name, forged, result, peak]), flush=True)


def run(count: int, seed: int = 0, say: Callable[[str], None] = print) -> tuple[Counter[str], list[str], int]:
    """Try so many mutations in worker processes.

    Returns:
        How often each mutation ended how, what must not have been, and the largest peak of memory in bytes.
    """
    ends, wrong, most, number = Counter[str](), list[str](), 0, 0
    while number < count:
        last = min(count, number + BATCH)
        command = [sys.executable, __file__, "--work", str(seed), str(number), str(last)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        begun, lines = number, done.stdout.splitlines()
        wrong += [f"after {number}, printed: {line}" for line in lines if not line.startswith("[")]
        for line in map(json.loads, (line for line in lines if line.startswith("["))):
            begun = line[0]
            if len(line) > 1:
                _, name, forged, result, peak = line
                most, number = max(most, peak), begun + 1
                ends[f"{'forged' if forged else 'damaged'} {name}: {result.partition(':')[0]}"] += 1
                refused = result.startswith("refused") and int(result.split()[1]) in (FORGERY if forged else ACCIDENT)
                right = refused or result == "same" or (forged and result == "another forecast")
                if not right or peak > MEMORY:
                    wrong.append(f"{begun} {name}: {result}, {peak >> 20} MB")
                    say(wrong[-1])
        if done.returncode:
            wrong.append(f"{begun}: the interpreter ended with {done.returncode}: {done.stderr[-300:]}")
            say(wrong[-1])
            number = begun + 1
        say(f"{number} of {count}")
    return ends, wrong, most


def main() -> int:
    """Run as many mutations as asked for and print how they ended."""
    if sys.argv[1:2] == ["--work"]:
        work(*map(int, sys.argv[2:5]))
        return 0
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 5000, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ends, wrong, most = run(count, seed)
    for what, times in sorted(ends.items()):
        print(f"{times:6,}  {what}")
    totals = Counter[str]()
    for what, times in ends.items():
        totals[" ".join((what.split()[0], what.split(": ")[1]))] += times
    print("\n".join(f"{times:6,}  {what}" for what, times in sorted(totals.items())))
    print(f"{count:,} mutations, {len(wrong)} wrong, at most {most >> 20} MB")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
