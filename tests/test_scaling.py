"""Scaling per series: fitted on the rows it is given, undone exactly, and the choice of the logarithm."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecaster.data.panel import Panel
from forecaster.data.roles import Roles
from forecaster.errors import DataError
from forecaster.scaling import Scaler, choose_log


def panel_of(*series, observed=None):
    values = np.concatenate([np.asarray(s, float) for s in series])
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])])
    times = np.concatenate([np.arange(len(s)) for s in series])
    seen = np.ones(len(values), bool) if observed is None else np.asarray(observed)
    return Panel(values, seen, times, offsets, tuple(f"s{i}" for i in range(len(series))), "step", Roles("t", "y"))


def test_each_series_by_its_own_mean_and_deviation():
    scaler = Scaler.fit(panel_of([1, 2, 3], [100, 300]), log=False, season=1)
    assert scaler.center.tolist() == [2.0, 200.0]
    assert scaler.scale == pytest.approx([np.sqrt(2 / 3), 100.0])
    assert scaler.transform(panel_of([2, 2, 2], [100, 300])).tolist() == [0.0, 0.0, 0.0, -1.0, 1.0]


def test_inverse_undoes_it_in_float64_even_for_tiny_changes_at_a_high_level():
    panel = panel_of(1e9 + np.arange(50.0), np.exp(np.linspace(0, 5, 40)))
    for log in (False, True):
        scaler = Scaler.fit(panel, log, 1)
        scaled = scaler.transform(panel)
        assert scaled.dtype == np.float32 and np.abs(scaled).max() < 5
        back = scaler.inverse(scaled[:, None], np.repeat([0, 1], [50, 40]))[:, 0]
        np.testing.assert_allclose(np.diff(back[:50]), 1.0, atol=2e-5 if not log else 2e-4)


def test_filled_readings_do_not_count():
    scaler = Scaler.fit(panel_of([1, 2, 3, 99], observed=[True, True, True, False]), log=False, season=1)
    assert scaler.center.tolist() == [2.0]
    assert scaler.spread == pytest.approx([1 / np.sqrt(2 / 3)])


def test_spread_is_the_mean_seasonal_difference():
    scaler = Scaler.fit(panel_of([0, 10, 2, 12, 4, 14]), log=False, season=2)
    assert scaler.spread * scaler.scale == pytest.approx([2.0])


def test_constant_series_are_scaled_by_one_and_have_no_spread():
    scaler = Scaler.fit(panel_of([5.0] * 10, [0.1] * 10), log=False, season=1)
    assert (scaler.scale.tolist(), scaler.spread.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_survives_json():
    scaler = Scaler.fit(panel_of([1, 2, 4], [5, 6, 9]), log=True, season=1)
    again = Scaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    for part in ("center", "scale", "spread"):
        np.testing.assert_array_equal(getattr(again, part), getattr(scaler, part))


def test_no_logarithm_of_zero():
    scaler = Scaler.fit(panel_of([1, 2, 4]), log=True, season=1)
    with pytest.raises(DataError, match=r"'y' is -3 at 1"):
        scaler.transform(panel_of([1, -3, 4]))


def test_logarithm_where_swings_grow_with_the_level():
    steps = np.arange(120)
    wave = np.sin(2 * np.pi * steps / 12)
    growing = np.exp(steps / 40 + 0.3 * wave)
    assert choose_log(panel_of(growing), 12)[0] is True
    assert choose_log(panel_of(100 + steps + 30 * wave), 12)[0] is False
    log, note = choose_log(panel_of(growing - 2), 12)
    assert log is False and "zero or below" in note.reason
