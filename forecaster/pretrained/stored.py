"""The files of the pretrained network: written by its training, read as a model directory is, without running code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import ModelError
from forecaster.pretrained.inputs import LONGEST, SHAPES
from forecaster.pretrained.network import OUTPUTS, build_pretrained
from forecaster.system.npz import read_arrays
from forecaster.system.typed_json import Natural, as_type

if TYPE_CHECKING:
    import keras

#: The folder of the network that comes along.
TRAINED = Path(__file__).parent / "trained"
#: Names of its files, and bytes that one may have at most.
MANIFEST, NETWORK, WEIGHTS, LOG = "manifest.json", "network.onnx", "weights.npz", "training.jsonl"
MOST = 8 << 20
#: Weights with fewer numbers are kept in float32.
FEW = 256


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` says.

    Attributes:
        units: of the network, see :func:`forecaster.pretrained.network.build_pretrained`.
        width: likewise.
        parameters: number of weights.
        seed: of the training.
        steps: optimisation steps of the training.
        windows: generated windows that it drew from.
        sha256: digests of the other two files.
    """

    units: Natural
    width: Natural
    parameters: Natural
    seed: Natural
    steps: Natural
    windows: Natural
    sha256: dict[str, str]


def write_network(network: keras.Model, units: int, width: int, record: dict[str, Any], folder: Path) -> None:
    """Write the network of a training: as ONNX, and its weights by their Keras paths; large ones in float16."""
    whole, content = onnx_of(network, units, width)
    arrays = {weight.path: weight.numpy() for weight in whole.weights}
    arrays = {path: array.astype(np.float16) if array.size > FEW else array for path, array in arrays.items()}
    np.savez(folder / WEIGHTS, allow_pickle=False, **arrays)
    (folder / NETWORK).write_bytes(content)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (NETWORK, WEIGHTS)}
    sizes = {key: record[key] for key in ("parameters", "seed", "steps", "windows")}
    text = json.dumps(asdict(Manifest(units=units, width=width, sha256=digests, **sizes)), indent=1)
    (folder / MANIFEST).write_text(text + "\n")


def onnx_of(network: keras.Model, units: int, width: int) -> tuple[keras.Model, bytes]:
    """Return a network with large weights rounded to float16 and its steps fixed, and the bytes of its ONNX file."""
    from forecaster.networks.onnx_export import export_onnx

    whole = build_pretrained(units, width, steps=LONGEST)
    whole.set_weights([_rounded(array) for array in network.get_weights()])
    whole({name: np.zeros((1, *shape), np.float32) for name, shape in SHAPES.items()})  # the export asks for a call
    return whole, _halved(export_onnx(whole))


def _rounded(array: np.ndarray) -> np.ndarray:
    """Return weights as they are after float16, those of small arrays as they are."""
    return array.astype(np.float16).astype(np.float32) if array.size > FEW else array


def _halved(content: bytes) -> bytes:
    """Return an ONNX file with its large weights in float16, which a node casts back when it is loaded."""
    import onnx

    model = onnx.load_model_from_string(content)
    casts = []
    for weight in list(model.graph.initializer):
        array = onnx.numpy_helper.to_array(weight)
        if array.dtype == np.float32 and array.size > FEW:
            half = onnx.numpy_helper.from_array(array.astype(np.float16), f"{weight.name}_half")
            model.graph.initializer.remove(weight)
            model.graph.initializer.append(half)
            casts.append(onnx.helper.make_node("Cast", [half.name], [weight.name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    return bytes(model.SerializeToString())


def read_manifest(folder: Path = TRAINED) -> Manifest:
    """Return the manifest of a pretrained network.

    Raises:
        ModelError: it is absent or damaged.
    """
    try:
        return as_type(Manifest, json.loads(_read(folder / MANIFEST)), "manifest")
    except ValueError as error:
        raise _damaged(folder, str(error)) from None


def read_weights(folder: Path = TRAINED) -> dict[str, np.ndarray]:
    """Return the weights in float32 by their Keras paths.

    Raises:
        ModelError: a file is absent, damaged or altered.
    """
    content = _checked(folder, WEIGHTS)
    try:
        return {path: array.astype(np.float32) for path, array in read_arrays(content).items()}
    except Exception as error:
        raise _damaged(folder, str(error)) from None


@cache
def pretrained_engine(folder: Path = TRAINED) -> OnnxEngine:
    """Return what runs the network, made once in a process.

    Raises:
        ModelError: a file is absent, damaged or altered.
    """
    return engine_of_bytes(pretrained_bytes(folder))


def pretrained_bytes(folder: Path = TRAINED) -> bytes:
    """Return the ONNX file of the network.

    Raises:
        ModelError: likewise.
    """
    return _checked(folder, NETWORK)


@lru_cache(maxsize=4)
def engine_of_bytes(content: bytes) -> OnnxEngine:
    """Return what runs an ONNX file of the network.

    Raises:
        ModelError: it is no such file.
    """
    return OnnxEngine(content, {(LONGEST, OUTPUTS)})


def _checked(folder: Path, name: str) -> bytes:
    """Return the bytes of a file that has the digest of the manifest."""
    content = _read(folder / name)
    if hashlib.sha256(content).hexdigest() != read_manifest(folder).sha256.get(name):
        raise _damaged(folder, f"{name} was altered")
    return content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as error:
        raise _damaged(path.parent, f"{path.name}: {error.strerror}") from None
    if len(content) > MOST:
        raise _damaged(path.parent, f"{path.name} has more than {MOST:,} bytes")
    return content


def _damaged(folder: Path, reason: str) -> ModelError:
    return ModelError(f"the pretrained network at '{folder}' is damaged: {reason}", "install forecaster again")
