"""Series of no field: sums and products of trends, seasons and autoregressions, with accidents, in any units."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.parts import (
    dynamics,
    log_uniform,
    noise,
    one_of,
    seasonal,
    sometimes,
    standard,
    trend,
)
from forecaster.pretrained.simple import DAYS, YEARS


def compositions(random: Generator, rows: int, steps: int, season: int) -> np.ndarray:
    """Return series whose season is ``season``, with a longer one of seven where it is a day."""
    values = _with_accidents(random, _composed(random, rows, steps, season))
    share = random.random((rows, 1))
    mixed = standard(share * values + (1 - share) * values[random.permutation(rows)])
    return _measured(random, np.where(random.random((rows, 1)) < 0.25, mixed, values))


def _composed(random: Generator, rows: int, steps: int, season: int) -> np.ndarray:
    """Return weighted sums of parts, of deviation 1."""
    one = (rows, 1)
    values = trend(random, rows, steps) * log_uniform(random, 0.2, 6, one)
    if season > 1:
        values += seasonal(random, rows, steps, season) * sometimes(random, 0.78, log_uniform(random, 0.1, 5, one))
    if season in DAYS:
        values += seasonal(random, rows, steps, 7 * season) * sometimes(random, 0.6, log_uniform(random, 0.1, 2, one))
    period, phase = log_uniform(random, 20, 1500, one), random.uniform(0, 2 * np.pi, one)
    cycle = np.cos(2 * np.pi * np.arange(steps) / period + phase)
    values += cycle * sometimes(random, 0.3, log_uniform(random, 0.3, 4, one))
    if season in YEARS:
        year = seasonal(random, rows, steps, YEARS[season])
        values += year * sometimes(random, 0.5, log_uniform(random, 0.2, 5, one))
    values += dynamics(random, rows, steps, season) * log_uniform(random, 0.05, 3, one)
    values += noise(random, rows, steps) * sometimes(random, 0.5, log_uniform(random, 0.05, 1, one))
    alone = random.random(rows) < 0.12
    values[alone] = dynamics(random, int(alone.sum()), steps, season)
    odd = random.random(rows) < 0.02
    values[odd] = _chaos(random, int(odd.sum()), steps)
    return standard(values)


def _chaos(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return logistic maps and maps like that of Mackey & Glass (1977, Science 197), with a little noise."""
    value, rate = random.uniform(0.2, 0.8, rows), random.uniform(3.5, 4, rows)
    found, lag = np.empty((steps, rows)), int(random.integers(6, 25))
    past = [random.uniform(0.5, 1.2, rows)] * (lag + 1)
    smooth = random.random(rows) < 0.6
    for step in range(steps):
        value = rate * value * (1 - value)
        past.append(0.8 * past[-1] + 0.4 * past[-lag - 1] / (1 + past[-lag - 1] ** 10))
        found[step] = np.where(smooth, past[-1], value)
    values = standard(found.T)
    return values + 0.1 * random.random((rows, 1)) * values[random.permutation(rows)]


def _with_accidents(random: Generator, values: np.ndarray) -> np.ndarray:
    """Return the rows, some with outliers, some with level shifts."""
    rows, steps = values.shape
    outliers = random.random((rows, steps)) < 3 / steps * random.random((rows, 1))
    values = values + sometimes(random, 0.15, outliers * random.standard_t(3, (rows, steps)) * 1.5)
    shifts = (random.random((rows, steps)) < 1.5 / steps) * random.standard_normal((rows, steps))
    return values + sometimes(random, 0.12, np.cumsum(shifts, axis=1) * 1.3)


def _measured(random: Generator, values: np.ndarray) -> np.ndarray:
    """Return the rows in units: as they are, as exponentials, cut at zero, counts, rarely sold, rounded, as shares."""
    rows, steps = values.shape
    one = (rows, 1)
    growth = np.exp(values * log_uniform(random, 0.05, 1.1, one))
    plain = values + random.standard_normal(one) * 3
    cut = np.maximum(values - random.uniform(-1.2, 0.9, one), 0)
    counts = random.poisson(np.minimum(growth * log_uniform(random, 0.3, 30, one), 1e4))
    sold = random.random((rows, steps)) < random.uniform(0.05, 0.6, one) * np.minimum(growth, 2)
    rare = sold * (1 + random.poisson(log_uniform(random, 0.3, 8, one), (rows, steps)))
    rounded = np.round(plain * log_uniform(random, 0.7, 6, one))
    shares = 1 / (1 + np.exp(-values * 2 + random.standard_normal(one)))
    kind = one_of(random, rows, 0.42, 0.31, 0.06, 0.08, 0.05, 0.05, 0.03)
    return np.choose(kind[:, None], [plain, growth, cut, counts, rare, rounded, shares])
