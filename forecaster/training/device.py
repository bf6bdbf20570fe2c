"""What a fit is trained on, as far as the last digits of its weights may depend on that."""

from __future__ import annotations

import os
from typing import Any

from forecaster.system.limits import core_count

#: Variables of the environment that libraries of numbers read begin so, but for those of TensorFlow's log.
VARIABLES, OF_LOGS = ("TF_", "XLA_", "OMP_", "MKL_", "OPENBLAS_", "NVIDIA_TF32_"), "TF_CPP_"


def describe_machine(deterministic: bool) -> dict[str, Any]:
    """Return the device, the cores and the variables that may change the order in which numbers are added up.

    Args:
        deterministic: of a fit in one thread, for which those of threads and cores make no difference.
    """
    variables = {n: value for n, value in os.environ.items() if n.startswith(VARIABLES) and not n.startswith(OF_LOGS)}
    if deterministic:
        return {"device": device_name(), **{name: value for name, value in variables.items() if "THREAD" not in name}}
    return {"device": device_name(), "cores": core_count(), **variables}


def device_name() -> str:
    """Return what TensorFlow trains on, for a person: ``"GPU (NVIDIA H200)"`` or ``"CPU"``."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return f"GPU ({', '.join(names)})"
