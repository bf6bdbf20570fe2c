"""Refuse a table that is changed while it is read, which would be part old, part new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecaster.errors import DataError


@contextmanager
def refuse_changes(name: str, files: Callable[[], list[Path]]) -> Iterator[list[Path]]:
    """Compare the files before and after a read: the list of them, and identity, size and modification time of each.

    Args:
        name: for the message: ``'sales.csv'``, with its quotes.
        files: lists them; called before and after.

    Yields:
        list: the files before the read.

    Raises:
        DataError: one was changed, replaced, added or removed meanwhile, whatever else the read raised.
    """
    changed = DataError(f"{name} was changed while it was read", "wait until it is complete, or read a copy of it")
    listed = files()
    before = _states(listed)
    try:
        yield listed
    except Exception:
        if _states(files()) != before:
            raise changed from None
        raise
    if _states(files()) != before:
        raise changed


def _states(files: list[Path]) -> dict[Path, tuple[int, ...]]:
    states = dict[Path, tuple[int, ...]]()
    for path in files:
        with suppress(OSError):
            found = path.stat()
            states[path] = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return states
