"""What diverges is caught at its step, told with its cause, and tried once more with a lower learning rate."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import tiny_network, wave, windows_of

from forecaster import Forecaster
from forecaster.config import Config
from forecaster.errors import DivergedError
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.windows import Windows
from forecaster.fitting.warm_start import MAY_DIFFER
from forecaster.networks.factory import Shapes, build_network
from forecaster.networks.optimizers import first_rate, lower_rate
from forecaster.training import phases
from forecaster.training.divergence import (
    Advice,
    Cell,
    describe_cell,
    find_culprit,
    remedies_of,
    repair_advice,
    untrained_error,
)
from forecaster.training.phases import Run, StoppingRule
from forecaster.training.trainer import Position, Trainer
from forecaster.words import join_with_or

#: Settings with which nothing holds a gradient back.
UNCHECKED = {"optimizer": "sgd", "clipnorm": None, "dropout": 0.0}


def split(values):
    return windows_of(values, 8, 2, newest=(None, 40)), windows_of(values, 8, 2, newest=(40, 0))


def trainer_of(features=1, steps=20, **settings):
    given = {**UNCHECKED, **settings}
    return Trainer(
        tiny_network(8, 2, features, **given), 32, steps, 0, advice=Advice(remedies=remedies_of(Config.of(**given)))
    )


# What is to blame


def spiked(row=30, channel=0, value=1e12):
    values = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    values[row, channel] = value
    return values


@pytest.mark.parametrize(("row", "channel", "value"), [(30, 0, 1e12), (22, 1, -20.0), (59, 0, 40.0)])
def test_the_reading_to_blame_is_the_one_without_which_nothing_fails(row, channel, value):
    windows, seen = Windows(spiked(row, channel, value), 5, 3, [0, 20, 60], known=1), []

    def fails(some):
        seen.append(some.values)
        return bool(np.abs(some.values).max() >= abs(value))

    assert find_culprit(windows, fails) == Cell(row, channel)
    [mended] = seen
    expected = spiked(row, channel, value)
    moved = mended[row, channel]
    assert 3 < abs(moved) < 15 and np.sign(moved) == np.sign(value)
    expected[row, channel] = moved
    np.testing.assert_array_equal(mended, expected)
    assert windows.values[row, channel] == np.float32(value)


def test_no_reading_is_to_blame_where_it_fails_without_it_or_none_is_far_or_none_reads_it():
    assert find_culprit(Windows(spiked(), 5, 3), lambda some: True) is None
    assert find_culprit(Windows(spiked(value=1.0), 5, 3), lambda some: False) is None
    assert find_culprit(Windows(spiked(50), 5, 3, newest=(None, 20)), lambda some: False) is None
    assert find_culprit(Windows(spiked(38), 5, 3, newest=(None, 20)), lambda some: False) == Cell(38, 0)


@pytest.mark.parametrize("several", [False, True])
def test_of_several_far_readings_the_farthest_is_not_alone_to_blame_where_it_fails_without_it(several):
    values, seen = spiked(), []
    values[10, 0] = 1e9
    windows = Windows(values, 5, 3, known=1, causal=values[:, 0].copy(), latest=np.arange(60))

    def fails(some):
        seen.append(np.flatnonzero((some.values != values).any(axis=1)).tolist())
        assert (some.causal == some.values[:, 0]).all()
        return bool(np.abs(some.values).max() >= (1e9 if several else 1e12))

    assert find_culprit(windows, fails) == Cell(30, 0, several)
    assert seen == [[10, 30], [30]]


def test_what_is_far_is_told_by_the_median_of_each_series_and_not_below_a_deviation():
    values = np.concatenate([np.full(20, 1e6), [1e6 + 8], np.tile([-3.0, 3.0], 20), [1e5]])[:, None]
    assert find_culprit(Windows(values, 5, 3, [0, 21, 62]), lambda some: False) == Cell(61, 0)


def test_a_placeholder_is_moved_as_its_reading_is():
    values = spiked()
    windows = Windows(values, 5, 3, known=1, causal=values[:, 0], latest=np.arange(60))
    seen = []
    find_culprit(windows, lambda some: seen.append(some.causal))
    np.testing.assert_array_equal(seen[0] != values[:, 0], np.arange(60) == 30)


def test_a_cell_is_told_as_it_is_in_the_table():
    from samples import panel_of

    panel = panel_of([40, 30])
    encoder = Encoder.fit(panel)
    assert describe_cell(panel, encoder, Cell(50, 0)).startswith(f"'{panel.roles.target}' is {panel.values[50]:g} at ")
    covariates, past, number, told = panel.covariates.copy(), len(panel.of_role("past")), 1, []
    for channel in (*encoder.known_channels, *encoder.past_channels):
        covariates[50, channel.place + (past if channel in encoder.known_channels else 0)] = 1e30
        told.append(describe_cell(replace(panel, covariates=covariates), encoder, Cell(50, number)))
        assert told[-1] == f"'{channel.name}' is 1e+30 at {panel.place(50)}"
        number += channel.width
    assert len(told) > 2
    several = Cell(50, 0, several=True)
    assert (
        describe_cell(panel, encoder, several)
        == describe_cell(panel, encoder, Cell(50, 0)) + ", the farthest of several"
    )
    assert "correct such readings" in repair_advice(several) and "correct that reading" in repair_advice(Cell(50, 0))


# What to try


@pytest.mark.parametrize(
    ("settings", "further", "names"),
    [
        ({}, False, ["lookback", "segment"]),
        ({"activation": "relu"}, False, ["activation", "lookback", "segment"]),
        ({"activation": "relu", "clipnorm": None}, True, ["clipnorm"]),
        ({"activation": "relu", "network": "tide"}, False, ["lookback"]),
        ({"clipnorm": None, "network": "tcn"}, False, ["clipnorm", "lookback", "segment"]),
    ],
)
def test_what_is_advised_is_read_is_not_so_yet_and_may_differ(settings, further, names):
    found = remedies_of(Config.of(**settings), further)
    assert list(found) == names
    assert all(name in found[name] for name in names)


def test_what_a_model_may_be_trained_further_with_is_all_that_is_advised_for_it():
    assert {"learning_rate", "batch_size", *remedies_of(Config.of(clipnorm=None), further=True)} <= {*MAY_DIFFER}
    error = untrained_error(np.inf, None, Advice(remedies=remedies_of(Config.of(), further=True)))
    assert error.hint == "a fit anew, without start"


def test_ways_are_told_as_a_sentence():
    assert [join_with_or("a"), join_with_or("a", None), join_with_or("a", "b"), join_with_or("a", "b", "c")] == [
        "a",
        "a",
        "a, or b",
        "a, b, or c",
    ]


# A lower learning rate


@pytest.mark.tensorflow
def test_a_learning_rate_that_is_too_high_is_lowered_once_and_told():
    windows = windows_of(wave() * 1e18, 8, 2)
    with pytest.raises(DivergedError) as error:
        trainer_of(learning_rate=1e6, network="nlinear").validation_run(windows, windows, StoppingRule(3, 3))
    assert error.value.message == (
        "training diverged twice, with learning rates of 1e+06 and 100000: the training loss became nan in epoch 1, "
        "step 2; no reading is to blame, so the learning rate of 100000 is"
    )
    assert error.value.hint == "try a learning_rate below 100000, or clipnorm=1"


@pytest.mark.tensorflow
def test_a_mix_of_simple_forecasts_diverges_as_any_network():
    """Its weights are looked up, one row for several steps, and of NaN in their gradient Keras makes an error."""
    windows = windows_of(5 * wave(features=0), 24, 12)
    network = build_network(Config.of(network="nlinear", learning_rate=1e38), Shapes(24, 12, seasons=(12,)))
    with pytest.raises(DivergedError, match=r"became nan in epoch 1, step \d; no reading is to blame"):
        Trainer(network, 32, 6, 0).validation_run(windows, windows, StoppingRule(1, 1))


@pytest.mark.tensorflow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_training_goes_on_from_the_best_weights_with_a_lower_learning_rate(schedule, monkeypatch):
    """As by hand: two epochs, then as many as are left with a tenth of the rate, over the batches that come then."""
    settings, calls = {"learning_rate": 0.05, "schedule": schedule, "network": "nlinear"}, []
    training_windows, validation = split(wave())
    real = phases.window_losses

    def losses(network, engine, windows):
        calls.append(1)
        return real(network, engine, windows) * (np.nan if len(calls) == 4 else 1)  # after epoch 3

    monkeypatch.setattr(phases, "window_losses", losses)
    healed = trainer_of(steps=25, **settings)
    run = healed.validation_run(training_windows, validation, StoppingRule(5, 5, keep="last"))
    assert len(calls) == 7 and len(run.history["val_loss"]) == 6 and len(run.history["loss"]) == 5
    assert run.lowered == (
        "the validation run diverged: the validation loss became nan in epoch 3, step 40; no reading is to blame, so "
        "the learning rate of 0.05 is"
    )
    assert first_rate(healed.network) == pytest.approx(0.005)
    by_hand = trainer_of(steps=25, **settings)
    by_hand._fit(training_windows, 2, 25, lambda *_: False)
    lower_rate(by_hand.network)
    by_hand._fit(training_windows, 5, 25, lambda *_: False, Position(2))
    for a, b in zip(healed.network.get_weights(), by_hand.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    healed.start_over()
    assert first_rate(healed.network) == pytest.approx(0.005)


@pytest.mark.tensorflow
def test_an_absurd_covariate_is_named_and_the_step_is_that_of_fit():
    values = wave(400)
    values[150, 1] = 1e17
    training_windows, validation = split(values)
    trainer = trainer_of(learning_rate=0.01, network="nlinear")
    with pytest.raises(
        DivergedError, match=r"Cell\(row=150, channel=1, several=False\): without readings so far"
    ) as error:
        trainer.validation_run(training_windows, validation, StoppingRule(3, 3))
    assert "correct that reading" in error.value.hint and "learning_rate" not in error.value.hint


@pytest.mark.tensorflow
def test_a_final_run_that_diverges_is_tried_once_more():
    windows, _ = split(wave() * 1e18)
    run, trainer = Run(best_epoch=2), trainer_of(network="nlinear", learning_rate=1e3)
    with pytest.raises(DivergedError, match="twice, with learning rates of 1000 and 100:"):
        trainer.final_run(windows, run)
    assert run.lowered.startswith("the final run diverged: the training loss became nan in epoch 1")


@pytest.mark.tensorflow
def test_a_loss_that_is_infinite_before_training_names_the_reading():
    values = wave()
    values[-3, 0] = 1e25
    training_windows, validation = split(values)
    with pytest.raises(
        DivergedError, match=r"inf before training has begun: Cell\(row=197, channel=0, several=False\)"
    ) as error:
        trainer_of().validation_run(training_windows, validation, StoppingRule(3, 3))
    assert "forecaster inspect" in error.value.hint
    with pytest.raises(DivergedError, match="inf before training has begun, and no reading is to blame"):
        trainer_of().validation_run(*split(wave() * 1e25), StoppingRule(3, 3))


# Whole fits


FRAGILE = {
    **{"network": "nlinear", "base": "none", "window_norm": "none", "transform": "none", "scaling": "robust"},
    **{"optimizer": "sgd", "clipnorm": None, "epochs": 2, "lookback": 12, "horizon": 3, "season": 12, "final": False},
}
ABSURD = "'y' is 9e+11 at 2003-05-01 of series b: without readings so far from the others it"


def three_series(rows=80, **absurd):
    rng, steps, parts = np.random.default_rng(0), np.arange(rows), []
    for name in "abc":
        values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + rng.normal(0, 0.5, rows)
        month = pd.date_range("2000-01-01", periods=rows, freq="MS")
        parts.append(pd.DataFrame({"s": name, "month": month, "y": values, "x": rng.normal(size=rows)}))
    for column, value in absurd.items():
        parts[1].loc[40, column] = value
    return pd.concat(parts)


def flags(settings):
    return [part for k, v in settings.items() if v for part in (f"--{k.replace('_', '-')}", str(v))]


@pytest.mark.tensorflow
def test_one_absurd_reading_of_one_series_is_named_and_nothing_is_written(command, folder):
    """And not an absurd covariate, which is cut off at 10 deviations."""
    three_series(y=9e11, x=1e30).to_csv(folder / "y.csv", index=False)
    (folder / "c.toml").write_text("clipnorm = 1e30\nfinal = false\n")
    ended = command(
        "fit", "y.csv", "--config", "c.toml", *flags({**FRAGILE, "series": "s", "past": "x", "learning_rate": 0.3})
    )
    assert ended.code == 6 and ended.out == ""
    assert "training diverged twice, with learning rates of 0.3 and 0.03: the training loss became" in ended.err
    assert f"in epoch 1, step 2; {ABSURD} stays finite" in ended.err and "correct that reading" in ended.err
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.tensorflow
def test_members_that_a_lower_learning_rate_heals_are_kept_and_told():
    settings = {**FRAGILE, "series": "s", "learning_rate": 2.0, "members": 2, "keep": "last"}
    found = Forecaster(**settings).fit(three_series().drop(columns="x"))
    said = [note for note in found.notes if note.name == "learning rate"]
    assert [note.value for note in said] == [f"nlinear-{i}: lowered from 2 to 0.2" for i in range(2)]
    assert all(note.warning and note.reason.startswith("the validation run diverged: the training") for note in said)
    assert np.isfinite(found.predict()["forecast"]).all() and found.model.record["trained"]


@pytest.mark.tensorflow
@pytest.mark.parametrize("settings", [{"task": "direction"}, {"network": "rnn", "activation": "relu", "units": (4,)}])
def test_forecasts_beyond_reason_name_the_reading(settings):
    given = {**FRAGILE, "optimizer": "rmsprop", "series": "s", "learning_rate": 0.01, **settings}
    with pytest.raises(DivergedError, match=re.escape(f"deviations from the mean of the readings; {ABSURD} does not")):
        Forecaster(**given).fit(three_series(y=9e11).drop(columns="x"))
