"""One network that diverges, or Ctrl-C late, costs that network and not the fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.errors import DivergedError
from forecaster.features import members
from forecaster.features.members import SHORTLIST
from forecaster.fitting import ensemble
from forecaster.training import member_fit
from forecaster.training.member_fit import MemberFit
from forecaster.training.trainer import Trainer

pytestmark = pytest.mark.tensorflow

QUICK = {"horizon": 3, "units": (4,), "epochs": 1, "lookback": 12, "season": 12}
NAN = "training diverged: the validation loss became nan in epoch 1"


def monthly(rows=80, **columns):
    steps = np.arange(rows)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.5, rows)
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=rows, freq="MS"), "y": values, **columns})


@pytest.fixture
def diverge(monkeypatch):
    """Return a function that lets the fits diverge for which ``when(data, member)`` holds."""

    def call(when):
        begin = MemberFit.__init__

        def failing(self, data, member, *rest):
            if when(data, member):
                raise DivergedError(NAN, "try --clipnorm 1")
            begin(self, data, member, *rest)

        monkeypatch.setattr(MemberFit, "__init__", failing)

    return call


def note(forecaster, name):
    return next(n for n in forecaster.notes if n.name == name)


@pytest.mark.parametrize("lost", ["lstm-0", "lstm-2"])
def test_a_member_that_diverges_is_left_out_and_named(diverge, lost, tmp_path):
    diverge(lambda data, member: member.name == lost)
    found = Forecaster(**QUICK, members=3).fit(monthly())
    left = [name for name in ("lstm-0", "lstm-1", "lstm-2") if name != lost]
    assert [m.name for m in found.model.plan.members] == [row["name"] for row in found.model.record["members"]] == left
    said = note(found, "diverged")
    assert said.warning and said.value == "1 of 3 networks left out" and said.reason == f"{lost}: {NAN}"
    loaded = Forecaster.load(found.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(), found.predict())


def test_one_member_that_is_left_has_no_spread_and_a_note_says_so(diverge, tmp_path):
    diverge(lambda data, member: member.name == "lstm-0")
    found = Forecaster(**QUICK, members=2, intervals="ensemble").fit(monthly())
    assert note(found, "intervals").warning and "one network is left" in note(found, "intervals").reason
    assert found.model.conformal.kind == "volatility"
    loaded = Forecaster.load(found.save(tmp_path / "model"))
    forecast = loaded.predict()
    pd.testing.assert_frame_equal(forecast, found.predict())
    assert (forecast["lo-80"] < forecast["hi-80"]).all()
    assert loaded.network().count_params() > 0


@pytest.mark.parametrize(("count", "match"), [(1, f"^{NAN}"), (2, f"^none of 2 is left; lstm-0: {NAN}")])
def test_only_where_none_is_left_the_fit_ends(diverge, count, match):
    diverge(lambda data, member: True)
    with pytest.raises(DivergedError, match=match) as error:
        Forecaster(**QUICK, members=count).fit(monthly())
    assert error.value.exit_code == 6 and error.value.hint == "try --clipnorm 1"


@pytest.mark.parametrize("lost", ["lstm", "nlinear"])
def test_a_network_of_the_short_list_that_diverges_is_told_in_the_table(diverge, monkeypatch, command, folder, lost):
    few = {name: SHORTLIST[name] for name in ("lstm", "dlinear", "nlinear")}
    monkeypatch.setattr(members, "SHORTLIST", few)
    diverge(lambda data, member: member.name == lost)
    monthly().to_csv(folder / "y.csv", index=False)
    settings = ("--horizon", "3", "--units", "4", "--epochs", "1", "--lookback", "12", "--season", "12")
    ended = command("fit", "y.csv", "--network", "auto", *settings)
    assert ended.code == 0, ended.err
    assert f"diverged: 1 of 3 networks left out ({lost}: {NAN})" in ended.err
    [line] = [line for line in ended.out.splitlines() if line.split()[:1] == [lost]]
    assert line.split() == [lost, "diverged"]
    rows = {row["name"]: row for row in Forecaster.load("forecaster-model").model.record["tried"]}
    assert {name for name, row in rows.items() if row["diverged"]} == {lost}
    assert set(rows) >= {"start", *few}


def test_a_short_list_that_diverges_as_a_whole_ends_with_6(diverge, command, folder, monkeypatch):
    monkeypatch.setattr(members, "SHORTLIST", {name: SHORTLIST[name] for name in ("lstm", "dlinear")})
    diverge(lambda data, member: True)
    monthly().to_csv(folder / "y.csv", index=False)
    ended = command("fit", "y.csv", "--network", "auto", "--horizon", "3")
    assert ended.code == 6 and "none of 2 is left" in ended.err
    assert not (folder / "forecaster-model").exists()


@pytest.mark.parametrize("lost", ["none", "return"])
def test_a_transformation_that_diverges_is_left_out_and_named(diverge, lost):
    diverge(lambda data, member: data.plan.transform == lost)
    found = Forecaster(**QUICK, transform="validate").fit(monthly())
    assert found.model.plan.transform != lost
    said = note(found, "diverged")
    assert said.warning and said.value == "1 of 5 transformations left out" and said.reason == f"{lost}: {NAN}"


@pytest.mark.parametrize("with_them", [True, False])
def test_past_covariates_are_not_used_where_training_with_them_diverges(diverge, with_them):
    diverge(lambda data, member: bool(data.panel.of_role("past")) == with_them)
    found = Forecaster(**QUICK).fit(monthly(x=np.random.default_rng(1).normal(size=80)))
    assert bool(found.model.history.of_role("past")) != with_them
    said = [n for n in found.notes if n.name == "past"][-1]
    assert said.warning and said.value == ("not used" if with_them else "used") and NAN in said.reason


@pytest.mark.parametrize(("count", "size"), [(1, np.nan), (2, np.nan), (1, 1e7)])
def test_a_final_run_that_diverges_leaves_the_weights_of_the_validation_run(monkeypatch, count, size):
    final_run = Trainer.final_run

    def failing(self, *args, **options):
        if self.seed:
            return final_run(self, *args, **options)
        self.network.set_weights([np.full_like(w, size) for w in self.network.get_weights()])
        if np.isfinite(size):
            return True
        raise DivergedError("training diverged: the training loss became nan in epoch 2")

    settings = {**QUICK, "base": "none", "learning_rate": 0.01, "members": count, "keep": "last"}
    kept = Forecaster(**settings, final=False).fit(monthly()).model
    monkeypatch.setattr(Trainer, "final_run", failing)
    found = Forecaster(**settings).fit(monthly())
    first = "" if count == 1 else "lstm-0/"
    for path, value in kept.weights.items():
        if path.startswith(first):
            np.testing.assert_array_equal(found.model.weights[path], value)
    assert not found.model.record["final"] and not found.model.record["interrupted"]
    said = note(found, "final run")
    assert said.warning and said.value.endswith("the weights of its validation run are kept")
    assert ("nan in epoch 2" if np.isnan(size) else "deviations from the mean") in said.reason
    training = [n for n in found.notes if n.name == "training"]
    assert ["not trained again" in n.reason for n in training] == [True, False][:count]


def test_ctrl_c_before_the_final_run_has_begun_keeps_the_weights_of_the_validation_run(monkeypatch):
    settings = {**QUICK, "learning_rate": 0.01}
    kept = Forecaster(**settings, final=False).fit(monthly()).model
    find_start, calls = member_fit.find_start, []

    def pressed(*args):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return find_start(*args)

    monkeypatch.setattr(member_fit, "find_start", pressed)
    found = Forecaster(**settings).fit(monthly())
    for path, value in kept.weights.items():
        np.testing.assert_array_equal(found.model.weights[path], value)
    assert found.model.record["interrupted"] and not found.model.record["final"]
    assert "interrupted" in note(found, "training").reason and len(calls) == 2


def press(monkeypatch, module, name, times=1):
    """Let Ctrl-C fall in the first call of a function, or in the first few."""
    function, calls = getattr(module, name), []

    def pressed(*args):
        found = function(*args)
        calls.append(1)
        if len(calls) <= times:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(module, name, pressed)
    return calls


def test_ctrl_c_while_a_network_is_scored_keeps_it_and_ends_the_training_after_it(monkeypatch):
    settings = {**QUICK, "learning_rate": 0.01}
    kept = Forecaster(**settings, final=False).fit(monthly()).model
    calls = press(monkeypatch, member_fit, "score_validation")
    found = Forecaster(**settings, members=3).fit(monthly()).model
    assert len(calls) == 2 and found.record["interrupted"] and not found.record["final"]
    for path, value in kept.weights.items():
        np.testing.assert_array_equal(found.weights[path], value)
    assert found.record["scores"] == kept.record["scores"]


def test_ctrl_c_while_networks_are_combined_keeps_them(monkeypatch):
    kept = Forecaster(**QUICK, members=2, final=False).fit(monthly()).model
    calls = press(monkeypatch, ensemble, "score_validation")
    found = Forecaster(**QUICK, members=2).fit(monthly()).model
    assert len(calls) == 2 and found.record["interrupted"] and not found.record["final"]
    assert found.record["scores"] == kept.record["scores"] and len(found.plan.members) == 2
    for path, value in kept.weights.items():
        np.testing.assert_array_equal(found.weights[path], value)


def test_a_second_ctrl_c_ends_it_at_once(monkeypatch):
    press(monkeypatch, member_fit, "score_validation", times=2)
    with pytest.raises(KeyboardInterrupt):
        Forecaster(**QUICK).fit(monthly())
