"""Forecasts of the pretrained network at the cutoffs of another network's windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.features.transforms import TRANSFORMS
from forecaster.pretrained.forecast import forecast_pretrained
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.outside import FLOOR, Outside, cutoffs_before, outside_ahead
from forecaster.pretrained.stored import pretrained_engine
from forecaster.pretrained.tune import tuning_windows

SEASON, STEPS, ROWS = 12, 6, (70, 40)
PLAN = Plan(horizon=STEPS, steps=STEPS, seasons=(SEASON,), lookback=12, segment=1, validation=12, transform="none")


@pytest.fixture(scope="module")
def panel():
    random, tables = np.random.default_rng(1), []
    for name, rows in zip("ab", ROWS, strict=True):
        level = 50 + np.arange(rows) + 9 * np.sin(np.arange(rows) * np.pi / 6) + random.normal(0, 1, rows)
        months = pd.date_range("2000-01-01", periods=rows, freq="MS")
        tables.append(pd.DataFrame({"shop": name, "month": months, "y": level}))
    return build_panel(pd.concat(tables), Config.of(series="shop"))[0]


def outside(panel, transform="none", padding=(0, 0)):
    scaler = Scaler.fit(panel, transform, SEASON)
    return Outside(pretrained_engine(), panel, np.array(padding), scaler, PLAN), scaler


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_is_the_forecast_with_no_fit_of_the_rows_before_the_cutoff(panel, transform):
    """The oracle cuts each series off and forecasts it with no fit."""
    made, scaler = outside(panel, transform)
    starts = np.array([60, 64, ROWS[0] + 33])
    found = made(starts, STEPS)
    series = np.array([0, 0, 1])
    back = scaler.inverse(found, series, scaler.anchors(panel, starts))
    for start, number, forecast in zip(starts.tolist(), series.tolist(), back, strict=True):
        known = panel.take_series(np.arange(2) == number).drop_newest(int(panel.offsets[number + 1] - start))
        alone = forecast_pretrained(known, (SEASON,), STEPS, ()).values[0, :, 0]
        np.testing.assert_allclose(forecast, alone, rtol=2e-4)


def test_ahead_of_the_end_it_is_the_same(panel):
    made, scaler = outside(panel, "log")
    ahead = outside_ahead(pretrained_engine(), panel, scaler, PLAN, STEPS)
    known = panel.drop_newest(0)
    alone = forecast_pretrained(known, (SEASON,), STEPS, ()).values[:, :, 0]
    np.testing.assert_allclose(scaler.inverse(ahead, np.arange(2)), alone, rtol=2e-4)
    assert made.engine is pretrained_engine()


def test_a_forecast_is_made_once(panel):
    class Counting:
        windows = 0

        def run(self, inputs):
            self.windows += len(inputs["past"])
            return pretrained_engine().run(inputs)

    made, _ = outside(panel)
    made.engine = Counting()
    both = made(np.array([60, 61]), STEPS)
    assert made.engine.windows == 2
    again = made(np.array([61, 62, 60]), STEPS)
    assert made.engine.windows == 3
    np.testing.assert_array_equal(again[[2, 0]], both)
    longer = made(np.array([60]), STEPS + 1)
    assert made.engine.windows == 5
    np.testing.assert_array_equal(longer[:, :STEPS], both[:1])


def test_padding_is_no_reading_and_few_rows_repeat_the_last(panel):
    made, scaler = outside(panel, padding=(0, 40 - LEAST))
    start = ROWS[0] + 39
    found = made(np.array([start]), STEPS)
    last = scaler.inverse(found, np.array([1]), None)
    np.testing.assert_allclose(last, panel.values[start - 1], rtol=1e-5)
    assert cutoffs_before(made.panel, made.padding, np.array([start])).lengths.tolist() == [LEAST - 1]


def test_a_forecast_below_zero_is_raised_for_a_logarithm(panel):
    scaler = Scaler.fit(panel, "log", SEASON)
    floor = FLOOR * np.array([70.0])
    found = scaler.scaled(np.array([[-5.0, 0.0, 80.0]]), np.array([0]), None, floor)
    np.testing.assert_allclose(scaler.inverse(found, np.array([0])), [[0.07, 0.07, 80.0]], rtol=1e-4)


def test_windows_to_tune_on_hold_what_came_in_errors_of_the_blend(panel):
    """What came is the blend plus the target times its error, of the frame that predict makes."""
    from forecaster.pretrained.inputs import make_frame

    made, _ = outside(panel)
    starts = np.array([ROWS[0] + 30, 50, 60])
    windows = tuning_windows(cutoffs_before(made.panel, made.padding, starts), SEASON, STEPS)
    for place, (start, first) in enumerate(zip(starts.tolist(), (ROWS[0], 0, 0), strict=True)):
        frame = make_frame(panel.values[None, first:start], np.ones((1, start - first), bool), SEASON, STEPS)
        came = frame.blend[0] + frame.error[0] * windows["target"][place, :STEPS]
        np.testing.assert_allclose(came, panel.values[start : start + STEPS], rtol=1e-5)
        assert not windows["target"][place, STEPS:].any() and not windows["weight"][place, STEPS:].any()
        assert 0 < windows["weight"][place].sum() <= 1
        np.testing.assert_array_equal(windows["past"][place], frame.inputs["past"][0])
