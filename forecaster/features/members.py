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

#: Networks that ``network="auto"`` tries, in this order, and the settings that each of them changes. Of those, lookback
#: 2 reads twice the lookback, where the rows are enough for it.
SHORTLIST: dict[str, dict[str, Any]] = {
    "lstm": {"network": "lstm"},
    "dlinear": {"network": "dlinear"},
    "segrnn": {"network": "segrnn"},
    "lstm-segments": {"network": "lstm", "head": "segments", "lookback": 2},
    "tide": {"network": "tide"},
    "nlinear": {"network": "nlinear"},
    "transformer": {"network": "transformer"},
}
#: Seconds of the units that a time is written with.
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
#: Lookbacks of an ensemble at most: the shares of more are not to be told apart on validation windows.
MOST_LOOKBACKS = 8

#: What became of networks, or of other candidates, whose training diverged: the error of each, by name.
Diverged = dict[str, DivergedError]


@dataclass(frozen=True)
class Member:
    """One network of those that forecast together.

    Attributes:
        name: what it is called in tables; its weights begin with it.
        seed: of its weights, dropout and shuffling.
        lookback: input steps, the newest of a window, that it reads.
        segment: steps read at once.
        settings: what differs from the settings of the model, by field of :class:`forecaster.Config`.
    """

    name: str
    seed: int
    lookback: Natural
    segment: Natural
    settings: dict[str, Any] = field(default_factory=dict)

    def applied(self, config: Config) -> Config:
        """Return the settings that this network is built from and trained with."""
        return config.replace(**self.settings, segment=self.segment, seed=self.seed)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What it shares with members that only another seed tells apart from it."""
        return self.lookback, self.segment, *sorted(self.settings.items())


def budget_seconds(config: Config) -> float:
    """Return the time for trying networks.

    Raises:
        SettingError: it cannot be read.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", config.budget.strip())
    if not found or not float(found[1]):
        raise SettingError(f"budget '{config.budget}' cannot be read", "seconds, minutes or hours: 90, 10m, 1.5h")
    return float(found[1]) * _UNITS[found[2]]


def longer_lookback(config: Config) -> bool:
    """Return whether a network of the short list reads twice the lookback, where it is not given."""
    return config.network == "auto" and config.lookback is None


def plan_members(
    config: Config, lookbacks: tuple[int, ...], segment: Callable[[int], int]
) -> tuple[tuple[Member, ...], str]:
    """Return the networks of a fit, and why they are these; none for the one network of the settings themselves.

    Args:
        config: ``network``, ``members``, ``lookbacks``, ``intervals`` and ``seed`` are read.
        lookbacks: of the ensemble; of the short list, the usual one first.
        segment: steps that are read at once, of a lookback.

    Raises:
        SettingError: settings that contradict one another.
    """
    count = config.members * len(lookbacks)
    if config.network == "auto":
        budget_seconds(config)
        return _shortlist(config, lookbacks, segment), f"tried in this order; {setting('budget')}"
    if config.intervals == "dropout" and not NETWORKS[config.network].has_dropout:
        raise SettingError(
            f"{setting('intervals', 'dropout')} needs a network that drops something, {config.network} does not",
            f"another {setting('network')}, or leave {setting('intervals')} out",
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


def _shortlist(config: Config, lookbacks: tuple[int, ...], segment: Callable[[int], int]) -> tuple[Member, ...]:
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
    """Return the error that says why nothing is left to go on with."""
    name, first = next(iter(diverged.items()))
    if len(diverged) == 1:
        return first
    return DivergedError(f"none of {len(diverged)} is left: of {name} the {first.message}", first.hint)


def diverged_note(diverged: Diverged, count: int, what: str) -> list[Note]:
    """Return a note that names what diverged and is left out, of so many tried; none where nothing did."""
    if not diverged:
        return []
    reasons = "; ".join(f"{name}: {error.message}" for name, error in diverged.items())
    return [Note("diverged", f"{len(diverged)} of {count} {what} left out", reasons, warning=True)]
