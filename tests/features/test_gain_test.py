"""Gains of training: luck or skill."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.features.gain_test import LEAST_STRETCHES, STEADY, STEADY_BEST, gain_t_statistic, needed_share
from forecaster.features.windows import Windows


def windows_of(rows: int, horizon: int, series: int = 1) -> Windows:
    return Windows(np.zeros(rows * series), 2, horizon, np.arange(series + 1) * rows)


def test_the_gain_of_separate_stretches_against_a_slow_loop():
    windows = windows_of(rows=41, horizon=3, series=2)
    random = np.random.default_rng(0)
    before, after = random.random(len(windows)), random.random(len(windows)) - 0.2
    stretches: dict[int, list[float]] = {}
    for number, (_, cutoff) in enumerate(windows.index):
        last = 41 - 3 - 1  # cutoff of the newest window
        stretches.setdefault((last - cutoff + 2) // 3, []).append(before[number] - after[number])
    gains = [np.mean(part) for part in stretches.values()]
    expected = np.mean(gains) / (np.std(gains, ddof=1) / np.sqrt(len(gains)))
    assert gain_t_statistic(before, after, windows) == pytest.approx(expected)


def test_a_small_but_steady_gain_is_believed_and_a_lucky_one_is_not():
    windows, random = windows_of(rows=300, horizon=5), np.random.default_rng(1)
    losses = random.random(len(windows)) + 1
    steady = losses - 0.01 + random.normal(size=len(windows)) * 0.001
    lucky = losses.copy()
    lucky[:5] -= 1
    assert gain_t_statistic(losses, steady, windows) > 10 * STEADY
    assert gain_t_statistic(losses, lucky, windows) < STEADY


def test_where_nothing_changes_or_few_stretches_tell_there_is_none():
    windows = windows_of(rows=300, horizon=5)
    assert gain_t_statistic(np.ones(len(windows)), np.ones(len(windows)), windows) == 0
    few = windows_of(rows=2 + 5 * (LEAST_STRETCHES - 1), horizon=5)
    assert gain_t_statistic(np.ones(len(few)), np.linspace(0, 0.5, len(few)), few) == 0


def test_many_short_series_are_stretches_of_their_own():
    windows = windows_of(rows=10, horizon=4, series=30)
    gains = np.random.default_rng(2).random(30)[windows.series()] + 0.5
    assert gain_t_statistic(np.ones(len(windows)), 1 - gains, windows) > STEADY


def test_noise_is_seldom_taken_for_a_gain():
    windows, random = windows_of(rows=300, horizon=10), np.random.default_rng(3)
    found = []
    for _ in range(400):
        level = random.normal(size=300).cumsum() * 0.1 + random.normal(size=300)
        smooth = np.convolve(level - level.mean(), np.ones(10) / 10, "same")[: len(windows)]  # overlapping windows
        found.append(gain_t_statistic(np.zeros(len(windows)), smooth - smooth.mean(), windows))
    assert np.mean(np.array(found) > STEADY) < 0.1


def test_the_luckiest_of_a_dozen_epochs_is_asked_for_more():
    """Epochs that gain nothing, each the one before it and noise: the best is often steady, seldom steadier."""
    windows, random = windows_of(rows=300, horizon=10), np.random.default_rng(4)
    found = []
    for _ in range(300):
        gains = np.zeros(len(windows))
        epochs = []
        for _ in range(12):
            noise = np.convolve(random.normal(size=len(windows) + 9), np.ones(10), "valid")  # overlapping windows
            gains = gains + noise
            epochs.append(gains)
        best = max(epochs, key=np.mean)
        found.append(gain_t_statistic(best, np.zeros(len(windows)), windows))
    assert np.mean(np.array(found) > STEADY) > 0.1
    assert np.mean(np.array(found) > STEADY_BEST) < 0.06


def test_what_is_beyond_luck_falls_with_the_root_of_the_stretches():
    assert (needed_share(0.2, 0.5), needed_share(0.2, 1), needed_share(0.2, 100)) == pytest.approx((0.2, 0.2, 0.02))
