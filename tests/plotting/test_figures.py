from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DataError, SettingError
from forecaster.plotting import plot_backtest, plot_forecast, plot_learning_curve, save_figure

ROOT = Path(__file__).resolve().parents[2]


def _times(start: int, rows: int) -> pd.DatetimeIndex:
    return pd.date_range("2020-01-01", periods=start + rows, freq="D")[start:]


def _history(rows: int = 100, series: str = "", scale: float = 1.0) -> pd.DataFrame:
    actual = scale * (10 + np.sin(np.arange(rows)))
    return pd.DataFrame({"series": series, "day": _times(0, rows), "actual": actual})


def _forecast(
    start: int = 100, steps: int = 5, series: str = "", levels: tuple[str, ...] = ("80", "95"), scale: float = 1.0
) -> pd.DataFrame:
    point = scale * (10 + np.sin(np.arange(start, start + steps)))
    table = pd.DataFrame({"series": series, "day": _times(start, steps), "forecast": point})
    for level in levels:
        table[f"lo-{level}"] = point - scale * float(level) / 50
        table[f"hi-{level}"] = point + scale * float(level) / 50
    return table


def _backtest(models: tuple[str, ...] = ("lstm", "naive"), series: tuple[str, ...] = ("",), origins: int = 3) -> Any:
    rows = []
    for error, model in enumerate(models, start=1):
        for scale, name in enumerate(series, start=1):
            for origin in range(origins):
                for step in range(1, 5):
                    actual = 100.0 * scale + (step % 2) * scale
                    time, cutoff = _times(20 + 4 * origin + step, 1)[0], _times(20 + 4 * origin, 1)[0]
                    made = actual + error * step * scale
                    rows.append((model, name, cutoff, step, time, actual, made, made - scale, made + scale))
    names = ["model", "series", "cutoff", "step", "time", "actual", "forecast", "lo-80", "hi-80"]
    return pd.DataFrame(rows, columns=names)


def _lines(figure: Any, label: str) -> list[Any]:
    return [line for ax in figure.axes for line in ax.get_lines() if line.get_label() == label]


def _bands(ax: Any) -> dict[str, Any]:
    return {c.get_label(): c for c in ax.collections if not c.get_label().startswith("_")}


def _legend(figure: Any) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()}


def _foot(figure: Any) -> str:
    return figure.get_supxlabel()


def _drawn(figure: Any) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


# plot_forecast


def test_the_forecast_line_holds_the_table_and_starts_at_the_last_reading() -> None:
    history, forecast = _history(), _forecast()
    figure = plot_forecast(forecast, history, title="Load", target="MW")
    (line,) = _lines(figure, "forecast")
    assert list(line.get_ydata()) == [history["actual"].iloc[-1], *forecast["forecast"]]
    assert list(line.get_xdata()) == [history["day"].iloc[-1].to_datetime64(), *forecast["day"].to_numpy()]
    assert _legend(figure) == {"history", "forecast", "80 % interval", "95 % interval", "cutoff"}
    assert figure.legends[0].get_title().get_text() == "Load"
    assert figure.axes[0].get_ylabel() == "MW"


def test_bands_are_the_intervals_and_the_wider_is_lighter_in_grey() -> None:
    forecast = _forecast(levels=("50", "80", "99.5"))
    bands = _bands(plot_forecast(forecast).axes[0])
    assert set(bands) == {"50 % interval", "80 % interval", "99.5 % interval"}
    grey = {}
    for level in ("50", "80", "99.5"):
        band = bands[f"{level} % interval"]
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == pytest.approx(forecast[f"lo-{level}"].min())
        assert corners.max() == pytest.approx(forecast[f"hi-{level}"].max())
        grey[level] = float(np.dot([0.299, 0.587, 0.114], np.asarray(band.get_facecolor())[0, :3]))
    assert grey["99.5"] - grey["80"] > 0.08
    assert grey["80"] - grey["50"] > 0.08
    assert bands["99.5 % interval"].zorder < bands["80 % interval"].zorder < bands["50 % interval"].zorder


def test_the_cutoff_is_the_last_row_of_history_even_where_it_is_missing() -> None:
    history = _history()
    history.loc[98:, "actual"] = np.nan
    figure = plot_forecast(_forecast(), history)
    (cutoff,) = _lines(figure, "cutoff")
    assert pd.Timestamp(cutoff.get_xdata()[0]) == history["day"].iloc[-1]
    (line,) = _lines(figure, "forecast")
    assert line.get_ydata()[0] == history["actual"].iloc[97]


def test_history_after_the_cutoff_is_drawn_as_actuals_up_to_the_last_step() -> None:
    figure = plot_forecast(_forecast(), _history(120))
    (known,) = _lines(figure, "actual")
    assert list(known.get_xdata()) == list(_times(100, 5).to_numpy())
    (past,) = _lines(figure, "history")
    assert past.get_xdata()[-1] == _times(99, 1)[0].to_datetime64()


def test_given_actuals_are_drawn() -> None:
    actuals = _history(103).tail(3)
    (known,) = _lines(plot_forecast(_forecast(), _history(), actuals), "actual")
    assert list(known.get_ydata()) == list(actuals["actual"])


def test_a_shortened_history_is_told() -> None:
    figure = plot_forecast(_forecast(), _history())
    assert len(_lines(figure, "history")[0].get_ydata()) == 48
    assert _foot(figure) == "history: last 48 rows of 100"
    assert len(_lines(plot_forecast(_forecast(steps=20), _history()), "history")[0].get_ydata()) == 60
    figure = plot_forecast(_forecast(), _history(), history_rows=200)
    assert len(_lines(figure, "history")[0].get_ydata()) == 100
    assert _foot(figure) == ""


def test_series_not_shown_are_told_and_the_first_are_in_order() -> None:
    ids = [f"s{number}" for number in range(40)]
    forecast = pd.concat([_forecast(series=name) for name in reversed(ids)])
    figure = plot_forecast(forecast, pd.concat([_history(series=name) for name in ids]))
    assert len(figure.axes) == 12
    assert [ax.get_title("left") for ax in figure.axes] == ids[::-1][:12]
    assert _foot(figure).startswith("12 of 40 series shown; each panel has its own scale")
    assert len(plot_forecast(forecast, max_series=3).axes) == 3
    assert "series shown" not in _foot(plot_forecast(forecast[forecast["series"].isin(ids[:3])], max_series=3))


def test_each_panel_has_its_own_series() -> None:
    forecast = pd.concat([_forecast(series="a"), _forecast(series="b", scale=-7)]).sample(frac=1, random_state=0)
    history = pd.concat([_history(series="b", scale=-7), _history(series="a")]).sample(frac=1, random_state=0)
    for ax in plot_forecast(forecast, history).axes:
        scale = {"a": 1, "b": -7}[ax.get_title("left")]
        lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
        assert lines["history"] == pytest.approx(scale * (10 + np.sin(np.arange(52, 100))))
        assert lines["forecast"] == pytest.approx(scale * (10 + np.sin(np.arange(99, 105))))


def test_one_step_is_visible_alone() -> None:
    figure = plot_forecast(_forecast(steps=1))
    (line,) = _lines(figure, "forecast")
    assert line.get_marker() == "o"
    bars = [c for c in figure.axes[0].collections if np.max(c.get_linewidth()) >= 5]
    assert len(bars) == 2
    assert _drawn(figure)


def test_a_thousand_steps_have_no_markers() -> None:
    figure = plot_forecast(_forecast(steps=1000), _history(4000).head(100))
    assert _lines(figure, "forecast")[0].get_marker() in (None, "None", "")


def test_a_reading_between_two_missing_ones_is_visible() -> None:
    history = _history(50)
    history.loc[[10, 12], "actual"] = np.nan
    (line,) = _lines(plot_forecast(_forecast(50), history, history_rows=50), "history")
    assert line.get_markevery() == [11]


def test_counted_steps_get_whole_ticks_and_the_name_of_the_column() -> None:
    history = pd.DataFrame({"series": "", "step": range(6), "actual": 1.0})
    forecast = pd.DataFrame({"series": "", "step": [6, 7], "forecast": 1.0})
    (ax,) = plot_forecast(forecast, history).axes
    assert ax.get_xlabel() == "step"
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_dates_in_ticks_name_their_month() -> None:
    figure = plot_forecast(_forecast(steps=20), _history().tail(20))
    _drawn(figure)
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert any(label.endswith("Apr") for label in labels)
    assert not any(label.isdigit() and len(label) == 2 for label in labels)


def test_zoned_times_are_drawn_in_utc_and_say_so() -> None:
    forecast, history = _forecast(), _history()
    forecast["day"] = forecast["day"].dt.tz_localize("America/New_York")
    history["day"] = history["day"].dt.tz_localize("America/New_York")
    figure = plot_forecast(forecast, history)
    assert figure.axes[0].get_xlabel() == "day (UTC)"
    assert _lines(figure, "forecast")[0].get_xdata()[-1] == np.datetime64("2020-04-14T04:00")


def test_a_table_read_from_csv_draws_the_same(tmp_path: Path) -> None:
    _forecast().to_csv(tmp_path / "forecast.csv", index=False)
    figure = plot_forecast(pd.read_csv(tmp_path / "forecast.csv"), _history())
    assert _drawn(figure) == _drawn(plot_forecast(_forecast(), _history()))


def test_missing_intervals_leave_no_band_and_partly_missing_ones_do() -> None:
    forecast = _forecast()
    forecast[["lo-95", "hi-95"]] = np.nan
    forecast.loc[3:, ["lo-80", "hi-80"]] = np.inf
    figure = plot_forecast(forecast, _history())
    assert set(_bands(figure.axes[0])) == {"80 % interval"}
    assert "95 % interval" not in _legend(figure)
    assert _drawn(figure)


def test_powers_of_ten_get_a_log_axis_and_the_panel_says_so() -> None:
    steps = np.arange(100)
    history = pd.DataFrame({"series": "a", "step": steps, "actual": np.exp(steps / 3)})
    forecast = pd.DataFrame({"series": "a", "step": steps[:5] + 100, "forecast": np.exp(33.0)})
    (ax,) = plot_forecast(forecast, history, history_rows=100).axes
    assert (ax.get_yscale(), ax.get_title("left")) == ("log", "a (log scale)")
    (ax,) = plot_forecast(forecast, history.assign(actual=-history["actual"]), history_rows=100).axes
    assert (ax.get_yscale(), ax.get_title("left")) == ("linear", "a")


@pytest.mark.parametrize("scale", [1e-9, 1e12, -1e12])
def test_huge_and_tiny_numbers_draw(scale: float) -> None:
    figure = plot_forecast(_forecast(scale=scale), _history(scale=scale))
    _drawn(figure)
    assert max(len(tick.get_text()) for tick in figure.axes[0].get_yticklabels()) <= 25
    assert "10^{" in figure.axes[0].yaxis.get_offset_text().get_text()


def test_names_are_never_formulas_and_long_ones_keep_both_ends() -> None:
    name = "plant $x_{ \\frac " + "very " * 40 + "long number 7"
    figure = plot_forecast(_forecast(series=name), title="$\\broken", target="$^")
    shown = figure.axes[0].get_title("left")
    assert shown.startswith("plant $x_{")
    assert shown.endswith("long number 7")
    assert len(shown) <= 100
    assert _drawn(figure)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            _forecast().drop(columns="forecast"),
            "the forecast table has no column 'forecast'; it has series, day, lo-80",
        ),
        (_forecast().drop(columns="day"), "the forecast table has no time column"),
        (_forecast().head(0), "the forecast table has no rows"),
        (_forecast().assign(day="soon"), "column 'day' of the forecast table holds neither dates nor numbers"),
        (_forecast().assign(forecast="much"), "column 'forecast' of the forecast table is not numbers.*much"),
        (
            _forecast().assign(day=[pd.NaT, *_times(1, 4)]),
            "column 'day' of the forecast table has an empty time in row 1",
        ),
        (_forecast().assign(day=range(5)), "column 'day' of the history and of the forecast table must both hold"),
    ],
)
def test_a_table_that_cannot_be_drawn_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        plot_forecast(table, _history())


def test_a_history_without_its_columns_is_refused() -> None:
    with pytest.raises(DataError, match="the history has no column 'actual'"):
        plot_forecast(_forecast(), _history().drop(columns="actual"))


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(SettingError, match="max_series must be 1 or more, got 0"):
        plot_forecast(_forecast(), max_series=0)
    with pytest.raises(SettingError, match="history_rows must be 1 or more, got -3"):
        plot_forecast(_forecast(), history_rows=-3)


# plot_learning_curve


def test_the_learning_curve_marks_the_best_epoch() -> None:
    figure = plot_learning_curve({"loss": [3, 2, 1], "val_loss": [4, 2.5, 3], "lr": [9, 9, 9]}, 2, title="Fit")
    assert list(_lines(figure, "training loss")[0].get_ydata()) == [3, 2, 1]
    assert list(_lines(figure, "validation loss")[0].get_xdata()) == [1, 2, 3]
    (best,) = _lines(figure, "best epoch: 2 (2.5)")
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([2], [2.5])
    assert _legend(figure) == {"training loss", "validation loss", "best epoch: 2 (2.5)"}
    assert figure.axes[0].get_yscale() == "linear"


def test_the_learning_curve_without_validation_and_best_epoch() -> None:
    figure = plot_learning_curve({"loss": [1.0]}, None)
    assert _legend(figure) == {"training loss"}
    assert _drawn(figure)


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([100.0, 5.0], "log"), ([99.0, 5.0], "linear"), ([100.0, 0.0], "linear"), ([np.nan], "linear")],
)
def test_the_loss_axis_is_logarithmic_where_the_range_is_large(losses: list[float], scale: str) -> None:
    figure = plot_learning_curve({"loss": losses}, 1)
    assert figure.axes[0].get_yscale() == scale
    assert _drawn(figure)


def test_a_learning_curve_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(DataError, match="no losses to draw"):
        plot_learning_curve({"loss": []}, None)
    with pytest.raises(SettingError, match="best_epoch must be between 1 and 2, got 3"):
        plot_learning_curve({"loss": [1, 2]}, 3)


# plot_backtest


def test_the_error_panel_is_the_mean_absolute_error_by_step() -> None:
    figure = plot_backtest(_backtest())
    lines: list[Any] = figure.axes[-1].get_lines()
    errors = {line.get_label(): list(line.get_ydata()) for line in lines}
    assert errors == {"lstm": [1, 2, 3, 4], "naive": [2, 4, 6, 8]}
    assert figure.axes[-1].get_title("left") == "mean absolute error"
    assert _legend(figure) == {"actual", "lstm", "80 % interval", "naive", "cutoff"}


def test_errors_of_several_series_do_not_depend_on_their_scales() -> None:
    figure = plot_backtest(_backtest(series=("a", "b", "c", "d")))
    # actual alternates by 1 around its mean: a deviation of half the scale, so an error of one scale is 2 of them
    assert list(_lines(figure, "lstm")[-1].get_ydata()) == pytest.approx([2, 4, 6, 8])
    assert "standard deviations" in figure.axes[-1].get_title("left")
    assert len(figure.axes) == 4
    assert _foot(figure) == "3 of 4 series shown; errors are of all of them"


def test_a_constant_series_is_left_out_of_the_errors_and_told() -> None:
    table = _backtest(series=("a", "b"))
    table.loc[table["series"] == "b", "actual"] = 5.0
    figure = plot_backtest(table)
    assert list(_lines(figure, "lstm")[-1].get_ydata()) == pytest.approx([2, 4, 6, 8])
    assert "1 constant series left out of the errors" in _foot(figure)


def test_readings_that_were_filled_are_not_scored() -> None:
    table = _backtest()
    table["observed"] = True
    table.loc[table["step"] == 2, ["actual", "observed"]] = [1e6, False]
    errors = _lines(plot_backtest(table), "lstm")[-1].get_ydata()
    assert list(errors[[0, 2, 3]]) == [1, 3, 4]
    assert np.isnan(errors[1]) or len(errors) == 3


def test_overlapping_origins_are_thinned_and_told() -> None:
    table = _backtest(origins=9)
    table["cutoff"] = pd.to_datetime("2020-03-01") + pd.to_timedelta((table.index // 4) % 9, unit="D")
    table["time"] = table["cutoff"] + pd.to_timedelta(table["step"], unit="D")
    figure = plot_backtest(table)
    assert _foot(figure) == "3 of 9 origins shown; errors are of all of them"
    lines: list[Any] = figure.axes[0].get_lines()
    assert len([line for line in lines if len(line.get_ydata()) == 4]) == 6


def test_actuals_are_not_joined_across_rows_between_two_windows() -> None:
    table = _backtest()
    (whole,) = _lines(plot_backtest(table), "actual")
    assert np.isfinite(whole.get_ydata()).all()
    early = table["cutoff"] == table["cutoff"].min()
    table.loc[early, ["cutoff", "time"]] -= pd.Timedelta(days=10)
    (broken,) = _lines(plot_backtest(table), "actual")
    assert np.isnan(broken.get_ydata()).sum() == 1


def test_the_first_model_is_emphasised_and_all_styles_differ() -> None:
    names = ("seasonal-naive", "ets", "theta", "arima", "mstl", "lstm")
    figure = plot_backtest(_backtest(models=names), models=["lstm", *names[:5]])
    lines = {line.get_label(): line for line in figure.axes[-1].get_lines()}
    assert next(iter(lines)) == "lstm"
    assert lines["lstm"].get_linewidth() > max(lines[name].get_linewidth() for name in names[:5])
    assert len({line.get_marker() for line in lines.values()}) == 6
    assert len({line.get_color() for line in lines.values()}) == 6
    assert len({str(vars(line)["_dash_pattern"]) for line in lines.values()}) == 6
    assert set(plot_backtest(_backtest(models=names), models=["ets"]).legends[0].texts[1].get_text().split()) == {"ets"}


def test_errors_that_are_alike_are_all_seen() -> None:
    lines = plot_backtest(_backtest(models=("lstm", "naive", "drift"))).axes[-1].get_lines()
    assert [line.get_label() for line in sorted(lines, key=lambda line: line.get_zorder())] == [
        "lstm",
        "naive",
        "drift",
    ]
    sizes = [line.get_markersize() for line in lines]
    assert sizes == sorted(set(sizes), reverse=True)


def test_a_backtest_names_what_was_forecast() -> None:
    figure = plot_backtest(_backtest(series=("a", "b")), target="$sold")
    assert [ax.get_ylabel() for ax in figure.axes] == ["$sold", "$sold", ""]


def test_one_step_and_many_origins_draw() -> None:
    table = _backtest(origins=30)
    figure = plot_backtest(table[table["step"] == 1])
    low, high = figure.axes[-1].get_xlim()
    assert [tick for tick in figure.axes[-1].get_xticks() if low <= tick <= high] == [1]
    assert _lines(figure, "actual")[0].get_marker() == "o"
    assert _drawn(figure)


def test_a_backtest_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(SettingError, match="unknown model 'lsmt', expected one of lstm, naive") as caught:
        plot_backtest(_backtest(), models=["lsmt"])
    assert caught.value.hint == "did you mean 'lstm'?"
    with pytest.raises(DataError, match="the backtest table has no column 'step'"):
        plot_backtest(_backtest().drop(columns="step"))
    with pytest.raises(DataError, match="the backtest table has no rows"):
        plot_backtest(_backtest().head(0))


# save_figure


@pytest.fixture(scope="module")
def figure() -> Any:
    return plot_forecast(_forecast(), _history(), title="Load")


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG\r\n\x1a\n"), ("a.SVG", b"<?xml")])
def test_the_suffix_is_the_format_and_the_bytes_repeat(figure: Any, tmp_path: Path, name: str, magic: bytes) -> None:
    path = save_figure(figure, tmp_path / name)
    first = path.read_bytes()
    assert first.startswith(magic)
    again = plot_forecast(_forecast(), _history(), title="Load")
    assert save_figure(again, str(path), force=True).read_bytes() == first
    assert b"atplotlib v" not in first
    assert b"Matplotlib, " not in first
    assert b"<dc:date>" not in first
    assert os.listdir(tmp_path) == [name]


def test_the_words_of_an_svg_are_text(figure: Any, tmp_path: Path) -> None:
    assert ">80 % interval</text>" in save_figure(figure, tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a.pdf", "a", "png"])
def test_other_formats_are_refused(figure: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match=r"expected a name ending in \.png or \.svg"):
        save_figure(figure, tmp_path / name)


def test_a_file_is_not_overwritten_without_force(figure: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(SettingError, match=r"a\.png' exists already") as caught:
        save_figure(figure, path)
    assert "force=True" in caught.value.hint
    assert path.read_text() == "mine"
    save_figure(figure, path, force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


# What importing and drawing touch


def _python(code: str, **environment: str) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**env, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_takes_no_matplotlib_and_no_tensorflow() -> None:
    heavy = _python(
        "import sys, forecaster.plotting\n"
        "print([n for n in ('matplotlib', 'tensorflow', 'keras', 'scipy', 'pyarrow.dataset') if n in sys.modules])"
    )
    assert heavy.strip() == "[]"


def test_drawing_needs_no_display_no_pyplot_and_changes_no_setting(tmp_path: Path) -> None:
    code = f"""
import sys
import matplotlib
before = matplotlib.rcParams.copy()
from forecaster.plotting import plot_learning_curve, save_figure
save_figure(plot_learning_curve({{"loss": [2.0, 1.0]}}, 2), r"{tmp_path / "a.png"}")
save_figure(plot_learning_curve({{"loss": [2.0, 1.0]}}, 2), r"{tmp_path / "a.svg"}")
assert all(dict.__getitem__(matplotlib.rcParams, k) == dict.__getitem__(before, k) for k in before)
print([name for name in ("matplotlib.pyplot", "tkinter", "tensorflow", "keras", "scipy") if name in sys.modules])
"""
    assert _python(code).strip() == "[]"
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_real_series_draw(shared_data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(shared_data / "airline_passengers.csv", parse_dates=["Month"])
    history = table.rename(columns={"Passengers": "actual"}).assign(series="")
    forecast = history.tail(12).rename(columns={"actual": "forecast"})
    figure = plot_forecast(forecast, history, target="Passengers")
    assert list(_lines(figure, "actual")[0].get_ydata()) == list(history["actual"].tail(12))
    assert save_figure(figure, tmp_path / "a.png").stat().st_size > 10_000
