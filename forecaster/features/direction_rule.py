"""What counts as falling, staying and rising: changes of windows, thresholds learned from them, and their classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.errors import ModelError
from forecaster.features.windows import Windows

#: The classes, in the order of their codes 0, 1 and 2. Code -1 stands for one that is not known.
CLASSES = ("falls", "stays", "rises")
#: Share of training windows that stay, where no other is asked for.
STAY = 1 / 3
#: Windows that a rule is learned from; more are thinned.
FITTED_WINDOWS = 10_000
#: Where the network keeps the rule among its weights: see :class:`forecaster.networks.layers.direction.Directions`.
_WEIGHTS = {"thresholds": 1, "log_frequencies": 2, "temperature": 0}


@dataclass(frozen=True)
class Rule:
    """What the classes of each step are, and how often each came in training.

    Attributes:
        thresholds: ``(steps,)`` float32, one for each step, in the scaled unit of the series: a change from the cutoff
            to the step of at most so much, either way, stays.
        frequencies: ``(steps, 3)`` float64, share of each class in the training windows, none of them 0.
    """

    thresholds: np.ndarray
    frequencies: np.ndarray

    @classmethod
    def fit(cls, changes: np.ndarray, counted: np.ndarray, stay: float = STAY) -> Rule:
        """Return the rule by which a share of the windows stays at each step.

        The threshold of a step is the quantile ``stay`` of the absolute changes, taken from below; exactly 0 for a
        share of 0, where only what does not change at all stays. Of a target that often does not change, more stays.
        The frequencies are those of the classes with one window added to each (the rule of succession).

        Args:
            changes: ``(windows, steps)`` float32, change of the scaled target from the cutoff to each step.
            counted: ``(windows, steps)`` bool, False where one of the two was not observed.
            stay: share of the windows that shall stay, 0 or more and below 1.
        """
        steps = changes.shape[1]
        thresholds = np.zeros(steps, np.float32)
        counts = np.ones((steps, len(CLASSES)))
        for step in range(steps):
            known = changes[counted[:, step], step]
            if stay and len(known):
                thresholds[step] = np.quantile(np.abs(known), stay, method="lower")
            counts[step] += np.bincount(classify(known, thresholds[step]), minlength=len(CLASSES))
        return cls(thresholds, counts / counts.sum(axis=1, keepdims=True))

    @classmethod
    def of_windows(cls, windows: Windows, stay: float = STAY) -> Rule:
        """Return the rule of training windows, all of whose targets were observed at the cutoff."""
        few = windows.thinned(FITTED_WINDOWS)
        return cls.fit(*changes_ahead(few.values[:, 0], observed_rows(few), few.starts, few.horizon), stay)

    @classmethod
    def unknown(cls, steps: int) -> Rule:
        """Return the rule before anything is known: every class as often as the others, only no change stays."""
        return cls(np.zeros(steps, np.float32), np.full((steps, len(CLASSES)), 1 / len(CLASSES)))

    @classmethod
    def of_weights(cls, weights: Mapping[str, np.ndarray]) -> Rule:
        """Return the rule that a trained network keeps among its weights.

        Raises:
            ModelError: a part is absent, or not of the numbers that it must be.
        """
        found = {name: weights.get(f"directions/{name}") for name in _WEIGHTS}
        for name, dimensions in _WEIGHTS.items():
            part = found[name]
            if part is None or part.dtype != np.float32 or part.ndim != dimensions or not np.isfinite(part).all():
                raise _damaged(f"directions/{name} is absent or no array of {dimensions} dimensions of finite numbers")
        thresholds, logs, temperature = (np.asarray(part) for part in found.values())
        if logs.shape != (len(thresholds), len(CLASSES)) or (thresholds < 0).any() or not temperature > 0:
            raise _damaged(f"thresholds {thresholds.shape} and frequencies {logs.shape} do not agree")
        frequencies = np.exp(logs.astype(np.float64))
        return cls(thresholds, frequencies / frequencies.sum(axis=1, keepdims=True))


def classify(changes: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Return the class of changes: 0 falls, 1 stays, 2 rises.

    Args:
        changes: ``(..., steps)`` float, in the scaled unit of the series.
        thresholds: ``(steps,)`` of the same type, as of :class:`Rule`.

    Returns:
        np.ndarray: of the shape of ``changes``, int8.
    """
    return (changes > thresholds).astype(np.int8) - (changes < -thresholds).astype(np.int8) + np.int8(1)


def observed_rows(windows: Windows) -> np.ndarray:
    """Return the rows whose target was observed, ``(rows,)`` bool."""
    if windows.weights is None:
        return np.broadcast_to(np.True_, len(windows.values))
    return np.asarray(windows.weights > 0)


def known_cutoffs(windows: Windows) -> Windows:
    """Return the windows whose target was observed at the cutoff: a change from a placeholder is none."""
    if windows.weights is None:
        return windows
    known = windows.weights[windows.starts - 1] > 0
    return windows if known.all() else windows.only(np.flatnonzero(known))


def changes_ahead(
    values: np.ndarray, observed: np.ndarray, starts: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the change from the cutoff to each step.

    Args:
        values: ``(rows,)`` float32, the scaled target.
        observed: ``(rows,)`` bool.
        starts: ``(windows,)`` int, row after each cutoff.
        steps: the horizon.

    Returns:
        ``(windows, steps)`` float32, and where both readings were observed, bool.
    """
    ahead = starts[:, None] + np.arange(steps)
    last = (starts - 1)[:, None]
    return values[ahead] - values[last], observed[ahead] & observed[last]


def changes_behind(
    values: np.ndarray, observed: np.ndarray, offsets: np.ndarray, starts: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the change over the last ``h`` steps before the cutoff for ``h = 1 ... steps``.

    Args:
        values: as of :func:`changes_ahead`.
        observed: likewise.
        offsets: ``(series + 1,)`` int, bounds of the series among the rows.
        starts: likewise.
        steps: likewise.

    Returns:
        As of :func:`changes_ahead`; a change from before the start of the series is not known.
    """
    last = (starts - 1)[:, None]
    first = offsets[np.searchsorted(offsets, starts - 1, side="right") - 1][:, None]
    before = last - np.arange(1, steps + 1)
    inside, before = before >= first, np.maximum(before, 0)
    return values[last] - values[before], inside & observed[before] & observed[last]


def _damaged(reason: str) -> ModelError:
    return ModelError(f"the class thresholds of the model are damaged: {reason}", "fit the model again")
