"""How good probabilities of classes are, each measure one small function, and the temperature that calibrates them.

Throughout, ``probabilities`` are ``(n, 3)`` float, rows summing to 1, and ``came`` is ``(n,)`` int, the class that came
of each, 0 to 2. Of no forecasts every measure is nan.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.features.direction_rule import CLASSES

#: Bins of a reliability table.
BINS = 10
#: Probability that stands for all smaller ones in a logarithm: float32 knows little below it.
SMALLEST = 1e-7
#: Temperatures that are tried. None below 1: the final run makes a network surer than the one that was validated.
TEMPERATURES = (1.0, 5.0)


def accuracy(said: np.ndarray, came: np.ndarray) -> float:
    """Return the share of forecasts, ``said`` ``(n,)`` int, that are the class that came."""
    return float(np.mean(said == came)) if len(came) else float("nan")


def log_loss(probabilities: np.ndarray, came: np.ndarray) -> float:
    """Return the mean of ``-log p(class that came)``: 0 at best, ``log 3 = 1.099`` for three equal probabilities.

    Good (1952), Rational decisions, JRSS B 14(1).
    """
    if not len(came):
        return float("nan")
    return float(-np.log(np.maximum(probabilities[np.arange(len(came)), came], SMALLEST)).mean())


def brier(probabilities: np.ndarray, came: np.ndarray) -> float:
    """Return the mean of ``sum_k (p_k - o_k)^2``, ``o`` being 1 for the class that came: 0 at best, 2 at worst.

    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78(1); 2/3 for
    three equal probabilities.
    """
    if not len(came):
        return float("nan")
    return float(((probabilities - np.eye(len(CLASSES))[came]) ** 2).sum(axis=1).mean())


def reliability(probabilities: np.ndarray, came: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return how often each class came where it was given a probability of so much.

    Murphy & Winkler (1977), Reliability of subjective probability forecasts of precipitation and temperature, Applied
    Statistics 26(1), for each class against the others.

    Args:
        probabilities: as above.
        came: as above.
        bins: equally wide ones from 0 to 1; each holds its lower end, the last its upper end too.

    Returns:
        One row a class and bin that holds any: ``direction``, ``low``, ``high`` (ends of the bin), ``windows``,
        ``predicted`` (their mean probability) and ``observed`` (share of them in which the class came).
    """
    rows = []
    for code, name in enumerate(CLASSES):
        given, hit = probabilities[:, code], came == code
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
        table: what :func:`reliability` returned.
    """
    if not len(table):
        return float("nan")
    apart = (table["observed"] - table["predicted"]).abs() * table["windows"]
    return float(apart.sum() / table["windows"].sum())  # every class has the same windows


def find_temperature(probabilities: np.ndarray, came: np.ndarray) -> float:
    """Return the temperature ``T`` for which ``softmax(log p / T)`` has the smallest log loss.

    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2. No
    forecast of a class changes, only how sure it is.

    Args:
        probabilities: of validation windows, as above.
        came: as above; at least one.
    """
    from scipy.optimize import minimize_scalar

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        lambda log: log_loss(apply_temperature(probabilities, float(np.exp(log))), came), bounds=(low, high)
    )
    return float(np.exp(found.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``softmax(log p / T)``, ``(..., 3)`` float64."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
