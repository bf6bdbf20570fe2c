"""Import Keras and TensorFlow without their start-up log and without settings of a home folder."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from forecaster.system.native import environment_variables, silence_native
from forecaster.system.signals import defer_signals


def start_keras() -> None:
    """Import Keras and TensorFlow without their logs, and Keras without the settings of the home folder.

    Raises:
        DependencyError: TensorFlow is not installed, or Keras was imported before with other settings.
        ForecasterError: the system denies this process the threads that they start.
    """
    from forecaster.errors import DependencyError
    from forecaster.system.limits import TRAINING, is_out_of_memory, refuse_without_threads

    refuse_without_threads(*TRAINING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with defer_signals(), silence_native(), environment_variables(_KERAS), _without_matplotlib():
            import keras
            import tensorflow  # noqa: F401
    except ImportError as error:
        if is_out_of_memory(error):
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


#: A home where Keras neither finds nor writes a ``keras.json``, and no variable that shortens training.
_KERAS: dict[str, str | None] = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    **dict.fromkeys(("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")),
}


@contextmanager
def _without_matplotlib() -> Iterator[None]:
    """Keep Keras from importing matplotlib, which would search all fonts and list them in the home folder."""
    if "matplotlib" in sys.modules:
        yield
        return
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["matplotlib"]
