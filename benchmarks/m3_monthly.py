"""M3 monthly, 1,428 series and one network, beside AutoTheta, AutoETS and seasonal naive fitted in the same run.

    python benchmarks/m3_monthly.py [--seeds 0,1,2] [--output results.jsonl] [KEY=VALUE ...]
    python benchmarks/m3_monthly.py --split validation lookback=36     # choose settings
    python benchmarks/m3_monthly.py --smoke                            # a minute: the first 40 series

The training file is given to fit as it is: long, no dates, months counted 1, 2, 3; 48 to 126 months, season 12. 18
months are forecast from the end of each series and scored once against the test file. With --split validation the
newest 18 training months are held out and scored instead, and the test file is not read. sMAPE and MASE are of each
series, then their mean over the series. AutoTheta and AutoETS are statsforecast's, one model a series, in two processes
whose start counts in their seconds. KEY=VALUE are settings of the forecaster.

Prints a line for each fit (measures, seconds, peak memory of its process), then the table. Files are read from
../shared/data/m3_monthly, or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from common import (
    SMOKE,
    Timer,
    alone,
    arguments,
    competition_measures,
    data,
    fit_and_forecast,
    of_seeds,
    record,
    settings_of,
    show,
    values_of,
)

HORIZON, SEASON = 18, 12
SMOKE_SERIES = 40
#: Means over all 3,003 series of the competition, of which these are 1,428; for orientation.
PUBLISHED = {"Theta, all 3,003 series": (12.762, 1.395), "Naive2, all 3,003 series": (14.742, 1.665)}

#: Settings chosen on the newest training months.
CHOSEN: dict[str, Any] = {
    "transform": "log",
    "scaling": "seasonal",
    "loss": "mae",
    "lookback": 72,
    "window_norm": "mean-std",
    "validation": 18,
    "keep": "last",
    "epochs": 24,
    "batch_size": 256,
    "learning_rate": 4e-3,
    "averaging": 0.5,
    "members": 3,
}


def rows_of(split: str, most: int | None = None) -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray]]:
    """Return the training table, what came, ``(series, 18)``, and every history, in the order of the table."""
    training = pd.read_csv(data("m3_monthly/train.csv.gz"))
    names = training["series"].unique()[:most]
    training = training[training["series"].isin(names)].reset_index(drop=True)
    if split == "test":
        test = pd.read_csv(data("m3_monthly/test.csv.gz"))
    else:
        newest = training.groupby("series").cumcount(ascending=False) < HORIZON
        test, training = training[newest], training[~newest].reset_index(drop=True)
    actual = {name: part["value"].to_numpy(float) for name, part in test.groupby("series")}
    histories = {name: part["value"].to_numpy(float) for name, part in training.groupby("series")}
    return training, np.stack([actual[name] for name in names]), [histories[name] for name in names]


def scored(seed: int, settings: Mapping[str, Any], split: str = "test", most: int | None = None) -> dict[str, Any]:
    """Fit once on all series, forecast once, and return the measures and the seconds."""
    training, actual, histories = rows_of(split, most)
    table, about = fit_and_forecast(training, HORIZON, {"season": SEASON, **settings, "seed": seed})
    values = values_of(table, training["series"].unique(), HORIZON)
    return {**competition_measures(actual, values, histories, SEASON), **about}


def baseline(name: str, split: str, most: int | None) -> dict[str, float]:
    """Return the measures of one model of statsforecast, fitted to every series by itself, and its seconds."""
    from statsforecast import StatsForecast, models

    training, actual, histories = rows_of(split, most)
    long = training.rename(columns={"series": "unique_id", "month": "ds", "value": "y"})
    model = getattr(models, name)(season_length=SEASON)
    timer = Timer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = StatsForecast([model], freq=1, n_jobs=2, fallback_model=models.SeasonalNaive(SEASON)).forecast(
            df=long, h=HORIZON
        )
    seconds = timer.seconds
    forecast = {key: part[name].to_numpy(float) for key, part in found.groupby("unique_id")}
    values = np.stack([forecast[key] for key in training["series"].unique()])
    return {**competition_measures(actual, values, histories, SEASON), "fit s": seconds}


def main() -> None:
    parser = arguments(__doc__, split=True)
    parser.add_argument("--baselines", default="SeasonalNaive,AutoTheta,AutoETS", help="of statsforecast.models")
    given = parser.parse_args()
    settings = {**CHOSEN, **(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    most = SMOKE_SERIES if given.smoke else None
    table = {}
    if given.split == "test":
        table = {name: {"sMAPE": row[0], "MASE": row[1]} for name, row in PUBLISHED.items()}
    for name in filter(None, given.baselines.split(",")):
        table[name], peak = alone(baseline, name, given.split, most)
        record(given.output, "M3 monthly", {"model": name, "split": given.split, **table[name], "peak MB": peak})
    name, ours = of_seeds(
        given, "M3 monthly", scored, settings, given.split, most, model="forecaster", settings=settings
    )
    table[name] = dict(ours[["sMAPE", "MASE", "fit s"]])
    show(f"M3 monthly, {len(rows_of(given.split, most)[1]):,} series", pd.DataFrame.from_dict(table, orient="index"))


if __name__ == "__main__":
    main()
