"""A forecast with no fit, beside models that are fitted to every series: the M3 and M4 competitions, the seven sets.

    python benchmarks/pretrained.py [--sets m3_monthly,m4_hourly,...] [--models pretrained,blend,...] [--output FILE]
    python benchmarks/pretrained.py --fracast ENVIRONMENT/bin/python      # with fracast 0.1.0 in another environment
    python benchmarks/pretrained.py --split validation                    # the newest training rows are scored
    python benchmarks/pretrained.py --smoke                               # the first 20 series

Sets of the competitions (test file scored once, from the end of each series; season and horizon as there):
m3_monthly, m3_quarterly, m3_yearly, m4_hourly, m4_weekly (whose MASE is scaled by season 1). The seven sets are those
of accuracy.py, five origins a horizon apart, no covariates. Models: pretrained; blend, the simple forecasts that it
weighs, weighted by their past errors, which needs no network; seasonal-naive, AutoTheta and AutoETS, fitted to every
series; fracast 0.1.0 (85,001 parameters in its wheel), where its Python is named: pip install fracast==0.1.0.

Prints a line for each set and model: MASE and sMAPE, the means over the series; coverage and mean width of the 80 %
interval, the width scaled as MASE is, and its MSIS; seconds; peak memory of its process. Files are read from
../shared/data, or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accuracy
import numpy as np
import pandas as pd
from common import LEVELS, Timer, alone, arguments, data, geometric_mean, record, show

from forecaster import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.seasons import find_seasons
from forecaster.evaluation.backtest import baseline_forecast
from forecaster.evaluation.metrics import owa, seasonal_scale
from forecaster.pretrained.forecast import forecast_pretrained
from forecaster.pretrained.inputs import LEAST, make_frame
from forecaster.pretrained.windows import rows_read

SMOKE_SERIES = 20
#: Naive2 of M4 hourly, by which OWA is measured: sMAPE and MASE.
NAIVE2 = (18.383, 2.395)
MODELS = ("pretrained", "blend", "seasonal-naive", "AutoTheta", "AutoETS")


@dataclass(frozen=True)
class Competition:
    """A set of a competition.

    Attributes:
        season: told to the models.
        scaled_by: season of MASE.
        horizon: steps of the test file.
    """

    season: int
    scaled_by: int
    horizon: int


COMPETITIONS = {
    "m3_monthly": Competition(12, 12, 18),
    "m3_quarterly": Competition(4, 4, 8),
    "m3_yearly": Competition(1, 1, 6),
    "m4_hourly": Competition(24, 24, 48),
    "m4_weekly": Competition(52, 1, 13),
}
SETS = (*COMPETITIONS, *accuracy.SETS)


def series_of(name: str, split: str, most: int | None) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the histories of a competition and what came, ``(series, horizon)``."""
    found = []
    for part in ("train", "test"):
        path = next(path for end in (".csv", ".csv.gz") if (path := data(name) / f"{part}{end}").exists())
        table = pd.read_csv(path)
        if "value" in table:
            found.append([rows["value"].to_numpy(float) for _, rows in table.groupby("series", sort=True)])
        else:
            order = table.iloc[:, 0].argsort(kind="stable")
            found.append([row[~np.isnan(row)] for row in table.iloc[order, 1:].to_numpy(float)])
    histories, actual = found
    horizon = COMPETITIONS[name].horizon
    if split == "validation":
        pairs = [(row[:-horizon], row[-horizon:]) for row in histories if len(row) >= horizon + LEAST]
        histories, actual = [list(rows) for rows in zip(*pairs, strict=True)]
    return histories[:most], np.stack(actual[:most])


def panel_of(histories: list[np.ndarray]) -> Any:
    """Return the panel of series that count their steps."""
    frame = pd.DataFrame(
        {
            "series": np.repeat([f"s{i:06d}" for i in range(len(histories))], [len(row) for row in histories]),
            "step": np.concatenate([np.arange(len(row)) for row in histories]),
            "value": np.concatenate(histories),
        }
    )
    return build_panel(frame, Config.of(time="step", target="value", series=("series",)))[0]


def forecasts(model: str, histories: list[np.ndarray], season: int, horizon: int, fracast: str) -> np.ndarray:
    """Return forecasts, ``(series, horizon, 1 + 2 * levels)``; NaN for what a model does not give."""
    if model == "fracast":
        return _fracast(histories, horizon, fracast)
    if model == "pretrained":
        return forecast_pretrained(panel_of(histories), (season,), horizon, LEVELS).values
    if model == "blend":
        return _blend(histories, season, horizon)
    if model == "seasonal-naive":
        one = baseline_forecast(model, season, LEVELS)
        return np.asarray(one(panel_of(histories), horizon))
    return _statsforecast(model, histories, season, horizon)


def _blend(histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """Return the simple forecasts by their past errors, with no interval."""
    values = np.full((len(histories), horizon, 1 + 2 * len(LEVELS)), np.nan)
    read = rows_read(np.array([len(row) for row in histories]), season)
    for rows in np.unique(read).tolist():
        for which in np.array_split(np.flatnonzero(read == rows), -(-int((read == rows).sum()) // 256)):
            window = np.stack([histories[i][-rows:] for i in which])
            values[which, :, 0] = make_frame(window, np.ones(window.shape, bool), season, horizon).blend
    return values


def _statsforecast(model: str, histories: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
    from statsforecast import StatsForecast, models

    newest = [row[-1_008:] for row in histories]
    long = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(newest)), [len(row) for row in newest]),
            "ds": np.concatenate([np.arange(len(row)) - len(row) for row in newest]),
            "y": np.concatenate(newest),
        }
    )
    one = getattr(models, model)(season_length=season)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tool = StatsForecast([one], freq=1, n_jobs=2, fallback_model=models.SeasonalNaive(season))
        found = tool.forecast(df=long, h=horizon, level=list(LEVELS)).sort_values(["unique_id", "ds"])
    columns = [model, *(f"{model}-{end}-{level}" for level in LEVELS for end in ("lo", "hi"))]
    return found[columns].to_numpy(float).reshape(len(histories), horizon, len(columns))


def _fracast(histories: list[np.ndarray], horizon: int, python: str) -> np.ndarray:
    """Return the forecasts of fracast, run by a Python that has it; it has no 95 % interval."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.savez(place / "series.npz", *histories)
        (place / "job.json").write_text(json.dumps({"horizon": horizon}))
        child = Path(__file__).with_name("fracast_child.py")
        subprocess.run([python, str(child), folder], check=True)
        quantiles = np.load(place / "quantiles.npy")
    nothing = np.full(quantiles.shape[:2], np.nan)
    return np.stack([quantiles[:, :, 4], quantiles[:, :, 0], quantiles[:, :, 8], nothing, nothing], axis=2)


def measures(actual: np.ndarray, values: np.ndarray, histories: list[np.ndarray], scaled_by: int) -> dict[str, float]:
    """Return the mean over series of every measure; series without a scale are left out."""
    scales = np.array([seasonal_scale(row, scaled_by) for row in histories])
    known = scales > 0
    actual, values, scale = actual[known], values[known], scales[known, None]
    point, low, high = np.moveaxis(values[:, :, :3], 2, 0)
    missed, width = np.abs(actual - point), high - low
    outside = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    found = {
        "MASE": float((missed / scale).mean()),
        "sMAPE": float((200 * missed / np.maximum(np.abs(actual) + np.abs(point), 1e-300)).mean()),
        "coverage-80": float(((actual >= low) & (actual <= high)).mean()),
        "width-80": float((width / scale).mean()),
        "MSIS-80": float(((width + 10 * outside) / scale).mean()),
        "coverage-95": float(((actual >= values[:, :, 3]) & (actual <= values[:, :, 4])).mean()),
    }
    for name, bound in (("coverage-80", low), ("coverage-95", values[:, :, 3])):
        if np.isnan(bound).any():
            found[name] = float("nan")
    return found


def of_competition(model: str, name: str, split: str, most: int | None, fracast: str) -> dict[str, float]:
    """Return the measures of a model on a set of a competition, and its seconds."""
    about = COMPETITIONS[name]
    histories, actual = series_of(name, split, most)
    timer = Timer()
    values = forecasts(model, histories, about.season, about.horizon, fracast)
    seconds = timer.seconds
    found = measures(actual, values, histories, about.scaled_by)
    if name == "m4_hourly":
        found["OWA"] = owa(found["sMAPE"], found["MASE"], *NAIVE2)
    return {**found, "seconds": seconds, "series": len(histories)}


def of_set(model: str, name: str, fracast: str) -> dict[str, float]:
    """Return the measures of a model on one of the seven sets."""
    one, (frame, horizon) = accuracy.SETS[name], accuracy.frame_and_horizon(name)
    panel, _ = build_panel(frame, Config.of(target=one.target, **one.settings))
    known = panel.drop_newest(accuracy.ORIGINS * horizon)
    seasons, _ = find_seasons(known, panel.freq, None)

    def forecast(part: Any, steps: int) -> np.ndarray:
        if model == "pretrained":
            return forecast_pretrained(part, seasons, steps, LEVELS).values
        return forecasts(model, [part.values[rows] for rows in part.slices()], one.season, steps, fracast)

    timer = Timer()
    found = accuracy.measured(panel, {model: forecast}, horizon, one.season).loc[model]
    names = {"mase": "MASE", "coverage-80": "coverage-80", "width-80": "width-80", "msis-80": "MSIS-80"}
    return {
        **{new: float(found[old]) for old, new in names.items()},
        "coverage-95": float(found["coverage-95"]),
        "seconds": timer.seconds,
    }


def main() -> None:
    parser = arguments(__doc__, split=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--fracast", default="", help="a Python with fracast 0.1.0")
    given = parser.parse_args()
    models = [*given.models.split(","), *(["fracast"] if given.fracast else [])]
    most = SMOKE_SERIES if given.smoke else None
    results: dict[tuple[str, str], dict[str, float]] = {}
    for name in given.sets.split(","):
        for model in models:
            run: Callable[..., Any] = of_competition if name in COMPETITIONS else of_set
            more = (name, given.split, most, given.fracast) if name in COMPETITIONS else (name, given.fracast)
            found, peak = alone(run, model, *more)
            results[name, model] = {**found, "peak MB": peak}
            record(given.output, "no fit", {"set": name, "model": model, "split": given.split, **results[name, model]})
    table = pd.DataFrame.from_dict(results, orient="index")
    for measure in table.columns.drop(["series", "OWA"], errors="ignore"):
        wide = table[measure].unstack().reindex(given.sets.split(","))[models]
        seven = wide[wide.index.isin(list(accuracy.SETS))]
        if len(seven) == len(accuracy.SETS) and measure == "MASE":
            wide.loc["seven sets, geometric mean"] = geometric_mean(seven)
        elif len(seven) == len(accuracy.SETS):
            wide.loc["seven sets, mean"] = seven.mean(skipna=False)
        show(measure, wide)


if __name__ == "__main__":
    main()
