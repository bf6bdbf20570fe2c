"""Networks that forecast together: the model of them, their shares, and what becomes of them in a fit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.engines.keras import KerasEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import ModelError, SettingError
from forecaster.families.shapes import Shapes
from forecaster.features.members import Member
from forecaster.features.plan import Plan
from forecaster.fitting.rebuild import rebuild_network
from forecaster.networks.ensemble import build_ensemble, find_shares, weights_by_path
from forecaster.networks.factory import build_network
from forecaster.networks.keras import start_keras
from forecaster.networks.onnx_export import export_onnx
from forecaster.training.member_fit import TrainingData

start_keras()

QUICK = {"horizon": 3, "units": (4,), "epochs": 1}


def monthly(rows=100, seed=0):
    steps = np.arange(rows)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(seed).normal(0, 0.5, rows)
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=rows, freq="MS"), "y": values})


def networks(*lookbacks, **options):
    """Return untrained networks of those lookbacks, with heads that are not zero, by name."""
    found = {}
    for number, lookback in enumerate(lookbacks):
        config = Config.of(units=(4,), base="none", segment=1, seed=number)
        found[f"m{number}"] = build_network(config, Shapes(lookback, 3, calendar=2, **options))
    return found


def inputs(lookback, windows=5, **more):
    draw = np.random.default_rng(1)
    given = {"past": draw.normal(size=(windows, lookback, 3)), "future": draw.normal(size=(windows, 3, 2))}
    return {name: array.astype(np.float32) for name, array in (given | more).items()}


#: Steps of training that change a forecast.
PAIR = {**QUICK, "members": 2, "base": "none", "learning_rate": 0.01, "intervals": "ensemble"}


@dataclass
class Fitted:
    """A forecaster, what was told while it was fitted, and how often windows were made."""

    forecaster: Forecaster
    progress: list
    made: int


@pytest.fixture(scope="module")
def four():
    """Two lookbacks, two seeds each."""
    progress, made = [], []

    class Counted(TrainingData):
        def __init__(self, *args, **options):
            made.append(1)
            super().__init__(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecaster.fitting.choices.TrainingData", Counted)
        fitted = Forecaster(lookbacks="12,24", members=2, **QUICK).fit(monthly(), progress.append)
    return Fitted(fitted, progress, len(made))


@pytest.fixture(scope="module")
def pair():
    """Two seeds, whose spread is an output."""
    return Forecaster(**PAIR).fit(monthly())


# The model


def test_the_forecast_is_the_weighted_mean_of_what_each_member_makes_of_the_newest_steps():
    members, given, shares = networks(12, 8), inputs(12), np.array([0.7, 0.3])
    alone = [
        network.predict_on_batch([given["past"][:, -n:], given["future"]])
        for network, n in zip(members.values(), (12, 8), strict=True)
    ]
    found = KerasEngine(build_ensemble(members, shares)).run(given)
    assert found.shape == (5, 3, 1)
    np.testing.assert_allclose(found, 0.7 * alone[0] + 0.3 * alone[1], rtol=1e-5, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 0.01


def test_the_spread_is_the_weighted_deviation_of_the_members():
    members, given, shares = networks(8, 8, 8), inputs(8), np.array([0.5, 0.25, 0.25])
    each = np.stack([KerasEngine(network).run(given)[:, :, 0] for network in members.values()])
    found = KerasEngine(build_ensemble(members, shares, spread=True)).run(given)
    mean = np.tensordot(shares, each, 1)
    np.testing.assert_allclose(found[:, :, 0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, :, 1], np.sqrt(np.tensordot(shares, (each - mean) ** 2, 1)), atol=1e-6)


def test_members_keep_their_weights_and_each_path_is_once():
    members = networks(8, 8)
    whole = build_ensemble(members)
    paths = weights_by_path(whole)
    assert len(paths) == sum(len(network.weights) for network in members.values()) + 1
    assert {path.split("/")[0] for path in paths} == {"m0", "m1", "ensemble"}
    before = KerasEngine(whole).run(inputs(8))
    members["m1"].set_weights([w + 1 for w in members["m1"].get_weights()])
    assert np.abs(KerasEngine(whole).run(inputs(8)) - before).max() > 0.1


def test_a_network_alone_has_its_own_paths():
    network = networks(8)["m0"]
    assert weights_by_path(network) == {v.path: v for v in network.weights}


def test_one_file_runs_all_members():
    given = inputs(12, static=np.ones((5, 1)))
    whole = build_ensemble(networks(12, 8, static=1), np.array([0.4, 0.6]), spread=True)
    expected = KerasEngine(whole).run(given)
    np.testing.assert_allclose(OnnxEngine(export_onnx(whole)).run(given), expected, atol=1e-5)


# Shares


def test_the_better_kind_counts_more_and_its_seeds_alike():
    draw = np.random.default_rng(0)
    errors = [size * draw.normal(size=1000) for size in (1.0, 1.0, 3.0)]
    shares = find_shares(errors, ["a", "a", "b"], stretches=100)
    assert shares[0] == shares[1] > shares[2] > 0
    assert shares.sum() == pytest.approx(1)


def test_shares_of_uncorrelated_errors_are_those_of_their_variances():
    """Bates & Granger: of uncorrelated errors the shares go as one over the variance."""
    draw = np.random.default_rng(0)
    errors = [draw.normal(size=200_000), 2 * draw.normal(size=200_000)]
    np.testing.assert_allclose(find_shares(errors, [0, 1], stretches=1e9), [0.8, 0.2], atol=0.01)


def test_few_stretches_draw_the_shares_together():
    draw = np.random.default_rng(0)
    errors = [draw.normal(size=1000), 9 * draw.normal(size=1000)]
    apart = [np.ptp(find_shares(errors, [0, 1], stretches)) for stretches in (0, 1, 10, 1000)]
    assert apart[0] == 0 and (np.diff(apart) > 0).all()


# A fit


def test_an_ensemble_is_stored_rebuilt_and_predicts_as_one(four, tmp_path):
    model = four.forecaster.model
    assert [(m.name, m.seed, m.lookback) for m in model.plan.members] == [
        ("lstm-0", 0, 12),
        ("lstm-1", 1, 12),
        ("lstm-2", 0, 24),
        ("lstm-3", 1, 24),
    ]
    assert model.plan.lookback == 24
    loaded = Forecaster.load(four.forecaster.save(tmp_path / "model"))
    assert loaded.model.plan == model.plan
    pd.testing.assert_frame_equal(loaded.predict(7), four.forecaster.predict(7))
    assert {path.split("/")[0] for path in model.weights} == {*(m.name for m in model.plan.members), "ensemble"}
    given = {"past": np.random.default_rng(0).normal(size=(4, 24, 3)).astype(np.float32)}
    given["future"] = given["past"][:, :3, 1:]
    np.testing.assert_allclose(KerasEngine(loaded.network()).run(given), OnnxEngine(model.onnx).run(given), atol=1e-5)


def test_a_missing_weight_of_a_member_is_named(four):
    model = four.forecaster.model
    path = next(path for path in model.weights if path.startswith("lstm-2/"))
    others = {f"{name}s" if name == path else name: value for name, value in model.weights.items()}
    with pytest.raises(ModelError, match=f"weight {path}: expected .*, found None"):
        rebuild_network(replace(model, weights=others))


def test_members_share_their_windows_and_are_told_one_by_one(four):
    assert four.made == 1
    assert list(dict.fromkeys(p.phase.split(", ")[0] for p in four.progress)) == [f"lstm-{i}" for i in range(4)]


def test_members_are_recorded_with_what_they_cost(four):
    record = four.forecaster.model.record
    note = next(n for n in record["notes"] if n["name"] == "members" and "together" in n["reason"])
    assert "each forecast costs 4 networks" in note["reason"]
    rows = record["members"]
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-3)
    assert rows[0]["share"] == rows[1]["share"] and rows[2]["share"] == rows[3]["share"]
    assert json.loads(json.dumps(rows)) == rows


def test_the_first_member_is_the_network_alone(pair):
    alone = Forecaster(**{**PAIR, "members": 1, "intervals": "conformal"}).fit(monthly()).model
    for path, value in alone.weights.items():
        np.testing.assert_array_equal(value, pair.model.weights[f"lstm-0/{path}"])


def test_one_seed_one_ensemble(pair):
    again = Forecaster(**PAIR).fit(monthly())
    pd.testing.assert_frame_equal(pair.predict(), again.predict())
    for path, value in pair.model.weights.items():
        np.testing.assert_array_equal(value, again.model.weights[path])


def test_the_spread_of_members_is_an_output_where_the_intervals_want_it(pair):
    past, ahead = np.zeros((2, pair.model.plan.lookback, 3), np.float32), np.zeros((2, 3, 2), np.float32)
    found = OnnxEngine(pair.model.onnx).run({"past": past, "future": ahead})
    assert found.shape == (2, 3, 2) and (found[:, :, 1] > 0).all()
    forecast = pair.predict()
    assert (forecast["lo-80"] < forecast["forecast"]).all() and (forecast["forecast"] < forecast["hi-80"]).all()


def test_ctrl_c_keeps_the_members_that_are_there():
    def press(progress):
        if progress.phase.startswith("lstm-1"):
            raise KeyboardInterrupt

    model = Forecaster(**{**QUICK, "epochs": 2}, members=3).fit(monthly(), press).model
    assert model.record["interrupted"] and not model.record["final"]
    assert [m.name for m in model.plan.members] == ["lstm-0", "lstm-1"]
    epochs = [member["best_epoch"] for member in model.record["members"]]
    assert model.record["best_epoch"] == epochs[0] <= len(model.record["epochs"]["loss"])
    assert model.record["trained"] == any(epochs)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"intervals": "ensemble"}, 'intervals="ensemble" needs an ensemble, but there is one network'),
        ({"lookback": 12, "lookbacks": (12, 24)}, "both lookback and lookbacks are given"),
        ({"lookbacks": tuple(range(2, 12))}, "10 lookbacks, at most 8 are combined"),
        ({"members": 0}, "members must be 1 or more, got 0"),
        ({"network": "auto", "members": 2}, 'network="auto" chooses its members itself'),
    ],
)
def test_settings_that_contradict_one_another(settings, match):
    with pytest.raises(SettingError, match=match):
        Forecaster(**QUICK, **settings).fit(monthly())


def test_a_plan_with_members_survives_json():
    members = (Member("a", 1, 12, 3), Member("b", 2, 24, 6, {"network": "gru"}))
    plan = Plan(3, 3, (12,), 24, 6, 12, "none", members=members)
    assert Plan.from_dict(json.loads(json.dumps(asdict(plan)))) == plan
