from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError, ModelError, SettingError
from forecaster.intervals.conformal import ASYMMETRY, MAX_POINTS, SMOOTH, Conformal, residuals_needed
from forecaster.levels import check_levels, level_columns


def fitted(residuals: np.ndarray, observed: np.ndarray | None = None, **options: float) -> Conformal:
    return Conformal.fit(residuals, np.ones(residuals.shape, bool) if observed is None else observed, **options)


def mirrored(values: np.ndarray) -> np.ndarray:
    """Return errors of one step whose absolute values are the given ones, each once above and once below."""
    return np.concatenate([values, -values])[:, None]


def slow_rank(values: list[float], share: float) -> float:
    """The smallest value that at least a share of n + 1 are not above."""
    return next(v for rank, v in enumerate(sorted(values), 1) if rank >= share * (len(values) + 1) - 1e-9)


class TestOneStep:
    def test_hand_made_number(self) -> None:
        # 39 errors -19..19: level 80 takes ranks 36 and 4 of 40, level 50 ranks 30 and 10.
        c = fitted(np.arange(-19.0, 20.0)[:, None])
        np.testing.assert_allclose(c.widths(80, 1), [[[16, 16]]], rtol=1e-6)
        np.testing.assert_allclose(c.widths(50, 1), [[[10, 10]]], rtol=1e-6)
        np.testing.assert_allclose(c.widths(95, 1), [[[19, 19]]], rtol=1e-6)

    @pytest.mark.parametrize("level", [10, 50, 80, 90, 95])
    def test_both_ends_agree_with_a_slow_loop(self, level: int) -> None:
        rng = np.random.default_rng(3)
        residuals, observed = rng.gamma(2, size=(150, 1)) - 1.5, rng.random((150, 1)) < 0.8
        c = fitted(np.where(observed, residuals, np.nan), observed)
        seen, tail = residuals[observed].tolist(), 0.5 + level / 200
        expected = [max(slow_rank([-v for v in seen], tail), 0), max(slow_rank(seen, tail), 0)]
        np.testing.assert_allclose(c.widths(level, 1)[0, 0], expected, rtol=1e-5)

    def test_few_stretches_are_symmetric(self) -> None:
        rng = np.random.default_rng(4)
        residuals = rng.gamma(1, size=(60, 1)) - 0.5
        many, few = fitted(residuals).widths(80, 1)[0, 0], fitted(residuals, stretches=0.01).widths(80, 1)[0, 0]
        assert many[1] > 2 * many[0]
        assert few[1] == pytest.approx(few[0], rel=1e-2)
        half = fitted(residuals, stretches=ASYMMETRY)
        ratio = half.widths(80, 1)[0, 0] / half.inflation(80)
        both = slow_rank(np.abs(residuals[:, 0]).tolist(), 0.8)
        smooth = 1 / (1 + SMOOTH / ASYMMETRY) + 1 / (1 + ASYMMETRY / SMOOTH)  # one step: both profiles are one
        np.testing.assert_allclose(ratio, (many + both) / 2 * smooth, rtol=1e-5)

    @pytest.mark.parametrize("windows", [1002, 2001, 5000])
    def test_more_than_1001_are_thinned_outwards_by_less_than_a_point(self, windows: int) -> None:
        residuals = np.arange(1.0, windows + 1) - windows / 2
        c = fitted(residuals[:, None])
        assert c.absolute.shape == c.signed.shape == (MAX_POINTS,)
        for level in (1, 50, 80, 95, 99):
            tail = 0.5 + level / 200
            exact = [max(slow_rank((sign * residuals).tolist(), tail), 0) for sign in (-1, 1)]
            found = c.widths(level, 1)[0, 0]
            assert (found >= np.array(exact) * (1 - 1e-6)).all()
            assert (found <= np.array(exact) + math.ceil(windows / (MAX_POINTS - 1)) + 1e-3).all()


class TestCoverage:
    @pytest.mark.parametrize(("windows", "level"), [(4, 80), (19, 95), (60, 80), (60, 95), (1500, 90)])
    def test_exchangeable_residuals_are_covered_as_often_as_promised(self, windows: int, level: int) -> None:
        rng = np.random.default_rng(windows + level)
        trials = 3000 if windows < 1000 else 300
        hits = 0
        for _ in range(trials):
            draw = rng.standard_t(2, size=windows + 1)
            below, above = fitted(draw[:-1, None]).widths(level, 1)[0, 0] * (1 + 1e-6)
            hits += -below <= draw[-1] <= above
        margin = 4 * math.sqrt(level / 100 * (1 - level / 100) / trials)
        assert level / 100 - margin <= hits / trials <= level / 100 + 2 / (windows + 1) + margin

    @pytest.mark.parametrize("level", [80, 95])
    def test_steps_of_growing_spread_are_each_covered(self, level: int) -> None:
        rng = np.random.default_rng(6)
        spread, trials = np.sqrt(np.arange(1, 25)), 300
        inside = np.zeros(24)
        for _ in range(trials):
            width = fitted(rng.normal(size=(12, 24)) * spread, stretches=12).widths(level, 24)[0]
            error = rng.normal(size=24) * spread
            inside += (-width[:, 0] <= error) & (error <= width[:, 1])
        share = inside / trials
        assert abs(share.mean() - level / 100) < 0.03
        assert share.min() > level / 100 - 0.08

    @pytest.mark.slow
    @pytest.mark.parametrize(("stretches", "level"), [(2, 80), (2, 95), (5, 80), (5, 95)])
    def test_errors_that_add_up_are_covered_from_few_stretches(self, stretches: int, level: int) -> None:
        """Windows of few stretches share their errors; random walks, as where a level drifts."""
        rng, hits, steps, trials = np.random.default_rng(5), {"few": 0.0, "many": 0.0}, 12, 1500
        for _ in range(trials):
            residuals = np.repeat(rng.normal(size=(stretches, steps)).cumsum(axis=1), 5, axis=0)
            error = rng.normal(size=steps).cumsum()
            for name, k in (("few", stretches), ("many", math.inf)):
                width = fitted(residuals, stretches=k).widths(level, steps)[0]
                hits[name] += ((-width[:, 0] <= error) & (error <= width[:, 1])).mean()
        assert abs(hits["few"] / trials - level / 100) < 0.035
        assert hits["many"] / trials < level / 100 - 0.04

    def test_windows_that_are_more_uncertain_have_wider_intervals_of_the_same_coverage(self) -> None:
        rng = np.random.default_rng(8)
        spread = rng.choice([1.0, 10.0], size=(2000, 1, 1)) * np.ones((1, 3, 2))
        errors = rng.normal(size=(2000, 3)) * spread[:, :, 0]
        c = Conformal.fit(errors[:1000], np.ones((1000, 3), bool), spreads=spread[:1000])
        for scale in (1.0, 10.0):
            part = spread[1000:, 0, 0] == scale
            width = c.widths(80, spread[1000:][part])
            inside = (-width[..., 0] <= errors[1000:][part]) & (errors[1000:][part] <= width[..., 1])
            assert inside.mean() == pytest.approx(0.8, abs=0.04)
            assert width.mean() == pytest.approx(1.28 * scale, rel=0.08)

    def test_the_ends_follow_the_spread_of_their_own_side(self) -> None:
        rng = np.random.default_rng(9)
        both = np.array([1.0, 5.0]) * np.ones((800, 2, 2))
        errors = np.abs(rng.normal(size=(800, 2))) * np.where(rng.random((800, 2)) < 0.5, -1.0, 5.0)
        found = Conformal.fit(errors, np.ones(errors.shape, bool), spreads=both).widths(80, both[:1])[0]
        np.testing.assert_allclose(found[:, 1], 5 * found[:, 0], rtol=0.12)


class TestProfile:
    def test_many_stretches_keep_what_each_step_has_shown(self) -> None:
        residuals = mirrored(np.arange(1.0, 50.0)) * np.array([[1.0, 10.0, 2.0]])
        np.testing.assert_allclose(fitted(residuals).profile / fitted(residuals).profile[0], [1, 10, 2], rtol=1e-5)

    def test_few_stretches_follow_a_random_walk(self) -> None:
        rng = np.random.default_rng(10)
        noisy = rng.normal(size=(4, 24)) * np.sqrt(np.arange(1, 25))
        profile = fitted(noisy, stretches=1e-6).profile
        np.testing.assert_allclose(np.diff(profile**2, n=2), 0, atol=1e-4)
        assert (np.diff(profile) >= 0).all() and profile[-1] > 2 * profile[0]

    def test_the_blend_is_that_of_the_squares(self) -> None:
        residuals = mirrored(np.array([1.0, 2.0, 3.0])) * np.array([[1.0, 4.0, 1.0]])
        own, smooth = (fitted(residuals, stretches=k).profile ** 2 for k in (math.inf, 1e-9))
        found = fitted(residuals, stretches=SMOOTH).profile ** 2
        np.testing.assert_allclose(found, (own + smooth) / 2, rtol=1e-5)

    def test_a_step_never_observed_takes_the_smooth_profile(self) -> None:
        observed = np.ones((30, 3), bool)
        observed[:, 1] = False
        c = fitted(np.where(observed, 2.0, np.nan), observed)
        np.testing.assert_allclose(c.profile, 2, rtol=1e-6)
        assert c.count == 60

    def test_a_model_without_error_has_no_width(self) -> None:
        assert fitted(np.zeros((2, 3))).widths(95, 7).tolist() == [[[0, 0]] * 7]


class TestTooFew:
    def test_widened_by_the_ratio_of_normal_quantiles(self) -> None:
        c = fitted(np.array([[2.0]]))
        assert c.widened(80) and not c.widened(50)
        # One residual stands for coverage 1/2, the normal quantile 0.6745; 95 is 1.9600.
        np.testing.assert_allclose(c.widths(95, 1), [[[2 * 1.959964 / 0.674490] * 2]], rtol=1e-5)
        np.testing.assert_allclose(c.widths(50, 1), [[[2, 2]]], rtol=1e-6)

    @pytest.mark.parametrize(
        ("stretches", "level", "ratio"),  # quantiles from printed tables of Student's t and the normal distribution
        [(1, 80, 3.0777 / 1.2816), (2, 80, 1.8856 / 1.2816), (2, 95, 4.3027 / 1.9600), (20, 95, 2.0860 / 1.9600)],
    )
    def test_few_stretches_of_one_step_are_so_many_values(self, stretches: int, level: int, ratio: float) -> None:
        assert fitted(np.ones((9, 1)), stretches=stretches).inflation(level) == pytest.approx(ratio, rel=1e-4)

    def test_a_stretch_of_two_steps_is_four_thirds_of_a_value(self) -> None:
        # Correlations of a random walk, squared: 1, 1/2, 1/2, 1, whose mean is 3/4. Three stretches are four values.
        assert fitted(np.ones((9, 2)), stretches=3).inflation(95) == pytest.approx(2.7764 / 1.9600, rel=1e-4)

    def test_nothing_observed_is_refused(self) -> None:
        with pytest.raises(DataError, match="no observed reading") as caught:
            Conformal.fit(np.ones((3, 2)), np.zeros((3, 2), bool))
        assert caught.value.hint == "keep more rows for it with validation"

    def test_residuals_that_are_not_finite_are_refused(self) -> None:
        with pytest.raises(DataError, match="1 errors of the validation windows are not finite"):
            fitted(np.array([[1.0, np.inf]]))


class TestRolledHorizon:
    def test_variances_of_the_rolls_add(self) -> None:
        c = fitted(np.repeat([[3.0, 4.0], [-3.0, -4.0]], 30, axis=0))
        expected = [3, 4, math.sqrt(16 + 9), math.sqrt(16 + 16), math.sqrt(16 + 16 + 9), math.sqrt(3 * 16)]
        np.testing.assert_allclose(c.widths(80, 6)[0], np.repeat(np.array(expected)[:, None], 2, axis=1), rtol=1e-6)

    def test_a_shorter_horizon_is_a_prefix(self) -> None:
        c = fitted(np.random.default_rng(8).normal(size=(50, 6)))
        np.testing.assert_array_equal(c.widths(80, 4), c.widths(80, 6)[:, :4])
        np.testing.assert_array_equal(c.widths(80, 6), c.widths(80, 20)[:, :6])


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.integers(1, 6),
    st.floats(0.3, 1.0),
    st.sampled_from([0.5, 3.0, 60.0, math.inf]),
)
def test_never_narrower_for_a_higher_level(seed: int, windows: int, steps: int, share: float, stretches: float) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.random((windows, steps)) < share
    observed[0, 0] = True
    c = fitted(rng.standard_t(2, size=(windows, steps)) + 0.5, observed, stretches=stretches)
    widths = np.array([c.widths(level, 2 * steps + 1) for level in (1, 20, 50, 75, 80, 90, 95, 97.5, 99, 99.9)])
    assert np.isfinite(widths).all() and (widths >= 0).all()
    assert (np.diff(widths, axis=0) >= -1e-9).all()


class TestStorage:
    def test_round_trip_through_npz(self) -> None:
        rng = np.random.default_rng(9)
        observed = rng.random((30, 4)) < 0.9
        c = Conformal.fit(rng.normal(size=(30, 4)), observed, 7.5, kind="volatility", typical=0.25)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **c.to_arrays())
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            again = Conformal.from_arrays(arrays)
        assert (again.kind, again.typical, again.count, again.stretches) == ("volatility", 0.25, c.count, 7.5)
        for level in (80, 95, 99):
            np.testing.assert_array_equal(again.widths(level, 9), c.widths(level, 9))

    def test_an_absent_array_is_refused(self) -> None:
        with pytest.raises(ModelError, match="lack absolute, inflations, numbers, signed"):
            Conformal.from_arrays({"profile": np.ones(2, np.float32)})

    def test_arrays_that_do_not_agree_are_refused(self) -> None:
        arrays = fitted(np.ones((5, 3))).to_arrays()
        for damaged in (
            {"absolute": np.ones(3)},
            {"signed": np.full(15, np.nan)},
            {"profile": np.ones((3, 3))},
            {"numbers": np.ones(3)},
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
