"""Levels that follow the hits: the rule by hand, what it promises, and that it reads nothing from after a cutoff."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from samples import backtest

from forecaster import Forecaster
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.intervals.adaptive import HIGHEST, LOWEST, Adaptive, next_working_level
from forecaster.networks.keras import start_keras

start_keras()


class TestStepped:
    @pytest.mark.parametrize(
        ("level", "outside", "moved"),  # rate 0.5: by 50 p (outside - p) points, p the share promised to lie outside
        [(80, 0.2, 0.0), (80, 0.6, 4.0), (80, 0.0, -2.0), (95, 0.05, 0.0), (95, 1.0, 2.375), (50, 0.0, -12.5)],
    )
    def test_by_hand(self, level, outside, moved):
        assert next_working_level(level, 70.0, outside, rate=0.5) == pytest.approx(70 + moved)

    def test_stays_a_level(self):
        assert next_working_level(80, 99.0, 1.0, rate=100) == HIGHEST
        assert next_working_level(80, 5.0, 0.0, rate=100) == LOWEST

    @pytest.mark.parametrize("level", [50, 80, 90])
    def test_coverage_tends_to_what_is_promised_where_errors_grow(self, level):
        """Intervals made for errors of 1 while they grow to 2: without it far too few are covered."""
        rng = np.random.default_rng(0)
        made, working, hits, plain = np.sort(np.abs(rng.normal(size=2000))), float(level), 0, 0
        steps = 4000
        for error in np.abs(rng.normal(size=steps)) * np.linspace(1, 2, steps):
            inside = error <= made[min(int(working / 100 * 2000), 1999)]
            hits, plain = hits + inside, plain + (error <= made[int(level / 100 * 2000)])
            working = next_working_level(level, working, float(not inside), rate=0.1)
        assert hits / steps == pytest.approx(level / 100, abs=0.02)
        assert plain / steps < level / 100 - 0.1


def series(rows: int = 30, ids: int = 2) -> Panel:
    return Panel(
        values=np.random.default_rng(1).normal(size=rows * ids),
        observed=np.ones(rows * ids, bool),
        times=np.tile(np.arange(rows), ids),
        offsets=np.arange(ids + 1) * rows,
        ids=tuple(f"s{i}" for i in range(ids)),
        freq="row",
        roles=Roles(time="t", target="y"),
    )


class Seen:
    """Forecasts 0 within a width of the working level over 100, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, known, steps, working):
        self.asked.append(working)
        ends = [end for level in working for end in (-level / 100, level / 100)]
        return np.tile([0.0, *ends], (len(known), steps, 1))


class TestAdaptive:
    def test_every_origin_knows_the_hits_of_those_before(self):
        panel, model = series(), Seen()
        adaptive = Adaptive(model, (80, 50), rate=0.5)
        backtest(panel, {"network": adaptive}, 3, origins=4, season=1, levels=(80, 50))
        expected = [80.0, 50.0]
        assert model.asked[0] == tuple(expected)
        for origin in range(1, 4):
            first = 30 - 12 + 3 * (origin - 1)
            values = np.concatenate([panel.values[panel.rows(i)][first : first + 3] for i in range(2)])
            for place, level in enumerate((80, 50)):
                outside = float((np.abs(values) > expected[place] / 100).mean())
                expected[place] = next_working_level(level, expected[place], outside, rate=0.5)
            assert model.asked[origin] == pytest.approx(expected)
        assert adaptive.settled == 3
        adaptive.settle(panel)
        assert adaptive.settled == 4

    def test_overlapping_horizons_wait_until_they_are_over(self):
        model = Seen()
        backtest(
            series(), {"network": Adaptive(model, (80,), rate=0.5)}, 4, origins=5, stride=1, season=1, levels=(80,)
        )
        assert model.asked[:4] == [(80.0,)] * 4  # nothing is over before the fifth
        assert model.asked[4] != (80.0,)

    def test_nothing_after_a_cutoff_is_read(self):
        one, other = series(), series()
        other.values[-3:] = 1e6  # the last horizon of the last series
        asked = []
        for panel in (one, other):
            model = Seen()
            backtest(panel, {"network": Adaptive(model, (80,))}, 3, origins=4, season=1, levels=(80,))
            asked.append(model.asked)
        assert asked[0] == asked[1]

    def test_sliding_windows_are_told_apart_by_time(self):
        asked = []
        for sliding in (False, True):
            model = Seen()
            adaptive = Adaptive(model, (80,), rate=0.5)
            backtest(series(), {"network": adaptive}, 3, origins=4, season=1, levels=(80,), sliding=sliding)
            asked.append(model.asked)
        assert asked[0] == asked[1] and asked[0][-1] != (80.0,)

    def test_what_was_not_observed_is_no_miss(self):
        panel = series(ids=1)
        panel.values[-6:-3], panel.observed[-6:-3] = 1e6, False
        adaptive = Adaptive(Seen(), (80,), rate=0.5)
        backtest(panel, {"network": adaptive}, 3, origins=2, season=1, levels=(80,))
        assert adaptive.settled == 0 and adaptive.working == (80.0,)


SETTINGS = {"season": 6, "lookback": 18, "horizon": 4, "units": (4,), "epochs": 2, "final": False, "validation": 60}


def wave(rows: int, noise: np.ndarray) -> pd.DataFrame:
    steps = np.arange(rows)
    return pd.DataFrame({"step": steps, "y": 50 + 10 * np.sin(steps * np.pi / 3) + noise[:rows]})


@pytest.fixture(scope="module")
def fitted():
    return Forecaster(**SETTINGS).fit(wave(200, np.random.default_rng(2).normal(size=200)))


class TestNewerRows:
    def newer(self, size: float, rows: int) -> pd.DataFrame:
        noise = np.random.default_rng(2).normal(size=300)
        noise[200:] = size * noise[200:]
        return wave(200 + rows, noise).tail(rows)

    def note(self, fitted) -> str:
        return next((str(note) for note in fitted.notes if note.name == "adapted"), "")

    def test_many_misses_widen_and_none_narrow(self, fitted):
        widths = {}
        for name, size in (("calm", 0.0), ("as before", 1.0), ("wild", 30.0)):
            forecast = fitted.predict(data=self.newer(size, 40), levels=(80,))
            said = self.note(fitted)
            assert "the hits on 10 whole horizons of rows newer than the training" in said
            widths[name] = float(said.split("asked as ")[1].split(" %")[0])
            assert (forecast["lo-80"] < forecast["forecast"]).all()
        assert widths["calm"] < 80 < widths["wild"]

    def test_less_than_a_horizon_changes_nothing(self, fitted):
        fitted.predict(data=self.newer(30.0, 3))
        assert not self.note(fitted)
        fitted.predict()
        assert not self.note(fitted)

    def test_the_newest_horizons_only(self, fitted, monkeypatch):
        monkeypatch.setattr("forecaster.prediction.adapted_levels.MOST_HORIZONS", 3)
        fitted.predict(data=self.newer(1.0, 40))
        assert "3 whole horizons" in self.note(fitted)

    def test_series_never_trained_on_teach_nothing(self, fitted):
        fitted.predict(data=self.newer(1.0, 40).assign(y=1.0), levels=())
        assert not self.note(fitted)
