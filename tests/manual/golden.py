"""Write the golden models of this version: small model directories, and the forecast that each must give for ever.

Run it once for each released version, and commit what it writes: ``python tests/manual/golden.py``. A folder that is
there already is left alone: what an older version wrote is what must be read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import forecaster
from forecaster import Forecaster

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SMALL: dict[str, Any] = {
    **{"target": "sold", "horizon": 4, "lookback": 14, "season": (7,), "segment": 7},
    **{"units": (3,), "base": "last", "epochs": 2, "final": False},
}


def sales(days: int = 90) -> pd.DataFrame:
    """Return two shops with a covariate of each kind, one of them empty at times, and four days to come."""
    rng = np.random.default_rng(0)
    parts = []
    for shop, (kind, level) in {"north": ("city", 20.0), "south": ("village", 5.0)}.items():
        day = np.arange(days)
        visitors = np.where(day % 11 == 3, np.nan, level * (3 + np.sin(day)))
        sold = level * (1 + 0.3 * np.sin(day * 2 * np.pi / 7)) + rng.normal(0, 1, days)
        sold[-4:] = np.nan
        columns = {"day": pd.date_range("2024-01-01", periods=days), "shop": shop, "kind": kind, "sold": sold}
        parts.append(pd.DataFrame(columns | {"visitors": visitors, "open": 8 + 2 * (day % 7 < 2)}))
    return pd.concat(parts, ignore_index=True)


#: What is kept of each version: a loop over steps and every kind of covariate; native LSTM layers and directions.
#: The pretrained network is left out of the one of values: a megabyte, which package and tests hold already.
MODELS: dict[str, dict[str, Any]] = {
    "rnn": {
        "network": "rnn",
        "start": "scratch",
        "past": "visitors",
        "future_columns": "open",
        "static": "kind",
        **SMALL,
    },
    "direction": {"task": "direction", "covariates": False, "calendar": False, **SMALL},
}


def main() -> int:
    """Write what is absent."""
    for name, settings in MODELS.items():
        place = GOLDEN / forecaster.__version__.partition(".dev")[0] / name
        if place.exists():
            print(f"kept: {place}")
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        fitted = Forecaster(**settings).fit(sales())
        fitted.save(place)
        fitted.predict().to_csv(place.with_suffix(".csv"), index=False)
        print(f"written: {place}, {sum(file.stat().st_size for file in place.iterdir()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
