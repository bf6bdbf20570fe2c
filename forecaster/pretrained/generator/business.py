"""Years, quarters, months and weeks of production, sales, prices, people: a level that drifts, a season that keeps."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.parts import (
    log_uniform,
    noise,
    one_of,
    pattern,
    recursion,
    sometimes,
    standard,
)

#: Steps before the first that let slope and cycle settle.
BEFORE = 40


def business(random: Generator, rows: int, steps: int, season: int) -> np.ndarray:
    """Return a local trend, damped or not, a business cycle, a stable season and an irregular part, mostly positive.

    The structural model of Harvey 1989, Forecasting, structural time series models and the Kalman filter, section 2.3,
    of logarithms or of the values.
    """
    one, size = (rows, 1), (rows, steps)
    year = max(season, 1)
    rough = log_uniform(random, 0.003, 0.25 if season > 1 else 0.1, one)
    values = _trend(random, rows, steps, year, rough) + _irregular(random, rows, steps) * rough
    if season > 1:
        values += _season(random, rows, steps, season) * sometimes(random, 0.72, log_uniform(random, 0.01, 0.45, one))
    values += _cycle(random, rows, steps, year) * sometimes(random, 0.5, log_uniform(random, 0.01, 0.25, one))
    outliers = (random.random(size) < 2 / steps) * random.standard_t(3, size) * rough * 3
    values += sometimes(random, 0.12, outliers)
    shift = (random.random(size) < 1 / steps) * random.standard_normal(size) * 0.2
    values += sometimes(random, 0.07, np.cumsum(shift, axis=1))
    units = log_uniform(random, 10, 10_000, one)
    values = values.clip(-12, 12)
    grown, added = np.exp(values) * units, (values + log_uniform(random, 0.5, 8, one)) * units
    together = np.cumsum(np.exp(values.clip(-4, 4)), axis=1) * units
    kind = one_of(random, rows, 0.64, 0.33, 0.03)
    values = np.choose(kind[:, None], [grown, added, together])
    fine = np.abs(values).mean(axis=1, keepdims=True) * sometimes(
        random, 0.12, log_uniform(random, 0.002, 0.1, one), 1e-6
    )
    return np.round(values / fine) * fine


def _trend(random: Generator, rows: int, steps: int, year: int, rough: np.ndarray) -> np.ndarray:
    """Return a level that takes over a part of the noise, with a slope that changes, mostly little."""
    one, size = (rows, 1), (rows, steps + BEFORE)
    steep = sometimes(random, 0.85, log_uniform(random, 0.005, 0.25, one)) / year
    keeps = sometimes(random, 0.6, random.uniform(0.8, 0.99, one), 1.0)
    changes = steep * sometimes(random, 0.7, log_uniform(random, 0.02, 0.7, one)) * np.sqrt(1.0 / max(year / 4, 1))
    mean = steep * random.choice([-0.6, 1, 1, 1], one) * random.uniform(0, 1.5, one)
    slope = mean + recursion(changes * random.standard_normal(size), keeps[:, 0])
    moves = rough * sometimes(random, 0.85, log_uniform(random, 0.03, 1.5, one))
    return np.cumsum(slope + moves * noise(random, *size), axis=1)[:, BEFORE:]


def _irregular(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return white noise, or noise that remembers a little, of about deviation 1."""
    memory = np.where(random.random(rows) < 0.35, random.uniform(-0.3, 0.8, rows), 0.0)
    moving = np.where(random.random(rows) < 0.2, random.uniform(-0.6, 0.3, rows), 0.0)
    return recursion(noise(random, rows, steps), memory, 0.0, moving) * np.sqrt(1 - memory**2)[:, None]


def _season(random: Generator, rows: int, steps: int, season: int) -> np.ndarray:
    """Return a season that stays, or moves slowly, or grows or fades over the years."""
    cycles = -(-steps // season) + 1
    moves = sometimes(random, 0.45, log_uniform(random, 0.01, 0.2, (rows, 1)))[:, :, None]
    years = pattern(random, rows, season)[:, None] + moves * np.cumsum(
        random.standard_normal((rows, cycles, season)), axis=1
    )
    start = int(random.integers(season))
    grows = 1 + sometimes(random, 0.25, random.uniform(-0.6, 0.8, (rows, 1))) * np.linspace(-1, 1, steps)
    return np.asarray(years.reshape(rows, -1)[:, start : start + steps] * grows)


def _cycle(random: Generator, rows: int, steps: int, year: int) -> np.ndarray:
    """Return pseudo-cycles of three to ten years, of deviation 1."""
    period, radius = (
        np.maximum(year * random.uniform(2.5, 10, rows), 4),
        1 - log_uniform(random, 0.005, 0.2, rows) / year**0.5,
    )
    first, second = 2 * radius * np.cos(2 * np.pi / period), -(radius**2)
    return standard(recursion(random.standard_normal((rows, steps + BEFORE)), first, second)[:, BEFORE:])
