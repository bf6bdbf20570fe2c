"""The fit loop on tiny networks: batches, best weights, the final run, interruption, divergence."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import numpy as np
import pytest
from samples import tiny_network, wave, windows_of

from forecaster.config import Config
from forecaster.data.panel.packed import empty_aligned
from forecaster.features.windows import Windows
from forecaster.networks.initial.mixing import mix_shares
from forecaster.networks.initial.start import Start
from forecaster.networks.keras import start_keras
from forecaster.training.batches import make_batches
from forecaster.training.phases import Run, StoppingRule
from forecaster.training.trainer import Trainer, steps_per_epoch

start_keras()


def numbers(batch):
    inputs, target, *weights = batch
    return {k: v.numpy() for k, v in inputs.items()}, target.numpy(), [w.numpy() for w in weights]


def rich_windows(aligned: bool) -> Windows:
    """Windows with every kind of input, two series and readings that were filled."""
    rng = np.random.default_rng(0)
    values = empty_aligned((60, 4)) if aligned else np.zeros((60, 4), np.float32)
    values[:] = rng.normal(size=(60, 4))
    return Windows(
        values,
        5,
        3,
        [0, 20, 60],
        rng.random(60) > 0.2,
        known=2,
        calendar=rng.normal(size=(40, 2)),
        places=np.concatenate([np.arange(20), np.arange(40)]).astype(np.int32),
        static=rng.normal(size=(2, 3)),
        categories=np.array([[1, 2], [0, 1]]),
        usable=rng.random(60) > 0.2,
    )


@pytest.mark.parametrize(
    "windows",
    [
        rich_windows(True),
        rich_windows(False),
        windows_of(wave(60, 2), 5, 3, [0, 20, 60]),
        Windows(wave(60, 0), 5, 3, calendar=wave(60, 1)),
        rich_windows(False).thinned(9),
    ],
    ids=["every input", "not aligned", "known", "calendar of the rows", "thinned"],
)
def test_batches_in_order_are_the_windows(windows):
    found = [numbers(b) for b in make_batches(windows, 8)]
    assert [len(target) for _, target, _ in found][:-1] == [8] * ((len(windows) - 1) // 8)
    expected = windows.batch()
    assert set(found[0][0]) == set(expected)
    for name, array in expected.items():
        together = np.concatenate([i[name] for i, _, _ in found])
        np.testing.assert_array_equal(together, array)
        assert together.dtype == array.dtype
    np.testing.assert_array_equal(np.concatenate([t for _, t, _ in found])[:, :, 0], windows.targets())
    weights = windows.target_weights()
    if weights is not None:
        np.testing.assert_array_equal(np.concatenate([w[0] for _, _, w in found]), weights)
    else:
        assert not found[0][2]


def test_shuffled_batches_pass_over_every_window_once_a_lap_in_another_order():
    windows = Windows(np.arange(27, dtype=np.float32), 2, 1)  # 25 windows
    batches = iter(make_batches(windows, 5, seed=3))
    laps = [np.concatenate([next(batches)[1].numpy().ravel() for _ in range(5)]) for _ in range(3)]
    for lap in laps:
        assert sorted(lap) == sorted(windows.targets().ravel())
    assert len({tuple(lap) for lap in laps}) == 3
    again = iter(make_batches(windows, 5, seed=3))
    assert np.concatenate([next(again)[1].numpy().ravel() for _ in range(5)]).tolist() == laps[0].tolist()
    other = iter(make_batches(windows, 5, seed=4))
    assert np.concatenate([next(other)[1].numpy().ravel() for _ in range(5)]).tolist() != laps[0].tolist()


def test_a_batch_may_be_larger_than_the_windows():
    windows = Windows(np.arange(8, dtype=np.float32), 2, 1)
    batch = next(iter(make_batches(windows, 20, seed=0)))[1].numpy().ravel()
    assert len(batch) == 20 and set(batch) == set(windows.targets().ravel())


def test_small_data_are_passed_several_times_in_an_epoch():
    assert steps_per_epoch(10, 128) >= 10
    assert steps_per_epoch(1_000_000, 128) == 7813


def test_windows_that_share_their_targets_are_not_all_in_an_epoch():
    steps = [steps_per_epoch(1_000_000, 128, horizon) for horizon in (1, 10, 20, 40, 1000, 10**6)]
    assert steps[0] == steps[1] == 7813
    assert steps[2] == pytest.approx(7813 / 2, abs=1) and steps[3] == pytest.approx(7813 / 4, abs=1)
    assert steps[4] == pytest.approx(7813 / 100, abs=1) and steps[5] == 50
    assert steps_per_epoch(4_000, 128, 1000) == 32  # so few that all of them are taken


def test_best_weights_are_kept_and_the_final_run_starts_over():
    values = wave()
    training, validation = windows_of(values, 8, 2, newest=(None, 40)), windows_of(values, 8, 2, newest=(40, 0))
    network = tiny_network(8, 2, 1, learning_rate=0.05, dropout=0.0)
    start = [v.numpy() for v in network.variables]
    trainer = Trainer(network, 32, 20, 0)
    seen = []
    run = trainer.validation_run(training, validation, StoppingRule(6, 6), reference=1.0, report=seen.append)
    losses = run.history["val_loss"]
    assert len(losses) == 7 and len(run.history["loss"]) == 6 == len(seen)
    assert run.best_epoch == int(np.argmin(losses)) > 0
    assert network.evaluate(make_batches(validation, 64), verbose=0) == pytest.approx(min(losses), rel=1e-5)
    assert seen[-1].skill == pytest.approx(1 - min(losses))
    best = [v.numpy() for v in network.variables]
    assert run.starts_over and run.final_epochs == run.best_epoch
    assert trainer.final_run(training, run)
    after = [v.numpy() for v in network.variables]
    for a, b in zip(after, best, strict=True):  # the same steps over the same windows are the same training
        np.testing.assert_array_equal(a, b)
    assert trainer.final_run(training, Run())
    for a, b in zip([v.numpy() for v in network.variables][: len(network.trainable_variables)], start, strict=False):
        np.testing.assert_array_equal(a, b)


def test_where_an_epoch_is_not_all_windows_the_final_run_goes_on_from_the_best_epoch(plant_losses):
    plant_losses(7, 6, 5, 4, 3, 4, 5)
    values, found = wave(), []
    training, validation = windows_of(values, 8, 2, newest=(None, 40)), windows_of(values, 8, 2, newest=(40, 0))
    for by_hand in (False, True):
        trainer = Trainer(tiny_network(8, 2, 1, learning_rate=0.01, dropout=0.0), 8, 2, 0)
        run = trainer.validation_run(training, validation, StoppingRule(6, 6))
        assert not run.starts_over and (run.best_epoch, run.final_epochs) == (4, 1)
        if by_hand:
            trainer._fit(training, 1, 2, lambda *_: False)
        else:
            assert trainer.final_run(training, run)
        found.append(trainer.network.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_best_epoch_is_gone_on_from_with_its_optimiser(plant_losses):
    """A falling learning rate goes on falling from where the best epoch left it."""
    plant_losses(9, 8, 7, 6, 5, 6, 7, 8, 9, 10)
    values = wave()
    training, validation = windows_of(values, 8, 2, newest=(None, 40)), windows_of(values, 8, 2, newest=(40, 0))
    network = tiny_network(8, 2, 1, learning_rate=0.05, dropout=0.0)
    trainer = Trainer(network, 8, 2, 0)
    run = trainer.validation_run(training, validation, StoppingRule(9, 9))
    assert run.best_epoch == 4 and int(network.optimizer.iterations.numpy()) == 2 * 4


def test_the_untrained_network_is_lent_and_given_back():
    windows = windows_of(wave(), 8, 2)
    network = tiny_network(8, 2, 1, learning_rate=0.05)
    trainer, start = Trainer(network, 32, 20, 0), network.get_weights()
    trainer.validation_run(windows, windows, StoppingRule(1, 1, keep="last"))
    trained = network.get_weights()
    with trainer.with_initial_weights():
        for a, b in zip(network.get_weights(), start, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(network.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(start, trained, strict=True))


def test_recurrent_layers_are_unrolled_for_training_and_loops_in_the_exported_file():
    from forecaster.engines.onnx import OnnxEngine
    from forecaster.networks.onnx_export import export_onnx

    windows = windows_of(wave(), 8, 2)
    network = tiny_network(8, 2, 1, learning_rate=0.05, dropout=0.0)
    trainer = Trainer(network, 32, 20, 0)
    layer = network.get_layer("recurrent_1")
    assert layer.unroll
    trainer.validation_run(windows, windows, StoppingRule(1, 1))
    exported = export_onnx(network)
    assert layer.unroll and b"LSTM" in exported
    inputs = windows.batch(np.arange(5))
    np.testing.assert_allclose(OnnxEngine(exported).run(inputs), trainer.engine.run(inputs), atol=1e-5)
    long = tiny_network(40, 2, 1)
    Trainer(long, 32, 20, 0)
    assert not long.get_layer("recurrent_1").unroll


def test_recurrent_layers_that_read_both_ways_are_unrolled_too():
    for lookback, unrolled in ((8, True), (40, False)):
        network = tiny_network(lookback, 2, 1, network="bilstm")
        Trainer(network, 32, 20, 0)
        (both,) = [layer for layer in network.layers if hasattr(layer, "forward_layer")]
        assert [both.forward_layer.unroll, both.backward_layer.unroll] == [unrolled] * 2


def test_an_untrained_network_can_be_the_best():
    values = np.zeros((100, 1), np.float32)
    values[:60, 0] = np.random.default_rng(0).normal(size=60)  # nothing to learn; validation is all zeros
    training, validation = windows_of(values, 4, 1, newest=(None, 40)), windows_of(values, 4, 1, newest=(30, 0))
    network = tiny_network(4, 1, 0, learning_rate=0.5, dropout=0.0)
    run = Trainer(network, 32, 20, 0).validation_run(training, validation, StoppingRule(10, 2))
    assert (run.best_epoch, run.gain, len(run.history["loss"])) == (0, 0.0, 2)


def test_the_last_epoch_is_kept_where_that_is_asked_for(plant_losses):
    """Though validation finds an earlier one better, and patience would have ended training."""
    plant_losses(4, 2, 3, 3, 3, 5)
    windows, seen = windows_of(wave(), 8, 2), []
    trainer = Trainer(tiny_network(8, 2, 1, learning_rate=0.01, dropout=0.0), 8, 2, 0)

    def look(progress):
        seen.append(trainer.network.get_weights())

    run = trainer.validation_run(windows, windows, StoppingRule(5, 1, keep="last", needed_gain=0.2), report=look)
    assert (run.best_epoch, len(run.history["loss"]), run.final_epochs) == (5, 5, 5)
    for a, b in zip(trainer.network.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(seen[0], seen[-1], strict=True))
    assert (run.window_losses == 5).all() and len(run.window_losses) == len(windows)


def test_a_gain_too_small_to_be_believed_keeps_the_untrained_network(plant_losses):
    plant_losses(5, 4, 3)
    windows = windows_of(wave(), 8, 2)
    network = tiny_network(8, 2, 1, learning_rate=3e-3, dropout=0.0)
    start = network.get_weights()
    run = Trainer(network, 32, 20, 0).validation_run(windows, windows, StoppingRule(2, 2, needed_gain=0.9))
    assert run.best_epoch == 0 and run.gain == pytest.approx(0.4)
    for a, b in zip(network.get_weights(), start, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_averaged_over_epochs():
    """The averages are those of the weights that a run without averaging passes through."""
    windows, seen = windows_of(wave(), 8, 2), {}
    for averaging in (0.0, 0.75):
        network = tiny_network(8, 2, 1, learning_rate=0.01, dropout=0.0)
        seen[averaging] = [network.get_weights()]
        trainer = Trainer(network, 32, 20, 0, averaging)
        trainer._fit(windows, 3, 20, lambda *_, n=network, s=seen[averaging]: s.append(n.get_weights()))
        for a, b in zip(network.get_weights(), seen[averaging][-1], strict=True):
            np.testing.assert_array_equal(a, b)
    average = seen[0.0][0]
    for weights, found in zip(seen[0.0][1:], seen[0.75][1:], strict=True):
        average = [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
        for a, b in zip(average, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_final_run_may_start_from_another_mix():
    from forecaster.networks.factory import Shapes, build_network

    network = build_network(Config.of(units=(4,), base="mix"), Shapes(lookback=24, steps=2, seasons=(12,)))
    trainer = Trainer(network, 32, 20, 0)
    mix = np.array([[0, 0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1], [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
    assert trainer.final_run(windows_of(wave()[:, :1], 24, 2), Run(), Start(mix))
    (logits,) = [v.numpy() for v in network.weights if v.path == "mix/logits"]
    np.testing.assert_allclose(mix_shares(np.exp(logits)), mix, atol=1e-6)  # these exponentials have the sum 1


def test_interruption_keeps_the_best_weights_so_far():
    values = wave()
    training, validation = windows_of(values, 8, 2, newest=(None, 40)), windows_of(values, 8, 2, newest=(40, 0))
    network = tiny_network(8, 2, 1, learning_rate=0.01)

    def press(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    run = Trainer(network, 32, 20, 0).validation_run(training, validation, StoppingRule(50, 50), report=press)
    assert run.interrupted and len(run.history["loss"]) == 2
    best = min(run.history["val_loss"])
    assert network.evaluate(make_batches(validation, 64), verbose=0) == pytest.approx(best, rel=1e-5)


def test_ctrl_c_that_falls_into_a_library_ends_training():
    """Libraries make other errors of it, or none."""
    training, validation = windows_of(wave(), 8, 2, newest=(None, 40)), windows_of(wave(), 8, 2, newest=(40, 0))

    def press(progress):
        if progress.epoch == 2:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)

    run = Trainer(tiny_network(8, 2, 1), 32, 20, 0).validation_run(
        training, validation, StoppingRule(9, 9), report=press
    )
    assert run.interrupted and len(run.history["loss"]) == 2


def test_interrupting_the_final_run_keeps_the_weights_before_it():
    windows = windows_of(wave(), 8, 2)
    network = tiny_network(8, 2, 1)
    trainer = Trainer(network, 32, 20, 0)
    network.set_weights([w + 1 for w in network.get_weights()])
    before = network.get_weights()

    def press(progress):
        raise KeyboardInterrupt

    assert trainer.final_run(windows, Run(best_epoch=2), report=press) is False
    for a, b in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
