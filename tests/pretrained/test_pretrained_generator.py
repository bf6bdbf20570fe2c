"""Generated series: what each kind promises, and that all follow from the random numbers given."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.pretrained.generator import clock, draw, parts
from forecaster.pretrained.generator.business import business
from forecaster.pretrained.generator.compositions import compositions
from forecaster.pretrained.generator.days import days
from forecaster.pretrained.generator.draw import SEASONS, SHARES, fill_from_before, make_series
from forecaster.pretrained.generator.walks import walks
from forecaster.pretrained.inputs import LEAST, LONGEST

KINDS = {
    "compositions": lambda random: compositions(random, 40, 300, 12),
    "business": lambda random: business(random, 40, 120, 12),
    "yearly": lambda random: business(random, 40, 30, 1),
    "walks": lambda random: walks(random, 40, 300),
    "demand": lambda random: clock.demand(random, 40, 500, 24),
    "sunshine": lambda random: clock.sunshine(random, 40, 500, 24),
    "weather": lambda random: clock.weather(random, 40, 500, 24),
    "wind": lambda random: clock.wind(random, 40, 500, 48),
    "days": lambda random: days(random, 40, 800),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_finite_varied_and_follows_from_its_seed(kind: str) -> None:
    first, again, other = (KINDS[kind](np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.std(axis=1) > 0).mean() > 0.9
    assert len(np.unique(np.round(first[:, 0], 9))) > 1


def test_a_recursion_is_that_of_its_equation() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 20))
    first, second, moving = np.array([0.5, -0.3]), np.array([0.2, 0.1]), np.array([0.4, 0.0])
    found = parts.recursion(noise, first, second, moving)
    for row in range(2):
        past, shock = [0.0, 0.0], 0.0
        for step in range(20):
            value = first[row] * past[-1] + second[row] * past[-2] + noise[row, step] + moving[row] * shock
            past.append(value)
            shock = noise[row, step]
            assert found[row, step] == pytest.approx(value)


def test_nights_are_exactly_zero_and_days_are_not() -> None:
    values = clock.sunshine(np.random.default_rng(0), 50, 24 * 20, 24)
    by_hour = values.reshape(50, 20, 24)
    night = (by_hour == 0).all(axis=1)
    assert (night.sum(axis=1) >= 4).all()
    assert (by_hour.max(axis=2) > 0).mean() > 0.95


def test_weekends_differ_from_workdays() -> None:
    values = clock.demand(np.random.default_rng(0), 200, 24 * 7 * 6, 24)
    day = values.reshape(200, 6, 7, 24).mean(axis=3)
    between = day.mean(axis=1).std(axis=1) / (day.mean(axis=(1, 2)) + 1e-9)
    assert (between > 0.05).mean() > 0.5


def test_of_a_walk_the_last_value_is_the_best_to_say() -> None:
    """Changes of most walks have no memory, and the last value is nearer than the mean of the last ten."""
    values = walks(np.random.default_rng(0), 400, 300)
    last = np.abs(values[:, 10:] - values[:, 9:-1]).mean(axis=1)
    mean = np.stack([values[:, i : 290 + i] for i in range(10)]).mean(axis=0)
    assert (last < np.abs(values[:, 10:] - mean).mean(axis=1)).mean() > 0.9


def test_business_is_mostly_positive_and_calm() -> None:
    values = business(np.random.default_rng(0), 500, 120, 12)
    assert (values.min(axis=1) > 0).mean() > 0.75
    growth = np.abs(values[:, -12:].mean(axis=1) / values[:, :12].mean(axis=1))
    assert 0.3 < np.median(growth) < 3


def test_a_season_comes_back() -> None:
    values = parts.seasonal(np.random.default_rng(0), 30, 60, 12, wandering=0.0)
    correlation = [np.corrcoef(row[:-12], row[12:])[0, 1] for row in values]
    assert min(correlation) > 0.8


def test_draws_are_of_all_kinds_and_never_too_short() -> None:
    random = np.random.default_rng(0)
    seasons, lengths, gaps = set(), [], 0
    for _ in range(150):
        drawn = draw.draw(random, 4)
        seasons.add(drawn.season)
        rows = drawn.values.shape[1] - drawn.horizon
        lengths.append(rows)
        gaps += not drawn.observed.all()
        assert rows >= LEAST
        assert 1 <= drawn.horizon <= LONGEST
        assert drawn.observed[:, :2].all()
        assert drawn.observed[:, rows:].all()
        assert drawn.observed[:, :rows].mean(axis=1).min() >= 0.5
    assert seasons >= {1, 7, 12, 24}
    assert min(lengths) < 20
    assert max(lengths) >= 512
    assert 5 < gaps < 40


def test_a_placeholder_comes_from_before() -> None:
    values = np.arange(12.0)[None].repeat(2, axis=0)
    observed = np.ones(values.shape, bool)
    observed[0, [2, 5, 6]] = False
    fill_from_before(values, observed, 4)
    assert values[0].tolist() == [0, 1, 1, 3, 4, 1, 1, 7, 8, 9, 10, 11]
    assert values[1].tolist() == list(range(12))


@pytest.mark.parametrize("kind", ["business", "walks", "clock", "days"])
def test_a_kind_can_be_left_out(kind: str) -> None:
    season = next(season for season, shares in SHARES.items() if kind in shares)
    whole, without = (make_series(np.random.default_rng(0), 64, 200, season, name) for name in ("", kind))
    changed = (whole != without).any(axis=1).mean()
    assert abs(changed - SHARES[season][kind]) < 0.25
    assert changed > 0


def test_shares_are_shares() -> None:
    assert sum(SEASONS.values()) == pytest.approx(1)
    assert all(sum(shares.values()) <= 1 for shares in SHARES.values())
