"""The model directory: written whole or not at all, read without running anyone's code.

::

    forecaster-model/
        manifest.json      format, versions, configuration, plan, roles, scores, sha256 of all four
        weights.npz        the Keras weights, the interval scores and the scaling of each series; read with
                           ``allow_pickle=False``
        network.onnx       what predict runs
        history.parquet    the newest rows of each series, in groups of whole series
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from forecaster.config import Config
from forecaster.data.columns.roles import Roles
from forecaster.data.counts import blocks
from forecaster.data.packed import laid_together, series_between
from forecaster.data.panel import Column, Panel
from forecaster.data.tables.arrays import release
from forecaster.encoding import Encoder
from forecaster.errors import ForecasterError, ModelError, NotFoundError, SettingError
from forecaster.evaluation.intervals import Conformal
from forecaster.features import READ_LOOKBACKS
from forecaster.files import json_text, umask
from forecaster.planning import Plan
from forecaster.scaling import Scaler

FORMAT = "forecaster-model"
FORMAT_VERSION = 2
#: Rows of a group of the history: bounds the memory of writing it, and of reading the newest rows of all.
GROUP = 1 << 17
MANIFEST, WEIGHTS, NETWORK, HISTORY = "manifest.json", "weights.npz", "network.onnx", "history.parquet"


@dataclass
class Model:
    """A trained model: all that predict, evaluate and plot need.

    Attributes:
        config: the settings as they were given.
        plan: the numbers decided from them and the data.
        ids: series the scaler knows, in its order.
        scaler: per-series scaling, fitted on training rows.
        encoder: what became of the covariates, fitted on training rows.
        conformal: interval scores from the validation run.
        onnx: the network as ONNX.
        weights: the Keras weights by path.
        history: the newest rows of each series.
        record: training range, scores, notes, versions, device, command: for people and reports.
        ranges: smallest and largest reading of each series of the history, ``(series, 2)`` float64, where ``history``
            holds fewer rows than it was saved with; None where it holds all.
    """

    config: Config
    plan: Plan
    ids: tuple[str, ...]
    scaler: Scaler
    encoder: Encoder
    conformal: Conformal
    onnx: bytes
    weights: dict[str, np.ndarray]
    history: Panel
    record: dict[str, Any] = field(default_factory=dict)
    ranges: np.ndarray | None = None

    @property
    def network(self) -> str:
        """The name of the network that forecasts: of ``--network auto`` those of what it kept."""
        if self.config.network != "auto":
            return self.config.network
        return " + ".join(member.name for member in self.plan.members)


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
        digests = {}
        for name, content in _files(model):
            digests[name] = _write(staging / name, content)
        _write(staging / MANIFEST, [_manifest_text(model, digests).encode()])
        staging.chmod(0o777 & ~umask())
        _swap(staging, place)
    except OSError as error:
        raise _cannot_write(directory, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def load_model(directory: Path, newest_only: bool = False) -> Model:
    """Read a model directory, every file checked against the manifest first.

    Args:
        directory: where it is.
        newest_only: keep only the rows of each series that its next forecast is made from.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, incomplete, or of a newer format.
    """
    manifest = _manifest(directory)
    digests = manifest["sha256"]
    files = {name: _checked_file(directory, name, digests[name]) for name in (WEIGHTS, NETWORK)}
    try:
        arrays = dict(np.load(io.BytesIO(files[WEIGHTS]), allow_pickle=False))
        groups = {name: _group(arrays, name) for name in ("intervals", "history", "scaler")}
        plan = Plan.from_dict(manifest["plan"])
        rows = READ_LOOKBACKS * plan.lookback + 1 if newest_only else None
        with _checked_handle(directory, HISTORY, digests[HISTORY]) as handle:
            history, ranges = _history(handle, manifest["panel"], groups["history"]["static"], rows)
        return Model(
            config=Config.from_dict(manifest["config"]),
            plan=plan,
            ids=_names_where(history.ids, groups["history"]["learned"]),
            scaler=Scaler.from_dict({**manifest["scaler"], **groups["scaler"]}),
            encoder=Encoder.from_dict(manifest["encoder"]),
            conformal=Conformal.from_arrays(groups["intervals"]),
            onnx=files[NETWORK],
            weights=arrays,
            history=replace(history, beyond=groups["history"].get("beyond")),
            record=manifest["record"],
            ranges=ranges,
        )
    except ModelError:
        raise
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


def _group(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Take the arrays out whose names begin with ``name`` and a slash."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): arrays.pop(key) for key in list(arrays) if key.startswith(prefix)}


def _names_where(ids: tuple[str, ...], which: np.ndarray) -> tuple[str, ...]:
    return ids if which.all() else tuple(name for name, ok in zip(ids, which, strict=True) if ok)


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
    if manifest["version"] < FORMAT_VERSION:
        raise ModelError(f"the model at '{directory}' has format {manifest['version']}, from before covariates", _AGAIN)
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
    with _checked_handle(directory, name, digest) as handle:
        return handle.read()


def _checked_handle(directory: Path, name: str, digest: str) -> IO[bytes]:
    """Return a file of the model, open at its start, whose content is as it was written."""
    try:
        handle = (directory / name).open("rb")
    except FileNotFoundError:
        raise ModelError(f"the model at '{directory}' has no {name}", _AGAIN) from None
    except OSError as error:
        raise ModelError(f"cannot read {name} of the model at '{directory}': {error.strerror}", _AGAIN) from None
    try:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
    except OSError as error:
        handle.close()
        raise ModelError(f"cannot read {name} of the model at '{directory}': {error.strerror}", _AGAIN) from None
    if found != digest:
        handle.close()
        raise ModelError(f"{name} of the model at '{directory}' is damaged or was altered", _AGAIN)
    return handle


def _files(model: Model) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield every file of the directory but the manifest, in pieces."""
    weights = io.BytesIO()
    learned = set(model.ids)
    others = {
        **{f"intervals/{k}": v for k, v in model.conformal.to_arrays().items()},
        **{f"scaler/{k}": np.array(v) for k, v in model.scaler.to_dict().items() if isinstance(v, list)},
        "history/static": model.history.static,
        "history/learned": np.array([name in learned for name in model.history.ids], bool),
    }
    if model.history.beyond is not None:
        others["history/beyond"] = model.history.beyond
    np.savez(weights, allow_pickle=False, **model.weights, **others)
    yield WEIGHTS, [weights.getvalue()]
    yield NETWORK, [model.onnx]
    yield HISTORY, _history_pieces(model.history)


def _manifest_text(model: Model, digests: dict[str, str]) -> str:
    """Return the manifest as JSON, with the digests of the other files and its own."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "plan": asdict(model.plan),
        "scaler": {k: v for k, v in model.scaler.to_dict().items() if not isinstance(v, list)},
        "encoder": model.encoder.to_dict(),
        "panel": {
            "roles": model.history.roles.to_dict(),
            "freq": model.history.freq,
            "zone": model.history.zone,
            "columns": [asdict(column) for column in model.history.columns],
            "masked": model.history.masked,
            "bridged": model.history.bridged,
        },
        "record": model.record,
        "sha256": dict(digests),
    }
    manifest["sha256"][MANIFEST] = _own_digest(json.loads(json_text(manifest)))
    return json_text(manifest)


def _history_pieces(panel: Panel) -> Iterator[bytes]:
    """Yield a Parquet file, a group of whole series at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, writer = _Sink(), None
    for first, last in blocks(panel.offsets, GROUP):
        part = series_between(panel, first, last)
        codes = np.repeat(np.arange(len(part), dtype=np.int32), part.lengths)
        ids = pa.DictionaryArray.from_arrays(codes, list(part.ids))
        columns = {"series": ids, "time": part.times, "value": part.values, "observed": part.observed}
        columns |= {f"covariate {i}": column for i, column in enumerate(part.covariates.T)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(sink, table.schema, use_dictionary=["series", "time"])
        writer.write_table(table, row_group_size=max(1, len(table)))
        yield from sink.taken()
    if writer:
        writer.close()
    yield from sink.taken()


class _Sink:
    """A file that is written and taken away in pieces."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def _history(
    handle: IO[bytes], schema: dict[str, Any], static: np.ndarray, rows: int | None
) -> tuple[Panel, np.ndarray | None]:
    """Return what :func:`_history_pieces` wrote, or its newest ``rows`` of each series and then all series' ranges."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(handle)
    names = file.schema_arrow.names
    columns = tuple(_column(**column) for column in schema["columns"])
    parts = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, use_threads=False)
        series = table["series"].combine_chunks()
        counts = np.bincount(np.asarray(series.indices), minlength=len(series.dictionary))
        found = [table[name].to_numpy() for name in names if name.startswith("covariate ")]
        part = Panel(
            values=table["value"].to_numpy(),
            observed=table["observed"].to_numpy(),
            times=table["time"].to_numpy(),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ids=tuple(series.dictionary.to_pylist()),
            freq=schema["freq"],
            roles=Roles.from_dict(schema["roles"]),
            zone=schema["zone"],
            columns=columns,
            masked=schema["masked"],
            bridged=schema["bridged"],
            covariates=np.column_stack(found) if found else None,  # type: ignore[arg-type]
        )
        parts.append((part, None) if rows is None else (part.keep_newest(rows), part.ranges))
    release()
    ranges = None if rows is None else np.concatenate([found for _, found in parts])
    return replace(laid_together([part for part, _ in parts]), static=static), ranges


def _column(name: str, role: str, categories: list[str] | None, offset: float = 0.0) -> Column:
    return Column(name, role, None if categories is None else tuple(categories), offset)


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


def _write(path: Path, content: Iterable[bytes]) -> str:
    """Write the pieces of a file and return its sha256."""
    digest = hashlib.sha256()
    with path.open("wb") as handle:
        for piece in content:
            handle.write(piece)
            digest.update(piece)
        handle.flush()
        os.fsync(handle.fileno())
    return digest.hexdigest()


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
