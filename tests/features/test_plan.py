"""What is decided from the training rows: properties of a plan, not its exact numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.data.time.calendar import calendar_cycles, future_times
from forecaster.errors import DataError, SettingError
from forecaster.features.plan import make_plan, padded_series

FREQS = ("MS", "h", "D", "B", "W-SUN", "QS-JAN", "YS-JAN", "15min", "step")


def panel_of(*series, freq="MS"):
    """Return a panel of the values of some series; a number stands for so many rows of a random walk."""
    columns = [np.asarray(s, float) if np.ndim(s) else walk(s, seed=i) for i, s in enumerate(series)]
    start = np.array([0]) if freq == "step" else np.array([np.datetime64("1999-12-31T00:00", "ns")])
    times = np.concatenate([future_times(start, freq, len(values))[0] for values in columns])
    offsets = np.concatenate([[0], np.cumsum([len(values) for values in columns])]).astype(np.int64)
    values = np.concatenate(columns)
    ids = tuple(f"s{i}" for i in range(len(columns)))
    return Panel(values, np.ones(len(values), bool), times, offsets, ids, freq, Roles("t", "y", "s"))


def walk(rows, seed=0):
    return 100 + np.random.default_rng(seed).normal(size=rows).cumsum()


def wave(rows, season=12, noise=0.1, seed=0):
    return np.sin(2 * np.pi * np.arange(rows) / season) + noise * np.random.default_rng(seed).normal(size=rows)


def trend(rows, seed=0):
    return np.arange(rows) * 0.5 + np.random.default_rng(seed).normal(size=rows)


def plan_of(panel, **given):
    return make_plan(panel, Config.of(**given))[0]


def note(panel, name, **given):
    return next(n for n in make_plan(panel, Config.of(**given))[1] if n.name == name)


def test_windows_are_padded_where_a_series_is_short_enough_to_need_it():
    """A window is 24 rows or, padded, six; horizon and validation are 18: 42 rows are learned from whole."""
    given = {"season": 4, "lookback": 24, "horizon": 6, "validation": 12}
    assert not plan_of(panel_of(60, 42), **given).padded
    for short in (41, 24, 23, 6):  # the latter two are not learned from, but forecast
        plan = plan_of(panel_of(60, short), **given)
        assert plan.padded and plan.indicator and plan.least == 6
    assert not plan_of(panel_of(60, 5), **given).padded


def test_a_series_too_short_to_learn_from_but_not_to_forecast_from_pads_no_window():
    given = {"season": 4, "lookback": 24, "horizon": 6, "validation": 40}
    lengths = np.array([5, 6, 23, 24, 51, 52, 69, 70])
    assert padded_series(lengths, 6, 24, 46).tolist() == [False, True, True, False, False, True, True, False]
    assert not plan_of(panel_of(90, 30), **given).padded


# Season


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_has_no_season(seed):
    panel = panel_of(walk(240, seed))
    assert plan_of(panel).season == 1
    reason = note(panel, "season").reason
    assert "do not repeat" in reason and "season=12" in reason


@pytest.mark.parametrize("seed", range(5))
def test_a_trend_alone_is_no_season(seed):
    assert plan_of(panel_of(trend(240, seed))).season == 1
    assert plan_of(panel_of(np.arange(240.0))).season == 1


@pytest.mark.parametrize(
    "values", [wave(240), wave(240) + trend(240) / 10, 10 * wave(240) + walk(240), np.exp(wave(240))]
)
def test_a_seasonal_series_has_the_usual_season(values):
    panel = panel_of(values)
    assert plan_of(panel).season == 12


def test_a_season_of_another_length_is_not_mistaken_for_the_usual_one():
    assert plan_of(panel_of(wave(240, season=8, noise=0.3))).season == 1


def test_a_given_season_is_kept():
    assert plan_of(panel_of(walk(240)), season=(12, 24)).seasons == (12, 24)
    assert plan_of(panel_of(wave(240)), season=1).season == 1
    assert note(panel_of(walk(240)), "season", season=12).reason == "given"


# Validation rows are not looked at


def test_season_and_transformation_read_no_validation_rows():
    seasonal, plain = np.exp(0.02 * np.arange(240) + 0.3 * wave(240)), walk(240)
    for values in (seasonal, plain):
        changed = values.copy()
        changed[-30:] = wave(30, season=5) + 5
        a, b = (make_plan(panel_of(v), Config.of(horizon="6", validation=30)) for v in (values, changed))
        assert a == b
    assert plan_of(panel_of(seasonal), validation=30).transform == "log"
    assert plan_of(panel_of(plain), validation=30).transform == "none"


# A plan fits together


@given(
    rows=st.lists(st.integers(3, 700), min_size=1, max_size=4),
    freq=st.sampled_from(FREQS),
    horizon=st.one_of(st.none(), st.integers(1, 60)),
    validation=st.one_of(st.none(), st.integers(1, 120)),
    lookback=st.one_of(st.none(), st.integers(2, 120)),
    season=st.one_of(st.none(), st.lists(st.integers(1, 60), min_size=1, max_size=2)),
    segment=st.one_of(st.none(), st.integers(1, 60)),
    output_steps=st.one_of(st.none(), st.integers(1, 60)),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_plan_fits_the_longest_series_and_keeps_what_is_given(rows, freq, horizon, **given):
    config = Config.of(horizon=None if horizon is None else str(horizon), **given)
    panel = panel_of(*rows, freq=freq)
    try:
        plan, notes = make_plan(panel, config)
    except DataError as error:
        few = r"rows?(, the most of \d+ series,)? (is|are) too few"
        assert re.search(rf"{few}: lookback \d+ \+ horizon \d+ \+ validation \d+ need \d+", error.message)
        assert error.hint
        return
    except SettingError as error:
        if "up to the year 2261" in error.message:
            return
        assert error.message.startswith(f"validation on {given['validation']} row")
        name, value = error.hint.split(",")[0].split("=")
        assert name == "validation" and int(value) > given["validation"]
        return
    assert plan.lookback + plan.horizon + plan.validation <= max(rows)
    assert 1 <= plan.segment <= plan.lookback and plan.lookback >= 2
    assert 1 <= plan.steps <= plan.horizon and plan.validation >= 1 and plan.season >= 1
    assert set(plan.cycles) <= set(calendar_cycles(freq))
    for name in ("validation", "lookback"):
        assert given[name] is None or getattr(plan, name) == given[name]
    assert given["season"] is None or plan.seasons == tuple(given["season"])
    assert 1 <= plan.least <= plan.lookback
    assert horizon is None or plan.horizon == horizon
    decided = {"season", "horizon", "lookback", "segment", "calendar", "transform", "validation"}
    assert {n.name for n in notes if n.reason} == decided


@given(rows=st.integers(24, 200), freq=st.sampled_from(FREQS))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_what_is_left_open_fits_whenever_a_horizon_is_an_eighth_of_the_rows(rows, freq):
    plan = plan_of(panel_of(rows, freq=freq), horizon=str(max(1, rows // 8)))
    assert plan.validation >= plan.horizon


@given(rows=st.integers(1, 60), horizon=st.integers(1, 80), lookback=st.one_of(st.none(), st.integers(2, 90)))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_what_the_error_suggests_fits(rows, horizon, lookback):
    panel = panel_of(rows)
    try:
        make_plan(panel, Config.of(horizon=str(horizon), lookback=lookback))
    except DataError as error:
        flags = dict(re.findall(r"(\w+)=(\d+)", error.hint))
        if rows < 6:
            assert error.hint.startswith("add older readings: ")
            assert not flags or "or 6 with horizon=" in error.hint
            return
        assert set(flags) == {"horizon", "validation", "lookback"}
        plan = plan_of(panel, **{name: int(value) for name, value in flags.items()})
        assert plan.lookback + plan.horizon + plan.validation <= rows


def test_the_error_names_what_was_needed():
    with pytest.raises(DataError, match=r"^20 rows are too few: lookback 8 \+ horizon 10 \+ validation 5 need 23$"):
        plan_of(panel_of(20), horizon="10", lookback=8, validation=5)


def test_rows_that_the_holdout_took_are_named_and_asked_back():
    with pytest.raises(DataError, match=r"^1 row, without the holdout of 79, is too few: ") as error:
        plan_of(panel_of(1), horizon="1", holdout=79)
    assert error.value.hint == "a smaller holdout, of 74 rows at most"
    with pytest.raises(DataError, match=r"^5 rows, without the holdout of 1, are too few: ") as error:
        plan_of(panel_of(5), horizon="1", lookback=4, holdout=1)
    assert error.value.hint == "leave holdout out"
    with pytest.raises(DataError, match=r"^4 rows, without the holdout of 1, are too few: ") as error:
        plan_of(panel_of(4), horizon="1", lookback=4, holdout=1)
    assert error.value.hint == "add older readings: 6 rows are needed"
    with pytest.raises(DataError, match=r"^20 rows, without the holdout of 60, are too few: ") as error:
        plan_of(panel_of(20), horizon="10", lookback=8, validation=5, holdout=60)
    assert error.value.hint.startswith("a smaller holdout; or what would fit: horizon=4 ")


def test_one_long_series_is_enough():
    assert plan_of(panel_of(10, 10, 240), horizon="6", lookback=12).horizon == 6


def test_horizons_are_read_from_the_end_of_the_data():
    panel = panel_of(walk(120))  # the first of January 2000 to December 2009
    assert plan_of(panel, horizon="2010-06-15").horizon == 6
    assert plan_of(panel, horizon="1y").horizon == 12
    with pytest.raises(SettingError, match="is not after the last reading"):
        plan_of(panel, horizon="2009-12-01")


@pytest.mark.parametrize("transform", ["log", "box-cox", "return"])
def test_a_transformation_that_needs_positive_values_is_refused_before_anything_is_built(transform):
    values = walk(120)
    values[[40, 115]] = 0.0, -2.5  # the later one is in the validation rows
    with pytest.raises(DataError) as error:
        plan_of(panel_of(walk(120), values), horizon="6", transform=transform)
    message = f"transform=\"{transform}\" needs values above 0, but the smallest of 'y' is -2.5"
    assert error.value.message == f"{message} at 2009-08-31 of series s1"
    assert error.value.hint == 'transform="none" or difference, which take any value'


@pytest.mark.parametrize("rows", [(40,), (118,), (40, 41, 90)])
@pytest.mark.parametrize("reading", [1e30, -1e22])
def test_a_reading_beside_which_float32_holds_nothing_of_the_others_is_refused(rows, reading):
    values = walk(120)
    values[list(rows)] = reading
    with pytest.raises(DataError) as error:
        plan_of(panel_of(walk(120), values), horizon="6", transform="none")
    when = np.datetime_as_string(panel_of(values).times[rows[0]], "D")
    assert error.value.message.startswith(f"'y' is {reading:g} at {when} of series s1, too far from the others")
    assert error.value.hint.startswith("see 'forecaster inspect'") and error.value.exit_code == 5


@pytest.mark.parametrize(
    "values",
    [
        1e15 * walk(120),
        np.where(np.arange(120) == 40, 1e14, walk(120) * 1e6),
        2.0 ** np.arange(120),  # a price in a hyperinflation
        np.where(np.arange(120) % 10, 0.0, 1e15 * walk(120)),
    ],
)
def test_large_readings_among_others_are_not(values):
    assert plan_of(panel_of(values), horizon="6", transform="none").horizon == 6


def test_a_logarithm_brings_them_near():
    values = walk(120)
    values[40] = 1e30
    assert plan_of(panel_of(values), horizon="6", transform="log").transform == "log"


def test_output_steps_never_exceed_the_horizon():
    assert plan_of(panel_of(120), horizon="6", output_steps=1).steps == 1
    assert plan_of(panel_of(120), horizon="6", output_steps=99).steps == 6
    assert plan_of(panel_of(120), horizon="6").steps == 6


def test_no_calendar_where_none_is_wanted():
    assert plan_of(panel_of(120), calendar=False).cycles == ()
