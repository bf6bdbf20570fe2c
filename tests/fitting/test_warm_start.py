"""``fit --from MODEL``: a trained model trained further on newer rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.fitting import warm_start
from forecaster.fitting.warm_start import EPOCHS, SLOWER, settings_for_warm_start

pytestmark = pytest.mark.tensorflow

ROWS, NEWER = 120, 24
#: A network that two epochs leave much to learn.
SETTINGS = {"horizon": 3, "units": (4,), "epochs": 2, "base": "none", "lookback": 12, "validation": 20, "season": 12}
FURTHER = {"epochs": 3, "learning_rate": 0.01, "keep": "last"}


def table(rows, size=1.0, **columns):
    steps = np.arange(rows)
    noise = np.random.default_rng(0).normal(0, 0.2, 400)[:rows]
    values = size * (20 + 5 * np.sin(2 * np.pi * steps / 12) + noise)
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=rows, freq="MS"), "y": values, **columns})


@pytest.fixture(scope="module")
def before():
    return Forecaster(**SETTINGS).fit(table(ROWS))


@pytest.fixture(scope="module")
def after(before):
    """Trained further, and its last epoch is kept, whether or not that is better."""
    return Forecaster(**FURTHER).fit(table(ROWS + NEWER).tail(NEWER), further=before)


def note(forecaster, name):
    return next(n for n in forecaster.notes if n.name == name)


def test_plan_scaling_and_network_are_the_models_and_the_weights_are_not(before, after):
    old, new = before.model, after.model
    assert new.config == old.config == after.config
    assert {**vars(new.plan), "validation": 0} == {**vars(old.plan), "validation": 0}
    np.testing.assert_array_equal(new.scaler.center, old.scaler.center)
    np.testing.assert_array_equal(new.scaler.scale, old.scaler.scale)
    assert new.encoder == old.encoder
    assert list(new.weights) == list(old.weights)
    assert new.record["best_epoch"] == FURTHER["epochs"]
    assert any(not np.array_equal(value, old.weights[path]) for path, value in new.weights.items())


def test_validation_is_the_newer_half_and_is_said(before, after):
    assert after.model.plan.validation == NEWER // 2
    assert note(after, "continued").value == f"{NEWER} newer rows"
    assert after.model.record["continued"] == {
        "trained_until": before.model.record["trained_until"],
        "newer_rows": NEWER,
    }
    assert after.model.record["trained_until"] > before.model.record["trained_until"]


def test_it_starts_from_the_weights_of_the_model(before, after):
    """The validation loss of epoch 0 is that of the old network on the new rows."""
    old, new = before.model, after.model
    trained = Forecaster._of(replace(old, pretrained=None))
    newest = table(ROWS + NEWER)["y"].to_numpy()
    scaled = (newest - old.scaler.center[0]) / old.scaler.scale[0]
    squares = []
    for cutoff in range(ROWS + NEWER - new.plan.validation, ROWS + NEWER - 2):
        known = table(ROWS + NEWER).head(cutoff)
        forecast = (trained.predict(data=known)["forecast"].to_numpy() - old.scaler.center[0]) / old.scaler.scale[0]
        squares.append((forecast - scaled[cutoff : cutoff + 3]) ** 2)
    assert new.record["untrained_val_loss"] == pytest.approx(np.mean(squares), rel=1e-3)


def test_the_whole_table_again_is_the_same_as_its_newer_rows(before, after):
    again = Forecaster(**FURTHER).fit(table(ROWS + NEWER), further=before)
    pd.testing.assert_frame_equal(again.predict(), after.predict())


def test_it_forecasts_from_the_newest_row_and_is_stored(after, tmp_path):
    forecast = after.predict()
    assert forecast["month"].iloc[0] == table(ROWS + NEWER + 1)["month"].iloc[-1]
    loaded = Forecaster.load(after.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(), forecast)
    further = Forecaster(epochs=1).fit(table(ROWS + 2 * NEWER).tail(NEWER), further=tmp_path / "model")
    assert len(further.history()) == ROWS + 2 * NEWER


def test_the_old_weights_are_kept_where_training_does_not_help(before, plant_losses):
    plant_losses(1.0, 2.0)
    found = Forecaster(epochs=1).fit(table(ROWS + NEWER).tail(NEWER), further=before)
    assert found.model.record["best_epoch"] == 0
    for path, value in found.model.weights.items():
        np.testing.assert_array_equal(value, before.model.weights[path])
    assert note(found, "training").value == "the weights of the model are kept"
    new, old = (model.conformal.to_arrays() for model in (found.model, before.model))
    assert any(new[name].shape != old[name].shape or (new[name] != old[name]).any() for name in new)


def test_every_member_of_an_ensemble_is_trained_further():
    before = Forecaster(**SETTINGS, members=2).fit(table(ROWS))
    found = Forecaster(learning_rate=0.01).fit(table(ROWS + NEWER).tail(NEWER), further=before)
    assert [row["name"] for row in found.model.record["members"]] == ["lstm-0", "lstm-1"]
    assert list(found.model.weights) == list(before.model.weights)


def test_series_without_newer_rows_are_named(tmp_path):
    parts = [table(ROWS, size).assign(shop=name) for name, size in (("a", 1.0), ("b", 3.0), ("c", 2.0))]
    before = Forecaster(**SETTINGS).fit(pd.concat(parts))
    newer = [table(ROWS + NEWER, 1.0).tail(NEWER).assign(shop="a"), table(ROWS + 1, 3.0).tail(1).assign(shop="b")]
    found = Forecaster(epochs=1).fit(pd.concat(newer), further=before)
    assert note(found, "not newer").reason.endswith(": b")
    assert note(found, "left out").warning and "no newer rows of c" in note(found, "left out").reason
    assert found.model.ids == ("a", "b")
    scale = dict(zip(before.model.ids, before.model.scaler.scale, strict=True))
    np.testing.assert_array_equal(found.model.scaler.scale, [scale["a"], scale["b"]])


def test_validation_is_no_shorter_than_that_of_the_last_time(before):
    """Half of the newer rows each time, however few there were of them before."""
    few = Forecaster(epochs=1).fit(table(ROWS + 8).tail(8), further=before)
    assert few.model.plan.validation == 4
    assert few.model.config.validation == SETTINGS["validation"]
    many = Forecaster(epochs=1).fit(table(ROWS + 8 + 30).tail(30), further=few)
    assert many.model.plan.validation == 15
    most = Forecaster(epochs=1).fit(table(ROWS + 8 + 60).tail(60), further=few)
    assert most.model.plan.validation == SETTINGS["validation"]


def test_a_new_series_is_scaled_by_its_rows_before_validation(before):
    def shops(last):
        """Return newer rows of a, and b, new, whose last rows are as given; c has too few to be learned from."""
        b = table(60)
        b.loc[60 - len(last) :, "y"] = last
        rows = {"a": table(ROWS + NEWER).tail(NEWER), "b": b, "c": table(4), "d": table(ROWS + NEWER, 2).tail(NEWER)}
        return pd.concat([rows[name].assign(shop=name) for name in rows])

    old = Forecaster(**SETTINGS).fit(pd.concat([table(ROWS, size).assign(shop=s) for s, size in (("a", 1), ("d", 2))]))
    validation = NEWER // 2
    plain, wild = (
        Forecaster(epochs=1, validation=validation).fit(shops(last), further=old).model
        for last in (table(60)["y"].to_numpy()[-validation:], np.full(validation, 90.0))
    )
    assert plain.plan.validation == validation
    place = plain.ids.index("b")
    for part in ("center", "scale", "spread", "moves"):
        np.testing.assert_array_equal(getattr(plain.scaler, part), getattr(wild.scaler, part))
    known = table(60)["y"].to_numpy()[:-validation].astype(np.float32)
    assert plain.scaler.center[place] == pytest.approx(known.mean(), rel=1e-6)
    assert plain.scaler.scale[place] == pytest.approx(known.std(), rel=1e-6)


# What it may not be


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"units": (8,)}, r"units \(8,\) contradicts the model, which has \(4,\)"),
        ({"lookback": 24}, "lookback 24 contradicts the model, which has 12"),
        ({"network": "gru"}, "network gru contradicts the model, which has lstm"),
        ({"recipe": "textbook"}, "contradicts the model"),
        ({"horizon": 5}, "horizon 5 contradicts the model, which has 3"),
    ],
)
def test_settings_that_contradict_the_model_are_refused(before, given, match):
    with pytest.raises(SettingError, match=match):
        Forecaster(**given).fit(table(ROWS + NEWER), further=before)


def test_settings_of_training_may_differ_and_others_may_be_said_again(before):
    config = settings_for_warm_start(before.config, {"units": "4", "epochs": 7, "validation": 9, "horizon": "3"})
    assert (config.epochs, config.validation, config.units) == (7, 9, (4,))
    assert config.learning_rate == SLOWER * before.config.learning_rate
    untold = settings_for_warm_start(before.config, {})
    assert (untold.epochs, untold.validation, untold.holdout) == (EPOCHS, None, 0)
    assert settings_for_warm_start(Config.of(), {"learning_rate": 0.5}).learning_rate == 0.5


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("given", [{"deterministic": True}, {}])
def test_the_new_model_is_deterministic_where_it_was_trained_so(before, monkeypatch, own, given):
    for name in ("fix_threads", "train_members", "member_networks", "join_pretrained"):
        monkeypatch.setattr(warm_start, name, lambda *_, **__: [])
    monkeypatch.setattr(warm_start, "finish_model", lambda *_: before.model)
    start = replace(before.model, config=before.model.config.replace(deterministic=own))
    newer, _ = before.panel(table(ROWS + NEWER).tail(NEWER))
    found = warm_start.fit_further(start, newer, given, [], None)
    assert found.config == before.model.config.replace(**{"deterministic": False} | given)


@pytest.mark.parametrize(("rows", "count"), [(ROWS, 0), (ROWS + 2, 2)])
def test_too_few_newer_rows_are_refused(before, rows, count):
    with pytest.raises(DataError, match=f"{count} newer rows are too few to train further on: 3 are needed") as error:
        Forecaster().fit(table(rows), further=before)
    assert "a prediction with data uses them without training" in error.value.hint


def test_a_table_of_the_future_is_refused(before):
    with pytest.raises(SettingError, match="has its own future covariates"):
        Forecaster().fit(table(ROWS + NEWER), further=before, future=table(3))


def test_no_model_to_start_from(folder):
    with pytest.raises(NotFoundError, match="no model at 'absent'"):
        Forecaster().fit(table(ROWS), further="absent")


def test_the_command_says_what_it_did(command, before, folder):
    before.save(folder / "old")
    table(ROWS + NEWER).tail(NEWER).to_csv(folder / "newer.csv", index=False)
    ended = command("fit", "newer.csv", "--from", "old", "--model", "new", "--epochs", "1")
    assert ended.code == 0, ended.err
    assert f"{NEWER} newer rows" in ended.err and "the model was trained on rows up to 2009-12-01" in ended.err
    assert "validation, " in ended.out
    ended = command("fit", "newer.csv", "--from", "old", "--units", "9")
    assert ended.code == 2 and "contradicts the model" in ended.err


def test_what_the_settings_leave_open_is_what_was_decided(before):
    again = {"freq": "MS", "target": "y", "time": "month", "segment": before.model.plan.segment}
    found = Forecaster(**again, epochs=1).fit(table(ROWS + NEWER).tail(NEWER), further=before)
    assert found.model.config == before.model.config
    for given, match in (({"freq": "D"}, "freq D .* has MS"), ({"target": "x"}, "target x .* has y")):
        with pytest.raises(SettingError, match=match):
            Forecaster(**given).fit(table(ROWS + NEWER), further=before)


def test_the_smallest_value_is_that_of_all_rows(before, monkeypatch):
    monkeypatch.setitem(before.model.record, "smallest", -3.0)
    found = Forecaster(epochs=1).fit(table(ROWS + NEWER).tail(NEWER), further=before)
    assert found.model.record["smallest"] == -3.0


def test_series_shorter_than_the_windows_of_a_model_that_pads_none_are_named_or_refused():
    given = {**SETTINGS, "lookback": 36}
    before = Forecaster(**given).fit(pd.concat([table(ROWS, size).assign(shop=f"{size}") for size in (1, 2)]))
    assert not before.model.plan.padded and before.model.plan.least == 12
    short = table(40).assign(shop="short")
    with pytest.raises(DataError, match="no series has enough rows to be trained further"):
        Forecaster(epochs=1).fit(short, further=before)
    newer = [table(ROWS + NEWER, size).tail(NEWER).assign(shop=f"{size}") for size in (1, 2)]
    found = Forecaster(epochs=1).fit(pd.concat([*newer, short]), further=before)
    assert note(found, "short").value == "1 of 3 series"
    assert note(found, "short").reason == f"not trained on, fewer than {36 + 3 + NEWER // 2} rows: short"
    assert found.model.record["scores"]["windows"] == 2 * (NEWER // 2 - 2)
