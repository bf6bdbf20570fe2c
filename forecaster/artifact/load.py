"""Read a model directory without running foreign code: everything is checked before it is decoded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, replace
from io import BufferedReader
from pathlib import Path

import numpy as np

from forecaster.artifact.consistency import check_panel, check_parts, check_plan
from forecaster.artifact.history import read_history
from forecaster.artifact.manifest import Manifest, read_manifest
from forecaster.artifact.model import FitRecord, Model, PretrainedPart, rows_to_read, why_not_pretrained
from forecaster.artifact.names import FILES, HISTORY, MANIFEST, NETWORK, WEIGHTS
from forecaster.artifact.open_files import AGAIN, open_model_files, refuse_absent
from forecaster.errors import ModelError
from forecaster.features.scaling import Scaler
from forecaster.intervals.conformal import Conformal
from forecaster.system.limits import is_out_of_memory
from forecaster.system.npz import read_arrays

#: Rows that a pretrained network reads at most.
MOST_ROWS = 100_000
#: Bytes that the network may have in addition to its weights, which it may hold twice.
STRUCTURE = 8 << 20


def load_model(directory: Path, newest_only: bool = False) -> Model:
    """Read a model directory, every file checked against the manifest first.

    Args:
        directory: the model directory.
        newest_only: keep only the rows of each series that its next forecast reads.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, incomplete, or of a newer format.
    """
    with open_model_files(directory) as files:
        refuse_absent(files, (MANIFEST,), directory)
        manifest = read_manifest(files[MANIFEST], directory)
        refuse_absent(files, FILES, directory)
        found = {name: files[name].read() for name in (WEIGHTS, NETWORK)}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
        before = _state(files[HISTORY])
        digests[HISTORY] = hashlib.file_digest(files[HISTORY], "sha256").hexdigest()
        for name, digest in digests.items():
            if digest != manifest.sha256[name]:
                raise ModelError(f"{name} of the model at '{directory}' is damaged or was altered", AGAIN)
        try:
            model = _build_model(manifest, found, files[HISTORY], newest_only)
        except Exception as error:  # three libraries may raise anything over a hostile file
            if is_out_of_memory(error):
                raise MemoryError from error
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"the model at '{directory}' is damaged, or of another version of forecaster: {reason}", AGAIN
            ) from error
        if _state(files[HISTORY]) != before:
            raise ModelError(f"{HISTORY} of the model at '{directory}' was changed while it was read", AGAIN)
        return model


def _state(file: BufferedReader) -> tuple[int, int]:
    """Return the attributes of an open file that change when it is written, but not when it is removed."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _build_model(manifest: Manifest, found: dict[str, bytes], parquet: BufferedReader, newest_only: bool) -> Model:
    plan, config, arrays, onnx = manifest.plan, manifest.config, read_arrays(found[WEIGHTS]), found[NETWORK]
    pretrained = _pretrained_part(_pop_group(arrays, "pretrained"))
    if pretrained and (reason := why_not_pretrained(config)):
        raise ValueError(f"a pretrained network, but {reason}")
    if len(onnx) > 2 * sum(array.nbytes for array in arrays.values()) + STRUCTURE:
        raise ValueError("the network is larger than its weights")
    intervals, kept, scaling = (_pop_group(arrays, name) for name in ("intervals", "history", "scaler"))
    if not {"static", "learned"} <= kept.keys() <= {"static", "learned", "beyond"}:
        raise ValueError(f"the history holds {', '.join(sorted(kept))}")
    rows = rows_to_read(plan, pretrained) if newest_only else None
    history, ranges = read_history(parquet, manifest.panel, kept["static"], rows)
    history = replace(history, beyond=kept.get("beyond"))
    check_plan(plan, config, int(history.lengths.max()))
    check_panel(history, manifest.encoder)
    ids = tuple(name for name, learned in zip(history.ids, kept["learned"].tolist(), strict=True) if learned)
    scaler, conformal = Scaler.from_dict({**asdict(manifest.scaler), **scaling}), Conformal.from_arrays(intervals)
    check_parts(manifest, scaler, conformal, arrays, len(ids))
    return Model(
        config=config,
        plan=plan,
        ids=ids,
        scaler=scaler,
        encoder=manifest.encoder,
        conformal=conformal,
        onnx=onnx,
        weights=arrays,
        history=history,
        record=FitRecord(**manifest.record),
        pretrained=pretrained,
        ranges=ranges,
    )


def _pretrained_part(arrays: dict[str, np.ndarray]) -> PretrainedPart | None:
    """Return the pretrained network from its arrays, None if there are none."""
    if not arrays:
        return None
    if arrays.keys() != {"network", "share", "rows"} or arrays["network"].dtype != np.uint8:
        raise ValueError(f"the pretrained network has {', '.join(sorted(arrays))}")
    if [arrays[name].ndim for name in ("network", "share", "rows")] != [1, 0, 0] or arrays["rows"].dtype.kind != "i":
        raise ValueError("the pretrained network has arrays of another shape")
    share, rows = float(arrays["share"]), int(arrays["rows"])
    if not (0 <= share <= 1 and 1 <= rows <= MOST_ROWS):
        raise ValueError(f"the pretrained network has a share of {share} and reads {rows} rows")
    return PretrainedPart(arrays["network"].tobytes(), share, rows)


def _pop_group(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Remove and return the arrays whose names begin with ``name`` and a slash, without this prefix."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): arrays.pop(key) for key in list(arrays) if key.startswith(prefix)}
