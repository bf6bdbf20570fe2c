"""Rows given by a person as the panel that is trained on or forecast from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.future_table import future_names
from forecaster.data.panel.history_join import prepend_history
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.readers.sources import Source, read_table
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import collect_settings, first_few, plural, setting

Data: TypeAlias = pd.DataFrame | pd.Series | str | Path | Source


def frame_given(data: Data, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return given data as a table, read where they are a path; of a file only ``columns`` where they are named."""
    return read_table(data, columns) if isinstance(data, (str, Path, Source)) else frame_of(data)


def training_panel(data: Data, future: Data | None, config: Config, notes: list[Note]) -> Panel:
    """Return the panel to train on, which keeps no reference to the table.

    Args:
        data: the readings.
        future: a table of covariates known beyond the cutoff; its columns become future covariates.
        config: the settings.
        notes: extended by what was inferred from the data and done to them.

    Raises:
        NotFoundError: no column of ``future`` is a covariate, or a column that the settings name is absent.
        DataError: the rows are no panel, or the holdout leaves no row of a series.
    """
    names = () if future is None else future_names(frame_given(future))
    panel, found = build_panel(frame_given(data), config, future_names=names)
    notes.extend(found)
    if names:
        _check_future(panel, names)
    return without_holdout(panel, config.holdout)


def joined_panel(model: Model, data: Data, config: Config) -> tuple[Panel, list[Note]]:
    """Return newer rows or other series as a panel, joined to the history of a model, with notes on what was done.

    Raises:
        NotFoundError: a needed column is absent.
        DataError: the rows cannot be read as those of the training were.
    """
    history = model.history
    frame = frame_given(data, history.roles.needed())
    with collect_settings() as named:
        try:
            panel, notes = build_panel(frame, config, like=history)
            panel, joined = prepend_history(panel, history, model.plan.max_missing_run, config.gaps)
        except DataError as error:
            raise DataError(error.message, _hint_to_forecast(error.hint, named)) from None
    notes = [note for note in notes if note.name not in ("time", "series", "target", "freq")]  # the model's own
    return panel, notes + joined


def _hint_to_forecast(hint: str, named: list[str]) -> str:
    """Return a hint for one who has a model: settings that it names can be changed in a new fit only.

    Args:
        hint: of an error.
        named: settings as they were written; names alone are left aside, which in Python may be any words.
    """
    names_setting = any(text in hint for text in named if not text.isidentifier())
    return f"correct these rows; or, in a new fit: {hint}" if names_setting else hint


def without_holdout(panel: Panel, holdout: int) -> Panel:
    """Return a panel without its newest rows.

    Raises:
        DataError: no row is left of a series.
    """
    if not holdout:
        return panel
    kept = panel.drop_newest(holdout)
    if len(kept) < len(panel):
        raise DataError(
            f"a holdout of {plural(holdout, 'row')} leaves no row of {len(panel) - len(kept)} series",
            f"use a smaller {setting('holdout')}",
        )
    return kept


def _check_future(panel: Panel, names: tuple[str, ...]) -> None:
    """Refuse a future table without a column that is a covariate.

    Raises:
        NotFoundError: naming the nearest covariate.
    """
    future = {column.name for column in panel.of_role("future")}
    if future & set(names):
        return
    others = [column.name for column in panel.columns]
    hints = [nearest(name, others) for name in names if name not in (panel.roles.time, panel.roles.series)]
    raise NotFoundError(
        f"no column of the future table is a covariate that changes over time: it has {first_few(list(names))}",
        next((hint for hint in hints if hint), "name its columns as those of the table are named"),
    )
