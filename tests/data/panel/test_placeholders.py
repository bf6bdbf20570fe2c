from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.placeholders import bridge_short_gaps, causal_values, refill_ends
from forecaster.features.inputs import with_causal_placeholders

NAN = np.nan


def slow_bridge(values, observed, allowed, longest):
    found, i = list(values), 0
    while i < len(values):
        j = i
        while j < len(values) and not observed[j]:
            j += 1
        if j - i and j - i <= longest and all(allowed[i:j]):
            for k in range(i, j):
                found[k] = values[i - 1] + (k - i + 1) / (j - i + 1) * (values[j] - values[i - 1])
        i = max(j, i + 1)
    return found


@pytest.mark.parametrize(("season", "longest"), [(1, 6), (4, 1), (12, 3), (24, 6), (168, 6)])
def test_short_stretches_are_bridged_against_a_loop(season, longest):
    rng = np.random.default_rng(season)
    for _ in range(30):
        observed, allowed = rng.random(120) > 0.5, rng.random(120) > 0.05
        observed[[0, 59, 60, 119]] = True  # two series of sixty rows
        values = rng.normal(size=120)
        np.testing.assert_allclose(
            bridge_short_gaps(values, observed, allowed, season), slow_bridge(values, observed, allowed, longest)
        )


def hourly(holes: list[int], rows: int = 80, **settings):
    frame = pd.DataFrame(
        {"time": pd.date_range("2024-01-01", periods=rows, freq="h"), "y": np.arange(rows) % 24 + np.arange(rows) / 7.0}
    )
    return build_panel(frame.drop(index=holes), Config.of(freq="h", **settings))[0]


def test_the_placeholder_of_a_gap_lies_on_a_line_only_under_mask():
    line, past = hourly([50, 51]), hourly([50, 51], gaps="fill")
    assert line.values[50] == pytest.approx(line.values[49] + (line.values[52] - line.values[49]) / 3)
    assert past.values[50] == pytest.approx(past.values[26] + past.values[49] - past.values[25])
    assert line.masked and line.bridged and not past.masked and not past.bridged
    assert not line.observed[50] and not past.observed[50]


def test_a_long_stretch_keeps_the_shape_of_the_last_season():
    panel = hourly(list(range(50, 57)))
    assert panel.values[53] == pytest.approx(panel.values[29] + panel.values[49] - panel.values[25])


def test_no_reading_that_was_cut_off_is_left_in_a_placeholder():
    """Whatever comes after the cut, the rows before it are the same."""
    first = hourly([50, 51]).drop_newest(29)  # ends on the second missing row
    other = pd.DataFrame(
        {"time": pd.date_range("2024-01-01", periods=80, freq="h"), "y": np.arange(80) % 24 + np.arange(80) / 7.0}
    )
    other.loc[52:, "y"] = 1e6
    second = build_panel(other.drop(index=[50, 51]), Config.of(freq="h"))[0].drop_newest(29)
    assert len(first.values) == 51 and not first.observed[-1]
    assert first.values.tolist() == second.values.tolist()


def test_only_the_end_of_a_series_that_was_cut_is_filled_again():
    values, observed = np.array([1.0, 9, 3, 9, 9, 5, 9]), np.array([True, False, True, False, False, True, False])
    offsets, both = np.array([0, 5, 7]), np.array([True, True])
    assert refill_ends(values, observed, offsets, 1, both).tolist() == [1, 9, 3, 3, 3, 5, 5]
    assert refill_ends(values, observed, offsets, 1, np.array([False, True])).tolist() == [1, 9, 3, 9, 9, 5, 5]
    none = np.zeros(7, bool)
    assert refill_ends(values, none, offsets, 1, both).tolist() == values.tolist()


def slow_causal(values, observed, season):
    """Fill one series reading by reading: a step of a run takes the value a season before, plus what was gained."""
    found, begin = list(values), observed.index(True)
    for row in range(begin, len(values)):
        if observed[row]:
            last = row
            continue
        j, m = row - last - 1, season
        if last + 1 - begin <= m or m == 1:
            found[row] = found[last]
            continue
        found[row] = found[last + 1 - m + j % m] + found[last] - found[last - m]
        lowest = min(values[k] for k in range(begin, last + 1) if observed[k])
        found[row] = max(found[row], lowest) if lowest >= 0 else found[row]
    return found


@pytest.mark.parametrize("level", [0.0, 20.0])
def test_causal_values_against_a_loop(level):
    rng, season = np.random.default_rng(0), 4
    sizes = [1, 3, 30, 25, 40]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    values = level + rng.normal(size=offsets[-1])
    for _ in range(20):
        observed = rng.random(offsets[-1]) > 0.5
        observed[[0, 1]] = True
        observed[offsets[4] : offsets[4] + 5] = [False, False, False, False, True]  # rows before the first reading
        found = causal_values(values, observed, offsets, season)
        for a, b in pairwise(offsets):
            if observed[a:b].any():
                expected = slow_causal(values[a:b].tolist(), observed[a:b].tolist(), season)
                np.testing.assert_allclose(found[a:b], expected)


def with_holes(rng, rows):
    """Return hourly readings of two days' season and more, a third of them gone, in runs of any length."""
    y = 10 + 5 * np.sin(np.arange(rows) * 2 * np.pi / 24) + rng.normal(size=rows) + np.arange(rows) / 20
    for start, length in zip(rng.integers(1, rows - 12, rows // 12), rng.integers(1, 10, rows // 12), strict=True):
        y[start : start + length] = NAN
    return y


@pytest.mark.parametrize("missing", ["mask", "interpolate"])
def test_every_cutoff_sees_what_training_saw_there(missing):
    """A season before a hole may lie an earlier hole, whose line must not be read from."""
    rng, sizes = np.random.default_rng(3), (150, 40)
    parts = [
        pd.DataFrame(
            {"id": name, "time": pd.date_range("2024-01-01", periods=rows, freq="h"), "y": with_holes(rng, rows)}
        )
        for name, rows in zip("ab", sizes, strict=True)
    ]
    panel = build_panel(pd.concat(parts), Config.of(target="y", freq="h", missing=missing))[0]
    seen = with_causal_placeholders(panel).values
    lines = 0
    for newer in range(1, 35):
        cut, short = panel.drop_newest(newer), panel.drop_newest(newer).keep_newest(15)
        for i in range(2):
            rows, kept = panel.rows(i), cut.rows(i)
            stop = rows.stop - newer
            last = rows.start + int(np.flatnonzero(panel.observed[rows.start : stop])[-1])
            expected = np.append(panel.values[rows.start : last + 1], seen[last + 1 : stop])
            assert cut.values[kept].tolist() == expected.tolist()
            assert short.values[short.rows(i)].tolist() == expected[-15:].tolist()  # though less than a season is left
            lines += int((panel.values[last + 1 : stop] != seen[last + 1 : stop]).sum())
    assert lines > 20


def test_a_cut_panel_of_interpolated_cells_is_filled_from_the_past():
    panel = build_panel(
        pd.DataFrame({"step": range(8), "y": [1, 2, 3, 4, NAN, 6, 7, 8]}), Config.of(missing="interpolate")
    )[0]
    assert panel.values[4] == 5 and panel.bridged and not panel.masked
    assert panel.drop_newest(3).values.tolist() == [1, 2, 3, 4, 4]
    assert replace(panel, bridged=False).drop_newest(3).values.tolist() == [1, 2, 3, 4, 5]
