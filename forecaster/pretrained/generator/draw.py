"""Draw windows of series with what comes after them: lengths, seasons, horizons, gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.business import business
from forecaster.pretrained.generator.clock import by_the_clock
from forecaster.pretrained.generator.compositions import compositions
from forecaster.pretrained.generator.days import days
from forecaster.pretrained.generator.parts import log_uniform
from forecaster.pretrained.generator.walks import walks
from forecaster.pretrained.inputs import LEAST, LONGEST
from forecaster.pretrained.simple import WINDOW, YEARS

#: How often a season is drawn; 0 stands for any from 2 to 60.
SEASONS = {1: 0.12, 4: 0.09, 5: 0.08, 7: 0.13, 12: 0.2, 24: 0.2, 48: 0.05, 52: 0.06, 96: 0.02, 168: 0.01, 0: 0.04}
#: Usual horizons.
HORIZONS = {1: 6, 4: 8, 5: 10, 7: 14, 12: 12, 24: 24, 48: 48, 52: 13, 96: 48, 168: 48}
#: Shares of kinds by season; what is left are compositions.
SHARES: dict[int, dict[str, float]] = {
    1: {"business": 0.5, "walks": 0.16},
    4: {"business": 0.62, "walks": 0.05},
    5: {"business": 0.05, "walks": 0.5},
    7: {"days": 0.42, "walks": 0.08},
    12: {"business": 0.6, "walks": 0.06},
    24: {"clock": 0.68, "walks": 0.03},
    48: {"clock": 0.68, "walks": 0.03},
    52: {"business": 0.4, "walks": 0.15},
    96: {"clock": 0.6, "walks": 0.03},
    168: {"clock": 0.5},
}
#: Rows before a window of days, from which the same days of past years are taken.
YEARS_BEFORE = (0, 300, 700, 1_050)


@dataclass(frozen=True)
class Drawn:
    """Windows that share length, season and horizon.

    Attributes:
        values: ``(windows, rows + horizon)``, with placeholders where a row was not observed.
        observed: likewise, bool; True after the window.
        season: the season that the network is told, which is wrong or unknown in some draws.
        horizon: steps after the window.
    """

    values: np.ndarray
    observed: np.ndarray
    season: int
    horizon: int


def make_series(random: Generator, rows: int, steps: int, season: int, without: str = "") -> np.ndarray:
    """Return series of all kinds that a season has, ``(rows, steps)``.

    Args:
        random: the source of all randomness.
        rows: how many.
        steps: of each.
        season: the true season.
        without: a kind that is left out, to measure what it is worth.
    """
    values = compositions(random, rows, steps, season)
    kinds = {
        "business": lambda count: business(random, count, steps, season),
        "walks": lambda count: walks(random, count, steps),
        "clock": lambda count: by_the_clock(random, count, steps, 24 if season == 168 else season),
        "days": lambda count: days(random, count, steps),
    }
    place, start = random.random(rows), 0.0
    for kind, share in SHARES.get(season, {"business": 0.2, "walks": 0.05}).items():
        which = (place >= start) & (place < start + share)
        start += share
        if which.any() and kind != without:
            values[which] = kinds[kind](int(which.sum()))
    return values


def draw(random: Generator, windows: int, without: str = "") -> Drawn:
    """Draw windows with what comes after them.

    Args:
        random: the source of all randomness.
        windows: how many.
        without: as of :func:`make_series`.
    """
    true = int(random.choice(list(SEASONS), p=list(SEASONS.values()))) or int(random.integers(2, 61))
    told = int(random.choice(np.array([true, 1, random.integers(2, 40)]), p=[0.92, 0.05, 0.03]))
    usual = random.random() < 0.55
    horizon = HORIZONS.get(told, 12) if usual else int(log_uniform(random, 1, LONGEST + 0.99))
    rows = _draw_length(random, true)
    if rows == WINDOW and true in YEARS:
        rows += int(random.choice(YEARS_BEFORE))
    values = make_series(random, windows, rows + horizon, true, without)
    observed = np.ones(values.shape, bool)
    if random.random() < 0.12:
        observed[:, :rows] = _draw_gaps(random, windows, rows)
        fill_from_before(values, observed, told)
    return Drawn(values, observed, told, horizon)


def _draw_length(random: Generator, season: int) -> int:
    """Return a number of rows: a whole window, few, few seasons, or any."""
    kind = random.choice(4, p=[0.3, 0.2, 0.2, 0.3])
    if kind == 0:
        return WINDOW
    if kind == 1:
        return int(random.integers(LEAST, 61))
    if kind == 2:
        return min(WINDOW, max(LEAST, int(random.uniform(1.5, 5.5) * season), int(random.integers(12, 31))))
    rows = int(log_uniform(random, 40, WINDOW))
    return max(rows, min(WINDOW, int(random.uniform(2, 4) * season))) if random.random() < 0.8 else rows


def _draw_gaps(random: Generator, windows: int, rows: int) -> np.ndarray:
    """Return which rows are observed: single ones absent, or stretches; the first two are there, and half of all."""
    single = random.random((windows, rows)) < log_uniform(random, 0.002, 0.15, (windows, 1))
    begin = random.random((windows, rows)) < 1.5 / rows
    length = log_uniform(random, 2, max(3, rows / 6), (windows, 1)).astype(int)
    begun = np.cumsum(begin, axis=1)
    place = np.arange(rows)
    since = place - np.maximum.accumulate(np.where(begin, place, -rows), axis=1)
    gone = np.where(random.random((windows, 1)) < 0.5, single, (begun > 0) & (since < length))
    gone[:, :2] = False
    gone[gone.mean(axis=1) > 0.5] = False
    return ~gone


def fill_from_before(values: np.ndarray, observed: np.ndarray, season: int) -> None:
    """Replace what was not observed, in place, by the row a season before, or by the one before."""
    for row in np.flatnonzero(~observed.all(axis=0)).tolist():
        absent = ~observed[:, row]
        values[absent, row] = values[absent, row - (season if row >= season else 1)]
