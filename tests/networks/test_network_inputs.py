"""Every kind of input in every network: shapes, gradients, masks, categories, the effect of covariates, export."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import inputs

from forecaster.config import Config
from forecaster.engines.keras import KerasEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.features.windows import Windows
from forecaster.networks.factory import Shapes, build_network
from forecaster.networks.initial.covariate_effect import Hinges, hinge_values, random_hinges
from forecaster.networks.initial.simple_forecasts import simple_forecast_names, simple_forecasts
from forecaster.networks.initial.start import Start, find_start, set_start
from forecaster.networks.layers.base import embedding_size
from forecaster.training.phases import StoppingRule
from forecaster.training.trainer import Trainer

#: Networks whose recurrent cell is what their name says.
CELLS = ("lstm", "gru", "rnn")
FULL = Shapes(
    lookback=14,
    steps=5,
    calendar=2,
    known=2,
    past=2,
    static=3,
    categories=(3, 40),
    seasons=(4, 6),
    indicator=True,
)
#: One kind of input at a time, and all of them.
KINDS = {
    "target": Shapes(14, 5, seasons=(4,)),
    "calendar": Shapes(14, 5, calendar=2, seasons=(4,)),
    "known": Shapes(14, 5, known=2, seasons=(4,)),
    "past": Shapes(14, 5, past=2, seasons=(4,)),
    "indicator": Shapes(14, 5, past=1, seasons=(4,), indicator=True),
    "static": Shapes(14, 5, static=3, seasons=(4,)),
    "categories": Shapes(14, 5, categories=(3, 40), seasons=(4,)),
    "full": FULL,
}


@pytest.fixture(autouse=True)
def seeded():
    import keras

    keras.utils.set_random_seed(0)


def network(shapes: Shapes, **options):
    """A small network whose zero weights have been made others."""
    model = build_network(Config.of(**{"units": (5,), "segment": 4, "dropout": 0.0, **options}), shapes)
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if weight.path in ("head/kernel", "step_head/kernel", "effect/shares"):
            weight.assign(rng.normal(size=weight.shape) * 0.3)
    return model


def forecast(model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return model(feeds).numpy()[..., 0]


# ---- shapes, gradients, export ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_those_that_have_columns(kind):
    shapes = KINDS[kind]
    model, feeds = network(shapes), inputs(shapes)
    assert {i.name: (tuple(i.shape[1:]), i.dtype) for i in model.inputs} == {
        name: (array.shape[1:], str(array.dtype)) for name, array in feeds.items()
    }
    assert forecast(model, feeds).shape == (6, shapes.steps)


@pytest.mark.parametrize("head", ["dense", "segments"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_reach_every_weight(cell, head):
    import tensorflow as tf

    model, feeds = network(FULL, network=cell, head=head, bidirectional=cell == "gru"), inputs(FULL)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(feeds, training=True) ** 2)
    for weight, gradient in zip(
        model.trainable_variables,
        tape.gradient(loss, [v.value for v in model.trainable_variables]),
        strict=True,
    ):
        assert gradient is not None and np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {"base": "last"}) for kind in ("target", "known", "indicator", "static", "categories")),
        ("full", {"head": "segments"}),
        ("full", {"network": "gru", "bidirectional": True, "window_norm": "mean-std"}),
        ("full", {"network": "rnn", "segment": 1, "base": "none", "window_norm": "none"}),
    ],
)
def test_the_export_equals_keras_with_each_kind_of_input(kind, options):
    from forecaster.networks.onnx_export import export_onnx

    shapes = KINDS[kind]
    model, feeds = network(shapes, **options), inputs(shapes)
    forecast(model, feeds)
    engines = OnnxEngine(export_onnx(model)), KerasEngine(model)
    for count in (1, 6):
        part = {name: array[:count] for name, array in feeds.items()}
        found, expected = (engine.run({**part, "unknown": np.zeros(3)}) for engine in engines)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("head", "window_norm"), [("dense", "last"), ("segments", "mean-std"), ("dense", "none")])
def test_a_window_is_forecast_alike_in_a_batch_of_any_size(head, window_norm):
    model, feeds = network(FULL, head=head, window_norm=window_norm), inputs(FULL, 14)
    alone = np.concatenate([forecast(model, {k: v[[i]] for k, v in feeds.items()}) for i in (0, 3)])
    for size in (4, 5, 6, 14):
        together = forecast(model, {k: v[:size] for k, v in feeds.items()})
        np.testing.assert_allclose(together[[0, 3]], alone, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_tiny_series_is_learned_by_heart(cell):
    shapes = Shapes(6, 3, known=1, past=1, static=1, categories=(2,), indicator=True)
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=(24, 2)), np.ones(24)])
    windows = Windows(
        values, 6, 3, [0, 12, 24], known=1, static=np.array([[0.0], [1.0]]), categories=np.array([[1], [2]])
    )
    config = Config.of(
        network=cell, units=(32,), segment=1, dropout=0.0, learning_rate=0.01, base="none", window_norm="none"
    )
    model = build_network(config, shapes)
    run = Trainer(model, len(windows), 20, 0).validation_run(windows, windows, StoppingRule(30, 30))
    assert min(run.history["val_loss"]) < 0.02 * float(np.var(windows.targets()))


# ---- masked inputs ---------------------------------------------------------------------------------------------


def masked_change(cell: int, **options) -> float:
    """How far the forecast moves where a masked target, ``cell`` steps before the cutoff, is given another value."""
    shapes = KINDS["indicator"]
    feeds = inputs(shapes)
    feeds["past"][:, -cell, -1] = 0
    changed = {"past": feeds["past"].copy()}
    changed["past"][:, -cell, 0] += 3
    model = network(shapes, **options)
    return float(np.abs(forecast(model, changed) - forecast(model, feeds)).max())


@pytest.mark.parametrize("head", ["dense", "segments"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_network_is_told_which_readings_are_missing(cell, head):
    """The same window, one of its readings missing: only the indicator tells."""
    shapes = KINDS["indicator"]
    feeds = inputs(shapes)
    feeds["past"][:, :, -1] = 1
    changed = {"past": feeds["past"].copy()}
    changed["past"][:, -2, -1] = 0
    model = network(shapes, network=cell, head=head, base="none", window_norm="none")
    assert np.abs(forecast(model, changed) - forecast(model, feeds)).max() > 1e-5


def test_the_placeholder_is_read_beside_it():
    assert masked_change(1, base="none", window_norm="last") > 0.1
    assert masked_change(2, base="none", window_norm="none") > 1e-3
    assert masked_change(1, base="last", window_norm="none") > 1


def test_mean_and_deviation_are_those_of_what_was_observed():
    from forecaster.networks.layers.base import WindowNorm

    window = np.array([[1.0, 2.0, 99.0, 3.0], [7.0, 7.0, 7.0, 7.0]], "float32")[:, :, None]
    observed = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]], "float32")[:, :, None]
    _, level, deviation = WindowNorm("mean-std")(window, observed)
    assert np.asarray(level).ravel().tolist() == [2.0, 0.0]
    np.testing.assert_allclose(np.asarray(deviation).ravel(), [np.sqrt(2 / 3), 0.01], rtol=1e-3)


# ---- categories and static numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["dense", "segments"])
def test_static_numbers_and_categories_reach_the_forecast(head):
    model, feeds = network(FULL, head=head), inputs(FULL)
    for name, column, value in (("static", 1, 2.0), ("categories", 0, 2), ("categories", 1, 17)):
        changed = {**feeds, name: feeds[name].copy()}
        feeds[name][:, column] = 1
        changed[name][:, column] = value
        assert np.abs(forecast(model, changed) - forecast(model, feeds)).max() > 1e-5


def test_an_unknown_category_is_zero_and_stays_so():
    from forecaster.networks.layers.base import Embeddings

    layer = Embeddings((3, 40))
    found = np.asarray(layer(np.array([[0, 0], [1, 40], [3, 1]], "int32")))
    first = embedding_size(3)
    assert found.shape == (3, first + embedding_size(40))
    assert (found[0] == 0).all() and (np.abs(found[1:]) > 0).any(axis=1).all()
    tables = [np.asarray(t) for t in layer.tables]
    np.testing.assert_array_equal(found[1], np.concatenate([tables[0][0], tables[1][39]]))
    np.testing.assert_array_equal(found[2], np.concatenate([tables[0][2], tables[1][0]]))


def test_lengths_of_embeddings():
    assert [embedding_size(n) for n in (1, 2, 10, 100, 1000, 10**6)] == [2, 2, 6, 21, 50, 50]


# ---- the effect of known covariates ----------------------------------------------------------------------------


def driven(rows: int = 600, known: int = 1) -> np.ndarray:
    """A season and a nonlinear function of a covariate: channel 0 and the covariates."""
    rng, t = np.random.default_rng(0), np.arange(rows)
    covariates = rng.normal(size=(rows, known))
    season = np.sin(t * np.pi / 6) + 0.5 * np.cos(t * np.pi / 3)
    target = season + np.abs(covariates[:, 0]) + 0.01 * rng.normal(size=rows)
    return np.column_stack([target / target.std(), covariates]).astype("float32")


@pytest.mark.parametrize("options", [{}, {"head": "segments"}, {"base": "seasonal", "window_norm": "mean-std"}])
def test_a_covariate_known_ahead_drives_the_forecast(options):
    values, errors = driven(), {}
    for known in (0, 1):
        shapes, config = Shapes(36, 12, known=known, seasons=(12,)), Config.of(units=(8,), segment=12, **options)
        training, later = (
            Windows(values[:, : 1 + known], 36, 12, newest=newest, known=known) for newest in ((None, 120), (120, 0))
        )
        trainer = Trainer(build_network(config, shapes, find_start(config, shapes, training)), 128, 20, 0, 0.8)
        trainer.validation_run(training, later, StoppingRule(3, 3))
        errors[known] = float(np.abs(trainer.engine.run(later.batch())[..., 0] - later.targets()).mean())
    assert errors[1] < 0.1 * errors[0]


def test_a_covariate_that_says_nothing_has_hardly_an_effect():
    values = driven()
    values[:, 1] = np.random.default_rng(9).normal(size=len(values))
    shapes, config = Shapes(36, 12, known=1, seasons=(12,)), Config.of(units=(8,))
    windows = Windows(values, 36, 12, known=1)
    start = find_start(config, shapes, windows)
    ahead = hinge_values(values[:, 1:], start.effect.directions, start.effect.places, 1) @ start.effect.shares
    assert np.std(ahead) < 0.25 * values[:, 0].std()


def test_an_effect_is_taken_off_the_window_and_added_to_the_forecast():
    """The base forecasts what is left of the window, by hand."""
    shapes, config = Shapes(8, 3, calendar=1, known=1, seasons=(4,)), Config.of(units=(3,), base="seasonal")
    effect = random_hinges(1, 1)
    shares = np.random.default_rng(0).normal(size=effect.shares.shape).astype("float32")
    effect = Hinges(effect.directions, effect.places, shares)
    feeds = inputs(shapes)

    def adds(features: np.ndarray) -> np.ndarray:
        found = np.zeros(features.shape[:2])
        for window, step in np.ndindex(*found.shape):
            row = features[window, step].astype(float)
            for hinge in range(len(effect.places)):
                found[window, step] += (
                    max(0, row @ effect.directions[:, hinge] + effect.places[hinge]) * shares[hinge, 0]
                )
            found[window, step] += row[1] * shares[-1, 0]
        return found

    left = feeds["past"][:, :, 0] - adds(feeds["past"][:, :, 1:])
    expected = simple_forecasts(left, 3, (4,))["seasonal"] + adds(feeds["future"])
    model = build_network(config, shapes, Start(effect=effect))
    np.testing.assert_allclose(forecast(model, feeds), expected, rtol=1e-4, atol=1e-3)
    again = build_network(config, shapes)
    set_start(again, Start(effect=effect))
    np.testing.assert_array_equal(forecast(again, feeds), forecast(model, feeds))


def test_nothing_is_spent_on_known_covariates_where_there_are_none():
    assert not any("effect" in w.path or "step" in w.path for w in network(KINDS["calendar"]).weights)


def test_the_effect_of_a_covariate_may_depend_on_the_series():
    """Each step is decoded from the state and its own features: a change of one moves that step alone."""
    shapes = Shapes(8, 3, known=1, categories=(2,), seasons=(4,))
    model = network(shapes)
    for name in ("head/kernel", "effect/shares"):  # leaves the decoder of single steps
        (weight,) = [w for w in model.weights if w.path == name]
        weight.assign(np.zeros(weight.shape))
    (table,) = [w for w in model.weights if w.path == "embeddings/table_0"]
    table.assign([[1.0, 1.0], [-1.0, -1.0]])
    feeds = inputs(shapes)
    changed = {**feeds, "future": feeds["future"].copy()}
    changed["future"][:, 1] += 1
    moved = []
    for code in (1, 2):
        feeds["categories"][:] = changed["categories"][:] = code
        moved.append(forecast(model, changed) - forecast(model, feeds))
        np.testing.assert_array_equal(moved[-1][:, [0, 2]], 0)
    assert np.abs(moved[0] - moved[1])[:, 1].max() > 0.01


# ---- several seasons -------------------------------------------------------------------------------------------


def test_candidates_of_a_further_season_by_hand():
    window = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    found = simple_forecasts(window, 4, (2, 5))
    assert found["seasonal_5"].tolist() == [[6, 7, 8, 9]]
    assert found["mean_5"].tolist() == [[3.5, 4.5, 5.5, 6.5]]
    assert found["shifted_5"].tolist() == [[11, 12, 13, 14]]
    assert simple_forecast_names(9, (2, 5))[-2:] == ("seasonal_5", "shifted_5")
    assert simple_forecast_names(6, (2, 5))[-1] == "seasonal_5"
    assert simple_forecast_names(4, (2, 5)) == simple_forecast_names(4, (2,))
    assert simple_forecast_names(4, (5, 3)) == ("last", "seasonal_3")


@pytest.mark.parametrize("base", ["mix", "gate"])
def test_a_network_over_two_seasons_starts_from_its_mix(base):
    shapes = Shapes(24, 5, seasons=(4, 12))
    names = simple_forecast_names(24, shapes.seasons)
    feeds = inputs(shapes)
    mix = np.array([name == "mean_12" for name in names], "float32")
    model = build_network(Config.of(units=(3,), base=base), shapes, Start(mix))
    expected = simple_forecasts(feeds["past"][:, :, 0], 5, shapes.seasons)["mean_12"]
    np.testing.assert_allclose(forecast(model, feeds), expected, atol=1e-5)


def test_a_count_stays_positive_with_the_effect_of_what_is_known():
    """The last count is 4, and each unit of the covariate takes 2 off: one leaves 2, a hundred leave a little."""
    config = Config.of(network="nlinear", base="last", loss="negative-binomial")
    shapes = Shapes(lookback=4, steps=2, known=1, outputs=2)
    hinges = random_hinges(0, 1)
    shares = np.zeros_like(hinges.shares)
    shares[-1] = -2
    model = build_network(config, shapes, Start(effect=Hinges(hinges.directions, hinges.places, shares)))
    past = np.tile(np.array([4.0, 0.0], np.float32), (2, 4, 1))
    future = np.array([1.0, 100.0], np.float32)[:, None, None] * np.ones((1, 2, 1), np.float32)
    found = np.asarray(model({"past": past, "future": future}))[:, :, 0]
    np.testing.assert_allclose(found[0], 2, rtol=1e-5)
    assert (found[1] > 0).all() and (found[1] < 0.1).all()
