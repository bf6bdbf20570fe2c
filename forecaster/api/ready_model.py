"""A trained model ready to forecast: engine and history are made once, by the first thread that asks."""

from __future__ import annotations

from threading import Lock

import numpy as np

from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.data.panel.packed import unpack_panel
from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import Engine
from forecaster.fitting.rebuild import engine_of
from forecaster.notes import Note
from forecaster.prediction.forecast import forecast_panel
from forecaster.prediction.given_rows import Data, joined_panel
from forecaster.prediction.steps_ahead import steps_ahead


class ReadyModel:
    """A trained model with its engine and its history, for any number of threads at once.

    Args:
        model: what was trained.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._lock = Lock()
        self._engine: Engine | None = None

    def __getstate__(self) -> Model:
        return self.model  # lock and engine belong to the process

    def __setstate__(self, model: Model) -> None:
        self.__init__(model)  # type: ignore[misc]

    @property
    def engine(self) -> Engine:
        """What runs the network.

        Raises:
            ModelError: the network does not forecast what the model says.
        """
        with self._lock:
            if self._engine is None:
                self._engine = engine_of(self.model)
            return self._engine

    @property
    def history(self) -> Panel:
        """The newest rows of each series, with their times as an array."""
        with self._lock:
            self.model.history = unpack_panel(self.model.history)
            return self.model.history

    def panel(self, data: Data | None, config: Config) -> tuple[Panel, list[Note]]:
        """Return the panel to forecast from (the history, or ``data`` joined to it), and what was done to it.

        Raises:
            NotFoundError: a needed column is absent.
            DataError: the rows cannot be read as those of the training were.
        """
        history = self.history
        return (history, []) if data is None else joined_panel(self.model, data, config)

    def steps_ahead(self, panel: Panel, horizon: int | str | None) -> np.ndarray:
        """Return the steps to forecast of each series, ``(series,)`` int; the trained horizon where none is given.

        Raises:
            SettingError: a horizon that cannot be read, or a date before the end of every series.
        """
        if horizon is None:
            return np.full(len(panel), self.model.plan.horizon)
        return steps_ahead(panel, str(horizon))

    def forecast_panel(self, panel: Panel, steps: int, levels: tuple[int, ...]) -> np.ndarray:
        """Forecast from the end of each series, see :func:`forecaster.prediction.forecast.forecast_panel`."""
        return forecast_panel(self.model, self.engine, panel, steps, levels)
