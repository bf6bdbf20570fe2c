"""Forecaster: fit, predict, evaluate, save, load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from forecaster.api.evaluation import Evaluation, Rolling, assess_directions, assess_model
from forecaster.api.forecast import Forecast, draw_forecast
from forecaster.api.model_forecast import make_forecast
from forecaster.api.pretrained import PretrainedForecaster
from forecaster.api.ready_model import ReadyModel
from forecaster.api.session import FitOptions, FitSession
from forecaster.api.summary import constructor_text, summary_html, summary_text
from forecaster.artifact.load import load_model
from forecaster.artifact.lock import lock_directory
from forecaster.artifact.model import Model
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.save import save_model
from forecaster.config import RECIPES, Config
from forecaster.data.panel.packed import pack_panel
from forecaster.data.panel.panel import Panel
from forecaster.direction.backtest import DirectionEvaluation
from forecaster.direction.prediction import refuse_levels
from forecaster.direction.settings import check_settings, refuse_drawing
from forecaster.errors import ForecasterError, SettingError
from forecaster.evaluation.baselines import USUAL_BASELINES
from forecaster.fitting import fit as fitting
from forecaster.fitting.rebuild import rebuild_network
from forecaster.fitting.warm_start import fit_further, settings_for_warm_start
from forecaster.levels import parse_levels
from forecaster.notes import Note, ReportedNotes
from forecaster.prediction.given_rows import Data, training_panel, without_holdout
from forecaster.prediction.table import readings_table
from forecaster.training.checkpoint import Checkpoints
from forecaster.training.determinism import TRAINING, one_thread
from forecaster.training.fingerprint import fingerprint
from forecaster.training.phases import Report
from forecaster.words import setting

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


class Forecaster:
    """A forecaster of one series, or one network for all series of a panel.

    Several threads may call :meth:`forecast`, :meth:`predict` and :meth:`evaluate` of one trained forecaster at once;
    trainings, by :meth:`fit` or ``evaluate(refit=...)``, wait for one another.

    Args:
        horizon: how far to forecast: steps (``10``), a span (``"30d"``) or a date (``"2027-01-31"``).
        recipe: a named set of settings: ``default``, ``textbook`` or ``stacked``.
        settings: any field of :class:`forecaster.Config`.

    Attributes:
        config: the settings.
        notes: what was inferred and done by the last :meth:`fit`, :meth:`fit_into` or :meth:`predict` that ended.

    Raises:
        SettingError: a setting is unknown or has a wrong value.

    Example:
        >>> forecaster = Forecaster(horizon=3, network="nlinear", epochs=1, final=False).fit("dataset:airline")
        >>> forecaster.predict(levels=(80,))[["series", "month", "engine"]]
          series      month                engine
        0        1961-01-01  nlinear + pretrained
        1        1961-02-01  nlinear + pretrained
        2        1961-03-01  nlinear + pretrained
        >>> print(forecaster)  # doctest: +ELLIPSIS
        Forecaster of 'passengers', 3 steps ahead
          rows        144, 1949-01-01 to 1960-12-01
          ...
        >>> forecaster.evaluate(origins=2, baselines="naive").verdict
        'No verdict: the network was trained on these rows.'
    """

    def __init__(self, horizon: int | str | None = None, *, recipe: str = "default", **settings: Any) -> None:
        self.config = Config.of(recipe, horizon=None if horizon is None else str(horizon), **settings)
        named = {**RECIPES[recipe], **settings, **({} if horizon is None else {"horizon": str(horizon)})}
        self._given: dict[str, Any] = named
        self.notes: list[Note] = []
        self._ready: ReadyModel | None = None

    def __repr__(self) -> str:
        """Return the call that makes an untrained forecaster with these settings."""
        return constructor_text(self.config)

    def __str__(self) -> str:
        """Return a summary: rows, inferred settings, validation scores next to the baselines, intervals."""
        return summary_text(self.config, None if self._ready is None else self._ready.model)

    def _repr_html_(self) -> str:
        return summary_html(self.config, None if self._ready is None else self._ready.model)

    @property
    def model(self) -> Model:
        """The trained model.

        Raises:
            ForecasterError: :meth:`fit` was not called yet.
        """
        return self._ready_model().model

    def _ready_model(self) -> ReadyModel:
        if self._ready is None:
            raise ForecasterError("nothing is trained yet", "call fit() or Forecaster.load() first")
        return self._ready

    @one_thread
    def fit(
        self,
        data: Data,
        report: Report | None = None,
        tell: Callable[[Note], None] | None = None,
        future: Data | None = None,
        further: Forecaster | str | Path | None = None,
        directory: str | Path | ModelPlace | None = None,
        resume: bool = False,
    ) -> Forecaster:
        """Train on a table: infer what is not given, choose the weights on validation rows, then use all rows.

        With ``further``, a trained model is trained further on newer rows: a few epochs at a smaller learning rate,
        from its weights, on its history and these rows. Settings, plan, scaling and network are the model's; its
        weights are kept unless the newest rows, which it has not seen, favour others; with ``keep="last"`` they never
        are.

        With ``directory``, checkpoints are kept next to it until :meth:`save` has written the model there. After the
        process was killed, or Ctrl-C, the same fit with ``resume`` continues from them, to the same weights to the
        byte, on the same machine. With ``further`` in the same directory Ctrl-C leaves the model there as it was, for
        ``resume``. :meth:`fit_into` does all of this in one call.

        Args:
            data: a DataFrame, a Series indexed by time, a path, ``dataset:NAME`` or ``-`` for standard input.
            report: called with a :class:`forecaster.training.phases.Progress` after each epoch.
            tell: called with each :class:`forecaster.notes.Note` as soon as it is known; all are in ``notes``.
            future: a table of covariates known beyond the cutoff; its columns become future covariates.
            further: a forecaster or model directory to train further.
            directory: the model directory to be, for one fit at a time.
            resume: continue the fit into ``directory`` that was cut off; if the same fit was finished, load its model.

        Returns:
            Forecaster: itself.

        Raises:
            KeyboardInterrupt: Ctrl-C, before anything was trained, or where ``further`` is in ``directory``.
            NotFoundError: no such file or column.
            DataError: the data cannot be trained on as they are, or ``further`` knows them already.
            SettingError: a setting contradicts ``further``, or the fit to resume.
            DivergedError: training ended in NaN.
        """
        check_settings(self.config)
        if further is not None and future is not None:
            hint = f"leave {setting('future')} out"
            raise SettingError("a model that is trained further has its own future covariates", hint)
        notes = ReportedNotes(tell)
        place = None if directory is None else ModelPlace.of(directory)
        in_place = place is not None and isinstance(further, (str, Path)) and ModelPlace.of(further).real == place.real
        with TRAINING, Checkpoints(place, notes) as checkpoints:
            before = Forecaster.load(further) if isinstance(further, (str, Path)) else further
            old = None if before is None else before.model
            config = self.config if old is None else settings_for_warm_start(old.config, self._given)
            if before is None:
                panel: Panel = pack_panel(training_panel(data, future, config, notes))
            else:
                panel = before._newer_panel(data, config.holdout, notes)
            model = checkpoints.begin(lambda: fingerprint(panel, config, old), resume, in_place)
            if model is None:
                if old is None:
                    model = fitting.fit_panel(panel, config, notes, report, checkpoints)
                else:
                    model = fit_further(old, panel, self._given, notes, report, checkpoints)
                if in_place and model.record["interrupted"] and checkpoints.lose_nothing:
                    raise KeyboardInterrupt  # to resume, it needs the model that it was to replace
                model.record |= checkpoints.record()
        if old is not None:
            self.config = model.config
        self._ready, self.notes = ReadyModel(model), list(notes)
        return self

    def _newer_panel(self, data: Data, holdout: int, notes: list[Note]) -> Panel:
        """Return the newer rows to train on further, joined to the history."""
        panel, found = self.panel(data)
        notes.extend(found)
        return without_holdout(panel, holdout)

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
            the network of the row, or the baseline where a series is too short for the network. With
            ``task="direction"`` those of :func:`forecaster.direction.prediction.direction_table`.

        Raises:
            SettingError: an invalid horizon or level, or future covariates that are not given.
            NotFoundError: a needed column is absent.
            DataError: the data cannot be read as those of the training were, or ``future`` has holes.
            ForecasterError: a forecast rolled forward leaves all reason.
        """
        found = self.forecast(horizon, data, levels, future)
        self.notes = found.notes
        return found.table

    @one_thread
    def forecast(
        self,
        horizon: int | str | None = None,
        data: Data | None = None,
        levels: int | Sequence[int] = (80, 95),
        future: Data | None = None,
    ) -> Forecast:
        """Return the table of :meth:`predict` with its notes; ``notes`` of the forecaster stay as they are.

        Args:
            horizon: as of :meth:`predict`.
            data: likewise.
            levels: likewise.
            future: likewise.

        Raises:
            SettingError: likewise.
            NotFoundError: likewise.
            DataError: likewise.
        """
        return make_forecast(self._ready_model(), self.config, horizon, data, levels, future)

    @one_thread
    def evaluate(
        self,
        data: Data | None = None,
        *,
        horizon: int | str | None = None,
        origins: int | None = None,
        stride: int | None = None,
        gap: int = 0,
        window: str = "expanding",
        refit: int = 0,
        adaptive: bool = False,
        levels: int | Sequence[int] = (80, 95),
        baselines: str | Sequence[str] = USUAL_BASELINES,
        tell: Callable[[str], None] | None = None,
    ) -> Evaluation | DirectionEvaluation:
        """Backtest over rolling origins, compared with the baselines.

        Rows that the network was trained on are marked ``seen`` in the table. Where the data hold newer rows, only
        those are scored, unless ``origins`` asks for more; where they do not, a note reports that the scores are of
        rows the network has seen. ``refit`` trains anew, on the rows before an origin only.

        Args:
            data: as in :meth:`predict`.
            horizon: steps of each forecast, or a span; the trained horizon by default.
            origins: number of origins, counted from the end; 5 by default, for directions all that are unseen.
            stride: steps between origins; the horizon by default.
            gap: rows between a cutoff and the first step that is scored.
            window: ``expanding``: all rows before a cutoff are known there; ``sliding``: only as many as before the
                oldest, which matters to ``refit`` and to the baselines.
            refit: train anew at every n-th origin: 0 never, 1 or True at each.
            adaptive: correct the network's intervals at each origin by their coverage at the ones before.
            levels: intervals to score, in percent.
            baselines: names of :data:`forecaster.evaluation.baselines.BASELINES`.
            tell: called with a line of text before each training of ``refit``.

        Returns:
            Evaluation: ``table`` with ``model``, ``series``, ``cutoff``, ``step``, ``time``, ``seen``, ``actual``,
            ``observed``, ``forecast``, ``lo-80``, ..., ``scale``, ``root-scale``; ``summary`` as
            :func:`forecaster.evaluation.summary.summarise` returns it; ``tests`` of the difference from each baseline;
            ``notes``. With ``task="direction"`` a
            :class:`forecaster.direction.backtest.DirectionEvaluation`, with the baselines majority and persistence.

        Raises:
            KeyboardInterrupt: Ctrl-C, in a training of ``refit`` too, as a half-trained network is not judged.
            DataError: too few rows for one origin.
            SettingError: an unknown baseline or window, or a number out of range.
        """
        levels, baselines = parse_levels(levels), (baselines,) if isinstance(baselines, str) else tuple(baselines)
        ready = self._ready_model()
        panel, notes = ready.panel(data, self.config)
        steps = int(ready.steps_ahead(panel, horizon).max())
        rolling = Rolling(steps, origins, stride, gap, window, int(refit), adaptive)
        found: Evaluation | DirectionEvaluation
        if ready.model.config.task == "direction":
            refuse_levels(levels)
            found = assess_directions(ready, panel, rolling, baselines, tell)
        else:
            found = assess_model(ready, panel, rolling, levels, baselines, tell)
        found.notes[:0] = notes
        if refit and data is None and len(panel.values) < ready.model.record["rows"]:
            rows = f"{len(panel.values):,} of {ready.model.record['rows']:,} rows"
            reason = f"the model keeps no more; give all with {setting('data')}"
            found.notes.append(Note("refit", rows, reason, warning=True))
        return found

    def fit_into(
        self, directory: str | Path, data: Data, *, resume: bool = False, **options: Unpack[FitOptions]
    ) -> Forecaster:
        """Train on a table and write the model directory: :meth:`fit` and :meth:`save` as one.

        No other process can fit into the directory meanwhile, and a model that is there stays until the new one is
        whole. Where Ctrl-C ends training the best weights so far are written, and ``model.record["interrupted"]`` is
        True. Where the model cannot be written there, as the folder vanished or the disk is full, it is put elsewhere.

        Args:
            directory: the model directory to be.
            data: as of :meth:`fit`.
            resume: continue the fit into ``directory`` that was cut off, from the start where there is none.
            options: ``report``, ``tell``, ``future`` and ``further``, as of :meth:`fit`.

        Returns:
            Forecaster: itself.

        Raises:
            KeyboardInterrupt: Ctrl-C, before anything was trained, or where ``further`` is in ``directory``.
            SettingError: the directory exists and is not a model, or as of :meth:`fit`.
            ForecasterError: another process is writing it; or the model could not be written there, and the hint says
                where it is instead. And whatever :meth:`fit` raises.
        """
        FitSession(directory, resume).fit(self, data, **options)
        return self

    def save(self, directory: str | Path = "forecaster-model") -> Path:
        """Write the model directory, whole or not at all; an older model there is replaced.

        Raises:
            SettingError: the directory exists and is not a model.
            ForecasterError: another process is writing it, or it cannot be written.
        """
        with lock_directory(directory) as place:
            save_model(self.model, place)
        return place.asked

    @classmethod
    def load(cls, directory: str | Path = "forecaster-model", newest_only: bool = False) -> Forecaster:
        """Read a model directory; TensorFlow is not imported.

        Args:
            directory: the model directory.
            newest_only: keep only the rows of each series that its next forecast reads, which saves memory where
                only :meth:`predict` without data is called.

        Raises:
            NotFoundError: there is no model.
            ModelError: it is damaged, altered, incomplete or newer than this version.
        """
        return cls._of(load_model(Path(directory), newest_only))

    @classmethod
    def _of(cls, model: Model) -> Forecaster:
        forecaster = cls.__new__(cls)
        forecaster.config, forecaster.notes, forecaster._ready = model.config, [], ReadyModel(model)
        forecaster._given = {}
        return forecaster

    @classmethod
    def pretrained(cls, horizon: int | str | None = None, **settings: Any) -> PretrainedForecaster:
        """Return a forecaster that needs no fit: its network was trained on generated series, and reads any table.

        Args:
            horizon: as in the constructor; the usual one of the freq by default.
            settings: those fields of :class:`forecaster.Config` that say how a table is read: ``time``, ``target``,
                ``series``, ``wide``, ``dates``, ``zone``, ``freq``, ``season``, ``gaps``, ``missing``, ``duplicates``.

        Raises:
            SettingError: a setting is unknown, has a wrong value, or is used by :meth:`fit` only.
        """
        return PretrainedForecaster(horizon, **settings)

    def network(self) -> keras.Model:
        """Return the trained network as a Keras model, rebuilt from the configuration; imports TensorFlow.

        Raises:
            ModelError: a weight is missing or of another shape.
        """
        return rebuild_network(self.model)

    def history(self) -> pd.DataFrame:
        """Return the newest readings that the model keeps: 5,000 of each series, or the lookback if that is longer.

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
        refuse_drawing(self.config)
        table = self.forecast().table if forecast is None else forecast
        panel, _ = self.panel(data)
        return draw_forecast(table, panel, self.model.plan.season, options)

    def panel(self, data: Data | None = None) -> tuple[Panel, list[Note]]:
        """Return the panel to forecast from (the model's history, or ``data`` joined to it), and notes on repairs."""
        return self._ready_model().panel(data, self.config)

    def forecast_panel(self, panel: Panel, steps: int, levels: tuple[int, ...]) -> np.ndarray:
        """Forecast from the end of each series of a ready panel, with rows of the lookback at least.

        Args:
            panel: from :meth:`panel`, or cut from one.
            steps: the horizon.
            levels: intervals to give, in percent.

        Returns:
            np.ndarray: ``(series, steps, 1 + 2 * levels)`` float64: forecast, then lower and upper bound of each level.
        """
        return self._ready_model().forecast_panel(panel, steps, levels)

    def steps_ahead(self, panel: Panel, horizon: int | str | None) -> np.ndarray:
        """Return the steps to forecast of each series, ``(series,)`` int: to a date, more for one that ends earlier."""
        return self._ready_model().steps_ahead(panel, horizon)
