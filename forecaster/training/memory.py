"""Whether there is memory enough to train, told before TensorFlow takes its own.

What training takes is mostly what is kept of one batch for the way back through the network, or of the windows that are
forecast at once. The factors here are measured by ``benchmarks/memory.py``, which says how far they are off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import CHUNK
from forecaster.errors import ForecasterError
from forecaster.families import NETWORKS
from forecaster.families.shapes import Shapes
from forecaster.features.plan import Plan
from forecaster.networks.keras import start_keras
from forecaster.networks.outputs import outputs_of
from forecaster.networks.weight_counts import count_weights
from forecaster.notes import Note
from forecaster.system.memory import PROGRAMS, available_bytes
from forecaster.training.device import device_name
from forecaster.training.member_fit import LEAST_BATCH, batch_size_of, members_of

#: Bytes of a row, and of each of its channels, beside those of the panel.
ROW, CHANNEL = 30, 10
#: Numbers held for each number of a window that is learned from, of one that is forecast from, and for each step ahead.
LEARNED, READ, STEP = 12, 6, 60
#: Numbers held for each weight, of gradients, optimiser, average and states to go back to; and while it is exported.
WEIGHT, EXPORT = 14, 50
#: Files in ``/dev`` that a machine has some of where TensorFlow may have a GPU: of the driver, and of that of WSL.
GPU_FILES = ("nvidiactl", "dxg")
#: Of a prediction, what training takes at least, whatever it is off by.
SURELY = 0.6


@dataclass(frozen=True)
class MemoryNeed:
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

    @property
    def beside_gpu(self) -> float:
        """The most that is taken where a GPU holds what is kept of a batch."""
        return self.fixed + self.exported


def needed_memory(config: Config, plan: Plan, panel: Panel) -> MemoryNeed:
    """Return the memory that training takes beside the panel.

    Args:
        config: the settings.
        plan: what the networks read; of members the largest counts, and the weights of all.
        panel: the series that are learned from.
    """
    shapes = Shapes(
        lookback=plan.lookback,
        steps=plan.steps,
        calendar=2 * len(plan.cycles),
        known=len(panel.of_role("future")),
        past=len(panel.of_role("past")) + plan.indicator,
        seasons=plan.seasons,
        outputs=outputs_of(config),
    )
    channels = shapes.channels
    windows = int((panel.lengths - plan.validation - plan.lookback - plan.steps + 1).clip(min=0).sum())
    scored = min(CHUNK, len(panel) * max(1, plan.validation - plan.steps + 1))
    learned = forecast = weights = 0.0
    for member in members_of(config, plan):
        own = member.applied(config)
        inputs, ahead = (member.lookback + plan.steps) * channels, STEP * plan.steps
        family = NETWORKS[own.network]
        segments = member.lookback // min(member.segment, member.lookback)
        units = family.kept_units(family.applied(own), segments, member.lookback)
        back, there = (numbers * units for numbers in family.kept)
        learned = max(learned, 4 * batch_size_of(own, windows) * (LEARNED * inputs + ahead + back))
        forecast = max(forecast, 4 * scored * (READ * inputs + ahead + there))
        weights += count_weights(own, replace(shapes, lookback=member.lookback))
    rows = len(panel.values) * (ROW + CHANNEL * channels)
    return MemoryNeed(PROGRAMS + rows + 4 * WEIGHT * weights, learned, forecast, 4 * EXPORT * weights)


def refuse_beyond_memory(config: Config, plan: Plan, panel: Panel, new: bool = False) -> list[Note]:
    """Return a warning where training may not find memory enough, and none where it will.

    Args:
        config: the settings.
        plan: what the networks read.
        panel: the series that are learned from.
        new: the networks are not there yet, so that smaller ones may be advised.

    Raises:
        ForecasterError: it surely will not; the hint says which setting to lower to what.
    """
    room, need = available_bytes(), needed_memory(config, plan, panel)
    if room is None or need.total <= room:
        return []
    on_gpu = SURELY * need.beside_gpu <= room and has_gpu()

    def total(config: Config, plan: Plan) -> float:
        need = needed_memory(config, plan, panel)
        return need.beside_gpu if on_gpu else need.total

    if (most := total(config, plan)) <= room:
        return []
    fits = ", or ".join(_smaller(config, plan, new, lambda *changed: total(*changed) <= room))
    none = "no setting alone is enough: fewer rows or series, or more memory (ulimit -v, or a container's)"
    hint = f"this would fit: {fits}" if fits else none
    if SURELY * most <= room:
        return [Note("memory", f"about {_shown(most)} needed, {_shown(room)} left", hint, warning=True)]
    raise ForecasterError(f"not enough memory: training needs about {_shown(most)}, and {_shown(room)} are left", hint)


def has_gpu(root: Path = Path("/")) -> bool:
    """Return whether TensorFlow trains on a GPU; it is asked, and imported, only where the machine has one.

    Args:
        root: where the system's own files are.
    """
    if not any((root / "dev" / name).exists() for name in GPU_FILES):
        return False
    start_keras()
    return device_name() != "CPU"


def _shown(size: float) -> str:
    return f"{max(0.0, size) / 1e9:,.1f} GB"


def _smaller(config: Config, plan: Plan, new: bool, fits: Callable[[Config, Plan], bool]) -> Iterator[str]:
    """Yield the flags that would fit, each alone, with the largest value that does, by halves.

    Args:
        config: the settings.
        plan: what the networks read.
        new: the networks may be others.
        fits: whether other settings and another plan do.
    """
    networks = [member.applied(config).network for member in members_of(config, plan)]
    sizes = [LEAST_BATCH << k for k in range(12)]
    units = [tuple(max(1, n >> k) for n in config.units) for k in range(8, 0, -1)]
    lookbacks = [count * plan.segment for count in range(2, -(-plan.lookback // plan.segment))]
    tried: dict[str, list[tuple[object, Config, Plan]]] = {
        "--batch-size": [(size, config.replace(batch_size=size), plan) for size in sizes],
        "--lookback": [(length, config, _reading(plan, length)) for length in lookbacks],
        "--units": [(",".join(map(str, few)), config.replace(units=few), plan) for few in units],
    }
    if not new:
        del tried["--lookback"]
    if not new or all("units" in NETWORKS[network].unread for network in networks):
        del tried["--units"]
    for flag, smaller in tried.items():
        found = [value for value, other, less in smaller if fits(other, less)]
        if found:
            yield f"{flag} {found[-1]}"


def _reading(plan: Plan, lookback: int) -> Plan:
    members = tuple(replace(member, lookback=min(member.lookback, lookback)) for member in plan.members)
    return replace(plan, lookback=lookback, members=members)
