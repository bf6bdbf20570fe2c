"""A forecast with no fit on sixty series: is it ever worse than repeating the last value or the last season?

    python benchmarks/sixty.py [--origins 20] [--output FILE]
    python benchmarks/sixty.py --smoke                              # the first three tables, two origins

Every column of readings of the tables in ../shared/data (or in the folder named by FORECASTER_DATA), and the first
series of M3 monthly. Of each, forecasts of the usual horizon from cutoffs evenly spaced over the newer half of its
rows, by the network and by repeating the last value and the last season, from the rows before the cutoff.

Prints the mean absolute error of the network of each series as a share of that of the better of the two, the worst
first, and how many are above 1.05.
"""

from __future__ import annotations

import pandas as pd
from common import arguments, data, geometric_mean, record, show

from forecaster import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.seasons import find_seasons
from forecaster.data.readers.sources import read_table
from forecaster.data.time.horizon import default_horizon
from forecaster.evaluation.backtest import Origins, backtest, baseline_forecast
from forecaster.pretrained.forecast import forecast_pretrained

#: Tables, their columns of readings, and settings they are read with.
TABLES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "airline_passengers.csv": ((), {}),
    "co2_weekly.csv": (("co2",), {}),
    "sea_surface_temperature.csv.gz": (("temperature (celsius)",), {"duplicates": "mean"}),
    "seattle_weather.csv": (("precipitation", "temp_max", "temp_min", "wind"), {}),
    "sp500.csv.gz": (("Open", "High", "Low", "Close", "Volume"), {}),
    "AAPL.csv": (("Open", "High", "Low", "Close", "Volume"), {}),
    "ETTh1.csv": (("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"), {}),
    "exchange_rate.csv": ((*"0123456", "OT"), {}),
    "beijing_pollution.csv": (("pm2.5", "DEWP", "TEMP", "PRES", "Iws"), {"time": "year,month,day,hour"}),
    "nyc_weather.csv": (("temp", "dewp", "humid", "wind_speed"), {"series": "origin", "time": "time_hour"}),
}
#: Series of M3 monthly that make up the sixty.
OF_M3 = 11
#: Share above which the network is called worse.
WORSE = 1.05


def panels(most: int | None) -> list[tuple[str, Panel]]:
    """Return a panel of each column of the tables, with a name."""
    found = []
    for name, (columns, settings) in list(TABLES.items())[:most]:
        frame = read_table(str(data(name)))
        for column in columns or (None,):
            panel, _ = build_panel(frame, Config.of(target=column, covariates=False, **settings))
            found.append((f"{name.partition('.')[0]} {column or ''}".strip(), panel))
    if most is None:
        table = pd.read_csv(data("m3_monthly/train.csv.gz"))
        first = table[table.iloc[:, 0].isin(table.iloc[:, 0].unique()[:OF_M3])]
        found.append(("m3_monthly", build_panel(first, Config.of())[0]))
    return found


def shares(name: str, panel: Panel, origins: int) -> dict[str, float]:
    """Return the error of the network of each series of a panel as a share of that of the better baseline."""
    seasons, _ = find_seasons(panel, panel.freq, None)
    horizon = default_horizon(panel.freq)
    stride = max(1, int(panel.lengths.min()) // 2 // origins)
    models = {
        "network": lambda known, steps: forecast_pretrained(known, seasons, steps, ()).values,
        **{each: baseline_forecast(each, seasons[0], ()) for each in ("naive", "seasonal-naive")},
    }
    table = backtest(panel, models, horizon, Origins(origins, stride), season=seasons[0], levels=())
    table = table[table["observed"]]
    errors = (table["forecast"] - table["actual"]).abs().groupby([table["series"], table["model"]]).mean().unstack()
    better = errors[["naive", "seasonal-naive"]].min(axis=1)
    return {f"{name} {series}".strip(): share for series, share in (errors["network"] / better).items()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--origins", type=int, default=20)
    given = parser.parse_args()
    found: dict[str, float] = {}
    for name, panel in panels(3 if given.smoke else None):
        found |= shares(name, panel, 2 if given.smoke else given.origins)
        record(given.output, "sixty", {"set": name})
    table = pd.Series(found).sort_values(ascending=False)
    show("error of the network, as a share of that of the better of naive and seasonal naive", table.to_frame("share"))
    print(f"{len(table)} series, {(table > WORSE).sum()} above {WORSE}, geometric mean {geometric_mean(table):.3f}")


if __name__ == "__main__":
    main()
