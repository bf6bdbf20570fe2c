"""Write the two synthetic data sets: ``python make_synthetic.py [FOLDER]``, this folder by default.

Only the standard library is used, so that the bytes do not depend on the version of a numerical package.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from math import cos, exp, pi, sqrt
from pathlib import Path
from random import Random

DAYS, FIRST_DAY = 1500, date(2019, 1, 1)
HOURS, FIRST_HOUR = 90 * 24, datetime(2024, 3, 1)
STATIONS = {"coast": (0.0, 3.0, 6.0), "plain": (2.5, 6.0, 0.0), "hill": (-5.0, 4.5, -12.0)}
"""Of each station: mean temperature offset (deg C), daily amplitude (deg C), pressure offset (hPa)."""


def stock_rows(seed: int) -> Iterator[tuple[object, ...]]:
    """Yield business days of a geometric random walk whose volatility clusters (GARCH(1, 1), Bollerslev 1986).

    Business days are Monday to Friday; there are no holidays.

    Yields:
        date, open, high, low, close (currency units), volume (shares).
    """
    draw = Random(seed).gauss
    close, variance, shock, day = 100.0, 1.5e-4, 0.0, FIRST_DAY
    for _ in range(DAYS):
        while day.weekday() >= 5:
            day += timedelta(days=1)
        variance = 3e-6 + 0.09 * shock**2 + 0.89 * variance
        shock = sqrt(variance) * draw(0, 1)
        opened = close * exp(0.3 * sqrt(variance) * draw(0, 1))
        close *= exp(2e-4 + shock)
        high = max(opened, close) * exp(0.4 * sqrt(variance) * abs(draw(0, 1)))
        low = min(opened, close) * exp(-0.4 * sqrt(variance) * abs(draw(0, 1)))
        volume = round(1e6 * exp(12 * abs(shock) + 0.25 * draw(0, 1)))
        yield day, *(f"{price:.2f}" for price in (opened, high, low, close)), volume
        day += timedelta(days=1)


def weather_rows(seed: int) -> Iterator[tuple[object, ...]]:
    """Yield hourly weather, station after station.

    Temperature is a station's mean, a spring trend, a daily cycle and two AR(1) processes: the weather of the week,
    which the stations share, and local noise. Pressure falls and humidity rises where the shared weather is cold.

    Yields:
        time, station, temperature (deg C), humidity (%), pressure (hPa).
    """
    fronts = list(_autoregression(Random(seed), HOURS, memory=60, spread=2.5))
    for number, (station, (offset, amplitude, pressure)) in enumerate(STATIONS.items(), start=1):
        local = _autoregression(Random(seed + number), HOURS, memory=6, spread=0.6)
        for hour, (front, noise) in enumerate(zip(fronts, local, strict=True)):
            cycle = amplitude * cos(2 * pi * (hour - 15) / 24)
            temperature = 9 + offset + 6 * hour / HOURS + cycle + front + noise
            humidity = min(100.0, max(15.0, 70 - 3 * cycle - 1.5 * front + 3 * noise))
            yield (
                f"{FIRST_HOUR + timedelta(hours=hour):%Y-%m-%d %H:%M}",
                station,
                f"{temperature:.1f}",
                f"{humidity:.0f}",
                f"{1013 + pressure + 3 * front + 0.5 * noise:.1f}",
            )


def _autoregression(random: Random, steps: int, memory: float, spread: float) -> Iterator[float]:
    """Yield an AR(1) process with a decay time of ``memory`` steps and standard deviation ``spread``."""
    keep, value = exp(-1 / memory), 0.0
    for _ in range(steps):
        value = keep * value + sqrt(1 - keep**2) * random.gauss(0, spread)
        yield value


def write(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file with ``\\n`` at the end of each line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    write(folder / "synthetic_stock.csv", ("date", "open", "high", "low", "close", "volume"), stock_rows(seed=7))
    columns = ("time", "station", "temperature", "humidity", "pressure")
    write(folder / "synthetic_weather.csv", columns, weather_rows(seed=11))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
