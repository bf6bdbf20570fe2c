"""What is refused where the system gives a process too little."""

from __future__ import annotations

import _thread
import threading

import pytest

from forecaster.errors import ForecasterError
from forecaster.system import limits


def test_as_many_threads_as_are_wanted_run_at_once(monkeypatch):
    started = []
    monkeypatch.setattr(limits, "start_new_thread", lambda *given: started.append(_thread.start_new_thread(*given)))
    limits.refuse_without_threads(7, 0)
    assert len(set(started)) == 7


@pytest.mark.parametrize("few", [0, 1, 6])
def test_too_few_threads_are_counted_and_refused(few, monkeypatch):
    left, stack = [None] * few, threading.stack_size()

    def start(*given):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return _thread.start_new_thread(*given)

    monkeypatch.setattr(limits, "start_new_thread", start)
    with pytest.raises(ForecasterError, match=f"only {few} of 7 threads can be started") as caught:
        limits.refuse_without_threads(7, 0)
    assert "ulimit -u" in caught.value.hint
    assert threading.stack_size() == stack


def test_threads_are_asked_for_by_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    monkeypatch.setattr(limits, "start_new_thread", lambda *given: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(ForecasterError, match="only 0 of 20 threads"):
        limits.refuse_without_threads(14, 2)


def _after(error, earlier):
    error.__context__ = earlier
    return error


@pytest.mark.parametrize(
    ("error", "limit", "expected"),
    [
        (MemoryError(), -1, True),
        (_after(SystemError("error return without exception set"), MemoryError()), -1, True),
        (ImportError("libx.so: failed to map segment from shared object"), -1, True),
        (OSError(12, "Cannot allocate memory"), -1, True),
        (ImportError("Failed to import 'zlib.decompress'"), -1, False),
        (ImportError("Failed to import 'zlib.decompress'"), 10**9, True),
        (ModuleNotFoundError("No module named 'tensorflow'"), 10**9, False),
        (ValueError("x"), 10**9, False),
    ],
)
def test_what_memory_that_runs_out_is_called(error, limit, expected, monkeypatch):
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (limit, limit))
    assert limits.is_out_of_memory(error) == expected
