"""Classify changes as falling, staying or rising: changes of windows, thresholds learned from them, and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.errors import ModelError
from forecaster.features.windows import Windows

#: The classes, in the order of their codes 0, 1 and 2; code -1 is unknown.
CLASSES = ("falls", "stays", "rises")
#: Default share of training windows that stay.
STAY = 1 / 3
#: Most windows that a rule is fitted on; more are thinned.
FITTED_WINDOWS = 10_000
#: Weights that hold the rule, and their dimensions: see :class:`forecaster.networks.layers.direction.Directions`.
_WEIGHTS = {"thresholds": 1, "log_frequencies": 2, "temperature": 0}


@dataclass(frozen=True)
class Rule:
    """The classes of each step, and their frequencies in training.

    Attributes:
        thresholds: ``(steps,)`` float32, in the scaled unit of the series: a change from the cutoff to the step of at
            most this size, up or down, stays.
        frequencies: ``(steps, 3)`` float64, share of each class in the training windows, none of them 0.
    """

    thresholds: np.ndarray
    frequencies: np.ndarray

    @classmethod
    def fit(cls, changes: np.ndarray, counted: np.ndarray, stay: float = STAY) -> Rule:
        """Fit the rule by which a share of the windows stays at each step.

        The threshold of a step is the lower quantile ``stay`` of the absolute changes; exactly 0 for a share of 0,
        where only no change at all stays. A larger share stays of a target that often does not change. The frequencies
        are those of the classes with one window added to each (the rule of succession).

        Args:
            changes: ``(windows, steps)`` float32, change of the scaled target from the cutoff to each step.
            counted: ``(windows, steps)`` bool, False where one of the two readings was not observed.
            stay: share of the windows that stay, 0 or more and below 1.
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
        """Fit the rule on training windows, whose targets must be observed at the cutoff."""
        few = windows.thinned(FITTED_WINDOWS)
        return cls.fit(*changes_ahead(few.values[:, 0], observed_rows(few), few.starts, few.horizon), stay)

    @classmethod
    def unknown(cls, steps: int) -> Rule:
        """Return the rule of an untrained network: equal frequencies, and only no change stays."""
        return cls(np.zeros(steps, np.float32), np.full((steps, len(CLASSES)), 1 / len(CLASSES)))

    @classmethod
    def of_weights(cls, weights: Mapping[str, np.ndarray]) -> Rule:
        """Return the rule from the weights of a trained network.

        Raises:
            ModelError: a part is missing or has invalid numbers.
        """
        found = {name: weights.get(f"directions/{name}") for name in _WEIGHTS}
        for name, dimensions in _WEIGHTS.items():
            part = found[name]
            if part is None or part.dtype != np.float32 or part.ndim != dimensions or not np.isfinite(part).all():
                raise _damaged_error(
                    f"directions/{name} is missing, or no array of {dimensions} dimensions of finite numbers"
                )
        thresholds, logs, temperature = (np.asarray(part) for part in found.values())
        if logs.shape != (len(thresholds), len(CLASSES)) or (thresholds < 0).any() or not temperature > 0:
            raise _damaged_error(f"thresholds {thresholds.shape} and frequencies {logs.shape} do not agree")
        frequencies = np.exp(logs.astype(np.float64))
        return cls(thresholds, frequencies / frequencies.sum(axis=1, keepdims=True))


def classify(changes: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Return the class of changes: 0 falls, 1 stays, 2 rises.

    Args:
        changes: ``(..., steps)`` float, in the scaled unit of the series.
        thresholds: ``(steps,)`` of the same type, as in :class:`Rule`.

    Returns:
        np.ndarray: of the shape of ``changes``, int8.
    """
    return (changes > thresholds).astype(np.int8) - (changes < -thresholds).astype(np.int8) + np.int8(1)


def observed_rows(windows: Windows) -> np.ndarray:
    """Return a mask of the rows whose target was observed, ``(rows,)``."""
    if windows.weights is None:
        return np.broadcast_to(np.True_, len(windows.values))
    return np.asarray(windows.weights > 0)


def known_cutoffs(windows: Windows) -> Windows:
    """Return the windows whose target was observed at the cutoff: a change from a placeholder is unknown."""
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
        The changes, ``(windows, steps)`` float32, and a mask of those between observed readings.
    """
    ahead = starts[:, None] + np.arange(steps)
    last = (starts - 1)[:, None]
    return values[ahead] - values[last], observed[ahead] & observed[last]


def changes_behind(
    values: np.ndarray, observed: np.ndarray, offsets: np.ndarray, starts: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the change over the last ``h`` steps before the cutoff for ``h = 1 ... steps``.

    Args:
        values: as in :func:`changes_ahead`.
        observed: likewise.
        offsets: ``(series + 1,)`` int, bounds of the series among the rows.
        starts: likewise.
        steps: likewise.

    Returns:
        As :func:`changes_ahead`; a change from before the start of the series is unknown.
    """
    last = (starts - 1)[:, None]
    first = offsets[np.searchsorted(offsets, starts - 1, side="right") - 1][:, None]
    before = last - np.arange(1, steps + 1)
    inside, before = before >= first, np.maximum(before, 0)
    return values[last] - values[before], inside & observed[before] & observed[last]


def _damaged_error(reason: str) -> ModelError:
    return ModelError(f"the class thresholds of the model are damaged: {reason}", "fit the model again")
