"""Mixes of simple forecasts: the best one by slow oracles, and which of them is believed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.families.shapes import Shapes
from forecaster.features.windows import Windows
from forecaster.networks.initial.mixing import FLOOR, best_mix, best_mixes, blocks_of, mix_logits, mix_shares
from forecaster.networks.initial.simple_forecasts import simple_forecast_names, simple_forecasts
from forecaster.networks.initial.start import find_start


def mix_of(past, target, seasons):
    """Return the best mix of the simple forecasts of windows ``(windows, lookback)`` for what came."""
    return best_mixes(np.stack(list(simple_forecasts(past, target.shape[1], seasons).values())) - target)


def shares_of(values, lookback, steps, season, **panel):
    """Return the mean share of each simple forecast that a network starts from on a panel ``(rows,)``, by name."""
    shapes = Shapes(lookback=lookback, steps=steps, seasons=(season,))
    windows = Windows(np.asarray(values), lookback, steps, **panel)
    mix = find_start(Config(), shapes, windows).mix
    return dict(zip(simple_forecast_names(lookback, (season,)), mix.mean(axis=0).tolist(), strict=True))


@pytest.mark.parametrize("name", simple_forecast_names(24, (6,)))
def test_the_mix_finds_the_candidate_that_is_right(name):
    past = np.random.default_rng(0).normal(size=(50, 24))
    weights = mix_of(past, simple_forecasts(past, 7, (6,))[name], (6,))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, 7 * [[float(n == name) for n in simple_forecast_names(24, (6,))]], atol=1e-4)


def test_the_mix_is_the_best_of_a_grid_of_convex_combinations():
    rng = np.random.default_rng(3)
    past, seasons = rng.normal(size=(60, 5)).cumsum(axis=1), (6, 4)
    target = past[:, -1:] * 0.7 + rng.normal(size=(60, 4))
    last, seasonal = simple_forecasts(past, 4, seasons).values()
    grid = np.linspace(0, 1, 10_001)
    best = grid[np.argmin([np.mean((w * last + (1 - w) * seasonal - target) ** 2) for w in grid])]
    np.testing.assert_allclose(mix_of(past, target, seasons), 4 * [[best, 1 - best]], atol=1e-3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 1_000), st.integers(1, 7), st.sampled_from([0.0, 1.0, 9.0]), st.booleans())
def test_the_best_mix_is_the_best_of_every_subset(seed, count, alike, twice):
    """Solved one by one under "the weights sum to one"; the best without a negative weight is the answer."""
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(count, 30)) + alike * rng.normal(size=30)
    errors = np.concatenate([errors, errors[:1]]) if twice else errors
    squares = errors @ errors.T
    least = np.inf
    for size in range(1, len(errors) + 1):
        for chosen in map(list, combinations(range(len(errors)), size)):
            share = np.linalg.pinv(squares[np.ix_(chosen, chosen)]).sum(axis=1)
            share /= share.sum()
            if (share >= 0).all():
                least = min(least, ((share @ errors[chosen]) ** 2).mean())
    weights = best_mix(list(errors))
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1)
    assert ((weights @ errors) ** 2).mean() == pytest.approx(least, rel=1e-5)


def test_each_block_of_steps_has_its_own_mix_where_windows_are_many():
    past = np.random.default_rng(0).normal(size=(600, 24))
    found = simple_forecasts(past, 16, (6,))
    target = np.concatenate([found["last"][:, :8], found["mean"][:, 8:]], axis=1)
    names = simple_forecast_names(24, (6,))
    expected = np.repeat([[float(n == "last") for n in names], [float(n == "mean") for n in names]], 4, axis=0)
    np.testing.assert_allclose(mix_of(past, target, (6,)), expected, atol=1e-4)
    together = mix_of(past[:400], target[:400], (6,))
    assert (together == together[0]).all()
    assert blocks_of(16).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert blocks_of(3).tolist() == [0, 1, 2]


def test_the_mix_ignores_targets_of_weight_zero():
    past = np.random.default_rng(0).normal(size=(50, 24))
    rows, weights = np.column_stack([past, simple_forecasts(past, 7, (6,))["seasonal"]]), np.ones((50, 31))
    rows[:25, 26:] = 1e6
    weights[:25, 26:] = 0
    shares = shares_of(rows.ravel(), 24, 7, 6, offsets=np.arange(51) * 31, weights=weights.ravel())
    assert shares["seasonal"] > 0.999


def test_the_mix_of_constant_windows_is_finite():
    weights = mix_of(np.ones((5, 24)), np.ones((5, 3)), (6,))
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", simple_forecast_names(24, (4, 12)))
def test_the_mix_over_two_seasons_finds_the_candidate_that_is_right(name):
    past = np.random.default_rng(0).normal(size=(50, 24))
    weights = mix_of(past, simple_forecasts(past, 7, (4, 12))[name], (4, 12))
    np.testing.assert_allclose(weights, 7 * [[float(n == name) for n in simple_forecast_names(24, (4, 12))]], atol=1e-4)


@pytest.mark.parametrize("season", [1, 7])
def test_a_panel_of_random_walks_starts_from_the_last_value(season):
    for seed in range(5):
        walks = np.random.default_rng(seed).normal(size=(8, 700)).cumsum(axis=1)
        shares = shares_of(walks.ravel(), 70, 20, season, offsets=np.arange(9) * 700)
        assert shares["last"] == 1


def test_a_short_random_walk_mostly_starts_from_the_last_value():
    found = [
        shares_of(np.random.default_rng(seed).normal(size=120).cumsum(), 24, 6, 12)["last"] == 1 for seed in range(30)
    ]
    assert np.mean(found) > 0.6


def test_a_mix_that_gains_steadily_is_believed():
    """A slow walk under noise: the best forecast lies between the newest readings and the mean."""
    rng = np.random.default_rng(0)
    shares = shares_of(rng.normal(size=2_000).cumsum() * 0.3 + rng.normal(size=2_000), 14, 7, 1)
    assert 0.2 < shares["mean"] < 0.8 and shares["last"] < 0.2


def test_a_season_is_believed_on_few_rows():
    """Five years of months, growing: three separate stretches, too few to be steady, but a gain of nearly all."""
    months = np.arange(60)
    values = (100 + months) * (1 + 0.3 * np.sin(2 * np.pi * months / 12)) / 50
    shares = shares_of(values + np.random.default_rng(0).normal(size=60) * 0.02, 24, 12, 12)
    assert shares["last"] < 0.1


def test_one_simple_forecast_is_kept_where_only_the_mix_is_in_doubt():
    """Noise about a season: its mean is the best forecast, and what a mix adds to that is luck."""
    season = np.tile(np.sin(2 * np.pi * np.arange(12) / 12), 20) * 2
    found = []
    for seed in range(10):
        noisy = season + np.random.default_rng(seed).normal(size=240)
        found.append(shares_of(noisy, 72, 12, 12)["mean"] == 1)
    assert np.mean(found) > 0.8


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def test_logits_give_back_their_mix_and_none_is_out_of_reach():
    mixes = np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    logits = mix_logits(mixes)
    np.testing.assert_allclose(mix_shares(softmax(logits)), mixes, atol=1e-6)
    assert softmax(logits).min() > 0.99 * FLOOR


def test_equal_logits_are_equal_shares():
    np.testing.assert_allclose(mix_shares(softmax(np.zeros((2, 5)))), 0.2)
