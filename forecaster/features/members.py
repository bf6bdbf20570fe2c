"""The networks of one fit: one, the members of an ensemble, or the short list of ``network="auto"``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from forecaster.config import Config
from forecaster.errors import DivergedError, SettingError
from forecaster.families import NETWORKS
from forecaster.notes import Note
from forecaster.system.typed_json import Natural
from forecaster.words import setting

#: Networks that ``network="auto"`` tries, in this order, and the settings that each changes. A lookback of 2 is twice
#: the lookback of the others, where there are enough rows.
SHORTLIST: dict[str, dict[str, Any]] = {
    "lstm": {"network": "lstm"},
    "dlinear": {"network": "dlinear"},
    "segrnn": {"network": "segrnn"},
    "lstm-segments": {"network": "lstm", "head": "segments", "lookback": 2},
    "tide": {"network": "tide"},
    "nlinear": {"network": "nlinear"},
    "transformer": {"network": "transformer"},
}
#: Seconds of the units of a time.
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
#: Most lookbacks of an ensemble: validation windows cannot tell the weights of more members apart.
MOST_LOOKBACKS = 8

#: Errors of the networks, or other candidates, whose training diverged, by name.
Diverged = dict[str, DivergedError]


@dataclass(frozen=True)
class Member:
    """One network of an ensemble or of the short list.

    Attributes:
        name: its name in tables, and the prefix of its weights.
        seed: of its weights, dropout and shuffling.
        lookback: input steps that it reads, the newest of a window.
        segment: steps read at once.
        settings: differences from the settings of the model, by field of :class:`forecaster.Config`.
    """

    name: str
    seed: int
    lookback: Natural
    segment: Natural
    settings: dict[str, Any] = field(default_factory=dict)

    def applied(self, config: Config) -> Config:
        """Return the settings of this network."""
        return config.replace(**self.settings, segment=self.segment, seed=self.seed)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Key shared by members that differ in the seed only."""
        return self.lookback, self.segment, *sorted(self.settings.items())


def budget_seconds(config: Config) -> float:
    """Return the time for trying networks, in seconds.

    Raises:
        SettingError: ``budget`` cannot be read.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", config.budget.strip())
    if not found or not float(found[1]):
        raise SettingError(f"budget '{config.budget}' cannot be read", "seconds, minutes or hours: 90, 10m, 1.5h")
    return float(found[1]) * _UNITS[found[2]]


def longer_lookback(config: Config) -> bool:
    """Return True if the short list may read twice the lookback: it is tried, and no lookback is given."""
    return config.network == "auto" and config.lookback is None


def plan_members(
    config: Config, lookbacks: tuple[int, ...], segment: Callable[[int], int]
) -> tuple[tuple[Member, ...], str]:
    """Return the networks of a fit and the reason; none for the single network of the settings.

    Args:
        config: ``network``, ``members``, ``lookbacks``, ``intervals`` and ``seed`` are read.
        lookbacks: of the ensemble; of the short list, the usual one first.
        segment: returns the steps read at once of a lookback.

    Raises:
        SettingError: settings contradict one another.
    """
    count = config.members * len(lookbacks)
    if config.network == "auto":
        budget_seconds(config)
        return _shortlist_members(config, lookbacks, segment), f"tried in this order; {setting('budget')}"
    if config.intervals == "dropout" and not NETWORKS[config.network].has_dropout:
        raise SettingError(
            f"{setting('intervals', 'dropout')} needs a network that drops something, {config.network} does not",
            f"choose another {setting('network')}, or leave {setting('intervals')} out",
        )
    if config.intervals == "ensemble" and count == 1:
        alone = f"{setting('intervals', 'ensemble')} needs an ensemble, but there is one network"
        raise SettingError(alone, setting("members", 5))
    if count == 1:
        return (), ""
    if len(lookbacks) > MOST_LOOKBACKS:
        raise SettingError(f"{len(lookbacks)} lookbacks, at most {MOST_LOOKBACKS} are combined")
    members = [
        Member(f"{config.network}-{number}", config.seed + number % config.members, lookback, segment(lookback))
        for number, lookback in enumerate(lookback for lookback in lookbacks for _ in range(config.members))
    ]
    return tuple(members), "given"


def _shortlist_members(config: Config, lookbacks: tuple[int, ...], segment: Callable[[int], int]) -> tuple[Member, ...]:
    if config.members > 1 or config.lookbacks:
        raise SettingError(
            f"{setting('network', 'auto')} chooses its members itself",
            f"leave {setting('members')} and {setting('lookbacks')} out, or name a {setting('network')}",
        )
    found = []
    for name, changed in SHORTLIST.items():
        if config.intervals == "dropout" and not NETWORKS[changed["network"]].has_dropout:
            continue
        settings = {key: value for key, value in changed.items() if key != "lookback"}
        lookback = lookbacks[-1] if "lookback" in changed else lookbacks[0]
        found.append(Member(name, config.seed, lookback, segment(lookback), settings))
    return tuple(found)


def all_diverged_error(diverged: Diverged) -> DivergedError:
    """Return the error for the case that every candidate diverged."""
    name, first = next(iter(diverged.items()))
    if len(diverged) == 1:
        return first
    return DivergedError(f"none of {len(diverged)} is left; {name}: {first.message}", first.hint)


def diverged_note(diverged: Diverged, count: int, what: str) -> list[Note]:
    """Return a note on the ``diverged`` of ``count`` candidates tried, none if there are none."""
    if not diverged:
        return []
    reasons = "; ".join(f"{name}: {error.message}" for name, error in diverged.items())
    return [Note("diverged", f"{len(diverged)} of {count} {what} left out", reasons, warning=True)]
