"""Decide what the settings leave open from the training rows, each decision with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.seasons import find_seasons
from forecaster.data.time.calendar import calendar_cycles
from forecaster.data.time.freq import Freq
from forecaster.data.time.horizon import default_horizon, horizon_steps
from forecaster.errors import DataError, SettingError
from forecaster.features.members import Member, longer_lookback, plan_members
from forecaster.features.transforms import POSITIVE, choose_transform
from forecaster.notes import Note
from forecaster.system.typed_json import Natural, as_type
from forecaster.words import plural, setting

#: Share of the rows of a typical series that validation takes, where the horizon does not need more.
VALIDATION_SHARE = 0.15
#: Largest such share; one horizon may take more.
MOST_VALIDATION = 0.3
#: Smallest lookback, and steps of a segment, without a season.
LEAST_LOOKBACK, SEGMENT = 28, 7
#: Largest share of the rows of a typical series that one window takes, lookback and horizon.
WINDOW_SHARE = 0.34
#: Training windows that a typical series must leave, or the lookback is cut.
LEAST_WINDOWS = 6
#: Fewest rows that a window reads of a series, the rest padded: a season, a quarter of the lookback, or these.
LEAST_ROWS = 4
#: Fewest rows that can be split into lookback, horizon and validation.
LEAST = 6
#: Readings beyond ``LARGE`` are checked: none may be ``FAR`` times as far from the median as the next one.
LARGE, FAR = 1e12, 1e9


@dataclass(frozen=True)
class Plan:
    """The numbers of one fit, nothing left open.

    Attributes:
        horizon: steps to forecast.
        steps: output steps of one run of the network; a longer horizon is rolled forward.
        seasons: seasonal periods in steps, the main one first; ``(1,)`` for none.
        lookback: input steps; the longest of the members.
        segment: steps read at once.
        validation: newest rows of each series kept for validation.
        transform: transformation of the target: ``none``, ``log``, ``box-cox``, ``difference`` or ``return``.
        cycles: cycles of the calendar that the network reads, each as a sine and a cosine.
        holidays: country whose public holidays it reads; ``""`` for none.
        indicator: True if the network reads which readings are missing.
        least: rows of a series that a window needs before the cutoff; with fewer than the lookback it is padded.
        padded: True if some series is so short that its windows are padded; the network is then trained on padded
            windows of every series.
        members: the networks of an ensemble or short list; empty for the single network of the settings.
    """

    horizon: Natural
    steps: Natural
    seasons: tuple[Natural, ...]
    lookback: Natural
    segment: Natural
    validation: Natural
    transform: str
    cycles: tuple[str, ...] = ()
    holidays: str = ""
    indicator: bool = False
    least: Natural = 2
    padded: bool = False
    members: tuple[Member, ...] = ()

    @property
    def season(self) -> int:
        """The main seasonal period in steps; 1 for none."""
        return self.seasons[0]

    @property
    def read_rows(self) -> int:
        """Rows before a cutoff that a forecast reads: two lookbacks, so that an empty covariate cell finds a value."""
        return 2 * self.lookback + 1

    @property
    def max_missing_run(self) -> int:
        """Consecutive missing readings that a window may hold: half of it, but at least a season."""
        return max(self.season, self.lookback // 2)

    def whole_runs(self, horizon: int) -> int:
        """Return the horizon rounded up to whole runs of the network."""
        return -(-horizon // self.steps) * self.steps

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Return the plan of a dictionary made by ``dataclasses.asdict`` and JSON.

        Raises:
            ValueError: a key or a type is not that of a plan.
        """
        return as_type(cls, values, "plan")


def padded_series(lengths: np.ndarray, least: int, lookback: int, ahead: int) -> np.ndarray:
    """Return a mask of the series too short for a whole window in training or, shorter yet, in a forecast.

    Args:
        lengths: rows of each series, ``(series,)``.
        least: rows that a padded window needs.
        lookback: rows of a whole window.
        ahead: rows after the first training window: horizon and validation.

    Returns:
        ``(series,)`` bool; False also for those too short even for a padded window.
    """
    learned = lengths >= least + ahead
    return (lengths >= least) & (lengths < lookback + np.where(learned, ahead, 0))


def make_plan(panel: Panel, config: Config) -> tuple[Plan, list[Note]]:
    """Decide horizon, validation rows, season, lookback, segment and transformation, in that order.

    Season and transformation are inferred from the rows before the validation rows only.

    Args:
        panel: all rows that may be used for training and validation.
        config: settings that are given are kept.

    Raises:
        DataError: too few rows, the message says what would fit; the transformation set is not defined for a reading;
            or a reading is too far from the others.
        SettingError: the horizon cannot be read.
    """
    horizon, why_horizon = choose_horizon(panel, config.horizon)
    steps = min(config.output_steps or horizon, horizon)
    whole = -(-horizon // steps) * steps  # steps of whole runs of the network
    validation, why_validation = validation_rows(panel, config, whole)
    training = panel.drop_newest(validation)
    seasons, season_note = find_seasons(training, panel.freq, config.season)
    lookbacks, why_lookback = _choose_lookbacks(panel, config, seasons, horizon, validation)
    lookback = max(lookbacks)
    _check_rows(panel, lookback, horizon, validation, config.holdout)
    if validation < whole:
        raise SettingError(
            f"validation on {plural(validation, 'row')} holds no forecast of {plural(horizon, 'step')}"
            + (f", made of runs of {steps}" if horizon % steps else ""),
            f"{setting('validation', 2 * whole)}, or leave it out",
        )
    segment, why_segment = _choose_segment(config, seasons[0], lookback)
    members, why_members = plan_members(config, lookbacks, partial(_segment_steps, config, seasons[0]))
    if config.counts and config.transform not in ("auto", "none"):
        raise SettingError(
            f"counts are learned as they are, not as {config.transform}", f"leave {setting('transform')} out"
        )
    wanted = "none" if config.counts else config.transform
    _refuse_nonpositive(panel, wanted)
    transform, transform_note = choose_transform(training, seasons[0], float(panel.values.min()), wanted)
    refuse_far(panel, transform)
    cycles = _find_cycles(training) if config.calendar else ()
    least = min(lookback, max(seasons[0], lookback // 4, LEAST_ROWS))
    padded = bool(padded_series(panel.lengths, least, lookback, horizon + validation).any())
    masked = panel.masked and not bool(training.observed.all())
    plan = Plan(
        horizon=horizon,
        steps=steps,
        seasons=seasons,
        lookback=lookback,
        segment=segment,
        validation=validation,
        transform=transform,
        cycles=cycles,
        holidays=_check_holidays(panel, config),
        indicator=masked or padded,
        least=least,
        padded=padded,
        members=members,
    )
    notes = [
        season_note,
        Note("horizon", plural(horizon, "step"), why_horizon),
        Note("lookback", f"{', '.join(map(str, lookbacks))} steps", why_lookback),
        Note("segment", plural(segment, "step"), why_segment),
        Note("calendar", ", ".join(cycles) or "none", "cycles seen at least twice" if config.calendar else "given"),
        transform_note,
        Note("validation", f"newest {plural(validation, 'row')} of each series", why_validation),
    ]
    if members:
        notes.append(Note("members", ", ".join(member.name for member in members), why_members))
    return plan, notes


def choose_horizon(panel: Panel, horizon: str | None) -> tuple[int, str]:
    """Return the steps to forecast of the series that ends first, and the reason.

    Args:
        panel: the series.
        horizon: steps, a span or a date; None for the steps that are usual for the freq.

    Raises:
        SettingError: the horizon cannot be read, or does not reach beyond the cutoff.
    """
    if horizon is None:
        return default_horizon(panel.freq), f"usual for freq {panel.freq}; {setting('horizon')}"
    return horizon_steps(horizon, panel.last.min(), panel.freq), f"given as {horizon}"


def validation_rows(panel: Panel, config: Config, horizon: int) -> tuple[int, str]:
    """Return the number of newest rows of each series that validation takes, and the reason.

    Args:
        panel: all rows that may be used for training and validation.
        config: ``validation`` is kept if given.
        horizon: steps of whole runs of the network, the fewest rows that hold a forecast.
    """
    if config.validation is not None:
        return config.validation, "given"
    rows = int(np.median(panel.lengths))
    wanted, most = max(2 * horizon, round(VALIDATION_SHARE * rows)), round(MOST_VALIDATION * rows)
    why = (
        f"two horizons or {VALIDATION_SHARE:.0%} of {rows:,} rows, whichever is more" if wanted <= most else "few rows"
    )
    return max(horizon, min(wanted, most)), f"{why}; {setting('validation')}"


def _choose_lookbacks(
    panel: Panel, config: Config, seasons: tuple[int, ...], horizon: int, validation: int
) -> tuple[tuple[int, ...], str]:
    """Return the lookbacks given, or the one of :func:`_choose_lookback`, and twice it where the short list reads both.

    Raises:
        SettingError: ``lookback`` and ``lookbacks`` are both given.
    """
    if config.lookbacks:
        if config.lookback is not None:
            both = f"both {setting('lookback')} and {setting('lookbacks')} are given"
            raise SettingError(both, "leave one of them out")
        return tuple(dict.fromkeys(config.lookbacks)), "given"
    lookback, why = _choose_lookback(panel, config, seasons, horizon, validation)
    twice = longer_lookback(config) and 2 * lookback + horizon <= WINDOW_SHARE * float(np.median(panel.lengths))
    return (lookback, 2 * lookback) if twice else (lookback,), why


def _choose_lookback(
    panel: Panel, config: Config, seasons: tuple[int, ...], horizon: int, validation: int
) -> tuple[int, str]:
    """Return three seasons (14 of hours; a longer season) or two horizons, less where too few windows are left."""
    if config.lookback is not None:
        return config.lookback, "given"
    rows, season = int(np.median(panel.lengths)), seasons[0]
    if season == 1:
        lookback = max(LEAST_LOOKBACK, 2 * horizon)
        while lookback > 2 and lookback + horizon > WINDOW_SHARE * rows:
            lookback -= max(1, lookback // 4)
        return lookback, f"no season; {setting('lookback')}"
    count = max(14 if Freq.of(panel.freq).unit == "h" else 3, -(-max(seasons) // season))
    while count > 2 and count * season + horizon > WINDOW_SHARE * rows:
        count -= 1
    while count > 1 and rows - validation - count * season - horizon < LEAST_WINDOWS:
        count -= 1
    return count * season, f"{count} seasons; {setting('lookback')}"


def _choose_segment(config: Config, season: int, lookback: int) -> tuple[int, str]:
    why = "given" if config.segment is not None else f"{'a' if season > 1 else 'no'} season; {setting('segment')}"
    return _segment_steps(config, season, lookback), why


def _segment_steps(config: Config, season: int, lookback: int) -> int:
    """Return the steps read at once: as given, a season, or 7."""
    return min(config.segment or (season if season > 1 else SEGMENT), lookback)


def _check_holidays(panel: Panel, config: Config) -> str:
    if not config.holidays:
        return ""
    from forecaster.data.time.public_holidays import check_country

    if panel.times.dtype.kind != "M":
        raise SettingError("holidays need dates, but the time column counts steps", f"leave {setting('holidays')} out")
    return check_country(config.holidays)


def _find_cycles(training: Panel) -> tuple[str, ...]:
    if training.times.dtype.kind != "M":
        return ()
    if not len(training):
        return ()
    span = (training.last - training.times[training.offsets[:-1]]).max()
    return calendar_cycles(training.freq, float(span / np.timedelta64(1, "D")))


def _refuse_nonpositive(panel: Panel, transform: str) -> None:
    row = int(panel.values.argmin())
    if transform not in POSITIVE or panel.values[row] > 0:
        return
    raise DataError(
        f"{setting('transform', transform)} needs values above 0, but the smallest of '{panel.roles.target}' is "
        f"{panel.values[row]:g} at {panel.place(row)}",
        f"{setting('transform', 'none')} or difference, which take any value",
    )


def refuse_far(panel: Panel, transform: str) -> None:
    """Refuse a reading so far from the others of its series that float32 cannot represent them next to it.

    Args:
        panel: the series.
        transform: of the target; a logarithm or a power brings such readings near.

    Raises:
        DataError: names the reading farthest from the median in the first such series.
    """
    if transform in POSITIVE:
        return
    for series in np.flatnonzero(np.abs(panel.ranges).max(axis=1) > LARGE).tolist():
        values = panel.values[panel.rows(series)].astype(np.float64)
        away = np.abs(values - np.median(values))
        ordered = np.sort(away[away > 0])
        if (ordered[1:] / FAR > ordered[:-1]).any():
            row = panel.rows(series).start + int(away.argmax())
            raise DataError(
                f"'{panel.roles.target}' is {panel.values[row]:g} at {panel.place(row)}, too far from the others "
                "for float32: the loss would be infinite, or the others would vanish",
                "see 'forecaster inspect'; correct that reading, or leave its cell empty",
            )


def _check_rows(panel: Panel, lookback: int, horizon: int, validation: int, holdout: int) -> None:
    longest = int(panel.lengths.max()) if len(panel) else 0
    needed = lookback + horizon + validation
    if longest >= needed:
        return
    rows = plural(longest, "row") + ("" if len(panel) < 2 else f", the most of {len(panel):,} series,")
    if holdout:
        rows = f"{rows.rstrip(',')}, without the holdout of {holdout},"
    verb = "is" if longest == 1 else "are"
    raise DataError(
        f"{rows} {verb} too few: lookback {lookback} + horizon {horizon} + validation {validation} need {needed}",
        _size_hint(longest, holdout, needed),
    )


def _size_hint(rows: int, holdout: int, needed: int) -> str:
    """Return a hint for ``rows`` rows, and ``holdout`` held out, where ``needed`` are needed."""
    most = rows + holdout - LEAST
    if rows < LEAST and holdout and most >= 0:
        smaller = f"a smaller {setting('holdout')}, of {plural(most, 'row')} at most"
        return smaller if most else f"leave {setting('holdout')} out"
    if rows < LEAST:
        fewer = f", or {LEAST} with {_least_settings(LEAST)}" if needed > LEAST else ""
        return f"add older readings: {max(needed, LEAST)} rows are needed{fewer}"
    fitting = f"what would fit: {_least_settings(rows)}"
    return (
        f"a smaller {setting('holdout')}; or {fitting}"
        if holdout
        else f"'forecaster predict DATA' needs no fit; {fitting}"
    )


def _least_settings(rows: int) -> str:
    """Return settings that fit the given number of rows, :data:`LEAST` or more."""
    fits = (rows - 2) // 4
    sizes = {"horizon": fits, "validation": fits, "lookback": rows - 3 * fits}
    return " ".join(setting(name, size) for name, size in sizes.items())
