"""Whether threads can be started: where not, libraries abort, or call a whole model damaged."""

from __future__ import annotations

import os
from _thread import allocate_lock, stack_size, start_new_thread
from threading import Semaphore

from forecaster.errors import ForecasterError

#: Threads that reading and forecasting start, and training, at most: some, and some for each core.
READING, TRAINING = (6, 2), (14, 6)


def refuse_without_threads(some: int, of_each_core: int) -> None:
    """Start so many threads at once, and let them end.

    Raises:
        ForecasterError: the system does not let this process have as many.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted, started, gate, ended = some + of_each_core * cores, 0, allocate_lock(), Semaphore(0)

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
