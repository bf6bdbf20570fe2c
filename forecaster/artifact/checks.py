"""What is refused of a model directory before any of it is decoded, run, or given memory.

Every check of a file as it lies on the disk is here: that it is there, that its format is known, that its bytes are
those that were written. What is decoded comes from the handle that was checked, so that nobody can change it between.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

from forecaster.artifact.layout import FILES, FORMAT, FORMAT_VERSION, MANIFEST, own_digest
from forecaster.errors import ModelError, NotFoundError

#: What to do about a model that cannot be read.
AGAIN = "make it again with: forecaster fit DATA"


def checked_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest, whole and unaltered.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, or of another format.
    """
    if not any((directory / name).exists() for name in (MANIFEST, *FILES)):
        raise NotFoundError(
            f"no model at '{directory}'", "make one with: forecaster fit DATA, or name one with --model"
        )
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        problem = _problem(manifest)
    except FileNotFoundError:
        raise ModelError(f"the model at '{directory}' has no {MANIFEST}", AGAIN) from None
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        raise ModelError(f"the model at '{directory}' is damaged: {MANIFEST}: {problem}", AGAIN)
    if manifest["version"] > FORMAT_VERSION:
        raise ModelError(
            f"the model at '{directory}' has format {manifest['version']}, this version reads up to {FORMAT_VERSION}",
            "upgrade with: pip install --upgrade forecaster",
        )
    if manifest["version"] < FORMAT_VERSION:
        raise ModelError(f"the model at '{directory}' has format {manifest['version']}, from before covariates", AGAIN)
    return dict(manifest)


def _problem(manifest: Any) -> str:
    """Return what is wrong with what the manifest holds; nothing for a newer format, whose digests may be others."""
    if not (isinstance(manifest, dict) and manifest.get("format") == FORMAT and type(manifest.get("version")) is int):
        return f"it is not a manifest of {FORMAT}"
    digests = manifest.get("sha256")
    complete = isinstance(digests, dict) and digests.keys() == {MANIFEST, *FILES}
    whole = complete and manifest["sha256"][MANIFEST] == own_digest(manifest)
    return "" if whole or manifest["version"] > FORMAT_VERSION else "it was altered after it was written"


def checked_bytes(directory: Path, name: str, digest: str) -> bytes:
    """Return the content of a file of the model, which is as it was written."""
    with checked_handle(directory, name, digest) as handle:
        return handle.read()


def checked_handle(directory: Path, name: str, digest: str) -> IO[bytes]:
    """Return a file of the model, open at its start, whose content is as it was written.

    Raises:
        ModelError: it is absent, cannot be read, or has another sha256 than ``digest``.
    """
    try:
        handle = (directory / name).open("rb")
    except FileNotFoundError:
        raise ModelError(f"the model at '{directory}' has no {name}", AGAIN) from None
    except OSError as error:
        raise ModelError(f"cannot read {name} of the model at '{directory}': {error.strerror}", AGAIN) from None
    try:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
    except OSError as error:
        handle.close()
        raise ModelError(f"cannot read {name} of the model at '{directory}': {error.strerror}", AGAIN) from None
    if found != digest:
        handle.close()
        raise ModelError(f"{name} of the model at '{directory}' is damaged or was altered", AGAIN)
    return handle
