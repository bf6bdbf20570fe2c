"""What is done for many series at once equals what is done for each: tables, packed panels, models, forecasts."""

from __future__ import annotations

import io
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from samples import panel_of

from forecaster import Forecaster
from forecaster.artifact import history
from forecaster.artifact.load import load_model
from forecaster.artifact.save import save_model
from forecaster.config import Config
from forecaster.data.panel.packed import (
    PackedPanel,
    concatenate_panels,
    pack_panel,
    select_rows,
    select_series,
    time_index,
    unpack_panel,
)
from forecaster.data.panel.panel import Panel
from forecaster.intervals.calibration import is_not_constant
from forecaster.prediction import forecast as prediction
from forecaster.prediction.table import forecast_table
from forecaster.system.files import write_file
from forecaster.training import member_fit as attempt

RNG = np.random.default_rng(0)


def same(one: Panel, other: Panel) -> bool:
    """Return whether two panels are the same in every number and name."""
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Panel)]
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b for a, b in pairs
    )


# Panels


@pytest.fixture
def panel() -> Panel:
    return panel_of([90, 70, 5, 1])


def test_a_packed_panel_is_the_panel(panel):
    small = pack_panel(panel)
    assert isinstance(small, PackedPanel) and small.places.dtype == np.uint8
    assert same(small, panel) and np.array_equal(small.last, panel.last)
    assert same(unpack_panel(small), panel) and type(unpack_panel(small)) is Panel
    assert pack_panel(small) is small


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.drop_newest(4),
        lambda p: p.keep_newest(6),
        lambda p: p.take_series(np.array([True, False, True, True])),
        lambda p: select_series(p, 1, 3),
        lambda p: replace(p, freq="2h"),
        lambda p: select_rows(p, np.arange(20), np.array([0, 5, 9, 14, 20]), np.ones(20, bool)),
    ],
)
def test_what_is_cut_from_a_packed_panel_is_cut_from_the_panel(panel, change):
    found = change(pack_panel(panel))
    assert same(found, change(panel))
    axis, places = time_index(found)
    assert np.array_equal(axis[places], found.times)


def test_wider_places_where_there_are_more_times():
    for rows, kind in ((256, np.uint8), (257, np.uint16), (70_000, np.int32)):
        whole = replace(panel_of([rows]), columns=(), covariates=np.zeros((rows, 0), np.float32))
        assert pack_panel(whole).places.dtype == kind
        assert np.array_equal(pack_panel(whole).times, whole.times)


def test_parts_laid_together_are_the_whole(panel):
    assert same(concatenate_panels([select_series(panel, 0, 1), select_series(panel, 1, 4)]), panel)
    assert concatenate_panels([panel]) is panel


def test_observed_everywhere_needs_no_memory(panel):
    panel = replace(panel, observed=np.ones(len(panel.values), bool))
    assert pack_panel(panel).observed.strides == (0,)
    assert same(pack_panel(panel).drop_newest(3), panel.drop_newest(3))


def test_series_that_move_against_a_loop(panel):
    panel = replace(panel, values=np.floor(panel.values / 4)).take_series(np.array([True, True, True, False]))
    oldest = np.array([2, 0, 1])
    for newest in (0, 1, 3):
        parts = [
            panel.values[p][a : len(panel.values[p]) - newest] for p, a in zip(panel.slices(), oldest, strict=True)
        ]
        assert is_not_constant(panel, oldest, newest).tolist() == [len(set(part.tolist())) > 1 for part in parts]


# Tables


def test_a_file_in_pieces(tmp_path):
    path = write_file(tmp_path / "a.csv", iter([b"one ", memoryview(b"two")]))
    assert path.read_bytes() == b"one two"


def test_rounding_does_not_depend_on_how_many_are_rounded_at_once(monkeypatch, panel):
    values = RNG.lognormal(0, 5, (4, 3, 3))
    times, engines = np.arange(12).reshape(4, 3), np.array(["lstm"] * 4, object)
    expected = forecast_table(panel, times, values.copy(), (80,), engines, panel.ranges)
    monkeypatch.setattr("forecaster.prediction.table.ROUNDED_AT_ONCE", 1)
    pd.testing.assert_frame_equal(forecast_table(panel, times, values, (80,), engines, panel.ranges), expected)
    ratio = expected.iloc[:, 2:5].to_numpy() / values.reshape(12, 3)
    assert np.abs(ratio - 1).max() < 1e-6


# Models


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    """A network for series of several lengths, one of them too short to learn from and one for the network at all."""
    rows = {"a": 60, "b,c": 50, "short": 26, "few": 3, "e": 60}
    parts = [
        pd.DataFrame(
            {"s": name, "day": pd.date_range("2024-01-01", periods=n), "y": 5 + np.arange(n) % 7 + RNG.random(n)}
        )
        for name, n in rows.items()
    ]
    settings = {"units": (4,), "epochs": 1, "final": False, "lookback": 14, "horizon": 5, "season": 7, "validation": 10}
    return Forecaster(**settings, series="s").fit(pd.concat(parts))


@pytest.mark.tensorflow
def test_many_groups_of_history_are_one_panel(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "GROUP", 61)
    save_model(fitted.model, tmp_path / "model")
    found, model = load_model(tmp_path / "model"), fitted.model
    assert same(found.history, model.history) and found.ids == model.ids and found.ranges is None
    assert "few" in found.history.ids and "few" not in found.ids
    assert found.scaler.to_dict() == model.scaler.to_dict()
    manifest = (tmp_path / "model" / "manifest.json").read_text()
    assert "b,c" not in manifest and len(manifest) < 20_000


@pytest.mark.tensorflow
def test_the_newest_rows_alone_give_the_same_forecast(fitted, tmp_path):
    fitted = Forecaster._of(replace(fitted.model, pretrained=None))  # which reads more rows than there are
    fitted.save(tmp_path / "model")
    whole, newest = (Forecaster.load(tmp_path / "model", newest_only=only) for only in (False, True))
    assert len(newest.model.history.values) < len(whole.model.history.values)
    assert np.array_equal(newest.model.ranges, whole.model.history.ranges)
    for steps in (5, 12):
        pd.testing.assert_frame_equal(newest.predict(steps), whole.predict(steps), check_exact=True)
        pd.testing.assert_frame_equal(fitted.predict(steps), whole.predict(steps), check_exact=True)
    assert [str(note) for note in newest.notes] == [str(note) for note in whole.notes]


@pytest.mark.tensorflow
def test_forecasts_do_not_depend_on_how_many_are_made_at_once(fitted, monkeypatch):
    expected = fitted.predict(12)
    monkeypatch.setattr(prediction, "SERIES_AT_ONCE", 2)
    pd.testing.assert_frame_equal(fitted.predict(12), expected, rtol=2e-6, atol=0)  # float32


@pytest.mark.parametrize(
    ("given", "windows", "size"),
    [
        (None, 3, 8),
        (None, 100, 100),
        (None, 256_000, 128),
        (None, 256_001, 256),
        (None, 13_600_000, 1_024),
        (128, 13_600_000, 128),
        (4_000, 2_000, 2_000),
    ],
)
def test_batches_grow_with_the_windows_unless_given(given, windows, size):
    assert attempt.batch_size_of(Config(batch_size=given), windows) == size


@pytest.mark.tensorflow
def test_larger_batches_are_told(fitted, monkeypatch):
    monkeypatch.setattr(attempt, "MOST_STEPS", 2)
    monkeypatch.setattr(attempt, "BATCH", 8)
    monkeypatch.setattr("forecaster.fitting.fit.BATCH", 8)
    buffer = io.StringIO()
    frame = fitted.history().rename(columns={"actual": "y"})
    settings = {"units": (2,), "epochs": 1, "final": False, "lookback": 14, "horizon": 5, "season": 7, "validation": 10}
    Forecaster(**settings, series="series").fit(frame, tell=lambda note: print(note, file=buffer))
    assert "batch: 64 windows (with 8 an epoch would be" in buffer.getvalue()
