"""Files next to a model directory while it is made: its checkpoint, and leftovers of killed processes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from forecaster.artifact.names import BEGUN, FILES, MACHINE, MANIFEST, RUN
from forecaster.artifact.place import ModelPlace
from forecaster.system.files import read_sealed


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files of the training runs of a checkpoint, in order."""
    found = [path for path in folder.glob(f"{RUN}*") if path.name.removeprefix(RUN).isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(RUN)))


def read_fit_start(folder: Path) -> str | None:
    """Return the fingerprint that the fit of a checkpoint began with; None where there is none, or it is damaged."""
    content = read_sealed(folder / BEGUN)
    return None if content is None else content.decode()


def fit_id(begun: str) -> str:
    """Return the id of a fit, as in the record of its model: a hash of its fingerprint without the machine."""
    parts = {name: value for name, value in json.loads(begun).items() if name != MACHINE}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, and nothing else in its folder; files that cannot be removed stay."""
    with suppress(OSError):
        for path in [*folder.glob(f"{RUN}*"), *folder.glob(f"{BEGUN}*")]:
            path.unlink()
        folder.rmdir()


def remove_leftovers(place: ModelPlace, record: Mapping[str, Any]) -> None:
    """Remove the checkpoint of the fit of a written model, if it was finished, and staging folders of killed processes.

    The caller holds the lock, so that nobody writes there.

    Args:
        place: of the model directory.
        record: of the model.
    """
    folder = place.checkpoint
    begun = read_fit_start(folder)
    if begun is not None and record.get("fit") == fit_id(begun) and not record.get("interrupted"):
        remove_checkpoint(folder)
    with suppress(OSError):
        for sibling in place.staging_folders():
            remove_staging(sibling)


def remove_staging(folder: Path) -> None:
    """Remove a folder that holds files of a model only, written or replaced."""
    with suppress(OSError):
        if not folder.is_symlink() and {entry.name for entry in folder.iterdir()} <= {MANIFEST, *FILES}:
            shutil.rmtree(folder, ignore_errors=True)
