"""Forecasts of the pretrained network from a table, with no fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.api.forecast import Forecast, ahead_table, draw_forecast, raised_note
from forecaster.config import FIELDS, Config
from forecaster.data.columns.find_covariates import COVARIATE_NOTES
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.seasons import find_seasons
from forecaster.data.readers.arrow import return_memory
from forecaster.errors import SettingError
from forecaster.evaluation.baselines import USUAL_BASELINES
from forecaster.evaluation.trained_rows import ORIGINS
from forecaster.features.plan import LEAST_ROWS
from forecaster.levels import parse_levels
from forecaster.notes import Note
from forecaster.prediction.given_rows import Data, frame_given
from forecaster.prediction.steps_ahead import choose_steps_ahead
from forecaster.pretrained.forecast import forecast_pretrained
from forecaster.words import first_few, plural, setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from forecaster.api.evaluation import Evaluation, Rolling


@dataclass(frozen=True)
class ReadTable:
    """A table as :meth:`PretrainedForecaster.read` has read it, for several calls.

    Attributes:
        panel: its series, without covariates; it keeps no reference to the table.
        notes: what was inferred and done.
    """

    panel: Panel
    notes: list[Note]


class PretrainedForecaster:
    """A forecaster that needs no fit: one network, trained on generated series alone, reads any table.

    Several threads may call its methods at once.

    Args:
        horizon: how far to forecast: steps (``10``), a span (``"30d"``) or a date (``"2027-01-31"``).
        settings: the fields of :class:`forecaster.Config` that say how a table is read: ``time``, ``target``,
            ``series``, ``wide``, ``dates``, ``zone``, ``freq``, ``season``, ``gaps``, ``missing``, ``duplicates``.

    Attributes:
        config: the settings.
        notes: what was inferred and done by the last :meth:`predict` that ended.

    Raises:
        SettingError: a setting is unknown, has a wrong value, or is used by a fit only.

    Example:
        >>> from forecaster import Forecaster
        >>> forecaster = Forecaster.pretrained(horizon=2)
        >>> forecaster.predict("dataset:airline", levels=80)[["month", "engine"]]
               month      engine
        0 1961-01-01  pretrained
        1 1961-02-01  pretrained
    """

    def __init__(self, horizon: int | str | None = None, **settings: Any) -> None:
        for name in settings:
            if name == "recipe" or (name in FIELDS and FIELDS[name].metadata["group"] != "table"):
                raise SettingError(
                    f"{setting(name)} is used by a fit only, and the pretrained network forecasts with none",
                    f"leave it out, or fit: Forecaster({name}=...).fit(data)",
                )
        self.config = Config.of(horizon=None if horizon is None else str(horizon), **settings)
        self.notes: list[Note] = []

    def read(self, data: Data) -> ReadTable:
        """Return a table read as the settings say, which :meth:`predict` and :meth:`plot` take in its place.

        Args:
            data: as of :meth:`predict`.

        Raises:
            NotFoundError: as of :meth:`predict`.
            DataError: likewise.
        """
        panel, notes = build_panel(frame_given(data), self.config)
        notes = [note for note in notes if note.name not in COVARIATE_NOTES]
        if panel.columns:
            names = first_few([column.name for column in panel.columns])
            notes.append(Note("left aside", names, "covariates, which only a fit can learn from"))
        bare = replace(panel, columns=(), covariates=panel.covariates[:, :0].copy(), static=panel.static[:, :0].copy())
        return ReadTable(bare, notes)

    def predict(
        self, data: Data | ReadTable, horizon: int | str | None = None, levels: int | Sequence[int] = (80, 95)
    ) -> pd.DataFrame:
        """Forecast from the end of each series of a table.

        Args:
            data: a DataFrame, a Series indexed by time, a path, a :class:`forecaster.Source`, ``dataset:NAME`` or
                ``-`` for standard input; or what :meth:`read` returned.
            horizon: as in the constructor; the usual one of the freq by default.
            levels: intervals to give, in percent.

        Returns:
            pandas.DataFrame: columns ``series``, the time column, ``forecast``, ``lo-80``, ``hi-80``, ..., ``engine``:
            ``pretrained``, or ``naive`` where a series has too few rows.

        Raises:
            SettingError: an invalid horizon or level.
            NotFoundError: no such file or column, or no column can be the time or the target.
            DataError: the table cannot be read.
        """
        found = self.forecast(data, horizon, levels)
        self.notes = found.notes
        return found.table

    def forecast(
        self, data: Data | ReadTable, horizon: int | str | None = None, levels: int | Sequence[int] = (80, 95)
    ) -> Forecast:
        """Return the table of :meth:`predict` with its notes; ``notes`` of the forecaster stay as they are.

        Args:
            data: as of :meth:`predict`.
            horizon: likewise.
            levels: likewise.

        Raises:
            SettingError: likewise.
            NotFoundError: likewise.
            DataError: likewise.
        """
        levels = parse_levels(levels)
        return self._forecast_table(self._given(data), horizon, levels)

    def _given(self, data: Data | ReadTable) -> ReadTable:
        return data if isinstance(data, ReadTable) else self.read(data)

    def _forecast_table(self, table: ReadTable, horizon: int | str | None, levels: tuple[int, ...]) -> Forecast:
        panel, notes = table.panel, table.notes
        return_memory()  # that reading took: more than the panel
        ahead, horizon_note = self._steps_ahead(panel, horizon)
        seasons, season_note = find_seasons(panel, panel.freq, self.config.season)
        found = forecast_pretrained(panel, seasons, int(ahead.max()), levels)
        notes = [*notes, season_note, horizon_note, *found.notes]
        notes += raised_note(found.raised, ahead, "no reading of its series is negative")
        return Forecast(ahead_table(panel, ahead, found.values, levels, found.engines, panel.ranges), notes)

    def evaluate(
        self,
        data: Data | ReadTable,
        *,
        horizon: int | str | None = None,
        origins: int | None = None,
        stride: int | None = None,
        gap: int = 0,
        window: str = "expanding",
        levels: int | Sequence[int] = (80, 95),
        baselines: str | Sequence[str] = USUAL_BASELINES,
    ) -> Evaluation:
        """Backtest over rolling origins, compared with the baselines.

        No row is ``seen``: the network was trained on generated series. The season is inferred from the rows before
        the first origin, and is the same at all.

        Args:
            data: as of :meth:`predict`.
            horizon: steps of each forecast, or a span; the usual one of the freq by default.
            origins: number of origins, counted from the end; by default 5, or as many as leave half of the rows
                before the first.
            stride: steps between origins; the horizon by default.
            gap: rows between a cutoff and the first step that is scored.
            window: ``expanding`` or ``sliding``, as of :meth:`forecaster.Forecaster.evaluate`.
            levels: intervals to score, in percent.
            baselines: names of :data:`forecaster.evaluation.baselines.BASELINES`.

        Returns:
            Evaluation: as of :meth:`forecaster.Forecaster.evaluate`; the network is called ``network`` there too.

        Raises:
            SettingError: an unknown baseline or window, or a number out of range.
            NotFoundError: as of :meth:`predict`.
            DataError: likewise, or too few rows for one origin.
        """
        from forecaster.api.evaluation import Contender, Rolling, assess

        levels, baselines = parse_levels(levels), (baselines,) if isinstance(baselines, str) else tuple(baselines)
        table = self._given(data)
        panel, notes = table.panel, table.notes
        ahead, horizon_note = self._steps_ahead(panel, horizon)
        rolling = Rolling(int(ahead.max()), origins, stride, gap, window)
        count, origins_notes = _choose_origins(panel, rolling)
        known = panel.drop_newest(_rows_after_first(panel, rolling, count))
        seasons, season_note = find_seasons(known, panel.freq, self.config.season)
        said: dict[str, Note] = {}

        def forecast(panel: Panel, steps: int) -> np.ndarray:
            found = forecast_pretrained(panel, seasons, steps, levels)
            for note in found.notes:  # those of the first origin, which has the fewest rows
                said.setdefault(note.name, note)
            return found.values

        cutoffs = rolling.at(count, max(seasons[0], LEAST_ROWS))
        found = assess(Contender(forecast, seasons), panel, rolling.horizon, cutoffs, levels, baselines)
        found.notes[:0] = [*notes, season_note, horizon_note, *origins_notes, *said.values()]
        return found

    def plot(self, data: Data | ReadTable, forecast: pd.DataFrame | None = None, **options: Any) -> Figure:
        """Draw a forecast after its history, with intervals, and actual readings where they are known.

        Args:
            data: as of :meth:`predict`.
            forecast: a table of :meth:`predict`; by default the forecast of ``data``.
            options: ``title``, ``max_series`` and ``history_rows`` of :func:`forecaster.plotting.plot_forecast`.

        Returns:
            matplotlib.figure.Figure: write it with :func:`forecaster.plotting.save_figure`.

        Raises:
            SettingError: as of :meth:`predict`.
            NotFoundError: likewise.
            DataError: likewise.
        """
        read = self._given(data)
        table = self._forecast_table(read, None, (80, 95)).table if forecast is None else forecast
        seasons, _ = find_seasons(read.panel, read.panel.freq, self.config.season)
        return draw_forecast(table, read.panel, seasons[0], options)

    def _steps_ahead(self, panel: Panel, horizon: int | str | None) -> tuple[np.ndarray, Note]:
        return choose_steps_ahead(panel, self.config.horizon if horizon is None else str(horizon))


def _choose_origins(panel: Panel, rolling: Rolling) -> tuple[int, list[Note]]:
    """Return the number of origins, and a note where there are fewer than usual."""
    if rolling.origins is not None:
        return rolling.origins, []
    rows = int(panel.lengths.max())
    room = (rows // 2 - rolling.gap - rolling.horizon) // max(1, rolling.rows_apart) + 1
    count = max(1, min(ORIGINS, room))
    reason = f"more would leave less than half of {plural(rows, 'row')} before the first; {setting('origins')}"
    return count, [] if count == ORIGINS else [Note("origins", str(count), reason)]


def _rows_after_first(panel: Panel, rolling: Rolling, count: int) -> int:
    """Return the newest rows of each series after the first of its origins, or of those that the longest has room for.

    Args:
        panel: the series.
        rolling: how the origins lie.
        count: origins asked for.
    """
    ahead, apart = rolling.gap + rolling.horizon, max(1, rolling.rows_apart)
    room = max(0, (int(panel.lengths.max()) - LEAST_ROWS - ahead) // apart)
    return ahead + apart * min(max(0, count - 1), room)
