"""Rolling-origin backtest of directions, next to the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.artifact.model import Model
from forecaster.data.panel.packed import time_index
from forecaster.data.panel.panel import Panel
from forecaster.direction.outcomes import Assessment, Outcomes
from forecaster.direction.prediction import COLUMNS, DIGITS, forecast_directions
from forecaster.engines.engine import Engine
from forecaster.engines.onnx import OnnxEngine
from forecaster.evaluation.backtest import Origins, OriginWindows, actuals_of, known_rows, left_out_note
from forecaster.evaluation.trained_rows import seen_notes, seen_rows
from forecaster.features.direction_rule import CLASSES, Rule, changes_ahead, changes_behind, classify
from forecaster.notes import Note
from forecaster.plotting import plot_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Most origins by default: many windows separate luck from skill, and a forecast costs little.
MOST_ORIGINS = 500
#: Windows forecast in one call: bounds memory, changes no number.
AT_ONCE = 1_000


@dataclass
class DirectionEvaluation:
    """What a backtest of directions found.

    Attributes:
        table: one row a model, series, origin and step: ``model`` (``network``, ``majority``, ``persistence``),
            ``series``, ``cutoff``, ``step``, ``time``, ``seen``, ``actual``, ``observed``, ``came`` (the direction from
            the cutoff to that time, ``""`` where it is not known), ``direction`` (what was said), ``p-falls``,
            ``p-stays`` and ``p-rises`` (NaN of persistence, which gives none).
        assessment: the scores over the horizon, the chance of luck, and the verdict.
        notes: what a reader must know, such as rows the network was trained on.
    """

    table: pd.DataFrame
    assessment: Assessment
    notes: list[Note] = field(default_factory=list)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a model, the measures in columns."""
        return self.assessment.summary

    @property
    def seen(self) -> bool:
        """Whether the network was trained on rows that it is scored on."""
        return bool(self.table["seen"].any())

    @property
    def verdict(self) -> str:
        """Whether the network is worth more than a coin; none of rows that it was trained on."""
        return "No verdict: the network was trained on these rows." if self.seen else self.assessment.verdict

    def plot(self, **options: Any) -> Figure:
        """Draw how far the probabilities can be believed; see :func:`forecaster.plotting.plot_reliability`."""
        return plot_reliability(self.assessment.reliability, **options)


@dataclass(frozen=True)
class Refit:
    """Training again during a backtest.

    Attributes:
        every: origins between two trainings, at least 1.
        fit: trains on the rows of a panel.
    """

    every: int
    fit: Callable[[Panel], Model]


def evaluate_directions(
    model: Model,
    engine: Engine,
    panel: Panel,
    horizon: int,
    origins: Origins,
    refit: Refit | None = None,
) -> DirectionEvaluation:
    """Forecast from rolling origins, from the rows up to each only, and score the forecasts.

    Args:
        model: what was trained.
        engine: runs its network.
        panel: the series.
        horizon: steps of a forecast, at most the trained ones.
        origins: the cutoffs of each series.
        refit: trains again on the rows before an origin; None for never.

    Raises:
        DataError: no series is long enough for one origin.
    """
    windows = origins.windows(panel, horizon)
    known = set(panel.ids) <= set(model.ids)  # others are scaled by all of their rows before the cutoff
    found = []
    for number, part in enumerate(_calls(windows, each=refit is not None or not known)):
        past = known_rows(panel, part, horizon)
        if refit and number % refit.every == 0:
            model = refit.fit(past)
            engine = OnnxEngine(model.onnx)
        if known:
            past = replace(past.keep_newest(model.read_rows), beyond=past.beyond)
        found.append(_outcomes(model, engine, panel, part, past, horizon))
    outcomes = _together(found)
    table = _table(actuals_of(panel, windows, horizon, 0), outcomes)
    table.insert(5, "seen", np.zeros(len(table), bool) if refit else seen_rows(table, model.history))
    notes = [*seen_notes(table), *left_out_note(panel, windows, origins.count)]
    return DirectionEvaluation(table, outcomes.assess(), notes)


def _calls(windows: OriginWindows, each: bool) -> list[OriginWindows]:
    """Return the windows origin by origin, or :data:`AT_ONCE` at a time."""
    numbers = np.arange(len(windows))
    group = windows.origin if each else numbers // AT_ONCE
    return [windows.take(group == number) for number in np.unique(group)]


def _outcomes(
    model: Model, engine: Engine, panel: Panel, windows: OriginWindows, past: Panel, horizon: int
) -> Outcomes:
    rule = Rule.of_weights(model.weights)
    around = _around(panel, windows, past, horizon)
    scaled = model.scaler.matched(model.ids, past, model.plan.season).transform(around)
    starts, thresholds = around.offsets[1:] - horizon, rule.thresholds[:horizon]
    ahead, known = changes_ahead(scaled, around.observed, starts, horizon)
    behind, earlier = changes_behind(scaled, around.observed, around.offsets, starts, horizon)
    return Outcomes(
        probabilities=forecast_directions(model, engine, past, horizon),
        came=np.where(known, classify(ahead, thresholds), np.int8(-1)),
        repeated=np.where(earlier, classify(behind, thresholds), np.int8(-1)),
        frequencies=np.broadcast_to(rule.frequencies[:horizon], (len(windows), horizon, len(CLASSES))),
        cutoffs=time_index(panel)[1][windows.stop - 1].astype(np.int64),
    )


def _around(panel: Panel, windows: OriginWindows, past: Panel, horizon: int) -> Panel:
    """Return the target over a horizon before and after each cutoff, a series a window, without covariates."""
    begin = np.maximum(windows.start, windows.stop - 1 - horizon)
    lengths = windows.stop + horizon - begin
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])
    arrays: dict[str, Any] = {name: getattr(panel, name)[rows] for name in ("values", "observed", "times")}
    for name, count in (("covariates", len(rows)), ("static", len(past))):
        arrays[name] = np.zeros((count, 0), np.float32)
    return replace(past, **arrays, offsets=offsets, columns=(), beyond=None)


def _together(parts: Sequence[Outcomes]) -> Outcomes:
    names = ("probabilities", "came", "repeated", "frequencies", "cutoffs")
    return Outcomes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _table(truth: dict[str, np.ndarray], outcomes: Outcomes) -> pd.DataFrame:
    """Return the long table of :class:`DirectionEvaluation`, without ``seen``."""
    names = np.array([*CLASSES, ""], object)
    nothing = np.full(outcomes.probabilities.shape, np.nan)
    models = {
        "network": (outcomes.said, outcomes.probabilities),
        "majority": (outcomes.majority, outcomes.frequencies),
        "persistence": (outcomes.persistence, nothing),
    }
    tables = []
    for name, (said, probabilities) in models.items():
        columns = {"came": names[outcomes.came.ravel()], "direction": names[said.ravel()]}
        shares = {column: probabilities[:, :, code].ravel().round(DIGITS) for code, column in enumerate(COLUMNS)}
        tables.append(pd.DataFrame({"model": name, **truth, **columns, **shares}))
    return pd.concat(tables, ignore_index=True)
