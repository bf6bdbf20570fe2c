"""Which errors make intervals, how they are scored, and what tells uncertain windows from certain ones."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.errors import DataError, SettingError
from forecaster.features.inputs import inputs_ahead, with_causal_placeholders
from forecaster.features.plan import make_plan
from forecaster.intervals import calibration
from forecaster.intervals.calibration import ValidationErrors, interval_scores, score_validation
from forecaster.intervals.conformal import KINDS
from forecaster.intervals.uncertainty import (
    MOST,
    NetworkRun,
    error_units,
    preferred_kinds,
    relative_uncertainty,
    typical_uncertainty,
    window_uncertainty,
)
from forecaster.networks.keras import start_keras
from forecaster.training.member_fit import TrainingData

start_keras()


def errors_of(residuals: np.ndarray, rows: int | None = None, **parts: np.ndarray) -> ValidationErrors:
    """Errors of windows at every row of one series, oldest first."""
    windows, steps = residuals.shape
    rows = windows + steps - 1 if rows is None else rows
    defaults = {
        "counted": np.ones(residuals.shape, bool),
        "series": np.zeros(windows, int),
        "ages": rows - np.arange(windows),
    }
    return ValidationErrors(residuals, **(defaults | parts), rows=rows)


class TestStretches:
    def test_windows_that_share_their_errors_are_worth_the_stretches_of_the_rows(self):
        residuals = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 30, axis=0)
        assert errors_of(residuals, rows=12).count_spans() == pytest.approx(3, rel=0.2)

    def test_independent_windows_are_worth_their_number(self):
        residuals = np.random.default_rng(1).normal(size=(400, 2))
        assert errors_of(residuals).count_spans() == pytest.approx(400, rel=0.15)

    def test_a_steady_bias_counts_as_one(self):
        assert errors_of(np.full((50, 5), 2.0), rows=5).count_spans() == pytest.approx(1, abs=0.1)

    def test_neighbours_of_two_series_are_no_neighbours(self):
        residuals = np.concatenate([np.ones((20, 2)), -np.ones((20, 2))])
        one = errors_of(residuals, rows=10).count_spans()
        two = errors_of(residuals, rows=10, series=np.repeat([0, 1], 20)).count_spans()
        assert one == pytest.approx(5, abs=1) and two == 10

    def test_what_was_not_observed_does_not_count(self):
        rng = np.random.default_rng(2)
        residuals, counted = rng.normal(size=(300, 3)), np.ones((300, 3), bool)
        counted[100:] = False
        residuals[100:] = 1e9
        some = errors_of(residuals, rows=3, counted=counted).count_spans()
        assert some == pytest.approx(errors_of(residuals[:100], rows=3).count_spans(), rel=1e-9)


def width_around(actual: np.ndarray):
    """Ends of intervals around 0 minus the actual, in units of one."""
    return lambda widths, which: widths * [-1, 1] - actual[which][:, :, None]


class TestIntervalScores:
    def test_against_a_slow_loop(self):
        rng = np.random.default_rng(3)
        residuals = rng.standard_t(4, size=(60, 5))
        errors, spreads = errors_of(residuals), rng.random((60, 5, 2)) + 0.5
        found = interval_scores(errors, spreads, width_around(residuals))
        rows, middle = 64, 32
        older = [i for i in range(60) if i + 5 <= rows - middle]
        newer = [i for i in range(60) if i >= rows - middle]
        conformal = errors.conformal(spreads, np.array(older))
        for level in (80, 95):
            inside, widths, scores = [], [], []
            for i in newer:
                below, above = conformal.widths(level, spreads[i : i + 1])[0].T
                for y, low, high in zip(residuals[i], -below, above, strict=True):
                    inside.append(low <= y <= high)
                    widths.append(high - low)
                    scores.append(high - low + 2 / (1 - level / 100) * max(low - y, 0, y - high))
            expected = {"coverage": np.mean(inside), "width": np.mean(widths), "msis": np.mean(scores)}
            expected |= {"windows": len(newer), "stretches": middle // 5}
            assert found[str(level)] == pytest.approx(expected, rel=1e-9)

    def test_what_is_scored_has_made_nothing(self):
        """Other errors in the newer half, and in windows across the middle, leave the widths as they are."""
        residuals = np.random.default_rng(4).normal(size=(60, 5))
        wild = residuals.copy()
        wild[28:] *= 100
        spreads = np.ones((60, 5, 2))
        spans = errors_of(residuals).count_spans
        one, two = (errors_of(r, ages=64 - np.arange(60)) for r in (residuals, wild))
        for errors in (one, two):
            object.__setattr__(errors, "count_spans", spans)
        first, second = (interval_scores(errors, spreads, width_around(residuals)) for errors in (one, two))
        assert first["80"]["width"] == second["80"]["width"] and first == second

    def test_halves_without_a_window_are_not_scored(self):
        residuals = np.ones((3, 8))
        assert interval_scores(errors_of(residuals), np.ones((3, 8, 2)), width_around(residuals)) == {}

    def test_what_was_not_observed_is_not_scored(self):
        residuals, counted = np.random.default_rng(5).normal(size=(60, 5)), np.ones((60, 5), bool)
        counted[40:, 1] = False
        absurd = residuals.copy()
        absurd[40:, 1] = 1e6
        found = interval_scores(errors_of(absurd, counted=counted), np.ones((60, 5, 2)), width_around(absurd))
        assert found["95"]["msis"] < 100


PLAN = SimpleNamespace(horizon=3, season=1, indicator=False)
SCALER = SimpleNamespace(spread=np.array([5.0, 0.0]), moves=np.array([2.0, 0.0]), changes=False)


def volatility(past: np.ndarray, plan=PLAN, scaler=SCALER, steps: int = 3) -> np.ndarray:
    windows = len(past)
    outputs, series = np.zeros((windows, steps, 1)), np.zeros(windows, int)
    return window_uncertainty("volatility", Config.of(), plan, scaler, NetworkRun({"past": past}, outputs, series))


class TestVolatility:
    def test_is_the_mean_change_of_the_newest_rows_beside_the_usual_one_of_the_series(self):
        target = np.random.default_rng(6).normal(size=(2, 60)).cumsum(axis=1)
        found = volatility(target[:, :, None])
        expected = np.abs(np.diff(target[:, -21:], axis=1)).mean(axis=1) / 2  # four horizons are 12, 20 at least
        np.testing.assert_allclose(found, np.broadcast_to(expected[:, None, None], (2, 3, 2)))

    @pytest.mark.parametrize(("season", "changes"), [(7, 21), (13, 26), (40, 40), (70, 20)])
    def test_spans_whole_seasons_where_the_window_has_one(self, season, changes):
        target = np.random.default_rng(7).normal(size=(1, 60))
        plan = SimpleNamespace(horizon=3, season=season, indicator=False)
        expected = np.abs(np.diff(target[:, -1 - changes :])).mean() / 2
        assert volatility(target[:, :, None], plan)[0, 0, 0] == pytest.approx(expected)

    def test_learned_changes_are_changes(self):
        target = np.random.default_rng(8).normal(size=(1, 60))
        scaler = SimpleNamespace(spread=np.ones(1), moves=np.ones(1), changes=True)
        expected = np.abs(target[:, -20:]).mean()
        assert volatility(target[:, :, None], scaler=scaler)[0, 0, 0] == pytest.approx(expected)

    def test_a_change_to_a_placeholder_does_not_count(self):
        target, seen = np.arange(60.0), np.ones(60)
        target[50], seen[50] = 1e6, 0
        past = np.stack([target, seen], axis=1)[None]
        plan = SimpleNamespace(horizon=3, season=1, indicator=True)
        assert volatility(past, plan)[0, 0, 0] == pytest.approx(1 / 2)
        past[:, :, 1] = 0
        assert volatility(past, plan)[0, 0, 0] == 0

    def test_widths_follow_its_root_within_bounds(self):
        found = relative_uncertainty("volatility", np.array([0.0, 1.0, 4.0, 1e9]), 1.0)
        most = np.sqrt(MOST["volatility"])
        np.testing.assert_allclose(found, [1 / most, 1, 2, most])
        assert (relative_uncertainty("volatility", found, 0.0) == 1).all()


def rare_sales(series: int, days: int, share: float) -> pd.DataFrame:
    """Daily sales that are 0 but for a share of the days."""
    rng = np.random.default_rng(1)
    sales = np.where(rng.random((series, days)) < share, 1 + rng.poisson(1.0, (series, days)), 0)
    dates = np.tile(pd.date_range("2023-01-01", periods=days), series)
    return pd.DataFrame({"series": np.repeat(np.arange(series), days), "date": dates, "sales": sales.ravel()})


class TestRareMovement:
    def test_widths_follow_the_volatility_itself_where_many_windows_have_none(self):
        found = np.array([0, 0, 0, 1.0, 3.0, 6.0, 1e9])
        kind, typical = typical_uncertainty("volatility", found)
        assert kind == "rare" and kind in KINDS and typical == 4.5
        np.testing.assert_allclose(
            relative_uncertainty(kind, found, typical), [1, 1, 1, 1 / 4.5, 3 / 4.5, 6 / 4.5, MOST["rare"]]
        )

    @pytest.mark.parametrize(("kind", "found"), [("volatility", [0, 1, 2, 3, 4, 5]), ("loss", [0, 0, 0, 1])])
    def test_few_windows_without_any_change_nothing_nor_does_another_kind(self, kind, found):
        assert typical_uncertainty(kind, np.array(found, float)) == (kind, np.median(found))

    def test_nothing_that_moves_leaves_all_as_they_are(self):
        assert typical_uncertainty("volatility", np.zeros(3)) == ("volatility", 0.0)

    def test_windows_that_did_not_move_make_no_interval_but_are_scored(self):
        residuals = np.random.default_rng(11).normal(size=(60, 5))
        moved = np.arange(60) % 3 == 0
        calm = np.where(moved[:, None], residuals, 0.0)
        spreads = np.ones((60, 5, 2))
        some = errors_of(calm).of_windows(moved)
        found, own = some.conformal(spreads), errors_of(residuals[moved]).conformal(spreads[moved])
        np.testing.assert_array_equal(found.absolute, own.absolute)
        scores = interval_scores(some, spreads, width_around(calm))
        assert scores["80"]["windows"] == 28 and scores["80"]["coverage"] > 0.85  # two thirds have no error

    @pytest.mark.parametrize(("series", "days", "share"), [(1, 800, 0.03), (1, 800, 0.05), (5, 400, 0.03)])
    def test_newer_rows_are_covered_as_often_as_promised(self, series, days, share):
        """The 0 that nearly all rows are lies inside nearly all intervals, at both levels."""
        horizon, cutoffs = 7, 20
        table = rare_sales(series, days + horizon * cutoffs, share)
        ends = [table["date"].min() + pd.Timedelta(days=days + horizon * cutoff) for cutoff in range(cutoffs)]
        fitted = Forecaster(network="nlinear", epochs=1, horizon=horizon, final=False, series="series").fit(
            table[table["date"] < ends[0]]
        )
        parts = [fitted.predict(data=table[table["date"] < end]) for end in ends]
        forecast = pd.concat(parts).astype({"series": int}).merge(table, on=["series", "date"])
        assert len(forecast) == series * horizon * cutoffs
        for level, least in ((80, 0.8), (95, 0.94)):
            inside = forecast["sales"].between(forecast[f"lo-{level}"] - 1e-6, forecast[f"hi-{level}"] + 1e-6)
            assert inside.mean() >= least


class TestOwnSpread:
    def test_a_loss_that_has_one_is_preferred(self):
        assert preferred_kinds(Config.of(), 1) == ("volatility",)
        assert preferred_kinds(Config.of(loss="gaussian"), 2) == ("loss", "volatility")
        assert preferred_kinds(Config.of(intervals="ensemble"), 2) == ("members",)
        assert preferred_kinds(Config.of(intervals="ensemble"), 1) == ("volatility",)  # one member alone
        assert {kind for loss in ("mse", "gaussian") for kind in preferred_kinds(Config.of(loss=loss), 2)} < set(KINDS)

    def test_of_the_loss_is_followed_as_it_is(self):
        outputs = np.array([[[0, 1.0], [0, 2.0]]])
        found = window_uncertainty(
            "loss", Config.of(loss="gaussian"), PLAN, SCALER, NetworkRun({}, outputs, np.zeros(1, int))
        )
        np.testing.assert_allclose(found[0, 1], 2 * found[0, 0])
        np.testing.assert_allclose(relative_uncertainty("loss", found, found[0, 0, 0])[0], [[1, 1], [2, 2]])

    def test_of_changes_adds_up(self):
        outputs = np.array([[[0, 3.0], [0, 4.0]]])
        scaler = SimpleNamespace(spread=np.ones(1), moves=np.ones(1), changes=True)
        found = window_uncertainty(
            "loss", Config.of(loss="gaussian"), PLAN, scaler, NetworkRun({}, outputs, np.zeros(1, int))
        )
        np.testing.assert_allclose(found[0, 1] / found[0, 0], 5 / 3)

    def test_of_changes_stays_as_it_is_beyond_the_horizon(self):
        outputs = np.array([[[0, 3.0], [0, 4.0], [0, 12.0], [0, 5.0], [0, 7.0]]])
        scaler = SimpleNamespace(spread=np.ones(1), moves=np.ones(1), changes=True)
        found = window_uncertainty(
            "loss", Config.of(loss="gaussian"), PLAN, scaler, NetworkRun({}, outputs, np.zeros(1, int))
        )
        np.testing.assert_allclose(found[0, :, 0] / found[0, 0, 0], np.array([3, 5, 13, 13, 13]) / 3)

    def test_of_members_is_half_of_a_typical_window(self):
        np.testing.assert_allclose(
            relative_uncertainty("members", np.array([0.0, 1.0, 7.0]), 1.0), [np.sqrt(0.5), 1, 5], rtol=1e-3
        )


SETTINGS = {"season": 6, "lookback": 18, "horizon": 4, "units": (4,), "epochs": 2, "final": False, "validation": 60}


def noisy(rows: int = 260, season: float = 10.0) -> pd.DataFrame:
    """A season whose noise is wild in every other stretch of 40 rows."""
    steps = np.arange(rows)
    size = np.where(steps // 40 % 2, 4.0, 0.5)
    y = 50 + season * np.sin(steps * np.pi / 3) + size * np.random.default_rng(9).normal(size=rows)
    return pd.DataFrame({"step": steps, "y": y})


class TestFitted:
    @pytest.mark.parametrize("loss", ["mse", "gaussian"])
    def test_the_model_keeps_what_its_intervals_follow_and_how_good_they_were(self, loss, tmp_path):
        fitted = Forecaster(**SETTINGS, loss=loss).fit(noisy())
        conformal = fitted.model.conformal
        assert conformal.kind in preferred_kinds(fitted.config, 2) and conformal.typical > 0
        scores = fitted.model.record["scores"]["intervals"]
        assert set(scores) == {"80", "95"} and 0 <= scores["80"]["coverage"] <= 1
        assert 0 < scores["80"]["width"] < scores["95"]["width"]
        again = Forecaster.load(fitted.save(tmp_path / "model"))
        pd.testing.assert_frame_equal(again.predict(), fitted.predict())

    def test_a_calm_end_has_narrower_intervals_than_a_wild_one(self):
        table = noisy(season=0)
        fitted = Forecaster(**SETTINGS | {"season": 1}, transform="none").fit(table)
        calm, wild = (fitted.predict(data=table.head(rows)) for rows in (200, 240))
        width = [float((part["hi-80"] - part["lo-80"]).mean()) for part in (calm, wild)]
        assert 1.5 < width[1] / width[0] < 4

    def test_dropout_is_a_spread_that_predict_repeats(self, tmp_path):
        fitted = Forecaster(**SETTINGS, intervals="dropout", dropout=0.5).fit(noisy())
        assert fitted.model.conformal.kind == "members"
        forecast = fitted.predict()
        pd.testing.assert_frame_equal(Forecaster.load(fitted.save(tmp_path / "model")).predict(), forecast)
        pd.testing.assert_frame_equal(fitted.predict(), forecast)

    def test_a_network_that_reads_no_dropout_of_cells_is_refused_before_training(self):
        given, epochs = {**SETTINGS, "network": "tide", "dropout": 0.0, "recurrent_dropout": 0.2}, []
        with pytest.raises(SettingError, match="need something that is dropped"):
            Forecaster(**given, intervals="dropout").fit(noisy(150), epochs.append)
        assert not epochs

    def test_a_target_that_only_validation_rows_change_is_refused_before_training(self):
        table = noisy(200).assign(y=lambda t: np.where(t["step"] < 140, 7.0, t["y"]))
        with pytest.raises(DataError, match="'y' never changes before the newest 60 rows") as error:
            Forecaster(**SETTINGS).fit(table)
        assert "validation" in error.value.hint


class TestCounts:
    def test_are_learned_in_their_own_unit(self):
        steps = np.arange(150)
        y = np.random.default_rng(10).poisson(8 + 5 * np.sin(steps * np.pi / 3))
        fitted = Forecaster(**{**SETTINGS, "validation": 24}, loss="negative-binomial").fit(
            pd.DataFrame({"t": steps, "y": y})
        )
        assert fitted.model.plan.transform == "none"
        assert fitted.model.scaler.center.tolist() == [0] and fitted.model.scaler.scale.tolist() == [1]
        forecast = fitted.predict()
        assert (forecast[["forecast", "lo-95"]] >= 0).all(axis=None) and (forecast["forecast"] < 30).all()

    def test_a_transformation_is_refused(self):
        with pytest.raises(SettingError, match="counts are learned as they are, not as log"):
            Forecaster(**SETTINGS, loss="negative-binomial", transform="log").fit(noisy().round())

    def test_counts_say_which_settings_they_do_not_read(self):
        settings = {**SETTINGS, "validation": 24, "epochs": 1, "loss": "negative-binomial"}
        for given, told in (({"scaling": "robust", "window_norm": "mean-std"}, ["scaling", "window_norm"]), ({}, [])):
            notes = Forecaster(**settings, **given).fit(noisy(60).round().abs()).notes
            assert [note.name for note in notes if note.value == "not read"] == told


class Straight:
    """A network that forecasts the change before the cutoff for every step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def run(self, inputs):
        return np.repeat(inputs["past"][:, -1:, :1], self.steps, axis=1)


@pytest.mark.parametrize("transform", ["difference", "return"])
def test_errors_of_changes_are_those_of_the_level_that_the_forecast_stood_on(transform, monkeypatch):
    """A slow oracle: from each cutoff, what was forecast of the rows up to it alone, and what came."""
    rng = np.random.default_rng(9)
    values = 100 + 3 * rng.normal(size=120).cumsum()
    values[[*range(96, 100), 107, 108]] = np.nan  # a line over a gap looks beyond a cutoff inside it
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=120), "y": values})
    settings = {"lookback": 14, "season": 7, "validation": 30, "calendar": False, "missing": "interpolate"}
    config = Config.of(transform=transform, horizon="3", **settings)
    panel, _ = build_panel(frame, config)
    assert panel.bridged
    plan, _ = make_plan(panel, config)
    ready = TrainingData(panel, config, plan)
    found = []
    monkeypatch.setattr(calibration, "interval_scores", lambda errors, *rest: found.append(errors) or {})
    score_validation(config, Straight(3), ready.split, ready.scaler, plan)
    errors, windows = found[-1], ready.split.scored
    scale, unit = ready.scaler.scale[0], error_units(ready.scaler)[0]
    z = np.log if transform == "return" else np.asarray
    first = int(ready.split.padding[0])
    checked = 0
    for number, start in enumerate((windows.starts - first).tolist()):
        past = panel.take(np.arange(120) < start)
        last = np.flatnonzero(past.observed)[-1] + 1  # what comes after it is known from the rows before alone
        known = np.concatenate([past.values[:last], with_causal_placeholders(panel).values[last:start]])
        past = replace(past, values=known, bridged=False)
        inputs = inputs_ahead(past, ready.scaler, ready.encoder, plan, 3)
        forecast = ready.scaler.inverse(Straight(3).run(inputs)[:, :, 0], np.zeros(1, int), ready.scaler.anchors(past))[
            0
        ]
        for step in range(3):
            if np.isfinite(values[start + step]):
                slow = (z(values[start + step]) - z(forecast[step])) / scale / unit
                assert errors.counted[number, step]
                assert errors.residuals[number, step] == pytest.approx(slow, abs=1e-3), (start, step)
                checked += start in range(97, 101)
    assert checked >= 6
