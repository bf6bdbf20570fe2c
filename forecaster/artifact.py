"""The model directory: written whole or not at all, read without running anyone's code.

::

    forecaster-model/
        manifest.json      format, versions, configuration, plan, roles, scalers, scores, sha256 of all four
        weights.npz        the Keras weights and the interval scores; read with ``allow_pickle=False``
        network.onnx       what predict runs
        history.parquet    the newest rows of each series
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.data.roles import Roles
from forecaster.errors import ForecasterError, ModelError, NotFoundError, SettingError
from forecaster.evaluation.intervals import Conformal
from forecaster.files import json_text, umask
from forecaster.planning import Plan
from forecaster.scaling import Scaler

FORMAT = "forecaster-model"
FORMAT_VERSION = 1
MANIFEST, WEIGHTS, NETWORK, HISTORY = "manifest.json", "weights.npz", "network.onnx", "history.parquet"


@dataclass
class Model:
    """A trained model: all that predict, evaluate and plot need.

    Attributes:
        config: the settings as they were given.
        plan: the numbers decided from them and the data.
        ids: series the scaler knows, in its order.
        scaler: per-series scaling, fitted on training rows.
        conformal: interval scores from the validation run.
        onnx: the network as ONNX.
        weights: the Keras weights by path.
        history: the newest rows of each series.
        record: training range, scores, notes, versions, device, command: for people and reports.
    """

    config: Config
    plan: Plan
    ids: tuple[str, ...]
    scaler: Scaler
    conformal: Conformal
    onnx: bytes
    weights: dict[str, np.ndarray]
    history: Panel
    record: dict[str, Any] = field(default_factory=dict)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the right to write ``directory`` while the block runs; folders above it are made, and kept if used.

    Raises:
        ForecasterError: another process holds it, or the folder above cannot be written.
        SettingError: ``directory`` holds something else than a model, or cannot be replaced as a whole.
    """
    place = _replaceable(directory)
    made = [folder for folder in place.parents if not folder.exists()]
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = _lock_of(place).open("a")
        except OSError as error:
            raise _cannot_write(directory, error) from None
        with handle:
            _lock(handle, directory)
            try:
                yield
            finally:
                _lock_of(place).unlink(missing_ok=True)
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def save_model(model: Model, directory: Path) -> None:
    """Write the model directory beside its place and move it there once it is complete.

    Raises:
        ForecasterError: the disk is full or the folder cannot be written; an older model stays as it was.
    """
    place = _real(directory)
    try:
        staging = _sibling(place)
    except OSError as error:
        raise _cannot_write(directory, error) from None
    try:
        for name, content in _files(model).items():
            _write(staging / name, content)
        staging.chmod(0o777 & ~umask())
        _swap(staging, place)
    except OSError as error:
        raise _cannot_write(directory, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def load_model(directory: Path) -> Model:
    """Read a model directory, every file checked against the manifest first.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, incomplete, or of a newer format.
    """
    manifest = _manifest(directory)
    files = {name: _checked_file(directory, name, manifest["sha256"][name]) for name in _FILES}
    try:
        arrays = dict(np.load(io.BytesIO(files[WEIGHTS]), allow_pickle=False))
        intervals = {k.removeprefix("intervals/"): arrays.pop(k) for k in list(arrays) if k.startswith("intervals/")}
        return Model(
            config=Config.from_dict(manifest["config"]),
            plan=Plan(**{**manifest["plan"], "cycles": tuple(manifest["plan"]["cycles"])}),
            ids=tuple(manifest["series"]),
            scaler=Scaler.from_dict(manifest["scaler"]),
            conformal=Conformal.from_arrays(intervals),
            onnx=files[NETWORK],
            weights=arrays,
            history=_history(files[HISTORY], manifest["panel"]),
            record=manifest["record"],
        )
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        EOFError,
        BadZipFile,
        ForecasterError,
    ) as error:
        raise ModelError(
            f"the model at '{directory}' is damaged, or of another version of forecaster: {error}", _AGAIN
        ) from None


_AGAIN = "make it again with: forecaster fit DATA"
_FILES = (WEIGHTS, NETWORK, HISTORY)


def _manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest, whole and unaltered."""
    if not any((directory / name).exists() for name in (MANIFEST, *_FILES)):
        raise NotFoundError(
            f"no model at '{directory}'", "make one with: forecaster fit DATA, or name one with --model"
        )
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        problem = _problem(manifest)
    except FileNotFoundError:
        raise ModelError(f"the model at '{directory}' has no {MANIFEST}", _AGAIN) from None
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        raise ModelError(f"the model at '{directory}' is damaged: {MANIFEST}: {problem}", _AGAIN)
    if manifest["version"] > FORMAT_VERSION:
        raise ModelError(
            f"the model at '{directory}' has format {manifest['version']}, this version reads up to {FORMAT_VERSION}",
            "upgrade with: pip install --upgrade forecaster",
        )
    return dict(manifest)


def _problem(manifest: Any) -> str:
    """Return what is wrong with what the manifest holds; nothing for a newer format, whose digests may be others."""
    if not (isinstance(manifest, dict) and manifest.get("format") == FORMAT and type(manifest.get("version")) is int):
        return f"it is not a manifest of {FORMAT}"
    digests = manifest.get("sha256")
    whole = isinstance(digests, dict) and digests.get(MANIFEST) == _own_digest(manifest)
    return "" if whole or manifest["version"] > FORMAT_VERSION else "it was altered after it was written"


def _own_digest(manifest: dict[str, Any]) -> str:
    """Return the sha256 of a manifest's content, its own digest left out."""
    files = {name: digest for name, digest in manifest["sha256"].items() if name != MANIFEST}
    return hashlib.sha256(json.dumps({**manifest, "sha256": files}, sort_keys=True).encode()).hexdigest()


def _checked_file(directory: Path, name: str, digest: str) -> bytes:
    try:
        content = (directory / name).read_bytes()
    except FileNotFoundError:
        raise ModelError(f"the model at '{directory}' has no {name}", _AGAIN) from None
    except OSError as error:
        raise ModelError(f"cannot read {name} of the model at '{directory}': {error.strerror}", _AGAIN) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(f"{name} of the model at '{directory}' is damaged or was altered", _AGAIN)
    return content


def _files(model: Model) -> dict[str, bytes]:
    """Return every file of the directory, the manifest last."""
    weights = io.BytesIO()
    intervals = {f"intervals/{k}": v for k, v in model.conformal.to_arrays().items()}
    np.savez(weights, allow_pickle=False, **model.weights, **intervals)
    files = {WEIGHTS: weights.getvalue(), NETWORK: model.onnx, HISTORY: _history_bytes(model.history)}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "plan": asdict(model.plan),
        "series": list(model.ids),
        "scaler": model.scaler.to_dict(),
        "panel": {"roles": asdict(model.history.roles), "freq": model.history.freq, "utc": model.history.utc},
        "record": model.record,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    manifest["sha256"][MANIFEST] = _own_digest(json.loads(json_text(manifest)))
    return {**files, MANIFEST: json_text(manifest).encode()}


def _history_bytes(panel: Panel) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(panel)), panel.lengths), list(panel.ids))
    columns = {"series": ids, "time": panel.times, "value": panel.values, "observed": panel.observed}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _history(content: bytes, schema: dict[str, Any]) -> Panel:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content), use_threads=False)
    series = table["series"].combine_chunks()
    series = series.dictionary_encode() if not pa.types.is_dictionary(series.type) else series
    codes = np.asarray(series.indices)
    counts = np.bincount(codes, minlength=len(series.dictionary))
    return Panel(
        values=table["value"].to_numpy(),
        observed=table["observed"].to_numpy(),
        times=table["time"].to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=tuple(series.dictionary.to_pylist()),
        freq=schema["freq"],
        roles=Roles(**schema["roles"]),
        utc=schema["utc"],
    )


def _real(directory: Path) -> Path:
    return Path(os.path.realpath(directory))


def _replaceable(directory: Path) -> Path:
    """Return the real place of ``directory``, where there is nothing, an empty folder or a model.

    Raises:
        SettingError: there is something else, or the folder cannot be renamed.
    """
    place = _real(directory)
    if place.exists() and not (place.is_dir() and _ours(place)):
        raise SettingError(f"'{directory}' exists and is not a model of forecaster", "name another one with --model")
    if place == Path.cwd() or place.is_mount():
        kind = "a mount point" if place.is_mount() else "the current folder"
        raise SettingError(f"'{directory}' is {kind}, which no model can replace", "name a folder in it with --model")
    return place


def _ours(directory: Path) -> bool:
    """Return True for an empty directory and for a model, damaged or not; a lone file of such a name is not enough."""
    names = {entry.name for entry in directory.iterdir()}
    if not names <= {MANIFEST, *_FILES}:
        return False
    written = (directory / MANIFEST).read_bytes() if MANIFEST in names else b""
    return not names or len(names) > len(_FILES) - 1 or FORMAT.encode() in written


def _lock_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def _lock(handle: IO[str], directory: Path) -> None:
    """Lock an open file that is still the one of its name, so that two processes never hold it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = os.path.samestat(os.fstat(handle.fileno()), os.stat(handle.name))
    except (BlockingIOError, FileNotFoundError):
        alone = False
    except OSError as error:
        raise _cannot_write(directory, error) from None
    if not alone:
        raise ForecasterError(
            f"another fit is writing '{directory}' right now", "wait for it, or name another directory with --model"
        )


def _sibling(place: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _swap(staging: Path, place: Path) -> None:
    """Put ``staging`` in the place of an older model; on failure the old one is put back."""
    if not place.exists():
        staging.rename(place)
        return
    old = _sibling(place)
    try:
        place.rename(old)
        staging.rename(place)
    finally:
        if not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def _cannot_write(directory: Path, error: OSError) -> ForecasterError:
    hint = (
        "free some space"
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        else "choose another place with --model"
    )
    return ForecasterError(f"cannot write the model '{directory}': {error.strerror}", hint)
