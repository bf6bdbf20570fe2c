"""Every network of the zoo under the same budget: error, seconds and parameters on ETTh1-96 and M4 hourly.

    python benchmarks/zoo.py --output zoo.jsonl [--only lstm,tcn] [--parts etth1,m4] [--seeds 0] [KEY=VALUE ...]
    python benchmarks/zoo.py --output zoo.jsonl --table         # only print the table of what the file holds
    python benchmarks/zoo.py --split validation                 # to choose a network by; reads no test row
    python benchmarks/zoo.py --smoke --only gru --parts m4      # half a minute

The budget is the same for all: the same windows, epochs, patience and batch size, those of the defaults but for
KEY=VALUE, and the default sizes of each network. ETTh1 is scored by benchmarks/etth1.py's protocol at horizon 96, M4
hourly by benchmarks/m4_hourly.py's. A row is written as soon as it is known, each fit in a process of its own. Rows
that --output already holds of the same settings and version of the code are not run again, so that a table can be made
in several sittings. --jobs N runs fits side by side, of one thread each; their seconds say little then. A network that
fails is a row too, with what it said. The files are read from ../shared/data, or from FORECASTER_DATA.
"""

from __future__ import annotations

from typing import Any

import m4_hourly
import multivariate
import pandas as pd
from common import SMOKE, alone, arguments, settings_of, show
from etth1 import PROTOCOL
from sittings import Sittings, add_options, side_by_side

from forecaster.families import NETWORKS

HORIZON = 96
#: The columns of each part's table.
PARTS = {"etth1": ["MSE", "MAE"], "m4": ["sMAPE", "MASE", "OWA"]}
COLUMNS = ["fit s", "forecast s", "epochs", "parameters", "peak MB", "failed"]


def scored(key: tuple[str, str, int], settings: dict[str, Any], split: str) -> dict[str, Any]:
    """Return the result of one fit of a network, a part and a seed; where it failed, what it said."""
    network, part, seed = key
    function, args = (multivariate.scored, (PROTOCOL, HORIZON)) if part == "etth1" else (m4_hourly.scored, ())
    try:
        found, peak = alone(function, *args, seed, {**settings, "network": network}, split)
    except Exception as error:  # one network must not end a run of hours over all of them
        return {"failed": f"{type(error).__name__}: {error}"}
    return {**found, "peak MB": peak}


def main() -> None:
    parser = arguments(__doc__, split=True)
    parser.add_argument("--only", default=",".join(NETWORKS), help="networks; all by default")
    parser.add_argument("--parts", default=",".join(PARTS), help="etth1,m4")
    add_options(parser)
    given = parser.parse_args()
    settings = {**(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    sittings = Sittings("zoo", given.output, ("network", "part", "seed"), {"split": given.split, "settings": settings})
    wanted = [(n, p, s) for n in given.only.split(",") for p in given.parts.split(",") for s in given.seeds]
    missing = [] if given.table else sittings.missing(wanted)
    for key, found in side_by_side(lambda key: scored(key, settings, given.split), missing, given.jobs):
        sittings.add(key, found)
    table = sittings.table()
    for part, found in table.groupby("part", sort=False):
        kinds = {name: "first" if name == "failed" else "mean" for name in (*PARTS[part], *COLUMNS) if name in found}
        found = found.groupby("network", sort=False).agg(kinds).dropna(axis=1, how="all")
        found = pd.concat([found, simple(part, given.split)])
        found = found.sort_values([name for name in PARTS[part] if name in found])
        show(part, found.assign(failed=found["failed"].fillna("")) if "failed" in found else found)


def simple(part: str, split: str) -> pd.DataFrame:
    """Return the errors of the forecast that a network has to beat, as a row of the table."""
    if part == "etth1":
        errors = multivariate.errors(
            multivariate.repeated(*PROTOCOL.frame(split), HORIZON), PROTOCOL.deviations().to_numpy()
        )
        return pd.DataFrame({name: errors[name] for name in PARTS[part]}, index=["repeat last value"])
    _, actual, histories = m4_hourly.rows_of(split)
    errors = m4_hourly.measures(actual, m4_hourly.seasonal_naive(histories), histories)
    return pd.DataFrame(errors, index=["seasonal naive"])


if __name__ == "__main__":
    main()
