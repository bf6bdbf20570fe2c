"""The manifest: read by the types below, whole and unaltered, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypedDict

from forecaster.artifact.names import FILES, FORMAT, FORMAT_VERSION, MANIFEST, own_digest
from forecaster.artifact.open_files import AGAIN
from forecaster.config import Config
from forecaster.data.schema import Column, Roles
from forecaster.errors import ModelError, SettingError
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.plan import Plan
from forecaster.system.typed_json import as_type

#: Objects and lists at most, and commas, as Python needs many times their bytes in the file. A note or a column may
#: name every series: for 100,000 series, the commas allow twelve such lists.
NESTED, COMMAS = 200_000, 1_200_000


@dataclass(frozen=True)
class Scaling:
    """The attributes of a :class:`forecaster.features.scaling.Scaler` other than its arrays."""

    transform: str
    scaling: str


@dataclass(frozen=True)
class Schema:
    """The attributes of a :class:`forecaster.data.panel.panel.Panel` other than its arrays."""

    roles: Roles
    freq: str
    zone: str
    columns: tuple[Column, ...]
    masked: bool
    bridged: bool


class Record(TypedDict):
    """The values of the record that are computed with; the rest is for people, and may be anything."""

    trained_until: str
    rows: int
    smallest: float


@dataclass(frozen=True)
class Manifest:
    """The manifest, key by key."""

    format: str
    version: int
    config: Config
    plan: Plan
    scaler: Scaling
    encoder: Encoder
    panel: Schema
    record: Record
    sha256: dict[str, str]


def read_manifest(handle: IO[bytes], directory: Path) -> Manifest:
    """Return the manifest, whole and unaltered.

    Args:
        handle: the file, open at its start.
        directory: the model directory, for the message.

    Raises:
        ModelError: it is damaged, altered, or of another format.
    """
    try:
        found = _parse(handle.read())
        version = _version(found)
        if version == FORMAT_VERSION:
            _refuse_altered(found)
            return _as_manifest(found)
    except (OSError, ValueError, RecursionError, SettingError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ModelError(f"the model at '{directory}' is damaged: {MANIFEST}: {reason}", AGAIN) from None
    if version > FORMAT_VERSION:
        raise ModelError(
            f"the model at '{directory}' has format {version}, this version reads up to {FORMAT_VERSION}",
            "upgrade with: pip install -U forecaster",
        )
    raise ModelError(f"the model at '{directory}' has format {version}, from before covariates", AGAIN)


def _parse(content: bytes) -> Any:
    """Return parsed JSON; refuse a key that comes twice, NaN and infinity."""
    if content.count(b"[") + content.count(b"{") > NESTED:
        raise ValueError("too many lists")
    if content.count(b",") > COMMAS:
        raise ValueError("too many values")
    return json.loads(content.decode(), object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _version(found: Any) -> int:
    if not (isinstance(found, dict) and found.get("format") == FORMAT and type(found.get("version")) is int):
        raise ValueError(f"it is not a manifest of {FORMAT}")
    return int(found["version"])


def _refuse_altered(found: dict[str, Any]) -> None:
    digests = found.get("sha256")
    complete = isinstance(digests, dict) and digests.keys() == {MANIFEST, *FILES}
    if not (complete and found["sha256"][MANIFEST] == own_digest(found)):
        raise ValueError("it was altered after it was written")


def _as_manifest(found: dict[str, Any]) -> Manifest:
    config = {"start": "scratch"} | found["config"]  # models from before there was a choice
    manifest: Manifest = as_type(Manifest, found | {"config": config}, MANIFEST)
    Config.from_dict(found["config"])  # checks the ranges of the settings
    return manifest
