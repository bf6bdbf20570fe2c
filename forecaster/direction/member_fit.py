"""A network of directions: scored on the validation rows, its probabilities calibrated by a temperature."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from forecaster.data.panel.packed import time_index
from forecaster.data.panel.panel import Panel
from forecaster.direction.outcomes import Outcomes
from forecaster.direction.scores import apply_temperature, find_temperature
from forecaster.engines.rolling import roll_forward
from forecaster.features.direction_rule import Rule, changes_ahead, changes_behind, classify, observed_rows
from forecaster.features.members import Member
from forecaster.features.scaling import Scaler
from forecaster.features.windows import Windows
from forecaster.intervals.conformal import Conformal
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import MemberFit, TrainingData


class DirectionMemberFit(MemberFit):
    """One network of directions; see :class:`forecaster.training.member_fit.MemberFit`.

    Its scores are those of :meth:`forecaster.direction.outcomes.Assessment.to_dict`. The validation rows that it is
    scored on have also chosen its epoch and its temperature, which flatters its log loss a little, and its accuracy
    through the epoch alone. Its intervals are those of the last value, the only value that it forecasts.
    """

    def _score(self) -> tuple[dict[str, Any], Conformal]:
        windows = self.data.split.reading(self.member.lookback).scored
        steps = windows.horizon
        changes, known = changes_ahead(windows.values[:, 0], observed_rows(windows), windows.starts, steps)
        conformal = Conformal.fit(changes, known)
        directions = self.trainer.network.get_layer("directions")
        directions.temperature.assign(1.0)
        rule = Rule.of_weights({v.path: v.numpy() for v in directions.weights})
        raw = roll_forward(self.trainer.engine, windows.batch(), steps, steps)[:, :, 1:]
        found = outcomes_of(windows, self.data.split.panel, raw, rule)
        known = found.came >= 0
        learned = self.run.best_epoch or self.warm_started
        self.temperature = find_temperature(raw[known], found.came[known]) if learned else 1.0
        directions.temperature.assign(self.temperature)
        found = replace(found, probabilities=apply_temperature(raw, self.temperature))
        stays = _describe_staying(self.data.scaler, float(rule.thresholds[-1]))
        facts = {"windows": len(windows), "stays": stays, "temperature": self.temperature}
        return {**facts, **found.assess().to_dict()}, conformal

    def final_run(self, progress: FitProgress) -> bool:
        """As :meth:`forecaster.training.member_fit.MemberFit.final_run`; the temperature stays that of validation."""
        temperature = self.trainer.network.get_layer("directions").temperature
        temperature.assign(1.0)
        try:
            return super().final_run(progress)
        finally:
            temperature.assign(self.temperature)


def fit_member(
    data: TrainingData, member: Member, progress: FitProgress, weights: list[np.ndarray] | None = None
) -> MemberFit:
    """Train and score one network of a model, of values or of directions as its task is; see :class:`MemberFit`."""
    kind = DirectionMemberFit if data.config.task == "direction" else MemberFit
    return kind(data, member, progress.of_member(member, len(data.members)), weights)


def _describe_staying(scaler: Scaler, threshold: float) -> str:
    """Return in words the changes from the cutoff to the end of the horizon that count as staying."""
    if not threshold:
        return "no change at all"
    if len(scaler.scale) > 1 or scaler.kind not in ("none", "log"):
        return f"a change of at most {threshold:.3g} deviations of each series"
    change = threshold * float(scaler.scale[0])
    return "a change of at most " + (f"{math.expm1(change):.2%}" if scaler.kind == "log" else f"{change:.3g}")


def outcomes_of(windows: Windows, panel: Panel, probabilities: np.ndarray, rule: Rule) -> Outcomes:
    """Return the forecasts of windows with the directions that followed.

    Args:
        windows: the windows.
        panel: their panel, of which only the times are read.
        probabilities: the forecasts, ``(windows, steps, 3)``.
        rule: of the network.
    """
    values, observed, starts = windows.values[:, 0], observed_rows(windows), windows.starts
    ahead, known = changes_ahead(values, observed, starts, windows.horizon)
    behind, earlier = changes_behind(values, observed, windows.offsets, starts, windows.horizon)
    return Outcomes(
        probabilities=probabilities,
        came=np.where(known, classify(ahead, rule.thresholds), np.int8(-1)),
        repeated=np.where(earlier, classify(behind, rule.thresholds), np.int8(-1)),
        frequencies=np.broadcast_to(rule.frequencies, probabilities.shape),
        cutoffs=time_index(panel)[1][starts - 1].astype(np.int64),
    )
