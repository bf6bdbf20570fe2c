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
from forecaster.data.panel.panel import Panel
from forecaster.data.time.freq import format_time
from forecaster.errors import DataError, ModelError, SettingError

#: Packages of which another version may train to other weights.
PACKAGES = ("forecaster", "tensorflow", "keras", "numpy")
#: Rows that are hashed at once: bounds memory.
ROWS_AT_ONCE = 1_000_000
#: Values that differ, of which at most so many are named.
MOST_NAMED = 3


def fingerprint(panel: Panel, config: Config, start: Model | None = None) -> str:
    """Return what a fit begins with, as JSON.

    Args:
        panel: the rows that may be learned from.
        config: the settings that it trains with.
        start: the model that is trained further.
    """
    parts = {
        "data": {
            "rows": len(panel.values),
            "series": len(panel),
            "until": format_time(panel.last.max()),
            "columns": [panel.roles.target, *(column.name for column in panel.columns)],
            "all": _digest(vars(panel)),
        },
        "settings": config.to_dict(),
        "versions": {name: _version(name) for name in PACKAGES},
        "start": start and _digest({**start.weights, **_start_parts(start)}),
    }
    return json.dumps(parts, sort_keys=True)


def _start_parts(start: Model) -> dict[str, Any]:
    """Return what further training takes from a model beside its weights."""
    known = {"plan": start.plan, "config": start.config, "ids": start.ids, "encoder": start.encoder.to_dict()}
    return known | {
        "scaler": start.scaler.to_dict(),
        **{name: start.record[name] for name in ("trained_until", "smallest")},
    }


def begins_on_own_result(begun: str, now: str) -> bool:
    """Return whether a fit that trains a model further in its place is now begun on what it has made of that.

    Of the older rows the model may have left some away, so that the newest times are compared, and not each reading.

    Args:
        begun: what the fit was begun with.
        now: what it is begun with again.
    """
    before, after = json.loads(begun), json.loads(now)
    same = all(before["data"][name] == after["data"][name] for name in ("series", "until", "columns"))
    return same and all(before[name] == after[name] for name in ("settings", "versions"))


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
    hint = "give the same as before, or leave --resume out to begin from the start"
    for name in ("settings", "versions"):
        changed = describe_changes(before[name], after[name], flags=name == "settings")
        if changed:
            raise SettingError(f"the checkpoint is of a fit with {changed}", hint)
    if before["start"] != after["start"]:
        raise SettingError("the checkpoint is of a fit with another --from", hint)
    if before["data"] != after["data"]:
        changed = describe_changes(before["data"] | {"all": ""}, after["data"] | {"all": ""})
        what = "the checkpoint is of a fit of other data"
        raise DataError(f"{what}: {changed}" if changed else what, hint)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe_changes(before: dict[str, Any], after: dict[str, Any], flags: bool = False) -> str:
    """Return in words what differs between values by name, which are settings where they have ``flags``."""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    said = {name: "--" + name.replace("_", "-") if flags else name for name in names}
    parts = [f"{said[name]} {_said(before.get(name))}, not {_said(after.get(name))}" for name in names]
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
