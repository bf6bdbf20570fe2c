"""One loaded forecaster, several threads: each gets what it would have got alone. No TensorFlow is imported."""

from __future__ import annotations

import copy
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
from manual.golden import GOLDEN, MODELS, sales

from forecaster import Config, Forecaster
from forecaster.artifact.model import Model
from forecaster.data.panel.panel import Panel
from forecaster.fitting import fit as fitting

Call: TypeAlias = Callable[[Forecaster], Any]

ROUNDS = 2


@pytest.fixture(autouse=True)
def threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame | str]:
    """Return eight tables of different forecasts and notes: with gaps, newer rows, too few rows; two of them files."""
    folder, whole = tmp_path_factory.mktemp("tables"), sales()
    south = whole["shop"] == "south"
    tables: list[pd.DataFrame | str] = [
        whole,
        whole.assign(sold=3 * whole["sold"]),
        whole.drop([20, 21, 120]),
        whole[~south],
        pd.concat([whole[~south].tail(10).assign(shop="new"), whole]),
        sales(104),
    ]
    for name, table in {"a.csv": whole.assign(sold=whole["sold"] - 9), "b.csv": sales(97).drop([30])}.items():
        table.to_csv(folder / name, index=False)
        tables.append(str(folder / name))
    return tables


def together(forecaster: Forecaster, calls: list[Call]) -> list[Any]:
    """Return what calls give that begin at the same time, each in a thread of its own."""
    start = Barrier(len(calls))

    def run(call: Call) -> Any:
        start.wait(20)
        return call(forecaster)

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(run, call) for call in calls]]


def assert_same(found: Any, expected: Any) -> None:
    """Assert that two results are the same bits, in every table and note."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    elif is_dataclass(expected) and type(expected).__name__ != "Note":
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert found == expected


def loaded(name: str) -> Forecaster:
    return Forecaster.load(GOLDEN / "0.2.0" / name)


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_of_eight_threads_are_those_of_eight_calls(tables, name):
    calls: list[Call] = [lambda one, data=data: one.forecast(data=data) for data in tables]
    expected = [call(loaded(name)) for call in calls]
    assert len({tuple(map(str, found.notes)) for found in expected}) >= 5, "notes that can be mixed up"
    assert len({found.table.to_csv() for found in expected}) >= 5, "forecasts that can be mixed up"
    for _ in range(ROUNDS):
        for found, alone in zip(together(loaded(name), calls), expected, strict=True):
            assert_same(found, alone)


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_and_evaluations_at_once_are_those_of_calls_one_by_one(tables, name):
    baselines = {"baselines": ("naive", "seasonal-naive")} if name == "rnn" else {}
    calls: list[Call] = [lambda one, data=data: one.forecast(data=data) for data in tables[:4]]
    calls += [lambda one, data=data: one.evaluate(data, origins=2, **baselines) for data in tables[4:7]]
    calls.append(lambda one: one.forecast(2, levels=() if name == "rnn" else (80, 95)))
    expected = [call(loaded(name)) for call in calls]
    for _ in range(ROUNDS):
        for found, alone in zip(together(loaded(name), calls), expected, strict=True):
            assert_same(found, alone)


def test_notes_are_those_of_one_call_as_a_whole(tables):
    calls: list[Call] = [lambda one, data=data: one.predict(data=data) for data in tables]
    whole = [loaded("rnn").forecast(data=data) for data in tables]
    forecaster = loaded("rnn")
    for found, alone in zip(together(forecaster, calls), whole, strict=True):
        assert_same(found, alone.table)
    assert forecaster.notes in [alone.notes for alone in whole]


def test_a_forecast_changes_nothing_of_its_forecaster(tables):
    forecaster = loaded("rnn")
    forecaster.predict(data=tables[4])
    notes, history = list(forecaster.notes), forecaster.model.history
    assert notes
    forecaster.forecast()
    forecaster.evaluate(tables[5], origins=1, baselines="naive")
    with pytest.raises(Exception, match="no file"):
        forecaster.predict(data=str(Path("none.csv")))
    assert forecaster.notes == notes and forecaster.model.history is history


def test_trainings_take_turns(monkeypatch):
    begun_and_ended: list[int] = []

    def fit_panel(panel: Panel, config: Config, *_: Any) -> Model:
        begun_and_ended.append(config.seed)
        time.sleep(0.05)
        begun_and_ended.append(config.seed)
        return loaded("rnn").model

    monkeypatch.setattr(fitting, "fit_panel", fit_panel)
    calls: list[Call] = [lambda _, seed=seed: Forecaster(4, target="sold", seed=seed).fit(sales()) for seed in range(4)]
    together(loaded("rnn"), calls)
    assert begun_and_ended[::2] == begun_and_ended[1::2] and sorted(begun_and_ended[::2]) == [0, 1, 2, 3]


@pytest.mark.parametrize("used", [False, True])
def test_a_forecaster_goes_to_another_process(used):
    forecaster = Forecaster.load(GOLDEN / "0.2.0" / "rnn")
    if used:
        forecaster.predict()
    for again in (pickle.loads(pickle.dumps(forecaster)), copy.deepcopy(forecaster)):
        pd.testing.assert_frame_equal(again.predict(), forecaster.predict())
