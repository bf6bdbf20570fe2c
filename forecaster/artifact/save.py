"""Write a model directory: whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.artifact.history import history_pieces, panel_schema
from forecaster.artifact.lock import refuse_foreign, write_refusal
from forecaster.artifact.model import Model
from forecaster.artifact.names import (
    FORMAT,
    FORMAT_VERSION,
    HISTORY,
    LIMITS,
    MANIFEST,
    NETWORK,
    WEIGHTS,
    own_digest,
)
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.siblings import remove_leftovers, remove_staging
from forecaster.system.files import current_umask, flush_folder, json_text


def save_model(model: Model, directory: str | Path | ModelPlace) -> None:
    """Write the model directory next to its place and move it there once it is complete.

    Raises:
        SettingError: something other than a model is there by now, which stays as it is.
        ForecasterError: the disk is full or the folder cannot be written; an older model stays as it was.
    """
    place = ModelPlace.of(directory)
    try:
        staging = place.make_staging()
    except OSError as error:
        raise write_refusal(place, error) from None
    try:
        digests = {}
        for name, content in _files(model):
            digests[name] = _write(staging / name, content)
        _write(staging / MANIFEST, [_manifest_text(model, digests).encode()])
        staging.chmod(0o777 & ~current_umask())
        refuse_foreign(place)
        _swap(staging, place)
        remove_leftovers(place, model.record)
    except OSError as error:
        raise write_refusal(place, error) from None
    finally:
        remove_staging(staging)


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
    if part := model.pretrained:
        others["pretrained/network"] = np.frombuffer(part.onnx, np.uint8)
        others["pretrained/share"], others["pretrained/rows"] = np.array(part.share), np.array(part.rows)
    np.savez(weights, allow_pickle=False, **model.weights, **others)
    yield WEIGHTS, [weights.getvalue()]
    yield NETWORK, [model.onnx]
    yield HISTORY, history_pieces(model.history)


def _manifest_text(model: Model, digests: dict[str, str]) -> str:
    """Return the manifest as JSON, with the digests of the other files and its own."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "plan": asdict(model.plan),
        "scaler": {k: v for k, v in model.scaler.to_dict().items() if not isinstance(v, list)},
        "encoder": model.encoder.to_dict(),
        "panel": panel_schema(model.history),
        "record": model.record,
        "sha256": dict(digests),
    }
    manifest["sha256"][MANIFEST] = own_digest(json.loads(json_text(manifest)))
    return json_text(manifest)


def _write(path: Path, content: Iterable[bytes]) -> str:
    """Write the pieces of a file and return its sha256."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as handle:
        for piece in content:
            size += len(piece)
            if size > LIMITS[path.name]:
                raise OSError(errno.EFBIG, f"{path.name} would be larger than {LIMITS[path.name]:,} bytes")
            handle.write(piece)
            digest.update(piece)
        handle.flush()
        os.fsync(handle.fileno())
    return digest.hexdigest()


def _swap(staging: Path, place: ModelPlace) -> None:
    """Move ``staging`` to its place; an older model is there until that moment and takes the place of ``staging``."""
    with suppress(OSError):  # not every system flushes folders
        flush_folder(staging)
    if not place.real.exists():
        staging.rename(place.real)
    elif not _exchange(staging, place.real):
        _replace(staging, place)
    with suppress(OSError):
        flush_folder(place.real.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two directories atomically; return False where the system has no such call."""
    library, names = ctypes.CDLL(None, use_errno=True), (os.fsencode(one), os.fsencode(other))
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(_HERE, names[0], _HERE, names[1], _SWAP_NAMES) == 0)
    return hasattr(library, "renamex_np") and bool(library.renamex_np(*names, _SWAP_NAMES) == 0)


#: Flags: on Linux, paths are relative to the current folder; on Linux and macOS, exchange the two directories.
_HERE, _SWAP_NAMES = -100, 2


def _replace(staging: Path, place: ModelPlace) -> None:
    """Replace an older model by ``staging`` with two renames; on failure the old one is put back."""
    old = place.make_staging()
    try:
        place.real.rename(old)
        staging.rename(place.real)
    finally:
        if not place.real.exists():
            old.rename(place.real)
        remove_staging(old)
