"""Simple forecasts of many windows of one length at once, with how they did at earlier cutoffs of the same windows.

Each is a line of :data:`NAMES`; what a window is too short for is left out. All are computed from the rows before a
cutoff only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.pretrained.smoothing import ANY_SEASON, WITH_BOTH, WITH_NONE, WITH_SEASON, WITH_TREND, smooth

#: The simple forecasts, in the order in which the network weighs them.
NAMES = (
    "naive",
    "seasonal-naive",
    "mean-2",  # of the last two seasons, or of the last three rows where there is no season
    "mean-4",
    "mean-8",
    "shifted",  # the last season, moved to the level of its newest quarter
    "scaled",
    "rising",  # the last season, with the mean rise from season to season
    "mean",
    "drift",
    "theta",
    "theta-log",
    "season",  # exponential smoothing with and without trend and season
    "season-trend",
    "level",
    "level-trend",
    "season-log",
    "autoregression",
    "autoregression-changes",
    "week-shifted",  # hours: the same hours a week ago
    "week-smoothed",
    "growth",
    "median",
    "weeks",
    "year",
    "year-shifted",
    "harmonic",
    "analog",
    "autoregression-steps",
    "autoregression-log",
)
#: Rows of a window, and rows before it that the same days of past years are taken from.
WINDOW, PAST = 512, 1_600
#: Rows of a year, by season.
YEARS = {5: 261, 7: 365}
#: Seasons with a longer one of seven of them, a week of hours or of half hours.
DAYS = (24, 48)
#: Earlier cutoffs, spread over three horizons or half the window, and steps of them that are compared.
BACKTESTS = 6
#: Rows that exponential smoothing passes over, at least, and seasons of them.
SMOOTHED, SMOOTHED_SEASONS = 192, 9
#: Multiplications of a matrix product that OpenBLAS leaves to one thread.
ONE_THREAD = 1 << 17
#: Harmonics of a season at most, and seasons after which a row weighs 1/e in the harmonic regression.
HARMONICS, FADING = 6, 4.0


@dataclass(frozen=True)
class Simple:
    """The simple forecasts of some windows.

    Attributes:
        forecasts: ``(windows, steps, names)`` from the end of each window.
        backtests: ``(cutoffs, windows, compared, names)``, oldest last, 0 beyond the end of the window.
        there: ``(1 + cutoffs, names)`` bool: which the window is long enough for, at its end and at each cutoff.
        cutoffs: ``(cutoffs,)`` rows before each.
    """

    forecasts: np.ndarray
    backtests: np.ndarray
    there: np.ndarray
    cutoffs: np.ndarray


def earlier_cutoffs(rows: int, steps: int) -> list[int]:
    """Return the cutoffs of the backtests in a window, newest first: up to six over three horizons or half of it."""
    span = min(3 * steps, rows // 2)
    return [rows - shift for shift in sorted({max(1, round(span * i / BACKTESTS)) for i in range(1, BACKTESTS + 1)})]


def simple_forecasts(past: np.ndarray, observed: np.ndarray, season: int, steps: int, compared: int) -> Simple:
    """Return the simple forecasts of windows of one length.

    Args:
        past: ``(windows, rows)`` of at most :data:`PAST` rows, of which the last :data:`WINDOW` are the window.
        observed: likewise, bool: False for a placeholder.
        season: the seasonal period in rows, less than the window is long.
        steps: the horizon.
        compared: steps of a backtest; the horizon or less.
    """
    count, rows = len(past), min(past.shape[1], WINDOW)
    before = past.shape[1] - rows
    cutoffs = earlier_cutoffs(rows, compared)
    ahead = {rows: steps} | dict.fromkeys(cutoffs, compared)
    numbers = {cutoff: number for number, cutoff in enumerate(ahead)}
    forecasts, backtests = np.zeros((len(NAMES), count, steps)), np.zeros((len(cutoffs), len(NAMES), count, compared))
    found = {rows: forecasts} | dict(zip(cutoffs, backtests, strict=True))  # names first: each is written as a whole
    there = np.zeros((1 + len(cutoffs), len(NAMES)), bool)
    for cutoff, name, values in _all(past, observed, season, ahead, before):
        found[cutoff][NAMES.index(name)] = values
        there[numbers[cutoff], NAMES.index(name)] = True
    return Simple(np.moveaxis(forecasts, 0, -1), np.moveaxis(backtests, 1, -1), there, np.array(cutoffs))


def _all(
    past: np.ndarray, observed: np.ndarray, season: int, ahead: Mapping[int, int], before: int
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield a cutoff of the window, a name and ``(windows, steps)``; ``before`` rows of the past precede the window."""
    window, seen = past[:, before:], observed[:, before:]
    for cutoff, steps in ahead.items():
        known, at = window[:, :cutoff], season if cutoff > season else 1
        parts = _without_recursion(known, at, steps)
        parts |= _past_years(past[:, : before + cutoff], at, steps)
        for name, values in parts.items():
            yield cutoff, name, values
    yield from _autoregressions(window, seen, season, ahead)
    yield from _smoothed(window, seen, season, ahead)


def _back(values: np.ndarray, period: int, steps: int, cycles: int = 1) -> np.ndarray:
    """Return the rows one or more periods before each step ahead, ``(windows, steps)``."""
    return values[:, values.shape[1] - period * cycles + np.arange(steps) % period]


def _ratio(now: np.ndarray, then: np.ndarray, values: np.ndarray, least: float, most: float) -> np.ndarray:
    """Return ``now / then`` within bounds, NaN where it has no meaning: ``(windows, 1)``."""
    positive = (now > 0) & (then > 0) & (values.min(axis=1, keepdims=True) >= 0)
    return np.where(positive, np.clip(now / np.where(positive, then, 1.0), least, most), np.nan)


def _without_recursion(values: np.ndarray, season: int, steps: int) -> dict[str, np.ndarray]:
    """Return what follows from means of rows, ``(windows, steps)`` each."""
    rows, ahead, last = values.shape[1], np.arange(1, steps + 1), values[:, -1:]
    flat = np.ones(steps)
    found = {"naive": last * flat, "mean": values.mean(axis=1, keepdims=True) * flat}
    if rows > 1:
        found["drift"] = last + (last - values[:, :1]) / (rows - 1) * ahead
    if season > 1:
        found |= _of_seasons(values, season, steps)
    else:
        found |= _of_rows(values, steps)
    if rows >= 4 * season + 4 or (season == 1 and rows >= 12):
        found["harmonic"] = _harmonic(values, season, steps)
    return found


def _of_rows(values: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """Return the means of few rows and the trend of the newest, without a season."""
    rows, ahead, last = values.shape[1], np.arange(1, steps + 1), values[:, -1:]
    found = {}
    for name, count, least in (("mean-2", 3, 3), ("mean-4", 8, 4), ("mean-8", 20, 8)):
        if rows >= least:
            found[name] = np.repeat(values[:, -count:].mean(axis=1, keepdims=True), steps, axis=1)
    if rows > 1:
        found["shifted"] = last + (last - values[:, -2:-1]) * np.cumsum(0.7**ahead)
        newest = values[:, -10:]
        middle = newest.mean(axis=1, keepdims=True)
        found["rising"] = middle + _slope(newest) * (ahead + (newest.shape[1] - 1) / 2)
    return found


def _of_seasons(values: np.ndarray, season: int, steps: int) -> dict[str, np.ndarray]:
    """Return the last seasons, repeated, averaged, moved to the newest level."""
    rows, cycle = values.shape[1], np.arange(steps) // season + 1
    last = _back(values, season, steps)
    found = {"seasonal-naive": last}
    for cycles in (2, 4, 8):
        if rows >= season * cycles or cycles == 2:
            several = range(1, min(cycles, rows // season) + 1)
            found[f"mean-{cycles}"] = np.mean([_back(values, season, steps, i) for i in several], axis=0)
    newest = max(1, min(season // 4, rows - season))
    if rows >= season + newest:
        now = values[:, -newest:].mean(axis=1, keepdims=True)
        then = values[:, rows - season - newest : rows - season].mean(axis=1, keepdims=True)
        ratio = _ratio(now, then, values, 0.2, 5.0)
        found["shifted"] = last + now - then
        found["scaled"] = np.where(np.isnan(ratio), found["shifted"], last * ratio)
    cycles = min(rows // season, 5)
    if cycles >= 3:
        found["median"] = np.median([_back(values, season, steps, i) for i in range(1, cycles + 1)], axis=0)
    if cycles >= 2:
        now = values[:, -season:].mean(axis=1, keepdims=True)
        then = values[:, -2 * season : -season].mean(axis=1, keepdims=True)
        oldest = values[:, rows - cycles * season : rows - (cycles - 1) * season].mean(axis=1, keepdims=True)
        ratio = _ratio(now, then, values, 0.5, 2.0)
        found["growth"] = np.where(np.isnan(ratio), last + (now - then) * cycle, last * ratio**cycle)
        found["rising"] = last + (now - oldest) / (cycles - 1) * cycle
    week = 7 * season
    if season in DAYS and rows >= week + season:
        weeks = range(1, min(rows // week, 3) + 1)
        found["weeks"] = np.mean([_back(values, week, steps, i) for i in weeks], axis=0)
        now = values[:, -season:].mean(axis=1, keepdims=True)
        then = values[:, rows - week - season : rows - week].mean(axis=1, keepdims=True)
        found["week-shifted"] = _back(values, week, steps) + 0.5 * (now - then)
    if (analog := _analog(values, season, steps)) is not None:
        found["analog"] = analog
    return found


def _analog(values: np.ndarray, season: int, steps: int) -> np.ndarray | None:
    """Return what followed the past seasons that were most like the last one, moved to its level.

    Nearest neighbours of Lorenz 1969, Journal of the Atmospheric Sciences 26(4), at the same phase of the season, each
    weighted by the exponential of its distance.
    """
    rows, after = values.shape[1], -(-steps // season)
    cycles = rows // season
    if cycles - after < 3:
        return None
    shape = values[:, rows - cycles * season :].reshape(len(values), cycles, season)
    level = shape.mean(axis=2)
    past = shape[:, : cycles - after]
    moved = level[:, -1:] - level[:, : cycles - after]
    away = np.abs(past + 0.7 * moved[:, :, None] - shape[:, -1:]).mean(axis=2) + 0.3 * np.abs(moved)
    near = away / (np.partition(away, 1, axis=1)[:, 1:2] + 1e-9 * np.abs(values).max(axis=1, keepdims=True) + 1e-300)
    weights = np.exp(-3.0 * np.minimum(near, 50.0))
    weights /= weights.sum(axis=1, keepdims=True) + 1e-300
    start = rows - cycles * season + season
    follow = sliding_window_view(values[:, start:], steps, axis=1)[:, ::season][:, : cycles - after]
    ahead = np.einsum("wc,wcs->ws", weights, follow)
    return np.asarray(ahead + 0.7 * (weights * moved).sum(axis=1, keepdims=True))


def _harmonic(values: np.ndarray, season: int, steps: int) -> np.ndarray:
    """Return a regression on a line and harmonics of the season, in which old rows fade, as its last residual does."""
    rows = values.shape[1]
    place = np.arange(rows + steps) - rows
    angles = [2 * np.pi * place * i / season for i in range(1, min(season // 2, HARMONICS) + 1)]
    design = np.stack([np.ones(len(place)), place / rows, *(f(a) for a in angles for f in (np.cos, np.sin))], axis=1)
    if season % 2 == 0 and season // 2 <= HARMONICS:
        design = design[:, :-1]  # the sine of half the season is 0 in every row
    weights = np.exp(place[:rows] / (FADING * max(season, 8)))
    known = design[:rows]
    square = known.T * weights @ known
    square[np.diag_indices(len(square))] += 0.02 * weights.sum() * (np.arange(len(square)) > 0)
    solved = np.linalg.solve(square, known.T * weights).T
    coefficients, newest = _product(values, solved), min(rows, 8 * max(season, 8))
    rest = values[:, -newest:] - _product(coefficients, known[-newest:].T)
    fade = (rest[:, 1:] * rest[:, :-1]).sum(axis=1) / ((rest * rest).sum(axis=1) + 1e-300)
    fade = np.clip(fade, 0.0, 0.98)[:, None]
    return np.asarray(_product(coefficients, design[rows:].T) + rest[:, -1:] * fade ** np.arange(1, steps + 1))


def _product(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the matrix product with every window, ``(windows, columns)``, some windows at once.

    A product as small as that is not shared among threads, which would wait for each other for longer than it takes.

    Args:
        values: ``(windows, rows)``.
        matrix: ``(rows, columns)``.
    """
    at_once = max(1, ONE_THREAD // matrix.size)
    return np.concatenate([values[first : first + at_once] @ matrix for first in range(0, len(values), at_once)])


def _autoregressions(
    window: np.ndarray, observed: np.ndarray, season: int, ahead: Mapping[int, int]
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield a cutoff, a name and ``(windows, steps)``, by autoregressions on a few lags.

    They are of the values, of their changes from season to season and from row to row, and of their logarithms.

    Args:
        window: ``(windows, rows)``.
        observed: likewise, bool.
        season: seasonal period.
        ahead: the cutoffs, each with the steps to forecast from there, in falling order of both.
    """
    seasons = {cutoff: season if cutoff > season else 1 for cutoff in ahead if cutoff >= 12}
    plain = _regress_each(window, observed, 0, {rows: _lags(rows, at, "values") for rows, at in seasons.items()}, ahead)
    for cutoff, values in plain.items():
        yield cutoff, "autoregression", values
    for at in set(seasons.values()):
        lags = {c: _lags(c, at, "changes") for c, own in seasons.items() if own == at and c > at + 12}
        for cutoff, changes in _regress_each(window, observed, at, lags, ahead).items():
            yield cutoff, "autoregression-changes", _summed(window[:, cutoff - at : cutoff], changes)
    lags = {cutoff: _lags(cutoff, at, "steps") for cutoff, at in seasons.items() if at > 1}
    for cutoff, changes in _regress_each(window, observed, 1, lags, ahead).items():
        yield cutoff, "autoregression-steps", _summed(window[:, cutoff - 1 : cutoff], changes)
    logs = np.log(np.where(window > 0, window, 1.0))
    lags = {cutoff: _lags(cutoff, at, "logs") for cutoff, at in seasons.items()}
    for cutoff, values in _regress_each(logs, observed, 0, lags, ahead).items():
        positive = window[:, :cutoff].min(axis=1, keepdims=True) > 0
        raised = np.exp(np.where(positive, values, 0.0))
        yield cutoff, "autoregression-log", np.where(positive, raised, plain[cutoff])


def _lags(rows: int, season: int, of: str) -> tuple[int, ...]:
    """Return the lags of an autoregression: the nearest rows, and those about a season and a week ago.

    Args:
        rows: known.
        season: seasonal period.
        of: ``values``, ``changes`` from season to season, ``steps`` from row to row, or ``logs``.
    """
    near = (1, 2, 3, 4) if rows >= 60 else (1, 2)
    if of == "changes":
        return (*near, season) if season > 4 and rows > 3 * season + 8 else near
    about = {"values": (-1, 0, 1, season), "steps": (-1, 0, 1), "logs": (0, 1)}[of]
    if season == 1 or (of == "values" and season <= 4):
        about = (0,)
    far = (season + beside for beside in about)
    week = 7 * season if of == "values" and season in DAYS and rows > 14 * season + 20 else 0
    weeks = (week - 1, week, week + 1) if week else ()
    return (*near, *(lag for lag in far if lag > near[-1] and rows > 2.5 * lag + 8), *weeks)


def _summed(before: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Return what follows the rows of one period from the changes against the period before, ``(windows, steps)``.

    Args:
        before: ``(windows, period)``.
        changes: ``(windows, steps)``.
    """
    (count, period), steps = before.shape, changes.shape[1]
    periods = -(-steps // period)
    whole = np.zeros((count, periods * period))
    whole[:, :steps] = changes
    return (before[:, None] + whole.reshape(count, periods, period).cumsum(axis=1)).reshape(count, -1)[:, :steps]


def _regress_each(
    values: np.ndarray, observed: np.ndarray, back: int, lags: Mapping[int, tuple[int, ...]], ahead: Mapping[int, int]
) -> dict[int, np.ndarray]:
    """Return :func:`_regress` at every cutoff that has lags; cutoffs of the same lags are computed at once.

    Args:
        values: ``(windows, rows)``.
        observed: likewise, bool.
        back: rows back from which changes are regressed, 0 for the values themselves.
        lags: of the cutoffs.
        ahead: steps to forecast from each.
    """
    if back:
        values, observed = values[:, back:] - values[:, :-back], observed[:, back:] & observed[:, :-back]
    found: dict[int, np.ndarray] = {}
    for some in dict.fromkeys(lags.values()):
        cutoffs = {cutoff - back: ahead[cutoff] for cutoff, own in lags.items() if own == some}
        found |= {cutoff + back: forecast for cutoff, forecast in _regress(values, observed, some, cutoffs).items()}
    return found


def _regress(
    values: np.ndarray, observed: np.ndarray, lags: tuple[int, ...], ahead: Mapping[int, int]
) -> dict[int, np.ndarray]:
    """Return, at each cutoff, a ridge regression on lags, rolled forward within 1.5 times the largest value.

    The sums of products are taken once, from cutoff to cutoff, about the mean before the earliest, in which no later
    row is, and then moved to the mean of each.

    Args:
        values: ``(windows, rows)``.
        observed: likewise, bool.
        lags: of the regression.
        ahead: the cutoffs, each with the steps to forecast from there, in falling order of both.
    """
    cutoffs, longest, last = list(ahead), max(lags), max(ahead)
    origin = values[:, : min(cutoffs)].mean(axis=1)
    centred = values[:, :last] - origin[:, None]
    of_lags = [centred[:, longest - lag : last - lag] for lag in (*lags, 0)]
    terms = np.stack([*of_lags, np.ones_like(of_lags[0])], axis=1)
    if not observed[:, longest:last].all():
        terms *= observed[:, None, longest:last]
    bounds = [0, *(cutoff - longest for cutoff in sorted(cutoffs))]
    parts = (terms[:, :, first:end] for first, end in pairwise(bounds))
    sums = np.stack([part @ part.transpose(0, 2, 1) for part in parts][::-1])
    for number in range(len(cutoffs) - 1, 0, -1):
        sums[number - 1] += sums[number]
    middle = np.stack([centred[:, :cutoff].mean(axis=1) for cutoff in cutoffs])
    sums[:, :, :-1] -= middle[:, :, None, None] * sums[:, :, -1:]
    sums[:, :, :, :-1] -= middle[:, :, None, None] * sums[:, :, :, -1:]
    square, product, diagonal = sums[:, :, :-2, :-2], sums[:, :, :-2, -2:-1], np.arange(len(lags))
    ridge = 0.02 * square[:, :, diagonal, diagonal].mean(axis=2, keepdims=True) + 1e-9
    square[:, :, diagonal, diagonal] += ridge
    solved = np.linalg.solve(square, product)[..., 0]
    return _roll(values, origin + middle, solved, lags, ahead)


def _roll(
    values: np.ndarray, centre: np.ndarray, weights: np.ndarray, lags: tuple[int, ...], ahead: Mapping[int, int]
) -> dict[int, np.ndarray]:
    """Return the forecasts of regressions, rolled forward from all cutoffs at once.

    Args:
        values: ``(windows, rows)``.
        centre: means of the rows before each cutoff, ``(cutoffs, windows)``.
        weights: of the lags, ``(cutoffs, windows, lags)``.
        lags: of the regression.
        ahead: as of :func:`_regress`.
    """
    count, longest, most = len(values), max(lags), max(ahead.values())
    highest, lowest = (np.stack([f(values[:, :cutoff], axis=1) for cutoff in ahead]) for f in (np.max, np.min))
    bound = 1.5 * np.maximum(highest - centre, centre - lowest).ravel()
    rolled = np.empty((longest + most, len(bound)))
    rolled[:longest] = np.concatenate([values[:, cutoff - longest : cutoff] for cutoff in ahead]).T - centre.ravel()
    weights, back = weights.reshape(len(bound), -1).T.copy(), longest - np.array(lags)
    for step in range(most):
        some = slice(count * sum(steps > step for steps in ahead.values()))
        near = np.einsum("lw,lw->w", weights[:, some], rolled[back + step, some])
        rolled[longest + step, some] = np.minimum(np.maximum(near, -bound[some]), bound[some])
    rolled = rolled[longest:].reshape(most, len(ahead), count).transpose(1, 2, 0) + centre[:, :, None]
    return {cutoff: rolled[number, :, :steps] for number, (cutoff, steps) in enumerate(ahead.items())}


def _past_years(past: np.ndarray, season: int, steps: int) -> dict[str, np.ndarray]:
    """Return, for daily rows, the smoothed days of up to four years before, as they were and at the newest level."""
    count, rows = past.shape
    year, near = YEARS.get(season, 0), 3 * season // 2
    if not year or rows < year + 4 * season + near:
        return {}
    sums = np.cumsum(np.concatenate([np.zeros((count, 1)), past], axis=1), axis=1)
    place = rows + np.arange(-2 * season, steps)
    years = [i for i in range(1, 5) if place[0] - i * year - near >= 0]
    means = []
    for i in years:
        first = np.minimum(place - i * year - near, rows - 2 * near - 1)  # beyond a year ahead: the newest rows
        means.append((sums[:, first + 2 * near + 1] - sums[:, first]) / (2 * near + 1))
    climate = np.mean(means, axis=0)
    week = past[:, -4 * season :].reshape(count, 4, season).mean(axis=1)
    week = (week - week.mean(axis=1, keepdims=True))[:, np.arange(steps) % season]
    plain = climate[:, 2 * season :] + week
    newest = past[:, -2 * season :].mean(axis=1, keepdims=True)
    return {"year": plain, "year-shifted": plain + newest - climate[:, : 2 * season].mean(axis=1, keepdims=True)}


def _smoothed(
    window: np.ndarray, observed: np.ndarray, season: int, ahead: Mapping[int, int]
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield a cutoff, a name and ``(windows, steps)``, by exponential smoothing.

    Theta of Assimakopoulos & Nikolopoulos 2000 (International Journal of Forecasting 16(4)), in the form of Hyndman &
    Billah 2003 (19(2)): simple smoothing with half the slope of a line through the rows.

    Args:
        window: ``(windows, rows)``.
        observed: likewise, bool.
        season: seasonal period.
        ahead: the cutoffs, each with the steps to forecast from there.
    """
    enough = {cutoff: steps for cutoff, steps in ahead.items() if cutoff >= 2 * season + 2}
    at, ahead_of = (season, enough) if enough else (1, ahead)
    rows = window.shape[1]
    first = max(0, min(rows - max(SMOOTHED, SMOOTHED_SEASONS * at), min(ahead_of) - 2 * at - 2))
    near = window[:, first:]
    positive = near.min(axis=1, keepdims=True) > 0
    logs = np.log(np.where(positive, near, 1.0))

    def raised(values: np.ndarray, otherwise: np.ndarray, cutoff: int) -> np.ndarray:
        cap = logs[:, :cutoff].max(axis=1, keepdims=True) + 1.5
        return np.where(positive, np.exp(np.minimum(values, cap)), otherwise)

    cutoffs = [cutoff - first for cutoff in ahead_of]
    plain = smooth(near, observed[:, first:], at, cutoffs)
    logged = smooth(logs, observed[:, first:], at, cutoffs, seasonal=True)
    for cutoff, steps in ahead_of.items():
        by_value, by_log, known = plain[cutoff - first], logged[cutoff - first], cutoff - first
        half = 0.5 * np.arange(1, steps + 1)
        parts = {
            "season": by_value.average(WITH_SEASON, steps),
            "season-trend": by_value.average(WITH_BOTH, steps),
            "level": by_value.average(WITH_NONE, steps),
            "level-trend": by_value.average(WITH_TREND, steps),
            "season-log": raised(by_log.average(ANY_SEASON, steps), by_value.average(ANY_SEASON, steps), known),
        }
        parts["theta"] = parts["season"] + _slope(near[:, :known]) * half
        parts["theta-log"] = raised(
            by_log.average(WITH_SEASON, steps) + _slope(logs[:, :known]) * half, parts["theta"], known
        )
        for name, values in parts.items():
            yield cutoff, name, values
    week = 7 * season
    weeks = {cutoff: steps for cutoff, steps in ahead.items() if season in DAYS and cutoff >= 2 * week}
    if weeks:
        for cutoff, states in smooth(window, observed, week, weeks, seasonal=True).items():
            yield cutoff, "week-smoothed", states.average(ANY_SEASON, weeks[cutoff])


def _slope(values: np.ndarray) -> np.ndarray:
    """Return the slope of a line through the rows, ``(windows, 1)``."""
    place = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    return np.asarray(np.einsum("wr,r->w", values, place) / max(place @ place, 1e-300))[:, None]
