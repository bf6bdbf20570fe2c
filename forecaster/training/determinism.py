"""One thread for all arithmetic: what ``deterministic`` adds to the fixed order of operations that every fit has.

The last digit of a sum depends on the number of threads that share it, which is usually that of the cores.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any, TypeVar, cast

from forecaster.config import Config
from forecaster.errors import DependencyError, SettingError

F = TypeVar("F", bound=Callable[..., Any])

#: Held by trainings and deterministic calls: seeds and the threads of the BLAS are of the process. One lock, as the
#: report of a training may make a deterministic forecast while another thread trains deterministically.
TRAINING = RLock()


def one_thread(method: F) -> F:
    """Run a method of an object with a ``config`` with NumPy in one thread, if the config is deterministic.

    Raises:
        DependencyError: the BLAS of NumPy cannot be limited to one thread.
    """

    @wraps(method)
    def run_limited(self: Any, *args: Any, **options: Any) -> Any:
        if not self.config.deterministic:
            return method(self, *args, **options)
        from threadpoolctl import ThreadpoolController

        blas = ThreadpoolController().select(user_api="blas")
        if not len(blas):
            raise DependencyError(
                "deterministic needs a NumPy whose BLAS can be limited to one thread", "pip install numpy"
            )
        with TRAINING, blas.limit(limits=1):
            return method(self, *args, **options)

    return cast(F, run_limited)


def fix_threads(config: Config) -> None:
    """Give TensorFlow one thread for the rest of the process, if ``config`` is deterministic.

    Raises:
        SettingError: TensorFlow has started with another number.
    """
    if not config.deterministic:
        return
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        raise SettingError(
            "deterministic cannot fix the threads of TensorFlow, which this process has used before",
            "fit first, or in a process of its own",
        ) from None
