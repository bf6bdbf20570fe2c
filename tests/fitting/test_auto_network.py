"""``--network auto``: what is tried, what is kept, and what the budget leaves out."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.errors import DivergedError, SettingError
from forecaster.families import NETWORKS
from forecaster.features import members
from forecaster.features.members import SHORTLIST, budget_seconds, plan_members
from forecaster.fitting import auto_network
from forecaster.fitting.candidates import Tried
from forecaster.training.fit_progress import FitProgress

QUICK = {"horizon": 3, "units": (4,), "epochs": 1, "network": "auto"}


def monthly(rows=140):
    steps = np.arange(rows)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.5, rows)
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=rows, freq="MS"), "y": values})


class Pretended:
    """A fit that was not trained: its scores and its time are given."""

    SIMPLE: ClassVar = {"naive": 2.0, "seasonal-naive": 1.0}

    def __init__(self, data, name, mase):
        self.member = next(m for m in data.plan.members if m.name == name)
        self.data = data
        self.scores = {"mase": {"network": mase, **self.SIMPLE}}
        self.run = SimpleNamespace(interrupted=False, best_epoch=3)
        self.seconds, self.loss, self.started_over = 1.0, mase / 10, False
        self.trainer = SimpleNamespace(network=SimpleNamespace(count_params=lambda: 7))

    def untrained_mase(self):
        return 0.9

    def start_over(self):
        self.started_over = True


@pytest.fixture
def tried(monkeypatch):
    """Return a function that tries networks of said MASE, each of which takes said seconds."""
    clock = [0.0]

    def call(mases, budget="1h", seconds=60.0, together=9.0, interrupted=False, **settings):
        config = Config.of(network="auto", budget=budget, **settings)
        plan = SimpleNamespace(members=plan_members(config, (24,), lambda lookback: 12)[0], season=12)
        data = SimpleNamespace(plan=plan, config=config)

        def fit(data, member, progress):
            clock[0] += seconds
            if mases[member.name] is None:
                raise DivergedError("NaN")
            return Pretended(data, member.name, mases[member.name])

        class Joined:
            def __init__(self, fits):
                self.fits, self.name = fits, " + ".join(fit.member.name for fit in fits)
                mase = together if len(fits) > 1 else fits[0].scores["mase"]["network"]
                self.scores = {"mase": {"network": mase}}

        monkeypatch.setattr(auto_network, "fit_member", fit)
        monkeypatch.setattr(auto_network, "Ensemble", Joined)
        clock[0], progress = seconds, FitProgress(checkpoints=SimpleNamespace(replayed_seconds=lambda: clock[0]))
        first = Pretended(data, "lstm", mases["lstm"])
        first.run.interrupted = interrupted
        kept, rows = auto_network.try_shortlist(Tried({"lstm": first}), 0.0, progress)
        return kept, {row["name"]: row for row in rows}, progress.notes

    return call


MASES = dict(zip(SHORTLIST, (0.8, 0.7, 0.9, 0.5, 0.85, 0.75, 0.8), strict=True))


def test_the_smallest_validation_mase_is_kept(tried):
    kept, rows, notes = tried(MASES)
    best = min(MASES, key=MASES.get)
    assert kept.name == notes[0].value == best
    assert [name for name, row in rows.items() if row["chosen"]] == [best]
    assert set(rows) >= {*SHORTLIST, "naive", "seasonal-naive", "start"}
    assert all(rows[name]["mase"] == mase for name, mase in MASES.items())
    assert json.loads(json.dumps(list(rows.values()))) == list(rows.values())


@pytest.mark.parametrize("seconds", [60.0, 100.0])
def test_no_network_is_begun_that_the_budget_does_not_leave_time_for(tried, seconds):
    _, rows, notes = tried(MASES, budget="5m", seconds=seconds)
    count = int(300 // seconds)
    names = list(SHORTLIST)
    assert [name for name in names if name in rows] == names[:count]
    assert notes[-1].name == "budget" and notes[-1].value == f"not tried: {', '.join(names[count:])}"


def test_the_first_network_is_tried_whatever_the_budget(tried):
    kept, rows, _ = tried(MASES, budget="1", seconds=60.0)
    assert kept.name == "lstm" and not {*SHORTLIST} - {"lstm"} & set(rows)


def test_the_best_network_is_kept_where_the_start_is_worse_and_both_lose(tried, monkeypatch):
    monkeypatch.setattr(Pretended, "untrained_mase", lambda self: 1.4)
    kept, rows, notes = tried({**dict.fromkeys(MASES, 1.5), "tide": 1.2})
    assert kept.name == "tide" and rows["tide"]["chosen"] and not rows["start"]["chosen"]
    assert not kept.fits[0].started_over
    assert notes[0].value == "tide kept" and notes[0].warning
    assert notes[0].reason.startswith("no network beats seasonal-naive, validation MASE 1.000")


def test_without_a_base_there_is_no_start_to_keep(tried):
    kept, rows, notes = tried({**dict.fromkeys(MASES, 3.0), "tide": 2.5}, base="none")
    assert kept.name == "tide" and notes[0].value == "tide kept" and "start" not in rows


def test_a_network_is_kept_where_no_simple_forecast_has_a_mase(tried, monkeypatch):
    monkeypatch.setattr(Pretended, "untrained_mase", lambda self: np.nan)
    monkeypatch.setattr(Pretended, "SIMPLE", {"naive": np.nan, "seasonal-naive": np.nan})
    assert tried(MASES)[0].name == min(MASES, key=MASES.get)


def test_ctrl_c_is_no_matter_of_the_budget(tried):
    kept, _, notes = tried(MASES, interrupted=True)
    assert kept.name == "lstm" and kept.fits[-1].run.interrupted
    assert [note.name for note in notes] == ["network"]


def test_networks_that_read_no_dropout_make_no_intervals_of_it():
    unread = {name for name, family in NETWORKS.items() if "dropout" in family.unread}
    assert unread == {name for name, family in NETWORKS.items() if not family.has_dropout} == {"dlinear", "nlinear"}
    for name in unread:
        with pytest.raises(SettingError, match=f"needs a network that drops something, {name} does not"):
            plan_members(Config.of(network=name, intervals="dropout"), (24,), lambda lookback: 12)
    plan, _ = plan_members(Config.of(network="auto", intervals="dropout", dropout=0.1), (24,), lambda lookback: 12)
    assert {member.name for member in plan} == {*SHORTLIST} - unread


def test_the_command_takes_a_budget_for_the_short_list_only(command, folder):
    (folder / "fit.toml").write_text('budget = "10m"\n')
    for args in (("--budget", "10m"), ("--budget", "5m"), ("--config", "fit.toml")):
        ended = command("fit", "dataset:airline", *args)
        assert ended.code == 2 and "--budget is for --network auto" in ended.err
    with pytest.raises(SettingError, match='budget is for network="auto"'):
        Forecaster(budget="10m")
    stored = Config.of(network="auto", budget="10m").to_dict()
    assert Config.from_dict(stored).budget == "10m" and Config.from_dict(Config.of().to_dict()) == Config.of()


@pytest.mark.parametrize(("best", "simple"), [(0.95, "start, validation MASE 0.900"), (3.0, "start")])
def test_the_mix_is_kept_where_no_network_beats_the_simple_forecasts(tried, best, simple):
    kept, rows, notes = tried(dict.fromkeys(MASES, best))
    assert kept.fits[0].started_over
    assert rows["start"]["chosen"] and sum(row["chosen"] for row in rows.values()) == 1
    assert notes[0].value == "start kept" and notes[0].warning
    assert f"no network beats {simple}" in notes[0].reason


@pytest.mark.parametrize(("together", "combined"), [(0.49, True), (0.499, False), (0.6, False)])
def test_the_best_few_are_combined_where_that_is_worth_its_cost(tried, together, combined):
    near = {**dict.fromkeys(MASES, 0.8), "lstm": 0.5, "dlinear": 0.54, "tide": 0.52}
    kept, rows, _ = tried(near, together=together)
    assert kept.name == ("lstm + tide + dlinear" if combined else "lstm")
    assert rows["lstm + tide + dlinear"]["mase"] == together
    assert rows["lstm + tide + dlinear"]["chosen"] == combined != rows["lstm"]["chosen"]


def test_a_network_that_diverges_is_in_the_table_and_no_more(tried):
    kept, rows, notes = tried({**MASES, "dlinear": None})
    assert rows["dlinear"]["mase"] is None and not rows["dlinear"]["chosen"]
    assert [name for name, row in rows.items() if row["diverged"]] == ["dlinear"]
    assert notes[1].value == "1 of 7 networks left out" and notes[1].reason == "dlinear: NaN"
    assert kept.name == "lstm-segments"


def test_the_short_list_names_networks_that_there_are():
    assert {settings["network"] for settings in SHORTLIST.values()} <= set(NETWORKS)
    plan, why = plan_members(Config.of(network="auto", units=(4,)), (24, 48), lambda lookback: 12)
    assert [m.name for m in plan] == list(SHORTLIST) and "budget" in why
    assert {m.lookback for m in plan} == {24, 48}
    assert all(m.applied(Config.of(network="auto", units=(4,))).units == (4,) for m in plan)


@pytest.mark.parametrize(("budget", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 m", 120)])
def test_a_budget_is_seconds_minutes_or_hours(budget, seconds):
    assert budget_seconds(Config.of(network="auto", budget=budget)) == seconds


@pytest.mark.parametrize("budget", ["", "soon", "-5m", "0", "5 days", "1e3"])
def test_another_budget_is_refused_before_anything_is_trained(budget):
    with pytest.raises(SettingError, match=r"budget .* cannot be read") as error:
        Forecaster(**QUICK, budget=budget).fit(monthly())
    assert "10m" in error.value.hint


@pytest.mark.tensorflow
def test_what_is_kept_forecasts_and_is_stored_with_the_table(monkeypatch, tmp_path):
    few = {name: SHORTLIST[name] for name in ("lstm", "dlinear")}
    monkeypatch.setattr(members, "SHORTLIST", few)
    found = Forecaster(**QUICK).fit(monthly())
    rows = found.model.record["tried"]
    assert {row["name"] for row in rows} >= {"naive", "seasonal-naive", "start", *few}
    assert sum(row["chosen"] for row in rows) == 1
    loaded = Forecaster.load(found.save(tmp_path / "model"))
    assert loaded.model.record["tried"] == rows
    pd.testing.assert_frame_equal(loaded.predict(5), found.predict(5))
    assert loaded.network().count_params() > 0
    kept = next(row["name"] for row in rows if row["chosen"])
    assert kept.endswith(" + pretrained") and kept.removesuffix(" + pretrained") in {row["name"] for row in rows}
    assert set(found.predict()["engine"]) == {kept.replace("start", "lstm")}
