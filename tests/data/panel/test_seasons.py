from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.panel import Panel
from forecaster.data.panel.seasons import find_seasons, seasonal_autocorrelation, seasonal_strengths
from forecaster.data.schema import Roles


def panel_of(*series, freq="MS", missing=0.0):
    """Return a panel of the values of some series; where they are missing, the value before it is repeated."""
    values = np.concatenate(series).astype(float)
    observed = np.random.default_rng(0).random(len(values)) >= missing
    values = pd.Series(np.where(observed, values, np.nan)).ffill().bfill().to_numpy()
    offsets = np.cumsum([0, *map(len, series)])
    ids = tuple(f"s{i}" for i in range(len(series)))
    return Panel(values, observed, np.arange(len(values)), offsets, ids, freq, Roles("t", "y", "s"))


def seasons_of(*series, freq="MS", missing=0.0, given=None):
    return find_seasons(panel_of(*series, freq=freq, missing=missing), freq, given)[0]


def walk(rows, seed=0):
    return 100 + np.random.default_rng(seed).normal(size=rows).cumsum()


def noise(rows, seed=0):
    return np.random.default_rng(seed).normal(size=rows)


def wave(rows, season=12, spread=0.1, seed=0):
    return np.sin(2 * np.pi * np.arange(rows) / season) + spread * noise(rows, seed)


def profile(rows, season, spread=0.3, seed=0):
    """Return a shape of its own for every place in the season, with noise."""
    return np.resize(np.random.default_rng(seed + 1000).normal(size=season), rows) + spread * noise(rows, seed)


# The usual season


@pytest.mark.parametrize("seed", range(5))
def test_random_walks_and_trends_have_no_season(seed):
    assert seasons_of(walk(240, seed)) == seasons_of(np.arange(240) * 0.5 + noise(240, seed)) == (1,)
    note = find_seasons(panel_of(walk(240, seed)), "MS", None)[1]
    assert (note.name, note.value) == ("season", "1")
    assert "do not repeat" in note.reason and "season=12" in note.reason


@pytest.mark.parametrize(("days", "expected"), [(1500, (24,)), (20, (1,))])
def test_a_small_daily_cycle_is_believed_where_many_days_leave_no_doubt(days, expected):
    rows = 24 * days
    small = walk(rows, seed=3) + np.sin(np.arange(rows) * np.pi / 12) * 0.9
    assert 0.02 < np.corrcoef(np.diff(small)[24:], np.diff(small)[:-24])[0, 1] < 0.1 or days == 20
    assert seasons_of(small, freq="h") == expected


def test_a_trend_without_noise_has_no_season():
    assert seasons_of(np.arange(240.0)) == (1,)


@pytest.mark.parametrize(
    "values", [wave(240), wave(240) + np.arange(240) / 20, 10 * wave(240) + walk(240), np.exp(wave(240))]
)
def test_a_seasonal_series_has_the_usual_season(values):
    panel = panel_of(values)
    seasons, note = find_seasons(panel, "MS", None)
    assert seasons == (12,)
    assert 0.1 <= seasonal_autocorrelation(panel, 12) <= 1
    assert note.reason.startswith("usual for freq MS, confirmed by autocorrelation 0.")


def test_a_season_of_another_length_is_not_mistaken_for_the_usual_one():
    assert seasons_of(wave(240, season=8, spread=0.3)) == (1,)


def test_a_constant_or_short_series_has_none():
    assert seasonal_autocorrelation(panel_of(np.full(100, 3.0)), 12) == 0
    assert seasonal_autocorrelation(panel_of(wave(20)), 12) == 0
    assert seasonal_autocorrelation(panel_of(np.zeros(1), np.zeros(2), np.zeros(3)), 2) == 0
    assert seasonal_autocorrelation(panel_of(wave(240), np.full(240, 3.0), wave(10)), 12) > 0.1


def test_a_given_season_is_kept():
    seasons, note = find_seasons(panel_of(walk(240)), "MS", (12, 5))
    assert (seasons, note.value, note.reason) == ((12, 5), "12, 5", "given")
    assert seasons_of(wave(240), given=(1,)) == (1,)


def test_a_freq_without_a_usual_season_has_none():
    panel = panel_of(profile(240, 12), freq="YS-JAN")
    assert find_seasons(panel, "YS-JAN", None)[0] == (1,)
    assert "none is usual for freq YS-JAN; season names one" in find_seasons(panel, "YS-JAN", None)[1].reason
    assert seasons_of(profile(240, 12), freq="7h") == (1,)


def slow_autocorrelation(values, observed, lag):
    """Return the autocorrelation of the changes whose two readings were observed; sums made up to a whole series."""
    changes = [values[i + 1] - values[i] if observed[i] and observed[i + 1] else None for i in range(len(values) - 1)]
    known = [c for c in changes if c is not None]
    mean = sum(known) / len(known)
    products = [
        (a - mean) * (b - mean) for a, b in zip(changes, changes[lag:], strict=False) if a is not None and b is not None
    ]
    power = sum((c - mean) ** 2 for c in known)
    if len(known) == len(changes):
        return sum(products) / power
    biased = (len(changes) - lag) / len(changes)
    return (sum(products) / len(products)) / (power / len(known)) * biased


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_autocorrelation_at_the_season_against_a_slow_sum(missing):
    panel = panel_of(wave(300, spread=0.3), missing=missing)
    assert seasonal_autocorrelation(panel, 12) == pytest.approx(slow_autocorrelation(panel.values, panel.observed, 12))
    assert panel.observed.all() == (missing == 0)


# Several seasons


def test_a_day_and_a_week_of_hours():
    day, week = profile(24 * 60, 24), profile(24 * 60, 168, seed=5)
    assert seasons_of(day + week, freq="h") == (24, 168)
    assert seasons_of(day, freq="h") == (24,)
    assert seasons_of(walk(1440), freq="h") == (1,)
    note = find_seasons(panel_of(day + week, freq="h"), "h", None)[1]
    assert note.value == "24, 168" and "autocorrelation 0." in note.reason and ", 0." in note.reason


def test_a_day_that_changes_slowly_is_no_week():
    days = 2 * np.resize(noise(24), (60, 24)) + 0.3 * np.random.default_rng(0).normal(size=(60, 24)).cumsum(axis=0)
    assert seasons_of(days.ravel() + 0.1 * noise(1440), freq="h") == (24,)


def test_a_third_of_the_readings_missing_leaves_both():
    values = profile(24 * 60, 24) + profile(24 * 60, 168, seed=5)
    assert seasons_of(values, freq="h", missing=0.3) == seasons_of(values, freq="step", missing=0.3) == (24, 168)


def test_a_day_and_a_week_of_quarters_of_an_hour():
    assert seasons_of(profile(9000, 96) + profile(9000, 672, seed=5), freq="15min") == (96, 672)
    assert seasons_of(profile(3000, 6) + profile(3000, 42, seed=5), freq="4h") == (6, 42)


def test_a_week_of_minutes_is_longer_than_a_lookback():
    assert seasons_of(profile(30_000, 1440) + profile(30_000, 10_080, seed=5), freq="min") == (1440,)


def test_a_year_of_days_needs_three_of_them():
    year = profile(365 * 5, 365)
    assert seasons_of(year + profile(365 * 5, 7, seed=5), freq="D") == (7, 365)
    assert seasons_of((year + profile(365 * 5, 7, seed=5))[: 365 * 2], freq="D") == (7,)
    assert seasons_of(5 * year, freq="D") == (1,)  # a lookback of three years would be needed for it alone


# A season searched for


@pytest.mark.parametrize("season", [4, 5, 7, 12, 24, 48, 52, 96, 144, 168, 288, 336])
@pytest.mark.parametrize("freq", ["step", "row-h"])
def test_counted_steps_show_their_season(season, freq):
    rows = max(240, 8 * season)
    assert seasons_of(profile(rows, season), freq=freq)[0] == season
    assert seasons_of(profile(rows, season) + walk(rows) / 3, freq=freq)[0] == season


@pytest.mark.parametrize("season", [7, 12, 24])
def test_smooth_seasons_are_not_mistaken_for_shorter_ones(season):
    assert seasons_of(wave(40 * season, season, spread=0.02), freq="step") == (season,)


def test_counted_hours_have_a_day_and_a_week():
    values = profile(24 * 60, 24) + profile(24 * 60, 168, seed=5)
    seasons, note = find_seasons(panel_of(values, freq="step"), "step", None)
    assert seasons == (24, 168)
    assert "found for freq step by autocorrelation" in note.reason


def test_random_walks_show_no_season():
    found = [seasons_of(walk(rows, seed), freq="step") for seed in range(40) for rows in (60, 240, 2000)]
    assert found == [(1,)] * 120
    many = [walk(120, seed) for seed in range(300)]
    assert seasons_of(*many, freq="step") == seasons_of(*many, freq="row-B") == (1,)
    assert seasons_of(noise(500), freq="step") == seasons_of(np.zeros(300), freq="step") == (1,)
    assert "the changes repeat at no period" in find_seasons(panel_of(walk(99), freq="step"), "step", None)[1].reason


def test_rows_as_steps_have_the_season_of_their_step_or_another():
    assert seasons_of(profile(300, 5), freq="row-B") == (5,)
    assert seasons_of(profile(300, 7), freq="row-h") == (7,)  # seven hours of trading a day


@pytest.mark.parametrize(
    ("name", "freq", "expected"), [("m4_hourly", "h", (24, 168)), ("m4_hourly", "step", (24, 168))]
)
def test_hours_of_the_m4_competition(shared_data, name, freq, expected):
    table = pd.read_csv(shared_data / name / "train.csv").iloc[:, 1:].to_numpy(float)
    series = [row[~np.isnan(row)] for row in table]
    assert seasons_of(*series, freq=freq) == seasons_of(*(values[:-144] for values in series), freq=freq) == expected
    assert seasons_of(*series, freq=freq, missing=0.3) == expected


@pytest.mark.parametrize("freq", ["MS", "step"])
def test_months_of_the_m3_competition(shared_data, freq):
    table = pd.read_csv(shared_data / "m3_monthly" / "train.csv.gz")
    series = [values.to_numpy(float) for _, values in table.groupby("series")["value"]]
    assert seasons_of(*series, freq=freq) == (12,)


# Missing readings


@pytest.mark.parametrize(("season", "freq"), [(12, "MS"), (24, "h"), (7, "D"), (24, "step"), (12, "row-MS")])
def test_a_third_of_the_readings_missing_leaves_the_season(season, freq):
    series = [profile(40 * season, season, seed=seed) for seed in range(4)]
    assert seasons_of(*series, freq=freq, missing=0.3)[0] == season
    walks = [walk(40 * season, seed) for seed in range(4)]
    assert seasons_of(*walks, freq=freq, missing=0.3) == (1,)


def test_all_readings_missing_but_one():
    panel = panel_of(wave(100), wave(100))
    panel.observed[:] = False
    panel.observed[50] = True
    assert seasonal_autocorrelation(panel, 12) == 0


def test_a_hundred_thousand_series_take_a_moment():
    rows, series = 60, 100_000
    values = np.resize(profile(rows, 12), rows * series)
    ids = tuple(map(str, range(series)))
    offsets = np.arange(series + 1) * rows
    panel = Panel(values, np.ones(len(values), bool), np.arange(len(values)), offsets, ids, "MS", Roles("t", "y", "s"))
    began = time.process_time()
    assert find_seasons(panel, "MS", None)[0] == find_seasons(panel, "step", None)[0] == (12,)
    assert time.process_time() - began < 1


# Strengths


def season_strength(values, season):
    return seasonal_strengths(values, season)[0]


def trend_strength(values, season):
    return seasonal_strengths(values, season)[1]


def test_strengths_of_what_is_all_season_all_trend_and_neither():
    rows = np.arange(240.0)
    assert season_strength(wave(240, spread=0.01), 12) > 0.95
    assert season_strength(rows + noise(240), 12) < 0.5
    assert season_strength(noise(600), 12) < 0.4
    assert trend_strength(rows + noise(240), 12) > 0.99
    assert trend_strength(noise(600), 12) < 0.3
    assert trend_strength(noise(600), 1) < 0.3
    assert trend_strength(rows + noise(240), 1) > 0.99
    assert trend_strength(wave(240, spread=0.3) + rows, 12) > trend_strength(wave(240, spread=0.3), 12)


def test_strengths_fall_with_noise():
    found = [season_strength(wave(240, spread=spread), 12) for spread in (0.1, 0.5, 2.0)]
    assert found == sorted(found, reverse=True)


def test_strengths_with_missing_readings():
    values = wave(240, spread=0.05)
    values[np.random.default_rng(0).random(240) < 0.2] = np.nan
    assert season_strength(values, 12) > 0.8


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [np.nan] * 9, [3.0] * 100, [np.nan, 4.0]])
def test_strengths_of_next_to_nothing(values):
    for season in (1, 2, 12):
        assert 0 <= season_strength(np.array(values), season) <= 1
        assert 0 <= trend_strength(np.array(values), season) <= 1
    assert season_strength(np.array(values), 12) == 0


@given(st.integers(0, 80), st.integers(1, 14), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_strengths_lie_between_nothing_and_all(rows, season, missing, seed):
    random = np.random.default_rng(seed)
    values = np.where(random.random(rows) < missing, np.nan, random.normal(size=rows).cumsum() * 1e6)
    assert 0 <= season_strength(values, season) <= 1
    assert 0 <= trend_strength(values, season) <= 1


def test_no_series_have_no_season():
    panel = Panel(np.zeros(0), np.zeros(0, bool), np.zeros(0), np.zeros(1, np.int64), (), "h", Roles("t", "y", "s"))
    for freq in ("h", "D", "step", "row-B", "YS-JAN"):
        assert find_seasons(panel, freq, None)[0] == (1,)
