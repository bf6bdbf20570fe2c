"""What the pretrained network reads of a window, and what it gives before and beyond its steps."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.pretrained import windows
from forecaster.pretrained.inputs import LEAST, LEAST_ERROR, LONGEST, POWER, SHAPES, make_frame
from forecaster.pretrained.network import MIDDLE, OUTPUTS, QUANTILES
from forecaster.pretrained.simple import NAMES, simple_forecasts
from forecaster.pretrained.windows import Cutoffs, quantiles_of, rows_read, run_windows, source_steps


def wave(rows: int, count: int = 4, season: int = 12) -> np.ndarray:
    """Return ``(count, rows)`` of a season on a walk, above 0."""
    random = np.random.default_rng(rows)
    walk = random.standard_normal((count, rows)).cumsum(axis=1)
    return 50 + 5 * np.sin(2 * np.pi * np.arange(rows) / season) + walk


def whole(values: np.ndarray) -> np.ndarray:
    return np.ones(values.shape, bool)


@pytest.mark.parametrize(("rows", "season", "steps"), [(LEAST, 1, 1), (30, 12, 10), (144, 12, 48), (700, 24, 100)])
def test_inputs_have_their_shapes_and_are_bounded(rows: int, season: int, steps: int) -> None:
    values = wave(rows, season=max(season, 2))
    frame = make_frame(values, whole(values), season, steps)
    assert {name: array.shape[1:] for name, array in frame.inputs.items()} == SHAPES
    assert all(np.isfinite(array).all() and np.abs(array).max() < 13 for array in frame.inputs.values())
    assert frame.blend.shape == (4, steps)
    assert frame.gaps.shape == (4, steps, len(NAMES))
    assert (frame.error > 0).all()
    assert not frame.inputs["future"][:, min(steps, LONGEST) :].any()


def test_scale_is_not_seen() -> None:
    values = wave(100)
    small, large = (make_frame(values * factor, whole(values), 12, 12) for factor in (1e-6, 1e6))
    for name, array in small.inputs.items():
        np.testing.assert_allclose(array, large.inputs[name], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(small.blend * 1e12, large.blend, rtol=1e-6)
    np.testing.assert_allclose(small.error * 1e12, large.error, rtol=1e-6)


def test_the_blend_weighs_by_errors_at_earlier_cutoffs() -> None:
    """Computed again in loops from the simple forecasts themselves."""
    values, steps = wave(60, count=2), 6
    simple = simple_forecasts(values, whole(values), 12, steps, steps)
    frame = make_frame(values, whole(values), 12, steps)
    for window in range(2):
        deviation = values[window].std()
        errors = np.full(len(NAMES), np.nan)
        for name in range(len(NAMES)):
            missed = [
                abs(simple.backtests[number, window, step, name] - values[window, cutoff + step])
                for number, cutoff in enumerate(simple.cutoffs.tolist())
                if simple.there[1 + number, name]
                for step in range(min(steps, 60 - cutoff))
            ]
            if missed:
                errors[name] = np.mean(missed) / deviation
        errors = np.where(np.isnan(errors), 1.2 * np.nanmedian(errors), errors) + LEAST_ERROR
        weights = np.where(simple.there[0], errors**-POWER, 0)
        weights /= weights.sum()
        np.testing.assert_allclose(frame.blend[window], simple.forecasts[window] @ weights, rtol=1e-6)
        np.testing.assert_allclose(frame.error[window], (weights * errors).sum() * deviation, rtol=1e-6)


def test_a_row_that_was_not_observed_is_not_compared_with() -> None:
    """A placeholder far from everything makes no simple forecast look bad."""
    values = wave(120)
    seen = whole(values)
    seen[:, -4] = False
    plain = make_frame(values, seen, 12, 6).error
    values[:, -4] += 1e-3
    moved = make_frame(values, seen, 12, 6).error
    np.testing.assert_allclose(moved, plain, rtol=0.05)
    values[:, -4] += 40
    compared = make_frame(values, whole(values), 12, 6).error
    hidden = make_frame(values, seen, 12, 6).error
    assert (hidden < compared).all()


def test_a_season_longer_than_the_window_is_not_used() -> None:
    values = wave(30)
    with_season, without = (make_frame(values, whole(values), season, 5) for season in (40, 1))
    np.testing.assert_array_equal(with_season.blend, without.blend)


class Planted:
    """An engine that trusts one simple forecast, with quantiles a given distance apart that grows with the step."""

    def __init__(self, name: str, apart: float = 1.0) -> None:
        self.name, self.apart = name, apart

    def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        future = inputs["future"]
        output = np.zeros((len(future), LONGEST, OUTPUTS), np.float32)
        middle = np.sinh(future[:, :, NAMES.index(self.name)])
        wide = self.apart * np.sqrt(np.arange(1, LONGEST + 1))
        output[:, :, : len(QUANTILES)] = middle[:, :, None] + wide[:, None] * (np.arange(len(QUANTILES)) - MIDDLE)
        output[:, :, len(QUANTILES) + NAMES.index(self.name)] = 1
        return output


@pytest.mark.parametrize("season", [1, 7, 24, 60])
def test_steps_beyond_the_decoded_go_on_without_a_break(season: int) -> None:
    values, steps = wave(500, season=max(season, 2)), 200
    frame = make_frame(values, whole(values), season, steps)
    quantiles = quantiles_of(frame, Planted("seasonal-naive").run(frame.inputs).astype(float), season)
    short = make_frame(values, whole(values), season, LONGEST)
    np.testing.assert_allclose(
        quantiles[:, :LONGEST],
        quantiles_of(short, Planted("seasonal-naive").run(short.inputs).astype(float), season),
        atol=1e-3,
    )
    if season > 1:
        naive = values[:, 500 - season + np.arange(steps) % season]
        np.testing.assert_allclose(quantiles[:, :, MIDDLE], naive, rtol=1e-3)
    width = (quantiles[:, :, -1] - quantiles[:, :, 0]) / frame.error[:, None]
    expected = 12 * np.sqrt(np.arange(1, steps + 1))
    np.testing.assert_allclose(width, np.tile(expected, (4, 1)), rtol=0.25)
    assert (np.diff(width[:, ::season], axis=1) >= -1e-6).all()


def test_a_step_beyond_follows_the_same_phase() -> None:
    assert source_steps(LONGEST + 3, 24).tolist() == [24, 25, 26]
    assert source_steps(LONGEST + 26, 24)[-2:].tolist() == [24, 25]
    assert source_steps(LONGEST + 2, 1).tolist() == [47, 47]
    assert source_steps(LONGEST + 2, 60).tolist() == [47, 47]


def test_rows_read_are_few_different_numbers() -> None:
    lengths = np.arange(8, 3_000)
    read = rows_read(lengths, 24)
    assert (read <= lengths).all()
    assert (lengths - read)[lengths <= 512].max() == 7
    assert (read[lengths <= 128] == lengths[lengths <= 128]).all()
    assert len(set(read.tolist())) < 180
    assert rows_read(np.array([5_000]), 7)[0] == 1_600


def test_windows_of_many_lengths_are_each_forecast_as_alone() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(LEAST, 200, 40)
    values = np.concatenate([wave(length, count=1)[0] for length in lengths.tolist()])
    ends, seen = np.cumsum(lengths), np.ones(len(values), bool)
    together = run_windows(Planted("season"), Cutoffs(values, seen, ends, lengths), 12, 10)
    for number in (0, 7, 39):
        one = slice(number, number + 1)
        alone = run_windows(Planted("season"), Cutoffs(values, seen, ends[one], lengths[one]), 12, 10)
        np.testing.assert_allclose(alone, together[one], rtol=1e-6)


def test_threads_and_blocks_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    values = wave(700, count=1)[0]
    ends, seen = np.arange(100, 700), whole(values)
    cutoffs = Cutoffs(values, seen, ends, np.minimum(ends, 97 + ends % 3))
    found = {}
    for threads in (1, 3):
        monkeypatch.setattr(windows, "core_count", lambda threads=threads: threads)
        found[threads] = run_windows(Planted("season"), cutoffs, 12, 10)
    np.testing.assert_array_equal(found[1], found[3])
    monkeypatch.setattr(windows, "BLOCK", 16)
    np.testing.assert_allclose(run_windows(Planted("season"), cutoffs, 12, 10), found[1], rtol=1e-9)


def test_a_series_that_stands_still_stays() -> None:
    values, seen = np.full(60, 3.5), np.ones(60, bool)
    found = run_windows(Planted("naive"), Cutoffs(values, seen, np.array([60]), np.array([60])), 7, 5)
    assert (found == 3.5).all()
