"""Tables of measures of a backtest: of each model, and by series, by step and by level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecaster.errors import SettingError, nearest
from forecaster.evaluation.backtest import OWA_REFERENCE, REFERENCE
from forecaster.evaluation.metrics import METRICS, OF_LEVELS, Outcome, owa, score_groups, skill
from forecaster.levels import level_columns
from forecaster.notes import Note, attach_notes, notes_of

#: What a table of measures may be split by.
SPLITS = ("series", "step", "level")

WINDOW = ["series", "cutoff"]
_KEYS = [*WINDOW, "step"]


def levels_in(table: pd.DataFrame) -> tuple[int, ...]:
    """Return the levels of the intervals in a table, in its order."""
    return tuple(int(name.removeprefix("lo-")) for name in table.columns if name.startswith("lo-"))


def check_split(by: str) -> None:
    """Refuse what a table of measures cannot be split by.

    Raises:
        SettingError: names what it can be.
    """
    if by not in SPLITS:
        raise SettingError(f"cannot split by '{by}', expected one of {', '.join(SPLITS)}", nearest(by, SPLITS))


def summarise(
    table: pd.DataFrame,
    scales: Mapping[str, float] | None = None,
    root_scales: Mapping[str, float] | None = None,
    by: str | None = None,
) -> pd.DataFrame:
    """Return the measures of each model, averaged, one row a model or a model and part.

    A measure is taken over all scored rows of a series (every window, every step; RMSE is the root of their mean), then
    averaged over the series, each counting once. MASE is scaled series by series before that average; a series without
    a scale is left out of it. Rows whose actual was filled, or for which the model gave no forecast, are not scored;
    ``windows`` tells how many forecasts are left. Skill compares a model with seasonal naive on the model's own rows:
    one minus the ratio of their MASE, or of their MAE where there is one series only, which is the same number and
    needs no scale. OWA compares likewise with Naive2, see :func:`forecaster.evaluation.metrics.owa`.

    Args:
        table: what :func:`forecaster.evaluation.backtest.backtest` returned.
        scales: seasonal scale of each series by id (see :func:`forecaster.evaluation.metrics.seasonal_scale`), nan if
            undefined; by default column ``scale`` of the table.
        root_scales: likewise by squares, for RMSSE; by default column ``root-scale`` of the table.
        by: ``series``, ``step`` or ``level`` for a row each of these; by default one row a model.

    Returns:
        Columns ``model``, what it is split by, ``series`` and ``windows`` (numbers scored), every measure of
        :data:`forecaster.evaluation.metrics.METRICS` with those of one number a level as ``coverage-80``, then ``owa``
        and ``skill``; by level ``model``, ``level`` and the measures of levels. Models in the order of the table. A
        measure that is undefined is nan.

    Raises:
        SettingError: an unknown split.
    """
    if by is not None:
        check_split(by)
    table = _scaled(table, scales, root_scales)
    if by == "level":
        return _by_level(summarise(table), levels_in(table))
    keys = ["model"] if by is None else ["model", by]
    scored = _with_references(table[table["observed"] & np.isfinite(table["forecast"])], table)
    summary = table[keys].drop_duplicates().set_index(keys)
    summary = summary.join(_counts(scored, keys)).join(_means(scored, keys, levels_in(table)))
    summary = summary.join(_relative(scored, keys))
    summary[_COUNTS] = summary[_COUNTS].fillna(0).astype(int)
    summary = summary.drop(columns="series").reset_index() if by == "series" else summary.reset_index()
    found = notes_of(table)
    unscaled = int((~(table.groupby("series")["scale"].first() > 0)).sum())
    if unscaled:
        found.append(Note("mase", f"{unscaled} series left out", "their history has no seasonal scale", warning=True))
    lost = scored[(scored["actual"] == 0) & (scored["forecast"] != 0)]
    if len(lost):
        rows = (f"{len(part[_KEYS].drop_duplicates()):,}" for part in (lost, scored))
        found.append(Note("mape", f"{' of '.join(rows)} rows left out", "their actual is 0", warning=True))
    attach_notes(summary, found)
    return summary


_COUNTS = ["series", "windows"]


def _scaled(
    table: pd.DataFrame, scales: Mapping[str, float] | None, root_scales: Mapping[str, float] | None
) -> pd.DataFrame:
    """Return the table with columns ``scale`` and ``root-scale``, nan where neither it nor an argument has them."""
    columns = {}
    for name, given in (("scale", scales), ("root-scale", root_scales)):
        if given is not None:
            columns[name] = table["series"].map(dict(given)).astype(float)
        elif name not in table.columns:
            columns[name] = pd.Series(np.nan, table.index)
    return table.assign(**columns)


def _with_references(scored: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the forecasts of the two models that others are measured against, nan where absent."""
    for name in (REFERENCE, OWA_REFERENCE):
        own = table.loc[table["model"] == name, [*_KEYS, "forecast"]].rename(columns={"forecast": name})
        scored = scored.merge(own, on=_KEYS, how="left", validate="many_to_one")
    return scored


def _counts(scored: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    windows = scored[list(dict.fromkeys([*keys, *WINDOW]))].drop_duplicates()
    by_part = [windows[key] for key in keys]
    return pd.DataFrame(
        {
            "series": windows["series"].groupby(by_part, sort=False).nunique(),
            "windows": windows["cutoff"].groupby(by_part, sort=False).size(),
        }
    )


def _means(scored: pd.DataFrame, keys: list[str], levels: tuple[int, ...]) -> pd.DataFrame:
    """Return the measures of each part: of each series in it, then averaged over them."""
    cells = list(dict.fromkeys([*keys, "series"]))
    grouped = scored.groupby(cells, sort=False)
    outcome = Outcome.of(
        scored["actual"].to_numpy(float),
        scored[["forecast", *level_columns(levels)]].to_numpy(float),
        levels,
        scored["scale"].to_numpy(float),
        root_scale=scored["root-scale"].to_numpy(float),
    )
    measures = score_groups(outcome, grouped.ngroup().to_numpy(), grouped.ngroups)
    found = scored[cells].drop_duplicates().reset_index(drop=True).assign(**measures)
    return found.groupby(keys, sort=False)[list(measures)].mean()


def _relative(scored: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return ``owa`` and ``skill`` of each part."""
    ours = _against(scored, OWA_REFERENCE, keys)
    overall = [owa(*row) for row in ours.to_numpy()]
    theirs = _against(scored, REFERENCE, keys)
    skills = [skill(*row) for row in theirs[["mase", "mase of it"]].to_numpy()]
    return pd.DataFrame({"owa": pd.Series(overall, ours.index), "skill": pd.Series(skills, theirs.index)})


def _against(scored: pd.DataFrame, reference: str, keys: list[str]) -> pd.DataFrame:
    """Return sMAPE and MASE of each part, then those of a reference, on the rows that both forecast.

    Where a part is of one series, the scale of MASE is 1: it would cancel out of a ratio.
    """
    both = scored[np.isfinite(scored[reference])]
    cells = list(dict.fromkeys([*keys, "series"]))
    grouped = both.groupby(cells, sort=False)
    single = both.groupby(keys, sort=False)["series"].transform("nunique") == 1
    scale = np.where(single, 1.0, both["scale"].to_numpy(float))
    found = both[cells].drop_duplicates().reset_index(drop=True)
    for name, suffix in (("forecast", ""), (reference, " of it")):
        outcome = Outcome.of(both["actual"].to_numpy(float), both[[name]].to_numpy(float), (), scale)
        for measure in ("smape", "mase"):
            values = METRICS[measure].of_groups(outcome, grouped.ngroup().to_numpy(), grouped.ngroups)
            found[f"{measure}{suffix}"] = values
    names = ["smape", "mase", "smape of it", "mase of it"]
    return found.groupby(keys, sort=False)[names].mean()


def _by_level(summary: pd.DataFrame, levels: tuple[int, ...]) -> pd.DataFrame:
    parts = [
        summary[["model"]].assign(level=level, **{name: summary[f"{name}-{level}"] for name in OF_LEVELS})
        for level in levels
    ]
    if not parts:
        return pd.DataFrame(columns=["model", "level", *OF_LEVELS])
    found = pd.concat(parts)
    return found.sort_index(kind="stable").reset_index(drop=True)
