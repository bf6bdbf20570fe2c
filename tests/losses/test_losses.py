"""Losses against scipy's distributions and slow loops; what the outputs of a network mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from forecaster.config import FIELDS, Config
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.errors import DataError
from forecaster.losses import LOSSES, relative_gain
from forecaster.losses.card import LEAST_SPREAD, log_gamma
from forecaster.losses.quantile import QUANTILES
from forecaster.losses.student_t import LEAST_FREEDOM
from forecaster.networks.keras import start_keras
from forecaster.networks.outputs import (
    finish_outputs,
    outputs_of,
    quantile_spreads,
    refuse_unlike_counts,
    window_norm_of,
)

start_keras()

RNG = np.random.default_rng(0)
BATCH, STEPS = 5, 3


def outputs_like(loss: str, size: float = 1.0) -> np.ndarray:
    """Return outputs that a network of a loss may give, ``(batch, steps, outputs)``."""
    rng = np.random.default_rng(1)
    point = size * (rng.random((BATCH, STEPS, 1)) * 9 + 0.5)
    rest = rng.random((BATCH, STEPS, outputs_of(Config.of(loss=loss)) - 1)) + 0.1
    if loss == "student-t":
        rest[:, :, 1:] = LEAST_FREEDOM + 40 * rest[:, :, 1:]
    return np.concatenate([point, rest], axis=2).astype(np.float32)


def of_pinball(y: float, row: np.ndarray) -> float:
    half = len(QUANTILES) // 2
    up, down = row[0] + np.cumsum(row[1 : 1 + half]), row[0] - np.cumsum(row[1 + half :])
    found = [*down[::-1], row[0], *up]
    return float(np.mean([2 * max(q * (y - f), (q - 1) * (y - f)) for q, f in zip(QUANTILES, found, strict=True)]))


def of_counts(y: float, row: np.ndarray) -> float:
    mean, shape = map(float, row)
    return -float(stats.nbinom.logpmf(round(y), 1 / shape, 1 / (1 + shape * mean)))


#: A slow way to the loss of one step: the target and its outputs.
ORACLES = {
    "mse": lambda y, row: (y - row[0]) ** 2,
    "mae": lambda y, row: abs(y - row[0]),
    "huber": lambda y, row: 0.5 * (y - row[0]) ** 2 if abs(y - row[0]) <= 1 else abs(y - row[0]) - 0.5,
    "log_cosh": lambda y, row: np.log(np.cosh(y - row[0])),
    "quantile": of_pinball,
    "gaussian": lambda y, row: -stats.norm.logpdf(y, row[0], row[1]),
    "student-t": lambda y, row: -stats.t.logpdf(y, row[2], row[0], row[1]),
    "negative-binomial": of_counts,
}


def test_the_table_is_the_choices_of_the_setting():
    assert tuple(LOSSES) == FIELDS["loss"].metadata["choices"] == tuple(ORACLES)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_the_mean_of_its_slow_oracle(loss):
    target, outputs = np.round(RNG.gamma(2, 3, (BATCH, STEPS, 1))), outputs_like(loss)
    expected = np.mean([[ORACLES[loss](target[b, s, 0], outputs[b, s]) for s in range(STEPS)] for b in range(BATCH)])
    assert float(LOSSES[loss].build()(target, outputs)) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_zero_carries_nothing(loss):
    target, outputs, weights = np.ones((BATCH, STEPS, 1)), outputs_like(loss), np.ones((BATCH, STEPS))
    weights[1:, 2] = 0
    other = target.copy()
    other[1:, 2] = 1e9
    first, second = (float(LOSSES[loss].build()(y, outputs, sample_weight=weights)) for y in (target, other))
    assert first == second


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [0.0, 1e-30, 1e6, 1e12])
def test_loss_and_gradient_are_finite_far_away(loss, target):
    import tensorflow as tf

    outputs = outputs_like(loss)
    outputs[:, :, 0], outputs[0, :, 1:2] = [0.0, 1e-20, 1e4], LEAST_SPREAD
    with tf.GradientTape() as tape:
        given = tf.Variable(outputs)
        value = LOSSES[loss].build()(np.full((BATCH, STEPS, 1), target, np.float32), given)
    assert np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, given).numpy()).all()


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "negative-binomial"])
def test_a_series_of_another_size_counts_alike_once_it_is_scaled(loss):
    """The scaler divides a series by its deviation, so a thousand times the series is the same series to a loss."""
    series = RNG.normal(size=(BATCH, STEPS, 1))
    scaled = [(x - x.mean()) / x.std() for x in (series, 1000 * series)]
    assert float(LOSSES[loss].build()(scaled[0], outputs_like(loss))) == pytest.approx(
        float(LOSSES[loss].build()(scaled[1], outputs_like(loss))), rel=1e-5
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_gamma_is_that_of_scipy(dtype):
    x = np.geomspace(0.05, 1e6 if dtype == "float64" else 60, 400).astype(dtype)
    found = np.asarray(log_gamma(x))
    np.testing.assert_allclose(
        found, special.gammaln(x.astype(np.float64)), rtol=2e-6, atol=3e-5 if dtype == "float32" else 1e-9
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_gain_is_the_share_by_which_errors_shrank(loss):
    """Half the errors and half the deviations: a gain of a half, whatever the loss measures."""
    if LOSSES[loss].is_likelihood:
        assert relative_gain(loss, -1.0, -1.0 + np.log(0.5)) == pytest.approx(0.5)
        assert relative_gain(loss, -5.0, 900.0) < -1e300
    else:
        assert relative_gain(loss, 4.0, 2.0) == 0.5
        assert relative_gain(loss, 0.0, 0.0) == 0.0
    assert relative_gain(loss, 1.5, 1.5) == 0.0


class TestFinish:
    @pytest.mark.parametrize("loss", [name for name in LOSSES if name != "negative-binomial"])
    @pytest.mark.parametrize("base", [None, "each", "last"])
    def test_the_point_is_put_back_where_the_window_was(self, loss, base):
        config = Config.of(loss=loss)
        raw = RNG.normal(size=(BATCH, STEPS, outputs_of(config))).astype(np.float32)
        bases = {None: None, "each": RNG.normal(size=(BATCH, STEPS, 1)), "last": RNG.normal(size=(BATCH, 1, 1))}[base]
        level, deviation = RNG.normal(size=(BATCH, 1, 1)), RNG.random((BATCH, 1, 1)) + 0.5
        found = np.asarray(finish_outputs(config, raw, bases, level, deviation))
        assert found.shape == raw.shape
        point = raw[:, :, :1] + (0 if bases is None else bases)
        np.testing.assert_allclose(found[:, :, :1], level + point * deviation, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            np.asarray(finish_outputs(config, raw, bases, None, None))[:, :, :1], point, rtol=1e-5, atol=1e-6
        )

    @pytest.mark.parametrize("loss", ["quantile", "gaussian", "student-t"])
    def test_spreads_are_those_of_the_window_and_positive(self, loss):
        config = Config.of(loss=loss)
        raw = np.random.default_rng(2).normal(0, 30, size=(BATCH, STEPS, outputs_of(config))).astype(np.float32)
        one, ten = (
            np.asarray(finish_outputs(config, raw, None, None, np.full((BATCH, 1, 1), d, np.float32))) for d in (1, 10)
        )
        spread = slice(1, 2 if loss != "quantile" else None)
        assert (one[:, :, spread] >= LEAST_SPREAD * 0.999).all()
        np.testing.assert_allclose(
            ten[:, :, spread] - LEAST_SPREAD, 10 * (one[:, :, spread] - LEAST_SPREAD), rtol=1e-3, atol=1e-6
        )
        if loss == "student-t":
            assert (one[:, :, 2] >= LEAST_FREEDOM).all() and (one[:, :, 2] <= 100.001).all()

    def test_quantiles_never_cross(self):
        config = Config.of(loss="quantile")
        raw = np.random.default_rng(3).normal(0, 50, size=(200, STEPS, len(QUANTILES))).astype(np.float32)
        row = np.asarray(finish_outputs(config, raw, None, None, None))
        up, down = row[:, :, :1] + np.cumsum(row[:, :, 1:4], 2), row[:, :, :1] - np.cumsum(row[:, :, 4:], 2)
        found = np.concatenate([down[:, :, ::-1], row[:, :, :1], up], axis=2)
        assert (np.diff(found, axis=2) >= 0).all()

    def test_counts_are_positive_and_scale_with_the_mean_of_their_window(self):
        config = Config.of(loss="negative-binomial")
        assert window_norm_of(config) == "mean" and window_norm_of(Config.of()) == "last"
        raw = np.array([[[0.5, 0.0]], [[-30.0, 0.0]], [[2.0, 0.0]]], np.float32)
        deviation = np.array([4.0, 4.0, 100.0], np.float32)[:, None, None]
        found = np.asarray(finish_outputs(config, raw, None, np.zeros((3, 1, 1)), deviation))
        assert (found > 0).all()
        np.testing.assert_allclose(found[[0, 2], 0, 0], [2, 200], rtol=1e-6)
        assert found[1, 0, 0] < 0.1
        np.testing.assert_allclose(found[0, 0, 1] / found[2, 0, 1], 5, rtol=1e-5)

    def test_a_batch_as_long_as_its_steps_is_not_mixed_up(self):
        """Keras takes a second summand ``(n, 1, 1)`` for a bias over n steps."""
        raw, level = np.zeros((STEPS, STEPS, 1), np.float32), np.arange(STEPS, dtype=np.float32)[:, None, None]
        found = np.asarray(finish_outputs(Config.of(), raw, level, level, np.ones((STEPS, 1, 1), np.float32)))
        np.testing.assert_array_equal(found[:, :, 0], 2 * np.repeat(level[:, 0], STEPS, axis=1))


class TestSpreads:
    @pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh"])
    def test_a_point_forecast_says_nothing(self, loss):
        assert (quantile_spreads(Config.of(loss=loss), outputs_like(loss)) == np.ones((BATCH, STEPS, 2))).all()

    @pytest.mark.parametrize(
        ("loss", "quantiles"),
        [
            ("gaussian", lambda row: stats.norm.ppf([0.1, 0.9], row[0], row[1])),
            ("student-t", lambda row: stats.t.ppf([0.1, 0.9], row[2], row[0], row[1])),
            ("quantile", lambda row: np.array([row[0] - row[4] - row[5], row[0] + row[1] + row[2]])),
        ],
    )
    def test_they_reach_to_the_quantiles_of_the_distribution(self, loss, quantiles):
        outputs = outputs_like(loss)
        found = quantile_spreads(Config.of(loss=loss), outputs)
        for b in range(BATCH):
            for s in range(STEPS):
                low, high = quantiles(outputs[b, s].astype(float))
                np.testing.assert_allclose(found[b, s], [outputs[b, s, 0] - low, high - outputs[b, s, 0]], rtol=1e-4)

    def test_of_many_counts_they_reach_to_their_quantiles(self):
        outputs = np.array([[[400.0, 0.2], [3000.0, 0.01], [50.0, 1e-3]]])
        found = quantile_spreads(Config.of(loss="negative-binomial"), outputs)[0]
        for (mean, shape), (below, above) in zip(outputs[0], found, strict=True):
            low, high = stats.nbinom.ppf([0.1, 0.9], 1 / shape, 1 / (1 + shape * mean))
            np.testing.assert_allclose([mean - below, mean + above], [low, high], rtol=0.02)

    def test_one_output_more_is_a_deviation_whose_variance_is_added(self):
        outputs = outputs_like("gaussian")
        more = np.concatenate([outputs, np.full((BATCH, STEPS, 1), 3.0)], axis=2)
        found = quantile_spreads(Config.of(loss="gaussian"), more)
        expected = stats.norm.ppf(0.9) * np.sqrt(outputs[:, :, 1].astype(float) ** 2 + 9)
        np.testing.assert_allclose(found, np.repeat(expected[:, :, None], 2, axis=2), rtol=1e-6)
        alone = quantile_spreads(Config.of(), np.concatenate([outputs[:, :, :1], more[:, :, 2:]], axis=2))
        np.testing.assert_allclose(alone, stats.norm.ppf(0.9) * 3, rtol=1e-6)


def counts(values: list[float]) -> Panel:
    times = np.arange(len(values))
    return Panel(
        values=np.array(values),
        observed=np.ones(len(values), bool),
        times=times,
        offsets=np.array([0, len(values)]),
        ids=("",),
        freq="row",
        roles=Roles(time="t", target="sold"),
    )


class TestCounts:
    def test_what_is_no_count_is_refused(self):
        config = Config.of(loss="negative-binomial")
        refuse_unlike_counts(config, counts([0, 3, 7]))
        with pytest.raises(DataError, match="2 values of 'sold' are negative or not whole, the first -1") as caught:
            refuse_unlike_counts(config, counts([0, -1, 2.5]))
        assert caught.value.hint == 'use loss="gaussian" or loss="student-t"'
        refuse_unlike_counts(Config.of(), counts([0, -1, 2.5]))

    def test_a_placeholder_need_not_be_one(self):
        panel = counts([0, 1.5, 2])
        refuse_unlike_counts(
            Config.of(loss="negative-binomial"), replace(panel, observed=np.array([True, False, True]))
        )
