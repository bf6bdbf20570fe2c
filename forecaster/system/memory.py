"""Measure the memory that this process may still take, within the machine, its control groups and its limits."""

from __future__ import annotations

import math
import re
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Bytes of memory that TensorFlow and the exporter take, and bytes of address space, which may be limited.
PROGRAMS, ADDRESSES = 0.75e9, 2.7e9


def available_bytes(root: Path = Path("/")) -> float | None:
    """Return the bytes that this process may still take; None if the system does not report them.

    The least of the machine's available memory, of the rests of its control groups (cgroups), and of those of its own
    limits (``ulimit -v`` and ``-d``).

    Args:
        root: folder of the system's files.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[float]:
    """Yield what is left of each limit, in bytes."""
    machine, process = (_fields(root / "proc" / name) for name in ("meminfo", "self/status"))
    groups, swap = list(_groups(root)), float(machine.get("SwapFree", 0))
    if "MemAvailable" in machine:
        yield machine["MemAvailable"] + swap
    for kind, used, more in (("RLIMIT_AS", "VmSize", ADDRESSES - PROGRAMS), ("RLIMIT_DATA", "VmData", 0.0)):
        limit, _ = resource.getrlimit(getattr(resource, kind))
        if limit != resource.RLIM_INFINITY:
            yield limit - process.get(used, 0) - more
    swap = min([swap, *(_rest(folder, *_GROUP_SWAP) for folder, _ in groups)])
    for folder, version in groups:
        if (left := _rest(folder, *_GROUP_FILES[version])) < math.inf:
            files = _fields(folder / "memory.stat", 1)
            cached = sum(files.get(name, 0) for name in ("active_file", "inactive_file"))
            yield left + cached + (swap if version == 2 else 0)


#: Files with the limit and the usage of a control group, by version of cgroups; and those of swap, which has a limit of
#: its own in version 2 only.
_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    2: ("memory.max", "memory.current"),
}


_GROUP_SWAP = ("memory.swap.max", "memory.swap.current")


def _rest(folder: Path, limit: str, taken: str) -> float:
    """Return the rest of a group's limit, in bytes; infinity if it has none (its file is absent or "max")."""
    with suppress(OSError, ValueError):
        return int((folder / limit).read_text()) - int((folder / taken).read_text())
    return math.inf


def _groups(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folders of the control groups of this process and their parents, each with its version."""
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
    """Return the numbers of a file with a name and a number in each line, times ``unit``; none if there is no file."""
    with suppress(OSError):
        return {name: unit * int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", path.read_text(), re.M)}
    return {}
