"""Tests of a difference, against textbook oracles, slow loops and simulations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecaster.evaluation.significance import (
    BETTER,
    COLUMNS,
    NO_DIFFERENCE,
    SEEN,
    WORSE,
    DieboldMariano,
    Pair,
    _block_counts,
    _verdict,
    diebold_mariano,
    significance,
    verdict_sentence,
)
from forecaster.evaluation.summary import summarise


def table_of(
    errors: dict[str, np.ndarray], stride: int | None = None, scales: tuple[float, ...] | None = None
) -> pd.DataFrame:
    """Return a backtest whose models have these errors, ``(series, origins, steps)`` each; what came is 0."""
    rows = []
    for model, values in errors.items():
        series, origins, steps = values.shape
        for i in range(series):
            for origin in range(origins):
                cutoff = 100 + origin * (stride or steps)
                for step in range(steps):
                    scale = scales[i] if scales else 1.0
                    keys = (model, f"s{i}", cutoff, step + 1, cutoff + step + 1)
                    rows.append((*keys, 0.0, True, values[i, origin, step], scale))
    names = ["model", "series", "cutoff", "step", "time", "actual", "observed", "forecast", "scale"]
    return pd.DataFrame(rows, columns=names)


def noise(seed: int, shape: tuple[int, ...], size: float = 1.0) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=shape)


class TestDieboldMariano:
    def test_numbers_by_hand(self) -> None:
        # mean 3, g0 = 2, g1 = 4 / 5: S = 3 / sqrt((2 + 8 / 5) / 5), times sqrt((5 + 1 - 4 + 2 / 5) / 5).
        found = diebold_mariano(np.array([1.0, 2, 3, 4, 5]), 2)
        assert found.statistic == pytest.approx(3 / math.sqrt(0.72) * math.sqrt(0.48))
        assert found.p_value == pytest.approx(0.0705, abs=5e-5)  # 2.449 of t with 4 degrees of freedom

    def test_one_step_is_the_t_test(self) -> None:
        from scipy.stats import ttest_1samp

        d = noise(0, (30,)) + 0.3
        expected = ttest_1samp(d, 0)
        assert diebold_mariano(d) == pytest.approx((expected.statistic, expected.pvalue))

    @pytest.mark.parametrize("horizon", [2, 3, 6])
    def test_several_steps_agree_with_statsmodels(self, horizon: int) -> None:
        import statsmodels.api as sm

        d = np.convolve(noise(horizon, (80,)), np.ones(horizon), "valid") + 0.2
        n = len(d)
        lags = {"maxlags": horizon - 1, "kernel": "uniform", "use_correction": False}
        ols = sm.OLS(d, np.ones(n)).fit(cov_type="HAC", cov_kwds=lags)
        correction = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
        assert diebold_mariano(d, horizon).statistic == pytest.approx(ols.tvalues[0] * correction)

    def test_a_negative_variance_is_replaced(self) -> None:
        d = np.array([1.0, -1, 1, -1, 1, -1, 1, -0.5])
        centred = d - d.mean()
        g0, g1 = centred @ centred / 8, centred[1:] @ centred[:-1] / 8
        assert g0 + 2 * g1 < 0
        correction = math.sqrt((8 + 1 - 4 + 2 / 8) / 8)
        assert diebold_mariano(d, 2).statistic == pytest.approx(d.mean() / math.sqrt((g0 + g1) / 8) * correction)

    def test_sides(self) -> None:
        d = noise(1, (20,)) + 1
        assert diebold_mariano(-d).statistic == -diebold_mariano(d).statistic
        assert diebold_mariano(-d).p_value == diebold_mariano(d).p_value

    @pytest.mark.parametrize(
        ("d", "horizon"), [([], 1), ([1.0], 1), ([1.0, 2, 3], 3), ([2.0, 2, 2], 1), ([1.0, math.nan, 2], 1)]
    )
    def test_what_cannot_be_tested_is_nan(self, d: list[float], horizon: int) -> None:
        assert all(math.isnan(x) for x in diebold_mariano(np.array(d), horizon))

    def test_equal_losses_do_not_differ(self) -> None:
        assert diebold_mariano(np.zeros(10)) == (0.0, 1.0)

    @pytest.mark.parametrize(("horizon", "n"), [(1, 8), (2, 24), (4, 40)])
    def test_models_that_are_equal_are_rarely_called_different(self, horizon: int, n: int) -> None:
        generator, found = np.random.default_rng(2), 0
        for _ in range(1000):
            d = np.convolve(generator.normal(size=n + horizon - 1), np.ones(horizon), "valid")
            found += diebold_mariano(d, horizon).p_value < 0.05
        assert 0.02 < found / 1000 < 0.10


class TestPair:
    def test_skill_is_that_of_the_summary(self) -> None:
        errors = {"network": noise(0, (3, 4, 5)), "seasonal-naive": noise(1, (3, 4, 5), 2.0)}
        table = table_of(errors, scales=(1.0, 5.0, 0.2))
        table.loc[np.random.default_rng(3).random(len(table)) < 0.2, "observed"] = False
        observed = table.groupby(["series", "cutoff", "step"])["observed"].transform("all")
        table["observed"] = observed
        expected = summarise(table).set_index("model").loc["network", "skill"]
        assert Pair.of(table, "network", "seasonal-naive").skill == pytest.approx(expected)

    def test_cells_by_a_loop(self) -> None:
        a, b = noise(0, (2, 3, 4)), noise(1, (2, 3, 4))
        pair = Pair.of(table_of({"a": a, "b": b}, scales=(2.0, 4.0)), "a", "b")
        scale = np.array([2.0, 4.0])[:, None]
        np.testing.assert_allclose(pair.ours, np.abs(a).sum(axis=2) / scale)
        np.testing.assert_allclose(pair.theirs, np.abs(b).sum(axis=2) / scale)
        assert (pair.rows == 4).all() and pair.overlap == 1

    def test_a_series_without_a_scale_is_left_out(self) -> None:
        errors = {"a": noise(0, (2, 3, 4)), "b": noise(1, (2, 3, 4))}
        both, one = (table_of(errors, scales=scales) for scales in ((1.0, math.nan), (1.0, 1.0)))
        alone = Pair.of(one[one["series"] == "s0"], "a", "b")
        np.testing.assert_array_equal(Pair.of(both, "a", "b").ours, alone.ours)

    @pytest.mark.parametrize(("stride", "overlap"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
    def test_overlap_of_windows(self, stride: int, overlap: int) -> None:
        table = table_of({"a": noise(0, (2, 8, 4)), "b": noise(1, (2, 8, 4))}, stride)
        assert Pair.of(table, "a", "b").overlap == overlap

    def test_a_gap_makes_windows_overlap(self) -> None:
        table = table_of({"a": noise(0, (1, 8, 4)), "b": noise(1, (1, 8, 4))})
        table["time"] += 4
        assert Pair.of(table, "a", "b").overlap == 2

    def test_times_with_a_zone(self) -> None:
        table = table_of({"a": noise(0, (1, 8, 4)), "b": noise(1, (1, 8, 4))}, stride=2)
        expected = Pair.of(table, "a", "b")
        for name in ("cutoff", "time"):
            table[name] = pd.to_datetime(table[name], unit="h", utc=True).dt.tz_convert("Europe/Berlin")
        found = Pair.of(table, "a", "b")
        assert found.overlap == expected.overlap
        np.testing.assert_array_equal(found.ours, expected.ours)

    def test_cases_are_origins_in_order_of_time(self) -> None:
        a, b = noise(0, (3, 6, 4)), noise(1, (3, 6, 4))
        differences, overlap = Pair.of(table_of({"a": a, "b": b}), "a", "b").differences()
        np.testing.assert_allclose(differences, (np.abs(a) - np.abs(b)).mean(axis=(0, 2)))
        assert overlap == 1

    @pytest.mark.parametrize(
        ("series", "origins", "telling"), [(9, 4, False), (9, 5, True), (3, 3, True), (3, 2, False), (1, 2, True)]
    )
    def test_many_series_of_few_origins_do_not_tell(self, series: int, origins: int, telling: bool) -> None:
        errors = {name: noise(seed, (series, origins, 2)) for seed, name in enumerate("ab")}
        assert Pair.of(table_of(errors), "a", "b").telling == telling

    def test_overlapping_windows_are_thinned_unless_they_are_many(self) -> None:
        a, b = noise(0, (1, 90, 8)), noise(1, (1, 90, 8))
        whole = (np.abs(a) - np.abs(b)).mean(axis=(0, 2))
        for origins, expected, overlap in ((90, whole, 8), (79, whole[[6, 14, 22, 30, 38, 46, 54, 62, 70, 78]], 1)):
            table = table_of({"a": a[:, :origins], "b": b[:, :origins]}, stride=1)
            differences, found = Pair.of(table, "a", "b").differences()
            np.testing.assert_allclose(differences, expected)
            assert found == overlap

    @pytest.mark.parametrize("origins", [24, 40, 144])
    def test_equal_models_are_rarely_called_different_where_windows_overlap(self, origins: int) -> None:
        generator, found = np.random.default_rng(origins), 0
        for _ in range(500):
            d = np.convolve(generator.normal(size=origins + 11), np.ones(12), "valid")
            pair = Pair(10 + d[None], np.full((1, origins), 10.0), np.ones((1, origins)), 12)
            cases, overlap = pair.differences()
            found += diebold_mariano(cases, overlap).p_value < 0.05
        assert found / 500 < 0.11


class TestInterval:
    def test_blocks_are_of_neighbours(self) -> None:
        counts = _block_counts(np.random.default_rng(0), 12, 4, 500)
        assert (counts.sum(axis=1) == 12).all()
        for row in counts[:50]:
            around = np.roll(row, -int(np.argmin(row)))  # from a place that was drawn least, as none of its block
            runs = np.split(around, np.flatnonzero(np.diff(around > 0)) + 1)
            assert all(len(run) >= 4 for run in runs if run[0] > 0) or row.min() > 0

    @pytest.mark.parametrize("block", [1, 2, 7])
    def test_all_places_are_drawn_alike(self, block: int) -> None:
        counts = _block_counts(np.random.default_rng(0), 10, block, 8000)
        np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.06)

    def test_agrees_with_a_slow_bootstrap(self) -> None:
        a, b = noise(0, (1, 30, 3)), noise(1, (1, 30, 3), 1.5)
        pair = Pair.of(table_of({"a": a, "b": b}), "a", "b")
        generator, skills = np.random.default_rng(5), []
        for _ in range(3000):
            drawn = [(begin + k) % 30 for begin in generator.integers(0, 30, 10) for k in range(3)]
            skills.append(1 - np.abs(a[0, drawn]).sum() / np.abs(b[0, drawn]).sum())
        np.testing.assert_allclose(pair.skill_interval(), np.quantile(skills, [0.025, 0.975]), atol=0.02)

    def test_holds_the_true_skill_about_as_often_as_it_says(self) -> None:
        inside = 0
        for seed in range(200):
            a, b = noise(seed, (1, 60, 1)), noise(seed + 10_000, (1, 60, 1), 1.25)
            low, high = Pair.of(table_of({"a": a, "b": b}), "a", "b").skill_interval(draws=400)
            inside += low <= 0.2 <= high
        assert 0.85 < inside / 200 < 0.98

    def test_repeats_and_has_an_order(self) -> None:
        pair = Pair.of(table_of({"a": noise(0, (4, 9, 3)), "b": noise(1, (4, 9, 3))}), "a", "b")
        low, high = pair.skill_interval()
        assert pair.skill_interval() == (low, high) != pair.skill_interval(seed=1)
        assert low < pair.skill < high
        wide = pair.skill_interval(level=99)
        assert wide[0] < low and high < wide[1]

    def test_a_constant_ratio_has_no_width(self) -> None:
        b = noise(1, (3, 6, 2))
        assert Pair.of(table_of({"a": b / 2, "b": b}), "a", "b").skill_interval() == pytest.approx((0.5, 0.5))

    def test_chunks_change_only_the_draws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pair = Pair.of(table_of({"a": noise(0, (4, 9, 3)), "b": noise(1, (4, 9, 3))}), "a", "b")
        whole = pair.skill_interval()
        monkeypatch.setattr("forecaster.evaluation.significance.AT_ONCE", 40)
        np.testing.assert_allclose(pair.skill_interval(), whole, atol=0.04)

    @pytest.mark.parametrize(("origins", "stride"), [(1, 9), (5, 1)])
    def test_one_stretch_has_none(self, origins: int, stride: int) -> None:
        table = table_of({"a": noise(0, (1, origins, 9)), "b": noise(1, (1, origins, 9))}, stride)
        low, high = Pair.of(table, "a", "b").skill_interval()
        assert math.isnan(low) and math.isnan(high)


class TestVerdict:
    def test_better_worse_and_neither(self) -> None:
        errors = {"good": noise(0, (1, 20, 4)), "twin": noise(1, (1, 20, 4)), "bad": noise(2, (1, 20, 4), 3.0)}
        found = significance(table_of(errors), [("good", "bad"), ("bad", "good"), ("good", "twin")])
        assert list(found) == list(COLUMNS)
        assert found["verdict"].tolist() == [BETTER, WORSE, NO_DIFFERENCE]
        assert found["forecasts"].tolist() == [20] * 3 and found["cases"].tolist() == [20] * 3
        good = found.iloc[0]
        assert good["skill-lo"] > 0 and good["p-value"] < 0.05 and good["statistic"] < 0

    def test_equal_models_of_series_that_move_together_are_rarely_called_different(self) -> None:
        called = {3: 0, 6: 0}
        for seed in range(100):
            for origins in called:
                shared = noise(seed, (2, 1, origins, 1), 2.0)
                first, second = np.abs(shared + noise(seed + 1000, (2, 30, origins, 1), 0.5))
                found = significance(table_of({"a": first, "b": second}), [("a", "b")]).iloc[0]
                called[origins] += found["verdict"] != NO_DIFFERENCE
        assert called[3] == 0 and called[6] <= 12

    def test_a_panel_of_few_origins_has_no_verdict(self) -> None:
        errors = {"a": noise(0, (9, 3, 4), 0.1), "b": noise(1, (9, 3, 4))}
        found = significance(table_of(errors), [("a", "b")])
        assert found["skill-lo"][0] > 0 and math.isnan(found["p-value"][0]) and found["verdict"][0] == NO_DIFFERENCE
        assert verdict_sentence(found, "A") == (
            "A differs from b by nothing that these 27 forecasts could show: "
            "3 origins are too few to tell, it takes more origins."
        )

    @pytest.mark.parametrize(
        ("low", "high", "statistic", "verdict"),
        [(0.1, 0.2, -3, BETTER), (0.1, 0.2, 3, NO_DIFFERENCE), (-0.2, -0.1, 3, WORSE), (-0.2, -0.1, -3, NO_DIFFERENCE)],
    )
    def test_interval_and_test_must_be_of_one_side(
        self, low: float, high: float, statistic: float, verdict: str
    ) -> None:
        assert _verdict(low, high, DieboldMariano(statistic, 0.01)) == verdict
        assert _verdict(low, high, DieboldMariano(statistic, 0.06)) == NO_DIFFERENCE

    def test_rows_of_the_training_have_no_verdict(self) -> None:
        table = table_of({name: noise(k, (1, 20, 4), 1.0 + 2 * (k == 1)) for k, name in enumerate("abc")})
        table["seen"] = (table["model"] == "a") & (table["cutoff"] == table["cutoff"].max())
        found = significance(table, [("a", "b"), ("b", "a"), ("c", "b")])
        assert found["verdict"].tolist() == [SEEN, SEEN, BETTER]

    def test_one_lucky_window_proves_nothing(self) -> None:
        errors = {"a": noise(0, (1, 1, 24), 0.1), "b": noise(1, (1, 1, 24))}
        found = significance(table_of(errors), [("a", "b")]).iloc[0]
        assert found["skill"] > 0.8 and found["verdict"] == NO_DIFFERENCE

    def test_nothing_in_common_is_no_difference(self) -> None:
        table = table_of({"a": noise(0, (1, 3, 2)), "b": noise(1, (1, 3, 2))})
        table.loc[table["model"] == "b", "forecast"] = math.nan
        found = significance(table, [("a", "b")]).iloc[0]
        assert found["forecasts"] == 0 and math.isnan(found["skill"]) and found["verdict"] == NO_DIFFERENCE

    @pytest.mark.parametrize(
        ("verdicts", "said"),
        [
            ([], "The network was compared with nothing."),
            ([BETTER], "The network is better than m0."),
            ([BETTER, BETTER, BETTER], "The network is better than m0, m1 and m2."),
            ([WORSE, BETTER], "The network is better than m1 and worse than m0."),
            ([NO_DIFFERENCE], "The network differs from m0 by nothing that these 36 forecasts could show."),
            (
                [BETTER, NO_DIFFERENCE, NO_DIFFERENCE],
                "The network is better than m0; "
                "from m1 and m2 it differs by nothing that these 36 forecasts could show.",
            ),
        ],
    )
    def test_in_one_sentence(self, verdicts: list[str], said: str) -> None:
        told = {"forecasts": 36, "cases": 36, "p-value": 0.5}
        rows = [{"against": f"m{k}", "verdict": verdict, **told} for k, verdict in enumerate(verdicts)]
        assert verdict_sentence(pd.DataFrame(rows, columns=["against", "verdict", *told]), "The network") == said

    def test_of_one_forecast(self) -> None:
        rows = pd.DataFrame({"against": ["m"], "verdict": [NO_DIFFERENCE], "forecasts": [1]})
        said = verdict_sentence(rows.assign(cases=1, **{"p-value": math.nan}), "A")
        assert said.endswith("this one forecast could show: 1 origin is too few to tell, it takes more origins.")
