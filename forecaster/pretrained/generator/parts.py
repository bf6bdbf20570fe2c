"""Parts that series are made of: noise, autoregressions, slow waves, trends, seasons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

#: Steps over which a slow wave of unit frequency passes once.
WAVE = 512
#: Steps before the first that let a recursion forget its start.
SETTLING = 60


def standard(values: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and deviation 1; constant rows become 0."""
    values = values - values.mean(axis=1, keepdims=True)
    return np.asarray(values / (values.std(axis=1, keepdims=True) + 1e-9))


def log_uniform(random: Generator, low: Any, high: Any, size: Any = None) -> Any:
    """Return numbers whose logarithm is uniform."""
    return np.exp(random.uniform(np.log(low), np.log(high), size))


def sometimes(random: Generator, share: float, values: np.ndarray, otherwise: Any = 0.0) -> np.ndarray:
    """Return a column of values, each with the given probability, otherwise the other value."""
    return np.where(random.random((len(values), 1)) < share, values, otherwise)


def one_of(random: Generator, rows: int, *odds: float) -> np.ndarray:
    """Return the number of a kind for each row, ``(rows,)`` int, in proportion to the odds."""
    return random.choice(len(odds), rows, p=np.array(odds) / sum(odds))


def recursion(noise: np.ndarray, first: Any, second: Any = 0.0, moving: Any = 0.0) -> np.ndarray:
    """Return ``y[t] = first y[t-1] + second y[t-2] + e[t] + moving e[t-1]`` of noise ``e``."""
    values = np.empty_like(noise.T)
    last = before = shock = np.zeros(len(noise))
    for step, new in enumerate(noise.T):
        values[step] = first * last + second * before + new + moving * shock
        before, last, shock = last, values[step], new
    return values.T


def noise(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return white noise, some of it heavy-tailed (Student's t), some with volatility that clusters."""
    values = random.standard_normal((rows, steps))
    heavy = random.random(rows) < 0.2
    values[heavy] = random.standard_t(log_uniform(random, 2.5, 8, (heavy.sum(), 1)), (heavy.sum(), steps))
    wild = random.random(rows) < 0.25
    count = int(wild.sum())
    volatility = recursion(random.standard_normal((count, steps)), 0.8 + 0.19 * random.random(count))
    values[wild] *= np.exp(random.uniform(0.2, 0.9, (count, 1)) * standard(volatility))
    return values


def wander(random: Generator, rows: int, steps: int, memory: np.ndarray) -> np.ndarray:
    """Return autoregressions of deviation 1 with the given memories, ``(rows,)`` from 0 to 1, settled at the start."""
    values = recursion(random.standard_normal((rows, SETTLING + steps)), memory)[:, SETTLING:]
    return np.asarray(values * np.sqrt(1 - memory**2)[:, None])


def dynamics(random: Generator, rows: int, steps: int, season: int) -> np.ndarray:
    """Return white noise, autoregressions, pseudo-cycles, random walks with and without momentum, of deviation 1."""
    kind = one_of(random, rows, 0.22, 0.33, 0.10, 0.22, 0.08, 0.05)
    memory, radius = 1 - log_uniform(random, 0.01, 1, rows), 1 - log_uniform(random, 0.001, 0.15, rows)
    period = np.where(random.random(rows) < 0.3, max(season, 2), log_uniform(random, 4, 200, rows))
    momentum, nothing = random.uniform(-0.5, 0.9, rows), np.zeros(rows)
    cycle = 2 * radius * np.cos(2 * np.pi / period)
    first = np.choose(kind, [nothing, memory, cycle, nothing + 1, 1 + momentum, -0.8 * memory])
    second = np.choose(kind, [nothing, nothing, -(radius**2), nothing, -momentum, nothing])
    moving = np.where(random.random(rows) < 0.3, random.uniform(-0.9, 0.9, rows), 0)
    return standard(recursion(noise(random, rows, steps + SETTLING), first, second, moving)[:, SETTLING:])


def slow(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return smooth rows of deviation 1: a few random waves, as of a Gaussian process with a random length scale."""
    frequency = random.standard_normal((rows, 6, 1)) * log_uniform(random, 0.5, 12, (rows, 1, 1)) * 2 * np.pi
    angle = frequency * np.linspace(0, steps / WAVE, steps) + random.uniform(0, 2 * np.pi, (rows, 6, 1))
    return standard((np.cos(angle) * random.standard_normal((rows, 6, 1))).sum(axis=1))


def trend(random: Generator, rows: int, steps: int) -> np.ndarray:
    """Return trends of deviation 1: none, a line, bent lines, saturating, growing, smooth, stepped."""
    place = np.tile(np.linspace(0, 1, steps), (rows, 1))
    knots = (random.random((rows, steps)) < random.uniform(1, 6, (rows, 1)) / steps) * random.standard_normal(
        (rows, steps)
    )
    bent = np.cumsum(np.cumsum(knots, axis=1) + random.standard_normal((rows, 1)), axis=1)
    saturating = np.tanh(log_uniform(random, 0.7, 6, (rows, 1)) * (place - random.uniform(-0.3, 0.8, (rows, 1))))
    growing = np.exp(random.uniform(-3, 3, (rows, 1)) * place)
    kinds = [0 * place, place, bent, saturating, growing, slow(random, rows, steps), np.cumsum(knots, axis=1)]
    kind = one_of(random, rows, 0.25, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05)
    return standard(np.choose(kind[:, None], kinds)) * random.choice([-1, 1, 1], (rows, 1))


def pattern(random: Generator, rows: int, season: int) -> np.ndarray:
    """Return one season of deviation 1, ``(rows, season)``: smooth, rough, spiky, on and off, sharpened, peaked."""
    harmonics = np.arange(1, min(season // 2, 8) + 1)
    size = random.standard_normal((rows, len(harmonics))) / harmonics ** random.uniform(0.3, 2.5, (rows, 1))
    phase = random.uniform(0, 2 * np.pi, (rows, len(harmonics), 1))
    angle = 2 * np.pi * harmonics[:, None] * np.arange(season) / season
    smooth = standard((size[:, :, None] * np.cos(angle + phase)).sum(axis=1))
    rough = random.standard_normal((rows, season))
    spikes = random.random((rows, season)) < random.uniform(min(1 / season, 0.25), 0.3, (rows, 1))
    spiky = spikes * np.exp(0.7 * random.standard_normal((rows, season))) * random.choice([-1, 1], (rows, 1))
    switched = (smooth > random.uniform(-1, 1.2, (rows, 1))).astype(float)
    sharpened = np.sign(smooth) * np.abs(smooth) ** random.uniform(1.5, 4, (rows, 1))
    peaked = np.exp(random.uniform(0.3, 2, (rows, 1)) * smooth)
    kinds = [standard(kind) for kind in (smooth, rough, spiky, switched, sharpened, peaked)]
    found = np.choose(one_of(random, rows, 0.35, 0.15, 0.1, 0.08, 0.1, 0.22)[:, None], kinds)
    return standard(found + random.choice([0, 0.1, 0.3], (rows, 1), p=[0.5, 0.3, 0.2]) * rough)


def seasonal(random: Generator, rows: int, steps: int, season: int, wandering: float = 0.6) -> np.ndarray:
    """Return a season repeated, which wanders in a share of the rows, and swells and shrinks in some."""
    cycles = -(-steps // season) + 1
    size = np.where(random.random(rows) < 1 - wandering, 0, log_uniform(random, 0.01, 0.5, rows))[:, None, None]
    change = random.standard_normal((rows, cycles, season))
    soft = random.random(rows) < 0.5
    change[soft] = (change[soft] + np.roll(change[soft], 1, axis=2) + np.roll(change[soft], -1, axis=2)) / 1.7
    independent = random.random((rows, 1, 1)) < 0.3
    moved = np.where(independent, change, np.cumsum(change, axis=1))
    values = (pattern(random, rows, season)[:, None] + size * moved).reshape(rows, -1)
    start = int(random.integers(season))
    swell = np.where(random.random((rows, 1)) < 0.6, 0, random.uniform(0, 0.6, (rows, 1)))
    return np.asarray(values[:, start : start + steps] * (1 + swell * slow(random, rows, steps)))
