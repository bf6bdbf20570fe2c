"""Forecasts of the pretrained network from the end of each series, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.evaluation.baselines import seasonal_naive
from forecaster.notes import Note

#: What the column ``engine`` says of the rows of the pretrained network.
ENGINE = "pretrained"


@dataclass(frozen=True)
class PretrainedForecast:
    """A forecast with no fit.

    Attributes:
        values: ``(series, steps, 1 + 2 * levels)`` float64: forecast, then lower and upper bound of each level. Finite.
        engines: ``(series,)`` object, :data:`ENGINE`, or ``"naive"`` for a series that has too few rows for it.
        notes: what the intervals rest on, and what was forecast otherwise.
    """

    values: np.ndarray
    engines: np.ndarray
    notes: list[Note] = field(default_factory=list)


def forecast_pretrained(
    panel: Panel, seasons: tuple[int, ...], steps: int, levels: tuple[int, ...]
) -> PretrainedForecast:
    """Forecast from the end of each series of a panel; covariates are not read.

    Args:
        panel: the series, each of one row or more; rows that are not ``observed`` count as missing.
        seasons: seasonal periods in steps, the main one first; ``(1,)`` for none.
        steps: the horizon.
        levels: intervals to give, in percent.
    """
    values = np.stack(
        [np.nan_to_num(seasonal_naive(panel.values[rows], steps, seasons[0], levels)) for rows in panel.slices()]
    )
    return PretrainedForecast(values, np.full(len(panel), ENGINE, object))
