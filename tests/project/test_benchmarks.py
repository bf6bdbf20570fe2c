"""The benchmarks measure what they say: protocols, measures of the competitions, and no row learned from and scored."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import Config, Forecaster
from forecaster.data.readers.sources import read_table

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


class Benchmarks:
    """The modules of the folder, imported where they are asked for."""

    def __getattr__(self, name: str) -> Any:
        return import_module(name)


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Benchmarks]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield Benchmarks()


@pytest.fixture
def on_data(benchmarks: Benchmarks, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Benchmarks:
    monkeypatch.setattr(benchmarks.common, "DATA", shared_data)
    return benchmarks


def test_the_winner_of_the_competition_has_its_published_owa(benchmarks: Benchmarks) -> None:
    m4 = benchmarks.m4_hourly
    for smape, mase, published in m4.PUBLISHED.values():
        if np.isfinite(smape):
            assert m4.owa(smape, mase, *m4.NAIVE2) == pytest.approx(published, abs=6e-4)


def test_a_fit_that_ctrl_c_ended_is_no_result(benchmarks: Benchmarks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other benchmarks fit in processes of their own, whose parent Ctrl-C ends."""
    stopped = SimpleNamespace(model=SimpleNamespace(record={"interrupted": True}))
    monkeypatch.setattr(benchmarks.covariates, "Forecaster", lambda *_, **__: SimpleNamespace(fit=lambda _: stopped))
    with pytest.raises(KeyboardInterrupt):
        benchmarks.covariates.scores(pd.DataFrame(), 24, 0)


def test_measures_of_the_competitions_by_hand(benchmarks: Benchmarks) -> None:
    actual, forecast = np.array([[1.0, 3.0], [0.0, 2.0]]), np.array([[3.0, 3.0], [0.0, 1.0]])
    histories = [np.array([0.0, 0, 4, 4]), np.array([1.0, 5, 2, 6, 3])]  # seasonal naive errors of 4 and of 1
    found = benchmarks.common.competition_measures(actual, forecast, histories, 2)
    assert found["sMAPE"] == pytest.approx((200 * 2 / 4 + 200 * 1 / 3) / 4)
    assert found["MASE"] == pytest.approx((1 / 4 + 0.5 / 1) / 2)


def test_scaled_measures_by_hand(benchmarks: Benchmarks) -> None:
    rows = {"model": "m", "series": list("aaab"), "actual": [1.0, 5.0, 99.0, 4.0], "forecast": [2.0, 2.0, 2.0, 4.0]}
    bounds = {"lo-80": [0.0, 0.0, 0.0, 3.0], "hi-80": 4.0, "lo-95": -1.0, "hi-95": 6.0}
    windows = {"cutoff": 0, "step": [1, 2, 3, 1], "observed": [True, True, False, True]}
    table = pd.DataFrame({**rows, **bounds, **windows})
    found = benchmarks.common.scaled_measures(table, {"a": 2.0, "b": 1.0}).loc["m"]
    assert found["mase"] == pytest.approx(((0.5 + 1.5) / 2 + 0) / 2)
    assert found["coverage-80"] == pytest.approx((0.5 + 1) / 2)
    assert found["width-80"] == pytest.approx((2 + 1) / 2)
    assert found["msis-80"] == pytest.approx(((2 + (4 + 2 / 0.2 * 1) / 2) / 2 + 1) / 2)
    assert found["msis-95"] == found["width-95"] == pytest.approx((3.5 + 7) / 2)


def test_settings_are_read_as_the_forecaster_reads_them(benchmarks: Benchmarks) -> None:
    found = benchmarks.common.settings_of(["units=8,4", "calendar=false", "learning-rate=1e-3", "lookback="])
    assert found == {"units": (8, 4), "calendar": False, "learning_rate": 1e-3, "lookback": None}


def test_every_ingredient_is_in_the_default_and_can_be_taken_out(benchmarks: Benchmarks) -> None:
    for settings in benchmarks.ablation.WITHOUT.values():
        assert Config.of(**settings) != Config.of()


WRONG = [
    ("units", "KEY=VALUE"),
    ("unit=8", "unknown setting 'unit'"),
    ("calendar=no", "calendar must be true or false"),
]


@pytest.mark.parametrize(("pair", "message"), WRONG)
def test_a_wrong_setting_ends_the_benchmark_before_it_begins(benchmarks: Benchmarks, pair: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        benchmarks.common.settings_of([pair])


@pytest.mark.parametrize(
    ("name", "windows", "mse", "mae"), [("etth1", 2_785, 1.295, 0.713), ("exchange", 1_422, 0.081, 0.196)]
)
def test_protocol_gives_the_published_error_of_repeating_the_last_value(
    on_data: Benchmarks, name: str, windows: int, mse: float, mae: float
) -> None:
    module: ModuleType = getattr(on_data, name)
    deviations = module.PROTOCOL.deviations().to_numpy()
    found = on_data.multivariate.errors(on_data.multivariate.repeated(*module.PROTOCOL.frame("test"), 96), deviations)
    assert found["windows"] == windows
    assert (found["MSE"], found["MAE"]) == pytest.approx((mse, mae), abs=1e-3)


def test_no_test_row_is_given_to_a_fit(on_data: Benchmarks) -> None:
    for module in (on_data.etth1, on_data.exchange):
        known, scored = module.PROTOCOL.frame("validation")
        everything, tested = module.PROTOCOL.frame("test")
        assert (len(known), scored) == (sum(module.PROTOCOL.split[:2]), module.PROTOCOL.split[1])
        assert (len(everything) - tested, tested) == (len(known), module.PROTOCOL.split[2])


def test_all_windows_at_once_are_the_forecasts_one_by_one(benchmarks: Benchmarks, trained: Path) -> None:
    forecaster, frame = Forecaster.load(trained), read_table("dataset:airline")
    panel, _ = forecaster.panel(frame)
    (series, found, actual), *others = benchmarks.multivariate.forecasts(forecaster, frame, 30)
    assert not others and not series.any() and len(found) == 30 - 12 + 1
    for window, (forecast, came) in enumerate(zip(found, actual, strict=True)):
        cut = len(panel.values) - 30 + window
        expected = forecaster.forecast_panel(panel.drop_newest(30 - window), 12, ())[0, :, 0]
        assert forecast == pytest.approx(expected, rel=1e-5)
        assert came == pytest.approx(panel.values[cut : cut + 12])


def test_m4_gives_the_published_row_of_seasonal_naive(on_data: Benchmarks) -> None:
    m4 = on_data.m4_hourly
    training, actual, histories = m4.rows_of("test")
    found = m4.measures(actual, m4.seasonal_naive(histories), histories)
    assert tuple(found.values()) == pytest.approx(m4.PUBLISHED["seasonal naive"], abs=6e-4)
    assert len(training) == len(actual) == 414


def test_what_m4_and_m3_choose_settings_by_is_cut_from_training_rows(on_data: Benchmarks) -> None:
    whole, _, histories = on_data.m4_hourly.rows_of("test")
    less, actual, shorter = on_data.m4_hourly.rows_of("validation")
    for history, short, held in zip(histories, shorter, actual, strict=True):
        assert np.array_equal(history, np.concatenate([short, held]))
    assert less.iloc[:, 1:].notna().sum().sum() == whole.iloc[:, 1:].notna().sum().sum() - actual.size
    whole, _, histories = on_data.m3_monthly.rows_of("test", 5)
    less, actual, shorter = on_data.m3_monthly.rows_of("validation", 5)
    for history, short, held in zip(histories, shorter, actual, strict=True):
        assert np.array_equal(history, np.concatenate([short, held]))
    assert len(less) == len(whole) - actual.size
