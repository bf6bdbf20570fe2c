"""The memory that training needs, compared with what is left before TensorFlow takes its own.

Most of it is what is kept of one batch for the backward pass through the network, or of the windows that are forecast
at once. The factors here are measured by ``benchmarks/memory.py``, which prints their errors.
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
from forecaster.words import setting

#: Bytes of a row, and of each of its channels, besides those of the panel.
ROW, CHANNEL = 30, 10
#: Numbers held for each number of a training window, of a window that is forecast, and for each step ahead.
LEARNED, READ, STEP = 12, 6, 60
#: Numbers held for each weight: gradients, optimiser, average and saved states; and while it is exported.
WEIGHT, EXPORT = 14, 50
#: Files in ``/dev`` of which a machine with a GPU for TensorFlow has one: of the driver, or of that of WSL.
GPU_FILES = ("nvidiactl", "dxg")
#: Share of the estimate that training takes at least, whatever its error.
SURELY = 0.6


@dataclass(frozen=True)
class MemoryNeed:
    """The memory that training needs, in bytes.

    Attributes:
        fixed: at all times: programs, arrays and weights.
        learned: in addition for one training batch.
        forecast: in addition for the windows that are forecast at once.
        exported: in addition for the network while it is exported.
    """

    fixed: float
    learned: float
    forecast: float
    exported: float

    @property
    def total(self) -> float:
        """The peak."""
        return self.fixed + max(self.learned, self.forecast, self.exported)

    @property
    def with_gpu(self) -> float:
        """The peak if a GPU holds what is kept of a batch."""
        return self.fixed + self.exported


def needed_memory(config: Config, plan: Plan, panel: Panel) -> MemoryNeed:
    """Return the memory that training needs in addition to the panel.

    Args:
        config: the settings.
        plan: what the networks read; the largest member counts, and the weights of all.
        panel: the training series.
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
    """Return a warning if training may run out of memory, and nothing if there is enough.

    Args:
        config: the settings.
        plan: what the networks read.
        panel: the training series.
        new: the networks do not exist yet, so that smaller ones may be advised.

    Raises:
        ForecasterError: it surely will; the hint names settings to lower, and their values.
    """
    room, need = available_bytes(), needed_memory(config, plan, panel)
    if room is None or need.total <= room:
        return []
    on_gpu = SURELY * need.with_gpu <= room and has_gpu()

    def total(config: Config, plan: Plan) -> float:
        need = needed_memory(config, plan, panel)
        return need.with_gpu if on_gpu else need.total

    if (most := total(config, plan)) <= room:
        return []
    fits = ", or ".join(_settings_that_fit(config, plan, new, lambda *changed: total(*changed) <= room))
    none = "no setting alone is enough: fewer rows or series, or more memory (ulimit -v, or a container's)"
    hint = f"this would fit: {fits}" if fits else none
    if SURELY * most <= room:
        return [Note("memory", f"about {_gigabytes(most)} needed, {_gigabytes(room)} left", hint, warning=True)]
    what = f"training needs about {_gigabytes(most)}, and {_gigabytes(room)} are left"
    raise ForecasterError(f"not enough memory: {what}", hint)


def has_gpu(root: Path = Path("/")) -> bool:
    """Return True if TensorFlow trains on a GPU; it is imported only if the machine has one.

    Args:
        root: the root of the file system.
    """
    if not any((root / "dev" / name).exists() for name in GPU_FILES):
        return False
    start_keras()
    return device_name() != "CPU"


def _gigabytes(size: float) -> str:
    return f"{max(0.0, size) / 1e9:,.1f} GB"


def _settings_that_fit(config: Config, plan: Plan, new: bool, fits: Callable[[Config, Plan], bool]) -> Iterator[str]:
    """Yield the settings that would fit, each alone, with the largest value that does, by halves.

    Args:
        config: the settings.
        plan: what the networks read.
        new: the networks may be changed.
        fits: returns True if other settings and another plan fit.
    """
    networks = [member.applied(config).network for member in members_of(config, plan)]
    sizes = [LEAST_BATCH << k for k in range(12)]
    units = [tuple(max(1, n >> k) for n in config.units) for k in range(8, 0, -1)]
    lookbacks = [count * plan.segment for count in range(2, -(-plan.lookback // plan.segment))]
    tried: dict[str, list[tuple[object, Config, Plan]]] = {
        "batch_size": [(size, config.replace(batch_size=size), plan) for size in sizes],
        "lookback": [(length, config, _shorten_lookback(plan, length)) for length in lookbacks],
        "units": [(few, config.replace(units=few), plan) for few in units],
    }
    if not new:
        del tried["lookback"]
    if not new or all("units" in NETWORKS[network].unread for network in networks):
        del tried["units"]
    for name, smaller in tried.items():
        found = [value for value, other, less in smaller if fits(other, less)]
        if found:
            yield setting(name, found[-1])


def _shorten_lookback(plan: Plan, lookback: int) -> Plan:
    members = tuple(replace(member, lookback=min(member.lookback, lookback)) for member in plan.members)
    return replace(plan, lookback=lookback, members=members)
