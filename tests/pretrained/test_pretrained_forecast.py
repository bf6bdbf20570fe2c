"""Forecasts with no fit: of the network that comes along, and of planted ones where a number matters."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from forecaster import Config, errors
from forecaster.data.panel.build import build_panel
from forecaster.data.readers.sources import read_table
from forecaster.evaluation.metrics import seasonal_scale
from forecaster.pretrained import forecast as forecasts
from forecaster.pretrained.forecast import bounds_of, find_factors, forecast_pretrained
from forecaster.pretrained.inputs import LEAST, LONGEST
from forecaster.pretrained.network import MIDDLE, OUTPUTS, QUANTILES
from forecaster.pretrained.stored import MOST, NETWORK, TRAINED, WEIGHTS, pretrained_engine, read_manifest, read_weights

SCORES = np.array([NormalDist().inv_cdf(quantile) for quantile in QUANTILES])


def panel_of(*rows: np.ndarray, freq: str = "D"):
    """Return a panel of series, given as arrays."""
    import pandas as pd

    frames = [
        pd.DataFrame({"id": f"s{i}", "time": pd.date_range("2020-01-01", periods=len(row), freq=freq), "y": row})
        for i, row in enumerate(rows)
    ]
    return build_panel(pd.concat(frames), Config.of(target="y", series=("id",), time="time"))[0]


def test_airline_is_forecast_better_than_by_its_last_season() -> None:
    panel, _ = build_panel(read_table("dataset:airline"), Config.of())
    known = panel.drop_newest(12)
    found = forecast_pretrained(known, (12,), 12, (80, 95))
    actual = panel.values[-12:]
    scale = seasonal_scale(known.values, 12, known.observed)
    error = np.abs(found.values[0, :, 0] - actual).mean() / scale
    last = np.abs(known.values[-12:] - actual).mean() / scale
    assert error < 0.8 * last
    assert found.engines.tolist() == ["pretrained"]
    assert found.values.shape == (1, 12, 5)


@pytest.mark.parametrize("steps", [1, 10, 130])
def test_intervals_hold_one_another_and_the_forecast(steps: int) -> None:
    random = np.random.default_rng(0)
    panel = panel_of(*[random.standard_normal(length).cumsum() + 30 for length in (LEAST, 40, 200, 600)])
    values = forecast_pretrained(panel, (7,), steps, (50, 80, 99)).values
    assert np.isfinite(values).all()
    point, low50, high50, low80, high80, low99, high99 = np.moveaxis(values, 2, 0)
    middle = (high50 - low50) > 0
    assert middle.mean() > 0.9
    assert (low50 <= point + 1e-9).all()
    assert (point <= high50 + 1e-9).all()
    assert (low99 <= low80).all()
    assert (low80 <= low50).all()
    assert (high50 <= high80).all()
    assert (high80 <= high99).all()


def test_a_series_is_forecast_alike_alone_and_among_others() -> None:
    random = np.random.default_rng(1)
    rows = [random.standard_normal(length).cumsum() for length in (50, 90, 300, 31)]
    together = forecast_pretrained(panel_of(*rows), (7,), 14, ()).values
    for number, row in enumerate(rows):
        alone = forecast_pretrained(panel_of(row), (7,), 14, ()).values
        np.testing.assert_allclose(alone[0], together[number], rtol=1e-4, atol=1e-4)


def test_scale_and_unit_do_not_matter() -> None:
    row = np.random.default_rng(2).standard_normal(150).cumsum() + 40
    plain = forecast_pretrained(panel_of(row), (7,), 14, (80,)).values
    for factor in (1e-9, 1e9, 1e90):
        scaled = forecast_pretrained(panel_of(row * factor), (7,), 14, (80,)).values
        np.testing.assert_allclose(scaled / factor, plain, rtol=1e-3)


def test_what_is_too_short_repeats_its_last_value_and_says_so() -> None:
    panel = panel_of(np.array([1.0, 4, 2]), np.arange(30.0), np.array([5.0]))
    found = forecast_pretrained(panel, (7,), 3, (80,))
    assert found.engines.tolist() == ["naive", "pretrained", "naive"]
    assert found.values[0, :, 0].tolist() == [2, 2, 2]
    assert np.isnan(found.values[2, :, 1:]).all()
    note = next(note for note in found.notes if note.name == "engine")
    assert "2 of 3 series" in str(note)
    assert note.warning


def test_counts_and_constants() -> None:
    random = np.random.default_rng(0)
    panel = panel_of(random.poisson(0.3, 200).astype(float), np.full(50, 7.0), np.zeros(40))
    values = forecast_pretrained(panel, (7,), 14, (80, 95)).values
    assert values[0].min() >= 0
    assert (values[1] == 7).all()
    assert (values[2] == 0).all()


def test_what_was_never_negative_is_raised_to_zero_and_that_is_told() -> None:
    never = np.abs(np.random.default_rng(0).standard_normal(100))
    found = forecast_pretrained(panel_of(never, never - 1, np.array([9.0, 0.0])), (1,), 10, (80, 95))
    assert found.values[0].min() == found.values[2].min() == 0
    assert found.values[1].min() < 0
    assert found.raised[[0, 2]].any(axis=(1, 2)).all()
    assert not found.raised[1].any()
    assert (found.values[found.raised] == 0).all()


class Narrow:
    """An engine whose quantiles are those of a normal error of a given deviation about the blend, in its errors."""

    def __init__(self, deviation: float) -> None:
        self.deviation = deviation

    def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        output = np.zeros((len(inputs["future"]), LONGEST, OUTPUTS), np.float32)
        output[:, :, : len(QUANTILES)] = self.deviation * SCORES
        return output


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch):
    """Use an engine of a given width as the pretrained network."""

    def plant(deviation: float) -> None:
        monkeypatch.setattr(forecasts, "pretrained_engine", lambda: Narrow(deviation))

    return plant


@pytest.mark.parametrize("deviation", [0.3, 1.2, 5.0])
def test_intervals_cover_what_they_say_whatever_the_network_thinks(planted, deviation: float) -> None:
    """White noise: the history tells how wide the intervals must be."""
    planted(deviation)
    random = np.random.default_rng(0)
    rows = [random.standard_normal(400) for _ in range(60)]
    found = forecast_pretrained(panel_of(*[row[:-10] for row in rows]), (1,), 10, (80, 95)).values
    actual = np.stack([row[-10:] for row in rows])
    for number, level in enumerate((0.8, 0.95)):
        inside = (actual >= found[:, :, 1 + 2 * number]) & (actual <= found[:, :, 2 + 2 * number])
        assert abs(inside.mean() - level) < 0.05


def test_few_earlier_windows_leave_the_quantiles_of_the_network_nearly_alone(planted) -> None:
    planted(0.3)
    row = np.random.default_rng(0).standard_normal(2_000)
    factors = {
        count: find_factors(forecasts.pretrained_engine(), panel_of(row[:length]), 1, 10, (95,))[0].mean()
        for count, length in ((0, 33), (1, 36), (4, 72), (40, 2_000))
    }
    assert factors[0] == 1
    assert 1 < factors[1] < 1.2
    assert factors[1] < factors[4] < factors[40]


def test_the_note_says_what_the_intervals_rest_on() -> None:
    row = np.random.default_rng(0).standard_normal(300)
    (note,) = forecast_pretrained(panel_of(row), (7,), 14, (80,)).notes
    assert "14 earlier cutoffs" in str(note)
    assert "196 readings" in str(note)
    (note,) = forecast_pretrained(panel_of(row[:20]), (7,), 14, (80,)).notes
    assert "too few rows" in str(note)
    assert forecast_pretrained(panel_of(row), (7,), 14, ()).notes == []


def test_bounds_of_a_normal_distribution() -> None:
    quantiles = np.tile(3 + 2 * SCORES, (1, 2, 1))
    for level in (20, 60, 80, 90, 95, 99):
        low, high = bounds_of(quantiles, level)
        expected = 3 + 2 * NormalDist().inv_cdf(0.5 + level / 200)
        np.testing.assert_allclose(high, expected)
        np.testing.assert_allclose(low, 6 - expected)


def test_missing_rows_are_forecast_over() -> None:
    import pandas as pd

    random = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=300)
    values = 10 + 3 * np.sin(2 * np.pi * np.arange(300) / 7) + 0.1 * random.standard_normal(300)
    gone = random.random(300) < 0.2
    frame = pd.DataFrame({"time": times, "y": np.where(gone, np.nan, values)})
    panel, _ = build_panel(frame, Config.of(target="y"))
    found = forecast_pretrained(panel, (7,), 7, ()).values[0, :, 0]
    np.testing.assert_allclose(found, 10 + 3 * np.sin(2 * np.pi * np.arange(300, 307) / 7), atol=0.8)


def test_its_files_are_small_and_agree() -> None:
    manifest = read_manifest()
    assert sum(path.stat().st_size for path in TRAINED.iterdir()) < 3 << 20
    weights = read_weights()
    assert sum(array.size for array in weights.values()) == manifest.parameters
    assert all(np.isfinite(array).all() for array in weights.values())
    lines = [json.loads(line) for line in (TRAINED / "training.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == manifest.steps
    assert lines[-1]["windows"] == manifest.windows
    assert lines[-1]["loss_apart"] < lines[0]["loss_apart"]


@pytest.mark.parametrize(("name", "read"), [(NETWORK, pretrained_engine), (WEIGHTS, read_weights)])
@pytest.mark.parametrize("damage", ["bit", "absent", "large", "manifest", "key"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, read, damage: str) -> None:
    for path in TRAINED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / name).read_bytes())
    manifest = tmp_path / "manifest.json"
    if damage == "bit":
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
    elif damage == "absent":
        (tmp_path / name).unlink()
    elif damage == "large":
        (tmp_path / name).write_bytes(content + bytes(MOST))
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        manifest.write_text(manifest.read_text().replace('"units"', '"unit"'))
    with pytest.raises(errors.ModelError, match="the pretrained network at"):
        read(tmp_path)


def test_the_middle_quantile_is_the_median() -> None:
    assert QUANTILES[MIDDLE] == 0.5
    np.testing.assert_allclose(np.array(QUANTILES) + np.array(QUANTILES)[::-1], 1)


ODD = {
    "a last step": np.where(np.arange(60) < 59, 5.0, 6.0),
    "a first step": np.where(np.arange(60) < 1, 5.0, 6.0),
    "a jump to 1e90": np.repeat([0.0, 1e90], 50),
    "growth to e^200": np.exp(np.linspace(0, 200, 300)),
    "hardly anything": np.random.default_rng(0).standard_normal(100).cumsum() * 1e-200,
    "rare and huge": np.where(np.random.default_rng(0).random(600) < 0.05, 1e12, 0.0),
    "rare": np.random.default_rng(0).poisson(0.05, 400).astype(float),
    "two values": np.tile([0.0, 0.0, 1.0], 40),
    "a line": np.linspace(0, 1, 50),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("season", "steps"), [(1, 10), (7, 60), (365, 7)])
def test_odd_series_end_in_finite_numbers_without_a_warning(odd: str, season: int, steps: int) -> None:
    """Warnings are errors in these tests."""
    values = forecast_pretrained(panel_of(ODD[odd]), (season,), steps, (80, 95)).values
    assert np.isfinite(values).all()
    point, low, high = np.moveaxis(values[:, :, :3], 2, 0)
    slack = 1e-9 * np.abs(point)
    assert (low <= point + slack).all()
    assert (point <= high + slack).all()


def test_far_steps_of_a_growing_season_stay_in_reach():
    """Twenty seasons on, a season that grew by a half is three thousand times as large; a line leads not that far."""
    rows = np.arange(96)
    values = (10 + np.sin(rows * np.pi / 6)) * np.where(rows < 84, 1.0, 1.5)
    panel = panel_of(values)
    found = forecast_pretrained(panel, (12,), 240, (95,)).values[0]
    reach = 2 * np.ptp(values) * (1 + np.arange(1, 241) / 96)
    assert (found[:, 0] <= values.max() + reach).all() and (found[:, 0] >= values.min() - reach).all()
    assert np.abs(found[:, 0] - 12).max() < 30
    assert np.isfinite(found).all()


def test_a_reading_far_from_the_others_is_not_outgrown():
    values = np.r_[50 + 10 * np.sin(np.arange(120) * 2 * np.pi / 7), 1e9]
    found = forecast_pretrained(panel_of(values), (7,), 7, ()).values[0, :, 0]
    assert np.abs(found).max() <= 3.2e9
