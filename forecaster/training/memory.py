"""Whether there is memory enough to train, told before TensorFlow takes its own.

What training takes is mostly what is kept of one batch for the way back through the network, or of the windows that are
forecast at once. The factors here are measured by ``benchmarks/memory.py``, which says how far they are off.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.errors import ForecasterError
from forecaster.inference import CHUNK
from forecaster.networks.factory import NETWORKS
from forecaster.networks.tcn import widths
from forecaster.networks.transformer import HEADS
from forecaster.notes import Note
from forecaster.planning import Plan
from forecaster.training.attempt import LEAST_BATCH, batch_size_of, members_of

#: Bytes that TensorFlow and the exporter take, and of addresses, which a limit may be set on.
PROGRAMS, ADDRESSES = 0.75e9, 2.7e9
#: Bytes of a row, and of each of its channels, beside those of the panel.
ROW, CHANNEL = 30, 10
#: Numbers held for each number of a window that is learned from, of one that is forecast from, and for each step ahead.
LEARNED, READ, STEP = 12, 6, 60
#: Numbers held for each weight, of gradients, optimiser, average and states to go back to; and while it is exported.
WEIGHT, EXPORT = 14, 50
#: Numbers of each step that a head gives, where it weighs simple forecasts.
OUTPUTS = 9
#: Numbers kept for each pair of segments of which one attends to the other, in numbers kept for a unit.
ATTENTION = 0.054
#: Numbers that a network keeps for each unit of each segment: for the way there and back, and there alone.
KEPT: dict[str, tuple[float, float]] = {
    "lstm": (11, 4),
    "gru": (11, 4),
    "rnn": (5, 2.5),
    "bilstm": (11, 4),
    "segrnn": (11, 4),
    "cnn-lstm": (14, 5),
    "attention-lstm": (13, 5),
    "encoder-decoder": (13, 4.5),
    "transformer": (34, 20),
    "tcn": (8, 3.5),
    "nbeats": (0, 0),
    "nhits": (0, 0),
    "tide": (6, 5),
    "dlinear": (0, 0),
    "nlinear": (0, 0),
}
#: Of a prediction, what training takes at least, whatever it is off by.
SURELY = 0.6


@dataclass(frozen=True)
class Need:
    """What training takes, in bytes.

    Attributes:
        fixed: at all times: programs, arrays and weights.
        learned: beside that for one batch that is learned from.
        forecast: for the windows that are forecast at once.
        exported: for the network while it is exported.
    """

    fixed: float
    learned: float
    forecast: float
    exported: float

    @property
    def total(self) -> float:
        """The most that is taken at one time."""
        return self.fixed + max(self.learned, self.forecast, self.exported)


def needed(config: Config, plan: Plan, panel: Panel) -> Need:
    """Return the memory that training takes beside the panel.

    Args:
        config: the settings.
        plan: what the networks read; of members the largest counts, and the weights of all.
        panel: the series that are learned from.
    """
    features = 2 * len(plan.cycles) + len(panel.of_role("future"))
    channels = 1 + features + len(panel.of_role("past")) + plan.indicator
    windows = int((panel.lengths - plan.validation - plan.lookback - plan.steps + 1).clip(min=0).sum())
    scored = min(CHUNK, len(panel) * max(1, plan.validation - plan.steps + 1))
    learned = forecast = weights = 0.0
    for member in members_of(config, plan):
        own = member.applied(config)
        inputs, ahead = (member.lookback + plan.steps) * channels, STEP * plan.steps
        back, there = KEPT[own.network]
        segment = min(member.segment, member.lookback)
        segments = member.lookback // segment
        numbers = _numbers(own, segments, member.lookback)
        learned = max(learned, 4 * batch_size_of(own, windows) * (LEARNED * inputs + ahead + back * numbers))
        forecast = max(forecast, 4 * scored * (READ * inputs + ahead + there * numbers))
        weights += _weights(own, segments, segment * channels, features, plan.steps)
    rows = len(panel.values) * (ROW + CHANNEL * channels)
    return Need(PROGRAMS + rows + 4 * WEIGHT * weights, learned, forecast, 4 * EXPORT * weights)


def _numbers(config: Config, segments: int, lookback: int) -> float:
    """Return the units of all segments that a network keeps something of, for each window."""
    units, ways = sum(config.units), 2 if config.bidirectional or config.network == "bilstm" else 1
    if config.network == "tcn":
        return segments * sum(widths(config.units, segments))
    if config.network == "transformer":  # and how much each segment attends to each
        return segments * (units + ATTENTION * HEADS * len(config.units) * segments)
    if config.network == "tide":
        return lookback * config.units[0]
    return ways * segments * units


def _weights(config: Config, segments: int, read: int, features: int, steps: int) -> float:
    """Return about how many weights a network has: those of stacked LSTMs, which have the most for their units.

    Args:
        config: the settings of the network.
        segments: of a window.
        read: numbers of a segment.
        features: what is known of a step to come.
        steps: that are forecast.
    """
    below = config.units[0]  # what segments are projected to
    found = float(read * below)
    for units in config.units:
        found, below = found + 4 * units * (below + units), units
    shown = below * segments if config.network == "transformer" else below  # its head reads every segment
    return found + (shown + steps * features) * steps * (
        OUTPUTS if config.base == "gate" and NETWORKS[config.network].gates else 1
    )


def refuse_beyond_memory(config: Config, plan: Plan, panel: Panel) -> list[Note]:
    """Return a warning where training may not find memory enough, and none where it will.

    Args:
        config: the settings.
        plan: what the networks read.
        panel: the series that are learned from.

    Raises:
        ForecasterError: it surely will not; the hint says which setting to lower to what.
    """
    room, on_gpu = available(), has_gpu()  # which then holds what is kept of a batch

    def total(config: Config, plan: Plan) -> float:
        need = needed(config, plan, panel)
        return need.fixed + need.exported if on_gpu else need.total

    if room is None or (most := total(config, plan)) <= room:
        return []
    fits = ", or ".join(_smaller(config, plan, lambda *changed: total(*changed) <= room))
    hint = f"this would fit: {fits}" if fits else "no setting alone is enough: fewer rows or series, or more memory"
    if SURELY * most <= room:
        return [Note("memory", f"about {_shown(most)} needed, {_shown(room)} left", hint, warning=True)]
    raise ForecasterError(f"not enough memory: training needs about {_shown(most)}, and {_shown(room)} are left", hint)


def has_gpu() -> bool:
    """Return whether the machine has a GPU that TensorFlow may train on, without asking TensorFlow."""
    return Path("/proc/driver/nvidia/gpus").is_dir()


def _shown(size: float) -> str:
    return f"{max(0.0, size) / 1e9:,.1f} GB"


def _smaller(config: Config, plan: Plan, fits: Callable[[Config, Plan], bool]) -> Iterator[str]:
    """Yield the flags that would fit, each alone, with the largest value that does, by halves."""
    sizes = [LEAST_BATCH << k for k in range(12)]
    units = [tuple(max(1, n >> k) for n in config.units) for k in range(8, 0, -1)]
    lookbacks = [count * plan.segment for count in range(2, -(-plan.lookback // plan.segment))]
    tried: dict[str, list[tuple[object, Config, Plan]]] = {
        "--batch-size": [(size, config.replace(batch_size=size), plan) for size in sizes],
        "--lookback": [(length, config, _reading(plan, length)) for length in lookbacks],
        "--units": [(",".join(map(str, few)), config.replace(units=few), plan) for few in units],
    }
    for flag, smaller in tried.items():
        found = [value for value, other, less in smaller if fits(other, less)]
        if found:
            yield f"{flag} {found[-1]}"


def _reading(plan: Plan, lookback: int) -> Plan:
    members = tuple(replace(member, lookback=min(member.lookback, lookback)) for member in plan.members)
    return replace(plan, lookback=lookback, members=members)


def available(root: Path = Path("/")) -> float | None:
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
    if "MemAvailable" in machine:
        yield machine["MemAvailable"] + machine.get("SwapFree", 0)
    for kind, taken, more in (("RLIMIT_AS", "VmSize", ADDRESSES - PROGRAMS), ("RLIMIT_DATA", "VmData", 0.0)):
        limit, _ = resource.getrlimit(getattr(resource, kind))
        if limit != resource.RLIM_INFINITY:
            yield limit - process.get(taken, 0) - more
    for folder, version in _groups(root):
        most, taken = _GROUP_FILES[version]
        with suppress(OSError, ValueError):  # a group without a limit has none, or "max"
            files = _fields(folder / "memory.stat", 1)
            cached = sum(files.get(name, 0) for name in ("active_file", "inactive_file"))
            yield int((folder / most).read_text()) - int((folder / taken).read_text()) + cached


#: Files of a group of processes that hold its limit and what it has taken, by version of cgroups.
_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    2: ("memory.max", "memory.current"),
}


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
