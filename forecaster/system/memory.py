"""Memory that this process may still take: of the machine, of control groups and of limits."""

from __future__ import annotations

import math
import re
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Bytes that TensorFlow and the exporter take, and of addresses, which a limit may be set on.
PROGRAMS, ADDRESSES = 0.75e9, 2.7e9


def available_bytes(root: Path = Path("/")) -> float | None:
    """Return the bytes that this process may still take; None where the system does not say.

    The least of what the machine has, what the groups of processes that it is in may have (cgroups), and the limits of
    the process itself (``ulimit -v`` and ``-d``).

    Args:
        root: where the system's own files are.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[float]:
    """Yield each limit less what is taken of it, in bytes."""
    machine, process = (_fields(root / "proc" / name) for name in ("meminfo", "self/status"))
    groups, swap = list(_groups(root)), float(machine.get("SwapFree", 0))
    if "MemAvailable" in machine:
        yield machine["MemAvailable"] + swap
    for kind, taken, more in (("RLIMIT_AS", "VmSize", ADDRESSES - PROGRAMS), ("RLIMIT_DATA", "VmData", 0.0)):
        limit, _ = resource.getrlimit(getattr(resource, kind))
        if limit != resource.RLIM_INFINITY:
            yield limit - process.get(taken, 0) - more
    swap = min([swap, *(_left(folder, *_GROUP_SWAP) for folder, _ in groups)])
    for folder, version in groups:
        if (left := _left(folder, *_GROUP_FILES[version])) < math.inf:
            files = _fields(folder / "memory.stat", 1)
            cached = sum(files.get(name, 0) for name in ("active_file", "inactive_file"))
            yield left + cached + (swap if version == 2 else 0)


#: Files of a group of processes that hold its limit and what it has taken, by version of cgroups; and those of swap,
#: which is a limit of its own in the second one only.
_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    2: ("memory.max", "memory.current"),
}


_GROUP_SWAP = ("memory.swap.max", "memory.swap.current")


def _left(folder: Path, limit: str, taken: str) -> float:
    """Return what a group has left of a limit, in bytes; infinity where it has none, whose file is absent or "max"."""
    with suppress(OSError, ValueError):
        return int((folder / limit).read_text()) - int((folder / taken).read_text())
    return math.inf


def _groups(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folders of the groups that this process is in, and of those around them, and their version."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds and "memory" not in kinds.split(","):
                continue
            top = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            own = top / path.strip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(top):
                    yield folder, 1 if kinds else 2


def _fields(path: Path, unit: int = 1024) -> dict[str, int]:
    """Return the numbers of a file of a name and a number in each line, times ``unit``; none where there is no file."""
    with suppress(OSError):
        return {name: unit * int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", path.read_text(), re.M)}
    return {}
