"""Names of the files of a model directory and of a checkpoint, and the number of its format."""

from __future__ import annotations

import hashlib
import json
from typing import Any

FORMAT = "forecaster-model"
FORMAT_VERSION = 2
MANIFEST, WEIGHTS, NETWORK, HISTORY = "manifest.json", "weights.npz", "network.onnx", "history.parquet"
#: The files whose digests the manifest holds, in addition to its own.
FILES = (WEIGHTS, NETWORK, HISTORY)
#: Bytes of a file at most: none larger is written, and none is read.
LIMITS = {MANIFEST: 64 << 20, WEIGHTS: 512 << 20, NETWORK: 512 << 20, HISTORY: 16 << 30}
#: Names of the files of a checkpoint: the fingerprint that a fit began with, and each training run, before its number.
BEGUN, RUN = "fit", "run-"
#: Key, in this fingerprint, of the machine that the fit began on; it may be resumed on another one.
MACHINE = "machine"


def own_digest(manifest: dict[str, Any]) -> str:
    """Return the sha256 of a manifest's content, its own digest left out."""
    files = {name: digest for name, digest in manifest["sha256"].items() if name != MANIFEST}
    return hashlib.sha256(json.dumps({**manifest, "sha256": files}, sort_keys=True).encode()).hexdigest()
