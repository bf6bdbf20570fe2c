"""How good the default network is: five real series, five rolling origins each, one fit with defaults.

    python benchmarks/accuracy.py [SET ...] [--recipes default,textbook,stacked] [--seed 0]

Each network is fitted once, on the rows before the first origin, and then forecasts from every origin with the newest
rows as input; AutoETS and AutoTheta are fitted anew at each origin. MASE is scaled by the seasonal naive error of the
rows before the first origin. The files are read from ../shared/data, or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster import Config, Forecaster
from forecaster.data.repair import build_panel
from forecaster.data.tables.sources import read_table
from forecaster.data.time.horizons import default_horizon
from forecaster.errors import DivergedError
from forecaster.evaluation.backtest import backtest, baseline_forecast, summarise
from forecaster.evaluation.metrics import seasonal_scale

DATA = Path(os.environ.get("FORECASTER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ORIGINS = 5
LEVELS = (80, 95)

#: File, target and nominal season. The season scales MASE and is given to the baselines; the networks infer their own.
SETS = {
    "airline": ("airline_passengers.csv", "Passengers", 12),
    "co2": ("co2_weekly.csv", "co2", 52),
    "seattle": ("seattle_weather.csv", "temp_max", 7),
    "ETTh1": ("ETTh1.csv", "OT", 24),
    "AAPL": ("AAPL.csv", "Close", 5),
}


def evaluate(name: str, recipe: str, seed: int, baselines: tuple[str, ...]) -> tuple[pd.DataFrame, float]:
    """Return the measures of each model on one set, and the seconds of the fit."""
    file, target, season = SETS[name]
    frame = read_table(DATA / file)
    panel, _ = build_panel(frame, Config.of(target=target))
    horizon = default_horizon(panel.freq)
    began = time.perf_counter()
    forecaster = Forecaster(recipe=recipe, seed=seed, target=target, holdout=ORIGINS * horizon).fit(frame)
    seconds = time.perf_counter() - began
    panel, _ = forecaster.panel(frame)
    models = {recipe: lambda known, steps: forecaster.forecast_panel(known, steps, LEVELS)}
    models |= {name: baseline_forecast(name, season, LEVELS) for name in baselines}
    table = backtest(panel, models, horizon, origins=ORIGINS, season=season, levels=LEVELS)
    training = panel.drop_newest(ORIGINS * horizon)
    assert table["cutoff"].min() == training.times[-1], "the network has learned from rows that are scored"
    scale = seasonal_scale(training.values, season, training.observed)
    return summarise(table, {"": scale}).set_index("model"), seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=", ".join(SETS))
    parser.add_argument("--recipes", default="default,textbook,stacked")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: dict[str, dict[str, float]] = {}
    coverage: dict[int, dict[str, dict[str, float]]] = {level: {} for level in LEVELS}
    for name in given.sets or SETS:
        mases: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for recipe in given.recipes.split(","):
            baselines = () if mases else ("naive", "seasonal-naive", "drift", "AutoETS", "AutoTheta")
            try:
                found, seconds[f"fit {recipe}, s"] = evaluate(name, recipe, given.seed, baselines)
            except DivergedError as error:
                print(f"{name} {recipe}: {error}", flush=True)
                mases[recipe] = float("nan")
                continue
            mases |= found["mase"].to_dict()
            for level in LEVELS:
                coverage[level].setdefault(name, {}).update(found[f"coverage-{level}"])
        rows[name] = mases | seconds
        print(name, {k: round(float(v), 3) for k, v in rows[name].items()}, flush=True)
    table = pd.DataFrame(rows).T
    table.loc["geometric mean"] = np.exp(np.log(table).mean(skipna=False))  # none where a network diverged on a set
    print("\nMASE, and seconds of the fit\n" + table.to_string(float_format="{:.3f}".format))
    for level in LEVELS:
        shares = pd.DataFrame.from_dict(coverage[level], orient="index")
        print(f"\ncoverage of the {level} % intervals\n" + shares.to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
