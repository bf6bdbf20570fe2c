"""Rolling-origin backtest: forecast from past cutoffs with nothing but the rows up to each, and score what came.

Tashman (2000), Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16(4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.panel import Panel
from forecaster.data.time.zones import localize
from forecaster.errors import DataError, SettingError
from forecaster.evaluation.baselines import find_baseline
from forecaster.evaluation.intervals import check_levels, level_columns
from forecaster.evaluation.metrics import Outcome, score, skill
from forecaster.notes import Note

#: Takes a panel that ends at the cutoff and a horizon; returns ``(series, horizon, 1 + 2 * levels)``: the point, then
#: lo and hi of each level. nan where it cannot forecast.
Forecast = Callable[[Panel, int], np.ndarray]

#: The model that skill is measured against.
REFERENCE = "seasonal-naive"

_KEYS = ["series", "cutoff", "step"]


def backtest(
    panel: Panel,
    models: Mapping[str, Forecast],
    horizon: int,
    *,
    origins: int = 5,
    stride: int | None = None,
    season: int,
    levels: tuple[int, ...] = (80, 95),
    least: int = 2,
) -> pd.DataFrame:
    """Return every forecast of every model at every rolling origin, beside what came.

    The newest origin of a series leaves ``horizon`` rows after its cutoff, each older one ``stride`` more, so series of
    ragged length have cutoffs of their own. A model is given a copy of the rows up to the cutoffs and nothing else.

    Args:
        panel: the series.
        models: what to run, by name.
        horizon: steps of a forecast.
        origins: cutoffs of each series.
        stride: rows between cutoffs; the horizon by default, so that no row is forecast twice.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.
        least: rows before a cutoff without which a series is left out of that origin, such as the lookback of a
            network.

    Returns:
        One row a model, series, cutoff and step: ``model``, ``series``, ``cutoff``, ``step`` (from 1), ``time``,
        ``actual``, ``observed`` (False: filled, not scored), ``forecast``, ``lo-80``, ``hi-80``, ... What was left out
        is told by :func:`notes_of`.

    Raises:
        SettingError: horizon, origins, stride or least is below 1, a level is not between 1 and 99, there is no model,
            or a model's forecast has the wrong shape.
        DataError: every series is too short for even the newest origin.
    """
    stride = horizon if stride is None else stride
    _check_settings(models, levels, horizon=horizon, origins=origins, stride=stride, least=least)
    windows = _windows(panel, horizon, [stride * k for k in reversed(range(origins))], least)
    if not windows:
        raise DataError(
            f"no series is long enough for a backtest: the longest has {panel.lengths.max(initial=0)} rows, "
            f"one window takes {least + horizon} ({least} before the cutoff and a horizon of {horizon})",
            "ask for a shorter --horizon, or bring more rows",
        )
    rows = [_model_rows(name, model, window, horizon, levels) for name, model in models.items() for window in windows]
    table = pd.concat(rows, ignore_index=True)
    found = [*_left_out(panel, windows, origins, horizon, season), *_without_forecast(table)]
    table.attrs["notes"] = [note.to_dict() for note in found]
    return table


def notes_of(table: pd.DataFrame) -> list[Note]:
    """Return what :func:`backtest` or :func:`summarise` left out, with counts."""
    return [Note(**note) for note in table.attrs.get("notes", [])]


def baseline_forecast(name: str, season: int, levels: tuple[int, ...]) -> Forecast:
    """Return a baseline as a model for :func:`backtest`: it forecasts the series of a panel one by one.

    Args:
        name: a key of :data:`forecaster.evaluation.baselines.BASELINES`.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.

    Raises:
        SettingError: there is no baseline of this name, or a level is not between 1 and 99.
    """
    baseline = find_baseline(name)
    check_levels(levels)

    def forecast(panel: Panel, horizon: int) -> np.ndarray:
        return np.stack([baseline(panel.values[rows], horizon, season, levels) for rows in panel.slices()])

    return forecast


def summarise(table: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """Return one row a model: its measures, averaged.

    A measure is taken over all scored rows of a series (every window, every step; RMSE is the root of their mean), then
    averaged over the series, each counting once. MASE is scaled series by series before that average; a series without
    a scale is left out of it. Rows whose actual was filled, or for which the model gave no forecast, are not scored;
    ``windows`` tells how many forecasts are left. Skill compares a model with seasonal naive on the model's own rows:
    one minus the ratio of their MASE, or of their MAE where there is one series only, which is the same number and
    needs no scale.

    Args:
        table: what :func:`backtest` returned.
        scales: seasonal scale of each series by id (see :func:`forecaster.evaluation.metrics.seasonal_scale`), nan if
            undefined.

    Returns:
        Columns ``model``, ``series`` and ``windows`` (numbers scored), ``mae``, ``rmse``, ``mase``, ``smape``,
        ``pinball``, ``coverage-80``, ..., ``skill``; models in the order of the table. A measure that is undefined is
        nan.
    """
    levels = tuple(int(name.removeprefix("lo-")) for name in table.columns if name.startswith("lo-"))
    models = _with_reference(table).groupby("model", sort=False)
    summary = pd.DataFrame([_model_summary(str(name), rows, levels, scales) for name, rows in models])
    unscaled = sum(not scales.get(name, np.nan) > 0 for name in table["series"].unique())
    found = notes_of(table)
    if unscaled:
        found.append(Note("mase", f"{unscaled} series left out", "their history has no seasonal scale", warning=True))
    summary.attrs["notes"] = [note.to_dict() for note in found]
    return summary


def _check_settings(models: Mapping[str, Forecast], levels: tuple[int, ...], **counts: int) -> None:
    check_levels(levels)
    if not models:
        raise SettingError("a backtest needs at least one model")
    for name, value in counts.items():
        if value < 1:
            raise SettingError(f"{name} must be 1 or more, got {value}")


def _windows(panel: Panel, horizon: int, shifts: list[int], least: int) -> list[Panel]:
    """Return for each origin, oldest first, the rows of the long enough series up to the end of its windows."""
    ages = panel.ages()
    enough = [np.repeat(panel.lengths >= least + horizon + shift, panel.lengths) for shift in shifts]
    return [panel.take(long & (ages >= shift)) for long, shift in zip(enough, shifts, strict=True) if long.any()]


def _model_rows(name: str, model: Forecast, window: Panel, horizon: int, levels: tuple[int, ...]) -> pd.DataFrame:
    past, future = window.drop_newest(horizon), window.keep_newest(horizon)
    cutoffs = past.last
    count = len(window.of_role("future"))
    if count:  # the last of the covariates of each row
        ahead = future.covariates[:, future.covariates.shape[1] - count :]
        past = replace(past, beyond=ahead.reshape(len(window), horizon, count))
    forecast = np.asarray(model(past, horizon), dtype=float)
    expected = (len(window), horizon, 1 + 2 * len(levels))
    if forecast.shape != expected:
        raise SettingError(f"model '{name}' returned a forecast of shape {forecast.shape}, expected {expected}")
    columns = {
        "model": np.repeat(np.array([name], dtype=object), len(future.values)),
        "series": np.repeat(np.array(window.ids, dtype=object), horizon),
        "cutoff": localize(np.repeat(cutoffs, horizon), window.zone, window.freq),
        "step": np.tile(np.arange(1, horizon + 1), len(window)),
        "time": localize(future.times, window.zone, window.freq),
        "actual": future.values,
        "observed": future.observed,
    }
    ends = dict(zip(["forecast", *level_columns(levels)], forecast.reshape(-1, expected[-1]).T, strict=True))
    return pd.DataFrame(columns | ends)


def _left_out(panel: Panel, windows: list[Panel], origins: int, horizon: int, season: int) -> list[Note]:
    found = []
    absent = origins * len(panel) - sum(map(len, windows))
    if absent:
        reason = "their series are too short for so many origins and rows before the first"
        found.append(Note("windows", f"{absent} of {origins * len(panel)} left out", reason, warning=True))
    short = sum(int((window.lengths - horizon < season).sum()) for window in windows)
    if short:
        reason = f"fewer than {season} rows before the cutoff: it repeats the last value"
        found.append(Note(REFERENCE, f"{short} windows without a season", reason, warning=True))
    return found


def _without_forecast(table: pd.DataFrame) -> list[Note]:
    """Note, model by model, the windows without a forecast or without an interval."""
    point = np.isfinite(table["forecast"])
    ends = np.isfinite(table[[name for name in table.columns if name.startswith(("lo-", "hi-"))]]).all(axis=1)
    found = []
    for lack, rows, reason in (
        ("forecast", ~point, "it gave no number there; they are not scored"),
        ("interval", point & ~ends, "it gave none there; pinball and coverage leave their series out"),
    ):
        windows = table.loc[rows, ["model", "series", "cutoff"]].drop_duplicates()
        for name, count in windows["model"].value_counts(sort=False).items():
            found.append(Note(str(name), f"no {lack} in {count} windows", reason, warning=True))
    return found


def _with_reference(table: pd.DataFrame) -> pd.DataFrame:
    reference = table.loc[table["model"] == REFERENCE, [*_KEYS, "forecast"]].rename(columns={"forecast": "reference"})
    return table.merge(reference, on=_KEYS, how="left", validate="many_to_one")


def _model_summary(
    name: str, rows: pd.DataFrame, levels: tuple[int, ...], scales: Mapping[str, float]
) -> dict[str, object]:
    scored = rows[rows["observed"] & np.isfinite(rows["forecast"])]
    by_series = scored.groupby("series", sort=False)
    scores = pd.DataFrame([_series_scores(part, levels, scales.get(key, np.nan)) for key, part in by_series])
    if not len(scores):
        scores = pd.DataFrame([_series_scores(scored, levels, np.nan)])
    counted = {"series": by_series.ngroups, "windows": len(scored[["series", "cutoff"]].drop_duplicates())}
    return {"model": name, **counted, **scores.mean().to_dict(), "skill": _skill(scored, scales)}


def _series_scores(rows: pd.DataFrame, levels: tuple[int, ...], scale: float) -> dict[str, float]:
    forecast = rows[["forecast", *level_columns(levels)]].to_numpy(float)
    return score(Outcome.of(rows["actual"].to_numpy(float), forecast, levels, scale))


def _skill(scored: pd.DataFrame, scales: Mapping[str, float]) -> float:
    both = scored[np.isfinite(scored["reference"])]
    single = both["series"].nunique() == 1
    scale = 1.0 if single else both["series"].map(dict(scales)).astype(float)
    errors = pd.DataFrame({name: (both["actual"] - both[name]).abs() / scale for name in ("forecast", "reference")})
    error, reference = errors.groupby(both["series"]).mean().mean()
    return skill(float(error), float(reference))
