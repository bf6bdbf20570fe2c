"""A trained model judged: gap, windows, refits, batches, tests and measures, on tiny networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.api.evaluation import NETWORK, Rolling
from forecaster.errors import DataError, SettingError
from forecaster.evaluation.backtest import Batched
from forecaster.evaluation.baselines import NAIVE_FAMILY
from forecaster.evaluation.significance import NO_DIFFERENCE, SEEN
from forecaster.fitting import fit as fitting
from forecaster.training import member_fit as attempt

pytestmark = pytest.mark.tensorflow

#: The cheapest training there is: one epoch, no final run.
QUICK: dict[str, Any] = {"units": (4,), "epochs": 1, "final": False, "horizon": 4, "lookback": 12, "season": 6}


def table(rows: int = 90, series: tuple[str, ...] = ("a", "b"), seed: int = 0) -> pd.DataFrame:
    """Return daily series with a season of six."""
    generator, parts = np.random.default_rng(seed), []
    for place, name in enumerate(series):
        y = 50 * (place + 1) + 10 * np.sin(2 * np.pi * np.arange(rows) / 6) + generator.normal(size=rows)
        day = pd.date_range("2024-01-01", periods=rows, freq="D")
        parts.append(pd.DataFrame({"place": name, "day": day, "load": y}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster(holdout=30, series="place", **QUICK).fit(table())


@pytest.fixture
def trainings(fitted: Forecaster, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the panels that networks would be trained on from now on; each training gives the same model."""
    saw: list[Any] = []

    def fit(panel: Any, config: Any, notes: Any, report: Any, **_: Any) -> Any:
        saw.append(panel)
        return fitted.model

    monkeypatch.setattr(fitting, "fit_panel", fit)
    return saw


class TestRolling:
    def test_a_gap_scores_later_steps_of_the_same_forecasts(self, fitted: Forecaster) -> None:
        near = fitted.evaluate(table(), horizon=6, origins=2, stride=3, baselines="naive").table
        far = fitted.evaluate(table(), horizon=4, gap=2, origins=2, stride=3, baselines="naive").table
        assert sorted(far["step"].unique()) == [3, 4, 5, 6]
        columns = ["model", "series", "cutoff", "step", "time", "actual", "forecast", "lo-80", "hi-95"]
        expected = near[near["step"] > 2].reset_index(drop=True)
        pd.testing.assert_frame_equal(far[columns], expected[columns])

    def test_a_gap_counts_for_what_is_unseen(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), gap=23, baselines=())
        assert found.summary["windows"].tolist() == [2] and not found.table["seen"].any()

    @pytest.mark.parametrize("stride", [1, 4])
    def test_many_origins_at_once_give_what_each_alone_gives(
        self, fitted: Forecaster, monkeypatch: pytest.MonkeyPatch, stride: int
    ) -> None:
        whole = fitted.evaluate(table(), origins=7, stride=stride, baselines=()).table
        monkeypatch.setattr("forecaster.api.evaluation.Batched", lambda forecast, reads: forecast)
        alone = fitted.evaluate(table(), origins=7, stride=stride, baselines=()).table
        pd.testing.assert_frame_equal(whole, alone, rtol=1e-5)

    def test_known_series_are_batched_and_new_ones_are_not(
        self, fitted: Forecaster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []
        monkeypatch.setattr(
            "forecaster.api.evaluation.Batched", lambda forecast, reads: made.append(reads) or Batched(forecast, reads)
        )
        fitted.evaluate(table(), baselines=())
        assert made == [512]  # of the pretrained network; the trained one reads fewer
        fitted.evaluate(table(series=("a", "new")), baselines=(), origins=2)
        assert made == [512]

    def test_missing_readings_give_the_same_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = table(series=("a",))
        rows.loc[np.random.default_rng(1).random(len(rows)) < 0.15, "load"] = np.nan
        own = Forecaster(holdout=30, **QUICK).fit(rows.drop(columns="place"))
        whole = own.evaluate(rows.drop(columns="place"), origins=12, stride=2, baselines=()).table
        monkeypatch.setattr("forecaster.api.evaluation.Batched", lambda forecast, reads: forecast)
        alone = own.evaluate(rows.drop(columns="place"), origins=12, stride=2, baselines=()).table
        pd.testing.assert_frame_equal(whole, alone, rtol=1e-5)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"window": "rolling"}, "unknown window 'rolling', expected expanding or sliding"),
            ({"gap": -1}, "gap must be 0 or more, got -1"),
            ({"refit": -2}, "refit must be 0 or more, got -2"),
        ],
    )
    def test_what_is_wrong_is_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(SettingError, match=message):
            Rolling(4, **wrong)

    def test_a_gap_beyond_the_rows_is_refused(self, fitted: Forecaster) -> None:
        with pytest.raises(DataError, match="no series is long enough for a backtest"):
            fitted.evaluate(table(), gap=100)


class TestRefits:
    @pytest.mark.parametrize(("every", "trained"), [(1, [0, 1, 2, 3]), (2, [0, 2]), (3, [0, 3]), (9, [0]), (0, [])])
    def test_every_so_many_origins(
        self, fitted: Forecaster, trainings: list[Any], every: int, trained: list[int]
    ) -> None:
        found = fitted.evaluate(table(), origins=4, refit=every, baselines=())
        cutoffs = sorted(found.table["cutoff"].unique())
        assert [panel.times.max() for panel in trainings] == [cutoffs[k] for k in trained]
        assert not found.table["seen"].any() and np.isfinite(found.table["forecast"]).all()

    def test_an_origin_between_forecasts_from_its_own_rows(self, fitted: Forecaster, trainings: list[Any]) -> None:
        found = fitted.evaluate(table(), origins=3, refit=3, baselines=()).table
        expected = fitted.evaluate(table(), origins=3, baselines=()).table
        np.testing.assert_allclose(found["forecast"], expected["forecast"], rtol=1e-6)

    def test_a_sliding_window_keeps_its_length(self, fitted: Forecaster, trainings: list[Any]) -> None:
        fitted.evaluate(table(), origins=3, stride=5, refit=1, window="sliding", baselines=())
        fitted.evaluate(table(), origins=3, stride=5, refit=1, baselines=())
        lengths = [panel.lengths.tolist() for panel in trainings]
        assert lengths == [[76, 76]] * 3 + [[76, 76], [81, 81], [86, 86]]

    def test_ctrl_c_after_an_epoch_judges_nothing(self, fitted: Forecaster, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would keep the weights so far where a model is written, and is no reason to judge them."""
        interrupted, told, scored = [], list[str](), attempt.MemberFit._score

        def pressed(self: Any) -> Any:
            interrupted.append(self.run)
            if len(interrupted) == 1:
                raise KeyboardInterrupt
            return scored(self)

        monkeypatch.setattr(attempt.MemberFit, "_score", pressed)
        with pytest.raises(KeyboardInterrupt):
            fitted.evaluate(table(), origins=2, refit=1, baselines=(), tell=told.append)
        assert len(interrupted) == 2 and interrupted[0].history["loss"] and len(told) == 1


class TestEvaluation:
    def test_the_table_knows_its_scales(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), origins=2, baselines="naive")
        first = found.table["cutoff"].min()
        for name, rows in table().groupby("place"):
            y = rows.loc[rows["day"] <= first, "load"].to_numpy()
            own = found.table[found.table["series"] == name]
            assert own["scale"].unique() == pytest.approx([np.abs(y[6:] - y[:-6]).mean()])
            assert own["root-scale"].unique() == pytest.approx([np.sqrt(((y[6:] - y[:-6]) ** 2).mean())])

    def test_tests_of_every_baseline_and_the_measures(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), origins=6, baselines=("mean", "seasonal-naive", "mean"))
        assert found.tests["against"].tolist() == ["mean", "seasonal-naive"]
        assert (found.tests["model"] == NETWORK).all() and (found.tests["forecasts"] == 12).all()
        measures, row = found.measures, found.summary.iloc[0]
        assert measures["mase"] == row["mase"] and measures["coverage-95"] == row["coverage-95"]
        against = found.tests.set_index("against").loc["seasonal-naive"]
        assert measures["skill"] == pytest.approx(against["skill"]) == measures["skill:seasonal-naive"]
        assert measures["p-value"] == against["p-value"] and measures["skill-lo"] == against["skill-lo"]

    def test_without_the_reference_its_measures_are_nan(self, fitted: Forecaster) -> None:
        measures = fitted.evaluate(table(), origins=2, baselines="naive").measures
        assert np.isnan([measures[name] for name in ("skill", "p-value", "skill-lo", "owa")]).all()
        assert np.isfinite(measures["skill:naive"])

    def test_a_network_that_is_no_better_is_not_called_better(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), origins=1, baselines="seasonal-naive")
        assert found.tests["verdict"].tolist() == [NO_DIFFERENCE]
        assert found.verdict == (
            "The network differs from seasonal-naive by nothing that these 2 forecasts could show: "
            "1 origin is too few to tell, it takes more origins."
        )

    def test_there_is_no_verdict_on_rows_of_the_training(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(baselines="naive")
        assert found.verdict == "No verdict: the network was trained on these rows."
        assert found.tests["verdict"].tolist() == [SEEN]

    def test_splits(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), origins=2, baselines="naive")
        assert len(found.by("series")) == 4 and len(found.by("step")) == 8 and len(found.by("level")) == 4

    def test_residuals_of_one_step(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), horizon=1, origins=20, stride=1, baselines=())
        errors = found.residuals()
        assert errors["series"].tolist() == ["a", "b"] and (errors["errors"] == 20).all()
        assert np.isfinite(errors["p-white"]).all() and (errors["steps"] == 1).all()
        own = found.table[found.table["series"] == "a"]
        assert errors["mean"][0] == pytest.approx((own["actual"] - own["forecast"]).mean())

    def test_adaptive_intervals_follow_their_misses(self, fitted: Forecaster) -> None:
        rows = table()
        rows.loc[rows["day"] > "2024-03-01", "load"] += 40 * np.random.default_rng(0).normal(
            size=int((rows["day"] > "2024-03-01").sum())
        )
        plain, followed = (
            fitted.evaluate(rows, origins=7, levels=80, baselines=(), adaptive=adaptive).table
            for adaptive in (False, True)
        )
        width, before = followed["hi-80"] - followed["lo-80"], plain["hi-80"] - plain["lo-80"]
        np.testing.assert_array_equal(followed["forecast"], plain["forecast"])
        first = plain["cutoff"] == plain["cutoff"].min()
        np.testing.assert_allclose(width[first], before[first])
        last = plain["cutoff"] == plain["cutoff"].max()
        assert (width[last] > 1.2 * before[last]).all()

    def test_figures(self, fitted: Forecaster) -> None:
        found = fitted.evaluate(table(), origins=2, baselines=NAIVE_FAMILY)
        labels = {line.get_label() for line in found.plot().axes[-1].get_lines()}
        assert len(labels) == 5 and NETWORK in labels  # and the four best baselines
        assert len(found.plot_residuals().axes) == 6
