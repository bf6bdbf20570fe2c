"""The training of the pretrained network: what it is shown, what it starts from, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecaster.pretrained import train as training
from forecaster.pretrained.inputs import LONGEST, SHAPES
from forecaster.pretrained.network import MIDDLE, OUTPUTS, QUANTILES, build_pretrained
from forecaster.pretrained.simple import NAMES
from forecaster.pretrained.stored import pretrained_engine, read_manifest, read_weights, write_network
from forecaster.pretrained.train import BATCH, CLIP, Pool, Training, inputs_of, make_shard, make_shards, split_by_steps


@pytest.fixture(scope="module")
def shard() -> dict[str, np.ndarray]:
    return make_shard(7, 0)


def test_a_shard_follows_from_seed_and_number_whoever_makes_it(shard: dict[str, np.ndarray]) -> None:
    shards = make_shards(7, 2, "")
    try:
        first, second = next(shards), next(shards)
    finally:
        shards.close()
    for name, array in shard.items():
        np.testing.assert_array_equal(first[name], array, err_msg=name)
    assert len(second["target"]) != len(shard["target"]) or not np.array_equal(second["target"], shard["target"])


def test_targets_are_distances_from_the_blend_and_weights_end_with_the_horizon(shard: dict[str, np.ndarray]) -> None:
    assert {name: array.shape[1:] for name, array in shard.items() if name in SHAPES} == SHAPES
    assert np.abs(shard["target"]).max() <= CLIP
    assert not shard["target"][shard["weight"] == 0].any()
    horizon = (shard["weight"] > 0).sum(axis=1)
    assert ((shard["weight"] > 0) == (np.arange(LONGEST) < horizon[:, None])).all()
    assert shard["weight"].sum(axis=1).max() < 1.01
    assert 0.4 < np.median(np.abs(shard["target"])[shard["weight"] > 0]) < 1.6


def test_every_window_is_drawn_as_often_as_it_may(shard: dict[str, np.ndarray]) -> None:
    marked = {**shard, "prior": shard["prior"].copy()}
    marked["prior"][:, 0] = np.arange(len(marked["prior"]))
    pool = Pool(np.random.default_rng(0))
    pool.add(marked)
    assert pool.waiting() == training.TIMES * len(shard["target"])
    seen = []
    while max(map(len, pool.queue.values())) >= BATCH:
        rows = pool.batch()
        assert len({array.shape[0] for array in rows.values()}) == 1
        assert rows["future"].shape[1] == rows["target"].shape[1] in training.BOXES
        seen += rows["prior"][:, 0].astype(int).tolist()
    assert max(np.bincount(seen)) <= training.TIMES
    waiting = {box: len(queue) for box, queue in pool.queue.items()}
    pool.add(make_shard(7, 1))
    assert all(len(pool.queue[box]) >= count for box, count in waiting.items())


def test_batches_hold_the_steps_of_their_horizons(shard: dict[str, np.ndarray]) -> None:
    parts = split_by_steps(shard)
    assert sum(len(rows["target"]) for rows in parts.values()) == len(shard["target"])
    for box, rows in parts.items():
        horizon = (rows["weight"] > 0).sum(axis=1)
        assert (horizon <= box).all()
        assert (horizon > box / 2 - 1).all() or box == 12


@pytest.mark.tensorflow
def test_untrained_it_is_the_blend_with_the_width_of_a_normal_error(shard: dict[str, np.ndarray]) -> None:
    inputs, _ = inputs_of(shard)
    output = np.asarray(build_pretrained(16, 12)(inputs))
    assert output.shape[1:] == (LONGEST, OUTPUTS)
    quantiles, trust = output[:, :, : len(QUANTILES)], output[:, :, len(QUANTILES) : -1]
    assert np.abs(quantiles[:, 0, MIDDLE]).max() < 0.1
    np.testing.assert_allclose(trust.sum(axis=2), 1, atol=1e-5)
    assert (np.diff(quantiles, axis=2) > 0).all()
    assert not output[:, :, -1].any()
    width = quantiles[:, :, 10] - quantiles[:, :, 2]
    np.testing.assert_allclose(width, 2 * 1.2816 * np.sqrt(np.pi / 2), rtol=0.05)
    assert trust.shape[2] == len(NAMES)


@pytest.mark.tensorflow
def test_the_loss_is_twice_the_quantile_loss() -> None:
    random = np.random.default_rng(0)
    actual = np.stack([random.standard_normal((3, 5)), random.random((3, 5))], axis=2)
    output = random.standard_normal((3, 5, OUTPUTS))
    slow = np.zeros(3)
    for window in range(3):
        for step in range(5):
            missed = [actual[window, step, 0] - output[window, step, q] for q in range(len(QUANTILES))]
            losses = [max(level * e, (level - 1) * e) for level, e in zip(QUANTILES, missed, strict=True)]
            slow[window] += 2 * np.mean(losses) * actual[window, step, 1]
    found = np.asarray(training.pinball_loss(actual.astype("float32"), output.astype("float32")))
    np.testing.assert_allclose(found, slow, rtol=1e-4)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_a_hundredth_of_the_training_lowers_the_loss_and_is_written(tmp_path: Path) -> None:
    network, record = training.train(Training(steps=200, units=32, width=24), tmp_path / "training.jsonl")
    first, last = record["log"][0], record["log"][-1]
    assert last["loss_apart"] < 0.97 * first["loss_apart"]
    assert last["step"] == 200
    write_network(network, 32, 24, record, tmp_path)
    assert read_manifest(tmp_path).parameters == network.count_params()
    inputs, _ = inputs_of(make_shard(3, 0))
    ours = pretrained_engine(tmp_path).run(inputs)
    whole = build_pretrained(32, 24)
    weights = read_weights(tmp_path)
    whole.set_weights([weights[weight.path] for weight in whole.weights])
    np.testing.assert_allclose(ours, np.asarray(whole(inputs)), atol=2e-3)
    trained = build_pretrained(32, 24)
    trained.set_weights(network.get_weights())
    np.testing.assert_allclose(np.median(np.abs(ours - np.asarray(trained(inputs)))), 0, atol=2e-3)
