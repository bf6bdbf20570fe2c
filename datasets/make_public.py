"""Write the three public data sets from the packages that contain them: ``python make_public.py [FOLDER]``.

statsmodels is installed with statsforecast, a dependency of the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def co2() -> pd.DataFrame:
    """Return weekly CO2 at Mauna Loa in ppm, the gaps kept as empty cells: ``date, co2``."""
    from statsmodels.datasets import co2 as source

    return source.load_pandas().data.rename_axis("date").reset_index()


def sea_temperature() -> pd.DataFrame:
    """Return the year by month table of the sea surface temperature in deg C in long form: ``month, temperature``."""
    from statsmodels.datasets import elnino as source

    wide = source.load_pandas().data.set_index("YEAR")
    months = pd.date_range(f"{wide.index[0]:.0f}-01-01", periods=wide.size, freq="MS")
    return pd.DataFrame({"month": months, "temperature": wide.to_numpy().ravel()})


def airline() -> pd.DataFrame:
    """Return the international airline passengers of each month in thousands: ``month, passengers``."""
    from statsforecast.utils import AirPassengers

    months = pd.date_range("1949-01-01", periods=len(AirPassengers), freq="MS")
    return pd.DataFrame({"month": months, "passengers": AirPassengers.astype(int)})


def main(folder: Path) -> None:
    """Write the three files into ``folder``."""
    for name, table in (("co2", co2()), ("sea_temperature", sea_temperature()), ("airline", airline())):
        table.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d", lineterminator="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
