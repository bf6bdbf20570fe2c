"""What each ingredient of the default is for: MASE with one of them removed at a time.

    python benchmarks/ablation.py [--sets airline,co2] [--without calendar,segments] [--seeds 0,1] [--output FILE]
    python benchmarks/ablation.py --smoke --sets airline --without calendar       # half a minute

The sets, origins and measures are those of benchmarks/accuracy.py: one fit for each set, ingredient and seed, on the
rows before the first of five origins. KEY=VALUE are settings that all fits share. Prints a line for each fit, then the
table: MASE of the default and without each ingredient, the mean over the seeds, with the geometric mean over the sets
and its ratio to the default's: above 1, the ingredient pays. The files are read from ../shared/data, or from the folder
named by FORECASTER_DATA.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from accuracy import SETS, network
from common import SMOKE, alone, arguments, geometric_mean, record, settings_of, show

from forecaster.errors import DivergedError

#: The settings that take each ingredient out.
WITHOUT: dict[str, dict[str, Any]] = {
    "window normalisation": {"window_norm": "none"},
    "segments": {"segment": 1},
    "calendar": {"calendar": False},
    "baseline mix": {"base": "none"},
    "log": {"transform": "none"},
    "weight averaging": {"averaging": 0.0},
    "final run": {"final": False},
}
DEFAULT = "default"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", default=",".join(SETS), help="all by default")
    parser.add_argument("--without", default=",".join(WITHOUT), help="all by default")
    given = parser.parse_args()
    shared = {**(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    rows = []
    for name in given.sets.split(","):
        for ingredient in (DEFAULT, *given.without.split(",")):
            for seed in given.seeds:
                row: dict[str, Any] = {"set": name, "without": ingredient, "seed": seed}
                try:
                    removed = WITHOUT.get(ingredient, {}) if ingredient == DEFAULT else WITHOUT[ingredient]
                    (found, seconds), peak = alone(network, name, "default", seed, {**shared, **removed})
                    row |= {"mase": float(found["mase"].iloc[0]), "fit s": seconds, "peak MB": peak}
                except DivergedError as error:
                    row |= {"mase": float("nan"), "diverged": str(error)}
                record(given.output, "ablation", {**row, "settings": shared})
                rows.append(row)
    runs = pd.DataFrame(rows).groupby(["without", "set"], sort=False)["mase"]
    table = runs.mean().where(runs.count() == len(given.seeds)).unstack()
    table["geometric mean"] = geometric_mean(table.T)
    table["of the default"] = table["geometric mean"] / table.loc[DEFAULT, "geometric mean"]
    show("MASE without", table)


if __name__ == "__main__":
    main()
