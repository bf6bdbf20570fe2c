"""Transformations of the target: formulas, inverses beyond the domain, Guerrero's power, and the choice of one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.features import series_sums as segments
from forecaster.features.transforms import (
    POSITIVE,
    POWERS,
    TRANSFORMS,
    backward,
    best_powers,
    choose_transform,
    forward,
)


def panel_of(*series, observed=None):
    values = np.concatenate([np.asarray(s, float) for s in series])
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])])
    seen = np.ones(len(values), bool) if observed is None else np.asarray(observed)
    ids = tuple(f"s{i}" for i in range(len(series)))
    return Panel(values, seen, np.arange(len(values)), offsets, ids, "step", Roles("t", "y"))


def series_of_power(power, rows=480, seed=0):
    """Return a series whose level rises tenfold and whose noise is ``level^(1 - power)``, 7 % of it at most."""
    level = np.geomspace(10, 100, rows)
    share = level**-power
    return level * (1 + 0.07 * share / share.max() * np.random.default_rng(seed).uniform(-1, 1, size=rows))


# The formulas


def test_box_cox_by_hand():
    values = np.array([1.0, 4.0, 9.0])
    np.testing.assert_allclose(forward(values, "box-cox", 1.0), [0, 3, 8])
    np.testing.assert_allclose(forward(values, "box-cox", 0.5), [0, 2, 4])
    np.testing.assert_allclose(forward(values, "box-cox", -1.0), [0, 3 / 4, 8 / 9])
    np.testing.assert_allclose(forward(values, "box-cox", 0.0), [0, math.log(4), math.log(9)])
    np.testing.assert_allclose(forward(values, "box-cox", 0.5, 4.0), [-1, 0, 1])
    np.testing.assert_allclose(forward(values, "box-cox", np.array([2.0, 1.0, 0.5])), [0, 3, 4])
    np.testing.assert_array_equal(forward(values, "difference"), values)
    np.testing.assert_allclose(forward(values, "return"), np.log(values))


def test_box_cox_equals_that_of_scipy():
    from scipy.special import boxcox, inv_boxcox

    values = np.geomspace(1e-3, 1e6, 50)
    for power in (-1.0, -0.5, *POWERS):
        levels = forward(values, "box-cox", power)
        np.testing.assert_allclose(levels, boxcox(values, power), rtol=1e-9, atol=1e-9)
        inside = np.linspace(-0.4, 0.4, 9)
        np.testing.assert_allclose(backward(inside, "box-cox", power), inv_boxcox(inside, power), rtol=1e-9)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from(TRANSFORMS),
    st.sampled_from([-1.0, -0.5, *POWERS.tolist()]),
    st.floats(-80, 80),
    st.lists(st.floats(-3, 3), min_size=1, max_size=20),
)
def test_there_and_back(transform, power, size, spread):
    values = 10.0**size * np.exp(np.array(spread))
    unit = 10.0**size
    back = backward(forward(values, transform, power, unit), transform, power, unit)
    np.testing.assert_allclose(back, values, rtol=1e-9)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from(TRANSFORMS),
    st.sampled_from([-1.0, -0.5, *POWERS.tolist()]),
    st.floats(1e-9, 1e9),
    st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=20),
)
def test_the_inverse_is_finite_and_never_decreases_wherever_a_forecast_lands(transform, power, unit, levels):
    found = backward(np.sort(levels), transform, power, unit)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert transform not in POSITIVE or (found >= 0).all()


def test_beyond_the_domain_of_box_cox_is_its_edge():
    assert backward(np.array([-5.0]), "box-cox", 1.0)[0] == pytest.approx(0, abs=1e-12)
    assert backward(np.array([-5.0]), "box-cox", 2.0, 1e6)[0] == pytest.approx(0, abs=0.1)
    assert np.isnan(backward(np.array([np.nan]), "box-cox", 0.5)[0])  # no wrong number out of none


# Guerrero's power


def by_hand(values, season):
    """Return the best power the slow way: the coefficient of variation of each, over blocks of the newest rows."""
    length = max(season, 12)
    count = (len(values) - season) // length
    if count < 4:
        return None
    best = None
    for power in POWERS:
        ratios = []
        for block in range(count):
            last = len(values) - block * length
            rows = range(last - length, last)
            spread = np.mean([abs(values[t] - values[t - season]) for t in rows])
            ratios.append(spread / np.mean([values[t] for t in rows]) ** (1 - power))
        variation = np.std(ratios) / np.mean(ratios)
        if best is None or variation < best[0]:
            best = (variation, power)
    return best[1]


@pytest.mark.parametrize("season", [1, 7, 24])
def test_powers_equal_a_loop(season, monkeypatch):
    monkeypatch.setattr(segments, "CHUNK", 500)
    rows = [40, 71, 72, 150, 300, 700, 65, 9, 1]
    series = [series_of_power(i % 4 / 2 - 0.5, n, seed=i) for i, n in enumerate(rows)]
    expected = [by_hand(s, season) for s in series]
    usual = np.median([power for power in expected if power is not None])
    found = best_powers(panel_of(*series), season)
    np.testing.assert_allclose(found, [usual if power is None else power for power in expected])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5])
def test_the_power_behind_a_series_is_found(power):
    found = best_powers(panel_of(*(series_of_power(power, 2000, seed) for seed in range(9))), 1)
    assert np.median(found) == pytest.approx(power, abs=0.15)


def test_no_power_is_negative_so_that_no_interval_is_without_end():
    assert best_powers(panel_of(*(series_of_power(-1.0, 2000, seed) for seed in range(9))), 1).tolist() == [0.0] * 9


def test_the_unit_of_the_target_changes_no_power():
    series = [series_of_power(0.3, seed=seed) for seed in range(5)]
    for unit in (1e-12, 1e12):
        assert (
            best_powers(panel_of(*(s * unit for s in series)), 1).tolist() == best_powers(panel_of(*series), 1).tolist()
        )


def test_series_that_cannot_tell_take_the_usual_power():
    short, constant = np.arange(1.0, 20), np.full(200, 3.0)
    assert best_powers(panel_of(short, constant), 1).tolist() == [1.0, 1.0]
    assert best_powers(panel_of(short, constant), 1, otherwise=0.2).tolist() == [0.2, 0.2]
    found = best_powers(panel_of(short, series_of_power(0.5), constant), 1)
    assert found[0] == found[1] == found[2]


def test_placeholders_do_not_count_for_the_power():
    values, observed = series_of_power(0.0), np.ones(480, bool)
    observed[100:400:10] = False
    spoiled = values.copy()
    spoiled[~observed] = 1e6
    assert best_powers(panel_of(values, observed=observed), 1) == best_powers(panel_of(spoiled, observed=observed), 1)
    observed[:] = False
    assert best_powers(panel_of(values, observed=observed), 1).tolist() == [1.0]


# The choice


def test_logarithm_where_swings_grow_with_the_level():
    steps = np.arange(120)
    wave = np.sin(2 * np.pi * steps / 12)
    growing = np.exp(steps / 40 + 0.3 * wave)
    assert choose_transform(panel_of(growing), 12, np.inf, "auto")[0] == "log"
    assert choose_transform(panel_of(100 + steps + 30 * wave), 12, np.inf, "auto")[0] == "none"
    for lowest, values in ((np.inf, growing - 2), (0.0, growing)):
        chosen, note = choose_transform(panel_of(values), 12, lowest, "auto")
        assert chosen == "none" and "zero or below" in note.reason


def test_most_series_decide():
    growing, steady = series_of_power(0.0), 50 + np.random.default_rng(0).normal(size=480)
    assert choose_transform(panel_of(growing, growing, steady), 1, 1.0, "auto")[0] == "log"
    assert choose_transform(panel_of(growing, steady), 1, 1.0, "auto")[0] == "none"
    assert choose_transform(panel_of(growing, *[np.ones(5)] * 9), 1, 1.0, "auto")[0] == "log"  # these cannot tell
    assert choose_transform(panel_of(np.ones(5)), 1, 1.0, "auto")[0] == "none"


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_what_is_given_is_kept(transform):
    chosen, note = choose_transform(panel_of(series_of_power(0.0)), 1, 1.0, transform)
    assert (chosen, note.value, note.reason) == (transform, transform, "given")
