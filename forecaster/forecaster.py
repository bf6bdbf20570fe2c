"""Forecaster: fit, predict, evaluate, save, load. The command line calls nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from forecaster import fitting
from forecaster.artifact import Model, load_model, locked, save_model
from forecaster.config import Config
from forecaster.data.future import future_names, read_future
from forecaster.data.join import prepend_history
from forecaster.data.packed import unpacked
from forecaster.data.panel import Panel
from forecaster.data.repair import build_panel
from forecaster.data.tables.sources import Source, frame_of, read_table
from forecaster.data.time.calendar import future_times
from forecaster.data.time.horizons import horizon_steps
from forecaster.errors import DataError, ForecasterError, NotFoundError, SettingError, nearest
from forecaster.evaluation.backtest import backtest, baseline_forecast, notes_of, summarise
from forecaster.evaluation.baselines import BASELINES, baseline_notes
from forecaster.evaluation.intervals import check_levels
from forecaster.evaluation.seen import scales_before, seen_notes, seen_rows, unseen_origins
from forecaster.inference import Engine, OnnxEngine
from forecaster.notes import Note, some
from forecaster.plotting import plot_backtest, plot_forecast
from forecaster.prediction import FALLBACKS, by_network, engines_of, forecast_panel, refuse_beyond_reason
from forecaster.tables import forecast_table, readings_table
from forecaster.training import Report

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

Data: TypeAlias = pd.DataFrame | pd.Series | str | Path | Source


@dataclass
class Evaluation:
    """What a backtest found.

    Attributes:
        table: one row per model, series, origin and step.
        summary: one row per model, the metrics in columns.
        notes: what a reader must know, such as rows the network was trained on.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    notes: list[Note] = field(default_factory=list)

    def plot(self, **options: Any) -> Figure:
        """Draw the forecasts over what came, and the errors; see :func:`forecaster.plotting.plot_backtest`."""
        return plot_backtest(self.table, **options)


class Forecaster:
    """A forecaster of one series, or one network for all series of a panel.

    Args:
        horizon: how far to forecast: steps (``10``), a span (``"30d"``) or a date (``"2027-01-31"``).
        recipe: a named set of settings: ``default``, ``textbook`` or ``stacked``.
        settings: any field of :class:`forecaster.Config`.

    Raises:
        SettingError: a setting is unknown or has a wrong value.

    Example:
        >>> forecaster = Forecaster(horizon=12).fit("dataset:airline")  # doctest: +SKIP
        >>> forecaster.predict(levels=(80,))  # doctest: +SKIP
    """

    def __init__(self, horizon: int | str | None = None, *, recipe: str = "default", **settings: Any) -> None:
        self.config = Config.of(recipe, horizon=None if horizon is None else str(horizon), **settings)
        self.notes: list[Note] = []
        self._model: Model | None = None
        self._engine: Engine | None = None

    @property
    def model(self) -> Model:
        """The trained model.

        Raises:
            ForecasterError: :meth:`fit` was not called yet.
        """
        if self._model is None:
            raise ForecasterError("nothing is trained yet", "call fit() or Forecaster.load() first")
        return self._model

    def fit(
        self,
        data: Data,
        report: Report | None = None,
        tell: Callable[[Note], None] | None = None,
        future: Data | None = None,
    ) -> Forecaster:
        """Train on a table: infer what is not given, choose the weights on validation rows, then use all rows.

        Args:
            data: a DataFrame, a Series indexed by time, a path, ``dataset:NAME`` or ``-`` for standard input.
            report: called with a :class:`forecaster.training.Progress` after each epoch.
            tell: called with each :class:`forecaster.notes.Note` as soon as it is known; all are in ``notes``.
            future: a table of covariates known beyond the cutoff; its columns become future covariates.

        Returns:
            Forecaster: itself.

        Raises:
            NotFoundError: no such file or column.
            DataError: the data cannot be learned from as they are.
            DivergedError: training ended in NaN.
        """
        began = time.monotonic()
        notes = _Notes(tell)
        names = () if future is None else future_names(_frame(future))
        self._model = fitting.fit_panel(self._panel_of(data, names, notes), self.config, notes, report)
        self._model.record["seconds"] = round(time.monotonic() - began, 1)
        self._engine = OnnxEngine(self._model.onnx)
        self.notes = list(notes)
        return self

    def _panel_of(self, data: Data, future_names: tuple[str, ...], notes: list[Note]) -> Panel:
        """Return the panel to train on; nothing of the table outlives it that it does not hold itself."""
        panel, found = build_panel(_frame(data), self.config, future_names=future_names)
        notes.extend(found)
        if future_names:
            _check_future(panel, future_names)
        return _without_holdout(panel, self.config.holdout)

    def predict(
        self,
        horizon: int | str | None = None,
        data: Data | None = None,
        levels: int | Sequence[int] = (80, 95),
        future: Data | None = None,
    ) -> pd.DataFrame:
        """Forecast from the end of each series.

        Args:
            horizon: as in the constructor; the trained horizon by default. A longer one is rolled forward.
            data: newer rows of the same series, or other series; the rows of the training by default. Rows that
                continue a known series are joined to its history.
            levels: intervals to give, in percent.
            future: the future covariates of every series and step ahead, where the model was trained with some.

        Returns:
            pandas.DataFrame: columns ``series``, the time column, ``forecast``, ``lo-80``, ``hi-80``, ..., ``engine``:
            the network that made the row, or the baseline where a series is too short for the network.

        Raises:
            SettingError: a horizon or level that cannot be, or future covariates that are not given.
            NotFoundError: a needed column is absent.
            DataError: the data cannot be read as those of the training were, or ``future`` has holes.
        """
        levels = _checked_levels(levels)
        panel, self.notes = self.panel(data)
        ahead = self.steps_ahead(panel, horizon)
        steps = int(ahead.max())
        panel = self._with_future(panel, future, ahead)
        values = self.forecast_panel(panel, steps, levels)
        ranges = panel.ranges if data is not None or self.model.ranges is None else self.model.ranges
        refuse_beyond_reason(panel, values, steps, ranges)
        self.notes += [*self._engine_notes(panel), *self._interval_notes(steps, levels)]
        times = future_times(panel.last, panel.freq, steps)
        table = forecast_table(panel, times, values, levels, engines_of(self.model, panel), ranges)
        if (ahead == steps).all():
            return table
        return table[(np.arange(steps) < ahead[:, None]).ravel()].reset_index(drop=True)

    def evaluate(
        self,
        data: Data | None = None,
        *,
        horizon: int | str | None = None,
        origins: int | None = None,
        stride: int | None = None,
        refit: bool = False,
        levels: int | Sequence[int] = (80, 95),
        baselines: str | Sequence[str] = tuple(BASELINES),
        tell: Callable[[str], None] | None = None,
    ) -> Evaluation:
        """Backtest over rolling origins, beside the baselines.

        Rows that the network was trained on are marked ``seen`` in the table. Where the data hold newer rows, only
        those are scored, unless ``origins`` asks for more; where they do not, a note says that the scores are of
        rows the network has seen. ``refit`` trains anew at each origin, on the rows before it only.

        Args:
            data: as in :meth:`predict`.
            horizon: steps of each forecast, or a span; the trained horizon by default.
            origins: number of origins, counted from the end; 5 by default.
            stride: steps between origins; the horizon by default.
            refit: train anew at each origin.
            levels: intervals to score, in percent.
            baselines: names of :data:`forecaster.evaluation.baselines.BASELINES`.
            tell: called with a line of text before each training of ``refit``.

        Returns:
            Evaluation: ``table`` with ``model``, ``series``, ``cutoff``, ``step``, ``time``, ``seen``, ``actual``,
            ``observed``, ``forecast``, ``lo-80``, ...; ``summary`` as
            :func:`forecaster.evaluation.backtest.summarise` returns it; ``notes``.

        Raises:
            DataError: too few rows for one origin.
            SettingError: an unknown baseline, or a number below 1.
        """
        levels, baselines = _checked_levels(levels), (baselines,) if isinstance(baselines, str) else tuple(baselines)
        panel, notes = self.panel(data)
        horizon = int(self.steps_ahead(panel, horizon).max())
        stride, season = horizon if stride is None else stride, self.model.plan.season
        count = unseen_origins(panel, self.model.history, horizon, stride) if origins is None else origins
        refits = _Refits(self.config.replace(holdout=0, lookback=self.model.plan.lookback), levels, tell)
        models = {"network": refits if refit else lambda known, steps: self.forecast_panel(known, steps, levels)}
        models |= {name: baseline_forecast(name, season, levels) for name in baselines}
        table = backtest(
            panel,
            models,
            horizon,
            origins=count,
            stride=stride,
            season=season,
            levels=levels,
            least=self.model.plan.least,
        )
        table.insert(5, "seen", np.zeros(len(table), bool) if refit else seen_rows(table, self.model.history))
        summary = summarise(table, scales_before(panel, table, season))
        notes += [*baseline_notes(baselines, season, int(panel.lengths.max())), *notes_of(summary)]
        if refit and data is None and len(panel.values) < self.model.record["rows"]:
            rows = f"{len(panel.values):,} of {self.model.record['rows']:,} rows"
            notes.append(Note("refit", rows, "the model keeps no more; give all with --data", warning=True))
        return Evaluation(table, summary, [*notes, *seen_notes(table)])

    def save(self, directory: str | Path = "forecaster-model") -> Path:
        """Write the model directory, whole or not at all; an older model there is replaced.

        Raises:
            SettingError: the directory exists and is not a model.
            ForecasterError: it cannot be written.
        """
        directory = Path(directory)
        with locked(directory):
            save_model(self.model, directory)
        return directory

    @classmethod
    def load(cls, directory: str | Path = "forecaster-model", newest_only: bool = False) -> Forecaster:
        """Read a model directory; TensorFlow is not imported.

        Args:
            directory: where it is.
            newest_only: keep only the rows of each series that its next forecast is made from, which saves memory
                where :meth:`predict` without data is all that is wanted.

        Raises:
            NotFoundError: no model is there.
            ModelError: it is damaged, altered, incomplete or newer than this version.
        """
        return cls._of(load_model(Path(directory), newest_only))

    @classmethod
    def _of(cls, model: Model) -> Forecaster:
        forecaster = cls.__new__(cls)
        forecaster.config, forecaster.notes, forecaster._model = model.config, [], model
        forecaster._engine = OnnxEngine(model.onnx)
        return forecaster

    def network(self) -> keras.Model:
        """Return the trained network as a Keras model, rebuilt from the configuration; imports TensorFlow.

        Raises:
            ModelError: a weight is missing or of another shape.
        """
        return fitting.rebuild(self.model)

    def _running(self) -> Engine:
        if self._engine is None:
            self._engine = OnnxEngine(self.model.onnx)
        return self._engine

    def history(self) -> pd.DataFrame:
        """Return the newest readings that the model keeps, 5,000 of each series or the lookback.

        Returns:
            pandas.DataFrame: columns ``series``, the time column and ``actual``, NaN where there was no reading.
        """
        return readings_table(self.panel()[0])

    def plot(self, forecast: pd.DataFrame | None = None, data: Data | None = None, **options: Any) -> Figure:
        """Draw a forecast after its history, with intervals, and actual readings where they are known.

        Args:
            forecast: a table of :meth:`predict`; by default the forecast of the trained horizon.
            data: the readings to draw; by default those that the model keeps.
            options: ``title``, ``max_series`` and ``history_rows`` of :func:`forecaster.plotting.plot_forecast`.

        Returns:
            matplotlib.figure.Figure: write it with :func:`forecaster.plotting.save_figure`.
        """
        table = self.predict() if forecast is None else forecast
        panel, _ = self.panel(data)
        longest = int(table.groupby("series", dropna=False).size().max())
        rows = max(3 * longest, 2 * self.model.plan.season, 48)
        options = {"target": panel.roles.target, "history_rows": rows, **options}
        return plot_forecast(table, readings_table(panel), **options)

    def panel(self, data: Data | None = None) -> tuple[Panel, list[Note]]:
        """Return the panel to forecast from (the model's history, or ``data`` joined to it) and what was done to it."""
        history = self.model.history = unpacked(self.model.history)
        if data is None:
            return history, []
        try:
            panel, notes = build_panel(_frame(data, history.roles.needed()), self.config, like=history)
            panel, joined = prepend_history(panel, history, self.model.plan.bearable, self.config.gaps)
        except DataError as error:
            raise DataError(error.message, _without_flags(error.hint)) from None
        notes = [note for note in notes if note.name not in ("time", "series", "target", "freq")]  # the model's own
        return panel, notes + joined

    def forecast_panel(self, panel: Panel, steps: int, levels: tuple[int, ...]) -> np.ndarray:
        """Forecast from the end of each series of a ready panel, with rows of the lookback at least.

        Args:
            panel: from :meth:`panel`, or cut from one.
            steps: the horizon.
            levels: intervals to give, in percent.

        Returns:
            np.ndarray: ``(series, steps, 1 + 2 * levels)`` float64: forecast, then lower and upper bound of each level.
        """
        return forecast_panel(self.model, self._running(), panel, steps, levels)

    def steps_ahead(self, panel: Panel, horizon: int | str | None) -> np.ndarray:
        """Return the steps to forecast of each series, ``(series,)`` int: to a date, more for one that ends earlier."""
        if horizon is None:
            return np.full(len(panel), self.model.plan.horizon)
        ends, place = np.unique(panel.last, return_inverse=True)
        horizon_steps(str(horizon), ends[0], panel.freq)  # an error where not even the first to end can be forecast
        return np.array([_steps_or_none(str(horizon), end, panel.freq) for end in ends])[place]

    def _with_future(self, panel: Panel, future: Data | None, ahead: np.ndarray) -> Panel:
        """Return the panel with the future covariates of the next ``ahead`` steps of each series, where it has some."""
        columns, encoder = panel.of_role("future"), self.model.encoder
        needed = list(encoder.needed)
        if future is not None and not columns:
            raise SettingError("the model uses no future covariates", "leave --future out")
        if not needed:
            return panel
        if future is not None:
            beyond, notes = read_future(_frame(future), panel, ahead, needed)
            self.notes += notes
            panel = replace(panel, beyond=beyond)
        elif not _covers(panel.beyond, ahead, [column.name in needed for column in columns]):
            raise SettingError(
                f"the forecast needs the future values of {some(needed)}: --future FILE",
                "write the table to fill in with: forecaster make-future --output future.csv",
            )
        self.notes += encoder.outside_notes(panel.keep_newest(self.model.plan.lookback), ahead)
        return panel

    def _engine_notes(self, panel: Panel) -> list[Note]:
        """Say which series are too short for the network."""
        short = ~by_network(self.model, panel)
        if not short.any():
            return []
        names = [f"{panel.ids[i] or 'the series'} ({panel.lengths[i]})" for i in np.flatnonzero(short)]
        reason = f"the network needs {self.model.plan.least} rows, there are fewer of {some(names)}"
        count = f"{len(names):,} of {len(panel):,} series by {' or '.join(FALLBACKS)}"
        return [Note("engine", count, reason, warning=True)]

    def _interval_notes(self, steps: int, levels: Sequence[int]) -> list[Note]:
        plan, conformal = self.model.plan, self.model.conformal
        notes = []
        if steps > plan.horizon:
            notes.append(
                Note(
                    "horizon",
                    f"{steps} steps",
                    f"beyond the trained {plan.horizon} it is rolled forward, its intervals widened but not measured",
                    warning=True,
                )
            )
        pooled = [level for level in levels if conformal.pooled(level)]
        if pooled:
            named = ", ".join(f"{level} %" for level in pooled)
            notes.append(Note("intervals", named, "too few validation windows for each step alone: steps are pooled"))
        return notes


class _Notes(list[Note]):
    """A list that tells each note as it comes."""

    def __init__(self, tell: Callable[[Note], None] | None) -> None:
        super().__init__()
        self._tell = tell

    def append(self, note: Note) -> None:
        super().append(note)
        if self._tell:
            self._tell(note)

    def extend(self, notes: Any) -> None:
        for note in notes:
            self.append(note)


class _Refits:
    """The network of a backtest that is trained anew at each origin, on the rows before it."""

    def __init__(self, config: Config, levels: tuple[int, ...], tell: Callable[[str], None] | None) -> None:
        self.config, self.levels, self.tell = config, levels, tell

    def __call__(self, known: Panel, steps: int) -> np.ndarray:
        if self.tell:
            self.tell(f"training on the rows up to {known.times[known.offsets[1:] - 1].max()}")
        model = fitting.fit_panel(known, self.config.replace(horizon=str(steps)), _Notes(None), None)
        return Forecaster._of(model).forecast_panel(known, steps, self.levels)


def _frame(data: Data, columns: Sequence[str] | None = None) -> pd.DataFrame:
    return read_table(data, columns) if isinstance(data, (str, Path, Source)) else frame_of(data)


def _check_future(panel: Panel, names: tuple[str, ...]) -> None:
    """Refuse a future table none of whose columns is a covariate.

    Raises:
        NotFoundError: naming the nearest covariate.
    """
    future = {column.name for column in panel.of_role("future")}
    if future & set(names):
        return
    others = [column.name for column in panel.columns]
    hints = [nearest(name, others) for name in names if name not in (panel.roles.time, panel.roles.series)]
    raise NotFoundError(
        f"no column of the future table is a covariate that changes over time: it has {some(list(names))}",
        next((hint for hint in hints if hint), "name its columns as those of the table are named"),
    )


def _covers(beyond: np.ndarray | None, ahead: np.ndarray, needed: list[bool]) -> bool:
    """Return whether needed columns of ``(series, steps, columns)`` are known of the next ``ahead`` steps of each."""
    if beyond is None or beyond.shape[1] < ahead.max():
        return False
    return not np.isnan(beyond[np.arange(beyond.shape[1]) < ahead[:, None]][:, needed]).any()


def _steps_or_none(horizon: str, last: Any, freq: str) -> int:
    """Return the steps of a horizon, 0 where the series ends after it."""
    try:
        return horizon_steps(horizon, last, freq)
    except SettingError:
        return 0


def _without_flags(hint: str) -> str:
    """Return a hint that names flags of fit for one who has a model already."""
    return "mend these rows first; or fit again, " + hint if "--" in hint else hint


def _without_holdout(panel: Panel, holdout: int) -> Panel:
    if not holdout:
        return panel
    kept = panel.drop_newest(holdout)
    if len(kept) < len(panel):
        raise DataError(
            f"a holdout of {holdout} rows leaves nothing of {len(panel) - len(kept)} series", "use a smaller --holdout"
        )
    return kept


def _checked_levels(levels: int | Sequence[int]) -> tuple[int, ...]:
    levels = tuple(np.atleast_1d(np.asarray(levels)).tolist())
    check_levels(levels)
    levels = tuple(int(level) for level in levels)
    if len(set(levels)) < len(levels):
        raise SettingError(f"a level is given twice: {', '.join(map(str, levels))}")
    return levels
