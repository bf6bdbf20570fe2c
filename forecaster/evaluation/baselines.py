"""Forecasts that a network has to beat: :data:`BASELINES`, each for one series, with intervals.

A forecast is ``(horizon, 1 + 2 * levels)`` float64: the point, then lo and hi of each level. What cannot be forecast is
nan.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from forecaster.errors import DependencyError, SettingError, nearest
from forecaster.evaluation.intervals import check_levels, level_columns
from forecaster.notes import Note

#: Rows that AutoETS and AutoTheta look back, six weeks of hours: 5,000 cost AutoETS 1.5 to 3 s a forecast, 1,000 half a
#: second.
LOCAL_HISTORY = 1_008

#: Longest season that AutoETS models; with a longer one it is fitted without season, as in R. It estimates a state for
#: each step of the season: 52 cost 0.5 s a forecast, 336 cost 9 s and then choose a model without season anyway.
LONGEST_ETS_SEASON = 52


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


Baseline = Callable[[np.ndarray, int, int, tuple[int, ...]], np.ndarray]

#: The baselines by name; each takes (history, horizon, season, levels).
BASELINES: dict[str, Baseline] = {
    "naive": naive,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "AutoETS": auto_ets,
    "AutoTheta": auto_theta,
}

#: The baselines that cost nothing; the others fit a model to every window.
NAIVE_FAMILY = ("naive", "seasonal-naive", "drift")


def find_baseline(name: str) -> Baseline:
    """Return a baseline by name.

    Raises:
        SettingError: there is none of this name.
    """
    if name not in BASELINES:
        raise SettingError(
            f"unknown baseline '{name}', expected one of {', '.join(BASELINES)}", nearest(name, tuple(BASELINES))
        )
    return BASELINES[name]


def baseline_notes(names: tuple[str, ...], season: int, rows: int) -> list[Note]:
    """Return what the baselines leave out of the data, for a person to read.

    Args:
        names: the baselines that will run.
        season: the seasonal period in steps.
        rows: rows of the longest series.
    """
    fitted = [name for name in names if name not in NAIVE_FAMILY]
    notes = []
    if fitted and rows > LOCAL_HISTORY:
        notes.append(
            Note("baselines", f"newest {LOCAL_HISTORY:,} rows", f"{' and '.join(fitted)} take seconds on longer ones")
        )
    if "AutoETS" in names and season > LONGEST_ETS_SEASON:
        notes.append(
            Note(
                "AutoETS", "no season", f"season {season} is beyond the {LONGEST_ETS_SEASON} steps that it can estimate"
            )
        )
    return notes


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


def _statsforecast(name: str, history: np.ndarray, horizon: int, season: int, levels: tuple[int, ...]) -> np.ndarray:
    check_levels(levels)
    unknown = np.full((horizon, 1 + 2 * len(levels)), np.nan)
    rows = np.array(history[-LOCAL_HISTORY:], dtype=float)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = _model_class(name)(season_length=season)
        try:
            found = model.forecast(y=rows, h=horizon, level=list(levels) or None)
        # The library refuses short or degenerate histories with whatever its internals raise (NotImplementedError,
        # IndexError, ZeroDivisionError, LinAlgError): one series must not end a backtest of hundreds.
        except Exception:
            return unknown
    table = np.stack([found[column] for column in ("mean", *level_columns(levels))], axis=1).astype(float)
    return table if np.isfinite(table).all() else unknown


def _model_class(name: str) -> Any:
    try:
        import statsforecast.models
    except ImportError as error:
        raise DependencyError(
            f"the baseline {name} needs statsforecast ({error})", "pip install statsforecast"
        ) from None
    return getattr(statsforecast.models, name)
