from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DependencyError, SettingError
from forecaster.evaluation import baselines
from forecaster.evaluation.baselines import (
    ARIMA_HISTORY,
    BASELINES,
    LOCAL_HISTORY,
    LONGEST_ARIMA_SEASON,
    LONGEST_ETS_SEASON,
    NAIVE_FAMILY,
    USUAL_BASELINES,
    baseline_notes,
    find_baseline,
    is_seasonal,
)

LEVELS = (80, 95)
Z80, Z95 = 1.2815516, 1.9599640
FITTED = tuple(name for name in BASELINES if name not in NAIVE_FAMILY)


def seasonal(rows: int, season: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 20 + 5 * np.sin(np.arange(rows) * 2 * np.pi / season) + rng.normal(size=rows)


@pytest.mark.parametrize("name", BASELINES)
class TestEveryBaseline:
    @pytest.mark.parametrize("levels", [(), (80,), (80, 95), (95, 50)])
    @pytest.mark.parametrize("horizon", [1, 30])
    def test_shape_and_nested_intervals(self, name: str, levels: tuple[int, ...], horizon: int) -> None:
        found = BASELINES[name](seasonal(72, 4), horizon, 4, levels)
        assert found.shape == (horizon, 1 + 2 * len(levels)) and found.dtype == np.float64
        assert np.isfinite(found).all()
        for k in range(len(levels)):
            assert (found[:, 1 + 2 * k] < found[:, 0]).all() and (found[:, 0] < found[:, 2 + 2 * k]).all()
        if levels == (95, 50):
            assert (found[:, 1] < found[:, 3]).all() and (found[:, 4] < found[:, 2]).all()

    @pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 11, 12, 13])
    def test_short_histories_end_in_numbers_or_nan(self, name: str, rows: int) -> None:
        found = BASELINES[name](seasonal(rows, 12), 6, 12, LEVELS)
        assert found.shape == (6, 5) and not np.isinf(found).any()
        assert name in FITTED or np.isfinite(found[:, 0]).all()
        assert name in NAIVE_FAMILY or len({*np.isfinite(found).ravel().tolist()}) == 1

    @pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
    def test_a_constant_continues(self, name: str, value: float) -> None:
        found = BASELINES[name](np.full(60, value), 5, 12, LEVELS)
        np.testing.assert_allclose(found, value, atol=1e-4)

    def test_units_do_not_matter_and_input_is_left_alone(self, name: str) -> None:
        history = seasonal(72, 4)
        kept = history.copy()
        np.testing.assert_allclose(
            BASELINES[name](history * 1000, 4, 4, (80,)), BASELINES[name](history, 4, 4, (80,)) * 1000, rtol=2e-2
        )
        np.testing.assert_array_equal(history, kept)

    def test_whole_numbers_are_taken(self, name: str) -> None:
        assert np.isfinite(BASELINES[name](np.arange(40) % 7, 3, 1, (80,))).all()

    def test_silent(self, name: str, capfd: pytest.CaptureFixture[str]) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for history in (np.zeros(50), np.ones(4), seasonal(50, 4)):
                BASELINES[name](history, 3, 4, LEVELS)
        assert not caught
        assert capfd.readouterr() == ("", "")

    def test_a_wrong_level_is_refused(self, name: str) -> None:
        with pytest.raises(SettingError, match="between 1 and 99, got 0"):
            BASELINES[name](seasonal(72, 12), 2, 12, (0,))


class TestMean:
    def test_hand_made_numbers(self) -> None:
        # Mean 3, deviations -2, 1, 0, 1: s = sqrt(6 / 3), wider by sqrt(1 + 1 / 4).
        found = BASELINES["mean"](np.array([1.0, 4, 3, 4]), 2, 1, (80,))
        half = Z80 * math.sqrt(2 * 1.25)
        np.testing.assert_allclose(found, [[3, 3 - half, 3 + half]] * 2, rtol=1e-6)

    def test_one_row_has_no_interval(self) -> None:
        np.testing.assert_array_equal(BASELINES["mean"](np.array([3.0]), 1, 1, (80,)), [[3, np.nan, np.nan]])


class TestNaive2:
    def test_m4_hourly_scores_as_published(self, shared_data: Path) -> None:
        train, test = (
            pd.read_csv(shared_data / "m4_hourly" / name).iloc[:, 1:].to_numpy(float)
            for name in ("train.csv", "test.csv")
        )
        errors = []
        for row, actual in zip(train, test, strict=True):
            history = row[np.isfinite(row)]
            forecast = BASELINES["Naive2"](history, 48, 24, ())[:, 0]
            absolute = np.abs(actual - forecast)
            symmetric = 200 * (absolute / (np.abs(actual) + np.abs(forecast))).mean()
            errors.append((symmetric, absolute.mean() / np.abs(history[24:] - history[:-24]).mean()))
        assert np.mean(errors, axis=0) == pytest.approx([18.383, 2.395], abs=5e-4)

    def test_the_index_is_that_of_the_classical_decomposition(self) -> None:
        from statsmodels.tsa.seasonal import seasonal_decompose

        for season in (4, 7):
            history = 50 + np.tile(np.arange(season) * 4.0, 9)[:-2] + seasonal(9 * season - 2, 5)
            for values, model in ((history, "multiplicative"), (history - 100, "additive")):
                index = seasonal_decompose(values, model=model, period=season).seasonal
                adjusted = values / index if model == "multiplicative" else values - index
                ahead = index[[len(values) % season + k for k in range(3)]]
                expected = adjusted[-1] * ahead if model == "multiplicative" else adjusted[-1] + ahead
                np.testing.assert_allclose(BASELINES["Naive2"](values, 3, season, ())[:, 0], expected)

    def test_intervals_are_those_of_naive_times_the_index(self) -> None:
        history = np.tile([10.0, 20, 30, 40], 8) + seasonal(32, 5) / 20
        found = BASELINES["Naive2"](history, 4, 4, (80,))
        width, point = found[:, 2] - found[:, 1], found[:, 0]
        np.testing.assert_allclose(width / point / np.sqrt([1, 2, 3, 4]), width[0] / point[0])

    def test_without_a_season_it_is_naive(self) -> None:
        walk = np.random.default_rng(3).normal(size=200)
        for season in (1, 12):
            assert not is_seasonal(walk, season)
            np.testing.assert_array_equal(
                BASELINES["Naive2"](walk, 5, season, LEVELS), BASELINES["naive"](walk, 5, season, LEVELS)
            )

    def test_the_test_of_seasonality_by_a_loop(self) -> None:
        found = []
        for seed in range(40):
            y, m = np.random.default_rng(seed).normal(size=60), 4
            y[m:] += 0.25 * y[:-m]
            mean, n = sum(y) / 60, 60
            r = [
                sum((y[t] - mean) * (y[t - k] - mean) for t in range(k, n)) / sum((y - mean) ** 2) for k in range(1, 5)
            ]
            limit = 1.645 * math.sqrt((1 + 2 * sum(x * x for x in r[:3])) / n)
            found.append(is_seasonal(y, m))
            assert found[-1] == (abs(r[3]) > limit)
        assert 5 < sum(found) < 35
        assert not is_seasonal(np.tile([1.0, 2, 3, 4], 3)[:-1], 4) and is_seasonal(np.tile([1.0, 2, 3, 4], 3), 4)
        assert not is_seasonal(np.ones(60), 4)


class TestNaive:
    def test_hand_made_numbers(self) -> None:
        # Steps 3, -1, 2: s = sqrt(14 / 3).
        found = BASELINES["naive"](np.array([1.0, 4, 3, 5]), 4, 2, LEVELS)
        s = math.sqrt(14 / 3)
        assert found[:, 0].tolist() == [5] * 4
        assert found[0, 1:].tolist() == pytest.approx([5 - Z80 * s, 5 + Z80 * s, 5 - Z95 * s, 5 + Z95 * s])
        assert found[3, 2].item() == pytest.approx(5 + Z80 * s * 2)

    def test_one_row_has_no_interval(self) -> None:
        found = BASELINES["naive"](np.array([3.0]), 2, 1, (80,))
        np.testing.assert_array_equal(found, [[3, np.nan, np.nan]] * 2)

    def test_intervals_of_a_random_walk_cover(self) -> None:
        rng = np.random.default_rng(1)
        inside = np.zeros((2000, 10))
        for row in inside:
            walk = rng.normal(size=310).cumsum()
            found = BASELINES["naive"](walk[:300], 10, 1, (80,))
            row[:] = (found[:, 1] <= walk[300:]) & (walk[300:] <= found[:, 2])
        np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=0.04)


class TestSeasonalNaive:
    def test_hand_made_numbers(self) -> None:
        # Seasonal differences 2, 0, -1 of a season of 3: s = sqrt(5 / 3); the second season is wider by sqrt(2).
        found = BASELINES["seasonal-naive"](np.array([1.0, 4, 3, 3, 4, 2]), 7, 3, (80,))
        s = math.sqrt(5 / 3)
        assert found[:, 0].tolist() == [3, 4, 2, 3, 4, 2, 3]
        np.testing.assert_allclose((found[:, 2] - found[:, 0]) / (Z80 * s), np.sqrt([1, 1, 1, 2, 2, 2, 3]), rtol=1e-6)

    def test_repeats_the_rows_one_season_before(self) -> None:
        history, h, season = seasonal(50, 7), 20, 7
        series = history.tolist()
        for _ in range(h):
            series.append(series[-season])
        assert BASELINES["seasonal-naive"](history, h, season, ())[:, 0].tolist() == series[50:]

    def test_shorter_than_a_season_is_naive(self) -> None:
        history = seasonal(11, 12)
        np.testing.assert_array_equal(
            BASELINES["seasonal-naive"](history, 5, 12, LEVELS), BASELINES["naive"](history, 5, 12, LEVELS)
        )

    def test_one_season_has_no_interval(self) -> None:
        found = BASELINES["seasonal-naive"](np.arange(12.0), 3, 12, (80,))
        np.testing.assert_array_equal(found, [[k, np.nan, np.nan] for k in (0, 1, 2)])

    def test_season_of_one_is_naive(self) -> None:
        history = seasonal(30, 5)
        np.testing.assert_allclose(
            BASELINES["seasonal-naive"](history, 5, 1, LEVELS), BASELINES["naive"](history, 5, 1, LEVELS)
        )

    def test_airline_passengers_score_the_published_error(self, shared_data: Path) -> None:
        y = pd.read_csv(shared_data / "airline_passengers.csv").iloc[:, 1].to_numpy(float)
        error = BASELINES["seasonal-naive"](y[:-12], 12, 12, ())[:, 0] - y[-12:]
        assert np.sqrt((error**2).mean()) == pytest.approx(50.7, abs=0.05)


class TestDrift:
    def test_hand_made_numbers(self) -> None:
        # Slope (7 - 1) / 3 = 2; residuals 1, -3, 2 with one parameter: s = sqrt(14 / 2).
        found = BASELINES["drift"](np.array([1.0, 4, 3, 7]), 3, 1, (95,))
        assert found[:, 0].tolist() == [9, 11, 13]
        expected = Z95 * math.sqrt(7) * np.sqrt([1 * (1 + 1 / 3), 2 * (1 + 2 / 3), 3 * (1 + 3 / 3)])
        np.testing.assert_allclose(found[:, 2] - found[:, 0], expected, rtol=1e-6)

    def test_one_and_two_rows(self) -> None:
        nan = np.nan
        np.testing.assert_array_equal(BASELINES["drift"](np.array([3.0]), 2, 1, (80,)), [[3, nan, nan]] * 2)
        np.testing.assert_array_equal(
            BASELINES["drift"](np.array([3.0, 5.0]), 2, 1, (80,)), [[7, nan, nan], [9, nan, nan]]
        )


class TestFitted:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", FITTED)
    def test_only_the_newest_rows_count(self, name: str) -> None:
        history = seasonal((ARIMA_HISTORY if name == "AutoARIMA" else LOCAL_HISTORY) + 500, 4)
        changed = history.copy()
        changed[:500] = 1e6
        np.testing.assert_array_equal(BASELINES[name](changed, 5, 4, (80,)), BASELINES[name](history, 5, 4, (80,)))

    @pytest.mark.parametrize("name", FITTED)
    def test_a_season_is_found(self, name: str) -> None:
        truth = 20 + 5 * np.sin(np.arange(120, 126) * 2 * np.pi / 6)
        found = BASELINES[name](seasonal(120, 6), 6, 6, ())[:, 0]
        assert np.abs(found - truth).mean() < 1

    def test_ets_leaves_out_a_season_too_long_for_it(self) -> None:
        for season in (LONGEST_ETS_SEASON, LONGEST_ETS_SEASON + 1):
            pattern = np.random.default_rng(1).normal(size=season) * 10
            history = np.tile(pattern, 5) + seasonal(5 * season, season)
            with_season, without = (BASELINES["AutoETS"](history, 5, s, (80,)) for s in (season, 1))
            assert np.array_equal(with_season, without) == (season > LONGEST_ETS_SEASON)

    def test_arima_leaves_out_a_season_too_long_for_it(self) -> None:
        history = seasonal(90, 30)
        long, without = (BASELINES["AutoARIMA"](history, 5, s, (80,)) for s in (LONGEST_ARIMA_SEASON + 1, 1))
        np.testing.assert_array_equal(long, without)

    def test_mstl_knows_several_seasons(self) -> None:
        steps = np.arange(6 * 84 + 21)
        y = 50 + 5 * np.sin(steps * 2 * np.pi / 7) + 8 * np.sin(steps * 2 * np.pi / 84)
        history, truth = y[:-21], y[-21:]
        one, both = (find_baseline("MSTL", seasons)(history, 21, 7, ())[:, 0] for seasons in ((), (7, 84)))
        assert np.abs(both - truth).mean() < 0.2 * np.abs(one - truth).mean()

    def test_mstl_without_a_season_is_ets(self) -> None:
        history = seasonal(20, 5)
        for season in (1, 12):  # of 12 there are no two
            np.testing.assert_array_equal(
                BASELINES["MSTL"](history, 4, season, (80,)), BASELINES["AutoETS"](history, 4, 1, (80,))
            )

    @pytest.mark.parametrize("name", ["AutoETS", "AutoTheta", "MSTL"])
    def test_too_few_rows_are_nan(self, name: str) -> None:
        assert np.isnan(BASELINES[name](np.array([1.0, 2.0]), 3, 1, LEVELS)).all()

    def test_failures_inside_the_library_are_nan(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Broken:
            def __init__(self, season_length: int) -> None:
                assert season_length == 1

            def forecast(self, **_: object) -> None:
                raise ZeroDivisionError

        monkeypatch.setattr(baselines, "_model_class", lambda name: Broken)
        assert np.isnan(BASELINES["AutoETS"](np.arange(50.0), 3, 1, LEVELS)).all()

    def test_statsforecast_that_memory_is_too_short_for_is_not_called_absent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Full:
            def find_spec(self, name: str, *_: object) -> None:
                if name.startswith("statsforecast"):
                    raise ImportError("convolve.so: failed to map segment from shared object")

        monkeypatch.delitem(sys.modules, "statsforecast.models", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Full(), *sys.meta_path])
        with pytest.raises(ImportError, match="failed to map"):
            BASELINES["AutoETS"](np.arange(50.0), 3, 1, LEVELS)

    @pytest.mark.parametrize("name", FITTED)
    def test_without_statsforecast_the_install_line_is_given(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "statsforecast", None)
        monkeypatch.setitem(sys.modules, "statsforecast.models", None)
        with pytest.raises(DependencyError, match=f"the baseline {name} needs statsforecast") as caught:
            BASELINES[name](seasonal(50, 12), 3, 12, LEVELS)
        assert caught.value.hint == "pip install statsforecast"


def test_statsforecast_is_imported_only_when_a_model_is_fitted() -> None:
    code = (
        "import sys, numpy as np\n"
        "from forecaster.evaluation.baselines import BASELINES, NAIVE_FAMILY\n"
        "for name in NAIVE_FAMILY: BASELINES[name](np.arange(30.0), 3, 12, (80,))\n"
        "assert not {'statsforecast', 'scipy', 'statsmodels', 'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_find_baseline() -> None:
    assert find_baseline("drift") is BASELINES["drift"]
    with pytest.raises(SettingError, match="unknown baseline 'seasonal_naive', expected one of mean, naive") as caught:
        find_baseline("seasonal_naive")
    assert caught.value.hint == "did you mean 'seasonal-naive'?"


def test_the_usual_baselines_are_all_but_the_slow_one() -> None:
    assert set(BASELINES) - set(USUAL_BASELINES) == {"AutoARIMA"}


def test_notes_tell_what_is_left_out() -> None:
    assert baseline_notes(NAIVE_FAMILY, 168, 10**6) == []
    assert baseline_notes(tuple(BASELINES), 24, ARIMA_HISTORY) == []
    found = [str(note) for note in baseline_notes(tuple(BASELINES), 168, LOCAL_HISTORY + 1)]
    assert found == [
        "baselines: newest 1,008 rows (AutoETS, AutoTheta, MSTL: seconds a forecast on longer ones)",
        "baselines: newest 336 rows (AutoARIMA: seconds a forecast on longer ones)",
        "AutoETS: no season (season 168 is beyond the 52 steps that it can estimate)",
        "AutoARIMA: no season (season 168 is beyond the 24 steps that it can estimate)",
    ]
