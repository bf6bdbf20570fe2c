"""Tests of the errors of a model: bias, autocorrelation, and the shape of their distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecaster.evaluation.significance import diebold_mariano

#: Lags of the Ljung-Box test where there is no season, seasons where there is one, and the share of the errors that
#: they are at most (Hyndman & Athanasopoulos, FPP3, section 5.4).
LAGS, LAG_SEASONS, LAG_SHARE = 10, 2, 0.2
#: Errors that a test needs.
LEAST = 8

#: Columns of :func:`diagnose`.
COLUMNS = ("series", "errors", "steps", "mean", "deviation", "p-bias", "lag-1", "lags", "ljung-box", "p-white")
NORMAL_COLUMNS = ("skewness", "excess-kurtosis", "p-normal")


@dataclass(frozen=True)
class Residuals:
    """Errors of one series in order of time, ``actual - forecast``.

    Attributes:
        series: its id.
        times: ``(n,)``, the time of each.
        values: ``(n,)`` float64, in units of the target; nan where nothing was observed.
        steps: the steps ahead that they are of, at most.
    """

    series: str
    times: pd.Series
    values: np.ndarray
    steps: int


def residuals(table: pd.DataFrame, model: str) -> list[Residuals]:
    """Return the errors of a model, series by series; of a time that was forecast several times, the freshest.

    Args:
        table: what :func:`forecaster.evaluation.backtest.backtest` returned.
        model: a name in it.
    """
    rows = table[table["model"] == model]
    order = dict.fromkeys(rows["series"])
    rows = rows.sort_values(["time", "step"], kind="stable").drop_duplicates(["series", "time"])
    error = (rows["actual"] - rows["forecast"]).where(rows["observed"].to_numpy(bool)).astype(float)
    groups = dict(list(rows.assign(error=error).groupby("series")))
    return [
        Residuals(str(name), own["time"], own["error"].to_numpy(), int(own["step"].max()))
        for name, own in ((name, groups[name]) for name in order)
    ]


def diagnose(found: list[Residuals], season: int) -> pd.DataFrame:
    """Return the tests of the errors of each series.

    Errors of more than one step ahead are correlated even where the forecasts are the best there are: the tests of bias
    and of whiteness judge a model where ``steps`` is 1, and else what its user will see.

    Args:
        found: what :func:`residuals` returned.
        season: the seasonal period in steps.

    Returns:
        One row a series: ``series``, ``errors`` (scored), ``steps`` (ahead at most), ``mean`` and ``deviation`` in the
        target's unit, ``p-bias`` of the test that their mean is 0, ``lag-1`` their autocorrelation, ``lags``,
        ``ljung-box`` and ``p-white`` of :func:`ljung_box`, ``skewness``, ``excess-kurtosis`` and ``p-normal`` of
        :func:`jarque_bera`. nan where there are too few.
    """
    return pd.DataFrame([_tests(one, season) for one in found], columns=[*COLUMNS, *NORMAL_COLUMNS])


def autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """Return the autocorrelations at lags 1, 2, ..., ``(lags,)``; pairs with a nan do not count.

    ``r_k = sum of (e_t - m) (e_(t-k) - m) over sum of (e_t - m)^2``; nan where nothing varies.
    """
    centred = np.nan_to_num(values - np.nanmean(values)) if np.isfinite(values).any() else np.zeros(len(values))
    power = float(centred @ centred)
    sums = np.array([centred[lag:] @ centred[: len(values) - lag] for lag in range(1, lags + 1)])
    return sums / power if power > 0 else np.full(lags, math.nan)


def ljung_box(values: np.ndarray, lags: int) -> tuple[float, float]:
    """Return the statistic and the p-value of the test that no autocorrelation up to ``lags`` differs from 0.

    ``Q = n (n + 2) sum over k of r_k^2 / (n - k)``, chi-squared with ``lags`` degrees of freedom. Ljung & Box (1978),
    Biometrika 65(2). nan with :data:`LEAST` values or fewer, or where nothing varies.
    """
    n = int(np.isfinite(values).sum())
    r = autocorrelation(values, lags) if 0 < lags < n else np.zeros(0)
    if n < LEAST or not len(r) or not np.isfinite(r).all():
        return math.nan, math.nan
    from scipy.special import chdtrc

    statistic = float(n * (n + 2) * (r**2 / (n - np.arange(1, lags + 1))).sum())
    return statistic, float(chdtrc(lags, statistic))


def jarque_bera(values: np.ndarray) -> tuple[float, float, float]:
    """Return skewness, excess kurtosis, and the p-value of the test that both are those of a normal distribution.

    ``n / 6 (skewness^2 + excess kurtosis^2 / 4)``, chi-squared with two degrees of freedom, so that the p-value is
    ``exp(-statistic / 2)``. Jarque & Bera (1980), Economics Letters 6(3). nan with fewer than :data:`LEAST` values.
    """
    known = values[np.isfinite(values)]
    centred = known - known.mean() if len(known) else known
    variance = float((centred**2).mean()) if len(known) else 0.0
    if len(known) < LEAST or not variance > 0:
        return math.nan, math.nan, math.nan
    skewness = float((centred**3).mean() / variance**1.5)
    excess = float((centred**4).mean() / variance**2 - 3)
    return skewness, excess, math.exp(-len(known) / 12 * (skewness**2 + excess**2 / 4))


def lags_of(values: np.ndarray, season: int) -> int:
    """Return the lags that are tested: ten, or two seasons, but at most a fifth of the errors."""
    wanted = LAG_SEASONS * season if season > 1 else LAGS
    return max(1, min(wanted, int(LAG_SHARE * np.isfinite(values).sum())))


def _tests(one: Residuals, season: int) -> dict[str, Any]:
    known = one.values[np.isfinite(one.values)]
    lags = lags_of(one.values, season)
    statistic, p_white = ljung_box(one.values, lags)
    skewness, excess, p_normal = jarque_bera(one.values)
    enough = len(known) >= LEAST
    return {
        "series": one.series,
        "errors": len(known),
        "steps": one.steps,
        "mean": float(known.mean()) if len(known) else math.nan,
        "deviation": float(known.std(ddof=1)) if len(known) > 1 else math.nan,
        "p-bias": diebold_mariano(known, one.steps).p_value if enough else math.nan,
        "lag-1": float(autocorrelation(one.values, 1)[0]) if enough else math.nan,
        "lags": lags,
        "ljung-box": statistic,
        "p-white": p_white,
        "skewness": skewness,
        "excess-kurtosis": excess,
        "p-normal": p_normal,
    }
