"""The simple forecasts that the pretrained network weighs: slow oracles, series they must get right, no look ahead."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.pretrained.simple import NAMES, WINDOW, earlier_cutoffs, simple_forecasts
from forecaster.pretrained.smoothing import ANY_SEASON, GRID, LEVELS, SEASONS, TRENDS, Smoothed, Which, smooth


def series(rows: int, count: int = 3, season: int = 7, seed: int = 0) -> np.ndarray:
    """Return ``(count, rows)`` of a wandering level with a season."""
    random = np.random.default_rng(seed)
    wave = 3 * np.sin(2 * np.pi * np.arange(rows) / season)
    return (
        20 + wave + 0.3 * random.standard_normal((count, rows)).cumsum(axis=1) + random.standard_normal((count, rows))
    )


def of(name: str, values: np.ndarray, season: int, steps: int) -> np.ndarray:
    """Return one simple forecast, ``(windows, steps)``."""
    found = simple_forecasts(values, np.ones(values.shape, bool), season, steps, min(steps, 48))
    assert found.there[0, NAMES.index(name)], name
    return found.forecasts[:, :, NAMES.index(name)]


def smooth_slowly(values: list[float], observed: list[bool], season: int, steps: int, grid: np.ndarray) -> list[float]:
    """Return the forecast of one set of parameters, row by row, as the equations have it."""
    alpha, beta, phi, gamma, seasonal = grid
    level, slope = sum(values[:season]) / season, 0.0
    cycles = min(len(values) // season, 3)
    pattern = [0.0] * season
    if season > 1 and seasonal:
        for cycle in range(cycles):
            rows = values[cycle * season : (cycle + 1) * season]
            for place in range(season):
                pattern[place] += (rows[place] - sum(rows) / season) / cycles
    for row, value in enumerate(values):
        expected = level + phi * slope + pattern[row % season]
        error = value - expected if observed[row] else 0.0
        level, slope = level + phi * slope + alpha * error, phi * slope + alpha * beta * error
        if season > 1 and seasonal:
            pattern[row % season] += gamma * error
    rows = len(values)
    return [
        level + slope * sum(phi**i for i in range(1, step + 1)) + pattern[(rows + step - 1) % season]
        for step in range(1, steps + 1)
    ]


def place_of(number: int) -> Which:
    """Return the place of one set of parameters."""
    trend, season, level = np.unravel_index(number, (len(TRENDS), len(SEASONS), len(LEVELS)))
    return slice(trend, trend + 1), slice(season, season + 1), slice(level, level + 1)


@pytest.mark.parametrize("season", [1, 4])
@pytest.mark.parametrize("steps", [3, 6])
def test_smoothing_is_that_of_the_equations(season: int, steps: int) -> None:
    values = series(30, season=4)
    observed = np.random.default_rng(1).random(values.shape) < 0.9
    states = smooth(values, observed, season, (30, 20))[30]
    for number in range(len(GRID)):
        forecasts = states.average(place_of(number), steps)
        assert forecasts.shape == (3, steps)
        for window in range(3):
            slow = smooth_slowly(values[window].tolist(), observed[window].tolist(), season, steps, GRID[number])
            np.testing.assert_allclose(forecasts[window], slow, rtol=1e-9)


@pytest.mark.parametrize("seasonal", [False, True])
def test_smoothing_from_an_earlier_cutoff_does_not_know_later_rows(seasonal: bool) -> None:
    values = series(40)
    seen = np.ones(values.shape, bool)
    early = smooth(values, seen, 7, (25, 40))[25]
    alone = smooth(values[:, :25], seen[:, :25], 7, (25,), seasonal)[25]
    np.testing.assert_allclose(early.average(ANY_SEASON, 5), alone.average(ANY_SEASON, 5))
    np.testing.assert_allclose(early.errors[ANY_SEASON], alone.errors[ANY_SEASON])


def test_the_average_of_parameters_is_that_of_the_best_where_it_is_much_better() -> None:
    level = np.arange(len(GRID), dtype=float).reshape(len(TRENDS), len(SEASONS), len(LEVELS), 1)
    errors = np.full(level.shape, 10.0)
    errors[0, 1, 2] = 0.1
    nothing = np.zeros(level.shape)
    states = Smoothed(level, nothing, np.stack([nothing] * 2), errors)
    np.testing.assert_allclose(states.average(ANY_SEASON, 2), level[0, 1, 2, 0], atol=1e-6)


def test_the_plain_ones_by_hand() -> None:
    values = np.array([[1.0, 2, 3, 2, 4, 6, 3, 6, 9, 4, 8, 12]])
    assert of("naive", values, 3, 4).tolist() == [[12, 12, 12, 12]]
    assert of("seasonal-naive", values, 3, 4).tolist() == [[4, 8, 12, 4]]
    assert of("mean-2", values, 3, 3).tolist() == [[3.5, 7, 10.5]]
    assert of("median", values, 3, 3).tolist() == [[2.5, 5, 7.5]]
    assert of("drift", values, 3, 2).tolist() == [[13, 14]]
    assert of("mean", values, 3, 1).tolist() == [[5]]
    assert of("rising", values, 3, 4).tolist() == [[6, 10, 14, 8]]  # means of 2, 4, 6, 8: two a season
    np.testing.assert_allclose(of("growth", values, 3, 4), [[16 / 3, 32 / 3, 16, 64 / 9]])


def test_hours_look_back_a_week() -> None:
    week = np.random.default_rng(0).random((2, 168))
    values = np.tile(week, 3)[:, :400]
    ahead = np.tile(week, 4)[:, 400:448]
    for name in ("weeks", "week-shifted"):
        np.testing.assert_allclose(of(name, values, 24, 48), ahead, atol=1e-12)


def test_the_same_days_of_past_years() -> None:
    days = np.arange(3 * 365 + 20)
    values = np.cos(2 * np.pi * days / 365)[None] * 10
    np.testing.assert_allclose(of("year", values[:, :-20], 7, 20), values[:, -20:], atol=0.25)
    higher = values + np.where(days >= len(days) - 60, 5.0, 0.0)
    np.testing.assert_allclose(of("year-shifted", higher[:, :-20], 7, 20), higher[:, -20:], atol=0.3)


@pytest.mark.parametrize("name", ["harmonic", "autoregression-changes", "autoregression", "season", "analog"])
def test_a_pure_season_is_continued(name: str) -> None:
    values = 5 + np.sin(2 * np.pi * np.arange(130) / 12)[None] * [[1.0], [3.0]]
    np.testing.assert_allclose(of(name, values[:, :120], 12, 10), values[:, 120:], atol=0.2)


@pytest.mark.parametrize("name", ["drift", "rising", "autoregression-changes", "level-trend"])
def test_a_line_is_continued(name: str) -> None:
    values = 2.0 * np.arange(60)[None]
    np.testing.assert_allclose(of(name, values[:, :50], 1, 5), values[:, 50:55], rtol=0.06)


def test_neighbours_tell_a_weekend_from_a_workday() -> None:
    """After a Friday come two days unlike the last; past weeks had the same."""
    random = np.random.default_rng(0)
    day = np.array([1.0, 5, 9, 4])
    level = np.array([1, 1, 1, 1, 1.3, 0.4, 0.3])
    values = (level[:, None] * day).ravel()
    values = np.tile(values, 12)[: 11 * 28 + 20] + 0.01 * random.standard_normal(11 * 28 + 20)
    ahead = np.concatenate([0.4 * day, 0.3 * day])
    found = of("analog", values[None], 4, 8)[0]
    assert np.abs(found - ahead).mean() < 0.6 * np.abs(of("seasonal-naive", values[None], 4, 8)[0] - ahead).mean()


@pytest.mark.parametrize(("rows", "season"), [(8, 1), (8, 4), (40, 12), (130, 7), (512, 24), (900, 7)])
@pytest.mark.parametrize("steps", [1, 10, 60])
def test_backtests_know_only_what_came_before(rows: int, season: int, steps: int) -> None:
    """What is forecast at an earlier cutoff is what a window that ends there would have forecast."""
    values = series(rows, season=season)
    seen = np.ones(values.shape, bool)
    compared = min(steps, 48)
    found = simple_forecasts(values, seen, season, steps, compared)
    assert np.isfinite(found.forecasts).all()
    assert found.there[0].sum() >= 8
    changed = values.copy()
    for number, cutoff in enumerate(found.cutoffs.tolist()):
        before = rows - min(rows, WINDOW) + cutoff
        changed[:, before:] = 1e6
        again = simple_forecasts(
            np.concatenate([values[:, :before], changed[:, before:]], axis=1), seen, season, steps, compared
        )
        for name in np.array(NAMES)[found.there[1 + number]].tolist():
            if name not in ("theta-log", "season-log"):  # whose bound is the largest value of the window
                np.testing.assert_allclose(
                    again.backtests[number, :, :, NAMES.index(name)],
                    found.backtests[number, :, :, NAMES.index(name)],
                    rtol=1e-6,
                    err_msg=name,
                )
        changed = values.copy()


@pytest.mark.parametrize("rows", [2, 7, 30, 144, 512])
def test_cutoffs_are_inside_the_window_newest_first(rows: int) -> None:
    found = earlier_cutoffs(rows, 12)
    assert found == sorted(found, reverse=True)
    assert len(found) <= 6
    assert rows > found[0]
    assert found[-1] >= rows - rows // 2
    assert len(set(found)) == len(found)


def test_a_constant_is_forecast_as_it_is() -> None:
    found = simple_forecasts(np.full((2, 60), 7.0), np.ones((2, 60), bool), 12, 18, 18)
    np.testing.assert_allclose(found.forecasts[:, :, found.there[0]], 7.0)


def test_every_name_is_there_somewhere() -> None:
    there = np.zeros(len(NAMES), bool)
    for rows, season in ((1_600, 7), (512, 24), (40, 1)):
        values = series(rows, season=season)
        there |= simple_forecasts(values, np.ones(values.shape, bool), season, 12, 12).there[0]
    assert there.all(), np.array(NAMES)[~there]
