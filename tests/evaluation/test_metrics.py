from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.errors import SettingError
from forecaster.evaluation.metrics import (
    METRICS,
    OF_LEVELS,
    Outcome,
    mae,
    owa,
    score_forecasts,
    score_groups,
    seasonal_root_scale,
    seasonal_scale,
    skill,
)

LEVELS = (80, 95)
NAN = float("nan")
VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def outcome(seed: int = 0, rows: int = 40) -> Outcome:
    rng = np.random.default_rng(seed)
    actual, point = rng.normal(size=rows), rng.normal(size=rows)
    ends = [point - 1, point + 1, point - 2, point + 2]
    return Outcome.of(actual, np.stack([point, *ends], axis=1), LEVELS, scale=2.0, root_scale=3.0)


def slow_scores(o: Outcome) -> dict[str, float]:
    """Every measure by a loop over the rows, in plain Python."""
    n = len(o.actual)
    sums = dict.fromkeys(("mae", "rmse", "mape", "smape", "size", "bias", "pinball", "crps"), 0.0)
    per_level: dict[str, list[float]] = {name: [0.0] * len(o.levels) for name in ("coverage", "width", "winkler")}
    for i in range(n):
        y, f = float(o.actual[i]), float(o.forecast[i])
        sums["mae"] += abs(y - f)
        sums["rmse"] += (y - f) * (y - f)
        sums["mape"] += abs(y - f) / abs(y) * 100
        sums["smape"] += 0.0 if y == f == 0 else abs(y - f) / ((abs(y) + abs(f)) / 2) * 100
        sums["size"] += abs(y)
        sums["bias"] += f - y
        losses = {0.0: 0.0, 0.5: abs(y - f) / 2, 1.0: 0.0}
        for k, level in enumerate(o.levels):
            low, high, outside = float(o.low[i, k]), float(o.high[i, k]), 1 - level / 100
            per_level["coverage"][k] += low <= y <= high
            per_level["width"][k] += high - low
            per_level["winkler"][k] += high - low + 2 / outside * (low - y if y < low else y - high if y > high else 0)
            for q, end in ((outside / 2, low), (1 - outside / 2, high)):
                losses[q] = q * (y - end) if y >= end else (1 - q) * (end - y)
                sums["pinball"] += losses[q]
        nodes = sorted(losses)
        for a, b in pairwise(nodes):
            sums["crps"] += 2 * (b - a) * (losses[a] + losses[b]) / 2
    scale, root = float(o.scale[0]), float(o.root_scale[0])
    found = {
        "mae": sums["mae"] / n,
        "rmse": math.sqrt(sums["rmse"] / n),
        "mape": sums["mape"] / n,
        "smape": sums["smape"] / n,
        "wape": 100 * sums["mae"] / sums["size"],
        "mase": sums["mae"] / n / scale,
        "rmsse": math.sqrt(sums["rmse"] / n) / root,
        "bias": sums["bias"] / n,
        "pinball": sums["pinball"] / n / (2 * len(o.levels)),
        "crps": sums["crps"] / n,
    }
    for name, values in per_level.items():
        found |= {f"{name}-{level}": value / n for level, value in zip(o.levels, values, strict=True)}
    return found | {f"msis-{level}": found[f"winkler-{level}"] / scale for level in o.levels}


@pytest.mark.parametrize("seed", range(3))
def test_all_agree_with_a_slow_loop(seed: int) -> None:
    o = outcome(seed)
    expected = slow_scores(o)
    assert list(score_forecasts(o)) == list(expected)
    assert score_forecasts(o) == pytest.approx(expected)


def test_hand_made_numbers() -> None:
    forecast = np.array([[1.0, 0.0, 2.0], [4.0, 3.0, 5.0]])
    found = score_forecasts(Outcome.of(np.array([1.0, 2.0]), forecast, (80,), scale=4.0, root_scale=2.0))
    # Errors 0 and -2; MAPE 0 and 100; sMAPE 0 and 200 * 2 / 6. Pinball at 0.1: 0.1 and 0.9; at 0.9: 0.1 and 0.3, and at
    # the median 0 and 1. The second actual is 1 below an interval of width 2: 2 + 2 / 0.2.
    expected = {"mae": 1, "rmse": 2**0.5, "mape": 50, "smape": 100 / 3, "wape": 100 * 2 / 3, "mase": 0.25, "bias": 1}
    expected |= {"rmsse": 0.5**0.5, "pinball": 1.4 / 4, "coverage-80": 0.5, "width-80": 2, "winkler-80": 7}
    crps = [2 * (0.1 * 0.05 + 0.4 * 0.05 + 0.4 * 0.05 + 0.1 * 0.05)]
    crps += [2 * (0.1 * 0.45 + 0.4 * (0.9 + 1) / 2 + 0.4 * (1 + 0.3) / 2 + 0.1 * 0.15)]
    assert found == pytest.approx(expected | {"msis-80": 7 / 4, "crps": sum(crps) / 2})


def normal_outcome(levels: tuple[int, ...]) -> Outcome:
    """Actuals at even ranks of a standard normal, forecast by that very distribution."""
    ranks = (np.arange(4000) + 0.5) / 4000
    actual = np.array([NormalDist().inv_cdf(rank) for rank in ranks])
    z = [sign * NormalDist().inv_cdf(0.5 + level / 200) for level in levels for sign in (-1, 1)]
    return Outcome.of(actual, np.broadcast_to([0.0, *z], (4000, 1 + len(z))), levels)


@pytest.mark.parametrize(("levels", "short"), [((80, 95), 0.118), ((20, 40, 60, 80, 95), 0.01)])
def test_crps_of_a_normal_is_as_much_too_small_as_it_says(levels: tuple[int, ...], short: float) -> None:
    exact = 1 / math.sqrt(math.pi)  # Gneiting & Raftery 2007, section 4.2
    assert METRICS["crps"](normal_outcome(levels)) == pytest.approx(exact * (1 - short), abs=0.002 * exact)


def test_the_winkler_score_is_least_for_the_true_interval() -> None:
    true = normal_outcome((80,))
    for factor in (0.7, 1.3):
        ends = [true.forecast, true.low[:, 0] * factor, true.high[:, 0] * factor]
        other = Outcome.of(true.actual, np.stack(ends, axis=1), (80,))
        assert METRICS["winkler"](other) > METRICS["winkler"](true)


class TestZeros:
    def test_mape_leaves_out_a_zero_that_was_not_forecast(self) -> None:
        found = METRICS["mape"](Outcome.of(np.array([0.0, 0.0, 2.0]), np.array([[0.0], [1.0], [3.0]])))
        assert found == pytest.approx((0 + 50) / 2)
        assert math.isnan(METRICS["mape"](Outcome.of(np.zeros(2), np.ones((2, 1)))))

    def test_wape_over_nothing_is_nan(self) -> None:
        assert math.isnan(METRICS["wape"](Outcome.of(np.zeros(2), np.ones((2, 1)))))


def test_groups_are_scored_apart() -> None:
    o = outcome(rows=30)
    group = np.random.default_rng(4).integers(0, 3, 30)
    found = score_groups(o, group, 4)
    forecast = np.stack([o.forecast, o.low[:, 0], o.high[:, 0], o.low[:, 1], o.high[:, 1]], axis=1)
    for k in range(3):
        own = group == k
        alone = score_forecasts(Outcome.of(o.actual[own], forecast[own], LEVELS, 2.0, root_scale=3.0))
        assert {name: values[k] for name, values in found.items()} == pytest.approx(alone)
    assert all(math.isnan(values[3]) for values in found.values())


def test_scales_may_differ_from_row_to_row() -> None:
    o = Outcome.of(np.zeros(2), np.array([[1.0], [1.0]]), (), np.array([2.0, 4.0]), root_scale=np.array([1.0, 2.0]))
    assert METRICS["mase"](o) == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert METRICS["rmsse"](o) == pytest.approx(math.sqrt((1 + 1 / 4) / 2))


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def test_a_perfect_forecast(self, name: str) -> None:
        actual = np.array([1.0, -2.0, 0.0])
        perfect = np.repeat(actual[:, None], 5, axis=1)
        found = METRICS[name](Outcome.of(actual, perfect, LEVELS, scale=1.0, root_scale=1.0))
        np.testing.assert_allclose(found, 1 if name == "coverage" else 0)

    def test_zeros_are_safe(self, name: str) -> None:
        found = METRICS[name](Outcome.of(np.zeros(4), np.zeros((4, 5)), LEVELS, scale=0.0))
        expected = {"coverage": np.ones(2), "width": np.zeros(2), "winkler": np.zeros(2), "msis": np.full(2, NAN)}
        np.testing.assert_equal(found, (expected | {"mase": NAN, "rmsse": NAN}).get(name, 0.0))

    def test_nothing_observed_is_nan(self, name: str) -> None:
        found = METRICS[name](Outcome.of(np.ones(3), np.ones((3, 5)), LEVELS, 1.0, np.zeros(3, bool)))
        assert np.isnan(found).all()

    def test_rows_not_observed_do_not_matter(self, name: str) -> None:
        rng = np.random.default_rng(1)
        actual, forecast, seen = rng.normal(size=30), rng.normal(size=(30, 5)), rng.random(30) < 0.5
        wild = np.where(seen, actual, 1e9)
        expected = METRICS[name](Outcome.of(actual[seen], forecast[seen], LEVELS, 1.0))
        np.testing.assert_array_equal(METRICS[name](Outcome.of(wild, forecast, LEVELS, 1.0, seen)), expected)

    def test_a_missing_forecast_is_not_passed_over(self, name: str) -> None:
        forecast = np.ones((3, 5))
        forecast[1] = NAN
        assert np.isnan(METRICS[name](Outcome.of(np.ones(3), forecast, LEVELS, 1.0))).all()

    def test_windows_are_rows(self, name: str) -> None:
        o = outcome()
        forecast = np.stack([o.forecast, o.low[:, 0], o.high[:, 0], o.low[:, 1], o.high[:, 1]], axis=1)
        windows = Outcome.of(o.actual.reshape(8, 5), forecast.reshape(8, 5, 5), LEVELS, 2.0, root_scale=3.0)
        np.testing.assert_array_equal(METRICS[name](windows), METRICS[name](o))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(arrays(float, (7, 6), elements=VALUES), st.floats(0, 1e3))
def test_no_measure_is_infinite_and_smape_has_bounds(numbers: np.ndarray, scale: float) -> None:
    found = score_forecasts(Outcome.of(numbers[:, 0], numbers[:, 1:], LEVELS, scale if scale > 1e-3 else 0.0))
    assert not np.isinf(list(found.values())).any()
    assert 0 <= found["smape"] <= 200 + 1e-9
    assert found["mae"] <= found["rmse"] * (1 + 1e-9) + 1e-9


def test_a_point_forecast_needs_no_levels() -> None:
    o = Outcome.of(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert mae(o) == 1.5
    assert set(score_forecasts(o)) == set(METRICS) - set(OF_LEVELS)
    assert math.isnan(score_forecasts(o)["pinball"]) and math.isnan(score_forecasts(o)["crps"])


def test_an_absent_actual_does_not_count() -> None:
    assert mae(Outcome.of(np.array([1.0, NAN]), np.array([3.0, 3.0]))) == 2


def test_a_level_out_of_range_is_refused() -> None:
    with pytest.raises(SettingError, match="between 1 and 99, got 100"):
        Outcome.of(np.ones(2), np.ones((2, 3)), (100,))


class TestSeasonalScale:
    def test_hand_made_number(self) -> None:
        assert seasonal_scale(np.array([1.0, 5, 2, 8, 2]), 2) == pytest.approx((1 + 3 + 0) / 3)

    def test_only_pairs_observed_on_both_sides_count(self) -> None:
        rng = np.random.default_rng(2)
        history, seen = rng.normal(size=60), rng.random(60) < 0.7
        gaps = [abs(history[t] - history[t - 7]) for t in range(7, 60) if seen[t] and seen[t - 7]]
        assert seasonal_scale(history, 7, seen) == pytest.approx(sum(gaps) / len(gaps))

    @pytest.mark.parametrize("history", [[], [3.0], [1.0, 2.0], [1.0, 2.0, 1.0, 2.0]])
    def test_undefined_or_zero_is_nan(self, history: list[float]) -> None:
        assert math.isnan(seasonal_scale(np.array(history), 2))

    def test_no_pair_observed_is_nan(self) -> None:
        assert math.isnan(seasonal_scale(np.arange(4.0), 1, np.array([True, False, True, False])))


def test_the_root_scale_is_of_squares() -> None:
    assert seasonal_root_scale(np.array([1.0, 5, 2, 8, 2]), 2) == pytest.approx(math.sqrt((1 + 9 + 0) / 3))
    assert math.isnan(seasonal_root_scale(np.array([1.0, 2, 1, 2]), 2))


def test_owa_as_the_competition_published_it() -> None:
    # M4 hourly: seasonal naive 13.912 / 1.193 and Naive2 18.383 / 2.395 give 0.627.
    assert owa(13.912, 1.193, 18.383, 2.395) == pytest.approx(0.627, abs=5e-4)
    assert math.isnan(owa(1.0, 1.0, 0.0, 1.0)) and math.isnan(owa(1.0, NAN, 1.0, 1.0))


def test_every_measure_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert metric.__doc__ and len(metric.__doc__) > 60, name


def test_skill() -> None:
    assert skill(5.0, 10.0) == 0.5
    assert skill(10.0, 10.0) == 0
    assert skill(20.0, 10.0) == -1
    assert math.isnan(skill(1.0, 0.0))
    assert math.isnan(skill(1.0, NAN))
    assert math.isnan(skill(NAN, 1.0))
