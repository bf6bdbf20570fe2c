"""Eight daily exchange rates as a panel, against the published tables: never worse than repeating the last value.

    python benchmarks/exchange.py [--horizons 96,192,336,720] [--seeds 0,1,2] [--output results.jsonl] [KEY=VALUE ...]
    python benchmarks/exchange.py --split validation dropout=0.5     # choose settings
    python benchmarks/exchange.py --smoke                            # a minute

The protocol is that of benchmarks/multivariate.py with 70 % of the rows for training, 10 % for validation and 20 % for
the test: 5,311, 760 and 1,517 of 7,588, 1,422 test windows at horizon 96. Only horizon 96 runs by default. What is
printed, and where exchange_rate.csv is read from, is as for etth1.py.
"""

from __future__ import annotations

from typing import Any

from multivariate import Protocol, run

PROTOCOL = Protocol("Exchange", "exchange_rate.csv", (5_311, 760, 1_517))

#: MSE and MAE as published.
PUBLISHED = {
    96: {
        "repeat last value": (0.081, 0.196),
        "textbook LSTM": (1.453, 1.049),
        "DLinear (336)": (0.081, 0.203),
    },
}

#: Settings of each horizon, chosen on the validation rows.
CHOSEN: dict[int, dict[str, Any]] = {}


def main() -> None:
    run(__doc__, "96", PROTOCOL, PUBLISHED, CHOSEN)


if __name__ == "__main__":
    main()
