"""What came of forecasts of direction, beside the majority and persistence baselines, and the verdict on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecaster.direction.paired_test import LEVEL, p_value, separate_stretches
from forecaster.direction.scores import accuracy, brier, calibration_error, log_loss, reliability
from forecaster.features.direction_rule import CLASSES

#: Share of training windows below which a class is no side of the coin.
UNUSUAL = 0.05


@dataclass(frozen=True)
class Outcomes:
    """Forecasts of some windows and what came.

    Attributes:
        probabilities: ``(windows, steps, 3)`` float, those of the network.
        came: ``(windows, steps)`` int8, the classes that came, -1 where that is not known.
        repeated: ``(windows, steps)`` int8, for step ``h`` the class of the change over the last ``h`` steps before the
            cutoff; -1 where that is not known.
        frequencies: ``(windows, steps, 3)`` float, how often each class came in the training of each window's network;
            the class with the highest is the majority baseline.
        cutoffs: ``(windows,)`` int, step of each cutoff on a clock that all series share.
    """

    probabilities: np.ndarray
    came: np.ndarray
    repeated: np.ndarray
    frequencies: np.ndarray
    cutoffs: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """The class of each forecast with the highest probability, ``(windows, steps)`` int8."""
        return self.probabilities.argmax(axis=2).astype(np.int8)

    @property
    def majority(self) -> np.ndarray:
        """The majority baseline, ``(windows, steps)`` int8."""
        return self.frequencies.argmax(axis=2).astype(np.int8)

    @property
    def persistence(self) -> np.ndarray:
        """The persistence baseline, ``(windows, steps)`` int8; the majority where that is not known."""
        return np.where(self.repeated >= 0, self.repeated, self.majority)

    def assess(self) -> Assessment:
        """Return the scores over the horizon: of the last step, the change from the cutoff to the end."""
        step = self.came.shape[1] - 1
        known = self.came[:, step] >= 0
        came, given = self.came[known, step].astype(int), self.probabilities[known, step]
        said, last = self.said[known, step], self.persistence[known, step]
        shares = self.frequencies[known, step]
        coin, sides = _coin(shares.mean(axis=0) if len(came) else np.ones(len(CLASSES)))
        table = reliability(given, came)
        rows = [
            _measures("network", said, given, came) | {"calibration": calibration_error(table)},
            _measures("majority", self.majority[known, step], shares, came),
            _measures("persistence", last, None, came),
            _measures("coin", None, np.broadcast_to(coin, given.shape), came) | {"accuracy": 1 / sides},
        ]
        stretches = separate_stretches(self.cutoffs[known], step + 1)
        apart = stretches >= 0
        hits, truth, when = said[apart] == came[apart], came[apart], stretches[apart]
        best = np.bincount(truth, minlength=len(CLASSES)).argmax()
        rivals = {"majority": truth == best, "persistence": last[apart] == truth}
        theirs = {"majority": accuracy(np.full_like(came, best), came), "persistence": accuracy(last, came)}
        return Assessment(
            summary=pd.DataFrame(rows, columns=["model", "windows", "accuracy", "log_loss", "brier", "calibration"]),
            reliability=table,
            by_step=[accuracy(s[c >= 0], c[c >= 0]) for s, c in zip(self.said.T, self.came.T, strict=True)],
            stretches=len(np.unique(when)),
            behind=tuple(name for name, share in theirs.items() if accuracy(said, came) <= share),
            luck={name: p_value(hits.astype(int) - right, when) for name, right in rivals.items()},
            most_frequent=CLASSES[best],
        )


@dataclass(frozen=True)
class Assessment:
    """How good forecasts of direction were.

    Attributes:
        summary: one row a model: ``network``; ``majority``, the most frequent class of training with the frequencies
            as its probabilities; ``persistence``, which gives none; ``coin``, whose sides are the classes that are not
            rare: all as likely, and named as often. In columns ``windows``, ``accuracy``, ``log_loss``, ``brier`` and
            ``calibration``, the expected calibration error of the network; see :mod:`forecaster.direction.scores`.
        reliability: how often each class came where it was given a probability of so much.
        by_step: accuracy of the network at each step.
        stretches: separate stretches of time, which the chance of luck is counted on.
        behind: the baselines that the network was right no more often than; the majority is the one of ``luck``.
        luck: the chance that luck alone puts the network so far ahead of a baseline. The majority is here the most
            frequent class of the scored windows themselves, which no other constant answer beats, and no coin.
        most_frequent: that class.
    """

    summary: pd.DataFrame
    reliability: pd.DataFrame
    by_step: list[float]
    stretches: int
    behind: tuple[str, ...]
    luck: dict[str, float]
    most_frequent: str

    @property
    def telling(self) -> bool:
        """Whether there are stretches enough for luck to be excluded at all."""
        return 0.5**self.stretches < LEVEL

    @property
    def better(self) -> bool:
        """Whether the network was right more often than every baseline, and not by luck."""
        return self.telling and max(self.luck.values()) < LEVEL

    @property
    def verdict(self) -> str:
        """Whether the network is worth more than a coin, in a sentence or two."""
        right = self.summary.set_index("model")["accuracy"]
        own, coin = f"{right['network']:.1%}", f"a coin in {right['coin']:.1%}"
        apart = "one separate stretch" if self.stretches == 1 else f"{self.stretches:,} separate stretches"
        if not self.telling:
            few = f"only {apart} of time"
            return f"Too few forecasts to tell the network from luck, {few}: it was right in {own}, {coin}."
        names = {"majority": f"always saying '{self.most_frequent}'", "persistence": "repeating the last direction"}
        if self.better:
            return (
                f"The network is right more often than {' or '.join(names.values())}: in {own}, {coin}. "
                f"Luck alone does as well with a chance of {_percent(max(self.luck.values()))} ({apart} of time)."
            )
        unproven = [name for name in names if not self.luck[name] < LEVEL]
        level = [names[name] for name in unproven if name in self.behind]
        open_ = [names[name] for name in unproven if name not in self.behind]
        parts = [f"does NO better than {' or '.join(level)}"] if level else []
        parts += [f"is not shown to be better than {' or '.join(open_)}"] if open_ else []
        return (
            f"The network {' and '.join(parts)}: right in {own}, {coin}. "
            f"Luck alone does as well with a chance of {_percent(max(self.luck.values()))} ({apart} of time)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN where a measure is not defined."""
        return {
            "models": self.summary.to_dict(orient="records"),
            "accuracy_by_step": self.by_step,
            "reliability": self.reliability.to_dict(orient="records"),
            "stretches": self.stretches,
            "luck": self.luck,
            "better": self.better,
            "verdict": self.verdict,
        }


def _coin(shares: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the probabilities of a coin, ``(3,)``, and its sides; a class that is no side has its own share."""
    sides = shares >= UNUSUAL
    count = int(sides.sum())
    return np.where(sides, (1 - shares[~sides].sum()) / count, shares), count


def _measures(name: str, said: np.ndarray | None, given: np.ndarray | None, came: np.ndarray) -> dict[str, Any]:
    right = {} if said is None else {"accuracy": accuracy(said, came)}
    sure = {} if given is None else {"log_loss": log_loss(given, came), "brier": brier(given, came)}
    return {"model": name, "windows": len(came), **right, **sure}


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
