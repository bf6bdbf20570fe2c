"""M4 hourly, 414 series and one network, against the competition: sMAPE, MASE and OWA.

    python benchmarks/m4_hourly.py [--seeds 0,1,2] [--output results.jsonl] [KEY=VALUE ...]
    python benchmarks/m4_hourly.py --split validation lookback=336     # choose settings
    python benchmarks/m4_hourly.py --smoke                             # a minute

The training file is given to fit as it is: a series in every row, no dates, 700 to 960 readings; 48 steps are forecast
from the end of each and scored once against the test file. With --split validation the newest 48 training readings of
each series are held out and scored instead, and the test file is not read. The measures are the competition's
(Makridakis, Spiliotis & Assimakopoulos 2020, IJF 36(1)): sMAPE and MASE of each series, season 24, then their mean over
the series; OWA is the mean of their ratios to Naive2's 18.383 and 2.395. KEY=VALUE are settings of the forecaster.

Prints a line for each fit (measures, coverage of the intervals, seconds, peak memory of its process), then the
competition's table with our row in it. Files are read from ../shared/data/m4_hourly, or from FORECASTER_DATA.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from common import (
    LEVELS,
    SMOKE,
    arguments,
    competition_measures,
    data,
    fit_and_forecast,
    of_seeds,
    settings_of,
    show,
    values_of,
)

from forecaster.evaluation.metrics import owa

HORIZON, SEASON = 48, 24
#: sMAPE and MASE of Naive2, which OWA is measured by.
NAIVE2 = (18.383, 2.395)

#: sMAPE, MASE and OWA as published.
PUBLISHED = {
    "seasonal naive": (13.912, 1.193, 0.627),
    "Keras RNN of the competition": (14.698, 3.048, 1.036),
    "Theta": (18.138, 2.455, 1.006),
    "FFORMA": (11.506, 0.819, 0.484),
    "ES-RNN, the winner": (9.328, 0.893, 0.440),
    "best published": (np.nan, np.nan, 0.410),
}

#: Settings chosen on the newest training readings.
CHOSEN: dict[str, Any] = {
    "loss": "mae",
    "scaling": "seasonal",
    "lookback": 336,
    "members": 3,
    "patience": 12,
}


def rows_of(split: str) -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray]]:
    """Return what may be learned from, a series in every row; what came, ``(series, 48)``; and every history."""
    training = pd.read_csv(data("m4_hourly/train.csv"))
    values = training.iloc[:, 1:].to_numpy(float)
    histories = [row[np.isfinite(row)] for row in values]
    if split == "test":
        test = pd.read_csv(data("m4_hourly/test.csv")).set_index("V1").loc[training["V1"]]
        return training, test.to_numpy(float), histories
    actual = np.stack([history[-HORIZON:] for history in histories])
    histories = [history[:-HORIZON] for history in histories]
    kept = np.arange(values.shape[1]) < np.array([len(history) for history in histories])[:, None]
    training = pd.concat([training.iloc[:, :1], training.iloc[:, 1:].where(kept)], axis=1)
    return training.dropna(axis=1, how="all"), actual, histories


def measures(actual: np.ndarray, forecast: np.ndarray, histories: list[np.ndarray]) -> dict[str, float]:
    """Return sMAPE, MASE and OWA of forecasts, ``(series, 48)``."""
    found = competition_measures(actual, forecast, histories, SEASON)
    return {**found, "OWA": owa(found["sMAPE"], found["MASE"], *NAIVE2)}


def seasonal_naive(histories: list[np.ndarray]) -> np.ndarray:
    """Return the last day of each series, twice."""
    return np.stack([np.tile(history[-SEASON:], HORIZON // SEASON) for history in histories])


def scored(seed: int, settings: Mapping[str, Any], split: str = "test") -> dict[str, Any]:
    """Fit once on all series, forecast once, and return the measures, the seconds and the size of the network."""
    training, actual, histories = rows_of(split)
    table, about = fit_and_forecast(training, HORIZON, {**settings, "seed": seed})
    ids, inside = training["V1"].tolist(), {}
    for level in LEVELS:
        low, high = (values_of(table, ids, HORIZON, f"{end}-{level}") for end in ("lo", "hi"))
        inside[f"coverage-{level}"] = float(((low <= actual) & (actual <= high)).mean())
    return {**measures(actual, values_of(table, ids, HORIZON), histories), **inside, **about}


def main() -> None:
    given = arguments(__doc__, split=True).parse_args()
    settings = {**CHOSEN, **(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    name, ours = of_seeds(given, "M4 hourly", scored, settings, given.split, settings=settings)
    _, actual, histories = rows_of(given.split)
    table = dict(PUBLISHED) if given.split == "test" else {}
    table["seasonal naive, computed here"] = tuple(measures(actual, seasonal_naive(histories), histories).values())
    table[name] = tuple(ours[["sMAPE", "MASE", "OWA"]])
    show("M4 hourly", pd.DataFrame.from_dict(table, orient="index", columns=["sMAPE", "MASE", "OWA"]))


if __name__ == "__main__":
    main()
