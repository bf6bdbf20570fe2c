"""Read a model directory, without running anyone's code."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from forecaster.artifact.checks import AGAIN, checked_bytes, checked_handle, checked_manifest
from forecaster.artifact.history import read_history
from forecaster.artifact.layout import HISTORY, NETWORK, WEIGHTS
from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.encoding import Encoder
from forecaster.errors import ForecasterError, ModelError
from forecaster.evaluation.intervals import Conformal
from forecaster.features import READ_LOOKBACKS
from forecaster.planning import Plan
from forecaster.scaling import Scaler


def load_model(directory: Path, newest_only: bool = False) -> Model:
    """Read a model directory, every file checked against the manifest first.

    Args:
        directory: where it is.
        newest_only: keep only the rows of each series that its next forecast is made from.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, incomplete, or of a newer format.
    """
    manifest = checked_manifest(directory)
    digests = manifest["sha256"]
    files = {name: checked_bytes(directory, name, digests[name]) for name in (WEIGHTS, NETWORK)}
    try:
        arrays = dict(np.load(io.BytesIO(files[WEIGHTS]), allow_pickle=False))
        groups = {name: _group(arrays, name) for name in ("intervals", "history", "scaler")}
        plan = Plan.from_dict(manifest["plan"])
        rows = READ_LOOKBACKS * plan.lookback + 1 if newest_only else None
        with checked_handle(directory, HISTORY, digests[HISTORY]) as handle:
            history, ranges = read_history(handle, manifest["panel"], groups["history"]["static"], rows)
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
            f"the model at '{directory}' is damaged, or of another version of forecaster: {error}", AGAIN
        ) from None


def _group(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Take the arrays out whose names begin with ``name`` and a slash."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): arrays.pop(key) for key in list(arrays) if key.startswith(prefix)}


def _names_where(ids: tuple[str, ...], which: np.ndarray) -> tuple[str, ...]:
    return ids if which.all() else tuple(name for name, ok in zip(ids, which, strict=True) if ok)
