"""Score probabilities of classes, and find the temperature that calibrates them.

Throughout, ``probabilities`` are ``(n, 3)`` float, rows summing to 1, and ``actual`` is ``(n,)`` int, the actual class
of each, 0 to 2. Without forecasts every measure is nan.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.features.direction_rule import CLASSES

#: Bins of a reliability table.
BINS = 10
#: Smallest probability in a logarithm: float32 resolves little below it.
SMALLEST = 1e-7
#: Range of temperatures. None below 1: the final run makes a network more confident than the one validated.
TEMPERATURES = (1.0, 5.0)


def accuracy(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Return the share of forecasts, ``predicted`` ``(n,)`` int, that equal the actual class."""
    return float(np.mean(predicted == actual)) if len(actual) else float("nan")


def log_loss(probabilities: np.ndarray, actual: np.ndarray) -> float:
    """Return the mean of ``-log p(actual class)``: 0 at best, ``log 3 = 1.099`` for three equal probabilities.

    Good (1952), Rational decisions, JRSS B 14(1).
    """
    if not len(actual):
        return float("nan")
    return float(-np.log(np.maximum(probabilities[np.arange(len(actual)), actual], SMALLEST)).mean())


def brier(probabilities: np.ndarray, actual: np.ndarray) -> float:
    """Return the mean of ``sum_k (p_k - o_k)^2``, ``o`` being 1 for the actual class: 0 at best, 2 at worst.

    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78(1); 2/3 for
    three equal probabilities.
    """
    if not len(actual):
        return float("nan")
    return float(((probabilities - np.eye(len(CLASSES))[actual]) ** 2).sum(axis=1).mean())


def reliability(probabilities: np.ndarray, actual: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return the observed frequency of each class by its forecast probability, in bins.

    Murphy & Winkler (1977), Reliability of subjective probability forecasts of precipitation and temperature, Applied
    Statistics 26(1), for each class against the others.

    Args:
        probabilities: as above.
        actual: as above.
        bins: number of bins of equal width from 0 to 1; each includes its lower end, the last also its upper end.

    Returns:
        One row per class and nonempty bin: ``direction``, ``low``, ``high`` (ends of the bin), ``windows``,
        ``predicted`` (their mean probability) and ``observed`` (share of them in which the class occurred).
    """
    rows = []
    for code, name in enumerate(CLASSES):
        given, hit = probabilities[:, code], actual == code
        place = np.minimum((given * bins).astype(int), bins - 1)
        for number in np.unique(place):
            inside = place == number
            share, often = float(given[inside].mean()), float(hit[inside].mean())
            rows.append((name, number / bins, (number + 1) / bins, int(inside.sum()), share, often))
    return pd.DataFrame(rows, columns=["direction", "low", "high", "windows", "predicted", "observed"])


def calibration_error(table: pd.DataFrame) -> float:
    """Return the expected calibration error of a reliability table.

    For each class the mean over its bins of ``|observed - predicted|``, weighted by their windows, then the mean over
    the classes: the classwise form (Kull et al. 2019, Beyond temperature scaling, arXiv:1910.12656, section 2) of the
    error of Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI.

    Args:
        table: as :func:`reliability` returns it.
    """
    if not len(table):
        return float("nan")
    errors = (table["observed"] - table["predicted"]).abs() * table["windows"]
    return float(errors.sum() / table["windows"].sum())  # every class has the same number of windows


def find_temperature(probabilities: np.ndarray, actual: np.ndarray) -> float:
    """Return the temperature ``T`` for which ``softmax(log p / T)`` has the smallest log loss.

    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2. The
    most probable class of a forecast stays, only its confidence changes.

    Args:
        probabilities: of validation windows, as above.
        actual: as above; at least one.
    """
    from scipy.optimize import minimize_scalar

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        lambda log: log_loss(apply_temperature(probabilities, float(np.exp(log))), actual), bounds=(low, high)
    )
    return float(np.exp(found.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``softmax(log p / T)``, ``(..., 3)`` float64."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
