"""Tests of residuals, against statsmodels and scipy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecaster.evaluation.residuals import (
    Residuals,
    autocorrelation,
    diagnose,
    jarque_bera,
    lags_of,
    ljung_box,
    residuals,
)


def noise(rows: int = 120, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=rows)


def of_values(values: np.ndarray, steps: int = 1) -> Residuals:
    return Residuals("s", pd.Series(np.arange(len(values))), values, steps)


@pytest.mark.parametrize("lags", [1, 5, 20])
def test_ljung_box_agrees_with_statsmodels(lags):
    from statsmodels.stats.diagnostic import acorr_ljungbox

    values = noise() + 0.4 * np.roll(noise(), 1)
    expected = acorr_ljungbox(values, lags=[lags]).iloc[0]
    assert ljung_box(values, lags) == pytest.approx((expected["lb_stat"], expected["lb_pvalue"]))


def test_autocorrelation_agrees_with_statsmodels_and_passes_over_gaps():
    from statsmodels.tsa.stattools import acf

    values = np.convolve(noise(), [1, 0.7, 0.2])
    np.testing.assert_allclose(autocorrelation(values, 12), acf(values, nlags=12)[1:])
    values[[3, 40, 41]] = np.nan
    known = [v - np.nanmean(values) for v in values]
    for lag, found in enumerate(autocorrelation(values, 6), start=1):
        pairs = [a * b for a, b in zip(known[lag:], known[:-lag], strict=True) if np.isfinite(a * b)]
        assert found == pytest.approx(sum(pairs) / sum(v * v for v in known if np.isfinite(v)))


def test_jarque_bera_agrees_with_scipy():
    from scipy import stats

    values = np.random.default_rng(1).exponential(size=60)
    found = jarque_bera(values)
    assert found == pytest.approx((stats.skew(values), stats.kurtosis(values), stats.jarque_bera(values).pvalue))


def test_white_errors_pass_and_others_do_not():
    rejected = sum(ljung_box(noise(100, seed), 10)[1] < 0.05 for seed in range(300))
    assert 0.02 < rejected / 300 < 0.09
    assert ljung_box(np.convolve(noise(), np.ones(4)), 10)[1] < 1e-6
    assert (
        diagnose([of_values(noise() + 1)], 1)["p-bias"][0]
        < 1e-6
        < 0.05
        < diagnose([of_values(noise())], 1)["p-bias"][0]
    )
    assert jarque_bera(np.random.default_rng(1).exponential(size=200))[2] < 1e-6


def test_the_bias_test_knows_that_far_errors_correlate():
    steps, rejected = 6, {1: 0, 6: 0}
    for seed in range(300):
        values = np.convolve(noise(125, seed), np.ones(steps), "valid")
        for known in rejected:
            rejected[known] += diagnose([of_values(values, known)], 1)["p-bias"][0] < 0.05
    assert rejected[6] / 300 < 0.12 < 0.25 < rejected[1] / 300


@pytest.mark.parametrize("values", [[], [1.0] * 3, [2.0] * 30, [math.nan] * 20, [1.0, math.nan] * 3])
def test_too_few_or_equal_errors_are_nan(values):
    row = diagnose([of_values(np.array(values, float))], 1).iloc[0]
    assert math.isnan(row["p-white"]) and math.isnan(row["p-normal"])
    assert row["errors"] == np.isfinite(np.array(values, float)).sum()


def test_lags_are_ten_or_two_seasons_but_a_fifth_at_most():
    assert [lags_of(np.ones(n), season) for n, season in ((200, 1), (200, 12), (200, 30), (40, 12), (3, 1))] == [
        10,
        24,
        40,
        8,
        1,
    ]


def test_residuals_are_the_freshest_of_each_time_in_order():
    rows = [
        ("network", "a", 10, 1, 11, 5.0, True, 4.0),
        ("network", "a", 10, 2, 12, 6.0, True, 9.0),
        ("network", "a", 11, 1, 12, 6.0, True, 8.0),
        ("network", "a", 11, 2, 13, 7.0, False, 1.0),
        ("network", "b", 20, 1, 21, 1.0, True, 1.5),
        ("naive", "a", 10, 1, 11, 5.0, True, 0.0),
    ]
    names = ["model", "series", "cutoff", "step", "time", "actual", "observed", "forecast"]
    a, b = residuals(pd.DataFrame(rows[::-1], columns=names), "network")[::-1]
    assert (a.series, a.times.tolist(), a.steps) == ("a", [11, 12, 13], 2)
    np.testing.assert_array_equal(a.values, [1.0, -2.0, np.nan])
    assert (b.series, b.values.tolist(), b.steps) == ("b", [-0.5], 1)
    found = diagnose([a, b], 1)
    assert found["mean"].tolist() == [-0.5, -0.5] and found["errors"].tolist() == [2, 1]
