"""Forecasts of direction: classes, scores, luck, the network's layer, and the whole way on tiny networks."""

from __future__ import annotations

import json
import re
import shutil
from itertools import product
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from forecaster import Forecaster
from forecaster.cli.direction_output import echo_fit
from forecaster.direction.outcomes import Outcomes
from forecaster.direction.paired_test import p_value, separate_stretches
from forecaster.direction.prediction import forecast_directions
from forecaster.direction.scores import (
    accuracy,
    apply_temperature,
    brier,
    calibration_error,
    find_temperature,
    log_loss,
    reliability,
)
from forecaster.errors import ModelError, SettingError
from forecaster.features.direction_rule import CLASSES, Rule, changes_ahead, changes_behind, classify, known_cutoffs
from forecaster.features.windows import Windows
from forecaster.networks.keras import start_keras
from forecaster.training.trainer import Trainer

start_keras()

#: A network that learns a wave in a second or two.
QUICK = {"task": "direction", "units": (8,), "learning_rate": 5e-3, "horizon": "3", "lookback": 24, "season": 12}


def counted(values, **columns):
    return pd.DataFrame({**columns, "step": np.arange(len(values)), "y": values})


def wave(rows, seed=0, noise=0.3):
    return 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 12) + noise * np.random.default_rng(seed).normal(size=rows)


def walk(rows, seed=0):
    return 100 + np.cumsum(np.random.default_rng(seed).normal(size=rows))


@pytest.fixture(scope="module")
def waves():
    return Forecaster(epochs=8, holdout=60, **QUICK).fit(counted(wave(420)))


# Classes


def test_classes_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    changes, thresholds = rng.normal(size=(50, 4)).astype(np.float32), np.array([0, 0.5, 1, 2], np.float32)
    changes[:5, 1], changes[5:9, 1], changes[:9, 0] = 0.5, -0.5, 0.0
    found = classify(changes, thresholds)
    for i, j in np.ndindex(changes.shape):
        slow = "rises" if changes[i, j] > thresholds[j] else "falls" if changes[i, j] < -thresholds[j] else "stays"
        assert CLASSES[found[i, j]] == slow


@pytest.mark.parametrize("stay", [0.2, 1 / 3, 0.6])
def test_the_asked_share_of_training_windows_stays(stay):
    changes = np.random.default_rng(0).normal(size=(999, 3)).astype(np.float32) * [1, 10, 100]
    changes = changes.astype(np.float32)
    rule = Rule.fit(changes, np.ones(changes.shape, bool), stay)
    assert np.mean(classify(changes, rule.thresholds) == 1, axis=0) == pytest.approx([stay] * 3, abs=0.002)
    np.testing.assert_allclose(rule.thresholds[1:] / rule.thresholds[:-1], [10, 10], rtol=0.2)
    np.testing.assert_allclose(rule.frequencies.sum(axis=1), 1)


def test_with_a_share_of_nothing_only_no_change_stays_and_no_frequency_is_zero():
    changes = np.array([[-0.1], [0.2], [0.3], [0.0]], np.float32)
    rule = Rule.fit(changes, np.array([[True], [True], [True], [False]]), 0.0)
    assert rule.thresholds.tolist() == [0.0]
    np.testing.assert_allclose(rule.frequencies, [[2 / 6, 1 / 6, 3 / 6]])  # 1, 0 and 2 came, and one of each is added


def test_where_nothing_counts_the_classes_are_as_likely():
    rule = Rule.fit(np.ones((2, 1), np.float32), np.zeros((2, 1), bool))
    np.testing.assert_allclose(rule.frequencies, [[1 / 3] * 3])


def test_changes_are_those_of_a_slow_loop_and_never_cross_series():
    rng = np.random.default_rng(1)
    values, observed = rng.normal(size=30).astype(np.float32), rng.random(30) > 0.2
    offsets, starts = np.array([0, 12, 30]), np.array([4, 9, 14, 20, 27])
    ahead, known = changes_ahead(values, observed, starts, 3)
    behind, earlier = changes_behind(values, observed, offsets, starts, 3)
    for i, start in enumerate(starts):
        begin = 0 if start <= 12 else 12
        for h in (1, 2, 3):
            assert ahead[i, h - 1] == values[start - 1 + h] - values[start - 1]
            assert known[i, h - 1] == (observed[start - 1 + h] and observed[start - 1])
            there = start - 1 - h >= begin
            assert earlier[i, h - 1] == (there and observed[start - 1 - h] and observed[start - 1])
            if there:
                assert behind[i, h - 1] == values[start - 1] - values[start - 1 - h]


def test_windows_without_a_reading_at_the_cutoff_are_left_out():
    observed = np.ones(20, bool)
    observed[[7, 12]] = False
    windows = Windows(np.arange(20, dtype=np.float32), 4, 2, weights=observed)
    kept = known_cutoffs(windows)
    assert set(windows.starts - 1) - set(kept.starts - 1) == {7, 12}
    assert kept.inputs()[:, -1, 0].tolist() == (kept.starts - 1).tolist()


def weights_of(rule, temperature=1.0):
    parts = {"thresholds": rule.thresholds, "log_frequencies": np.log(rule.frequencies), "temperature": temperature}
    return {f"directions/{name}": np.asarray(part, np.float32) for name, part in parts.items()}


def test_a_rule_comes_back_from_the_weights():
    rule = Rule(np.array([0.5, 1.0], np.float32), np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]))
    found = Rule.of_weights(weights_of(rule))
    np.testing.assert_array_equal(found.thresholds, rule.thresholds)
    np.testing.assert_allclose(found.frequencies, rule.frequencies, rtol=1e-6)


@pytest.mark.parametrize(
    "name, value",
    [
        ("thresholds", None),
        ("thresholds", np.array([0.5, np.nan], np.float32)),
        ("thresholds", np.array([0.5, -1], np.float32)),
        ("thresholds", np.array([0.5], np.float32)),
        ("log_frequencies", np.zeros((2, 2), np.float32)),
        ("log_frequencies", np.zeros((2, 3), np.float64)),
        ("temperature", np.float32(0)),
        ("temperature", np.array(["1"])),
    ],
)
def test_a_damaged_rule_is_refused(name, value):
    weights = weights_of(Rule.unknown(2))
    weights[f"directions/{name}"] = value
    with pytest.raises(ModelError, match="class thresholds of the model are damaged"):
        Rule.of_weights({key: part for key, part in weights.items() if part is not None})


# Scores


def test_scores_by_hand():
    given, came = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]), np.array([0, 1])
    assert accuracy(given.argmax(axis=1), came) == 0.5
    assert log_loss(given, came) == pytest.approx(-(log(0.5) + log(0.1)) / 2)
    assert brier(given, came) == pytest.approx((0.25 + 0.09 + 0.04 + 0.01 + 0.81 + 0.64) / 2)
    assert log_loss(np.array([[0.0, 0.0, 1.0]]), np.array([0])) == pytest.approx(-log(1e-7))


def test_scores_of_no_forecasts_are_nan():
    nothing, none = np.zeros((0, 3)), np.zeros(0, int)
    measures = (accuracy(none, none), log_loss(nothing, none), brier(nothing, none))
    assert np.isnan([*measures, calibration_error(reliability(nothing, none))]).all()


def test_a_reliability_table_by_hand():
    given = np.array([[0.05, 0.0, 0.95], [0.05, 0.0, 0.95], [0.65, 0.35, 0.0], [0.65, 0.25, 0.1]])
    table = reliability(given, np.array([2, 0, 0, 1]))
    rows = [tuple(row) for row in table.round(6).itertuples(index=False)]
    assert rows == [
        ("falls", 0.0, 0.1, 2, 0.05, 0.5),
        ("falls", 0.6, 0.7, 2, 0.65, 0.5),
        ("stays", 0.0, 0.1, 2, 0.0, 0.0),
        ("stays", 0.2, 0.3, 1, 0.25, 1.0),
        ("stays", 0.3, 0.4, 1, 0.35, 0.0),
        ("rises", 0.0, 0.1, 1, 0.0, 0.0),
        ("rises", 0.1, 0.2, 1, 0.1, 0.0),
        ("rises", 0.9, 1.0, 2, 0.95, 0.5),
    ]
    by_class = [(2 * 0.45 + 2 * 0.15) / 4, (0.75 + 0.35) / 4, (0.1 + 2 * 0.45) / 4]
    assert calibration_error(table) == pytest.approx(np.mean(by_class))


def test_a_certain_forecast_lies_in_the_last_bin():
    table = reliability(np.array([[0.0, 0.0, 1.0]]), np.array([2]))
    assert table[table["direction"] == "rises"][["low", "high", "observed"]].to_numpy().tolist() == [[0.9, 1.0, 1.0]]


def test_the_temperature_that_made_probabilities_too_sure_is_found():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([2, 2, 2], 4000)
    came = np.array([rng.choice(3, p=p) for p in true])
    sure = apply_temperature(true, 1 / 2.5)
    found = find_temperature(sure, came)
    assert found == pytest.approx(2.5, rel=0.1)
    calm = apply_temperature(sure, found)
    np.testing.assert_array_equal(calm.argmax(axis=1), sure.argmax(axis=1))
    assert log_loss(calm, came) < log_loss(sure, came)
    assert calibration_error(reliability(calm, came)) < calibration_error(reliability(sure, came)) / 3


# Luck


def test_the_chance_of_luck_counts_every_choice_of_signs():
    rng = np.random.default_rng(0)
    differences, times = rng.integers(-1, 2, 40), rng.integers(0, 9, 40)
    sums = np.array([differences[times == time].sum() for time in range(9)])
    slow = np.mean([np.dot(signs, np.abs(sums)) >= sums.sum() for signs in product((-1, 1), repeat=9)])
    assert p_value(differences, times) == pytest.approx(slow)


def test_with_one_series_it_is_the_test_of_mcnemar():
    differences = np.array([1] * 14 + [-1] * 5 + [0] * 30)
    assert p_value(differences, np.arange(49)) == pytest.approx(binom.sf(13, 19, 0.5))
    assert p_value(np.zeros(5, int), np.arange(5)) == 1.0


def test_windows_of_the_same_stretch_count_as_one():
    assert p_value(np.ones(30, int), np.zeros(30, int)) == 0.5
    assert p_value(np.ones(30, int), np.arange(30)) == pytest.approx(0.5**30)


@pytest.mark.parametrize("horizon", [1, 3, 7])
def test_windows_of_two_stretches_share_no_row(horizon):
    cutoffs = np.random.default_rng(0).integers(0, 300, 400)
    stretches = separate_stretches(cutoffs, horizon)
    rows = {}
    for cutoff, number in zip(cutoffs[stretches >= 0], stretches[stretches >= 0], strict=True):
        rows.setdefault(int(number), set()).update(range(cutoff + 1, cutoff + 1 + horizon))
        assert max(rows[number]) - min(rows[number]) < 2 * horizon - 1
    seen = [row for each in rows.values() for row in each]
    assert len(seen) == len(set(seen))
    assert (stretches >= 0).mean() >= 0.45


def test_every_origin_a_horizon_apart_is_a_stretch_and_a_season_is_seen_whole():
    assert separate_stretches(np.arange(0, 60, 4), 4).tolist() == list(range(14, -1, -1))
    kept = separate_stretches(np.arange(240), 4) >= 0
    assert set(np.arange(240)[kept] % 12) == set(range(12))


def test_luck_is_rarely_taken_for_skill_though_windows_overlap():
    """Of two forecasters of a random walk that know nothing and seldom change their mind, none is called better."""
    rng, found, naive = np.random.default_rng(0), [], []
    for _ in range(300):
        walked = np.cumsum(rng.normal(size=220))
        came = classify(walked[10:210, None] - walked[:200, None], np.array([1.5]))[:, 0]
        first, second = (np.repeat(rng.integers(0, 3, 20), 10) for _ in range(2))
        differences = (first == came).astype(int) - (second == came)
        stretches = separate_stretches(np.arange(200), 10)
        found.append(p_value(differences[stretches >= 0], stretches[stretches >= 0]))
        naive.append(p_value(differences, np.arange(200)))
    assert np.mean(np.array(found) < 0.05) <= 0.06 < 0.15 < np.mean(np.array(naive) < 0.05)


# Outcomes and the verdict


def outcomes(said, came, repeated=None, frequencies=(0.2, 0.3, 0.5), apart=1):
    said, came = np.asarray(said), np.asarray(came, np.int8)[:, None]
    count = len(said)
    repeated = np.full((count, 1), -1, np.int8) if repeated is None else np.asarray(repeated, np.int8)[:, None]
    probabilities = np.full((count, 1, 3), 0.2)
    probabilities[np.arange(count), 0, said] = 0.6
    shares = np.broadcast_to(np.array(frequencies), (count, 1, 3))
    return Outcomes(probabilities, came, repeated, shares, apart * np.arange(count))


def test_the_network_stands_beside_majority_persistence_and_coin():
    found = outcomes([0, 0, 2, 2, 1], [0, 2, 2, 1, -1], [0, -1, 1, 1, 2]).assess()
    table = found.summary.set_index("model")
    assert table["windows"].tolist() == [4] * 4  # what did not come is not scored
    assert table["accuracy"].tolist() == [0.5, 0.5, 0.75, 1 / 3]  # of persistence one is not known: the majority
    assert table.loc["majority", "log_loss"] == pytest.approx(-(log(0.2) + 2 * log(0.5) + log(0.3)) / 4)
    assert table.loc["coin", "log_loss"] == pytest.approx(log(3))
    assert table.loc["persistence", ["log_loss", "brier"]].isna().all()
    assert found.by_step == [0.5]


def test_a_coin_has_no_side_that_never_came():
    table = outcomes([0, 2] * 5, [0, 2] * 5, frequencies=(0.45, 0.001, 0.549)).assess().summary.set_index("model")
    assert table.loc["coin", "accuracy"] == 0.5
    assert table.loc["coin", "log_loss"] == pytest.approx(-log(0.999 / 2))


def test_better_is_said_where_luck_is_excluded():
    came = np.random.default_rng(0).integers(0, 3, 60)
    found = outcomes(came, came, (came + 1) % 3).assess()
    assert found.better and found.verdict.startswith("The network is right more often than always saying")
    assert "in 100.0%, a coin in 33.3%" in found.verdict and "less than 0.1%" in found.verdict


def test_no_better_than_the_most_frequent_class_of_the_scored_windows():
    """Training held other classes: a majority that never comes is beaten by any coin, and that is no merit."""
    said, came = np.random.default_rng(0).integers(0, 3, (2, 200))
    came = np.where(came == 2, 0, came)
    found = outcomes(said, came, frequencies=(0.1, 0.1, 0.8)).assess()
    right = found.summary.set_index("model")["accuracy"]
    assert right["network"] > right["majority"] == 0
    assert not found.better
    assert found.verdict.startswith("The network does NO better than always saying 'falls'")


def test_ahead_by_luck_is_not_called_no_better():
    came = np.tile([0, 2], 20)
    said = np.where(np.arange(40) < 2, came, 0)  # right in 21 of 40, always saying 'falls' in 20, persistence in 40
    found = outcomes(said, came, came).assess()
    assert not found.better and found.behind == ("persistence",)
    assert found.verdict.startswith(
        "The network does NO better than repeating the last direction and "
        "is not shown to be better than always saying 'falls': right in 52.5%"
    )
    ahead = outcomes(said, came, 1 - came // 2).assess()
    assert ahead.verdict.startswith("The network is not shown to be better than always saying 'falls': right")


def test_overlapping_windows_are_not_taken_for_evidence():
    came = np.repeat(np.random.default_rng(0).integers(0, 3, 4), 50)
    found = outcomes(came, came, (came + 1) % 3, apart=0).assess()
    assert not found.better and found.stretches == 1
    assert found.verdict.startswith("Too few forecasts to tell the network from luck, only one separate stretch of")


# The network


def test_the_loss_is_the_cross_entropy_of_the_classes_and_the_start_the_frequencies():
    from forecaster.config import Config
    from forecaster.networks.factory import Shapes, build_network
    from forecaster.networks.initial.start import Start

    rng = np.random.default_rng(0)
    rule = Rule(np.array([0.1, 0.5, 1.0], np.float32), np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]]))
    shapes = Shapes(lookback=8, steps=3, known=1, past=1, indicator=True, outputs=3)
    network = build_network(Config.of(task="direction", units=(4,), segment=1), shapes, Start(rule=rule))
    past, future = rng.normal(size=(6, 8, 3)).astype(np.float32), rng.normal(size=(6, 3, 1)).astype(np.float32)
    past[:, :, 2] = 1
    outputs = np.array(network({"past": past, "future": future}))
    np.testing.assert_array_equal(outputs[:, :, 0], np.repeat(past[:, -1:, 0], 3, axis=1))
    np.testing.assert_allclose(outputs[:, :, 1:], np.broadcast_to(rule.frequencies, (6, 3, 3)), rtol=1e-5)
    targets, weights = rng.normal(size=(6, 3, 1)).astype(np.float32), np.ones((6, 3), np.float32)
    outputs[:, :, 1:] = rng.dirichlet([1, 1, 1], (6, 3))
    weights[2, 1] = 0
    total = 0.0
    for i, h in np.ndindex(6, 3):
        change = targets[i, h, 0] - past[i, -1, 0]
        came = 2 if change > rule.thresholds[h] else 0 if change < -rule.thresholds[h] else 1
        total -= weights[i, h] * np.log(outputs[i, h, 1 + came])
    assert float(network.loss(targets, outputs, sample_weight=weights)) == pytest.approx(total / 18, rel=1e-5)
    trainable = {v.path for v in network.trainable_variables}
    assert not any(path.startswith("directions/") for path in trainable)


# The whole way


def test_a_series_whose_direction_can_be_told_is_told(waves):
    scores = waves.model.record["scores"]
    right = {row["model"]: row["accuracy"] for row in scores["models"]}
    assert right["network"] > 0.8 > 0.55 > right["majority"] and right["persistence"] < 0.4
    assert scores["better"] and max(scores["luck"].values()) < 0.05
    found = waves.evaluate(counted(wave(420)))
    assert not found.seen and found.assessment.better
    assert found.summary.set_index("model").loc["network", "accuracy"] > 0.8
    assert found.assessment.stretches == 20  # all of the 60 rows held out


def test_where_no_epoch_is_better_than_the_frequencies_it_is_said_that_the_network_is_not(plant_losses):
    plant_losses(1.0, 2.0)
    walks = Forecaster(**{**QUICK, "epochs": 1}, holdout=120).fit(counted(walk(700)))
    scores = walks.model.record["scores"]
    assert not scores["better"] and "NO better" in scores["verdict"]
    found = walks.evaluate(counted(walk(700)))
    assert not found.seen and not found.assessment.better and "NO better" in found.verdict


def test_the_table_of_a_forecast(waves):
    table = waves.predict()
    assert list(table) == ["series", "step", "direction", "p-falls", "p-stays", "p-rises", "engine"]
    assert table["step"].tolist() == [360, 361, 362]
    shares = table[["p-falls", "p-stays", "p-rises"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=3e-4)
    assert [CLASSES[i] for i in shares.argmax(axis=1)] == table["direction"].tolist()
    assert set(table["engine"]) == {"lstm"}
    assert table["direction"].iloc[-1] == "rises"  # row 362 of a wave of 12 that begins at 360 in its middle, upwards
    assert len(waves.predict(horizon=2)) == 2
    pd.testing.assert_frame_equal(waves.predict(horizon=2), table.head(2))


def test_a_model_comes_back_from_its_directory(waves, tmp_path):
    loaded = Forecaster.load(waves.save(tmp_path / "m"))
    pd.testing.assert_frame_equal(loaded.predict(), waves.predict())
    network = loaded.network()
    rule = Rule.of_weights(loaded.model.weights)
    np.testing.assert_array_equal(network.get_layer("directions").thresholds.numpy(), rule.thresholds)
    inputs = {"past": np.random.default_rng(0).normal(size=(4, 24, 1)).astype(np.float32)}
    np.testing.assert_allclose(np.asarray(network(inputs)), loaded._ready_model().engine.run(inputs), atol=1e-5)


def test_a_model_of_values_from_before_tasks_is_one_of_values():
    from forecaster.config import Config

    settings = Config.of().to_dict()
    del settings["task"], settings["stay"]
    assert Config.from_dict(settings).task == "value"


def test_thresholds_know_nothing_of_validation_rows():
    from forecaster.config import Config
    from forecaster.data.panel.build import build_panel
    from forecaster.families.shapes import Shapes
    from forecaster.features.plan import make_plan
    from forecaster.networks.initial.start import find_start
    from forecaster.training.member_fit import TrainingData

    values, rules, config = wave(300), [], Config.of(**QUICK, validation=40)
    for _ in range(2):
        panel, _ = build_panel(counted(values), config)
        ready = TrainingData(panel, config, make_plan(panel, config)[0])
        rules.append(find_start(config, Shapes(24, 3), ready.split.training).rule)
        values[-40:] = 50 + 40 * np.random.default_rng(1).normal(size=40)
    np.testing.assert_array_equal(rules[0].thresholds, rules[1].thresholds)
    np.testing.assert_array_equal(rules[0].frequencies, rules[1].frequencies)
    assert (rules[0].thresholds > 0).all()


def test_an_origin_is_forecast_from_the_rows_before_it_alone(waves):
    values = wave(420)
    found = waves.evaluate(counted(values), origins=4, stride=5)
    values[-10:] += 30  # the newest two origins see some of these, the others none
    other = waves.evaluate(counted(values), origins=4, stride=5)
    for table in (found.table, other.table):
        table.drop(table.index[table["model"] != "network"], inplace=True)
    shares = ["p-falls", "p-stays", "p-rises"]
    before = found.table["cutoff"] < 410
    np.testing.assert_array_equal(found.table.loc[before, shares], other.table.loc[before, shares])
    alone = waves.predict(data=counted(wave(420)[: 1 + found.table["cutoff"].iloc[0]]))
    np.testing.assert_array_equal(alone[shares], found.table.head(3)[shares])


def test_what_came_in_a_backtest_is_what_a_slow_loop_finds(waves):
    values = wave(420)
    table = waves.evaluate(counted(values)).table
    rule, scale = Rule.of_weights(waves.model.weights), waves.model.scaler.scale[0]
    assert waves.model.plan.transform == "none"
    for model, column in (("network", "came"), ("persistence", "direction")):
        for row in table[table["model"] == model].itertuples():
            now, step = values[row.cutoff], row.step
            change = values[row.cutoff + step] - now if column == "came" else now - values[row.cutoff - step]
            limit = rule.thresholds[step - 1] * scale
            slow = "rises" if change > limit else "falls" if change < -limit else "stays"
            assert getattr(row, column) == slow


@pytest.fixture(scope="module")
def sides():
    settings = {**QUICK, "epochs": 1, "units": (2,), "final": False}
    return Forecaster(stay=0, **settings).fit(counted(walk(200)))


def test_refit_trains_on_the_rows_before_each_origin(sides):
    lines = []
    found = sides.evaluate(origins=2, refit=2, tell=lines.append)
    assert len(lines) == 1 and not found.seen
    assert found.assessment.stretches == 2 and found.verdict.startswith("Too few forecasts")
    seen = sides.evaluate()
    assert seen.seen and seen.verdict.startswith("No verdict")


def test_ctrl_c_in_a_refit_judges_no_directions(sides, monkeypatch):
    monkeypatch.setattr(Trainer, "final_run", lambda *_, **__: False)  # as Ctrl-C has it
    monkeypatch.setattr(sides.model, "config", sides.model.config.replace(final=True))
    lines = []
    with pytest.raises(KeyboardInterrupt):
        sides.evaluate(origins=2, refit=1, tell=lines.append)
    assert len(lines) == 1


def test_an_interrupted_fit_of_directions_gives_no_verdict(sides, monkeypatch, capsys):
    echo_fit(sides.model, "m")
    assert capsys.readouterr().out.splitlines()[-1] == sides.model.record["scores"]["verdict"]
    scores = {**sides.model.record["scores"], "better": True}
    monkeypatch.setattr(sides.model, "record", {**sides.model.record, "interrupted": True, "scores": scores})
    echo_fit(sides.model, "m")
    assert capsys.readouterr().out.splitlines()[-1] == "No verdict: its training was interrupted."


def test_a_model_of_directions_is_trained_further_and_its_classes_stay(tmp_path):
    before = Forecaster(**{**QUICK, "epochs": 2, "validation": 40}).fit(counted(wave(200)))
    old = {path: value.copy() for path, value in before.model.weights.items()}
    after = Forecaster(epochs=8, learning_rate=5e-3).fit(counted(wave(420)), further=before)
    new = after.model.weights
    for name in ("thresholds", "log_frequencies"):
        np.testing.assert_array_equal(new[f"directions/{name}"], old[f"directions/{name}"])
    assert after.model.record["best_epoch"] > 0 and set(new) == set(old)
    losses = after.model.record["epochs"]["val_loss"]
    assert min(losses) < 0.9 * after.model.record["untrained_val_loss"]
    right = after.evaluate(counted(wave(540)), origins=30).summary.set_index("model")["accuracy"]
    assert right["network"] > 0.8 > 0.55 > right["majority"]
    loaded = Forecaster.load(after.save(tmp_path / "m"))
    pd.testing.assert_frame_equal(loaded.predict(), after.predict())


def test_further_training_of_directions_starts_from_the_weights_of_the_model(waves, plant_losses):
    """Where no epoch is better, the old weights are kept, made as sure as newer rows allow."""
    plant_losses(1.0, 2.0)
    after = Forecaster(epochs=1).fit(counted(wave(480)), further=waves)
    assert after.model.record["best_epoch"] == 0
    for path, value in waves.model.weights.items():
        if path != "directions/temperature":
            np.testing.assert_array_equal(after.model.weights[path], value)
    temperature = float(after.model.weights["directions/temperature"])
    assert temperature == pytest.approx(after.model.record["scores"]["temperature"], rel=1e-6)


def test_a_panel_with_short_series_and_holes_says_what_it_does():
    parts = [counted(wave(150, seed), s=name) for seed, name in enumerate("abc")]
    parts.append(counted(wave(9), s="short"))
    parts[1].loc[60:62, "y"] = np.nan
    parts[2].loc[149, "y"] = np.nan
    forecaster = Forecaster(**{**QUICK, "epochs": 1, "final": False}).fit(pd.concat(parts, ignore_index=True))
    table = forecaster.predict()
    engines = table.groupby("series")["engine"].first()
    assert engines.tolist() == ["lstm", "lstm", "lstm", "majority"]
    rule = Rule.of_weights(forecaster.model.weights)
    short = table[table["series"] == "short"][["p-falls", "p-stays", "p-rises"]]
    np.testing.assert_allclose(short, rule.frequencies, atol=1e-4)
    notes = {note.name: note for note in forecaster.notes}
    assert "short" in notes["engine"].reason


def test_two_sides_only(sides):
    scores = sides.model.record["scores"]
    assert scores["stays"] == "no change at all"
    assert [row["accuracy"] for row in scores["models"] if row["model"] == "coin"] == [0.5]
    assert sides.predict()["p-stays"].max() < 0.05


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"loss": "mae"}, 'loss does not go with task="direction"'),
        ({"output_steps": 1}, "output_steps does not go"),
        ({"transform": "return"}, 'transform="return" does not go'),
        ({"transform": "validate"}, 'transform="validate" does not go'),
        ({"network": "auto"}, 'network="auto" chooses by errors of values'),
        ({"members": 2}, "members does not go"),
        ({"task": "value", "stay": 0.5}, 'stay is for task="direction"'),
    ],
)
def test_settings_that_have_no_meaning_for_a_direction_are_refused(settings, match):
    with pytest.raises(SettingError, match=match):
        Forecaster(**{**QUICK, **settings}).fit(counted(wave(100)))


def test_what_a_direction_cannot_do_is_refused(waves):
    with pytest.raises(SettingError, match="no intervals: p-falls"):
        waves.predict(levels=90)
    with pytest.raises(SettingError, match="direction of 3 steps at most, 4 were asked"):
        waves.predict(horizon=4)
    with pytest.raises(SettingError, match="no intervals"):
        waves.evaluate(levels=(50,))
    with pytest.raises(SettingError, match="3 steps at most"):
        waves.evaluate(horizon=5)
    with pytest.raises(SettingError, match="gap cannot be used with directions"):
        waves.evaluate(gap=1)
    with pytest.raises(SettingError, match="majority and persistence only"):
        waves.evaluate(baselines=("naive",))
    with pytest.raises(SettingError, match="no curve to draw") as error:
        waves.plot()
    assert "forecaster evaluate --plot" in error.value.hint


# The command line


def test_the_commands(command, folder):
    counted(wave(300)).to_csv("wave.csv", index=False)
    flags = [part for name, value in {"horizon": 3, "lookback": 24, "season": 12, "units": 8}.items()
             for part in (f"--{name}", str(value))]  # fmt: skip
    fast = ["--learning-rate", "0.005", "--epochs", "6", "--holdout", "45"]
    fit = command("fit", "wave.csv", "--task", "direction", *flags, *fast)
    assert fit.code == 0, fit.err
    for words in ("majority", "persistence", "coin", "accuracy", "Brier", "'stays' is a change of at most"):
        assert words in fit.out
    scores = json.loads((folder / "forecaster-model" / "manifest.json").read_text())["record"]["scores"]
    advice = "These rows also chose when training stopped; evaluate on newer rows to be sure."
    assert fit.out.splitlines()[-1 - scores["better"] :] == [scores["verdict"], *[advice] * scores["better"]]
    assert re.search(r"(Luck alone .* \(8|, only 8) separate stretches of time", scores["verdict"])
    assert "--plot forecast.png" not in fit.err
    predict = command("predict")
    assert predict.code == 0 and predict.out.splitlines()[0] == "series,step,direction,p-falls,p-stays,p-rises,engine"
    document = json.loads(command("predict", "--json", "-q").out)
    assert document["forecast"][0]["direction"] in CLASSES
    evaluate = command("evaluate", "--data", "wave.csv", "--plot", "reliability.png", "--output", "windows.csv")
    assert evaluate.code == 0, evaluate.err
    assert "reliability: how often each direction occurred, by its forecast probability:" in evaluate.out
    assert (folder / "reliability.png").stat().st_size > 10_000
    assert list(pd.read_csv("windows.csv")["model"].unique()) == ["network", "majority", "persistence"]
    found = json.loads(command("evaluate", "--data", "wave.csv", "--json", "-q").out)
    assert {row["direction"] for row in found["reliability"]} == set(CLASSES)
    assert found["stretches"] == 15 and found["verdict"]
    shutil.copytree("forecaster-model", "other")
    for args, words in (
        (("plot",), "no curve to draw"),
        (("predict", "--plot", "f.png"), "no curve to draw"),
        (("predict", "--level", "90"), "no intervals"),
        (("predict", "--horizon", "4"), "3 steps at most"),
        (("evaluate", "--metrics", "mae"), "--metrics is for forecasts of values"),
        (("compare", "forecaster-model", "other"), "no errors to compare"),
    ):
        ended = command(*args)
        assert ended.code == 2 and words in ended.err and "Traceback" not in ended.err
    predict_file = command("predict", "--output", "f.csv")
    assert predict_file.code == 0
    assert "directions" in command("plot", "f.csv").err


@pytest.mark.parametrize("share", [0, -0.5, np.nan, np.inf])
def test_a_network_that_gives_no_probabilities_is_refused(share):
    """Numbers of a forged network; no warning of a division by zero."""
    forecaster = Forecaster.load(Path(__file__).parents[1] / "golden" / "0.2.0" / "direction")

    class Forged:
        def run(self, inputs):
            return np.full((len(inputs["past"]), forecaster.model.plan.steps, 4), share, np.float32)

    with pytest.raises(ModelError, match="gives no probabilities"):
        forecast_directions(forecaster.model, Forged(), forecaster.panel(None)[0], 1)
