"""The fingerprint of a fit: data, settings, versions and start model. Checkpoints of another fit are refused by it."""

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
from forecaster.words import setting

#: Packages whose version may change the trained weights.
PACKAGES = ("forecaster", "tensorflow", "keras", "numpy")
#: Rows hashed at once; bounds the memory.
ROWS_AT_ONCE = 1_000_000
#: Differing values that a message names at most.
MOST_NAMED = 3


def fingerprint(panel: Panel, config: Config, further: Model | None = None) -> str:
    """Return the fingerprint of a fit as JSON: the same text for the same fit.

    Args:
        panel: the training rows.
        config: the settings of the training.
        further: the model that is trained further.
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
        "further": further and _digest({**further.weights, **_further_parts(further)}),
    }
    return json.dumps(parts, sort_keys=True)


def _further_parts(further: Model) -> dict[str, Any]:
    """Return the parts of a model besides its weights that further training starts from."""
    known = {"plan": further.plan, "config": further.config, "ids": further.ids, "encoder": further.encoder.to_dict()}
    if further.pretrained:
        known["pretrained"] = hashlib.sha256(further.pretrained.onnx).hexdigest()
    return known | {
        "scaler": further.scaler.to_dict(),
        **{name: further.record[name] for name in ("trained_until", "smallest")},
    }


def continues_own_result(begun: str, now: str) -> bool:
    """Return True if a fit that trains a model further in place would now start from its own result.

    The model may have dropped older rows, so that the newest times are compared instead of every reading.

    Args:
        begun: the fingerprint in the checkpoint.
        now: the fingerprint of the fit that is begun again.
    """
    before, after = json.loads(begun), json.loads(now)
    same = all(before["data"][name] == after["data"][name] for name in ("series", "until", "columns"))
    return same and all(before[name] == after[name] for name in ("settings", "versions"))


def refuse_other(kept: str | None, now: str) -> None:
    """Refuse to resume from the checkpoint of another fit.

    Args:
        kept: the fingerprint in the checkpoint; None if it is damaged.
        now: the fingerprint of this fit.

    Raises:
        SettingError: another setting, start model, or version of a package.
        DataError: other data.
        ModelError: the checkpoint is damaged.
    """
    if kept is None:
        raise ModelError("the checkpoint is damaged", f"leave {setting('resume')} out to begin from the start")
    before, after = json.loads(kept), json.loads(now)
    hint = f"give the same as before, or leave {setting('resume')} out to begin from the start"
    for name in ("settings", "versions"):
        changed = describe_changes(before[name], after[name], settings=name == "settings")
        if changed:
            raise SettingError(f"the checkpoint is of a fit with {changed}", hint)
    if before["further"] != after["further"]:
        raise SettingError(f"the checkpoint is of a fit with another {setting('further')}", hint)
    if before["data"] != after["data"]:
        changed = describe_changes(before["data"] | {"all": ""}, after["data"] | {"all": ""})
        what = "the checkpoint is of a fit of other data"
        raise DataError(f"{what}: {changed}" if changed else what, hint)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe_changes(before: dict[str, Any], after: dict[str, Any], settings: bool = False) -> str:
    """Return in words the differences between two sets of values by name, which may be ``settings``."""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    shown = {name: setting(name) if settings else name for name in names}
    parts = [f"{shown[name]} {_as_text(before.get(name))}, not {_as_text(after.get(name))}" for name in names]
    return "; ".join(parts[:MOST_NAMED]) + (f" and {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else "")


def _as_text(value: Any) -> str:
    if value is None:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _digest(values: Mapping[str, Any]) -> str:
    """Return the sha256 of arrays and other values, by name."""
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
