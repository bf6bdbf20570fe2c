"""The Python API from end to end on tiny networks: round trips, leakage, rolling, panels, evaluation, odd data."""

from __future__ import annotations

import doctest
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.api import forecaster as forecaster_module
from forecaster.data.readers.sources import read_table
from forecaster.engines.keras import KerasEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import DataError, DivergedError, ForecasterError, NotFoundError, SettingError
from forecaster.features.inputs import calendar_table
from forecaster.features.windows import Windows
from forecaster.fitting import ensemble as combining
from forecaster.fitting import fit as fitting
from forecaster.fitting.rebuild import rebuild_network
from forecaster.networks.keras import start_keras
from forecaster.notes import Note
from forecaster.training.divergence import Advice
from forecaster.words import setting

start_keras()

#: The cheapest training there is: one epoch, no final run.
QUICK = {"units": (4,), "epochs": 1, "final": False}
#: The network that is traced and exported soonest, where what is shown is about rows and times, whatever forecasts.
LINEAR = {"network": "nlinear", "epochs": 1, "final": False}


def wave(rows, level=50.0, period=12, seed=0):
    steps = np.arange(rows)
    noise = np.random.default_rng(seed).normal(size=rows)
    return level + 10 * np.sin(2 * np.pi * steps / period) + 0.05 * steps + noise


def monthly(values, start="2000-01-01"):
    return pd.DataFrame({"month": pd.date_range(start, periods=len(values), freq="MS"), "y": values})


def counted(values, **columns):
    return pd.DataFrame({**columns, "step": np.arange(len(values)), "y": values})


def note(notes, name):
    return next(n for n in notes if n.name == name)


def names(notes):
    return {n.name for n in notes}


def some_inputs(model, windows):
    """Return windows of noise in the shapes that the network of a model reads."""
    plan, draw = model.plan, np.random.default_rng(0).normal
    known = calendar_table(model.history.times[:1], model.history, plan).shape[1] + model.encoder.known_width
    width = 1 + known + model.encoder.past_width + plan.indicator
    past, future = draw(size=(windows, plan.lookback, width)), draw(size=(windows, plan.steps, known))
    return {"past": past.astype(np.float32), "future": future.astype(np.float32)}


def assert_same_model(a, b):
    """Assert that all numbers of two models are the same bits."""
    assert a.plan == b.plan
    assert a.ids == b.ids
    for part in ("center", "scale", "spread"):
        np.testing.assert_array_equal(getattr(a.scaler, part), getattr(b.scaler, part))
    assert a.encoder == b.encoder
    np.testing.assert_array_equal(a.conformal.absolute, b.conformal.absolute)
    np.testing.assert_array_equal(a.conformal.profile, b.conformal.profile)
    for value, other in zip(a.weights.values(), b.weights.values(), strict=True):
        np.testing.assert_array_equal(value, other)
    assert a.record["epochs"] == b.record["epochs"]


@pytest.fixture(scope="module")
def table():
    return read_table("dataset:airline")


@pytest.fixture(scope="module")
def airline(table):
    """A forecaster of airline passengers that has not seen the newest 24 months."""
    return Forecaster(horizon=6, units=(8,), epochs=2, holdout=24).fit(table)


@pytest.fixture(scope="module")
def panel():
    """Two stations of other sizes, a third with too few rows to be learned from, a fourth shorter than a lookback."""
    lengths = {"alps": (120, 1.0), "coast": (110, 1e-4), "dunes": (35, 1e6), "east": (10, 1.0)}
    parts = [counted(size * wave(rows, seed=i), s=name) for i, (name, (rows, size)) in enumerate(lengths.items())]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def stations(panel):
    return Forecaster(horizon=4, lookback=24, season=12, validation=20, **QUICK).fit(panel)


# What goes in, what comes out


def test_the_table_of_a_forecast(airline):
    forecast = airline.predict()
    assert list(forecast) == ["series", "month", "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]
    assert forecast["month"].tolist() == pd.date_range("1959-01-01", periods=6, freq="MS").tolist()
    assert forecast["series"].tolist() == [""] * 6
    assert forecast["forecast"].between(250, 600).all()
    assert forecast["engine"].tolist() == ["lstm + pretrained"] * 6
    assert list(airline.predict(levels=())) == ["series", "month", "forecast", "engine"]


def test_fit_returns_itself_and_tells_notes_and_progress_as_they_come():
    told, progress = [], []
    forecaster = Forecaster(horizon=3, units=(4,), epochs=2)
    assert forecaster.fit(monthly(wave(80)), progress.append, told.append) is forecaster
    assert told == forecaster.notes
    assert {"time", "target", "freq", "season", "horizon", "lookback", "validation", "training"} <= names(told)
    assert [p.epoch for p in progress if p.phase == "validation run"] == [1, 2]
    assert len(forecaster.predict()) == 3


def test_a_frame_a_series_a_path_and_a_data_set_are_the_same_table(table, tmp_path):
    path = tmp_path / "airline.csv"
    table.to_csv(path, index=False)
    dated = table.assign(month=pd.to_datetime(table["month"]))
    series = dated.set_index("month")["passengers"]
    forecaster = Forecaster(horizon=3, **LINEAR).fit(series)
    expected = forecaster.predict()
    pd.testing.assert_frame_equal(expected, Forecaster(horizon=3, **LINEAR).fit("dataset:airline").predict())
    for data in (dated, table, series, path, str(path), "dataset:airline"):
        pd.testing.assert_frame_equal(forecaster.predict(data=data), expected)


def test_the_caller_keeps_the_table_as_it_was(panel):
    before = panel.copy()
    Forecaster(horizon=2, lookback=8, validation=20, **LINEAR).fit(panel)
    pd.testing.assert_frame_equal(panel, before)


def test_the_example_is_true():
    assert doctest.testmod(forecaster_module) == (0, 4)


def test_nothing_is_trained_yet():
    for call in (Forecaster().predict, Forecaster().evaluate, Forecaster().history, Forecaster().network):
        with pytest.raises(ForecasterError, match="nothing is trained yet"):
            call()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"horizen": 3}, "unknown setting 'horizen'"),
        ({"recipe": "tutorial"}, "unknown recipe 'tutorial'"),
        ({"dropout": 1.5}, "dropout must be below 1"),
    ],
)
def test_settings_that_cannot_be(settings, match):
    with pytest.raises(SettingError, match=match):
        Forecaster(**settings)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"levels": (80, 80)}, "a level is given twice: 80, 80"),
        ({"levels": (0,)}, "level must be a whole number between 1 and 99, got 0"),
        ({"levels": (99.5,)}, r"between 1 and 99, got 99\.5"),
        ({"horizon": 0}, "horizon must be 1 step or more, got 0"),
        ({"horizon": "1950-01-01"}, "'1950-01-01' is not after the last reading"),
        ({"horizon": "soon"}, "horizon 'soon' cannot be read"),
    ],
)
def test_forecasts_that_cannot_be(airline, arguments, match):
    with pytest.raises(SettingError, match=match):
        airline.predict(**arguments)


def test_a_holdout_larger_than_the_table_is_an_error():
    with pytest.raises(DataError, match="a holdout of 100 rows leaves no row of 1 series"):
        Forecaster(horizon=2, holdout=100).fit(monthly(wave(80)))


# Round trip


def test_a_loaded_forecaster_gives_the_same_numbers(airline, table, tmp_path):
    assert airline.save(tmp_path / "model") == tmp_path / "model"
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(20, levels=(50, 80, 99)), airline.predict(20, levels=(50, 80, 99)))
    pd.testing.assert_frame_equal(loaded.history(), airline.history())
    a, b = (f.evaluate(table, baselines=("naive",)) for f in (loaded, airline))
    pd.testing.assert_frame_equal(a.table, b.table)
    assert asdict(loaded.config) == asdict(airline.config)
    assert_same_model(loaded.model, airline.model)
    with pytest.raises(NotFoundError, match="no model at"):
        Forecaster.load(tmp_path / "other")


def test_a_folder_that_is_no_model_is_not_replaced(airline, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingError, match="exists and is not a model"):
        airline.save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_the_keras_network_agrees_with_the_onnx_engine_also_after_loading(airline, tmp_path):
    inputs = some_inputs(airline.model, 7)
    expected = OnnxEngine(airline.model.onnx).run(inputs)
    assert np.ptp(expected) > 0
    airline.save(tmp_path / "model")
    for one in (airline, airline, Forecaster.load(tmp_path / "model")):
        np.testing.assert_allclose(KerasEngine(one.network()).run(inputs), expected, atol=1e-5)


def test_the_network_is_rebuilt_from_the_stored_weights(airline):
    last = list(airline.model.weights)[-1]
    changed = {**airline.model.weights, last: airline.model.weights[last] + 1}
    a, b = rebuild_network(airline.model), rebuild_network(replace(airline.model, weights=changed))
    apart = [float(np.abs(x - y).max()) for x, y in zip(a.get_weights(), b.get_weights(), strict=True)]
    assert sorted(apart)[-1] == pytest.approx(1, rel=1e-5)
    assert sum(value > 0 for value in apart) == 1


def test_one_seed_one_result_another_seed_another():
    data = monthly(wave(80))
    settings = {"horizon": 3, "units": (4,), "epochs": 2, "base": "none", "learning_rate": 0.01, "keep": "last"}
    a, b, c = (Forecaster(**settings, seed=seed).fit(data) for seed in (1, 1, 2))
    assert_same_model(a.model, b.model)
    assert a.model.record["best_epoch"] == 2
    pd.testing.assert_frame_equal(a.predict(), b.predict())
    assert not np.allclose(a.predict()["forecast"], c.predict()["forecast"])


# Horizons and levels


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(airline):
    whole = airline.predict()
    for steps in (1, 2, 5):
        pd.testing.assert_frame_equal(airline.predict(steps), whole.head(steps))
    pd.testing.assert_frame_equal(airline.predict(20).head(6), whole)


@pytest.mark.parametrize(("settings", "most"), [({"horizon": 4}, 4), ({"horizon": 4, "output_steps": 1}, 1)])
def test_a_longer_horizon_is_the_forecast_fed_back(settings, most):
    data = monthly(wave(100))
    forecaster = Forecaster(start="scratch", **settings, **QUICK).fit(data)
    grown = data
    while len(grown) < len(data) + 10:  # by hand: forecast, append as if it had been read, forecast again
        ahead = forecaster.predict(most, grown)
        grown = pd.concat([grown, ahead[["month", "forecast"]].rename(columns={"forecast": "y"})], ignore_index=True)
    rolled = forecaster.predict(10)
    assert "horizon" in names(forecaster.notes)
    assert note(forecaster.notes, "horizon").warning
    np.testing.assert_allclose(rolled["forecast"], grown["y"][len(data) : len(data) + 10], rtol=2e-5)
    width = (rolled["hi-80"] - rolled["lo-80"]).to_numpy()
    assert (width[4:] > width[:6]).all()


def test_a_horizon_may_be_a_date_or_a_span(table):
    forecaster = Forecaster(horizon="1961-06-30", **LINEAR).fit(table)
    assert forecaster.model.plan.horizon == 6
    assert forecaster.predict("1962-02-15")["month"].max() == pd.Timestamp("1962-02-01")
    assert len(forecaster.predict("1y")) == 12
    assert len(forecaster.predict("7")) == len(forecaster.predict(7)) == 7


@pytest.mark.parametrize("steps", [6, 15])
def test_every_level_is_nested_in_the_next_and_holds_the_forecast(airline, steps):
    forecast = airline.predict(steps, levels=range(1, 100))
    low = forecast[[f"lo-{level}" for level in range(1, 100)]].to_numpy()
    high = forecast[[f"hi-{level}" for level in range(1, 100)]].to_numpy()
    assert np.isfinite(low).all() and np.isfinite(high).all()
    assert (np.diff(low, axis=1) <= 0).all() and (np.diff(high, axis=1) >= 0).all()
    assert (low[:, 0] <= forecast["forecast"]).all() and (forecast["forecast"] <= high[:, 0]).all()
    assert "intervals" in names(airline.notes)


# Leakage


def test_no_row_of_the_holdout_changes_anything():
    values = wave(100)
    values[[40, 41, 85]] = np.nan
    changed = values.copy()
    changed[90:] = [1e9, -5, 0.1, 700, 3, 1e-9, 8, 9, -1e5, 0.5]
    models = [Forecaster(horizon=3, holdout=10, units=(4,), epochs=2).fit(monthly(v)) for v in (values, changed)]
    of_the_table = ("outliers",)  # what is said of the table as a whole, before the holdout is taken off
    kept = [[n for n in model.notes if n.name not in of_the_table] for model in models]
    assert kept[0] == kept[1]
    assert_same_model(*(f.model for f in models))
    pd.testing.assert_frame_equal(models[0].predict(8), models[1].predict(8))
    pd.testing.assert_frame_equal(models[0].history(), models[1].history())
    assert models[0].history()["month"].max() == pd.Timestamp("2000-01-01") + pd.DateOffset(months=89)


def test_validation_rows_choose_the_weights_and_change_nothing_else():
    values = np.exp(wave(120) / 30 + np.arange(120) / 50)  # swings grow with the level: logarithms
    changed = values.copy()
    changed[-20:] = np.random.default_rng(5).uniform(1, 2, 20)
    a, b = (Forecaster(horizon=3, validation=20, **QUICK).fit(monthly(v)).model for v in (values, changed))
    assert (a.plan, a.plan.season, a.plan.transform) == (b.plan, 12, "log")
    for part in ("center", "scale", "spread"):
        np.testing.assert_array_equal(getattr(a.scaler, part), getattr(b.scaler, part))
    np.testing.assert_allclose(a.scaler.center, np.log(values[:100]).mean())
    assert a.record["epochs"]["loss"] == b.record["epochs"]["loss"]
    assert a.record["epochs"]["val_loss"] != b.record["epochs"]["val_loss"]


# Newer rows


def test_newer_rows_are_joined_to_the_history(airline, table):
    newest = table.iloc[120:125]
    assert len(newest) < airline.model.plan.lookback
    whole = airline.predict(data=table.iloc[:125])
    pd.testing.assert_frame_equal(airline.predict(data=newest), whole)
    assert "history" in names(airline.notes)
    pd.testing.assert_frame_equal(airline.predict(data=table.iloc[118:125]), whole)  # rows it knows, given again
    assert whole["month"].min() == pd.Timestamp("1959-06-01")


def test_rows_after_a_long_gap_are_not_joined_and_too_few_for_the_network(airline, table):
    assert airline.model.plan.max_missing_run == 12
    forecast = airline.predict(data=table.iloc[133:138])
    assert forecast["forecast"].tolist() == [table["passengers"][137]] * 6
    assert forecast["engine"].tolist() == ["naive"] * 6
    engine = note(airline.notes, "engine")
    assert engine.warning and "needs 12 rows" in engine.reason and "the series (5)" in engine.reason
    history = note(airline.notes, "history")
    assert history.value == "not joined" and history.warning and "more than 12 months" in history.reason
    assert airline.predict(data=table.iloc[132:137])["engine"].tolist() == ["lstm + pretrained"] * 6


def test_rows_that_begin_with_a_hole_are_joined_as_one_table_is_read(airline, table):
    empty = table.iloc[120:125].astype({"passengers": float})
    empty.iloc[0, empty.columns.get_loc("passengers")] = np.nan
    for newer in (empty, table.iloc[121:125]):
        whole = airline.predict(data=pd.concat([table.iloc[:120], newer]))
        forecast = airline.predict(data=newer)
        pd.testing.assert_frame_equal(forecast, whole)
        assert forecast["engine"].tolist() == ["lstm + pretrained"] * 6
        gaps = note(airline.notes, "gaps")
        assert gaps.warning and gaps.value == "1 month without a reading" and list(gaps.counts.values()) == [1]
    strict = Forecaster._of(replace(airline.model, config=airline.config.replace(gaps="error")))
    with pytest.raises(
        DataError, match="1 month without a reading between 1958-12-01, the model's last row, and 1959-02"
    ):
        strict.predict(data=table.iloc[121:125])


def test_what_is_wrong_with_newer_rows_is_told_to_one_who_has_a_model(airline, table, monkeypatch):
    """Settings cannot be given to predict; those of a note are no advice."""

    def build_panel(*_: object, **__: object) -> None:
        setting("missing", "error")
        raise DataError("wrong", hint())

    monkeypatch.setattr("forecaster.prediction.given_rows.build_panel", build_panel)
    for hint, shown in (
        (
            lambda: f"mask them: {setting('gaps', 'mask')}",
            'correct these rows; or, in a new fit: mask them: gaps="mask"',
        ),
        (lambda: "add the rows", "add the rows"),
    ):
        with pytest.raises(DataError, match="wrong") as error:
            airline.predict(data=table)
        assert error.value.hint == shown
        with pytest.raises(DataError) as error:
            Forecaster(3).fit(table)
        assert error.value.hint == hint()


def test_newer_rows_are_read_by_the_roles_of_the_training(airline, table):
    newest = table.iloc[120:125].assign(zone="x", aaa=range(5))
    pd.testing.assert_frame_equal(airline.predict(data=newest), airline.predict(data=table.iloc[:125]))
    with pytest.raises(NotFoundError, match="there is no column 'passengers'"):
        airline.predict(data=newest.rename(columns={"passengers": "people"}))


# Panels


def test_one_network_for_every_series(stations):
    assert stations.model.ids == ("alps", "coast")
    forecast = stations.predict().set_index("series")["forecast"]
    assert forecast["alps"].between(20, 80).all()
    assert forecast["coast"].between(20e-4, 80e-4).all()
    assert forecast["coast"].nunique() == 4


def test_short_series_are_noted_and_forecast_all_the_same(stations):
    short = note([Note(**kept) for kept in stations.model.record["notes"]], "short")
    assert short.warning and short.value == "2 of 4 series" and "fewer than 36 rows: dunes, east" in short.reason
    forecast = stations.predict()
    assert forecast["series"].unique().tolist() == ["alps", "coast", "dunes", "east"]
    assert forecast.loc[forecast["series"] == "dunes", "forecast"].between(20e6, 80e6).all()
    engines = forecast.groupby("series")["engine"].unique()
    assert {name: found.tolist() for name, found in engines.items()} == {
        **{name: ["lstm + pretrained"] for name in ("alps", "coast", "dunes")},
        "east": ["pretrained"],
    }
    engine = note(stations.notes, "engine")
    assert engine.warning and engine.value.startswith("1 of 4 series") and "east (10)" in engine.reason


def test_series_it_never_saw_are_forecast_by_their_own_scale(stations):
    values = wave(60, seed=9)
    data = pd.concat([counted(values, s="new"), counted(1000 * values, s="newer"), counted(values + 7, s="up")])
    forecast = stations.predict(data=data).groupby("series")
    one, thousand, up = (forecast.get_group(name).iloc[:, 2:-1].to_numpy() for name in ("new", "newer", "up"))
    np.testing.assert_allclose(thousand, 1000 * one, rtol=2e-5)
    np.testing.assert_allclose(up, one + 7, rtol=1e-3)  # the pretrained network reads how far above 0 readings stay


def test_a_series_is_forecast_alone_as_in_its_panel(stations, panel):
    alone = stations.predict(data=panel[panel["s"] == "coast"]).reset_index(drop=True)
    both = stations.predict()
    pd.testing.assert_frame_equal(alone, both[both["series"] == "coast"].reset_index(drop=True))


def test_newer_rows_of_one_series_of_a_panel(stations, panel):
    newer = pd.DataFrame({"s": "coast", "step": [110, 111], "y": [50e-4, 55e-4]})
    own = panel[panel["s"] == "coast"]
    expected = stations.predict(data=pd.concat([own, newer]))
    pd.testing.assert_frame_equal(stations.predict(data=newer), expected)
    assert expected["step"].tolist() == [112, 113, 114, 115]


# Evaluation


def test_rows_the_network_was_trained_on_are_marked_and_told(airline, table):
    found = airline.evaluate(table, origins=6, stride=6, baselines=())
    assert (found.table["seen"] == (found.table["time"] < pd.Timestamp("1959-01-01"))).all()
    assert found.table["seen"].sum() == 12
    seen = note(found.notes, "seen rows")
    assert seen.warning and "12 of the 36 rows" in seen.value
    assert airline.evaluate(baselines=()).table["seen"].all()


def test_by_default_only_newer_rows_are_scored(airline, table):
    found = airline.evaluate(table, baselines=())
    assert sorted(found.table["time"].unique())[0] == pd.Timestamp("1959-01-01")
    assert found.summary["windows"].tolist() == [4]
    assert not found.table["seen"].any() and "seen rows" not in names(found.notes)
    newer_only = airline.evaluate(table.iloc[120:], baselines=())
    pd.testing.assert_frame_equal(newer_only.table, found.table)


def test_what_is_scored_is_what_predict_gives(airline, table):
    """The bounds too, until a whole horizon of newer rows came, whose hits predict follows."""
    found = airline.evaluate(table, origins=4, stride=5, levels=(80,), baselines=())
    followed = []
    for cutoff, rows in found.table.groupby("cutoff"):
        known = table[pd.to_datetime(table["month"]) <= cutoff]
        forecast = airline.predict(data=known, levels=(80,))
        followed.append(any(note.name == "adapted" for note in airline.notes))
        columns = ["forecast"] if followed[-1] else ["forecast", "lo-80", "hi-80"]
        np.testing.assert_allclose(rows[columns], forecast[columns], rtol=2e-6)
    assert followed == [rows - 120 >= 6 for rows in (123, 128, 133, 138)]


def test_mase_of_seasonal_naive_by_hand(airline, table):
    y, errors = table["passengers"].tolist(), []
    for cutoff in (132, 126, 120):  # rows known; season 12, horizon 6
        errors += [abs(y[cutoff + step] - y[cutoff + step - 12]) for step in range(6)]
    scale = [abs(y[i] - y[i - 12]) for i in range(12, 120)]
    expected = (sum(errors) / len(errors)) / (sum(scale) / len(scale))
    summary = airline.evaluate(table.iloc[:138], baselines=("seasonal-naive",)).summary.set_index("model")
    assert airline.model.plan.season == 12
    assert summary.loc["seasonal-naive", "mase"] == pytest.approx(expected)
    assert summary.loc["network", "skill"] == pytest.approx(1 - summary.loc["network", "mase"] / expected)


def test_refit_trains_on_the_rows_before_each_cutoff_only(airline, table, monkeypatch):
    real, saw, told = fitting.fit_panel, [], []

    def spy(panel, config, notes, report, **options):
        saw.append((panel, config))
        return real(panel, config.replace(**QUICK), notes, report, **options)

    monkeypatch.setattr(fitting, "fit_panel", spy)
    found = airline.evaluate(table, origins=2, stride=7, horizon=4, refit=True, baselines=(), tell=told.append)
    assert told == [f"training on the rows up to {day}" for day in ("1960-01-01", "1960-08-01")]
    assert len(saw) == 2
    for (panel, config), cutoff in zip(saw, sorted(found.table["cutoff"].unique()), strict=True):
        assert panel.times.max() == cutoff
        np.testing.assert_array_equal(panel.values, table["passengers"][: len(panel.values)])
        assert (config.holdout, config.horizon) == (0, "4")
    assert not found.table["seen"].any() and "seen rows" not in names(found.notes)


def test_refit_at_a_longer_horizon_where_a_series_is_short(stations):
    found = stations.evaluate(horizon=20, origins=1, refit=True, baselines=())
    assert np.isfinite(found.table["forecast"]).all()


@pytest.mark.parametrize("name", ["horizon", "origins", "stride"])
def test_an_evaluation_of_nothing_is_an_error(airline, name):
    with pytest.raises(SettingError, match=f"{name} must be 1 (step )?or more, got 0"):
        airline.evaluate(**{name: 0})


def test_intervals_cover_what_they_say_on_an_autoregressive_series():
    shocks, y = np.random.default_rng(3).normal(size=1500), np.zeros(1500)
    for t in range(1, 1500):
        y[t] = 0.8 * y[t - 1] + shocks[t]
    forecaster = Forecaster(horizon=4, lookback=16, holdout=500, units=(4,), epochs=3).fit(counted(y))
    summary = forecaster.evaluate(counted(y), origins=120, baselines=()).summary.iloc[0]
    assert summary["coverage-80"] == pytest.approx(0.80, abs=0.06)
    assert summary["coverage-95"] == pytest.approx(0.95, abs=0.03)


# Other networks


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "gru"},
        {"network": "rnn", "units": (4, 4), "bidirectional": True},
        {"recipe": "textbook", "units": (4,)},
        {"recipe": "stacked", "units": (4, 3)},
        {"head": "segments", "window_norm": "last", "base": "seasonal", "calendar": False},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_every_network_fits_is_stored_and_rolls_forward(settings, tmp_path):
    forecaster = Forecaster(horizon=3, **{**QUICK, **settings}).fit(monthly(wave(90)))
    forecaster.save(tmp_path / "model")
    forecast = Forecaster.load(tmp_path / "model").predict(8)
    pd.testing.assert_frame_equal(forecast, forecaster.predict(8))
    assert np.isfinite(forecast.iloc[:, 2:-1]).all(axis=None) and len(forecast) == 8
    inputs = some_inputs(forecaster.model, 2)
    expected = KerasEngine(forecaster.network()).run(inputs)
    np.testing.assert_allclose(OnnxEngine(forecaster.model.onnx).run(inputs), expected, atol=1e-5)


# Odd but legal data


@pytest.fixture(scope="module")
def plain():
    return Forecaster(horizon=4, transform="none", **LINEAR).fit(counted(wave(80))).predict().iloc[:, 2:-1].to_numpy()


@pytest.mark.parametrize("size", [1e12, 1e-15])
def test_another_unit_is_another_unit_of_the_forecast(plain, size):
    forecast = Forecaster(horizon=4, transform="none", **LINEAR).fit(counted(size * wave(80))).predict()
    np.testing.assert_allclose(forecast.iloc[:, 2:-1] / size, plain, rtol=1e-5)


@pytest.mark.parametrize("shift", [-1e6])
def test_another_zero_is_another_zero_of_the_forecast(shift):
    """Of the trained network: the pretrained one reads how far above 0 readings stay."""
    settings = {"horizon": 4, "transform": "none", "start": "scratch", **LINEAR}
    plain, shifted = (Forecaster(**settings).fit(counted(wave(80) + by)).predict().iloc[:, 2:-1] for by in (0, shift))
    np.testing.assert_allclose(shifted - shift, plain, atol=1e-3)


def test_values_below_zero_are_not_taken_the_logarithm_of():
    forecaster = Forecaster(horizon=3, **LINEAR).fit(monthly(wave(80) - 50))
    assert note(forecaster.notes, "transform").value == "none"
    assert forecaster.predict()["forecast"].abs().max() < 40


def test_a_logarithm_keeps_the_forecast_and_its_intervals_positive(airline):
    assert airline.model.plan.transform == "log"
    assert (airline.predict(48, levels=(99,)).iloc[:, 2:-1] > 0).all(axis=None)


def test_times_in_utc_stay_in_utc():
    times = pd.date_range("2024-03-30", periods=100, freq="h", tz="UTC")
    data = pd.DataFrame({"time": times, "y": wave(100, period=24)})
    forecaster = Forecaster(horizon=5, holdout=10, **LINEAR).fit(data)
    forecast = forecaster.predict(data=data)
    assert forecast["time"].tolist() == pd.date_range(times[-1], periods=6, freq="h").tolist()[1:]
    found = forecaster.evaluate(data, origins=3, baselines=("naive",))
    assert (found.table["seen"] == (found.table["time"] <= times[-11])).all() and found.table["seen"].any()
    assert np.isfinite(found.summary["mase"]).all()
    assert str(forecaster.history()["time"].dtype).endswith("UTC]")


def test_business_days_go_on_from_friday_to_monday():
    times = pd.bdate_range("2024-01-01", periods=120)  # ends on a Friday
    data = pd.DataFrame({"date": times, "close": wave(120)}).drop(index=[33, 78])
    forecaster = Forecaster(horizon=3, **LINEAR).fit(data)
    assert note(forecaster.notes, "freq").value == "B"
    assert forecaster.predict()["date"].tolist() == pd.bdate_range("2024-06-17", periods=3).tolist()
    newer = pd.DataFrame({"date": pd.bdate_range("2024-06-18", periods=2), "close": [50.0, 51.0]})  # Monday off
    assert forecaster.predict(data=newer)["date"].min() == pd.Timestamp("2024-06-20")


def test_missing_readings_are_told_and_not_in_the_history():
    values = wave(90)
    values[[30, 60]] = np.nan
    forecaster = Forecaster(horizon=3, **LINEAR).fit(monthly(values))
    assert note(forecaster.notes, "missing").warning
    assert forecaster.history()["actual"].isna().sum() == 2
    assert np.isfinite(forecaster.predict().iloc[:, 2:-1]).all(axis=None)


def test_a_constant_series_beside_another_is_forecast_as_that_constant():
    data = pd.concat([counted(wave(80), s="a"), counted(np.full(80, 3.5), s="b")])
    forecaster = Forecaster(horizon=3, series="s", **LINEAR).fit(data)
    flat = forecaster.predict()
    np.testing.assert_allclose(flat.loc[flat["series"] == "b", "forecast"], 3.5, atol=0.5)
    with pytest.raises(DataError, match=r"nothing to learn: 'y' is 3\.5 in every row"):
        Forecaster(horizon=3).fit(counted(np.full(80, 3.5)))


# What may not be written


def test_a_network_whose_engines_disagree_is_refused(monkeypatch):
    export = fitting.export_onnx

    def altered(network):
        weights = network.get_weights()
        network.set_weights([1.05 * w + 0.01 for w in weights])
        found = export(network)
        network.set_weights(weights)
        return found

    monkeypatch.setattr(fitting, "export_onnx", altered)
    with pytest.raises(
        ForecasterError, match=r"the exported network differs from Keras by .* deviations, more than 0.0001"
    ):
        Forecaster(units=(4,), epochs=1).fit("dataset:airline")


def test_forecasts_beyond_reason_are_a_divergence():
    class Absurd:
        def run(self, inputs):
            return np.full((len(inputs["past"]), 2), 1e6, np.float32)

    advice = Advice(remedies={"lookback": "a shorter lookback"})
    with pytest.raises(DivergedError, match=r"forecasts up to 1e[+]06 deviations") as error:
        combining.refuse_unreasonable_network(Absurd(), Windows(np.arange(20.0), 4, 2), False, advice)
    assert error.value.hint == "try a smaller learning_rate, or a shorter lookback"


def test_engines_may_differ_by_a_share_of_a_large_output(monkeypatch):
    class Found:
        def __init__(self, onnx, factor=1.0):
            self.factor = np.array([1.0, 1.0, factor])

        def run(self, inputs):
            return self.factor * [0.5, 1.0, 100.0]

    monkeypatch.setattr(fitting, "OnnxEngine", lambda onnx: Found(b"", 1 + 5e-5))
    inputs = Windows(np.arange(20.0), 4, 2).batch()
    fitting._check_outputs(Found(b""), b"", inputs, counts=False)
    monkeypatch.setattr(fitting, "OnnxEngine", lambda onnx: Found(b"", 1 + 5e-4))
    with pytest.raises(ForecasterError, match=r"differs from Keras by 0\.0005 deviations"):
        fitting._check_outputs(Found(b""), b"", inputs, counts=False)


# What a stranger tried


def test_constant_series_do_not_narrow_the_intervals_of_the_others():
    noisy = [wave(120, seed=i) for i in range(2)]
    frames = [counted(y, shop=f"noisy {i}") for i, y in enumerate(noisy)]
    dead = [counted(np.full(120, 5.0), shop=f"dead {i}") for i in range(6)]
    settings = {**QUICK, "horizon": 6, "season": 12, "series": "shop"}
    alone, among = (Forecaster(**settings).fit(pd.concat(f)) for f in (frames, frames + dead))
    assert alone.model.conformal.count == among.model.conformal.count
    assert note(among.notes, "constant").value == "6 of 8 series"
    table = among.predict().query("series == 'dead 3'")
    np.testing.assert_allclose(table["forecast"], 5.0, rtol=1e-3)
    assert (table["lo-95"] == table["forecast"]).all() and (table["hi-95"] == table["forecast"]).all()


def test_series_ids_keep_their_zeros(tmp_path):
    path = tmp_path / "shops.csv"
    rows = [f"{shop},{t},{10 + t % 12}\n" for shop in ("001", "002", "010") for t in range(80)]
    path.write_text("shop,step,y\n" + "".join(rows))
    forecaster = Forecaster(**LINEAR, horizon=4, series="shop").fit(path)
    assert forecaster.predict()["series"].unique().tolist() == ["001", "002", "010"]


def test_times_without_a_zone_are_read_as_of_the_zone_of_the_model():
    frame = monthly(wave(80))
    zoned = frame.assign(month=frame["month"].dt.tz_localize("UTC"))
    forecaster = Forecaster(**LINEAR, horizon=4).fit(zoned)
    pd.testing.assert_frame_equal(forecaster.predict(data=frame), forecaster.predict())
    forecaster.predict(data=frame)
    assert "read as of this zone" in note(forecaster.notes, "zone").reason


@pytest.mark.parametrize("rows", [slice(None), slice(-3, None)])
def test_times_with_a_zone_are_not_mixed_with_those_of_a_model_without_one(rows):
    times = pd.date_range("2024-05-01", periods=90, freq="h")
    frame = pd.DataFrame({"time": times, "y": wave(90, period=24)})
    forecaster = Forecaster(**LINEAR, horizon=4).fit(frame)
    zoned = frame.assign(time=times.tz_localize("Europe/Berlin"))
    with pytest.raises(DataError, match=r"the times of the table are .*Europe/Berlin.*those of the model .*without"):
        forecaster.predict(data=zoned.iloc[rows])


def test_a_dated_horizon_ends_every_series_at_the_date():
    frames = [monthly(wave(rows, seed=rows)).assign(shop=str(rows)) for rows in (96, 90, 94)]
    forecaster = Forecaster(**LINEAR, horizon=4, series="shop").fit(pd.concat(frames))
    table = forecaster.predict("2008-03-15")
    assert table.groupby("series")["month"].max().unique().tolist() == [pd.Timestamp("2008-03-01")]
    assert table.groupby("series").size().to_dict() == {"96": 3, "90": 9, "94": 5}


def test_the_seasonal_naive_of_fit_needs_no_season_of_lookback():
    long, short = (Forecaster(**LINEAR, horizon=6, season=12, lookback=n).fit(monthly(wave(150))) for n in (24, 6))
    expected = long.model.record["scores"]["mase"]["seasonal-naive"]
    assert short.model.record["scores"]["mase"]["seasonal-naive"] == pytest.approx(expected)


def test_refit_tells_that_it_saw_only_the_rows_that_are_kept(monkeypatch):
    monkeypatch.setattr(fitting, "HISTORY_ROWS", 100)
    forecaster = Forecaster(**LINEAR, horizon=6, lookback=24, start="scratch").fit(monthly(wave(200)))
    found = forecaster.evaluate(origins=1, refit=True, baselines="naive")
    assert note(found.notes, "refit").value == "100 of 200 rows"


@pytest.mark.parametrize("size", [1e9, -1e9])
def test_an_exploding_roll_is_refused(airline, monkeypatch, size):
    """Before what is below 0 is raised to it."""
    monkeypatch.setattr("forecaster.api.model_forecast.forecast_unclipped", lambda *given: np.full((1, 60, 5), size))
    with pytest.raises(
        ForecasterError, match=r"rolled forward 60 steps, the forecast of the series reaches 1e\+09"
    ) as error:
        airline.predict(60)
    assert error.value.exit_code == 1  # nothing was trained that could have diverged


@pytest.mark.parametrize("levels", [80, np.int64(80), 80.0, (80.0,)])
def test_a_level_may_be_any_whole_number(airline, levels):
    assert airline.predict(2, levels=levels).columns.tolist()[-3:] == ["lo-80", "hi-80", "engine"]


@pytest.mark.parametrize("size", [1e-120, 1e120])
def test_sizes_that_arithmetic_cannot_hold_are_refused(size):
    with pytest.raises(DataError, match="the largest value of 'y' is"):
        Forecaster(**QUICK, horizon=4).fit(monthly(wave(80) * size))


def test_figures_of_the_api(airline):
    figure = airline.plot(title="passengers")
    assert figure.legends[0].get_title().get_text() == "passengers"
    assert len(airline.evaluate(origins=1, baselines="naive").plot().axes) == 2
