"""Compare forecasts of direction and the majority and persistence baselines with the actuals; give a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecaster.direction.paired_test import LEVEL, p_value, separate_stretches
from forecaster.direction.scores import accuracy, brier, calibration_error, log_loss, reliability
from forecaster.features.direction_rule import CLASSES

#: Share of training windows below which a class is not a side of the coin.
UNUSUAL = 0.05


@dataclass(frozen=True)
class Outcomes:
    """Forecasts of some windows and their actuals.

    Attributes:
        probabilities: ``(windows, steps, 3)`` float, of the network.
        came: ``(windows, steps)`` int8, the actual classes; -1 if unknown.
        repeated: ``(windows, steps)`` int8, for step ``h`` the class of the change over the last ``h`` steps before the
            cutoff; -1 if unknown.
        frequencies: ``(windows, steps, 3)`` float, frequency of each class in the training of each window's network;
            the most frequent one is the majority baseline.
        cutoffs: ``(windows,)`` int, step of each cutoff on a clock that all series share.
    """

    probabilities: np.ndarray
    came: np.ndarray
    repeated: np.ndarray
    frequencies: np.ndarray
    cutoffs: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """The most probable class of each forecast, ``(windows, steps)`` int8."""
        return self.probabilities.argmax(axis=2).astype(np.int8)

    @property
    def majority(self) -> np.ndarray:
        """The majority baseline, ``(windows, steps)`` int8."""
        return self.frequencies.argmax(axis=2).astype(np.int8)

    @property
    def persistence(self) -> np.ndarray:
        """The persistence baseline, ``(windows, steps)`` int8; the majority if it is unknown."""
        return np.where(self.repeated >= 0, self.repeated, self.majority)

    def assess(self) -> Assessment:
        """Return the scores of the last step: the change from the cutoff to the end of the horizon."""
        step = self.came.shape[1] - 1
        known = self.came[:, step] >= 0
        actual, probabilities = self.came[known, step].astype(int), self.probabilities[known, step]
        predicted, last = self.said[known, step], self.persistence[known, step]
        shares = self.frequencies[known, step]
        coin, sides = _coin_probabilities(shares.mean(axis=0) if len(actual) else np.ones(len(CLASSES)))
        table = reliability(probabilities, actual)
        rows = [
            _score("network", predicted, probabilities, actual) | {"calibration": calibration_error(table)},
            _score("majority", self.majority[known, step], shares, actual),
            _score("persistence", last, None, actual),
            _score("coin", None, np.broadcast_to(coin, probabilities.shape), actual) | {"accuracy": 1 / sides},
        ]
        stretches = separate_stretches(self.cutoffs[known], step + 1)
        separate = stretches >= 0
        truth, spans = actual[separate], stretches[separate]
        hits = (predicted[separate] == truth).astype(int)
        best = np.bincount(truth, minlength=len(CLASSES)).argmax()
        rivals = {"majority": truth == best, "persistence": last[separate] == truth}
        own = accuracy(predicted, actual)
        baselines = {"majority": accuracy(np.full_like(actual, best), actual), "persistence": accuracy(last, actual)}
        return Assessment(
            summary=pd.DataFrame(rows, columns=["model", "windows", "accuracy", "log_loss", "brier", "calibration"]),
            reliability=table,
            by_step=[accuracy(s[c >= 0], c[c >= 0]) for s, c in zip(self.said.T, self.came.T, strict=True)],
            stretches=len(np.unique(spans)),
            behind=tuple(name for name, share in baselines.items() if own <= share),
            luck={name: p_value(hits - right, spans) for name, right in rivals.items()},
            most_frequent=CLASSES[best],
        )


@dataclass(frozen=True)
class Assessment:
    """Scores of forecasts of direction.

    Attributes:
        summary: one row per model: ``network``; ``majority``, the most frequent class of training, with the frequencies
            as its probabilities; ``persistence``, without probabilities; ``coin``, whose sides are the classes that are
            not rare, all equally likely. In columns ``windows``, ``accuracy``, ``log_loss``, ``brier`` and
            ``calibration``, the expected calibration error of the network; see :mod:`forecaster.direction.scores`.
        reliability: observed frequency of each class by its forecast probability.
        by_step: accuracy of the network at each step.
        stretches: number of separate spans of time, the cases of the test against luck.
        behind: baselines that the network is no more accurate than; the majority is the one of ``luck``.
        luck: the p-value of the network's lead over each baseline. The majority is here the most frequent class of the
            scored windows themselves: neither another constant forecast nor a coin beats it.
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
    def conclusive(self) -> bool:
        """True if there are enough spans for luck to be excluded at all."""
        return 0.5**self.stretches < LEVEL

    @property
    def better(self) -> bool:
        """True if the network is significantly more accurate than every baseline."""
        return self.conclusive and max(self.luck.values()) < LEVEL

    @property
    def verdict(self) -> str:
        """The comparison with the baselines and with luck, in a sentence or two."""
        right = self.summary.set_index("model")["accuracy"]
        own, coin = f"{right['network']:.1%}", f"a coin in {right['coin']:.1%}"
        apart = "one separate stretch" if self.stretches == 1 else f"{self.stretches:,} separate stretches"
        if not self.conclusive:
            few = f"only {apart} of time"
            return f"Too few forecasts to tell the network from luck, {few}: it was right in {own}, {coin}."
        names = {"majority": f"always saying '{self.most_frequent}'", "persistence": "repeating the last direction"}
        if self.better:
            return (
                f"The network is right more often than {' or '.join(names.values())}: in {own}, {coin}. "
                f"Luck alone does as well with a chance of {_percent_text(max(self.luck.values()))} ({apart} of time)."
            )
        unproven = [name for name in names if not self.luck[name] < LEVEL]
        no_better = [names[name] for name in unproven if name in self.behind]
        unclear = [names[name] for name in unproven if name not in self.behind]
        parts = [f"does NO better than {' or '.join(no_better)}"] if no_better else []
        parts += [f"is not shown to be better than {' or '.join(unclear)}"] if unclear else []
        return (
            f"The network {' and '.join(parts)}: right in {own}, {coin}. "
            f"Luck alone does as well with a chance of {_percent_text(max(self.luck.values()))} ({apart} of time)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN where a measure is undefined."""
        return {
            "models": self.summary.to_dict(orient="records"),
            "accuracy_by_step": self.by_step,
            "reliability": self.reliability.to_dict(orient="records"),
            "stretches": self.stretches,
            "luck": self.luck,
            "better": self.better,
            "verdict": self.verdict,
        }


def _coin_probabilities(shares: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the probabilities of a coin, ``(3,)``, and its number of sides; rare classes keep their own share."""
    sides = shares >= UNUSUAL
    count = int(sides.sum())
    return np.where(sides, (1 - shares[~sides].sum()) / count, shares), count


def _score(
    name: str, predicted: np.ndarray | None, probabilities: np.ndarray | None, actual: np.ndarray
) -> dict[str, Any]:
    scores: dict[str, Any] = {"model": name, "windows": len(actual)}
    if predicted is not None:
        scores["accuracy"] = accuracy(predicted, actual)
    if probabilities is not None:
        scores |= {"log_loss": log_loss(probabilities, actual), "brier": brier(probabilities, actual)}
    return scores


def _percent_text(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
