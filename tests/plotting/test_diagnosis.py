"""The figure of the data doctor."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.panel import Panel
from forecaster.errors import SettingError
from forecaster.plotting.diagnosis import autocorrelation_of_changes, decompose_series, plot_diagnosis

ROWS = 24 * 30
NOISE = np.random.default_rng(4).normal(size=ROWS)
WAVE = 10 * np.sin(2 * np.pi * np.arange(ROWS) / 24)


def panel(count: int = 1, season: bool = True, zone: str | None = None) -> Panel:
    """Return hourly series with a gap of five hours, an empty cell and an outlier in the first of them."""
    parts = []
    for number in range(count):
        values = 50 + WAVE * season + NOISE + number
        values[300], values[400] = np.nan, 500
        times = pd.date_range("2024-01-20", periods=ROWS, freq="h")
        part = pd.DataFrame({"id": f"s{number}", "time": times, "load": values})
        parts.append(part.drop(index=range(100, 105)) if number == 0 else part)
    return build_panel(pd.concat(parts), Config.of(target="load", series="id" if count > 1 else "", zone=zone))[0]


def legend(figure: Any) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()}


def line(ax: Any, label: str) -> Any:
    return next(line for line in ax.get_lines() if line.get_label() == label)


def titles(figure: Any) -> list[str]:
    return [ax.get_title("left") for ax in figure.axes]


def test_readings_season_rest_and_autocorrelation_stand_one_below_the_other():
    figure = plot_diagnosis(panel(), 24)
    assert titles(figure) == ["readings", "season of 24 steps, newest 7", "rest", "autocorrelation of the changes"]
    assert legend(figure) == {
        *("no reading", "reading", "trend", "outlier", "not significant (95 %)", "season, 24 steps")
    }
    assert figure.legends[0].get_title().get_text() == "load"


def test_the_line_of_readings_is_broken_where_there_is_none_and_outliers_are_ringed():
    made = panel()
    ax = plot_diagnosis(made, 24).axes[0]
    values = line(ax, "reading").get_ydata()
    assert np.isnan(values).sum() == 6 and np.array_equal(np.isnan(values), ~made.observed)
    assert line(ax, "outlier").get_ydata().tolist() == [500.0]
    assert len(ax.collections) == 1 and len(ax.collections[0].get_paths()) == 2


def test_the_newest_seasons_are_drawn():
    drawn = plot_diagnosis(panel(), 24).axes[1].get_lines()[0]
    assert len(drawn.get_xdata()) == 7 * 24
    assert np.ptp(drawn.get_ydata()) == pytest.approx(20, rel=0.2)


def test_the_season_is_marked_at_each_turn_of_the_autocorrelation():
    ax = plot_diagnosis(panel(), 24).axes[3]
    marks = [float(line.get_xdata()[0]) for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert marks == [24.0, 48.0, 72.0]
    lags = {float(path.vertices[0, 0]): float(path.vertices[1, 1]) for path in ax.collections[0].get_paths()}
    assert max(lags, key=lambda lag: lags[lag] if lag > 10 else 0) in (24.0, 48.0, 72.0)


def test_without_a_season_its_row_is_empty_and_small():
    figure = plot_diagnosis(panel(season=False), 1)
    assert titles(figure)[1] == "no season" and not figure.axes[1].axison
    assert "usual season, 24 steps" in legend(figure)
    assert figure.get_figheight() < plot_diagnosis(panel(), 24).get_figheight()


def test_three_series_stand_side_by_side_and_the_rest_is_told():
    figure = plot_diagnosis(panel(5), 24)
    assert titles(figure)[:3] == ["s0", "s1", "s2"] and len(figure.axes) == 12
    assert figure.get_supxlabel().startswith("3 of 5 series shown; outliers are left out")
    chosen = plot_diagnosis(panel(5), 24, series=["s4", "s1"])
    assert titles(chosen)[:2] == ["s4", "s1"]


def test_an_unknown_series_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match="no series 's9'") as raised:
        plot_diagnosis(panel(2), 24, series=["s9"])
    assert "did you mean" in raised.value.hint


def test_times_of_a_zone_are_drawn_as_its_clock_shows_them():
    made = panel(zone="Europe/Berlin")
    drawn = line(plot_diagnosis(made, 24).axes[0], "reading").get_xdata()
    assert drawn[0] == np.datetime64("2024-01-20") and made.times[0] == np.datetime64("2024-01-19T23:00")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.ones(50), id="constant"),
        pytest.param(np.arange(3.0), id="three rows"),
        pytest.param(np.exp(np.arange(60) / 4), id="powers of ten"),
        pytest.param(1e9 + np.arange(60.0), id="far from zero"),
    ],
)
def test_series_of_any_kind_can_be_drawn(values):
    table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=len(values)), "y": values})
    made, _ = build_panel(table, Config.of())
    for season in (1, 7):
        figure = plot_diagnosis(made, season, title="a $title")
        figure.savefig(BytesIO(), dpi=40)
        assert all("+" not in ax.yaxis.get_offset_text().get_text() for ax in figure.axes)


def test_parts_add_up_to_the_readings_and_have_none_where_there_is_none():
    values = 50 + WAVE + NOISE + np.arange(ROWS) / 10
    values[20:30], values[500] = np.nan, 1e6
    parts = decompose_series(values, 24, np.array([500]))
    known = ~np.isnan(values)
    assert parts.trend.max() < 200
    assert (parts.trend + parts.seasonal + parts.rest)[known] == pytest.approx(values[known])
    assert np.isnan(parts.rest[~known]).all()
    assert np.corrcoef(parts.seasonal, WAVE)[0, 1] > 0.98
    flat = decompose_series(values, 1, np.zeros(0, int))
    assert not flat.seasonal.any() and (flat.trend + flat.rest)[known] == pytest.approx(values[known])


def test_autocorrelation_agrees_with_a_slow_sum():
    values = (WAVE + NOISE)[:200]
    changes = np.diff(values) - np.diff(values).mean()
    found, bound = autocorrelation_of_changes(values, 24)
    assert len(found) == 73 and bound == pytest.approx(1.96 / np.sqrt(199))
    for lag in (1, 7, 24):
        slow = sum(changes[i] * changes[i - lag] for i in range(lag, len(changes))) / sum(c * c for c in changes)
        assert found[lag] == pytest.approx(slow)
    assert len(autocorrelation_of_changes(np.ones(50), 7)[0]) == 0


def test_the_forecast_follows_the_readings():
    made = panel(2)

    def forecast(one):
        assert len(one) == 1
        return one.values[-1] + np.array([[[0.0, -1.0, 1.0]] * 5])

    ax = plot_diagnosis(made, 24, forecast=forecast).axes[1]  # of the second series
    line = next(line for line in ax.get_lines() if line.get_label() == "forecast with no fit")
    np.testing.assert_array_equal(line.get_ydata(), made.values[-1])
    times = pd.DatetimeIndex(line.get_xdata())
    assert len(times) == 5 and times[0] - pd.Timestamp(made.last[1]) == times[1] - times[0]
    assert any(part.get_label() == "80 % interval" for part in ax.collections)
