"""What is measured by the clock, several times a day: demand with workdays and weekends, sun, weather, wind."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from forecaster.pretrained.generator.parts import (
    log_uniform,
    noise,
    one_of,
    recursion,
    slow,
    sometimes,
    standard,
    wander,
)

#: Bumps of a working day: the hours between which each lies, its widths in hours, and how often it is there.
BUMPS = (
    (6, 10, 0.4, 2.5, 0.75),
    (10, 15, 1, 5, 0.7),
    (15, 20, 0.4, 3, 0.8),
    (18, 23, 0.7, 3, 0.5),
    (0, 24, 0.3, 6, 0.4),
)


def by_the_clock(random: Generator, rows: int, steps: int, day: int) -> np.ndarray:
    """Return series with ``day`` steps a day."""
    kind, values = one_of(random, rows, 0.52, 0.16, 0.2, 0.12), np.zeros((rows, steps))
    for number, make in enumerate((demand, sunshine, weather, wind)):
        if (which := kind == number).any():
            values[which] = make(random, int(which.sum()), steps, day)
    shifts = (random.random((rows, steps)) < 1 / steps) * random.standard_normal((rows, steps)) * 0.3
    return values * np.exp(sometimes(random, 0.06, np.cumsum(shifts, axis=1)) * (kind == 0)[:, None])


def _profile(random: Generator, rows: int, day: int) -> np.ndarray:
    """Return a working day from 0 to 1: bumps in the morning, at noon, in the evening; shut at night in some rows."""
    hour, one, values = np.arange(day) / day * 24, (rows, 1), np.zeros((rows, day))
    for first, last, narrow, wide, share in BUMPS:
        away = np.abs(hour - random.uniform(first, last, one))
        away = np.minimum(away, 24 - away) / log_uniform(random, narrow, wide, one)
        values += np.exp(-0.5 * away**2) * sometimes(random, share, random.uniform(0.2, 1, one))
    values /= values.max(axis=1, keepdims=True) + 1e-9
    values = np.maximum(values - sometimes(random, 0.15, random.uniform(0.1, 0.4, one)), 0)
    values /= values.max(axis=1, keepdims=True) + 1e-9
    return values * np.exp(sometimes(random, 0.3, random.uniform(0, 0.25, one)) * random.standard_normal((rows, day)))


def _week(random: Generator, rows: int, day: int) -> np.ndarray:
    """Return the profiles of a Monday to Thursday, a Friday, a Saturday and a Sunday, ``(rows, 4, day)``."""
    one = (rows, 1)
    work, saturday, sunday = (_profile(random, rows, day) for _ in range(3))
    near = random.uniform(0, 1, one)
    saturday = random.uniform(0.3, 1.1, one) * (near * work + (1 - near) * saturday)
    near = near * random.uniform(0, 1, one)
    sunday = random.uniform(0.2, 1.05, one) * (near * work + (1 - near) * sunday)
    alike = random.random(one) < 0.2
    saturday, sunday = np.where(alike, work, saturday), np.where(alike, work, sunday)
    saturday = np.where(random.random(one) < 0.3, sunday, saturday)
    friday = np.where(random.random(one) < 0.3, 0.7 * work + 0.3 * sunday, work)
    return np.stack([work, friday, saturday, sunday], axis=1)


def demand(random: Generator, rows: int, steps: int, day: int) -> np.ndarray:
    """Return loads, traffic, calls, sales: workdays, weekends and holidays, levels of days, noise."""
    one, days, each = (rows, 1), steps // day + 9, np.arange(rows)[:, None]
    weekday = (np.arange(days) + random.integers(7, size=one)) % 7
    kind = np.select([weekday == 4, weekday == 5, weekday == 6], [1, 2, 3], 0)
    holiday = random.random((rows, days)) < random.choice([0, 0.02, 0.05], one)
    kind = np.where(holiday & (kind < 2), 3, kind)
    values = _week(random, rows, day)[each, kind].reshape(rows, -1)
    values = values + sometimes(random, 0.75, log_uniform(random, 0.03, 3, one))
    level = wander(random, rows, days, random.uniform(0.2, 0.98, rows)) * log_uniform(random, 0.01, 0.35, one)
    level += (random.standard_normal((rows, 7)) * log_uniform(random, 0.005, 0.1, one))[each, weekday]
    stepped = np.repeat(level, day, axis=1)
    sums = np.cumsum(np.concatenate([np.repeat(stepped[:, :1], day, axis=1), stepped], axis=1), axis=1)
    smooth = (sums[:, day:] - sums[:, :-day]) / day
    values = values * np.exp(np.where(random.random(one) < 0.6, smooth, stepped))
    start = day + int(random.integers(day))
    values = values[:, start : start + steps]
    values = values * np.exp(slow(random, rows, steps) * sometimes(random, 0.5, log_uniform(random, 0.02, 0.4, one)))
    bend = slow(random, rows, steps) * np.cos(2 * np.pi * (np.arange(steps) / day + random.random(one)))
    rough = standard(recursion(noise(random, rows, steps), random.uniform(0, 0.95, rows)))
    rough = rough * log_uniform(random, 0.01, 0.22, one)
    values = values * np.exp(rough + bend * sometimes(random, 0.6, log_uniform(random, 0.02, 0.3, one)))
    values = values + noise(random, rows, steps) * sometimes(random, 0.5, log_uniform(random, 0.005, 0.1, one))
    hit = (random.random((rows, steps)) < 0.5 / steps) & (random.random(one) < 0.2)
    values = np.maximum(values, 0) * np.where(hit, random.uniform(0, 3, (rows, steps)), 1)
    values = values * log_uniform(random, 3, 3000, one)
    return np.where(random.random(one) < 0.45, random.poisson(np.minimum(values, 1e8)), values)


def sunshine(random: Generator, rows: int, steps: int, day: int) -> np.ndarray:
    """Return nights at exactly zero and a hump by day whose height the clouds decide, on days that grow or shrink."""
    one, days = (rows, 1), steps // day + 2
    length = days * day
    hour = (np.arange(length) % day + 0.5) / day * 24
    drift = np.linspace(0, 1, length) * random.uniform(-1.2, 1.2, one) * days / 25
    half = (random.uniform(4, 7.8, one) + drift).clip(3, 9)
    hump = np.maximum(np.cos(np.pi / 2 * (hour - random.uniform(11, 14, one)) / half), 0) * (np.abs(hour - 12.5) < 11)
    hump = hump ** random.uniform(0.7, 2.2, one) * (half / 6) ** random.uniform(0, 2, one)
    clear = wander(random, rows, days, random.uniform(0, 0.7, rows)) + random.uniform(-0.5, 1.5, one)
    least = random.uniform(0, 0.6, one)
    clear = least + (1 - least) / (1 + np.exp(-clear * random.uniform(0.3, 3, one)))
    clouds = recursion(random.standard_normal((rows, length)), random.uniform(0.5, 0.95, rows)) + 1.5
    within = 1 / (1 + np.exp(-clouds * random.uniform(0, 1.2, one)))
    values = hump * np.repeat(clear, day, axis=1) * sometimes(random, 0.6, within, 1.0)
    values = np.minimum(values, sometimes(random, 0.15, random.uniform(0.4, 0.8, one), 9.0))
    start = int(random.integers(day))
    return (np.where(values < 0.01, 0, values) * log_uniform(random, 1, 1000, one))[:, start : start + steps]


def weather(random: Generator, rows: int, steps: int, day: int) -> np.ndarray:
    """Return temperatures and the like: a daily hump that clouds make small or large, on fronts that wander."""
    one, days = (rows, 1), steps // day + 2
    length, start = days * day, int(random.integers(day))
    place = np.arange(length) / day
    second = random.uniform(0.1, 0.6, one) * np.cos(4 * np.pi * place + random.uniform(0, 2 * np.pi, one))
    hump = np.cos(2 * np.pi * place) + second
    size = np.exp(wander(random, rows, days, random.uniform(0, 0.9, rows)) * random.uniform(0, 0.7, one))
    stepped = np.repeat(size, day, axis=1)
    smooth = np.stack([np.convolve(row, np.ones(day) / day, "same") for row in stepped])
    fronts = standard(recursion(random.standard_normal((rows, length)), 1 - log_uniform(random, 1 / 200, 1 / 8, rows)))
    gusts = standard(recursion(noise(random, rows, length), random.uniform(0.3, 0.9, rows)))
    values = hump * np.where(random.random(one) < 0.5, stepped, smooth)
    values = values + fronts * log_uniform(random, 0.2, 4, one) + gusts * log_uniform(random, 0.03, 0.5, one)
    values = values[:, start : start + steps] + slow(random, rows, steps) * log_uniform(random, 0.1, 3, one)
    fine = sometimes(random, 0.3, np.full(one, 0.2), 0.01)
    return np.round((values * random.uniform(1, 5, one) + random.uniform(-5, 25, one)) / fine) * fine


def wind(random: Generator, rows: int, steps: int, day: int) -> np.ndarray:
    """Return speeds, power that saturates, dust, prices with spikes: hardly any day in them."""
    one = (rows, 1)
    values = standard(recursion(noise(random, rows, steps), 1 - log_uniform(random, 0.01, 0.3, rows)))
    values = values + slow(random, rows, steps) * random.uniform(0, 0.8, one)
    angle = 2 * np.pi * (np.arange(steps) / day + random.random(one))
    values = values + np.cos(angle) * random.uniform(0, 0.6, one)
    speed = np.exp(random.uniform(0.3, 1.0, one) * values) * log_uniform(random, 3, 30, one)
    power = 1 / (1 + np.exp(-2 * values - random.uniform(-2, 1, one)))
    price = 30 + 10 * values + np.exp(1.2 * np.minimum(values, 8))
    kinds = [speed, np.where(power < 0.05, 0, power), price]
    return np.choose(one_of(random, rows, 0.5, 0.25, 0.25)[:, None], kinds)
