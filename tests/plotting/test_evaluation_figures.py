"""Figures of residuals and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DataError
from forecaster.evaluation.residuals import Residuals, autocorrelation
from forecaster.evaluation.significance import significance
from forecaster.plotting import plot_comparison, plot_residuals, save_figure


def errors(name: str = "", rows: int = 60, steps: int = 1, zone: str | None = None) -> Residuals:
    times = pd.Series(pd.date_range("2024-01-01", periods=rows, freq="h", tz=zone))
    return Residuals(name, times, np.random.default_rng(len(name)).normal(size=rows), steps)


def titles(figure: Any) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def note(figure: Any) -> str:
    return figure._supxlabel.get_text() if figure._supxlabel else ""


class TestResiduals:
    def test_errors_their_autocorrelation_and_their_distribution(self) -> None:
        one = errors()
        figure = plot_residuals([one], 24)
        first, second, third = figure.axes
        mean = next(line for line in first.get_lines() if line.get_label() == "mean error")
        assert mean.get_ydata()[0] == pytest.approx(one.values.mean())
        bars = [segment[1][1] for segment in second.collections[-1].get_segments()]
        np.testing.assert_allclose(bars, autocorrelation(one.values, 48))
        assert titles(figure)[1].startswith("autocorrelation; Ljung-Box of 12 lags: p ")
        areas = sum(bar.get_width() * bar.get_height() for bar in third.patches)
        assert areas == pytest.approx(1) and note(figure) == ""

    def test_a_column_a_series_and_what_is_left_out(self) -> None:
        figure = plot_residuals([errors(name, steps=6) for name in ("a", "bb", "ccc", "dddd")], 1, title="all")
        assert len(figure.axes) == 9
        assert titles(figure)[:3] == [f"{name}: actual less forecast" for name in ("a", "bb", "ccc")]
        assert note(figure) == "3 of 4 series shown; errors up to 6 steps ahead: even the best are correlated"

    @pytest.mark.parametrize("values", [[0.1], [0.5] * 30, [np.nan] * 30])
    def test_few_equal_or_no_errors_are_drawn(self, values: list[float], tmp_path: Path) -> None:
        one = Residuals("", pd.Series(np.arange(len(values))), np.array(values), 1)
        figure = plot_residuals([one], 12)
        save_figure(figure, tmp_path / "r.png")
        assert titles(figure)[1].startswith(("too few errors", "all errors are equal"))

    @pytest.mark.parametrize("rows", range(20, 100, 3))
    def test_times_of_any_span_get_ticks(self, rows: int) -> None:
        figure = plot_residuals([errors(rows=rows, zone="Europe/Berlin")], 24)
        assert 1 <= len(figure.axes[0].get_xticks()) <= 8

    def test_no_series_is_refused(self) -> None:
        with pytest.raises(DataError, match="there are no errors to draw"):
            plot_residuals([], 12)


def backtest(models: int, origins: int = 12) -> pd.DataFrame:
    rows = []
    for k in range(models):
        draw = np.random.default_rng(k).normal
        for origin in range(origins):
            for step in range(1, 4):
                time = origin * 3 + step
                rows.append((f"m{k}", "", origin * 3, step, time, 0.0, True, draw() * (1 + k)))
    names = ["model", "series", "cutoff", "step", "time", "actual", "observed", "forecast"]
    return pd.DataFrame(rows, columns=names)


class TestComparison:
    def test_errors_and_skills_with_their_verdicts(self) -> None:
        table = backtest(3)
        tests = significance(table, [("m0", "m1"), ("m0", "m2"), ("m2", "m0")])
        figure = plot_comparison(table, tests)
        above, below = figure.axes
        assert [text.get_text() for text in below.get_yticklabels()] == ["m0 over m1", "m0 over m2", "m2 over m0"]
        points = [line for line in below.get_lines() if len(line.get_xdata()) == 1]
        np.testing.assert_allclose([point.get_xdata()[0] for point in points], tests["skill"])
        assert {line.get_label() for line in above.get_lines()} == {"m0", "m1", "m2"}
        legend = {text.get_text() for text in figure.legends[0].get_texts()}
        assert legend == {"m0", "m1", "m2", *tests["verdict"]} and len(set(tests["verdict"])) > 1

    def test_what_is_left_out_is_said(self) -> None:
        table = backtest(8)
        pairs = [(f"m{a}", f"m{b}") for a in range(8) for b in range(a)]
        figure = plot_comparison(table, significance(table, pairs))
        assert note(figure) == "errors of 6 of 8 models shown; 24 of 28 pairs shown"

    def test_without_a_skill_only_errors_are_drawn(self) -> None:
        table = backtest(2)
        table.loc[table["model"] == "m1", "forecast"] = np.nan
        assert len(plot_comparison(table, significance(table, [("m0", "m1")])).axes) == 1
