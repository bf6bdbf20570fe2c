"""Rows of a backtest that the network was trained on: they may not pass for forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecaster.data.panel.panel import Panel
from forecaster.evaluation.metrics import seasonal_root_scale, seasonal_scale
from forecaster.notes import Note
from forecaster.words import setting

#: Default number of origins of an evaluation.
ORIGINS = 5


def unseen_origins(panel: Panel, history: Panel, horizon: int, stride: int, most: int = ORIGINS) -> int:
    """Return the number of origins wholly after the training; 5 where there are none.

    Args:
        panel: the rows to backtest on.
        history: the rows that the network was trained on, to the end of each series.
        horizon: steps of a forecast.
        stride: rows between origins.
        most: origins at most.
    """
    ends = _training_ends(history)
    known = [(panel.rows(i), ends[name]) for i, name in enumerate(panel.ids) if name in ends]
    newer = [int((panel.times[rows] > end).sum()) for rows, end in known]
    whole = (min(newer) - horizon) // max(1, stride) + 1 if newer else ORIGINS
    return min(most, whole) if whole > 0 else ORIGINS


def seen_rows(table: pd.DataFrame, history: Panel) -> np.ndarray:
    """Return a mask of the rows of a backtest that the network was trained on, ``(rows,)`` bool."""
    ends = table["series"].map(pd.Series(_training_ends(history)))
    return (ends.notna() & (_without_zone(table["time"]) <= ends)).to_numpy()


def seen_notes(table: pd.DataFrame) -> list[Note]:
    """Return a warning where rows of ``table``, with its column ``seen``, were trained on."""
    scored = table[table["model"] == "network"]
    seen = int(scored["seen"].sum())
    if not seen:
        return []
    others = f"{setting('refit', True)}, or {setting('data')} with newer rows"
    reason = f"its errors there are too small to count; use {others}"
    return [
        Note("seen rows", f"the network was trained on {seen} of the {len(scored)} rows scored", reason, warning=True)
    ]


def scales_before(panel: Panel, table: pd.DataFrame, season: int) -> dict[str, dict[str, float]]:
    """Return ``scale`` and ``root-scale`` of each series: its seasonal differences before the first origin.

    See :func:`forecaster.evaluation.metrics.seasonal_scale` and
    :func:`forecaster.evaluation.metrics.seasonal_root_scale`.
    """
    first = _without_zone(table["cutoff"]).groupby(table["series"]).min()
    scales: dict[str, dict[str, float]] = {"scale": {}, "root-scale": {}}
    for i, name in enumerate(panel.ids):
        rows = panel.rows(i)
        before = panel.times[rows] <= first.get(name, panel.times[rows][-1])
        values, observed = panel.values[rows][before], panel.observed[rows][before]
        scales["scale"][name] = seasonal_scale(values, season, observed)
        scales["root-scale"][name] = seasonal_root_scale(values, season, observed)
    return scales


def _training_ends(history: Panel) -> dict[str, Any]:
    return dict(zip(history.ids, history.last, strict=True))


def _without_zone(times: pd.Series) -> pd.Series:
    """Return times as a panel holds them: in UTC where they are aware of a zone."""
    return times.dt.tz_convert("UTC").dt.tz_localize(None) if isinstance(times.dtype, pd.DatetimeTZDtype) else times
