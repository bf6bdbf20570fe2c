"""Evaluation of a trained model: a backtest over rolling origins next to baselines, and tests of the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.api.ready_model import ReadyModel
from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.time.freq import format_time
from forecaster.direction.backtest import MOST_ORIGINS, DirectionEvaluation, Refit, evaluate_directions
from forecaster.direction.prediction import refuse_beyond
from forecaster.errors import SettingError, nearest
from forecaster.evaluation.backtest import (
    Batched,
    ForecastFunction,
    Origins,
    backtest,
    baseline_forecast,
)
from forecaster.evaluation.baselines import USUAL_BASELINES, baseline_notes
from forecaster.evaluation.fail_if import named_measures
from forecaster.evaluation.residuals import diagnose, residuals
from forecaster.evaluation.significance import significance, verdict_sentence
from forecaster.evaluation.summary import summarise
from forecaster.evaluation.trained_rows import ORIGINS, scales_before, seen_notes, seen_rows, unseen_origins
from forecaster.fitting import fit as fitting
from forecaster.fitting.rebuild import engine_of
from forecaster.intervals.adaptive import Adaptive, WorkingForecast
from forecaster.notes import Note, notes_of
from forecaster.plotting import plot_backtest, plot_residuals
from forecaster.prediction.forecast import forecast_panel, never_negative
from forecaster.training.determinism import TRAINING
from forecaster.words import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Name of the evaluated model in a backtest; the others are baselines.
NETWORK = "network"
#: Rows known at a cutoff: all before it, or always the same number.
WINDOWS = ("expanding", "sliding")
#: Baselines drawn by default; more lines cannot be told apart.
DRAWN = 4


@dataclass
class Evaluation:
    """The result of a backtest.

    Attributes:
        table: one row per model, series, origin and step.
        summary: one row per model, the measures in columns.
        notes: caveats, such as rows the network was trained on.
        tests: the network against each baseline, see :func:`forecaster.evaluation.significance.significance`.
        season: the seasonal period in steps.
        target: the forecast column.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    notes: list[Note] = field(default_factory=list)
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    season: int = 1
    target: str = ""

    def by(self, split: str) -> pd.DataFrame:
        """Return the measures by ``series``, ``step`` or ``level``; see :func:`.summary.summarise`.

        Raises:
            SettingError: an unknown split.
        """
        return summarise(self.table, by=split)

    @property
    def measures(self) -> dict[str, float]:
        """The measures of the network by the names of gate conditions: ``mase``, ``coverage-80``, ``p-value``."""
        return named_measures(self.summary, self.tests, NETWORK)

    @property
    def verdict(self) -> str:
        """One sentence that compares the network with the baselines and claims no more than the tests show."""
        if self.table["seen"].any():
            return "No verdict: the network was trained on these rows."
        return verdict_sentence(self.tests, "The network")

    def residuals(self) -> pd.DataFrame:
        """Return tests of the network's errors, one row a series; see :func:`.residuals.diagnose`."""
        return diagnose(residuals(self.table, NETWORK), self.season)

    def plot(self, **options: Any) -> Figure:
        """Draw the forecasts over the actuals, and the errors; see :func:`forecaster.plotting.plot_backtest`.

        By default the network and the :data:`DRAWN` baselines of the smallest mean absolute error.
        """
        return plot_backtest(self.table, **{"models": self._best_models(), "target": self.target, **options})

    def _best_models(self) -> list[str]:
        errors = self.summary.set_index("model")["mae"]
        best = set(errors.drop(NETWORK).nsmallest(DRAWN).index)
        return [name for name in errors.index if name == NETWORK or name in best]

    def plot_residuals(self, **options: Any) -> Figure:
        """Draw the network's errors; see :func:`forecaster.plotting.plot_residuals`."""
        return plot_residuals(residuals(self.table, NETWORK), self.season, **options)


@dataclass(frozen=True)
class Rolling:
    """How a backtest rolls over the rows.

    Attributes:
        horizon: steps of each forecast that are scored.
        origins: number of origins, counted from the end; by default five, or all that lie after the training.
        stride: steps between origins; the horizon by default.
        gap: rows between a cutoff and the first step that is scored.
        window: ``expanding``, all rows before a cutoff are known; ``sliding``, only as many as before the oldest.
        refit: train anew at every n-th origin, on the rows before it only; 0 for never.
        adaptive: correct the network's intervals by their coverage at earlier origins, see
            :class:`forecaster.intervals.adaptive.Adaptive`.

    Raises:
        SettingError: an unknown window, or a number out of range.
    """

    horizon: int
    origins: int | None = None
    stride: int | None = None
    gap: int = 0
    window: str = "expanding"
    refit: int = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        """Check the values that :func:`backtest` does not."""
        if self.window not in WINDOWS:
            raise SettingError(
                f"unknown window '{self.window}', expected {' or '.join(WINDOWS)}", nearest(self.window, WINDOWS)
            )
        for name in ("gap", "refit"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must be 0 or more, got {getattr(self, name)}")

    @property
    def rows_apart(self) -> int:
        """Rows between two origins."""
        return self.horizon if self.stride is None else self.stride

    def at(self, count: int, least: int) -> Origins:
        """Return the origins, ``count`` of them, each after ``least`` rows of its series or more."""
        return Origins(count, self.rows_apart, self.gap, least, self.window == "sliding")


@dataclass(frozen=True)
class Contender:
    """A network in a backtest.

    Attributes:
        forecast: forecasts from the end of a panel.
        seasons: seasonal periods in steps, the main one first; the baselines read them too.
        learned: the rows that it was trained on, to the end of each series; None where it has seen no row that is
            scored.
    """

    forecast: ForecastFunction
    seasons: tuple[int, ...]
    learned: Panel | None = None


def assess_model(
    ready: ReadyModel,
    panel: Panel,
    rolling: Rolling,
    levels: tuple[int, ...],
    baselines: Sequence[str],
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Backtest a trained model on a panel, next to baselines.

    Args:
        ready: the trained model.
        panel: the rows, see :meth:`forecaster.Forecaster.panel`.
        rolling: the origins, and the rows known at each.
        levels: intervals to score, in percent.
        baselines: names of :data:`forecaster.evaluation.baselines.BASELINES`.
        tell: called with a line of text before each training.

    Raises:
        KeyboardInterrupt: Ctrl-C, in a training too.
        DataError: too few rows for one origin.
        SettingError: an unknown baseline, or a number below 1.
    """
    plan, history, count = ready.model.plan, ready.model.history, rolling.origins
    if count is None:
        count = unseen_origins(panel, history, rolling.gap + rolling.horizon, rolling.rows_apart)
    forecast = _network_forecast(ready, panel, rolling, levels, tell)
    network = Contender(forecast, plan.seasons, None if rolling.refit else history)
    return assess(network, panel, rolling.horizon, rolling.at(count, plan.least), levels, baselines)


def assess(
    network: Contender,
    panel: Panel,
    horizon: int,
    origins: Origins,
    levels: tuple[int, ...],
    baselines: Sequence[str],
) -> Evaluation:
    """Backtest a network on a panel, next to baselines.

    Args:
        network: what is judged.
        panel: the rows.
        horizon: steps of each forecast that are scored.
        origins: the cutoffs, and the rows known at each.
        levels: as of :func:`assess_model`.
        baselines: likewise.

    Raises:
        DataError: too few rows for one origin.
        SettingError: an unknown baseline, or a number below 1.
    """
    names, season = tuple(dict.fromkeys(baselines)), network.seasons[0]
    models = {NETWORK: network.forecast}
    models |= {name: baseline_forecast(name, season, levels, network.seasons) for name in names}
    table = backtest(panel, models, horizon, origins, season=season, levels=levels)
    seen = np.zeros(len(table), bool) if network.learned is None else seen_rows(table, network.learned)
    table.insert(5, "seen", seen)
    for name, scales in scales_before(panel, table, season).items():
        table[name] = table["series"].map(scales).astype(float)
    summary = summarise(table)
    tests = significance(table, [(NETWORK, name) for name in names])
    notes = [*baseline_notes(names, season, int(panel.lengths.max())), *notes_of(summary), *seen_notes(table)]
    return Evaluation(table, summary, notes, tests, season, panel.roles.target)


def assess_directions(
    ready: ReadyModel,
    panel: Panel,
    rolling: Rolling,
    baselines: Sequence[str],
    tell: Callable[[str], None] | None = None,
) -> DirectionEvaluation:
    """Backtest a model of directions on a panel, next to majority and persistence.

    Args:
        ready: the trained model.
        panel: as of :func:`assess`.
        rolling: likewise, without a gap.
        baselines: must be the default ones, which forecast values and are not run.
        tell: likewise.

    Raises:
        KeyboardInterrupt: likewise.
        DataError: too few rows for one origin.
        SettingError: a gap, baselines, or a horizon longer than the trained one.
    """
    model = ready.model
    refuse_beyond(model, rolling.horizon)
    if rolling.gap:
        what = "cannot be used with directions, which are relative to the cutoff"
        raise SettingError(f"{setting('gap')} {what}", "leave it out")
    if tuple(baselines) != USUAL_BASELINES:
        raise SettingError(
            "a direction is compared with majority and persistence only", f"leave {setting('baselines')} out"
        )
    config = _refit_config(model).replace(horizon=str(rolling.horizon))
    refit = Refit(rolling.refit, lambda known: _train_again(known, config, tell)) if rolling.refit else None
    count = rolling.origins
    if count is None and refit is not None:
        count = ORIGINS
    elif count is None:
        count = unseen_origins(panel, model.history, rolling.horizon, rolling.rows_apart, MOST_ORIGINS)
    return evaluate_directions(model, ready.engine, panel, rolling.horizon, rolling.at(count, model.plan.least), refit)


def _network_forecast(
    ready: ReadyModel,
    panel: Panel,
    rolling: Rolling,
    levels: tuple[int, ...],
    tell: Callable[[str], None] | None,
) -> ForecastFunction:
    """Return the network as a model of a backtest."""
    model = ready.model
    forecast: WorkingForecast
    if rolling.refit:
        forecast = _RefitNetwork(_refit_config(model), rolling.refit, levels, tell)
    else:

        def forecast(known: Panel, steps: int, working: tuple[float, ...] | None = None) -> np.ndarray:
            return forecast_panel(model, ready.engine, known, steps, levels, working)

    if rolling.adaptive and levels:
        return Adaptive(forecast, levels)
    # A series that it was not trained on is scaled by all rows before the cutoff, and a first negative reading allows
    # negative forecasts.
    same_sign = never_negative(model, panel) == (model.record["smallest"] >= 0)
    if not rolling.refit and same_sign and set(panel.ids) <= set(model.ids):
        return Batched(forecast, model.read_rows)
    return forecast


def _refit_config(model: Model) -> Config:
    """Return the settings for training again: those of the model, with its lookback and no holdout."""
    return model.config.replace(holdout=0, lookback=None if model.config.lookbacks else model.plan.lookback)


def _train_again(known: Panel, config: Config, tell: Callable[[str], None] | None) -> Model:
    """Train on the rows before an origin.

    Raises:
        KeyboardInterrupt: Ctrl-C, as a half-trained network is not judged.
    """
    if tell:
        tell(f"training on the rows up to {format_time(known.last.max())}")
    with TRAINING:
        return fitting.fit_panel(known, config, [], None, keep_interrupted=False)


class _RefitNetwork:
    """The network of a backtest, trained anew at every n-th origin on the rows before it."""

    def __init__(self, config: Config, every: int, levels: tuple[int, ...], tell: Callable[[str], None] | None) -> None:
        self.config, self.every, self.levels, self.tell = config, every, levels, tell
        self._origins = 0

    def __call__(self, known: Panel, steps: int, working: tuple[float, ...] | None = None) -> np.ndarray:
        if self._origins % self.every == 0:
            self._model = _train_again(known, self.config.replace(horizon=str(steps)), self.tell)
            self._engine = engine_of(self._model)
        self._origins += 1
        return forecast_panel(self._model, self._engine, known, steps, self.levels, working)
