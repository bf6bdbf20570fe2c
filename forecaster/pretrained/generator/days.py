"""Days of sales, visits, births, temperatures: weekdays, the year, Christmas, feasts on fixed dates."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.parts import log_uniform, noise, recursion, sometimes, standard, trend, wander


def days(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return daily series, four of five of people and one of five of weather."""
    values = _of_people(random, rows, steps)
    which = random.random(rows) < 0.22
    values[which] = _of_weather(random, int(which.sum()), steps)
    return values


def _year(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return the place in the year of each day, from 0 to 1."""
    return np.asarray((np.arange(steps) + random.integers(365, size=(rows, 1))) % 365.25 / 365.25)


def _of_people(random: Generator, rows: int, steps: int) -> np.ndarray:
    one = (rows, 1)
    weekday, year = (np.arange(steps) + random.integers(7, size=one)) % 7, _year(random, rows, steps)
    workdays = random.standard_normal((rows, 5)) * log_uniform(random, 0.02, 0.3, one)
    weekend = random.standard_normal((rows, 2)) * 0.3 + random.uniform(-1.2, 0.6, one)
    week = np.concatenate([workdays, weekend], axis=1) * log_uniform(random, 0.1, 1, one)
    values = week[np.arange(rows)[:, None], weekday]
    for wave in (1, 2, 3):
        size = sometimes(random, 0.5, log_uniform(random, 0.02, 0.5, one)) / wave
        values = values + np.cos(2 * np.pi * (wave * year + random.random(one))) * size
    christmas = np.exp(-0.5 * ((year - 0.96) / 0.02) ** 2)
    values = values + christmas * sometimes(random, 0.3, random.uniform(-0.8, 1.2, one))
    feasts = (np.abs(year[:, :, None] - random.random((rows, 1, 12))) < 0.0014).any(axis=2)
    values = values + feasts * sometimes(random, 0.4, random.uniform(-1.2, 0.7, one))
    near = standard(recursion(noise(random, rows, steps), random.uniform(0, 0.98, rows)))
    values = values + near * log_uniform(random, 0.03, 0.5, one)
    values = values + trend(random, rows, steps) * sometimes(random, 0.6, log_uniform(random, 0.03, 0.6, one))
    values = values + noise(random, rows, steps) * log_uniform(random, 0.01, 0.2, one)
    values = np.exp(values.clip(-8, 8)) * log_uniform(random, 1, 3000, one)
    return np.where(random.random(one) < 0.5, random.poisson(np.minimum(values, 1e6)), values)


def _of_weather(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return temperatures with a year and fronts of days, some with a ceiling of dry days, without a week."""
    one = (rows, 1)
    year = _year(random, rows, steps) + random.random(one)
    wave = np.cos(2 * np.pi * year) + random.uniform(0, 0.2, one) * np.cos(4 * np.pi * year + 6 * random.random(one))
    fronts = wander(random, rows, steps, random.uniform(0.3, 0.9, rows))
    uneven = 1 + random.uniform(-0.4, 0.4, one) * np.cos(2 * np.pi * year)
    values = wave * log_uniform(random, 2, 14, one) + fronts * uneven * log_uniform(random, 1, 5, one)
    values = values + random.standard_normal((rows, steps)) * log_uniform(random, 0.1, 1.5, one)
    return np.round(values + random.uniform(-5, 25, one), 1)
