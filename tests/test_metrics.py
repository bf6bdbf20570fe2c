from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.errors import SettingError
from forecaster.evaluation.metrics import METRICS, Outcome, mae, score, seasonal_scale, skill

LEVELS = (80, 95)
NAN = float("nan")
VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def outcome(seed: int = 0, rows: int = 40) -> Outcome:
    rng = np.random.default_rng(seed)
    actual, point = rng.normal(size=rows), rng.normal(size=rows)
    ends = [point - 1, point + 1, point - 2, point + 2]
    return Outcome.of(actual, np.stack([point, *ends], axis=1), LEVELS, scale=2.0)


def slow_scores(o: Outcome) -> dict[str, float]:
    """Every measure by a loop over the rows, in plain Python."""
    n = len(o.actual)
    absolute = squared = symmetric = loss = 0.0
    inside = [0] * len(o.levels)
    for i in range(n):
        y, f = float(o.actual[i]), float(o.forecast[i])
        absolute += abs(y - f)
        squared += (y - f) * (y - f)
        symmetric += 0.0 if y == f == 0 else abs(y - f) / ((abs(y) + abs(f)) / 2) * 100
        for k, level in enumerate(o.levels):
            inside[k] += o.low[i, k] <= y <= o.high[i, k]
            for q, end in ((0.5 - level / 200, o.low[i, k]), (0.5 + level / 200, o.high[i, k])):
                loss += q * (y - end) if y >= end else (1 - q) * (end - y)
    shares = {f"coverage-{level}": inside[k] / n for k, level in enumerate(o.levels)}
    return {
        "mae": absolute / n,
        "rmse": math.sqrt(squared / n),
        "mase": absolute / n / o.scale,
        "smape": symmetric / n,
        "pinball": loss / n / (2 * len(o.levels)),
        **shares,
    }


@pytest.mark.parametrize("seed", range(3))
def test_all_agree_with_a_slow_loop(seed: int) -> None:
    o = outcome(seed)
    expected = slow_scores(o)
    assert list(score(o)) == list(expected)
    assert score(o) == pytest.approx(expected)


def test_hand_made_numbers() -> None:
    forecast = np.array([[1.0, 0.0, 2.0], [4.0, 3.0, 5.0]])
    found = score(Outcome.of(np.array([1.0, 2.0]), forecast, (80,), scale=4.0))
    # Errors 0 and -2; sMAPE 0 and 200 * 2 / 6. Pinball at 0.1: 0.1 and 0.9; at 0.9: 0.1 and 0.3.
    assert found == pytest.approx(
        {"mae": 1, "rmse": 2**0.5, "mase": 0.25, "smape": 100 / 3, "pinball": 1.4 / 4, "coverage-80": 0.5}
    )


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def test_a_perfect_forecast(self, name: str) -> None:
        actual = np.array([1.0, -2.0, 0.0])
        found = METRICS[name](Outcome.of(actual, np.repeat(actual[:, None], 5, axis=1), LEVELS, scale=1.0))
        np.testing.assert_allclose(found, 1 if name == "coverage" else 0)

    def test_zeros_are_safe(self, name: str) -> None:
        found = METRICS[name](Outcome.of(np.zeros(4), np.zeros((4, 5)), LEVELS, scale=0.0))
        np.testing.assert_equal(found, {"coverage": np.ones(2), "mase": NAN}.get(name, 0.0))

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
        windows = Outcome.of(o.actual.reshape(8, 5), forecast.reshape(8, 5, 5), LEVELS, 2.0)
        np.testing.assert_array_equal(METRICS[name](windows), METRICS[name](o))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(arrays(float, (7, 6), elements=VALUES), st.floats(0, 1e3))
def test_no_measure_is_infinite_and_smape_has_bounds(numbers: np.ndarray, scale: float) -> None:
    found = score(Outcome.of(numbers[:, 0], numbers[:, 1:], LEVELS, scale if scale > 1e-3 else 0.0))
    assert not np.isinf(list(found.values())).any()
    assert 0 <= found["smape"] <= 200 + 1e-9
    assert found["mae"] <= found["rmse"] * (1 + 1e-9) + 1e-9


def test_a_point_forecast_needs_no_levels() -> None:
    o = Outcome.of(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert mae(o) == 1.5
    assert set(score(o)) == {"mae", "rmse", "mase", "smape", "pinball"}
    assert math.isnan(score(o)["pinball"])


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


def test_skill() -> None:
    assert skill(5.0, 10.0) == 0.5
    assert skill(10.0, 10.0) == 0
    assert skill(20.0, 10.0) == -1
    assert math.isnan(skill(1.0, 0.0))
    assert math.isnan(skill(1.0, NAN))
    assert math.isnan(skill(NAN, 1.0))
