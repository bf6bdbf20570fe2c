"""What each ingredient of the default is for: MASE with one of them removed at a time.

    python benchmarks/ablation.py --output ablation.jsonl [--sets airline,co2] [--without calendar,segments]
                                  [--seeds 0,1] [--jobs N] [KEY=VALUE ...]
    python benchmarks/ablation.py --output ablation.jsonl --table                 # only print what the file holds
    python benchmarks/ablation.py --smoke --sets airline --without calendar       # half a minute

The sets, origins and measures are those of benchmarks/accuracy.py: one fit for each set, ingredient and seed, on the
rows before the first of five origins. KEY=VALUE are settings that all fits share. Rows that --output already holds of
the same settings and version of the code are not run again. --jobs runs fits side by side, of one thread each.

Prints a line for each fit, then the table: MASE of the default and without each ingredient, the mean over the seeds,
and after it the standard deviation over them where there are several. The last columns are taken over the sets that
every row has whole: the geometric mean, and its ratio to the default's: above 1, the ingredient pays. The files are
read from ../shared/data, or from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from accuracy import SETS, network
from common import SMOKE, alone, arguments, geometric_mean, settings_of, show
from sittings import Sittings, add_options, side_by_side

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


def scored(key: tuple[str, str, int], shared: dict[str, Any]) -> dict[str, Any]:
    """Return MASE, seconds and memory of one fit; where it diverged, what was said."""
    name, ingredient, seed = key
    settings = {**shared, **({} if ingredient == DEFAULT else WITHOUT[ingredient])}
    try:
        (found, seconds), peak = alone(network, name, "default", seed, settings)
    except DivergedError as error:
        return {"mase": float("nan"), "diverged": str(error)}
    return {"mase": float(found["mase"].iloc[0]), "fit s": seconds, "peak MB": peak}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each ingredient: MASE of each set, then the geometric mean over the sets that all rows have.

    Args:
        rows: ``set``, ``without``, ``seed`` and ``mase``, NaN where training diverged.

    Returns:
        Text, the mean over the seeds with the standard deviation after it; empty where a seed is not there.
    """
    runs = rows.pivot_table(index=["without", "seed"], columns="set", values="mase", sort=False, dropna=False)
    seeds = rows["seed"].unique()
    runs = runs.reindex(pd.MultiIndex.from_product([rows["without"].unique(), seeds], names=["without", "seed"]))
    whole = runs.columns[runs.notna().all()]
    means = runs.groupby("without", sort=False).mean().where(runs.groupby("without", sort=False).count() == len(seeds))
    spread = runs.groupby("without", sort=False).std()
    if len(whole):
        heading = f"mean of {len(whole)} sets"
        for_seed = geometric_mean(runs[whole].T)
        means[heading] = geometric_mean(means[whole].T)
        spread[heading] = for_seed.groupby("without", sort=False).std()
        if DEFAULT in means.index:
            means["of the default"] = means[heading] / means.loc[DEFAULT, heading]
            ratios = for_seed / for_seed.loc[DEFAULT].reindex(for_seed.index.get_level_values("seed")).to_numpy()
            spread["of the default"] = ratios.groupby("without", sort=False).std()
    return pd.DataFrame({name: [*map(_cell, means[name], spread[name])] for name in means}, index=means.index)


def _cell(mean: float, spread: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.3f}" + ("" if pd.isna(spread) else f" ±{spread:.3f}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", default=",".join(SETS), help="all by default")
    parser.add_argument("--without", default=",".join(WITHOUT), help="all by default")
    add_options(parser)
    given = parser.parse_args()
    shared = {**(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    sittings = Sittings("ablation", given.output, ("set", "without", "seed"), {"settings": shared})
    names, without = given.sets.split(","), [DEFAULT, *given.without.split(",")]
    wanted = [] if given.table else [(n, w, s) for n in names for w in without for s in given.seeds]
    for key, found in side_by_side(lambda key: scored(key, shared), sittings.missing(wanted), given.jobs):
        sittings.add(key, found)
    rows = sittings.table()
    if wanted:
        rows = rows[[key in wanted for key in rows[["set", "without", "seed"]].itertuples(index=False, name=None)]]
    show("MASE without", summary(rows))


if __name__ == "__main__":
    main()
