"""Keep what native libraries write to file descriptor 2 (TensorFlow's start-up log) off the terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native() -> Iterator[None]:
    """Send file descriptor 2 to nowhere and ignore Python's warnings while the block runs."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def separate_native() -> None:
    """For the rest of the process: ``sys.stderr`` keeps the terminal, native code's descriptor 2 goes nowhere."""
    sys.stderr.flush()
    kept = os.dup(2)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def start_keras() -> None:
    """Import Keras and TensorFlow without a line of their logs.

    Raises:
        DependencyError: TensorFlow is not installed.
    """
    from forecaster.errors import DependencyError

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet_native():
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
    except ImportError as error:
        raise DependencyError(f"training needs TensorFlow: {error}", "pip install tensorflow") from None
    for name in ("tensorflow", "absl", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
