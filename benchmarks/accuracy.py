"""How good the default network is, and its intervals: seven real sets, five rolling origins each, one fit per set.

    python benchmarks/accuracy.py [--sets airline,co2] [--seeds 0] [--output results.jsonl] [KEY=VALUE ...]
    python benchmarks/accuracy.py --recipes default,textbook,stacked      # the tutorials' networks beside it; hours
    python benchmarks/accuracy.py --smoke --sets airline                  # half a minute

Each network is fitted once, on the rows before the first origin, with defaults but for KEY=VALUE, and then forecasts
from every origin, a horizon apart, with the newest rows as input; the baselines are fitted anew at each origin. The
measures are taken on the same windows: MASE, scaled by the seasonal naive error of the rows before the first origin;
coverage and mean width of the 80 % and 95 % intervals, the width scaled as MASE is; and MSIS, the Winkler score so
scaled. A panel counts each of its series once, and the means over the sets each set once.

Prints a line for each set and seed, then tables of each measure, and at the end what they come to: the geometric mean
of MASE against the best single baseline's, the worst set against naive and against seasonal naive, coverage, and width
against AutoETS's. The files are read from ../shared/data, or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from common import (
    LEVELS,
    SMOKE,
    Timer,
    alone,
    arguments,
    data,
    geometric_mean,
    record,
    scaled_measures,
    settings_of,
    show,
)

from forecaster import Config, Forecaster
from forecaster.data.panel.build import build_panel
from forecaster.data.readers.sources import read_table
from forecaster.data.time.horizon import default_horizon
from forecaster.errors import DivergedError
from forecaster.evaluation.backtest import Origins, backtest, baseline_forecast
from forecaster.evaluation.metrics import seasonal_scale

ORIGINS = 5
BASELINES = ("naive", "seasonal-naive", "drift", "AutoETS", "AutoTheta")
MEASURES = ("mase", *(f"{name}-{level}" for name in ("coverage", "width", "msis") for level in LEVELS))


@dataclass(frozen=True)
class Set:
    """One set.

    Attributes:
        file: in the data folder.
        target: column to forecast.
        season: nominal season, which scales MASE and is given to the baselines; the networks infer their own.
        settings: what a person has to say of the data beside the target.
    """

    file: str
    target: str
    season: int
    settings: Mapping[str, Any] = field(default_factory=dict)


SETS = {
    "airline": Set("airline_passengers.csv", "Passengers", 12),
    "co2": Set("co2_weekly.csv", "co2", 52),
    "seattle": Set("seattle_weather.csv", "temp_max", 7),
    "ETTh1": Set("ETTh1.csv", "OT", 24),
    "AAPL": Set("AAPL.csv", "Close", 5),
    "nyc": Set("nyc_weather.csv", "temp", 24, {"series": "origin"}),
    "beijing": Set("beijing_pollution.csv", "pm2.5", 24),
}


def frame_and_horizon(name: str) -> tuple[pd.DataFrame, int]:
    """Return the table of a set and the usual horizon of its freq."""
    one = SETS[name]
    frame = read_table(data(one.file))
    panel, _ = build_panel(frame, Config.of(target=one.target, **one.settings))
    return frame, default_horizon(panel.freq)


def network(name: str, recipe: str, seed: int, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, float]:
    """Return the measures of a network on one set, its name as index, and the seconds of the fit."""
    one, (frame, horizon) = SETS[name], frame_and_horizon(name)
    given = {"target": one.target, **one.settings, **settings, "seed": seed, "holdout": ORIGINS * horizon}
    timer = Timer()
    forecaster = Forecaster(recipe=recipe, **given).fit(frame)
    seconds = timer.seconds
    panel, _ = forecaster.panel(frame)
    known = panel.drop_newest(ORIGINS * horizon)
    assert (forecaster.model.history.last == known.last).all(), "the network has learned from rows that are scored"
    models = {recipe: lambda known, steps: forecaster.forecast_panel(known, steps, LEVELS)}
    return measured(panel, models, horizon, one.season), seconds


def baselines(name: str) -> tuple[pd.DataFrame, float]:
    """Return the measures of the baselines on one set, and the seconds of all of them."""
    one, (frame, horizon) = SETS[name], frame_and_horizon(name)
    panel, _ = build_panel(frame, Config.of(target=one.target, **one.settings))
    timer = Timer()
    models = {baseline: baseline_forecast(baseline, one.season, LEVELS) for baseline in BASELINES}
    return measured(panel, models, horizon, one.season), timer.seconds


def measured(panel: Any, models: Mapping[str, Any], horizon: int, season: int) -> pd.DataFrame:
    """Return :data:`MEASURES` of models over the origins of a panel, models as index."""
    table = backtest(panel, models, horizon, Origins(ORIGINS), season=season, levels=LEVELS)
    training = panel.drop_newest(ORIGINS * horizon)
    scales = {
        name: seasonal_scale(training.values[rows], season, training.observed[rows])
        for name, rows in zip(training.ids, training.slices(), strict=True)
    }
    return scaled_measures(table, scales)[list(MEASURES)]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", default=",".join(SETS), help="all by default")
    parser.add_argument("--recipes", default="default")
    given = parser.parse_args()
    recipes = given.recipes.split(",")
    results = pd.concat({name: of_set(name, recipes, given) for name in given.sets.split(",")}, names=["set", "model"])
    for measure in (*MEASURES, "fit s"):
        table = by_set(results, measure)
        if measure.startswith("coverage"):
            table.loc["mean"] = table.mean(skipna=False)
        else:
            table.loc["geometric mean"] = geometric_mean(table)
        show(measure, table[[model for model in (*recipes, *BASELINES) if model in table]])
    for recipe in recipes:
        conclude(recipe, results)


def of_set(name: str, recipes: Sequence[str], given: argparse.Namespace) -> pd.DataFrame:
    """Return the measures of all models on one set, the mean over the seeds; a network that diverged is left out."""
    settings = {**(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    (found, seconds), _ = alone(baselines, name)
    record(given.output, "accuracy", {"set": name, "baselines s": seconds, "mase": found["mase"].to_dict()})
    parts = [found]
    for recipe in recipes:
        runs = []
        for seed in given.seeds:
            try:
                (ours, seconds), peak = alone(network, name, recipe, seed, settings)
            except DivergedError as error:
                print(f"{name} {recipe}: {error}", flush=True)
                break
            row = {"set": name, "recipe": recipe, "seed": seed, **ours.loc[recipe], "fit s": seconds, "peak MB": peak}
            record(given.output, "accuracy", {**row, "settings": settings})
            runs.append(ours.assign(**{"fit s": seconds}))
        else:
            parts.append(pd.concat(runs).groupby(level=0).mean())
    return pd.concat(parts)


def by_set(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return one measure, sets as rows and models as columns; a model that has it of no set is left out."""
    return results[measure].unstack("model").loc[results.index.unique("set")].dropna(axis=1, how="all")


def conclude(recipe: str, results: pd.DataFrame) -> None:
    """Print what the tables come to for one network, beside what it is measured against."""
    mase = by_set(results, "mase")
    if recipe not in mase or mase[recipe].isna().any():
        print(f"\n{recipe}: no conclusion, it diverged")
        return
    means = geometric_mean(mase)
    best = means[list(BASELINES)].idxmin()
    print(f"\n{recipe}: geometric-mean MASE {means[recipe]:.3f}, {means[recipe] / means[best]:.3f} of {best}'s")
    for reference in ("naive", "seasonal-naive"):
        ratio = mase[recipe] / mase[reference]
        print(f"{recipe}: worst set against {reference}: {ratio.max():.3f} of its MASE, on {ratio.idxmax()}")
    for level in LEVELS:
        coverage, width = (by_set(results, f"{measure}-{level}") for measure in ("coverage", "width"))
        covered, means = coverage.mean(), width.mean()
        ratio = geometric_mean(width[recipe] / width["AutoETS"])
        print(
            f"{recipe}: {level} % intervals cover {covered[recipe]:.1%} (AutoETS {covered['AutoETS']:.1%}), mean width "
            f"{means[recipe]:.3f} (AutoETS {means['AutoETS']:.3f}), geometric mean of their ratios {ratio:.3f}"
        )


if __name__ == "__main__":
    main()
