from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError, ModelError, SettingError
from forecaster.evaluation.intervals import MAX_POINTS, Conformal, check_levels, level_columns, residuals_needed


def fitted(residuals: np.ndarray, observed: np.ndarray | None = None) -> Conformal:
    return Conformal.fit(residuals, np.ones(residuals.shape, bool) if observed is None else observed)


def slow_width(residuals: np.ndarray, observed: np.ndarray, level: int) -> list[float]:
    """The smallest score that at least level % of n + 1 are not above, step by step."""
    widths = []
    for step in range(residuals.shape[1]):
        scores = sorted(abs(r) for r, o in zip(residuals[:, step], observed[:, step], strict=True) if o)
        widths.append(next(s for rank, s in enumerate(scores, 1) if rank * 100 >= level * (len(scores) + 1)))
    return widths


class TestExactQuantiles:
    def test_hand_made_number(self) -> None:
        # 19 scores 1..19: level 95 takes the 19th, level 80 the 16th, level 50 the 10th.
        c = fitted(np.arange(1.0, 20.0)[::-1, None] * np.array([[1.0, -10.0]]))
        assert c.width(95, 2).tolist() == [19, 190]
        assert c.width(80, 2).tolist() == [16, 160]
        assert c.width(50, 1).tolist() == [10]
        assert not c.pooled(95) and c.pooled(96)

    @pytest.mark.parametrize("level", [10, 50, 80, 95, 97])
    def test_agrees_with_a_slow_loop(self, level: int) -> None:
        rng = np.random.default_rng(3)
        residuals, observed = rng.standard_t(3, size=(80, 5)), rng.random((80, 5)) < 0.8
        found = fitted(np.where(observed, residuals, np.nan), observed).width(level, 5)
        np.testing.assert_allclose(found, slow_width(residuals, observed, level), rtol=1e-6)

    def test_1001_residuals_are_exact(self) -> None:
        residuals = np.random.default_rng(4).normal(size=(MAX_POINTS, 2))
        found = fitted(residuals).width(90, 2)
        np.testing.assert_allclose(found, slow_width(residuals, np.ones_like(residuals, bool), 90), rtol=1e-6)

    @pytest.mark.parametrize("windows", [1002, 2001, 5000])
    def test_more_are_thinned_upwards_by_less_than_a_point(self, windows: int) -> None:
        residuals = np.arange(1.0, windows + 1)[:, None]
        c = fitted(residuals)
        assert c.scores.shape == (MAX_POINTS, 1) and c.scores.dtype == np.float32
        assert c.scores[[0, -1], 0].tolist() == [1, windows]
        for level in (1, 50, 80, 95, 99):
            exact = slow_width(residuals, np.ones_like(residuals, bool), level)[0]
            assert exact <= c.width(level, 1)[0] <= exact + math.ceil(windows / (MAX_POINTS - 1))


class TestCoverage:
    @pytest.mark.parametrize(("windows", "level"), [(4, 80), (19, 95), (60, 80), (60, 95), (1500, 90)])
    def test_exchangeable_residuals_are_covered_as_often_as_promised(self, windows: int, level: int) -> None:
        rng = np.random.default_rng(windows + level)
        trials = 3000 if windows < 1000 else 300
        hits = 0
        for _ in range(trials):
            draw = rng.standard_t(2, size=windows + 1)
            hits += abs(draw[-1]) <= fitted(draw[:-1, None]).width(level, 1)[0] * (1 + 1e-6)
        # Exactly ceil((n + 1) level / 100) / (n + 1) of the draws, within four standard errors.
        share = math.ceil((windows + 1) * level / 100) / (windows + 1)
        margin = 4 * math.sqrt(share * (1 - share) / trials)
        assert level / 100 - margin <= hits / trials <= share + 1 / MAX_POINTS + margin

    def test_pooling_covers_independent_steps_of_growing_spread(self) -> None:
        rng = np.random.default_rng(6)
        spread, trials = np.sqrt(np.arange(1, 25)), 400
        hits = 0
        for _ in range(trials):
            c = fitted(rng.normal(size=(8, 24)) * spread)
            assert c.pooled(95) and not c.widened(95)
            hits += (np.abs(rng.normal(size=24) * spread) <= c.width(95, 24)).sum()
        assert 0.94 <= hits / (24 * trials) <= 0.985


class TestTooFew:
    def test_pooled_steps_follow_a_random_walk(self) -> None:
        # Every step holds the same scores times sqrt(step): the spread is found, and the pool is one set repeated.
        shape = np.array([0.5, 1.0, 1.5, 2.0, 3.0])[:, None]
        c = fitted(shape * np.sqrt(np.arange(1, 11)))
        assert c.pooled(95) and not c.widened(95)
        np.testing.assert_allclose(c.width(95, 10), 3 * np.sqrt(np.arange(1, 11)), rtol=1e-5)

    def test_never_below_what_a_step_has_seen(self) -> None:
        residuals = np.ones((5, 10))
        residuals[0, 4] = 50
        assert fitted(residuals).width(95, 10)[4] == 50

    def test_only_the_steps_that_lack_residuals_are_pooled(self) -> None:
        rng = np.random.default_rng(7)
        residuals, observed = rng.normal(size=(40, 3)), np.ones((40, 3), bool)
        observed[5:, 1] = False
        c = fitted(residuals, observed)
        assert c.pooled(95)
        exact = slow_width(residuals[:, [0, 2]], observed[:, [0, 2]], 95)
        np.testing.assert_allclose(c.width(95, 3)[[0, 2]], exact, rtol=1e-6)

    def test_a_step_never_observed_takes_the_pool(self) -> None:
        observed = np.ones((30, 3), bool)
        observed[:, 1] = False
        width = fitted(np.full((30, 3), 2.0), observed).width(80, 3)
        np.testing.assert_allclose(width, 2, rtol=1e-6)

    def test_widened_by_the_ratio_of_normal_quantiles(self) -> None:
        c = fitted(np.array([[2.0]]))
        assert c.widened(80) and not c.widened(50)
        # One residual stands for coverage 1/2, the normal quantile 0.6745; 95 is 1.9600.
        assert c.width(95, 1)[0] == pytest.approx(2 * 1.959964 / 0.674490, rel=1e-5)
        assert c.width(50, 1)[0] == 2

    def test_a_model_without_error_has_no_width(self) -> None:
        assert fitted(np.zeros((2, 3))).width(95, 7).tolist() == [0] * 7

    def test_nothing_observed_is_refused(self) -> None:
        with pytest.raises(DataError, match="no observed reading") as caught:
            Conformal.fit(np.ones((3, 2)), np.zeros((3, 2), bool))
        assert "--validation" in caught.value.hint

    def test_residuals_that_are_not_finite_are_refused(self) -> None:
        with pytest.raises(DataError, match="1 errors of the validation windows are not finite"):
            fitted(np.array([[1.0, np.inf]]))


class TestFewStretches:
    @pytest.mark.parametrize(
        ("stretches", "level", "ratio"),  # quantiles from printed tables of Student's t and the normal distribution
        [(1, 80, 3.0777 / 1.2816), (2, 80, 1.8856 / 1.2816), (2, 95, 4.3027 / 1.9600), (20, 95, 2.0860 / 1.9600)],
    )
    def test_widths_are_those_of_so_many_values(self, stretches: int, level: int, ratio: float) -> None:
        residuals = np.random.default_rng(4).normal(size=(60, 3))
        observed = np.ones(residuals.shape, bool)
        few = Conformal.fit(residuals, observed, stretches=stretches)
        np.testing.assert_allclose(few.width(level, 7), ratio * fitted(residuals).width(level, 7), rtol=1e-4)

    def test_errors_that_rise_and_fall_together_are_covered_far_more_often(self) -> None:
        """Windows that overlap share their errors: 30 windows of two stretches hold two values, not 30."""
        rng, inside = np.random.default_rng(5), {(level, k): 0 for level in (80, 95) for k in (2, math.inf)}
        for _ in range(1000):
            residuals = np.repeat(rng.normal(size=(2, 1)), 15, axis=0)
            error = abs(rng.normal())
            for level, k in inside:
                few = Conformal.fit(residuals, np.ones(residuals.shape, bool), stretches=k)
                inside[level, k] += error <= few.width(level, 1)[0]
        assert inside[80, 2] > 760 and inside[95, 2] > 860
        assert inside[80, math.inf] < 700 and inside[95, math.inf] < 700


class TestRolledHorizon:
    def test_variances_of_the_rolls_add(self) -> None:
        c = fitted(np.repeat([[3.0, 4.0]], 30, axis=0))
        expected = [3, 4, math.sqrt(16 + 9), math.sqrt(16 + 16), math.sqrt(16 + 16 + 9), math.sqrt(3 * 16)]
        np.testing.assert_allclose(c.width(80, 6), expected)

    def test_a_shorter_horizon_is_a_prefix(self) -> None:
        c = fitted(np.random.default_rng(8).normal(size=(50, 6)))
        np.testing.assert_array_equal(c.width(80, 4), c.width(80, 6)[:4])
        np.testing.assert_array_equal(c.width(80, 6), c.width(80, 20)[:6])


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 6), st.floats(0.3, 1.0))
def test_never_narrower_for_a_higher_level(seed: int, windows: int, steps: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.random((windows, steps)) < share
    observed[0, 0] = True
    c = fitted(rng.standard_t(2, size=(windows, steps)), observed)
    widths = np.array([c.width(level, 2 * steps + 1) for level in (1, 20, 50, 75, 80, 90, 95, 98, 99)])
    assert np.isfinite(widths).all() and (widths >= 0).all()
    assert (np.diff(widths, axis=0) >= -1e-9).all()


class TestStorage:
    def test_round_trip_through_npz(self) -> None:
        rng = np.random.default_rng(9)
        c = Conformal.fit(rng.normal(size=(30, 4)), rng.random((30, 4)) < 0.9, stretches=7.5)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **c.to_arrays())
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            again = Conformal.from_arrays(arrays)
        for level in (80, 95, 99):
            np.testing.assert_array_equal(again.width(level, 9), c.width(level, 9))

    def test_an_absent_array_is_refused(self) -> None:
        with pytest.raises(ModelError, match="lack counts, inflation"):
            Conformal.from_arrays({"scores": np.ones((2, 2), np.float32)})

    def test_arrays_that_do_not_agree_are_refused(self) -> None:
        arrays = fitted(np.ones((5, 3))).to_arrays()
        for damaged in (
            {"counts": np.array([5, 5])},
            {"counts": np.array([5, 9, 5])},
            {"scores": np.ones(3)},
            {"inflation": np.ones(3)},
        ):
            with pytest.raises(ModelError, match="damaged"):
                Conformal.from_arrays(arrays | damaged)


@pytest.mark.parametrize("level", range(1, 100))
def test_residuals_needed_is_the_least_whose_rank_exists(level: int) -> None:
    n = residuals_needed(level)
    assert math.ceil((n + 1) * level / 100) <= n
    assert n == 1 or level * n / 100 > n - 1


@pytest.mark.parametrize("level", [0, 100, -5, 80.5])
def test_levels_out_of_range_are_refused(level: float) -> None:
    with pytest.raises(SettingError, match=f"between 1 and 99, got {level}"):
        check_levels((80, level))  # type: ignore[arg-type]


def test_level_columns() -> None:
    assert level_columns((80, 95)) == ["lo-80", "hi-80", "lo-95", "hi-95"]
