"""A fit that starts from the pretrained network: fine-tuned where that helps, and averaged with the trained one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.artifact.model import PretrainedPart
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import ModelError
from forecaster.features.windows import Windows
from forecaster.fitting.pretrained_part import find_share
from forecaster.pretrained.forecast import forecast_pretrained
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.stored import pretrained_bytes

pytestmark = pytest.mark.tensorflow

ROWS, HORIZON = 120, 4
SMALL = {"units": (4,), "epochs": 2, "season": 12, "horizon": HORIZON}


def table(rows=ROWS, seed=0, **columns):
    steps = np.arange(rows)
    noise = np.random.default_rng(seed).normal(0, 0.5, rows)
    values = 20 + 0.05 * steps + 5 * np.sin(2 * np.pi * steps / 12) + noise
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=rows, freq="MS"), "y": values, **columns})


def shops(*rows):
    return pd.concat([table(count, seed, shop=f"s{seed}") for seed, count in enumerate(rows)])


def note(found, name):
    return next((SimpleNamespace(**n) for n in found.model.record["notes"] if n["name"] == name), None)


@pytest.fixture(scope="module")
def fitted():
    return Forecaster(**SMALL).fit(shops(ROWS, ROWS))


@pytest.fixture(scope="module")
def scratch():
    return Forecaster(**SMALL, start="scratch").fit(shops(ROWS, ROWS))


def shared(model, share):
    """The same model with another share of the pretrained network."""
    return Forecaster._of(replace(model, pretrained=replace(model.pretrained, share=share)))


@pytest.mark.parametrize("horizon", [HORIZON, 3 * HORIZON - 1])
def test_the_forecast_is_the_average_by_the_share(fitted, horizon):
    """With a share of 1 it is the forecast with no fit; with 0 that of the trained network; between, a line."""
    model, share = fitted.model, fitted.model.pretrained.share
    ends = {s: shared(model, s).predict(horizon=horizon)["forecast"].to_numpy() for s in (0.0, 1.0)}
    panel, _ = fitted.panel()
    whole = [forecast_pretrained(panel, model.plan.seasons, runs * HORIZON, ()).values[:, :, 0] for runs in (1, 2, 4)]
    first, second, third = (part[:, part.shape[1] // 2 * bool(i) :] for i, part in enumerate(whole))
    alone = np.concatenate([first, second, third], axis=1)[:, :horizon].ravel()
    np.testing.assert_allclose(ends[1.0], alone, rtol=1e-4)
    if horizon == HORIZON:  # rolled on, the trained network reads forecasts, which the share changes
        average = (1 - share) * ends[0.0] + share * ends[1.0]
        np.testing.assert_allclose(fitted.predict(horizon=horizon)["forecast"], average, rtol=1e-4)
        trained = Forecaster._of(replace(model, pretrained=None)).predict()["forecast"]
        np.testing.assert_allclose(ends[0.0], trained, rtol=1e-6)


def test_the_trained_network_is_that_of_a_fit_from_scratch(fitted, scratch):
    for path, weight in scratch.model.weights.items():
        np.testing.assert_array_equal(fitted.model.weights[path], weight)
    assert scratch.model.pretrained is None
    assert note(scratch, "pretrained") is None


def test_it_is_said_and_recorded(fitted):
    part, record = fitted.model.pretrained, fitted.model.record
    said = note(fitted, "pretrained")
    assert said.value == f"share {part.share:.2f}"
    assert 'start="' not in said.reason and said.reason.endswith("start")
    assert record["pretrained"]["share"] == round(part.share, 4)
    alone = record["pretrained"]["mase"]
    assert f"{record['scores']['mase']['network']:.3f} together" in said.reason
    assert f"{alone['trained']:.3f} the trained network alone, {alone['pretrained']:.3f} this one" in said.reason
    assert set(fitted.predict()["engine"]) == {"lstm + pretrained"}
    assert f"share {part.share:.2f}" in str(fitted)


def test_few_windows_do_not_tune_it(fitted):
    assert fitted.model.pretrained.onnx == pretrained_bytes()
    assert "few windows" in note(fitted, "pretrained").reason


@pytest.mark.parametrize("newest_only", [False, True])
def test_a_stored_model_forecasts_the_same(fitted, tmp_path, newest_only):
    fitted.save(tmp_path / "model")
    found = Forecaster.load(tmp_path / "model", newest_only)
    assert found.model.pretrained == fitted.model.pretrained
    pd.testing.assert_frame_equal(found.predict(), fitted.predict())


def test_a_backtest_of_many_origins_at_once_is_that_of_each(fitted):
    """The forecast of each cutoff is made from the rows before it, whether many are forecast at once or one."""
    data = shops(ROWS, ROWS)
    found = fitted.evaluate(data, origins=3, baselines="naive").table
    panel, _ = fitted.panel(data)
    alone = fitted.forecast_panel(panel.drop_newest(2 * HORIZON), HORIZON, ())[:, :, 0]
    own = found[(found["model"] == "network") & (found["cutoff"] == found["cutoff"].unique()[1])]
    np.testing.assert_allclose(own["forecast"], alone.ravel(), rtol=1e-5)


def test_a_short_series_is_forecast_by_the_pretrained_network_alone():
    model = Forecaster(**SMALL, lookback=24).fit(shops(ROWS, ROWS, 11, 3))
    found = model.predict()
    engines = found.groupby("series")["engine"].unique()
    assert [list(names) for names in engines] == [["lstm + pretrained"]] * 2 + [["pretrained"], ["naive"]]
    assert 3 < LEAST <= 11 < model.model.plan.least
    alone = Forecaster.pretrained(HORIZON, season=12).predict(table(11, 2))
    short = found[found["series"] == "s2"]
    np.testing.assert_allclose(short["forecast"], alone["forecast"], rtol=1e-5)
    np.testing.assert_allclose(found[found["series"] == "s3"]["forecast"], table(3, 3)["y"].iloc[-1])
    assert "by pretrained or naive" in next(n.value for n in model.notes if n.name == "engine")


def test_fine_tuning_is_kept_where_it_helps():
    """Every window's reading after the cutoff is off by a pattern that no simple forecast knows."""
    steps = np.arange(420)
    values = 50 + 10.0 * (steps % 7 == 0) + 6.0 * (steps % 5 == 0) + np.random.default_rng(0).normal(0, 0.1, 420)
    days = pd.date_range("2020-01-01", periods=420, freq="D")
    found = Forecaster(units=(4,), epochs=6, season=7, horizon=7, lookback=14).fit(
        pd.DataFrame({"day": days, "y": values})
    )
    part, said = found.model.pretrained, note(found, "pretrained").reason
    assert part.onnx != pretrained_bytes()
    assert "fine-tuned for" in said and "lower" in said
    assert OnnxEngine(part.onnx)
    kept = Forecaster(units=(4,), epochs=1).fit(
        pd.DataFrame({"day": days + pd.Timedelta(60, "D"), "y": values}).tail(60), further=found
    )
    assert kept.model.pretrained.onnx == part.onnx
    assert "as the model has it" in note(kept, "pretrained").reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"task": "direction"}, "not directions"), ({"loss": "negative-binomial"}, "learns counts")],
)
def test_what_it_cannot_forecast_is_trained_from_scratch(settings, reason):
    data = table().assign(y=lambda t: t["y"].round())
    found = Forecaster(**SMALL, **settings).fit(data)
    assert found.model.pretrained is None
    said = note(found, "start")
    assert said.value == "scratch" and reason in said.reason


def test_ctrl_c_while_it_is_tuned_keeps_the_best_so_far():
    from forecaster.pretrained import tune

    def interrupt(epoch, loss):
        if epoch == 1:
            raise KeyboardInterrupt

    windows = some_windows()
    found = tune.tune(windows, windows, 3, 0, interrupt)
    assert found.interrupted and found.epoch == 1
    assert found.after.mean() < found.before.mean()
    again = tune.tune(windows, windows, 3, 0, interrupt)
    for one, other in zip(found.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def some_windows():
    from forecaster.pretrained.tune import tuning_windows
    from forecaster.pretrained.windows import Cutoffs

    values = table()["y"].to_numpy()
    ends = np.arange(40, 40 + 40)
    return tuning_windows(Cutoffs(values, np.ones(len(values), bool), ends, ends), 12, HORIZON)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_share_that_is_none_is_refused(fitted, tmp_path, share):
    model = replace(fitted.model, pretrained=PretrainedPart(b"x", share, 512))
    Forecaster._of(model).save(tmp_path / "model")
    with pytest.raises(ModelError, match="share"):
        Forecaster.load(tmp_path / "model")


def test_a_pretrained_network_that_is_none_is_refused(fitted, tmp_path):
    model = replace(fitted.model, pretrained=PretrainedPart(b"x", 0.5, 512))
    Forecaster._of(model).save(tmp_path / "model")
    with pytest.raises(ModelError):
        Forecaster.load(tmp_path / "model").predict()


def spans_of(count):
    """Windows of one series, each a span of two steps."""
    return Windows(np.zeros(2 * count + 4), lookback=4, horizon=2).only(np.arange(count) * 2)


def test_the_share_of_least_absolute_error_is_taken_where_its_gain_is_steady():
    """In eight spans one is 3 too high, the other 1 too low; in the last, which would decide squares, both are far."""
    trained, pretrained = np.full((9, 2), 3.0), np.full((9, 2), -1.0)
    trained[-1], pretrained[-1] = -1e6, -1e6 - 4
    gains = np.array([1.0] * 8 + [-1.0])  # |3 - 4 * 0.5| = 1 and |3 - 4 * 0.75| = 0; the far one loses 4 * 0.25
    square = (gains.mean() / (gains.std(ddof=1) / 3)) ** 2
    found = find_share(trained, pretrained, spans_of(9))
    assert found == pytest.approx(0.5 + 0.25 * square / (1 + square)) and found > 0.7
    assert find_share(trained[:3], pretrained[:3], spans_of(3)) == 0.5  # too few to tell luck from skill


def test_a_share_whose_gain_may_be_luck_is_near_a_half():
    """One is right in four spans of nine, the other in five: the best share is 1, its gain a third of its error."""
    pretrained = np.repeat(np.array([[2.0], [0.0]] * 4 + [[0.0]]), 2, axis=1)
    assert 0.5 < find_share(2.0 - pretrained, pretrained, spans_of(9)) < 0.56
