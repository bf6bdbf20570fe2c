"""What forecasts each series, the network or a baseline, on panels of long, short and unknown series."""

from __future__ import annotations

import functools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.errors import ForecasterError
from forecaster.evaluation.baselines import naive, seasonal_naive
from forecaster.networks.keras import start_keras
from forecaster.prediction import forecast as prediction

start_keras()

SEASON, LOOKBACK, HORIZON, VALIDATION = 4, 40, 3, 12
SETTINGS = {
    "start": "scratch",
    **{
        "series": "s",
        "season": SEASON,
        "lookback": LOOKBACK,
        "horizon": HORIZON,
        "validation": VALIDATION,
        "transform": "none",
    },
    **{"units": (4,), "epochs": 2, "final": False, "base": "none", "learning_rate": 0.01},
}
#: Rows of the series: as many as the network reads, too few to learn from, fewer than it reads, fewer than it needs,
#: fewer than a season.
ROWS = {"long": 120, "longer": 150, "enough": 45, "padded": 16, "season": 7, "few": 3}


def wave(rows, level=50.0, noise=0.5, seed=0):
    steps = np.arange(rows)
    return level + 10 * np.sin(2 * np.pi * steps / SEASON) + np.random.default_rng(seed).normal(0, noise, rows)


def table(rows=ROWS, **options):
    """Return counted readings of series that end at different steps."""
    parts = [
        pd.DataFrame({"s": name, "step": np.arange(n), "y": wave(n, seed=i, **options)})
        for i, (name, n) in enumerate(rows.items())
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted():
    return Forecaster(**SETTINGS).fit(table())


@functools.cache
def unpadded():
    fitted = Forecaster(**SETTINGS).fit(table({"a": 100, "b": 100}))
    assert not fitted.model.plan.indicator
    return fitted


def by_series(forecast, column="forecast"):
    return {name: rows[column].to_numpy() for name, rows in forecast.groupby("series", sort=False)}


def test_the_engine_column_says_what_made_each_row(fitted):
    assert fitted.model.plan.least == 10
    forecast = fitted.predict()
    assert list(forecast)[-1] == "engine"
    assert {name: set(found) for name, found in by_series(forecast, "engine").items()} == {
        **{name: {"lstm"} for name in ("long", "longer", "enough", "padded")},
        **{"season": {"seasonal-naive"}, "few": {"naive"}},
    }
    engine = next(note for note in fitted.notes if note.name == "engine")
    assert engine.warning
    assert str(engine) == (
        "engine: 2 of 6 series by seasonal-naive or naive (the network needs 10 rows, fewer in season (7), few (3))"
    )


def test_the_engine_is_named_after_the_network():
    forecast = Forecaster(**{**SETTINGS, "network": "gru"}).fit(table({"a": 100, "b": 3})).predict()
    assert forecast["engine"].tolist() == ["gru"] * 3 + ["naive"] * 3


def test_no_series_too_short_is_nothing_said(fitted):
    forecast = fitted.predict(data=table({"a": 60, "b": LOOKBACK}))
    assert set(forecast["engine"]) == {"lstm"}
    assert not {"engine", "padded"} & {note.name for note in fitted.notes}


def test_windows_that_begin_with_placeholders_are_counted(fitted):
    """A warning where the network has learned from none."""
    for model, warning, unlike in ((fitted, False, ""), (unpadded(), True, ", which training had none of")):
        model.predict(data=table({"a": 60, "b": 10}))
        note = next(note for note in model.notes if note.name == "padded")
        assert (note.value, note.warning) == ("1 of 2 series", warning)
        assert note.reason == f"windows of {LOOKBACK} rows begin with placeholders{unlike}: b (10)"


def test_short_series_are_forecast_by_the_baselines(fitted):
    forecast = fitted.predict(5, levels=(80,)).drop(columns=["step", "engine"])
    for name, baseline in (("season", seasonal_naive), ("few", naive)):
        history = wave(ROWS[name], seed=list(ROWS).index(name))
        expected = baseline(history, 5, SEASON, (80,))
        found = forecast[forecast["series"] == name].iloc[:, 1:]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    few = wave(3, seed=5)
    assert forecast[forecast["series"] == "few"]["forecast"].tolist() == pytest.approx([few[-1]] * 5)


def test_times_go_on_from_the_end_of_each_series(fitted):
    steps = by_series(fitted.predict(), "step")
    assert {name: found.tolist() for name, found in steps.items()} == {
        name: [rows, rows + 1, rows + 2] for name, rows in ROWS.items()
    }


def test_a_short_series_is_padded_by_its_first_season():
    """A short series of whole seasons, and the same with more seasons before it, are one to a network without mask."""
    fitted = unpadded()
    long = wave(LOOKBACK, noise=0)
    short = pd.DataFrame({"s": "new", "step": np.arange(16), "y": long[-16:]})
    whole = pd.DataFrame({"s": "new", "step": np.arange(LOOKBACK), "y": long})
    found, expected = (fitted.predict(7, data) for data in (short, whole))
    assert set(found["engine"]) == {"lstm"}
    np.testing.assert_allclose(found["forecast"], expected["forecast"], rtol=1e-5)


def test_what_is_padded_counts_as_missing(fitted):
    """The same padding given as readings is another forecast where the network was told what is missing."""
    assert fitted.model.plan.indicator
    long = wave(LOOKBACK, noise=0)
    short = pd.DataFrame({"s": "new", "step": np.arange(16), "y": long[-16:]})
    whole = pd.DataFrame({"s": "new", "step": np.arange(LOOKBACK), "y": long})
    found, expected = (fitted.predict(data=data)["forecast"].to_numpy() for data in (short, whole))
    assert np.abs(found - expected).max() > 1e-4
    gaps = whole.assign(y=whole["y"].where(whole["step"] >= LOOKBACK - 16))
    np.testing.assert_allclose(found, fitted.predict(data=gaps)["forecast"], rtol=1e-6)


def test_series_never_seen_are_forecast_by_the_same_rules(fitted, tmp_path):
    loaded = Forecaster.load(fitted.save(tmp_path / "model"))
    data = table({"new": 200, "newer": 12, "newest": 9, "one": 1})
    forecast = loaded.predict(data=data)
    engines = {name: found[0] for name, found in by_series(forecast, "engine").items()}
    assert engines == {"new": "lstm", "newer": "lstm", "newest": "seasonal-naive", "one": "naive"}
    assert np.isfinite(forecast["forecast"]).all()
    level = by_series(forecast)
    assert all(30 < value < 70 for found in level.values() for value in found)


def test_every_interval_holds_the_forecast_and_is_nested_in_the_next(fitted):
    forecast = fitted.predict(9, levels=(50, 80, 95))
    bounds = forecast[["lo-95", "lo-80", "lo-50", "forecast", "hi-50", "hi-80", "hi-95"]].to_numpy()
    assert np.isfinite(bounds).all() and (np.diff(bounds, axis=1) >= 0).all()
    width = forecast["hi-80"] - forecast["lo-80"]
    for _, rows in width.groupby(forecast["series"]):
        assert rows.iloc[-1] > rows.iloc[0] > 0


def test_a_series_of_one_row_has_a_forecast_and_no_interval(fitted):
    """One reading says nothing of how far the next may be."""
    forecast = fitted.predict(data=table({"long": 90, "one": 1})).query("series == 'one'")
    assert forecast["forecast"].tolist() == pytest.approx([wave(1, seed=1)[0]] * 3)
    assert forecast[["lo-80", "hi-80", "lo-95", "hi-95"]].isna().all(axis=None)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_many_series_are_forecast_in_parts_that_change_no_number(fitted, monkeypatch, at_once):
    whole = fitted.predict(5)
    monkeypatch.setattr(prediction, "SERIES_AT_ONCE", at_once)
    pd.testing.assert_frame_equal(fitted.predict(5), whole)
    alone = fitted.predict(5, table({"few": 3}))
    assert alone["engine"].tolist() == ["naive"] * 5


def test_a_panel_of_short_series_only(fitted):
    data = table({"a": 3, "b": 8})
    forecast = fitted.predict(data=data)
    assert forecast["engine"].tolist() == ["naive"] * 3 + ["seasonal-naive"] * 3


def test_a_backtest_leaves_out_origins_with_fewer_rows_than_the_network_needs(fitted):
    found = fitted.evaluate(table({"long": 60, "short": 14}), origins=2, baselines=())
    assert found.table.groupby("series")["cutoff"].nunique().to_dict() == {"long": 2, "short": 1}
    windows = next(note for note in found.notes if note.name == "windows")
    assert windows.value == "1 of 4 left out"
    assert np.isfinite(found.table["forecast"]).all()


def test_forecasts_beyond_reason_name_their_series(fitted):
    panel = fitted.model.history
    values = np.full((len(panel), 2, 1), 50.0)
    prediction.refuse_unreasonable_forecast(panel, values, 2, panel.ranges)
    values[1] = 1e7
    with pytest.raises(ForecasterError, match=r"rolled forward 2 steps, the forecast of longer reaches 1e\+07"):
        prediction.refuse_unreasonable_forecast(panel, values, 2, panel.ranges)
    values[1] = np.nan
    with pytest.raises(ForecasterError, match="the forecast of longer reaches nan"):
        prediction.refuse_unreasonable_forecast(panel, values, 2, panel.ranges)


@pytest.mark.parametrize(("rows", "season", "expected"), [(4, 4, 0), (3, 4, 1), (3, 1, 1), (0, 1, 1)])
def test_without_a_season_the_last_value_is_repeated(rows, season, expected):
    plan, panel = SimpleNamespace(season=season, least=rows + 1), SimpleNamespace(lengths=np.array([rows]))
    model = SimpleNamespace(plan=plan, network="lstm")
    assert prediction.engines_of(model, panel).tolist() == [prediction.FALLBACKS[expected]]


def test_intervals_of_a_series_scale_with_it(fitted):
    one = table({"a": 60, "b": 16})
    ten = one.assign(y=10 * one["y"])
    a, b = (fitted.predict(data=data)[["forecast", "lo-80", "hi-80"]].to_numpy() for data in (one, ten))
    np.testing.assert_allclose(b, 10 * a, rtol=1e-5)


def test_by_network_is_told_by_the_rows_of_the_plan(fitted):
    panel = fitted.model.history
    model = replace(fitted.model, plan=replace(fitted.model.plan, least=100))
    assert prediction.has_enough_rows(model, panel).tolist() == [True, True, False, False, False, False]
    assert prediction.engines_of(model, panel).tolist() == ["lstm"] * 2 + ["seasonal-naive"] * 3 + ["naive"]


class TestNeverNegative:
    def small(self, low):
        """Counted readings about 1 with noise of 3, none below ``low``."""
        return table({"a": 120}, level=1.0, noise=3.0).assign(y=lambda rows: rows["y"].clip(lower=low))

    def said(self, fitted):
        return [str(note) for note in fitted.notes if note.name == "bounds"]

    def test_no_bound_below_zero_where_no_reading_was(self):
        fitted = Forecaster(**SETTINGS).fit(self.small(0.0))
        forecast = fitted.predict(9, levels=(50, 99))
        numbers = forecast[["forecast", "lo-50", "hi-50", "lo-99", "hi-99"]]
        assert (numbers >= 0).all(axis=None) and (forecast["lo-99"] == 0).any()
        raised = f"{int((numbers == 0).to_numpy().sum())} of 45 numbers raised to 0"
        assert self.said(fitted) == [f"bounds: {raised} (no reading of the training was negative)"]
        by_baseline = fitted.predict(data=self.small(0.0).head(3).assign(s="new"), levels=(99,))
        assert set(by_baseline["engine"]) == {"naive"} and (by_baseline["lo-99"] >= 0).all()

    def test_nothing_is_said_where_nothing_was_raised(self):
        fitted = Forecaster(**SETTINGS).fit(self.small(0.0).assign(y=lambda rows: rows["y"] + 1e3))
        assert (fitted.predict(levels=(99,))["lo-99"] > 0).all() and not self.said(fitted)

    def test_a_negative_reading_leaves_the_bounds_alone(self):
        fitted = Forecaster(**SETTINGS).fit(self.small(-0.5))
        assert (fitted.predict(levels=(99,))["lo-99"] < 0).all() and not self.said(fitted)

    def test_so_does_one_of_newer_rows(self):
        fitted = Forecaster(**SETTINGS).fit(self.small(0.0))
        newer = self.small(0.0)
        newer.loc[110, "y"] = -0.1
        assert (fitted.predict(data=newer.tail(60), levels=(99,))["lo-99"] < 0).any() and not self.said(fitted)


def test_working_levels_ask_for_other_widths(fitted):
    panel = fitted.model.history
    wide, plain, asked = (
        prediction.forecast_panel(fitted.model, fitted._ready_model().engine, panel, 3, levels, working)
        for levels, working in (((95,), None), ((80,), None), ((80,), (95.0,)))
    )
    network = prediction.has_enough_rows(fitted.model, panel)
    np.testing.assert_array_equal(asked[network], wide[network])
    np.testing.assert_array_equal(asked[~network], plain[~network])  # a baseline knows of no working level


@pytest.mark.parametrize("transform", ["none", "difference", "box-cox"])
def test_a_series_that_never_changed_is_forecast_as_it_is(transform):
    """What the network says of it is in units of nothing."""
    rows = [table({"a": 120})]
    rows += [table({name: 120}).assign(y=level) for name, level in (("five", 5.0), ("tiny", 1e-5), ("odd", 0.3))]
    fitted = Forecaster(**{**SETTINGS, "transform": transform, "learning_rate": 0.05}).fit(pd.concat(rows))
    note = next(note for note in fitted.notes if note.name == "constant")
    assert note.value == "3 of 4 series" and "repeat it" in note.reason
    forecast = fitted.predict()
    for column in ("forecast", "lo-80", "hi-95"):
        found = by_series(forecast, column)
        for name, level in (("five", 5.0), ("tiny", 1e-5), ("odd", 0.3)):
            np.testing.assert_array_equal(found[name], np.full(HORIZON, level))
    moved = table({"five": 130}).assign(y=[5.0] * 120 + [9.0] * 9 + [8.0])
    assert len(set(by_series(fitted.predict(data=moved))["five"])) > 1
    still = table({"five": 131 + LOOKBACK}).assign(y=[5.0] * 130 + [9.0] * (1 + LOOKBACK))
    np.testing.assert_array_equal(by_series(fitted.predict(data=still))["five"], np.full(HORIZON, 9.0))
