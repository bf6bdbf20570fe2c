"""Python's warning filters, which are of the whole process: changed by one thread at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_HELD = RLock()


@contextmanager
def own_warning_filters() -> Iterator[None]:
    """Undo changes of the warning filters at the end of the block; other threads wait for it to change theirs.

    :func:`warnings.catch_warnings` alone, in two threads at once, loses filters while they are needed and keeps them
    for good: each thread puts back what it found, which may be what the other has set.
    """
    with _HELD, warnings.catch_warnings():
        yield
