from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples import panel_of

from forecaster.features.covariate_encoder import Encoder
from forecaster.features.inputs import inputs_ahead, padded_panel, window_maker
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.features.split import Split

PLAN = Plan(4, 4, (6,), 12, 6, 8, "none", cycles=("day", "week"), holidays="DE", indicator=True, least=6)


@pytest.mark.parametrize("transform", ["none", "log", "box-cox", "difference", "return"])
def test_forecasting_reads_what_training_read_at_the_same_cutoff(transform: str) -> None:
    panel, plan = panel_of([90, 70]), replace(PLAN, transform=transform)
    training = panel.drop_newest(plan.validation)
    scaler, encoder = Scaler.fit(training, transform, plan.season), Encoder.fit(training)
    windows = window_maker(panel, np.zeros(2, int), scaler, encoder, plan)(plan.steps, (plan.steps, 0))
    found = windows.batch()

    past = panel.drop_newest(plan.steps)
    ahead = panel.keep_newest(plan.steps).covariates[:, 2:].reshape(2, plan.steps, 2)
    expected = inputs_ahead(replace(past, beyond=ahead), scaler, encoder, plan, plan.steps)

    assert windows.starts.tolist() == [86, 156]
    assert found.keys() == expected.keys() == {"past", "future", "static", "categories"}
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)


def test_empty_future_covariates_about_the_cutoff_take_the_value_before_it_as_in_training() -> None:
    panel = panel_of([90, 70])
    for end in (90, 160):
        panel.covariates[end - 6 : end - 1, 2] = np.nan  # two rows before the cutoff, three of four after it
    scaler, encoder = Scaler.fit(panel, "none", PLAN.season), Encoder.fit(panel)
    windows = window_maker(panel, np.zeros(2, int), scaler, encoder, PLAN)(PLAN.steps, (PLAN.steps, 0))
    past = panel.drop_newest(PLAN.steps)
    ahead = panel.keep_newest(PLAN.steps).covariates[:, 2:].reshape(2, PLAN.steps, 2)
    expected = inputs_ahead(replace(past, beyond=ahead), scaler, encoder, PLAN, PLAN.steps)
    np.testing.assert_allclose(windows.batch()["future"], expected["future"], atol=1e-6)


def test_the_last_channel_says_which_readings_are_missing() -> None:
    panel = panel_of([60])
    scaler, encoder = Scaler.fit(panel, "none", 6), Encoder.fit(panel)
    inputs = inputs_ahead(replace(panel, beyond=np.zeros((1, 4, 2), np.float32)), scaler, encoder, PLAN, 4)
    assert inputs["past"][0, :, -1].tolist() == panel.observed[-12:].astype(float).tolist()


def test_the_calendar_is_that_of_the_local_clock() -> None:
    """The night of 2024-03-31 has no hour from 2 to 3 in Berlin: noon is 11:00 in UTC before it, 10:00 after it."""
    panel = replace(panel_of([40]), observed=np.ones(40, bool))
    plan = replace(PLAN, cycles=("day",), holidays="", lookback=30)
    scaler, encoder = Scaler.fit(panel, "none", 6), Encoder.fit(panel)
    inputs = inputs_ahead(replace(panel, beyond=np.zeros((1, 4, 2), np.float32)), scaler, encoder, plan, 4)
    # the cosine is least at half a turn
    noon = np.flatnonzero(inputs["past"][0, :, 2] == inputs["past"][0, :, 2].min())
    assert panel.times[-30:][noon].astype("datetime64[h]").astype(str).tolist() == ["2024-03-31T10"]


def test_short_series_are_padded_with_their_first_season_backwards() -> None:
    panel = replace(panel_of([7, 5, 3]), values=np.array([1, 2, 3, 4, 5, 6, 7, 10, 20, 30, 40, 50, 8, 9, 9.5]))
    padded, padding = padded_panel(panel, 7, 4)
    assert padding.tolist() == [0, 2, 4]
    assert padded.lengths.tolist() == [7, 7, 7]
    assert padded.values[7:14].tolist() == [30, 40, 10, 20, 30, 40, 50]
    assert padded.values[14:].tolist() == [8, 8, 8, 8, 8, 9, 9.5]  # shorter than a season: its first value
    assert not padded.observed[7:9].any() and not padded.observed[14:18].any()
    assert padded.observed[9:14].tolist() == panel.observed[7:12].tolist()


def test_each_series_is_padded_to_its_own_length_and_a_long_panel_is_left() -> None:
    panel = panel_of([9, 5])
    padded, padding = padded_panel(panel, np.array([9, 20]), 4)
    assert padding.tolist() == [0, 15]
    assert padded.lengths.tolist() == [9, 20]
    same, none = padded_panel(panel, 5, 4)
    assert same is panel and not none.any()


def test_padding_holds_nothing_from_beyond_a_cutoff_inside_a_gap() -> None:
    """A line over the gap of rows 4 and 5 ends at row 6, the first that is to be forecast."""
    panel = panel_of([40])
    observed = np.ones(40, bool)
    observed[4:6] = False
    scaler, encoder = Scaler.fit(panel, "none", 6), Encoder.fit(panel)
    found = []
    for came in (6.0, 9.0):
        values = panel.values.copy()
        values[6:] = came
        values[4:6] = np.interp([4, 5], [3, 6], values[[3, 6]])
        bridged = replace(panel, values=values, observed=observed, bridged=True)
        split = Split(bridged, scaler, encoder, replace(PLAN, padded=True))
        first = split.training.batch(np.arange(1))
        assert (first["past"][0, :, -1] == 0).sum() == 6 + 2  # the indicator is the last channel
        found.append(first["past"])
    np.testing.assert_array_equal(*found)


def test_long_series_are_learned_from_padded_too_where_a_short_one_is_forecast_from_padded_windows() -> None:
    panel = replace(panel_of([60, 26]), observed=np.ones(86, bool))
    scaler, encoder = Scaler.fit(panel, "none", 6), Encoder.fit(panel)
    found = {}
    for padded in (False, True):
        split = Split(panel, scaler, encoder, replace(PLAN, padded=padded))
        windows = split.training
        placeholders = (windows.batch()["past"][:, :, -1] == 0).sum(axis=1)  # the indicator is the last channel
        found[padded] = [placeholders[windows.series() == series] for series in (0, 1)]
    assert [len(placeholders) for placeholders in found[False]] == [60 - 8 - 4 - 12 + 1, 26 - 8 - 4 - 12 + 1]
    assert not any(placeholders.any() for placeholders in found[False])
    for few, more in zip(found[False], found[True], strict=True):
        assert len(more) == len(few) + 6  # windows of 6 to 11 rows, and the rest of each padded
        assert np.unique(more).tolist() == list(range(7))


def test_no_window_is_learned_from_that_crosses_a_long_gap_or_holds_too_few_rows() -> None:
    panel = replace(panel_of([60, 16]), observed=np.ones(76, bool))
    panel.observed[30:40] = False  # ten missing in a row, bearable are six
    padded, padding = padded_panel(panel, 22, PLAN.season)
    scaler, encoder = Scaler.fit(padded, "none", 6), Encoder.fit(padded)
    windows = window_maker(padded, padding, scaler, encoder, PLAN)(4, (None, 0))
    long, short = (windows.starts[windows.series() == i] for i in (0, 1))
    held = [sum(not ok for ok in padded.observed[start - 12 : start]) for start in long]
    assert max(held) <= 6 and {0, 6} <= set(held)
    assert short.min() == 60 + 6 + PLAN.least  # six rows before the series began, then six of its own


def test_no_window_reads_a_placeholder_that_comes_from_beyond_its_cutoff() -> None:
    panel = replace(panel_of([80]), observed=np.ones(80, bool), bridged=True)
    panel.observed[[40, 41, 55]] = False
    panel.values[[40, 41, 55]] = 1e3  # as if from the reading after them
    scaler, encoder = Scaler.fit(panel, "none", 6), Encoder.fit(panel)
    windows = window_maker(panel, np.zeros(1, int), scaler, encoder, PLAN)(4, (None, 0))
    high = windows.inputs()[:, :, 0] > 100
    for start, found in zip(windows.starts, high, strict=True):
        last = max(row for row in range(start) if panel.observed[row])
        expected = [row in (40, 41, 55) and row < last for row in range(start - 12, start)]
        assert found.tolist() == expected
    assert high.any() and not high[windows.starts == 42].any()


@pytest.mark.parametrize("transform", ["none", "difference"])
@pytest.mark.parametrize("lookback", [12, 40])
def test_a_cutoff_in_a_hole_is_forecast_from_what_training_read_there(transform: str, lookback: int) -> None:
    """Of series padded or not, with a lookback far below the season, which is 24 hours."""
    whole, rng = panel_of([90, 46]), np.random.default_rng(1)
    whole = replace(whole, bridged=True, masked=True, columns=(), covariates=whole.covariates[:, :0])
    whole = replace(whole, static=whole.static[:, :0], values=whole.values + np.arange(136) / 9)
    whole.observed[:] = rng.random(136) > 0.4
    whole.observed[[0, 89, 90, 135]] = True
    whole = replace(whole, values=np.where(whole.observed, whole.values, 30.0))  # as if from the readings after them
    plan = replace(PLAN, transform=transform, lookback=lookback, holidays="")
    scaler, encoder = Scaler.fit(whole, transform, plan.season), Encoder.fit(whole)
    padded, padding = padded_panel(whole, 80, plan.season)
    windows = window_maker(padded, padding, scaler, encoder, replace(plan, least=1))(4, (None, 0))
    found, index = windows.batch()["past"], windows.index
    rows, holes = np.arange(136), 0
    for series, start in enumerate((0, 90)):
        for cutoff in range(30, 42):
            at = np.flatnonzero((index[:, 0] == series) & (index[:, 1] == cutoff + padding[series]))
            if not len(at):
                continue
            past = whole.take((rows >= start) & (rows <= start + cutoff))
            expected = inputs_ahead(past, scaler.take(np.array([series])), encoder, plan, 4)["past"][0]
            known = min(cutoff, lookback)  # what is put before a short series, or its first change, is not looked at
            np.testing.assert_allclose(found[at[0]][-known:], expected[-known:], atol=1e-6)
            holes += not whole.observed[start + cutoff]
    assert holes > 5
