"""Prices and rates: nothing to know but the last value, and how wild it is of late."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.parts import log_uniform, recursion, sometimes, standard


def walks(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return random walks with and without drift, with volatility that clusters and changes."""
    one, size = (rows, 1), (rows, steps)
    volatility = standard(recursion(random.standard_normal(size), 1 - log_uniform(random, 0.003, 0.2, rows)))
    change = np.where(random.random(one) < 0.3, random.standard_t(4, size), random.standard_normal(size))
    change *= np.exp(sometimes(random, 0.65, random.uniform(0.1, 0.9, one)) * volatility)
    regimes = np.cumsum((random.random(size) < 2 / steps) * random.standard_normal(size) * 0.5, axis=1)
    change *= np.exp(sometimes(random, 0.3, regimes))
    drift = sometimes(random, 0.45, random.standard_normal(one) * 0.06)
    values = np.cumsum(change + drift, axis=1) * log_uniform(random, 0.002, 0.05, one)
    prices = np.exp(values.clip(-6, 6)) * log_uniform(random, 0.5, 500, one)
    values = np.where(random.random(one) < 0.65, prices, values * 10 + random.standard_normal(one) * 5)
    typical = np.abs(np.diff(values, axis=1)).mean(axis=1, keepdims=True)
    values = values + sometimes(random, 0.08, random.standard_normal(size) * typical)
    tick = typical * sometimes(random, 0.2, log_uniform(random, 0.05, 0.7, one), 1e-6) + 1e-12
    return np.round(values / tick) * tick
