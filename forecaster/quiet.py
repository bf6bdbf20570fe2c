"""Keep what native libraries write to file descriptor 2 (TensorFlow's start-up log) off the terminal."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Signals that end a command: Ctrl-C, what a service manager or ``kill`` sends, and a terminal that is closed.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


class _Lenient(io.FileIO):
    """Writes what can be written: a terminal that is gone, or a full disk, must not end a training."""

    def write(self, data: Any) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def separate_native() -> None:
    """For the rest of the process: ``sys.stderr`` keeps the terminal, native code's descriptor 2 goes nowhere.

    Nor do the logs of libraries go anywhere, such as matplotlib's of its settings, its fonts and its folder.
    """
    logging.disable()
    sys.stderr.flush()
    kept = os.dup(2)
    stream = io.BufferedWriter(_Lenient(kept, "w"))
    sys.stderr = io.TextIOWrapper(stream, sys.stderr.encoding, "backslashreplace", line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def start_keras() -> None:
    """Import Keras and TensorFlow without a line of their logs, and Keras without the settings of a home folder.

    Raises:
        DependencyError: TensorFlow is not installed, or Keras was imported before with other settings.
        ForecasterError: the system does not let this process have as many threads as they start.
    """
    from forecaster.errors import DependencyError
    from forecaster.limits import TRAINING, is_of_memory, refuse_without_threads

    refuse_without_threads(*TRAINING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with signals_later(), quiet_native(), environment(_KERAS), _without_matplotlib():
            import keras
            import tensorflow  # noqa: F401
    except ImportError as error:
        if is_of_memory(error):
            raise
        raise DependencyError(f"training needs TensorFlow: {error}", "pip install tensorflow") from None
    found = f"{keras.config.backend()} in {keras.config.dtype_policy().name}"
    if found != "tensorflow in float32":
        raise DependencyError(
            f"training needs Keras on tensorflow in float32, and it was set to {found} before",
            "set KERAS_BACKEND=tensorflow, and mind ~/.keras/keras.json",
        )
    for name in ("tensorflow", "absl", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)


#: A home in which Keras neither finds a ``keras.json`` nor can write one, and nothing that shortens a training.
_KERAS: dict[str, str | None] = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    **dict.fromkeys(("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")),
}


@contextmanager
def signals_later() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and its like wait for the end of the block: native code would make another error of it, or lose it.

    A second one lets the first wait no longer.

    Yields:
        Does what the first that waits asks for, where it is called.
    """
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in STOPS}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}

    def later(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        if len(came) > 1:
            now()

    def now() -> None:
        if came:
            number, frame = came.pop(0)
            handlers[signal.Signals(number)](number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield now  # signals come to the main thread only
        return
    for number in handlers:
        signal.signal(number, later)
    try:
        yield now
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        now()


@contextmanager
def _without_matplotlib() -> Iterator[None]:
    """Let Keras not import matplotlib, which would look for all fonts and list them in the home folder."""
    if "matplotlib" in sys.modules:
        yield
        return
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["matplotlib"]


@contextmanager
def environment(values: dict[str, str | None]) -> Iterator[None]:
    """Give variables of the environment other values, None for no value, while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
