"""What the settings leave open, decided from the training rows, each decision with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.config import Config
from forecaster.data.calendar import calendar_cycles, default_horizon, default_season, horizon_steps
from forecaster.data.freq import Freq
from forecaster.data.panel import Panel
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note
from forecaster.scaling import choose_log

#: Autocorrelation of the differences at the seasonal lag below which a season is not believed.
LEAST_AUTOCORRELATION = 0.1
#: Share of the rows of a typical series that validation takes, where the horizon does not ask for more.
VALIDATION_SHARE = 0.15
#: Share that it takes at most, but for one horizon.
MOST_VALIDATION = 0.3
#: Lookback at least, and steps of a segment, where there is no season.
LEAST_LOOKBACK, SEGMENT = 28, 7
#: Share of the rows of a typical series that one window, lookback and horizon, takes at most.
WINDOW_SHARE = 0.34
#: Windows that a typical series must leave to learn from, or the lookback is cut.
LEAST_WINDOWS = 6
#: Series looked at to check the season; more are thinned evenly.
SEASON_SERIES = 200


@dataclass(frozen=True)
class Plan:
    """The numbers of one fit, nothing left open.

    Attributes:
        horizon: steps to forecast.
        steps: output steps of one run of the network; a longer horizon is rolled forward.
        season: seasonal period in steps; 1 for none.
        lookback: input steps.
        segment: steps the recurrence reads at once.
        validation: newest rows of each series kept for validation.
        log: True where the logarithm of the target is learned.
        cycles: cycles of the calendar that the network is given, each as a sine and a cosine.
    """

    horizon: int
    steps: int
    season: int
    lookback: int
    segment: int
    validation: int
    log: bool
    cycles: tuple[str, ...]

    @property
    def features(self) -> int:
        """Calendar features per step."""
        return 2 * len(self.cycles)

    def whole_runs(self, horizon: int) -> int:
        """Return a horizon made up to whole runs of the network, whose last run may reach beyond it."""
        return -(-horizon // self.steps) * self.steps


def make_plan(panel: Panel, config: Config) -> tuple[Plan, list[Note]]:
    """Decide horizon, validation rows, season, lookback, segment and transformation, in that order.

    Season and transformation are read off the rows before the validation rows only.

    Args:
        panel: all rows that may be learned from.
        config: what is given is kept.

    Raises:
        DataError: too few rows; the message says what would fit.
        SettingError: the horizon cannot be read.
    """
    horizon, why_horizon = _horizon(panel, config)
    steps = min(config.output_steps or horizon, horizon)
    whole = -(-horizon // steps) * steps  # steps of whole runs of the network
    validation, why_validation = _validation(panel, config, whole)
    training = panel.drop_newest(validation)
    season, why_season = _season(training, config, panel.freq)
    lookback, why_lookback = _lookback(panel, config, season, horizon, validation)
    _check_rows(panel, lookback, horizon, validation)
    if validation < whole:
        raise SettingError(
            f"validation on {validation} rows holds no forecast of {horizon} steps"
            + (f", made of runs of {steps}" if horizon % steps else ""),
            f"--validation {2 * whole}, or leave it out",
        )
    segment, why_segment = _segment(config, season, lookback, panel.freq)
    log, transform = (config.transform == "log", Note("transform", config.transform, "given"))
    if config.transform == "auto":
        log, transform = choose_log(training, season, lowest=float(panel.values.min()))
    cycles = _cycles(training) if config.calendar else ()
    plan = Plan(horizon, steps, season, lookback, segment, validation, log, cycles)
    notes = [
        Note("season", str(season), why_season),
        Note("horizon", f"{horizon} steps", why_horizon),
        Note("lookback", f"{lookback} steps", why_lookback),
        Note("segment", f"{segment} steps", why_segment),
        Note("calendar", ", ".join(cycles) or "none", "cycles seen at least twice" if config.calendar else "given"),
        transform,
        Note("validation", f"newest {validation} rows of each series", why_validation),
    ]
    return plan, notes


def has_season(panel: Panel, season: int) -> float:
    """Return the autocorrelation of the differences at the seasonal lag, 0 where it is not significant.

    The test is that of the M4 competition's Naive2 (Makridakis et al. 2020): larger than 1.645 standard errors by
    Bartlett's formula; on first differences, because a trend alone makes the readings themselves correlate at every
    lag. Series are averaged.

    Args:
        panel: training rows.
        season: the lag.
    """
    chosen = np.linspace(0, len(panel) - 1, min(len(panel), SEASON_SERIES)).astype(int)
    found = [_seasonal_autocorrelation(panel.values[panel.rows(i)], season) for i in chosen]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else 0.0


def _seasonal_autocorrelation(values: np.ndarray, season: int) -> float | None:
    changes = np.diff(values)
    if len(changes) < 2 * season:
        return None
    changes = changes - changes.mean()
    power = float(changes @ changes)
    if power <= 0:
        return 0.0
    spectrum = np.abs(np.fft.rfft(changes, 2 * len(changes))) ** 2
    lags = np.fft.irfft(spectrum)[1 : season + 1] / power
    error = np.sqrt((1 + 2 * np.sum(lags[:-1] ** 2)) / len(changes))
    return float(lags[-1]) if lags[-1] > 1.645 * error else 0.0


def _horizon(panel: Panel, config: Config) -> tuple[int, str]:
    if config.horizon is None:
        return default_horizon(panel.freq), f"usual for freq {panel.freq}; --horizon"
    last = panel.times[panel.offsets[1:] - 1].min()
    return horizon_steps(config.horizon, last, panel.freq), f"given as {config.horizon}"


def _validation(panel: Panel, config: Config, horizon: int) -> tuple[int, str]:
    if config.validation is not None:
        return config.validation, "given"
    rows = int(np.median(panel.lengths))
    wanted, most = max(2 * horizon, round(VALIDATION_SHARE * rows)), round(MOST_VALIDATION * rows)
    why = (
        f"two horizons or {VALIDATION_SHARE:.0%} of {rows:,} rows, whichever is more" if wanted <= most else "few rows"
    )
    return max(horizon, min(wanted, most)), f"{why}; --validation"


def _season(training: Panel, config: Config, freq: str) -> tuple[int, str]:
    if config.season is not None:
        return config.season, "given"
    season = default_season(freq)
    if season == 1:
        return 1, f"none is usual for freq {freq}; --season"
    strength = has_season(training, season) if len(training) else 0.0
    if strength >= LEAST_AUTOCORRELATION:
        return season, f"usual for freq {freq}, and the changes repeat: autocorrelation {strength:.2f}; --season"
    return (
        1,
        f"{season} is usual for freq {freq}, but the changes do not repeat at it; --season {season} uses it anyway",
    )


def _lookback(panel: Panel, config: Config, season: int, horizon: int, validation: int) -> tuple[int, str]:
    """Return three seasons (a week of hours) or two horizons, less where the rows would not leave enough windows."""
    if config.lookback is not None:
        return config.lookback, "given"
    rows = int(np.median(panel.lengths))
    if season == 1:
        lookback = max(LEAST_LOOKBACK, 2 * horizon)
        while lookback > 2 and lookback + horizon > WINDOW_SHARE * rows:
            lookback -= max(1, lookback // 4)
        return lookback, "no season; --lookback"
    seasons = 7 if Freq.of(panel.freq).unit == "h" else 3
    while seasons > 2 and seasons * season + horizon > WINDOW_SHARE * rows:
        seasons -= 1
    while seasons > 1 and rows - validation - seasons * season - horizon < LEAST_WINDOWS:
        seasons -= 1
    return seasons * season, f"{seasons} seasons; --lookback"


def _segment(config: Config, season: int, lookback: int, freq: str) -> tuple[int, str]:
    if config.segment is not None:
        return min(config.segment, lookback), "given"
    if season > 1:
        return min(season, lookback), "a season; --segment"
    return min(SEGMENT, lookback), "no season; --segment"


def _cycles(training: Panel) -> tuple[str, ...]:
    if training.times.dtype.kind != "M":
        return ()
    first, last = training.times[training.offsets[:-1]], training.times[training.offsets[1:] - 1]
    return calendar_cycles(training.freq, float((last - first).max() / np.timedelta64(1, "D"))) if len(training) else ()


def _check_rows(panel: Panel, lookback: int, horizon: int, validation: int) -> None:
    longest = int(panel.lengths.max()) if len(panel) else 0
    needed = lookback + horizon + validation
    if longest >= needed:
        return
    fits = max(1, (longest - 2) // 4)
    raise DataError(
        f"{longest} rows are too few: lookback {lookback} + horizon {horizon} + validation {validation} need {needed}",
        f"what would fit: --horizon {fits} --validation {fits} --lookback {max(2, longest - 3 * fits)}"
        if longest >= 6
        else "at least 6 rows are needed; add older readings",
    )
