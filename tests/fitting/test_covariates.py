"""Covariates, transformations, zones, wide tables and gaps from end to end: fit, save, load, predict, evaluate."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.future_table import future_template
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.features.inputs import calendar_table
from forecaster.features.plan import make_plan
from forecaster.fitting import choices
from forecaster.networks.keras import start_keras
from forecaster.training import member_fit
from forecaster.training.fit_progress import FitProgress

start_keras()

ROWS, HORIZON, HOLDOUT, VALIDATION = 120, 5, 20, 15
#: A tiny network that must learn from nothing, so that what it reads matters after an epoch.
TINY = {"units": (4,), "epochs": 3, "final": False, "base": "none", "learning_rate": 0.02}
QUICK = {**TINY, "epochs": 1}
#: A network that is the regression it starts from: it learns nothing.
START = {**QUICK, "base": "mix", "learning_rate": 1e-30}
SHOPS = {
    **{"series": "shop", "target": "sales", "past": "temp,sky", "future_columns": "price,promo"},
    **{"static": "size,kind", "horizon": HORIZON, "lookback": 14, "season": 7, "validation": VALIDATION},
}


def shop_table(rows=ROWS, seed=0):
    """Return three shops whose sales hang on price and promotion of the day, and temperature of the day before."""
    draw, parts = np.random.default_rng(seed), []
    for i, (shop, kind) in enumerate([("a", "big"), ("b", "big"), ("c", "small")]):
        price, temp = 4 + draw.random(rows).round(2), draw.normal(15, 5, rows).round(1)
        promo = np.where(draw.random(rows) < 0.3, "yes", "no")
        week = 5 * np.sin(2 * np.pi * np.arange(rows) / 7)
        sales = 60 + 20 * i + week - 10 * (price - 4) + 15 * (promo == "yes") + np.roll(temp, 1) / 2
        sky = np.where(temp > 17, "sun", np.where(temp > 12, "cloud", "rain"))
        date = pd.date_range("2024-01-01", periods=rows)
        columns = {"promo": promo, "temp": temp, "sky": sky, "size": 100.0 * (i + 1), "kind": kind}
        sales = (sales + draw.normal(0, 1, rows)).round(2)
        parts.append(pd.DataFrame({"shop": shop, "date": date, "sales": sales, "price": price, **columns}))
    return pd.concat(parts, ignore_index=True)


def known(table, last=HOLDOUT):
    """Return the rows before the holdout, and the future covariates of it."""
    newest = table.groupby("shop").cumcount(ascending=False) < last
    return table[~newest].reset_index(drop=True), table.loc[newest, ["shop", "date", "price", "promo"]]


def names(notes):
    return {note.name for note in notes}


def channel_names(channels):
    """Return a name for each channel: that of its column, with its category."""
    found = []
    for channel in channels:
        if hasattr(channel, "labels"):
            found += [f"{channel.name}={label}" for label in channel.labels]
        else:
            found.append(channel.name if hasattr(channel, "center") else f"{channel.name} present")
    return tuple(found)


def ordered(forecast):
    bounds = forecast[["lo-95", "lo-80", "forecast", "hi-80", "hi-95"]].to_numpy()
    return bool(np.isfinite(bounds).all() and (np.diff(bounds, axis=1) >= 0).all())


@pytest.fixture(scope="module")
def shops():
    return shop_table()


@pytest.fixture(scope="module")
def fitted(shops):
    return Forecaster(**SHOPS, **TINY, holdout=HOLDOUT).fit(shops)


@pytest.fixture(scope="module")
def plain(shops):
    """A forecaster of the same sales that reads nothing else."""
    given = {**SHOPS, "past": "none", "future_columns": "none", "static": "none"}
    return Forecaster(**given, **START, holdout=HOLDOUT).fit(shops)


@pytest.fixture(scope="module")
def ahead(shops):
    return known(shops)[1]


@pytest.fixture(scope="module")
def forecast(fitted, ahead):
    return fitted.predict(future=ahead)


def changed_at(fitted, forecast, **options):
    """Return the largest change of the forecast of each shop when it is made with other options."""
    other = fitted.predict(**options)
    assert other["date"].tolist() == forecast["date"].tolist()
    return (other["forecast"] - forecast["forecast"]).abs().groupby(forecast["series"]).max()


# Numbers and categories, of the past, the future and the series


def test_every_kind_of_covariate_reaches_the_network(fitted, forecast):
    encoder = fitted.model.encoder
    assert channel_names(encoder.known_channels) == ("price", "promo=no", "promo=yes")
    assert sorted(channel_names(encoder.past_channels)) == ["sky=cloud", "sky=rain", "sky=sun", "temp"]
    assert channel_names(encoder.static_channels) == ("size",)
    assert [channel.name for channel in encoder.static_categories] == ["kind"]
    assert {i.name for i in fitted.network().inputs} == {"past", "future", "static", "categories"}
    assert forecast["series"].tolist() == ["a"] * 5 + ["b"] * 5 + ["c"] * 5
    assert forecast["date"].tolist() == [*pd.date_range("2024-04-10", periods=5)] * 3
    assert ordered(forecast) and set(forecast["engine"]) == {"lstm + pretrained"}


def test_a_loaded_model_gives_the_same_forecast(fitted, forecast, ahead, tmp_path):
    loaded = Forecaster.load(fitted.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(future=ahead), forecast)
    assert loaded.model.encoder == fitted.model.encoder
    assert loaded.model.history.columns == fitted.model.history.columns
    path = tmp_path / "future.csv"
    ahead.sample(frac=1, random_state=0).to_csv(path, index=False)
    pd.testing.assert_frame_equal(loaded.predict(future=path), forecast)
    pd.testing.assert_frame_equal(loaded.predict(future=str(path)), forecast)


@pytest.mark.parametrize(("column", "value"), [("price", 9.5), ("promo", "yes")])
def test_a_future_value_changes_the_forecast_of_its_series(fitted, forecast, ahead, column, value):
    days = forecast["date"].unique()
    other = ahead.copy()
    other.loc[(other["shop"] == "b") & other["date"].isin(days), column] = value
    change = changed_at(fitted, forecast, future=other)
    assert change["b"] > 0.01 and change["a"] == change["c"] == 0


def test_future_values_after_the_horizon_change_nothing(fitted, forecast, ahead):
    other = ahead.assign(price=ahead["price"].where(ahead["date"] <= forecast["date"].max(), 77.0))
    assert not other.equals(ahead)
    pd.testing.assert_frame_equal(fitted.predict(future=other), forecast)


@pytest.mark.parametrize(("column", "value"), [("temp", 30.0), ("sky", "rain"), ("price", 9.0), ("promo", "yes")])
def test_a_past_value_changes_the_forecast_of_its_series(fitted, forecast, shops, ahead, column, value):
    table = known(shops)[0]
    pd.testing.assert_frame_equal(fitted.predict(data=table, future=ahead), forecast)
    last = (table["shop"] == "c") & (table["date"] > "2024-04-02")
    change = changed_at(fitted, forecast, data=table.assign(**{column: table[column].mask(last, value)}), future=ahead)
    assert change["c"] > 0.001 and change["a"] == change["b"] == 0


@pytest.mark.parametrize(("column", "value"), [("size", 900.0), ("kind", "big")])
def test_a_static_value_changes_the_forecast_of_its_series(fitted, forecast, shops, ahead, column, value):
    table = known(shops)[0]
    table[column] = table[column].mask(table["shop"] == "c", value)
    change = changed_at(fitted, forecast, data=table, future=ahead)
    assert change["c"] > 1e-4 and change["a"] == change["b"] == 0


def test_covariates_help_where_they_say_what_comes(plain, shops):
    """Price and promotion of the day to forecast make most of its sales: a network that reads them is the better."""
    reading = Forecaster(**SHOPS, **START, holdout=HOLDOUT).fit(shops)
    told, untold = (f.evaluate(shops, baselines=()).summary["mae"][0] for f in (reading, plain))
    assert told < 0.5 * untold


def test_no_covariates_where_none_are_wanted(plain, ahead):
    assert plain.model.history.columns == () and len(plain.predict()) == 15
    with pytest.raises(SettingError, match="the model uses no future covariates"):
        plain.predict(future=ahead)


# Leakage


@pytest.fixture
def learned_from(monkeypatch):
    """Return a function that gives plan, scaler and encoder of a fit, which is stopped before its network is built."""

    class Stop(Exception):
        pass

    def stop(panel, scaler, encoder, plan, from_readings):
        raise Stop(plan, scaler.to_dict(), encoder)

    def call(table):
        with pytest.raises(Stop) as stopped:
            Forecaster(**SHOPS, **TINY, holdout=HOLDOUT).fit(table)
        return stopped.value.args

    monkeypatch.setattr(member_fit, "Split", stop)
    return call


@pytest.mark.parametrize("column", ["temp", "sky", "price", "promo", "sales"])
def test_rows_of_validation_and_holdout_do_not_fit_scaler_and_encoder(fitted, shops, learned_from, column):
    table, draw = shops.copy(), np.random.default_rng(1)
    newest = table.groupby("shop").cumcount(ascending=False) < HOLDOUT + VALIDATION
    wild = {"sky": "rain", "promo": "yes"}.get(column) or draw.normal(1e4, 1e3, int(newest.sum()))
    table.loc[newest, column] = wild
    assert not table.equals(shops)
    assert learned_from(table) == (fitted.model.plan, fitted.model.scaler.to_dict(), fitted.model.encoder)
    before = shops.copy()
    before.loc[before.index % 2 == 0, column] = wild if isinstance(wild, str) else 1e4
    assert learned_from(before) != learned_from(table)


def test_static_values_are_of_the_series_and_of_all_rows(fitted, shops, learned_from):
    assert learned_from(shops.assign(size=shops["size"] * 10))[2] != fitted.model.encoder


def test_rows_of_the_holdout_change_nothing(fitted, forecast, ahead, shops):
    table = shops.copy()
    newest = table.groupby("shop").cumcount(ascending=False) < HOLDOUT
    table.loc[newest, ["sales", "temp", "price"]] = 1234.5
    table.loc[newest, ["sky", "promo"]] = "rain", "yes"
    again = Forecaster(**SHOPS, **TINY, holdout=HOLDOUT).fit(table)
    for path, weight in fitted.model.weights.items():
        np.testing.assert_array_equal(again.model.weights[path], weight)
    pd.testing.assert_frame_equal(again.predict(future=ahead), forecast)


def test_a_category_that_only_validation_knows_is_no_channel(fitted, shops, learned_from):
    table = shops.copy()
    newest = table.groupby("shop").cumcount(ascending=False) < HOLDOUT + VALIDATION
    table.loc[newest & (table["temp"] > 20), "sky"] = "aurora"
    assert channel_names(learned_from(table)[2].past_channels) == channel_names(fitted.model.encoder.past_channels)


# The future table


def test_a_forecast_without_the_future_table_says_how_to_make_one(fitted):
    with pytest.raises(SettingError, match="the forecast needs the future values of price, promo") as error:
        fitted.predict()
    assert "forecaster make-future" in error.value.hint


def test_the_table_that_make_future_writes_is_the_one_that_predict_reads(fitted, forecast, ahead):
    template = future_template(fitted.model.history, HORIZON)
    assert list(template) == ["shop", "date", "price", "promo"] and len(template) == 3 * HORIZON
    filled = template[["shop", "date"]].merge(ahead, on=["shop", "date"])
    pd.testing.assert_frame_equal(fitted.predict(future=filled), forecast)


def test_holes_in_the_future_table_are_named(fitted, ahead):
    holes = ahead.copy()
    holes.loc[(holes["shop"] == "b") & (holes["date"] == "2024-04-12"), "price"] = np.nan
    holes = holes[(holes["shop"] != "a") | (holes["date"] != "2024-04-11")]
    with pytest.raises(DataError, match="the future table has 3 holes") as error:
        fitted.predict(future=holes)
    for place in ("a, 2024-04-11, price", "a, 2024-04-11, promo", "b, 2024-04-12, price"):
        assert place in error.value.message
    assert "forecaster make-future" in error.value.hint
    with pytest.raises(DataError, match="the future table ends too early: 20 of 30 steps of series 'a'"):
        fitted.predict(30, future=ahead)
    with pytest.raises(DataError, match="the future table has no row of 'c'"):
        fitted.predict(future=ahead[ahead["shop"] != "c"])
    with pytest.raises(NotFoundError, match="the future table has no column 'promo'"):
        fitted.predict(future=ahead.drop(columns="promo"))


def test_a_longer_horizon_reads_more_of_the_future(fitted, forecast, ahead):
    long = fitted.predict(2 * HORIZON + 1, future=ahead)
    assert len(long) == 33 and ordered(long)
    first = long.groupby("series").head(HORIZON).reset_index(drop=True)
    pd.testing.assert_frame_equal(first, forecast)
    other = ahead.assign(price=ahead["price"].mask(ahead["date"] == "2024-04-18", 9.5))  # in the second run
    change = (fitted.predict(2 * HORIZON + 1, future=other)["forecast"] - long["forecast"]).abs()
    beyond = change.groupby(long["series"]).tail(HORIZON + 1)
    assert change.drop(beyond.index).max() == 0 and beyond.max() > 0.01


def test_unseen_categories_are_told_and_taken_as_unknown(fitted, forecast, shops, ahead):
    strange = ahead.assign(promo=ahead["promo"].mask(ahead["date"] == "2024-04-12", "perhaps"))
    found = fitted.predict(future=strange)
    unseen = next(note for note in fitted.notes if note.name == "unseen")
    assert unseen.warning and unseen.value == "3 cells" and "'promo'" in unseen.reason
    assert ordered(found) and not found.equals(forecast)
    table = known(shops)[0]
    table.loc[table["date"] == "2024-04-09", "sky"] = "aurora"
    found = fitted.predict(data=table, future=ahead)
    assert any(note.warning and "'aurora'" in note.reason and "'sky'" in note.reason for note in fitted.notes)
    assert ordered(found)


@pytest.mark.parametrize(("column", "role"), [("temp", "past"), ("promo", "future"), ("kind", "static")])
def test_a_covariate_that_is_absent_is_named(fitted, shops, ahead, column, role):
    with pytest.raises(NotFoundError, match=f"there is no column '{column}', a {role} covariate of the model"):
        fitted.predict(data=known(shops)[0].drop(columns=column), future=ahead)


def test_newer_rows_are_joined_with_their_covariates(fitted, shops):
    whole, future = known(shops, 14)
    newer = whole[whole["date"] > "2024-04-08"]
    joined, expected = (fitted.predict(data=data, future=future) for data in (newer, whole))
    pd.testing.assert_frame_equal(joined, expected)


def test_a_future_table_without_any_covariate_of_the_table_is_refused(shops):
    plan = shops[["date", "shop", "price"]].rename(columns={"price": "Price"})
    with pytest.raises(NotFoundError, match="no column of the future table is a covariate") as error:
        Forecaster(target="sales", series="shop", **QUICK).fit(shops, future=plan)
    assert error.value.hint == "did you mean 'price'?"


def test_rows_of_the_table_that_are_known_ahead_stand_for_a_future_table(fitted, shops, ahead, forecast, tmp_path):
    """A table often ends in rows without a target whose plan is known already."""
    before = known(shops)[0]
    known_ahead = pd.concat([before, ahead[["date", "shop", "price", "promo"]]], ignore_index=True)
    found = fitted.predict(data=known_ahead)
    assert any(note.name == "known ahead" for note in fitted.notes)
    np.testing.assert_allclose(found["forecast"], forecast["forecast"], rtol=1e-6)


def test_columns_of_the_future_table_become_future_covariates(shops):
    table, future = known(shops)
    settings = {k: v for k, v in SHOPS.items() if k not in ("past", "future_columns", "static")}
    found = Forecaster(**settings, **QUICK).fit(table, future=future)
    roles = found.model.history.roles
    assert roles.future == ("price", "promo") and set(roles.static) == {"size", "kind"}
    assert ordered(found.predict(future=future))


def test_past_covariates_that_help_by_luck_are_not_used(shops, monkeypatch):
    """A smaller loss that is no steady one: all the gain comes from one stretch."""
    loss = property(lambda self: 0.5 if self.data.encoder.past_width else 1)
    monkeypatch.setattr(member_fit.MemberFit, "loss", loss)
    monkeypatch.setattr(member_fit, "gain_t_statistic", lambda before, after, windows: 1.5)
    table, settings = known(shops)[0].drop(columns=["price", "promo"]), {k: v for k, v in SHOPS.items() if k != "past"}
    found = Forecaster(**{**settings, "future_columns": None}, **QUICK).fit(table)
    assert not found.model.history.roles.past


@pytest.mark.parametrize("help", [True, False])
def test_past_covariates_that_nobody_named_are_used_where_they_help(shops, monkeypatch, tmp_path, help):
    """With the loss of validation replaced by one that knows which network is the better."""
    loss = property(lambda self: 0.5 if help == bool(self.data.encoder.past_width) else 1)
    monkeypatch.setattr(member_fit.MemberFit, "loss", loss)
    monkeypatch.setattr(member_fit.MemberFit, "steadier_than", lambda self, other: True)
    table, settings = known(shops)[0].drop(columns=["price", "promo"]), {k: v for k, v in SHOPS.items() if k != "past"}
    found = Forecaster(**{**settings, "future_columns": None}, **QUICK).fit(table)
    past = next(note for note in found.notes if note.name == "past" and "validation loss" in note.reason)
    assert past.value == ("used" if help else "not used, they do not help")
    assert set(found.model.history.roles.past) == ({"temp", "sky"} if help else set())
    forecast = Forecaster.load(found.save(tmp_path / "model")).predict()
    pd.testing.assert_frame_equal(found.predict(), forecast)
    without = table.drop(columns=["temp", "sky"])
    if help:
        with pytest.raises(NotFoundError, match="there is no column 'temp', a past covariate of the model"):
            found.predict(data=without)
    else:
        pd.testing.assert_frame_equal(found.predict(data=without), forecast)
        pd.testing.assert_frame_equal(found.predict(data=table), forecast)


def test_evaluate_hands_the_future_covariates_over(fitted, shops, forecast, ahead):
    found = fitted.evaluate(shops, baselines=("naive",))
    assert found.summary["model"].tolist() == ["network", "naive"] and not found.table["seen"].any()
    network = found.table[found.table["model"] == "network"]
    first = network[network["cutoff"] == network["cutoff"].min()].sort_values(["series", "step"])
    np.testing.assert_allclose(first["forecast"], forecast["forecast"], rtol=2e-6)
    other = shops.assign(price=shops["price"].mask(shops["date"] == "2024-04-11", 9.5))
    again = fitted.evaluate(other, baselines=()).table
    again = again[again["cutoff"] == again["cutoff"].min()].sort_values(["series", "step"])
    assert np.abs(again["forecast"].to_numpy() - first["forecast"].to_numpy()).max() > 0.01


def test_refits_of_an_evaluation_train_with_covariates(fitted, shops):
    found = fitted.evaluate(shops, origins=1, refit=True, baselines=())
    assert np.isfinite(found.table["forecast"]).all() and not found.table["seen"].any()


def test_empty_cells_of_covariates_are_filled_from_the_past(shops):
    table = shops.copy()
    table.loc[table.index % 4 == 1, "temp"] = np.nan
    table.loc[table.index % 5 == 1, "sky"] = None
    table.loc[table.index % 7 == 1, "price"] = np.nan
    found = Forecaster(**SHOPS, **QUICK, holdout=HOLDOUT).fit(table)
    assert "temp present" in channel_names(found.model.encoder.past_channels)
    assert ordered(found.predict(future=known(shops)[1]))


# Transformations


def growing(rows=120):
    steps = np.arange(rows)
    noise = np.random.default_rng(2).normal(0, 0.02, rows)
    y = 1000 * np.exp(0.005 * steps + 0.1 * np.sin(2 * np.pi * steps / 12) + noise)
    return pd.DataFrame({"month": pd.date_range("2010-01-01", periods=rows, freq="MS"), "y": y})


@pytest.mark.parametrize(
    ("transform", "scaling"),
    [("none", "robust"), ("log", "standard"), ("box-cox", "robust"), ("difference", "standard"), ("return", "robust")],
)
def test_every_transformation_keeps_the_level(transform, scaling, tmp_path):
    data = growing()
    found = Forecaster(horizon=6, units=(4,), epochs=1, final=False, transform=transform, scaling=scaling).fit(data)
    assert found.model.plan.transform == transform
    forecast = found.predict()
    last = data["y"].tail(12)
    assert forecast["forecast"].between(0.8 * last.min(), 1.25 * last.max()).all()
    assert ordered(forecast) and ordered(found.predict(20))
    assert (forecast["hi-95"] - forecast["lo-95"] < last.mean()).all()
    pd.testing.assert_frame_equal(Forecaster.load(found.save(tmp_path / "model")).predict(), forecast)
    beside = found.evaluate(origins=2, baselines=("naive",)).summary.set_index("model")["mae"]
    assert beside["network"] < 3 * beside["naive"]


def test_validation_chooses_the_transformation():
    data = growing()
    found = Forecaster(horizon=6, units=(4,), epochs=1, final=False, transform="validate").fit(data)
    chosen = next(note for note in found.notes if note.name == "transform" and "MASE" in note.reason)
    tried = dict(pair.rsplit(" ", 1) for pair in chosen.reason.split(": ")[1].split(", "))
    assert set(tried) == {"none", "difference", "log", "box-cox", "return"}
    assert chosen.value == found.model.plan.transform
    assert float(tried[chosen.value]) == min(map(float, tried.values()))  # of two alike in print either
    assert found.model.scaler.kind == found.model.plan.transform
    assert ordered(found.predict())


def test_ctrl_c_without_past_covariates_ends_the_choosing(monkeypatch):
    class Untrained:
        def __init__(self, data, member, progress):
            self.data, self.loss = data, 1.0
            self.run = SimpleNamespace(interrupted=not data.panel.of_role("past"), needed_gain=0.1)
            self.scores = {"mase": {"network": 1.0}}

        def steadier_than(self, other):
            return False

    monkeypatch.setattr(choices, "fit_member", Untrained)
    config = Config.of(transform="validate")
    panel, _ = build_panel(growing().assign(x=lambda table: table["y"] % 7), config)
    [best] = choices.try_first_network(panel, config, make_plan(panel, config)[0], FitProgress()).fits
    assert best.data.panel.of_role("past") and best.run.interrupted


def test_validation_tries_no_logarithm_of_values_below_zero(monkeypatch):
    class Untrained:
        """Scores of a network that is best at differences, and not trained."""

        def __init__(self, data, member, progress):
            self.data, self.run = data, SimpleNamespace(interrupted=False)
            self.scores = {"mase": {"network": 0.5 if data.plan.transform == "difference" else 1.0}}

    monkeypatch.setattr(choices, "fit_member", Untrained)
    config = Config.of(transform="validate")
    for shift, tried in ((1200, 2), (0, 5)):
        panel, _ = build_panel(growing().assign(y=lambda table, less=shift: table["y"] - less), config)
        progress = FitProgress()
        [best] = choices.try_first_network(panel, config, make_plan(panel, config)[0], progress).fits
        notes = progress.notes
        assert best.data.plan.transform == notes[0].value == "difference"
        assert len(notes[0].reason.split(", ")) == tried


# Holidays and zones


def test_holidays_reach_the_network():
    dates = pd.date_range("2023-01-01", "2024-12-15")
    data = pd.DataFrame({"date": dates, "y": 10 + np.sin(2 * np.pi * np.arange(len(dates)) / 7)})
    settings = {**QUICK, "horizon": 14, "lookback": 14, "season": 7}
    found = Forecaster(**settings, holidays="DE").fit(data)
    assert found.model.plan.holidays == "DE"
    days = pd.date_range("2024-12-16", periods=14).to_numpy("datetime64[ns]")
    table = calendar_table(days, found.model.history, found.model.plan)
    width = calendar_table(days, found.model.history, replace(found.model.plan, holidays="")).shape[1]
    assert next(i for i in found.network().inputs if i.name == "future").shape[2] == table.shape[1] > width
    holiday = np.flatnonzero((table[:, width:] == 1).any(axis=1))
    assert {9, 10} <= set(holiday.tolist())  # the 25th and the 26th of December
    assert len(found.predict()) == 14
    with pytest.raises(SettingError, match="'ZZ'"):
        Forecaster(**settings, holidays="ZZ").fit(data)


@pytest.mark.parametrize(
    ("change", "hours", "written"),
    [("2024-03-31", 23, "naive"), ("2024-10-27", 25, "zoned")],
)
def test_hours_across_a_change_of_the_clocks(change, hours, written):
    """Readings up to the evening before the clocks change; the forecast goes on by the clock of Berlin."""
    last = pd.Timestamp(change, tz="Europe/Berlin") - pd.Timedelta(hours=1)
    times = pd.date_range(end=last, periods=24 * 10, freq="h")
    y = 10 + np.sin(2 * np.pi * times.hour / 24)
    shown = times.tz_localize(None) if written == "naive" else times
    data = pd.DataFrame({"time": shown, "y": y})
    zone = "Europe/Berlin" if written == "naive" else None
    found = Forecaster(**QUICK, horizon=30, zone=zone, covariates=False, lookback=24, validation=48).fit(data)
    forecast = found.predict()
    expected = pd.date_range(pd.Timestamp(change, tz="Europe/Berlin"), periods=30, freq="h")
    assert forecast["time"].tolist() == expected.tolist()
    assert (forecast["time"].dt.strftime("%Y-%m-%d") == change).sum() == hours
    assert str(forecast["time"].dtype.tz) == "Europe/Berlin"
    pd.testing.assert_frame_equal(found.predict(data=data), forecast)


def test_hours_with_a_change_of_the_clocks_in_the_readings():
    """Local times without an offset: no reading at 02:30 in March, two in October, told apart by their order."""
    times = pd.date_range("2024-10-20", periods=24 * 12, freq="h", tz="Europe/Berlin")
    data = pd.DataFrame({"time": times.tz_localize(None), "y": 10 + np.sin(2 * np.pi * times.hour / 24)})
    settings = {**QUICK, "horizon": 6, "covariates": False, "lookback": 24}
    found = Forecaster(**settings, zone="Europe/Berlin").fit(data)
    assert "duplicates" not in names(found.notes) and "gaps" not in names(found.notes)
    assert len(found.model.history.values) == 24 * 12
    np.testing.assert_array_equal(found.history()["time"].dt.tz_localize(None), data["time"])
    assert found.predict()["time"][0] == times[-1] + pd.Timedelta(hours=1)


# Tables of other shapes


def test_a_wide_table():
    dates = pd.date_range("2024-01-01", periods=90)
    week = np.sin(2 * np.pi * np.arange(90) / 7)
    data = pd.DataFrame({"date": dates, **{f"shop {i}": 10.0 * i + week for i in range(1, 5)}})
    found = Forecaster(**QUICK, horizon=3, lookback=14).fit(data)
    forecast = found.predict()
    assert forecast["series"].unique().tolist() == ["shop 1", "shop 2", "shop 3", "shop 4"]
    for i, (_, rows) in enumerate(forecast.groupby("series"), 1):
        assert rows["forecast"].between(10 * i - 3, 10 * i + 3).all()
    pd.testing.assert_frame_equal(found.predict(data=data), forecast)
    pd.testing.assert_frame_equal(found.predict(data=data.iloc[:, [0, 4, 3, 2, 1]]), forecast)


def test_several_targets(tmp_path):
    table = shop_table().query("shop == 'a'")[["date", "sales", "temp", "price"]]
    settings = {"horizon": 3, "lookback": 14, "season": 7, "target": "sales,temp", "future_columns": "price"}
    found = Forecaster(**settings, **{**QUICK, "base": "mix"}, holdout=3).fit(table)
    future = table.tail(3)[["date", "price"]]
    future = pd.concat([future.assign(series=name) for name in ("sales", "temp")])
    forecast = found.predict(future=future)
    assert forecast["series"].tolist() == ["sales"] * 3 + ["temp"] * 3
    assert forecast["forecast"][:3].between(40, 100).all() and forecast["forecast"][3:].between(0, 30).all()
    loaded = Forecaster.load(found.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(data=table.iloc[:-3], future=future), forecast)


# Missing readings


@pytest.mark.parametrize(("gaps", "kind"), [("mask", "rows"), ("fill", "rows"), ("fill", "cells")])
def test_a_third_of_the_readings_missing(gaps, kind):
    draw = np.random.default_rng(4)
    whole = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=200), "y": 20.0})
    whole["y"] += 5 * np.sin(2 * np.pi * np.arange(200) / 7) + draw.normal(0, 0.3, 200)
    absent = draw.random(200) < 0.3
    absent[[0, -1]] = False
    data = whole[~absent] if kind == "rows" else whole.assign(y=whole["y"].mask(absent))
    missing = {"mask": "mask", "fill": "interpolate"}[gaps]
    settings = {"horizon": 7, "freq": "D", "lookback": 21, "season": 7, "gaps": gaps, "missing": missing}
    found = Forecaster(**settings, units=(4,), epochs=1, final=False).fit(data)
    assert found.model.plan.indicator == (gaps == "mask")
    note = next(note for note in found.notes if note.name == ("gaps" if kind == "rows" else "missing"))
    assert f"{absent.sum()} " in note.value and note.warning and note.counts == {"": int(absent.sum())}
    forecast = found.predict()
    assert ordered(forecast) and forecast["forecast"].between(13, 27).all()
    assert found.history()["actual"].isna().sum() == absent.sum()
    table = found.evaluate(origins=3, baselines=("seasonal-naive",)).table
    assert (~table["observed"]).any()


# The command line


def test_the_commands_from_a_table_to_a_forecast(command, folder, shops, ahead):
    known(shops)[0].to_csv("shops.csv", index=False)
    flags = [part for name, value in SHOPS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    tiny = ["--units", "4", "--epochs", "3", "--no-final", "--base", "none", "--learning-rate", "0.02"]
    fit = command("fit", "shops.csv", *flags, *tiny)
    assert fit.code == 0, fit.err
    ended = command("predict", "--horizon", "5")
    assert ended.code == 2 and "price, promo: --future FILE" in ended.err and "make-future" in ended.err
    assert command("make-future", "--output", "future.csv").err.endswith("15 rows, 30 cells to fill in\n")
    assert command("predict", "--future", "future.csv").code == 5
    empty = pd.read_csv("future.csv")
    assert list(empty) == ["shop", "date", "price", "promo"] and empty["price"].isna().all()
    dated = ahead.assign(date=ahead["date"].dt.strftime("%Y-%m-%d"))
    empty[["shop", "date"]].merge(dated, on=["shop", "date"]).to_csv("future.csv", index=False)
    ended = command("predict", "--future", "future.csv", "--output", "forecast.csv")
    assert ended.code == 0, ended.err
    expected = Forecaster.load().predict(future=ahead)
    found = pd.read_csv("forecast.csv")
    assert list(found) == [*expected] and found["engine"].tolist() == ["lstm + pretrained"] * 15
    np.testing.assert_allclose(found["forecast"], expected["forecast"])
    shops.to_csv("newer.csv", index=False)
    ended = command("evaluate", "--data", "newer.csv", "--level", "80")
    assert ended.code == 0 and ended.out.splitlines()[1].startswith("  network"), ended.err
