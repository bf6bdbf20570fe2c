"""The machine of a fit, as far as the last digits of its weights may depend on it."""

from __future__ import annotations

import os
from typing import Any

from forecaster.system.limits import core_count

#: Prefixes of the environment variables that numeric libraries read, and of those of TensorFlow's log among them.
VARIABLES, LOG_VARIABLES = ("TF_", "XLA_", "OMP_", "MKL_", "OPENBLAS_", "NVIDIA_TF32_"), "TF_CPP_"


def describe_machine(deterministic: bool) -> dict[str, Any]:
    """Return the device, cores and environment variables that may change the order of summation.

    Args:
        deterministic: the fit has one thread, so that the number of cores and threads makes no difference.
    """
    variables = {
        n: value for n, value in os.environ.items() if n.startswith(VARIABLES) and not n.startswith(LOG_VARIABLES)
    }
    if deterministic:
        return {"device": device_name(), **{name: value for name, value in variables.items() if "THREAD" not in name}}
    return {"device": device_name(), "cores": core_count(), **variables}


def device_name() -> str:
    """Return the device that TensorFlow trains on: ``"GPU (NVIDIA H200)"`` or ``"CPU"``."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return f"GPU ({', '.join(names)})"
