"""Every network of the table, through one set of tests; and what is peculiar to those that are not recurrent."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import inputs
from scipy.optimize import minimize

from forecaster.config import FAMILIES, FIELDS, Config
from forecaster.engines.keras import KerasEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.families import NETWORKS
from forecaster.families.nbeats import interpolation
from forecaster.families.shapes import Read, Shapes
from forecaster.families.tcn import widths
from forecaster.networks.assembly import assemble_network
from forecaster.networks.factory import build_network, unread_settings
from forecaster.networks.initial.simple_forecasts import simple_forecasts

pytestmark = pytest.mark.tensorflow

FULL = Shapes(
    lookback=14,
    steps=5,
    calendar=2,
    known=1,
    past=2,
    static=2,
    categories=(3,),
    seasons=(4,),
    indicator=True,
    outputs=2,
)
#: What FULL is built with: two outputs, windows whose two oldest steps are in no whole segment.
OPTIONS = {"units": (6,), "segment": 4, "dropout": 0.0, "loss": "gaussian", "window_norm": "mean-std"}
LINEAR = ("dlinear", "nlinear")


@pytest.fixture(autouse=True)
def seeded():
    import keras

    keras.utils.set_random_seed(0)


def built(name: str, shapes: Shapes = FULL, **options: Any):
    return build_network(Config.of(network=name, **{**OPTIONS, **options}), shapes)


def make_others(model) -> None:
    """Make weights that start from zero others."""
    rng = np.random.default_rng(2)
    for weight in model.trainable_weights:
        if weight.path.endswith("kernel") and not np.any(weight):
            weight.assign(rng.normal(size=weight.shape) * 0.3)


@cache
def moved(name: str):
    """A network of all kinds of input none of whose kernels is zero."""
    model = built(name)
    make_others(model)
    return model


@cache
def engine(name: str) -> KerasEngine:
    """What runs :func:`moved`, traced once."""
    return KerasEngine(moved(name))


def forecast(model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return model(feeds).numpy()


def weights_of(model) -> dict[str, np.ndarray]:
    return {weight.path: np.asarray(weight) for weight in model.weights}


# ---- contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (Shapes(5, 1), {"segment": 2, "loss": "mse", "window_norm": "last", "base": "mix", "dropout": 0.1}),
        (
            Shapes(3, 30, calendar=1, past=1, static=2, seasons=(3,), indicator=True, outputs=2),
            {"segment": 9, "units": (5, 3), "window_norm": "none", "layer_norm": "batch"},
        ),
    ],
)
def test_any_shape_fits_and_training_starts_from_the_base(name, shapes, options):
    feeds = inputs(shapes)
    found = forecast(built(name, shapes, **options), feeds)
    assert found.shape == (6, shapes.steps, shapes.outputs)
    simple = simple_forecasts(feeds["past"][:, :, 0], shapes.steps, shapes.seasons).values()
    np.testing.assert_allclose(found[..., 0], sum(simple) / len(simple), atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_weight(name):
    """But those of the effect, which belong to the frame, and have no gradient while it adds nothing."""
    import tensorflow as tf

    model = moved(name)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs(FULL), training=True) ** 2)
    weights = [weight for weight in model.trainable_variables if not weight.path.startswith("effect/")]
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 1e-6, weight.path


def test_masked_targets_carry_no_gradient():
    """The loss is that of every family, and is looked at from the forecast on."""
    import tensorflow as tf

    model = moved("lstm")
    observed = np.ones((6, FULL.steps), "float32")
    observed[:3, 1:] = 0
    target = np.zeros((6, FULL.steps, 1), "float32")
    found = tf.constant(forecast(model, inputs(FULL)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(found)
        loss = model.loss(target, found, sample_weight=observed)
        other = model.loss(target + 1e3 * (1 - observed[:, :, None]), found, sample_weight=observed)
    gradients = tape.gradient(loss, found).numpy()
    np.testing.assert_array_equal(gradients, tape.gradient(other, found).numpy())
    assert (gradients[:3, 1:] == 0).all()
    assert (gradients[3:] != 0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rebuilt_network_takes_the_weights_by_their_paths(name):
    import keras

    first, feeds = moved(name), inputs(FULL)
    keras.utils.set_random_seed(99)
    second = built(name)
    paths, expected = [weight.path for weight in first.weights], forecast(first, feeds)
    assert len(set(paths)) == len(paths)
    assert [(w.path, w.shape) for w in second.weights] == [(w.path, w.shape) for w in first.weights]
    assert np.abs(expected - forecast(second, feeds)).max() > 1e-3
    kept = weights_of(first)
    for weight in second.weights:
        weight.assign(kept[weight.path])
    np.testing.assert_array_equal(expected, forecast(second, feeds))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_window_is_forecast_alike_alone_and_in_a_batch_of_any_size(name):
    feeds, run = inputs(FULL, 14), engine(name).run
    alone = np.concatenate([run({k: v[[i]] for k, v in feeds.items()}) for i in (0, 2)])
    for size in (3, 4, 5, 6, 14):  # segments, channels of them, steps, units, lookback
        together = run({k: v[:size] for k, v in feeds.items()})
        np.testing.assert_allclose(together[[0, 2]], alone, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_export_equals_keras(name):
    """What is about the family is exported; bases and normalisations of the window are in
    tests/networks/test_networks.py."""
    from forecaster.networks.onnx_export import export_onnx

    model, feeds = built(name, base="last", window_norm="last"), inputs(FULL)
    make_others(model)
    expected = forecast(model, feeds)
    exported = OnnxEngine(export_onnx(model))
    for size in (1, 6):
        found = exported.run({kind: array[:size] for kind, array in feeds.items()})
        np.testing.assert_allclose(found, expected[:size], atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_that_a_network_reads_reaches_the_forecast(name):
    """Of the past the oldest whole segment; of the future the last step."""
    feeds, run = inputs(FULL), engine(name).run
    feeds["past"][:, :, -1], feeds["categories"][:] = 1, 1
    covariate, expected = 1 + FULL.features, run(feeds)
    for what, where, value in (
        ("past", (slice(None), 2, covariate), 3),
        ("past", (slice(None), -2, -1), 0),
        ("future", (slice(None), -1, 0), 3),
        ("static", (slice(None), 1), 3),
        ("categories", (slice(None), 0), 2),
    ):
        changed = {**feeds, what: feeds[what].copy()}
        changed[what][where] = value
        difference = np.abs(run(changed) - expected).max()
        if name in LINEAR and what == "past" and where[2] == covariate:
            assert difference == 0
        else:
            assert difference > 1e-6, (what, where)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_tiny_series_is_learned(name):
    """By a minimiser from outside, from the gradient of the network's own loss."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(160) * np.pi / 6) + 0.02 * rng.normal(size=160)
    starts = np.arange(124)[:, None]
    past, target = (wave[starts + np.arange(*span)][..., None].astype("float32") for span in ((0, 24), (24, 30)))
    options = {"units": (16,), "segment": 6, "dropout": 0.0, "base": "none", "window_norm": "none", "loss": "mse"}
    model = built(name, Shapes(24, 6), **options)
    weights = [weight.value for weight in model.trainable_weights]
    places = np.cumsum([np.size(weight) for weight in weights])[:-1]

    @tf.function(autograph=False)
    def slope() -> Any:
        with tf.GradientTape() as tape:
            loss = model.loss(target, model({"past": past}, training=True))
        return loss, tape.gradient(loss, weights)

    def at(point: np.ndarray) -> tuple[float, np.ndarray]:
        for weight, part in zip(weights, np.split(point, places), strict=True):
            weight.assign(part.reshape(weight.shape))
        loss, gradients = slope()
        return float(loss), np.concatenate([np.ravel(gradient) for gradient in gradients]).astype(float)

    start = np.concatenate([np.ravel(weight) for weight in weights])
    found = minimize(at, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    at(found.x)
    assert np.mean((forecast(model, {"past": past}) - target) ** 2) < 0.02 * target.var()


# ---- settings --------------------------------------------------------------------------------------------------

#: Settings of the network that the frame reads, or that say which networks to build.
OF_THE_FRAME = {"start", "network", "window_norm", "base", "calendar", "output_steps", "members", "lookbacks"}


class Recorded:
    """A configuration that writes down which settings are read; those that a family fixes are not settings to it."""

    def __init__(self, config: Config, read: set[str], fixed: frozenset[str] = frozenset()) -> None:
        self.config, self.read, self.fixed = config, read, fixed

    def __getattr__(self, name: str) -> Any:
        if name not in self.fixed:
            self.read.add(name)
        return getattr(self.config, name)

    def replace(self, **settings: Any) -> Recorded:
        return Recorded(self.config.replace(**settings), self.read, self.fixed | set(settings))


@pytest.mark.parametrize("name", NETWORKS)
def test_settings_that_are_not_read_are_listed(name):
    read: set[str] = set()
    config = Recorded(Config.of(network=name, segment=4), read)
    family = NETWORKS[name]

    def core(_, shapes: Shapes, given: Read) -> Any:
        return family.core(family.applied(config), shapes, given)

    assemble_network(core, config.config, Shapes(8, 4))
    settings = {key for key, field in FIELDS.items() if field.metadata["group"] == "network"} - OF_THE_FRAME
    assert settings - read == set(family.unread)


def test_settings_that_are_not_read_are_named_where_they_were_changed():
    assert unread_settings(Config.of(network="nhits", segment=12, bidirectional=True, dropout=0.5)) == (
        "bidirectional",
        "segment",
    )
    assert unread_settings(Config.of(network="lstm", segment=12, bidirectional=True)) == ()


def test_networks_are_described_in_one_line_each():
    assert all(10 < len(line) < 70 for line in FAMILIES.values())
    assert all("no past covariates, no masks" in FAMILIES[name] for name in LINEAR)


# ---- what they compute -----------------------------------------------------------------------------------------


def test_knots_are_joined_by_straight_lines():
    for knots, steps in ((1, 4), (2, 5), (3, 3), (4, 9)):
        values = np.random.default_rng(knots).normal(size=knots)
        expected = np.interp(np.linspace(0, knots - 1, steps), np.arange(knots), values)
        np.testing.assert_allclose(interpolation(knots, steps) @ values, expected, atol=1e-6)
    np.testing.assert_allclose(interpolation(2, 5) @ [0, 8], [0, 2, 4, 6, 8])


@pytest.mark.parametrize(
    ("name", "pools", "every"), [("nbeats", (1,) * 4, (1,) * 4), ("nhits", (8, 4, 1), (24, 12, 1))]
)
def test_blocks_read_what_those_before_them_left_over(name, pools, every):
    """Against a slow loop over blocks."""
    shapes = Shapes(30, 26)
    model = built(name, shapes, units=(4, 3), base="none", window_norm="none", loss="mse")
    weights, feeds = weights_of(model), inputs(shapes, 2)

    def layer(x: np.ndarray, path: str) -> np.ndarray:
        return x @ weights[f"{path}/kernel"] + weights[f"{path}/bias"]

    def joined(knots: np.ndarray, steps: int) -> np.ndarray:
        return np.interp(np.linspace(0, len(knots) - 1, steps), np.arange(len(knots)), knots)

    for window, found in zip(feeds["past"][:, :, 0], forecast(model, feeds)[..., 0], strict=True):
        left, total = window, 0
        for number, (pool, step) in enumerate(zip(pools, every, strict=True), 1):
            absent = -len(left) % pool
            padded = np.concatenate([np.full(absent // 2, -np.inf), left, np.full(absent - absent // 2, -np.inf)])
            x = padded.reshape(-1, pool).max(axis=1)
            for hidden in (1, 2):
                x = np.maximum(0, layer(x, f"hidden_{number}_{hidden}"))
            forecast_knots = layer(x, f"head_{number}")
            assert len(forecast_knots) == -(-26 // step)
            total = total + joined(forecast_knots, 26)
            if number < len(pools):
                left = left - joined(layer(x, f"backcast_{number}"), 30)
        np.testing.assert_allclose(found, total, atol=1e-5)


def test_dlinear_is_linear_in_a_moving_mean_and_the_rest():
    shapes = Shapes(40, 3)
    model = built("dlinear", shapes, base="none", window_norm="none", loss="mse")
    weights, feeds = weights_of(model), inputs(shapes, 2)
    for window, found in zip(feeds["past"][:, :, 0], forecast(model, feeds)[..., 0], strict=True):
        trend = [np.mean([window[min(max(j, 0), 39)] for j in range(i - 12, i + 13)]) for i in range(40)]
        expected = np.concatenate([trend, window - trend]) @ weights["head/kernel"] + weights["head/bias"]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_nlinear_moves_with_the_window_without_a_base():
    shapes = Shapes(9, 4)
    model, feeds = built("nlinear", shapes, base="none", window_norm="none", loss="mse"), inputs(shapes)
    raised = {"past": feeds["past"] + 7}
    np.testing.assert_allclose(forecast(model, raised), forecast(model, feeds) + 7, atol=1e-4)


def test_a_tcn_is_causal_residual_and_dilated():
    """Against a slow loop over blocks, steps and taps."""
    shapes = Shapes(13, 2)
    model = built("tcn", shapes, units=(3,), segment=1, base="none", window_norm="none", loss="mse")
    weights, feeds = weights_of(model), inputs(shapes, 2)
    assert sum(path.startswith("filters") and path.endswith("kernel") for path in weights) == 2 * 2

    def convolved(x: np.ndarray, path: str, reach: int) -> np.ndarray:
        kernel, rows = weights[f"{path}/kernel"], []
        for step in range(len(x)):
            taps = [step - reach * (len(kernel) - 1 - tap) for tap in range(len(kernel))]
            rows.append(sum(x[place] @ kernel[tap] for tap, place in enumerate(taps) if place >= 0))
        return np.maximum(0, np.array(rows) + weights[f"{path}/bias"])

    for window, found in zip(feeds["past"], forecast(model, feeds)[..., 0], strict=True):
        x = window
        for number in (0, 1):
            y = convolved(convolved(x, f"filters_{number}_0", 2**number), f"filters_{number}_1", 2**number)
            wider = x @ weights["widened_0/kernel"] + weights["widened_0/bias"] if number == 0 else x
            x = np.maximum(0, wider + y)
        np.testing.assert_allclose(found, x[-1] @ weights["head/kernel"] + weights["head/bias"], atol=1e-5)


@pytest.mark.parametrize(("units", "count", "expected"), [((8,), 5, (8,)), ((8,), 6, (8, 8)), ((4, 8), 14, (4, 8, 8))])
def test_a_tcn_has_blocks_enough_to_see_the_whole_window(units, count, expected):
    assert widths(units, count) == expected


def test_attention_pools_the_outputs_of_all_segments():
    """Against a slow loop over segments, from the outputs of the LSTM."""
    import keras

    shapes = Shapes(12, 2)
    model = built("attention-lstm", shapes, units=(3,), base="none", window_norm="none", loss="mse")
    weights, feeds = weights_of(model), inputs(shapes, 2)
    lstm = keras.Model(model.inputs, model.get_layer("recurrent_1").output)
    for outputs, found in zip(lstm(feeds).numpy(), forecast(model, feeds)[..., 0], strict=True):
        query = outputs[-1] @ weights["query/kernel"] + weights["query/bias"]
        scores = [np.tanh(query + h @ weights["keys/kernel"]) @ weights["scores/kernel"][:, 0] for h in outputs]
        shares = np.exp(scores) / np.exp(scores).sum()
        pooled = sum(share * h for share, h in zip(shares, outputs, strict=True))
        expected = np.concatenate([pooled, outputs[-1]]) @ weights["head/kernel"] + weights["head/bias"]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_decoder_looks_back_at_every_segment():
    """Against a slow loop over output segments, from the outputs of encoder and decoder."""
    import keras

    shapes = Shapes(12, 8)
    model = built("encoder-decoder", shapes, units=(3,), base="none", window_norm="none", loss="mse")
    weights, feeds = weights_of(model), inputs(shapes, 2)
    parts = keras.Model(model.inputs, [model.get_layer("recurrent_1").output[0], model.get_layer("decoder").output])
    for encoded, decoded, found in zip(*(x.numpy() for x in parts(feeds)), forecast(model, feeds)[..., 0], strict=True):
        expected = []
        for state in decoded:
            scores = encoded @ (state @ weights["queries/kernel"])
            seen = np.exp(scores) / np.exp(scores).sum() @ encoded
            attentional = np.tanh(np.concatenate([seen, state]) @ weights["attentional/kernel"])
            expected.extend(attentional @ weights["head/kernel"] + weights["head/bias"])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(decoded[0] - decoded[1]).max() > 1e-3


def test_filters_are_pooled_inside_each_segment():
    """The largest of each two steps of a segment of three; a segment does not see what comes after it."""
    import keras

    shapes = Shapes(6, 2)
    model = built("cnn-lstm", shapes, segment=3, window_norm="none", loss="mse")
    parts = keras.Model(model.inputs, [model.get_layer(n).output for n in ("filters", "pooled_segments")])
    filters, pooled = (x.numpy() for x in parts(inputs(shapes)))
    for segment in (0, 1):
        own = filters[:, 3 * segment : 3 * segment + 3]
        expected = np.concatenate([own[:, :2].max(axis=1), own[:, 2]], axis=1)
        np.testing.assert_array_equal(pooled[:, segment], expected)
    changed = inputs(shapes)
    changed["past"][:, 3:] += 1
    np.testing.assert_array_equal(parts(changed)[1][:, 0], pooled[:, 0])


def test_a_later_step_of_the_future_moves_no_other_output_segment_before_it():
    shapes = Shapes(12, 8, calendar=1)
    model, feeds = built("encoder-decoder", shapes, base="none", loss="mse"), inputs(shapes)
    changed = {**feeds, "future": feeds["future"].copy()}
    changed["future"][:, 5] += 1
    difference = np.abs(forecast(model, changed) - forecast(model, feeds)).max(axis=(0, 2))
    assert (difference[:4] == 0).all() and (difference[4:] > 1e-5).all()
