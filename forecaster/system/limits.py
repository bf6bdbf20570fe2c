"""Check that enough threads and address space are available, without which libraries abort."""

from __future__ import annotations

import os
import resource
from _thread import allocate_lock, stack_size, start_new_thread
from threading import Semaphore

from forecaster.errors import ForecasterError

#: Most threads that reading and forecasting start, and training: a fixed number, and a number per core.
READING, TRAINING = (6, 3), (14, 6)
#: Bytes of address space that NumPy, SciPy and pandas take on two cores.
ADDRESSES = 1_150_000_000


def core_count() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_without_addresses() -> None:
    """Refuse a limit of the address space (``ulimit -v``) too low for NumPy, whose BLAS would end the process silently.

    Raises:
        MemoryError: it is too low.
    """
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    import mmap

    try:
        mmap.mmap(-1, ADDRESSES).close()
    except OSError:
        raise MemoryError from None


def refuse_without_threads(fixed: int, per_core: int) -> None:
    """Start the given number of threads at once, to see that the system allows it, and end them.

    Args:
        fixed: threads on any machine.
        per_core: further threads for each core.

    Raises:
        ForecasterError: the system does not allow as many.
    """
    wanted, started, gate, ended = fixed + per_core * core_count(), 0, allocate_lock(), Semaphore(0)

    def wait() -> None:
        with gate:
            ended.release()

    usual = stack_size(256 * 1024)  # address space may be short too
    try:
        with gate:
            while started < wanted:
                start_new_thread(wait, ())
                started += 1
    except RuntimeError:
        raise ForecasterError(
            f"only {started} of {wanted} threads can be started",
            "raise the limit of processes (ulimit -u, or a container's of pids), or use fewer cores: taskset -c 0 ...",
        ) from None
    finally:
        stack_size(usual)
    for _ in range(wanted):
        ended.acquire()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return True if an error, or a cause of it, is that memory ran out, in the words of any library.

    If the address space is limited, an installed library that cannot be loaded counts too.
    """
    while error is not None:
        text = f"{type(error).__name__} {error}"
        if isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY):
            return True
        if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
            return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
        error = error.__cause__ or error.__context__
    return False


#: Words for it of TensorFlow, ONNX Runtime, the C library and the loader of libraries.
_NO_MEMORY = ("ResourceExhaustedError", "bad_alloc", "Cannot allocate memory", "failed to map segment")
