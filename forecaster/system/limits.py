"""What the system gives a process too little of: threads, without which libraries abort, and memory."""

from __future__ import annotations

import os
import resource
from _thread import allocate_lock, stack_size, start_new_thread
from threading import Semaphore

from forecaster.errors import ForecasterError

#: Threads that reading and forecasting start, and training, at most: some, and some for each core.
READING, TRAINING = (6, 2), (14, 6)
#: Bytes of addresses that NumPy, SciPy and pandas take on two cores.
ADDRESSES = 1_150_000_000


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_without_addresses() -> None:
    """Refuse a limit of addresses (``ulimit -v``) in which no NumPy fits: its BLAS ends the process silently.

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


def refuse_without_threads(some: int, of_each_core: int) -> None:
    """Start so many threads at once, and let them end.

    Raises:
        ForecasterError: the system does not let this process have as many.
    """
    wanted, started, gate, ended = some + of_each_core * core_count(), 0, allocate_lock(), Semaphore(0)

    def wait() -> None:
        with gate:
            ended.release()

    usual = stack_size(256 * 1024)  # of addresses too there may be few
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


def is_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came of, is that no memory is left; libraries have many words for it.

    Where a process may have only so many addresses, a library that is there but cannot be loaded is such an error too.
    """
    while error is not None:
        said = f"{type(error).__name__} {error}"
        if isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY):
            return True
        if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
            return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
        error = error.__cause__ or error.__context__
    return False


#: What TensorFlow, ONNX Runtime, the C library and the loader of libraries say.
_NO_MEMORY = ("ResourceExhaustedError", "bad_alloc", "Cannot allocate memory", "failed to map segment")
