"""Forecasts that a network has to beat: :data:`BASELINES`, each for one series, with intervals.

A forecast is ``(horizon, 1 + 2 * levels)`` float64: the point, then lo and hi of each level. What cannot be forecast is
nan.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from forecaster.errors import DependencyError, SettingError, nearest
from forecaster.levels import check_levels, level_columns
from forecaster.notes import Note
from forecaster.system.limits import is_out_of_memory

#: Rows that AutoETS, AutoTheta and MSTL look back, six weeks of hours: 5,000 cost AutoETS 1.5 to 3 s a forecast, 1,000
#: half a second.
LOCAL_HISTORY = 1_008

#: Longest season that AutoETS models; with a longer one it is fitted without season, as in R. It estimates a state for
#: each step of the season: 52 cost 0.5 s a forecast, 336 cost 9 s and then choose a model without season anyway.
LONGEST_ETS_SEASON = 52

#: Rows that AutoARIMA looks back, and the longest season that it models.
ARIMA_HISTORY, LONGEST_ARIMA_SEASON = 336, 24

#: Value of the normal distribution that the autocorrelation at the season must pass, with 90 %, for Naive2.
SEASONAL_TEST = 1.645
#: Seasons of history that this test needs.
SEASONS_TO_TEST = 3


def mean(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Repeat the mean of the history; the deviation is ``s sqrt(1 + 1 / n)`` at every step.

    Hyndman & Athanasopoulos, Forecasting: principles and practice, 3rd edition (FPP3), sections 5.2 and 5.5; ``s`` is
    the standard deviation with ``n - 1``. A single row has none: its intervals are nan.

    Args:
        history: ``(n,)``, n at least 1.
        horizon: steps wanted.
        season: not used.
        levels: 80 means an 80 % interval.
    """
    middle = float(history.mean(dtype=float))
    deviation = _deviation(history - middle, parameters=1) * np.sqrt(1 + 1 / len(history))
    return _with_intervals(np.full(horizon, middle), np.full(horizon, deviation), levels)


def naive(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Repeat the last value; the deviation at step ``h`` is ``s sqrt(h)``.

    Hyndman & Athanasopoulos, Forecasting: principles and practice, 3rd edition (FPP3), sections 5.2 and 5.5; ``s`` is
    the residual standard deviation, ``sqrt(sum e^2 / residuals)``. A single row has no residual: its intervals are nan.

    Args:
        history: ``(n,)``, n at least 1.
        horizon: steps wanted.
        season: not used.
        levels: 80 means an 80 % interval.
    """
    steps = np.arange(1, horizon + 1)
    deviation = _deviation(np.diff(history)) * np.sqrt(steps)
    return _with_intervals(np.full(horizon, history[-1], float), deviation, levels)


def seasonal_naive(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Repeat the last season; the deviation at step ``h`` is ``s sqrt(k + 1)``, k whole seasons before it (FPP3, 5.5).

    A history shorter than one season falls back to :func:`naive`; :func:`forecaster.evaluation.backtest.backtest` notes
    it. One of exactly a season has no residual: its intervals are nan.

    Args:
        history: ``(n,)``, n at least 1.
        horizon: steps wanted.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.
    """
    if len(history) < season:
        return naive(history, horizon, season, levels)
    seasons, phase = np.divmod(np.arange(horizon), season)
    deviation = _deviation(history[season:] - history[:-season]) * np.sqrt(seasons + 1)
    return _with_intervals(history[len(history) - season + phase].astype(float), deviation, levels)


def drift(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Continue the line from the first to the last value; the deviation is ``s sqrt(h (1 + h / (n - 1)))`` (FPP3, 5.5).

    The slope is one parameter, so ``s = sqrt(sum e^2 / (n - 2))``; two rows or fewer give nan intervals and one row no
    slope.

    Args:
        history: ``(n,)``, n at least 1.
        horizon: steps wanted.
        season: not used.
        levels: 80 means an 80 % interval.
    """
    gaps = max(len(history) - 1, 1)
    slope = (history[-1] - history[0]) / gaps
    steps = np.arange(1, horizon + 1)
    deviation = _deviation(np.diff(history) - slope, parameters=1) * np.sqrt(steps * (1 + steps / gaps))
    return _with_intervals(history[-1] + slope * steps, deviation, levels)


def naive2(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Repeat the last value of the seasonally adjusted history, the season put back: what OWA is measured against.

    The adjustment is that of the M4 competition (Makridakis, Spiliotis & Assimakopoulos 2020, International Journal of
    Forecasting 36(1), section 3.2): where the history is seasonal by :func:`is_seasonal`, it is divided by the indices
    of the classical multiplicative decomposition. A history with a value of zero or below is decomposed additively.
    The deviation at step ``h`` is that of :func:`naive` of the adjusted history, times the index.

    Args:
        history: ``(n,)``, n at least 1.
        horizon: steps wanted.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.
    """
    if not is_seasonal(history, season):
        return naive(history, horizon, season, levels)
    ratio = bool(history.min() > 0)
    index = _seasonal_index(history.astype(float), season, ratio)
    phase = np.arange(len(history) + horizon) % season
    past, ahead = index[phase[: len(history)]], index[phase[len(history) :]][:, None]
    adjusted = naive(history / past if ratio else history - past, horizon, season, levels)
    return adjusted * ahead if ratio else adjusted + ahead


def is_seasonal(history: np.ndarray, season: int) -> bool:
    """Return whether the autocorrelation at the season is significant with 90 %, as the M4 competition tested it.

    With Bartlett's deviation, ``|r_m| > 1.645 sqrt((1 + 2 (r_1^2 + ... + r_(m-1)^2)) / n)``; never with fewer than
    three seasons of history.

    Args:
        history: ``(n,)``.
        season: the seasonal period ``m`` in steps.
    """
    n = len(history)
    if season < 2 or n < SEASONS_TO_TEST * season:
        return False
    centred = history - history.mean(dtype=float)
    power = float(centred @ centred)
    if not power > 0:
        return False
    r = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / power
    return bool(abs(r[-1]) > SEASONAL_TEST * np.sqrt((1 + 2 * (r[:-1] ** 2).sum()) / n))


def auto_ets(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Exponential smoothing chosen by AICc, from statsforecast (Hyndman et al. 2008), on the newest rows.

    Args:
        history: ``(n,)``; only the newest :data:`LOCAL_HISTORY` rows are used.
        horizon: steps wanted.
        season: the seasonal period in steps; beyond :data:`LONGEST_ETS_SEASON` a model without season is fitted.
        levels: 80 means an 80 % interval.

    Returns:
        All nan where statsforecast cannot fit the history, as with fewer than about 8 rows.

    Raises:
        DependencyError: statsforecast is not installed.
    """
    return _statsforecast("AutoETS", history, horizon, season if season <= LONGEST_ETS_SEASON else 1, levels)


def auto_theta(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """Return the best of four Theta models, from statsforecast (Fiorucci et al. 2016), on the newest rows.

    Args:
        history: ``(n,)``; only the newest :data:`LOCAL_HISTORY` rows are used.
        horizon: steps wanted.
        season: the seasonal period in steps; without two full seasons of history it is left out.
        levels: 80 means an 80 % interval.

    Returns:
        All nan where statsforecast cannot fit the history, as with fewer than 4 rows.

    Raises:
        DependencyError: statsforecast is not installed.
    """
    return _statsforecast("AutoTheta", history, horizon, season, levels)


def auto_arima(history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    """ARIMA chosen by AICc, from statsforecast (Hyndman & Khandakar 2008), on the newest rows.

    It takes seconds a forecast: candidates are compared by conditional sums of squares.

    Args:
        history: ``(n,)``; only the newest :data:`ARIMA_HISTORY` rows are used.
        horizon: steps wanted.
        season: the seasonal period in steps; beyond :data:`LONGEST_ARIMA_SEASON` a model without season is fitted.
        levels: 80 means an 80 % interval.

    Returns:
        All nan where statsforecast cannot fit the history.

    Raises:
        DependencyError: statsforecast is not installed.
    """
    season = season if season <= LONGEST_ARIMA_SEASON else 1
    return _statsforecast("AutoARIMA", history[-ARIMA_HISTORY:], horizon, season, levels, approximation=True)


def mstl(
    history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...], seasons: tuple[int, ...] = ()
) -> np.ndarray:
    """Decompose by several seasons, smooth the trend by AutoETS, from statsforecast (Bandara et al. 2021).

    Args:
        history: ``(n,)``; only the newest :data:`LOCAL_HISTORY` rows are used.
        horizon: steps wanted.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.
        seasons: all seasonal periods; ``season`` alone by default. Of those longer than half of the history none is
            modelled.

    Returns:
        All nan where statsforecast cannot fit the history, as where it holds no two seasons.

    Raises:
        DependencyError: statsforecast is not installed.
    """
    rows = min(len(history), LOCAL_HISTORY)
    periods = sorted({period for period in (*seasons, season) if 1 < period <= rows // 2})
    if not periods:
        return _statsforecast("AutoETS", history, horizon, 1, levels)
    return _statsforecast("MSTL", history, horizon, periods if len(periods) > 1 else periods[0], levels)


Baseline = Callable[[np.ndarray, int, int, tuple[int, ...]], np.ndarray]

#: The baselines by name; each takes (history, horizon, season, levels).
BASELINES: dict[str, Baseline] = {
    "mean": mean,
    "naive": naive,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "Naive2": naive2,
    "AutoETS": auto_ets,
    "AutoTheta": auto_theta,
    "MSTL": mstl,
    "AutoARIMA": auto_arima,
}

#: The baselines that cost nothing; the others fit a model to every window.
NAIVE_FAMILY = ("mean", "naive", "seasonal-naive", "drift", "Naive2")
#: The baselines of an evaluation where no others are asked for: all that take less than a second a forecast.
USUAL_BASELINES = tuple(name for name in BASELINES if name != "AutoARIMA")


def find_baseline(name: str, seasons: tuple[int, ...] = ()) -> Baseline:
    """Return a baseline by name.

    Args:
        name: a key of :data:`BASELINES`.
        seasons: all seasonal periods, for a baseline that knows several.

    Raises:
        SettingError: there is none of this name.
    """
    if name not in BASELINES:
        raise SettingError(
            f"unknown baseline '{name}', expected one of {', '.join(BASELINES)}", nearest(name, tuple(BASELINES))
        )
    return partial(mstl, seasons=seasons) if name == "MSTL" else BASELINES[name]


def baseline_notes(names: tuple[str, ...], season: int, rows: int) -> list[Note]:
    """Return what the baselines leave out of the data, for a person to read.

    Args:
        names: the baselines that will run.
        season: the seasonal period in steps.
        rows: rows of the longest series.
    """
    notes = []
    for limit in (LOCAL_HISTORY, ARIMA_HISTORY):
        fitted = [name for name in names if name not in NAIVE_FAMILY and _history_of(name) == limit]
        if fitted and rows > limit:
            reason = f"{', '.join(fitted)}: seconds a forecast on longer ones"
            notes.append(Note("baselines", f"newest {limit:,} rows", reason))
    for name, longest in (("AutoETS", LONGEST_ETS_SEASON), ("AutoARIMA", LONGEST_ARIMA_SEASON)):
        if name in names and season > longest:
            reason = f"season {season} is beyond the {longest} steps that it can estimate"
            notes.append(Note(name, "no season", reason))
    return notes


def _history_of(name: str) -> int:
    return ARIMA_HISTORY if name == "AutoARIMA" else LOCAL_HISTORY


def _seasonal_index(history: np.ndarray, season: int, ratio: bool) -> np.ndarray:
    """Return the seasonal indices of the classical decomposition, ``(season,)``, mean 1 (``ratio``) or 0.

    The trend is a centred moving average over a season, of ``season + 1`` rows with half weights at both ends where
    the season is even; an index is the mean over all seasons of what is left of the rows of one phase.
    """
    even = 1 - season % 2
    weights = np.ones(season + even)
    weights[[0, -1]] /= 1 + even
    trend = np.convolve(history, weights / season, mode="valid")
    edge = (len(weights) - 1) // 2
    inner = history[edge : edge + len(trend)]
    rest = inner / trend if ratio else inner - trend
    phase = (edge + np.arange(len(rest))) % season
    index = np.bincount(phase, rest, season) / np.bincount(phase, minlength=season)
    return index / index.mean() if ratio else index - index.mean()


def _deviation(residuals: np.ndarray, parameters: int = 0) -> float:
    freedom = len(residuals) - parameters
    return float(np.sqrt((residuals**2).sum() / freedom)) if freedom > 0 else float("nan")


def _with_intervals(point: np.ndarray, deviation: np.ndarray, levels: tuple[int, ...]) -> np.ndarray:
    check_levels(levels)
    columns = [point]
    for level in levels:
        width = NormalDist().inv_cdf(0.5 + level / 200) * deviation
        columns += [point - width, point + width]
    return np.stack(columns, axis=1)


def _statsforecast(
    name: str, history: np.ndarray, horizon: int, season: int | list[int], levels: tuple[int, ...], **options: Any
) -> np.ndarray:
    check_levels(levels)
    unknown = np.full((horizon, 1 + 2 * len(levels)), np.nan)
    rows = np.array(history[-LOCAL_HISTORY:], dtype=float)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = _model_class(name)(season_length=season, **options)
        try:
            found = model.forecast(y=rows, h=horizon, level=list(levels) or None)
        # The library refuses short or degenerate histories with whatever its internals raise (NotImplementedError,
        # IndexError, ZeroDivisionError, LinAlgError): one series must not end a backtest of hundreds.
        except Exception:
            return unknown
    columns = ("mean", *level_columns(levels))
    table = np.stack([np.asarray(found[column], float) for column in columns], axis=1)
    return table if np.isfinite(table).all() else unknown


def _model_class(name: str) -> Any:
    try:
        import statsforecast.models
    except ImportError as error:
        if is_out_of_memory(error):
            raise
        raise DependencyError(
            f"the baseline {name} needs statsforecast ({error})", "pip install statsforecast"
        ) from None
    return getattr(statsforecast.models, name)
