"""Do covariates and masks earn their place?

    python benchmarks/covariates.py [beijing] [driven] [masked] [--seed 0]

beijing: PM2.5 in Beijing 24 hours ahead, over five rolling origins, with the weather as covariates and without.
driven: a generated series driven by a covariate that is known beyond the cutoff, with it and without.
masked: two series of which 30 % of the rows are removed, the holes masked or filled from the past.

MASE is scaled by the seasonal naive error of the rows before the first origin. The files are read from ../shared/data,
or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster import Config, Forecaster
from forecaster.data.panel.build import build_panel
from forecaster.data.readers.sources import read_table
from forecaster.evaluation.backtest import Origins, backtest, baseline_forecast
from forecaster.evaluation.metrics import seasonal_scale
from forecaster.evaluation.summary import summarise

DATA = Path(os.environ.get("FORECASTER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ORIGINS, MASKED_ORIGINS, HORIZON, LEVELS = 5, 20, 24, (80, 95)


def scores(frame: pd.DataFrame, period: int, seed: int, actual: pd.DataFrame | None = None, **settings: object) -> dict:
    """Fit before five origins of a table and return the network's measures over them, and the seconds of the fit.

    ``actual``: the table that is scored, where the one that is read has holes in it.
    """
    origins = ORIGINS if actual is None else MASKED_ORIGINS
    began = time.perf_counter()
    forecaster = Forecaster(HORIZON, seed=seed, holdout=origins * HORIZON, **settings).fit(frame)
    seconds = time.perf_counter() - began
    if forecaster.model.record["interrupted"]:
        raise KeyboardInterrupt  # a network trained by half is no result
    panel, _ = forecaster.panel(frame)
    models = {"network": lambda known, steps: forecaster.forecast_panel(known, steps, LEVELS)}
    models["seasonal-naive"] = baseline_forecast("seasonal-naive", period, LEVELS)
    table = backtest(panel, models, HORIZON, Origins(origins), season=period, levels=LEVELS)
    training = panel.drop_newest(origins * HORIZON)
    if actual is not None:
        whole, _ = build_panel(actual, Config.of(**settings))
        known = dict(zip(whole.times, whole.values, strict=True))
        table["actual"] = [known[t] for t in pd.DatetimeIndex(table["time"]).tz_localize(None).to_numpy()]
        table["observed"] = True
        training = whole.drop_newest(origins * HORIZON)
    scale = seasonal_scale(training.values, period, training.observed)
    summary = summarise(table, {"": scale}).set_index("model")
    return {"MASE": summary.loc["network", "mase"], "naive": summary.loc["seasonal-naive", "mase"], "s": seconds}


def beijing(seed: int) -> dict[str, dict]:
    """PM2.5 with and without the weather."""
    frame = read_table(DATA / "beijing_pollution.csv")
    settings = {"target": "pm2.5"}
    return {
        "weather as past covariates": scores(frame, 24, seed, past="DEWP,TEMP,PRES,cbwd,Iws,Is,Ir", **settings),
        "default: used where they help": scores(frame, 24, seed, **settings),
        "no covariates": scores(frame, 24, seed, covariates=False, **settings),
    }


def driven(seed: int) -> dict[str, dict]:
    """A season, a slow wave, and what a known covariate does to them, with noise of a hundredth."""
    rng = np.random.default_rng(seed)
    hours = np.arange(3000)
    known = np.repeat(rng.normal(size=len(hours) // 6), 6) + 0.3 * rng.normal(size=len(hours))
    effect = 4 * np.tanh(known) + known
    value = 20 + 3 * np.sin(2 * np.pi * hours / 24) + np.sin(2 * np.pi * hours / 700) + effect
    frame = pd.DataFrame(
        {"time": pd.date_range("2024-01-01", periods=len(hours), freq="h"), "plan": known}
        | {"value": value + 0.05 * rng.normal(size=len(hours))}
    )
    return {
        "known beyond the cutoff": scores(frame, 24, seed, target="value", future_columns="plan"),
        "not known": scores(frame, 24, seed, target="value", covariates=False),
    }


def masked(seed: int) -> dict[str, dict]:
    """The holes of two series, masked or filled: means over three draws of what is removed, and more origins."""
    draws = [_masked(draw) for draw in range(seed, seed + 3)]
    return {
        name: {key: np.mean([draw[name][key] for draw in draws]) for key in part} for name, part in draws[0].items()
    }


def _masked(seed: int) -> dict[str, dict]:
    found = {}
    sets = (("ETTh1", "ETTh1.csv", "OT"), ("sea temperature", "sea_surface_temperature.csv.gz", None))
    for name, file, target in sets:
        whole = read_table(DATA / file).drop_duplicates(ignore_index=True)
        keep = np.random.default_rng(seed).random(len(whole)) > 0.3
        settings = {"target": target, "covariates": False, "season": 24 if target else 48, "duplicates": "first"}
        settings["freq"] = "h" if target else "30min"
        for gaps in ("mask", "fill"):
            found[f"{name}, gaps {gaps}"] = scores(
                whole[keep], settings["season"], seed, actual=whole, gaps=gaps, **settings
            )
    return found


PARTS: dict[str, Callable[[int], dict[str, dict]]] = {"beijing": beijing, "driven": driven, "masked": masked}


def main() -> None:
    """Print a table for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.parts or PARTS:
        table = pd.DataFrame(PARTS[name](given.seed)).T
        print(f"\n{name}\n{table.to_string(float_format='{:.3f}'.format)}", flush=True)


if __name__ == "__main__":
    main()
