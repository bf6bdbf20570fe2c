from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import FIELDS, Config
from forecaster.engines.keras import KerasEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import SettingError
from forecaster.families import NETWORKS
from forecaster.families.shapes import Shapes
from forecaster.losses import LOSSES
from forecaster.networks.factory import build_network
from forecaster.networks.initial.simple_forecasts import simple_forecast_names, simple_forecasts
from forecaster.networks.initial.start import Start
from forecaster.networks.onnx_export import export_onnx
from forecaster.networks.optimizers import OPTIMIZERS, SCHEDULES

pytestmark = pytest.mark.tensorflow

#: Networks whose recurrent cell is what their name says.
CELLS = ("lstm", "gru", "rnn")
SHAPES = Shapes(lookback=26, steps=9, calendar=2, seasons=(6,))


@pytest.fixture(autouse=True)
def seeded():
    import keras

    keras.utils.set_random_seed(0)


def inputs(shapes: Shapes, batch: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    found = {"past": rng.normal(size=(batch, shapes.lookback, shapes.channels))}
    if shapes.features:
        found["future"] = rng.normal(size=(batch, shapes.steps, shapes.features))
    return {name: value.astype("float32") for name, value in found.items()}


def network(shapes: Shapes = SHAPES, trained: bool = True, **options):
    """A small network; `trained` gives the head other weights than zeros."""
    model = build_network(Config.of(**{"units": (5,), "segment": 4, **options}), shapes)
    if trained:
        kernel = model.get_layer("head").kernel
        kernel.assign(np.random.default_rng(2).normal(size=kernel.shape) * 0.5)
    return model


def onnx_difference(model, feeds: dict[str, np.ndarray]) -> float:
    """The greatest difference between Keras and ONNX Runtime over batches of several sizes."""
    model(feeds)
    keras, onnx = KerasEngine(model), OnnxEngine(export_onnx(model))
    parts = [{name: value[:n] for name, value in feeds.items()} for n in (1, len(feeds["past"]))]
    return max(np.abs(onnx.run(part) - keras.run(part)).max() for part in parts)


# ---- simple forecasts --------------------------------------------------------------------------------------


def test_candidates_by_hand():
    """In the second window the trend is 1 a step and the season -1.5 and 1.5, so that 1.5, 2.5, 3.5, 4.5 are left.

    Of these the level is 56.5 / 15, on average 11 / 15 of a step old.
    """
    found = simple_forecasts(np.array([[1.0, 2, 3, 4, 5, 7, 9, 8]]), steps=5, seasons=(4,))
    assert found["last"].tolist() == [[8, 8, 8, 8, 8]]
    assert found["mean"].tolist() == [[3, 4.5, 6, 6, 3]]
    assert found["seasonal"].tolist() == [[5, 7, 9, 8, 5]]
    assert found["shifted"].tolist() == [[9, 11, 13, 12, 9]]
    assert found["grown"].tolist() == [[9.75, 11.75, 13.75, 12.75, 14.5]]
    short = simple_forecasts(np.array([[0.0, 4, 2, 6]]), steps=3, seasons=(2,))
    np.testing.assert_allclose(short["level"] - [[-1.5, 1.5, -1.5]], np.full((1, 3), 56.5 / 15), rtol=1e-6)
    np.testing.assert_allclose(short["trend"], [[4, 8, 6]], rtol=1e-6)
    np.testing.assert_allclose(short["damped"] - [[-1.5, 1.5, -1.5]], [[5.4, 6.21, 6.939]], rtol=1e-6)


def test_smoothed_level_and_local_trend_by_hand():
    """Shares are 4, 2 and 1 of 7, so the level of 1, 1, 8 is 5 and 4/7 of a step old; the local slope is 3.5."""
    found = simple_forecasts(np.array([[1.0, 1, 8]]), steps=2, seasons=(1,))
    np.testing.assert_allclose(found["level"], [[5, 5]], rtol=1e-6)
    np.testing.assert_allclose(found["trend"], [[5 + 3.5 * (4 / 7 + 1), 5 + 3.5 * (4 / 7 + 2)]], rtol=1e-6)
    np.testing.assert_allclose(found["damped"], [[5 + 3.5 * (4 / 7 + 0.9), 5 + 3.5 * (4 / 7 + 0.9 + 0.81)]], rtol=1e-6)


YEAR = np.array([3.0, -1, 4, 1, -5, 2])


@pytest.mark.parametrize(
    ("series", "exact"),
    [
        (lambda t: 7 + 0 * t, {"last", "mean", "seasonal", "shifted", "grown", "level", "damped", "trend"}),
        (lambda t: YEAR[t % 6], {"mean", "seasonal", "shifted", "grown", "level", "damped", "trend"}),
        (lambda t: 2 + 0.5 * t, {"grown", "trend"}),
        (lambda t: YEAR[t % 6] - 0.5 * t, {"grown", "trend"}),
        (lambda t: YEAR[t % 6] + 9 * (t >= 18), {"seasonal"}),
    ],
    ids=["constant", "season", "line", "season and line", "season and a jump"],
)
def test_candidates_are_exact_where_their_model_holds(series, exact):
    found = simple_forecasts(series(np.arange(24))[None].astype(float), 10, (6,))
    coming = series(np.arange(24, 34))
    assert {name for name, values in found.items() if np.allclose(values, coming, atol=1e-4)} == exact


@pytest.mark.parametrize(
    ("lookback", "seasons", "names"),
    [
        (3, (4,), ("last",)),
        (5, (1,), ("last", "mean", "level", "damped", "trend")),
        (4, (4,), ("last", "seasonal")),
        (9, (4,), ("last", "mean", "seasonal", "shifted", "grown", "level", "damped", "trend")),
    ],
)
def test_candidates_need_a_window_that_is_long_enough(lookback, seasons, names):
    assert simple_forecast_names(lookback, seasons) == names


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 15), st.floats(0.1, 9), st.floats(-50, 50))
def test_candidates_move_with_the_window(lookback, season, steps, scale, shift):
    window = np.random.default_rng(lookback).normal(size=(3, lookback))
    moved = simple_forecasts(window * scale + shift, steps, (season,))
    for name, forecast in simple_forecasts(window, steps, (season,)).items():
        np.testing.assert_allclose(moved[name], forecast * scale + shift, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seasons", [(6,), (1,), (4, 12)])
def test_candidates_agree_between_numpy_and_keras(seasons):
    from keras import ops

    window = np.random.default_rng(0).normal(size=(3, 27)).astype("float32")
    slow, fast = (
        simple_forecasts(window, 10, seasons),
        simple_forecasts(ops.convert_to_tensor(window), 10, seasons, ops),
    )
    assert list(slow) == list(fast)
    for name in slow:
        np.testing.assert_allclose(slow[name], ops.convert_to_numpy(fast[name]), atol=1e-5)
        assert fast[name].dtype == "float32"


def test_candidates_are_linear_in_the_window():
    """So each is a matrix, whose rows are the forecasts of windows with a single 1."""
    window = np.random.default_rng(0).normal(size=(5, 30)).cumsum(axis=1)
    kernels = simple_forecasts(np.eye(30), 9, (4, 12))
    for name, forecast in simple_forecasts(window, 9, (4, 12)).items():
        np.testing.assert_allclose(forecast, window @ kernels[name], atol=1e-5)
        np.testing.assert_allclose(kernels[name].sum(axis=0), 1, atol=1e-6)


# ---- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "table"),
    [("network", NETWORKS), ("loss", LOSSES), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)],
)
def test_every_choice_of_the_configuration_has_an_entry(setting, table):
    assert tuple(table) == tuple(choice for choice in FIELDS[setting].metadata["choices"] if choice != "auto")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_optimizers_and_schedules(optimizer, schedule):
    from forecaster.networks.optimizers import build_optimizer

    built = build_optimizer(Config.of(optimizer=optimizer, schedule=schedule, learning_rate=0.5), decay_steps=10)
    assert type(built).__name__ == OPTIMIZERS[optimizer]
    assert built.clipnorm == 1.0
    if schedule == "constant":
        assert float(built.learning_rate) == 0.5
    else:
        falling = [float(built._learning_rate(step)) for step in (0, 5, 10)]
        assert falling[0] == 0.5 > falling[1] > falling[2]
        assert falling[2] == pytest.approx(0.025 if schedule == "cosine" else 0.005)


# ---- recipes -----------------------------------------------------------------------------------------------


def layers_of(model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers if type(layer).__name__ not in ("InputLayer", "Reshape")]


def test_the_textbook_recipe_to_the_letter():
    model = build_network(Config.of("textbook"), Shapes(lookback=30, steps=1))
    assert layers_of(model) == ["LSTM", "Dropout", "Dense"]
    lstm, dropout, dense = (layer for layer in model.layers if type(layer).__name__ in ("LSTM", "Dropout", "Dense"))
    assert (lstm.units, lstm.activation.__name__, dropout.rate, dense.units) == (50, "relu", 0.2, 1)
    assert (type(model.optimizer).__name__, model.loss.name) == ("RMSprop", "mse")
    assert model.input_shape == (None, 30, 1)


def test_the_stacked_recipe_to_the_letter():
    model = build_network(Config.of("stacked"), Shapes(lookback=30, steps=7))
    assert layers_of(model) == ["LSTM", "LSTM", "Dense"]
    first, second = (layer for layer in model.layers if type(layer).__name__ == "LSTM")
    assert (first.units, first.return_sequences, second.units, second.return_sequences) == (128, True, 64, False)
    assert model.get_layer("head").units == 7


def test_the_default_is_a_stacked_lstm_with_dropout_and_dense_and_keeps_cudnn_possible():
    model = build_network(Config.of(segment=6), Shapes(lookback=24, steps=12, calendar=2, seasons=(12,)))
    found = layers_of(model)
    assert found.count("LSTM") == len(Config.of().units) == found.count("Dropout")
    assert type(model.get_layer("head")).__name__ == "Dense"
    assert (type(model.optimizer).__name__, model.loss.name) == ("RMSprop", "mse")
    for layer in model.layers:
        if type(layer).__name__ == "LSTM":
            kind = (layer.activation.__name__, layer.recurrent_activation.__name__, layer.use_bias)
            assert kind == ("tanh", "sigmoid", True)
            assert (layer.recurrent_dropout, layer.unroll) == (0, False)


# ---- shapes and weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["dense", "segments"])
@pytest.mark.parametrize(
    ("shapes", "segment"),
    [
        (SHAPES, None),
        (SHAPES, 7),
        (SHAPES, 100),
        (Shapes(5, 3), 2),
        (Shapes(7, 1, 2, seasons=(3,)), 1),
        (Shapes(3, 20, 1, seasons=(12,)), 2),
    ],
)
def test_any_segment_fits_any_lookback(head, shapes, segment):
    model = network(shapes, segment=segment, head=head)
    assert [i.name for i in model.inputs] == ["past", "future"][: 1 + bool(shapes.features)]
    forecast = model(inputs(shapes)).numpy()
    assert forecast.shape == (4, shapes.steps, 1)
    assert np.isfinite(forecast).all()


@pytest.mark.parametrize(
    "options", [{}, {"head": "segments", "bidirectional": True, "layer_norm": "batch", "units": (4, 3)}]
)
def test_weight_paths_are_unique_and_the_same_in_every_build(options):
    first, second = network(**options), network(**options)
    paths = [weight.path for weight in first.weights]
    assert len(set(paths)) == len(paths)
    assert paths == [weight.path for weight in second.weights]
    assert [w.shape for w in first.weights] == [w.shape for w in second.weights]


def test_weights_carried_to_a_rebuilt_network_give_the_same_forecast():
    first, second = network(layer_norm="layer"), network(layer_norm="layer", trained=False)
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first(inputs(SHAPES)), second(inputs(SHAPES)))


def test_the_oldest_steps_are_dropped_where_a_segment_does_not_divide_the_lookback():
    model = network(Shapes(10, 3), segment=4, window_norm="none", base="none")
    feeds = inputs(Shapes(10, 3))
    changed = {"past": feeds["past"].copy()}
    changed["past"][:, :2] += 9
    np.testing.assert_array_equal(model(feeds), model(changed))
    changed["past"][:, 2] += 9
    assert np.abs(model(feeds) - model(changed)).max() > 1e-4


def test_settings_reach_the_layers():
    model = network(
        units=(6, 3), bidirectional=True, activation="relu", dropout=0.3, recurrent_dropout=0.1, l1=0.01, l2=0.02
    )
    for number, units in enumerate((6, 3), 1):
        cell = model.get_layer(f"bidirectional_{number}").forward_layer
        assert (cell.units, cell.activation.__name__, cell.recurrent_dropout) == (units, "relu", 0.1)
        for penalty in (cell.cell.kernel_regularizer, cell.cell.recurrent_regularizer):
            assert [float(penalty.l1), float(penalty.l2)] == pytest.approx([0.01, 0.02])
        assert model.get_layer(f"dropout_{number}").rate == 0.3


@pytest.mark.parametrize(("setting", "kind"), [("batch", "BatchNormalization"), ("layer", "LayerNormalization")])
def test_layer_norm_follows_each_recurrent_layer(setting, kind):
    found = layers_of(network(units=(4, 3), layer_norm=setting))
    assert found.count(kind) == 2
    assert found.index(kind) == found.index("LSTM") + 1


# ---- what the network computes -----------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["dense", "segments"])
@pytest.mark.parametrize("window_norm", ["none", "last", "mean-std"])
@pytest.mark.parametrize("base", ["last", "seasonal", "mix"])
def test_before_training_the_network_forecasts_its_base(head, window_norm, base):
    feeds = inputs(SHAPES)
    model = network(trained=False, head=head, window_norm=window_norm, base=base)
    simple = simple_forecasts(feeds["past"][:, :, 0], SHAPES.steps, SHAPES.seasons)
    expected = sum(simple.values()) / len(simple) if base == "mix" else simple[base]
    np.testing.assert_allclose(model(feeds)[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("head", "window_norm", "base"),
    [
        ("dense", "last", "last"),
        ("segments", "mean-std", "seasonal"),
        ("dense", "none", "mix"),
        ("segments", "last", "mix"),
    ],
)
def test_a_window_is_forecast_alike_alone_and_in_a_batch_of_any_size(head, window_norm, base):
    feeds = inputs(SHAPES, batch=26)  # batches as long as the steps, the lookback, and neither
    model = network(head=head, window_norm=window_norm, base=base)
    alone = np.concatenate([model({name: value[[i]] for name, value in feeds.items()}) for i in (0, 8)])
    for size in (9, 12, 26):
        together = model({name: value[:size] for name, value in feeds.items()}).numpy()
        np.testing.assert_allclose(together[[0, 8]], alone, atol=1e-5)


def test_the_mix_starts_from_the_weights_given():
    feeds, start = inputs(SHAPES), np.array([0, 0, 0.25, 0.75, 0, 0, 0, 0], "float32")
    model = build_network(Config.of(units=(3,), base="mix"), SHAPES, Start(start))
    simple = simple_forecasts(feeds["past"][:, :, 0], SHAPES.steps, SHAPES.seasons)
    expected = 0.25 * simple["seasonal"] + 0.75 * simple["shifted"]
    np.testing.assert_allclose(model(feeds)[..., 0], expected, atol=0.02)


@pytest.mark.parametrize(("window_norm", "scale"), [("last", 1), ("mean-std", 30)])
@pytest.mark.parametrize("base", ["none", "mix"])
def test_a_normalised_network_moves_with_the_window(window_norm, scale, base):
    feeds = inputs(SHAPES)
    moved = {**feeds, "past": feeds["past"].copy()}
    moved["past"][:, :, 0] = moved["past"][:, :, 0] * scale + 7
    model = network(window_norm=window_norm, base=base)
    np.testing.assert_allclose(model(moved), model(feeds).numpy() * scale + 7, atol=0.01 * scale)


@pytest.mark.parametrize("window_norm", ["none", "last", "mean-std"])
def test_constant_windows_give_finite_forecasts_and_gradients(window_norm):
    feeds = inputs(SHAPES)
    feeds["past"][:, :, 0] = 3
    model = network(window_norm=window_norm)
    assert np.isfinite(model(feeds)).all()
    model.train_on_batch(feeds, np.full((4, SHAPES.steps, 1), 3.0))
    assert np.isfinite(model(feeds)).all()


@pytest.mark.parametrize("head", ["dense", "segments"])
@pytest.mark.parametrize("step", [0, 4, 8])
def test_future_features_reach_the_forecast(head, step):
    feeds = inputs(SHAPES)
    changed = {**feeds, "future": feeds["future"].copy()}
    changed["future"][:, step] += 1
    model = network(head=head)
    difference = np.abs(model(changed) - model(feeds))[..., 0].max(axis=0)
    assert difference[step] > 1e-4
    if head == "segments":
        own = np.arange(SHAPES.steps) // 4 == step // 4
        assert (difference[~own] == 0).all()


def test_without_dropout_training_learns_a_sine():
    import keras

    keras.utils.set_random_seed(0)
    wave = np.sin(np.arange(400) * 2 * np.pi / 12).astype("float32")
    starts = np.arange(300)[:, None]
    past, target = wave[starts + np.arange(12)][..., None], wave[starts + np.arange(12, 18)][..., None]
    config = Config.of(units=(16,), segment=1, base="none", window_norm="none", learning_rate=0.01, dropout=0.0)
    model = build_network(config, Shapes(12, 6))
    model.fit(past, target, epochs=30, batch_size=32, verbose=0)
    assert model.evaluate(past, target, verbose=0) < 0.1 * target.var()


def test_sample_weights_mask_single_steps():
    model, feeds = network(), inputs(SHAPES)
    target, weight = model(feeds).numpy(), np.ones((4, SHAPES.steps), "float32")
    target[:, 3], weight[:, 3] = 1e6, 0
    assert model.evaluate(feeds, target, sample_weight=weight, verbose=0) == pytest.approx(0, abs=1e-8)


def test_the_same_seed_gives_the_same_network():
    import keras

    def trained() -> np.ndarray:
        keras.utils.set_random_seed(5)
        model, feeds = network(trained=False), inputs(SHAPES)
        model.train_on_batch(feeds, np.ones((4, SHAPES.steps, 1)))
        return model(feeds).numpy()

    np.testing.assert_array_equal(trained(), trained())


def test_a_seasonal_base_needs_a_season_of_lookback():
    with pytest.raises(
        SettingError, match="base 'seasonal' needs a lookback of a season or more: lookback 26, season 52"
    ):
        network(Shapes(26, 9, seasons=(52,)), base="seasonal")


# ---- export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_exports_to_onnx_with_a_head_of_segments(cell):
    """With the other head: tests/networks/test_families.py."""
    shapes = Shapes(lookback=8, steps=5, calendar=1, seasons=(3,))
    model = network(shapes, network=cell, head="segments")
    assert onnx_difference(model, inputs(shapes)) < 1e-5


@pytest.mark.parametrize(
    ("base", "window_norm"), [("none", "none"), ("last", "last"), ("seasonal", "mean-std"), ("mix", "mean-std")]
)
def test_every_base_and_window_norm_exports_to_onnx(base, window_norm):
    model = network(base=base, window_norm=window_norm)
    assert onnx_difference(model, inputs(SHAPES)) < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": True, "head": "segments", "layer_norm": "batch"},
        {"activation": "relu", "segment": 1, "layer_norm": "layer", "recurrent_dropout": 0.2},
    ],
)
def test_other_settings_export_to_onnx(options):
    model = network(**options)
    assert onnx_difference(model, inputs(SHAPES)) < 1e-5


def test_an_lstm_becomes_native_onnx_nodes():
    import onnx

    model = network(units=(5, 4))
    model(inputs(SHAPES))
    graph = onnx.load_from_string(export_onnx(model)).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("LSTM") == 2
    assert "Loop" not in kinds
    assert [value.name for value in graph.output] == ["forecast"]
    sizes = [value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.input, *graph.output)]
    assert sizes == ["windows"] * 3
