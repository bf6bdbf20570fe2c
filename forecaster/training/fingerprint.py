"""What a fit begins with, as text that is the same for the same fit: a checkpoint of another one is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.errors import DataError, ModelError, SettingError

#: Packages of which another version may train to other weights.
PACKAGES = ("forecaster", "tensorflow", "keras", "numpy")
#: Rows that are hashed at once: bounds memory.
ROWS_AT_ONCE = 1_000_000
#: Settings that differ, of which a refusal names at most so many.
MOST_NAMED = 3


def fingerprint(panel: Panel, config: Config, start: Model | None = None) -> str:
    """Return what a fit begins with, as JSON.

    Args:
        panel: the rows that may be learned from.
        config: the settings.
        start: the model that is trained further.
    """
    parts = {
        "data": _digest(vars(panel)),
        "settings": config.to_dict(),
        "versions": {name: _version(name) for name in PACKAGES},
        "start": start and _digest({**start.weights, "plan": start.plan, "config": start.config}),
    }
    return json.dumps(parts, sort_keys=True)


def refuse_other(kept: str | None, now: str) -> None:
    """Refuse a checkpoint of a fit that began with something else.

    Args:
        kept: what the fit of the checkpoint began with; None where that is damaged.
        now: what this one begins with.

    Raises:
        SettingError: another setting, model to begin from, or version of a package.
        DataError: other data.
        ModelError: the checkpoint is damaged.
    """
    if kept is None:
        raise ModelError("the checkpoint is damaged", "leave --resume out to begin from the start")
    before, after = json.loads(kept), json.loads(now)
    if before == after:
        return
    hint = "give the same as before, or leave --resume out to begin from the start"
    for name in ("settings", "versions"):
        changed = _changed(before[name], after[name], "--" if name == "settings" else "")
        if changed:
            raise SettingError(f"the checkpoint is of a fit with {changed}", hint)
    if before["start"] != after["start"]:
        raise SettingError("the checkpoint is of a fit with another --from", hint)
    raise DataError("the checkpoint is of a fit of other data", hint)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _changed(before: dict[str, Any], after: dict[str, Any], dashes: str) -> str:
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    parts = [f"{dashes}{n.replace('_', '-')} {_said(before.get(n))}, not {_said(after.get(n))}" for n in names]
    return "; ".join(parts[:MOST_NAMED]) + (f" and {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else "")


def _said(value: Any) -> str:
    if value is None:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _digest(values: Mapping[str, Any]) -> str:
    """Return the sha256 of arrays and other values by name."""
    digest = hashlib.sha256()
    for name, value in sorted(values.items()):
        if not isinstance(value, np.ndarray):
            digest.update(f"{name}={value!r};".encode())
            continue
        digest.update(f"{name}={value.dtype}{value.shape};".encode())
        for first in range(0, len(value) if value.ndim else 1, ROWS_AT_ONCE):
            rows = value[first : first + ROWS_AT_ONCE] if value.ndim else value
            digest.update(rows.tobytes())
    return digest.hexdigest()
