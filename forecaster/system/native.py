"""Keep native libraries' output on file descriptor 2, such as TensorFlow's start-up log, off the terminal."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forecaster.system.warning_filters import own_warning_filters


@contextmanager
def silence_native() -> Iterator[None]:
    """Send file descriptor 2 to nowhere and ignore Python's warnings while the block runs, in one thread at a time."""
    with own_warning_filters():
        warnings.simplefilter("ignore")
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


class _LenientFile(io.FileIO):
    """A file that ignores failed writes: a closed terminal or a full disk must not end a training."""

    def write(self, data: Any) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def separate_native() -> None:
    """Keep ``sys.stderr`` on the terminal and send native code's descriptor 2 to the null device, for good.

    Logging is disabled too, such as matplotlib's of its settings, its fonts and its folder.
    """
    logging.disable()
    sys.stderr.flush()
    kept = os.dup(2)
    stream = io.BufferedWriter(_LenientFile(kept, "w"))
    sys.stderr = io.TextIOWrapper(stream, sys.stderr.encoding, "backslashreplace", line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextmanager
def environment_variables(values: dict[str, str | None]) -> Iterator[None]:
    """Set environment variables, or unset those that are None, while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
