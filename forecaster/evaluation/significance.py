"""Tests of one model against another: Diebold-Mariano, and bootstrap intervals on skill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecaster.evaluation.metrics import skill

#: Probability of an error that a difference may have to be called one.
SIGNIFICANCE = 0.05
#: Origins that a test of many series needs. With fewer the series would have to be the cases, and they move together:
#: taken for independent they call up to 40 % of equal models different.
ENOUGH_ORIGINS = 5
#: Separate stretches of origins from which on overlapping windows are all cases of the test. Of equal models, with
#: windows of 12 steps at each step, it calls different 25 % over two stretches, 15 % over five, 8 % over twelve; of the
#: windows that do not overlap, 5 % over any number (1,500 simulations each).
ENOUGH_STRETCHES = 10
#: Share of an error that two errors may differ by and be the same: what a file rounds.
ROUNDING = 1e-9
#: Resamples of the bootstrap, and how many numbers it holds at once.
DRAWS, AT_ONCE = 2_000, 4_000_000

BETTER, WORSE, NO_DIFFERENCE = "better", "worse", "no difference shown"
#: Verdict where one of both was trained on some of the rows.
SEEN = "no verdict, seen rows"

#: Columns of :func:`significance`.
COLUMNS = (
    *("model", "against", "forecasts", "skill", "skill-lo", "skill-hi"),
    *("cases", "statistic", "p-value", "verdict"),
)


class DieboldMariano(NamedTuple):
    """A test of equal accuracy: below 0 the first model has the smaller losses; nan where it is not defined."""

    statistic: float
    p_value: float


def diebold_mariano(differences: np.ndarray, horizon: int = 1) -> DieboldMariano:
    """Test whether losses of two models differ in the mean, with the correction for few forecasts.

    With ``d_t`` the loss of the first less that of the second, ``g_k`` its autocovariance at lag ``k``, ``n`` cases and
    a horizon of ``h`` steps, Diebold & Mariano (1995), Journal of Business & Economic Statistics 13(3):
    ``S = mean(d) / sqrt((g_0 + 2 (g_1 + ... + g_(h-1))) / n)``. Harvey, Leybourne & Newbold (1997), International
    Journal of Forecasting 13(2), equation 9, multiply it by ``sqrt((n + 1 - 2 h + h (h - 1) / n) / n)`` and compare it
    with Student's t of ``n - 1`` degrees of freedom. Where the estimated variance is not positive, the autocovariances
    are weighted by ``1 - k / h`` (Bartlett), with which it always is.

    Args:
        differences: ``(n,)``, in order of time.
        horizon: ``h``: errors of ``h`` consecutive forecasts are correlated even where both models are ideal; 1
            where forecasts do not overlap.

    Returns:
        The corrected statistic and the two-sided p-value: 0 and 1 where all differences are 0; nan with fewer than two
        cases, no more than the horizon, or differences that are all the same.
    """
    d = np.asarray(differences, float)
    n = len(d)
    if n < 2 or n <= horizon or not np.isfinite(d).all():
        return DieboldMariano(math.nan, math.nan)
    if not d.any():
        return DieboldMariano(0.0, 1.0)
    centred = d - d.mean()
    covariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(horizon)]) / n
    lags = np.arange(1, horizon)
    variance = covariance[0] + 2 * covariance[1:].sum()
    if not variance > 0:
        variance = covariance[0] + 2 * ((1 - lags / horizon) * covariance[1:]).sum()
    if not variance > (1e-12 * d.mean()) ** 2:
        return DieboldMariano(math.nan, math.nan)
    from scipy.special import stdtr

    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = float(d.mean() / math.sqrt(variance / n) * math.sqrt(correction))
    return DieboldMariano(statistic, float(2 * stdtr(n - 1, -abs(statistic))))


@dataclass(frozen=True)
class Pair:
    """Absolute errors of two models on the same rows, in units of each series' scale, added up window by window.

    Attributes:
        ours: ``(series, origins)``, sums of the first model; 0 where there is no window.
        theirs: likewise, of the second.
        rows: ``(series, origins)``, scored rows of each window.
        overlap: origins in a row whose windows share steps, itself among them; 1 where none do.
    """

    ours: np.ndarray
    theirs: np.ndarray
    rows: np.ndarray
    overlap: int

    @classmethod
    def of(cls, table: pd.DataFrame, model: str, against: str) -> Pair:
        """Return the errors of two models of a backtest, on the rows that both forecast and that were observed.

        Several series are scaled by column ``scale`` of the table, and those without one are left out; where there is
        no such column, or one series only, errors are in units of the target.
        """
        both = _both(table, model, against)
        places = both["origin"].to_numpy(), pd.factorize(both["series"])[0]
        shape = (int(places[1].max(initial=-1)) + 1, int(places[0].max(initial=-1)) + 1)
        cell = places[1] * shape[1] + places[0]
        rows, ours, theirs = (
            np.bincount(cell, weights, shape[0] * shape[1]).reshape(shape)
            for weights in (None, both["ours"].to_numpy(float), both["theirs"].to_numpy(float))
        )
        some = rows.any(axis=0)
        return cls(ours[:, some], theirs[:, some], rows[:, some].astype(float), _overlap(both))

    @property
    def skill(self) -> float:
        """One minus the ratio of the mean errors, each series counting once; nan if undefined."""
        if not self.rows.size:
            return math.nan
        ours, theirs = ((sums.sum(axis=1) / self.rows.sum(axis=1)).mean() for sums in (self.ours, self.theirs))
        return skill(float(ours), float(theirs))

    @property
    def telling(self) -> bool:
        """Whether there are origins enough for a test: :data:`ENOUGH_ORIGINS`, or as many as series."""
        series, origins = self.rows.shape
        return origins >= min(ENOUGH_ORIGINS, series)

    def differences(self) -> tuple[np.ndarray, int]:
        """Return the cases of the test, and how many neighbours overlap.

        Series move together, so the cases are the origins, oldest first, with the mean over the series. Where windows
        overlap and the origins span fewer than :data:`ENOUGH_STRETCHES` stretches, only those count, from the newest
        on, that do not: the test is unreliable on the others.
        """
        apart = self.ours - self.theirs
        real = np.abs(apart) > ROUNDING * self.theirs  # 0 where there is no window
        difference = np.where(real, apart / np.maximum(self.rows, 1), 0.0)
        cases, overlap = difference.sum(axis=0) / np.maximum((self.rows > 0).sum(axis=0), 1), self.overlap
        if len(cases) < ENOUGH_STRETCHES * overlap:
            cases, overlap = cases[::-overlap][::-1], 1
        return cases, overlap

    def skill_interval(self, level: int = 95, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
        """Return a bootstrap interval on skill.

        Blocks of neighbouring origins are drawn with replacement (moving blocks: Künsch 1989, Annals of Statistics
        17(3); the first follows the last, so that all are drawn alike: Politis & Romano 1992) and, of a panel, series
        as well; the interval lies between the quantiles of the skills of all draws. A block is as long as windows
        overlap, and the cube root of the origins at least (Hall, Horowitz & Jing 1995, Biometrika 82(3)). With few
        origins such an interval is too narrow, which is why it alone proves nothing.

        Args:
            level: in percent.
            draws: resamples.
            seed: of the resampling: the same errors give the same interval.

        Returns:
            Both ends; nan where there is one series and all of its windows overlap, or skill is not defined.
        """
        series, origins = self.rows.shape
        if (series == 1 and self._block >= origins) or not math.isfinite(self.skill):
            return math.nan, math.nan
        generator, found = np.random.default_rng(seed), []
        at_once = max(1, AT_ONCE // series)
        for first in range(0, draws, at_once):
            count = min(at_once, draws - first)
            times = _block_counts(generator, origins, self._block, count).T
            drawn = _block_counts(generator, series, 1, count).T
            rows = self.rows @ times
            weight = np.where(rows > 0, drawn / np.maximum(rows, 1), 0.0)
            ours, theirs = ((weight * (sums @ times)).sum(axis=0) for sums in (self.ours, self.theirs))
            found.append(np.divide(ours, theirs, out=np.full(count, np.nan), where=theirs > 0))
        skills = 1 - np.concatenate(found)
        skills = skills[np.isfinite(skills)]
        tail = (100 - level) / 200
        low, high = np.quantile(skills, [tail, 1 - tail]) if len(skills) else (math.nan, math.nan)
        return float(low), float(high)

    @property
    def _block(self) -> int:
        origins = self.rows.shape[1]
        return min(origins, max(self.overlap, int(origins ** (1 / 3) + 1e-9)))


def significance(table: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Test each pair of models on the rows that both forecast: is one better than the other.

    The verdict is ``better`` or ``worse`` only where both agree: the 95 % interval on skill excludes 0, and the p-value
    of Diebold-Mariano is below 0.05, with a statistic of the same side. Many series of fewer than
    :data:`ENOUGH_ORIGINS` origins are not tested. On rows that one of both was trained on there is no verdict. Each
    pair is tested alone: of twenty pairs of equal models one is expected to be called different by each of them.

    Args:
        table: what :func:`forecaster.evaluation.backtest.backtest` returned, with column ``scale`` where it has several
            series.
        pairs: names of two models.

    Returns:
        One row a pair: ``model``, ``against``, ``forecasts`` (windows compared), ``skill`` of the first over the
        second, ``skill-lo``, ``skill-hi``, ``cases`` of the test (origins), ``statistic``, ``p-value``, ``verdict``.
    """
    rows: list[dict[str, Any]] = []
    for model, against in pairs:
        pair = Pair.of(table, model, against)
        differences, overlap = pair.differences()
        test = diebold_mariano(differences, overlap) if pair.telling else DieboldMariano(math.nan, math.nan)
        low, high = pair.skill_interval()
        seen = "seen" in table and table.loc[table["model"].isin([model, against]), "seen"].any()
        rows.append(
            {
                "model": model,
                "against": against,
                "forecasts": int((pair.rows > 0).sum()),
                "skill": pair.skill,
                "skill-lo": low,
                "skill-hi": high,
                "cases": len(differences),
                "statistic": test.statistic,
                "p-value": test.p_value,
                "verdict": SEEN if seen else _verdict(low, high, test),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def verdict_sentence(tests: pd.DataFrame, name: str) -> str:
    """Return the verdict on a model in one sentence: ``better`` only than models it was shown to beat.

    Args:
        tests: rows of :func:`significance` of one model.
        name: what to call it, such as ``The network``.
    """
    if not len(tests):
        return f"{name} was compared with nothing."
    groups = {verdict: list(rows["against"]) for verdict, rows in tests.groupby("verdict")}
    parts = [f"{word} than {_listed(groups[word])}" for word in (BETTER, WORSE) if word in groups]
    said = f"{name} is {' and '.join(parts)}" if parts else ""
    rest = tests[~tests["verdict"].isin([BETTER, WORSE])]
    if not len(rest):
        return f"{said}."
    count = int(tests["forecasts"].max())
    these = f"these {count:,} forecasts" if count != 1 else "this one forecast"
    others, few = _listed(list(rest["against"])), _too_few(rest)
    if not parts:
        return f"{name} differs from {others} by nothing that {these} could show{few}."
    return f"{said}; from {others} it differs by nothing that {these} could show{few}."


def _too_few(rest: pd.DataFrame) -> str:
    """Return a remark where the origins are too few to test; ``""`` otherwise."""
    untested = rest[rest["p-value"].isna() & rest["cases"].between(1, ENOUGH_ORIGINS - 1)]
    if not len(untested):
        return ""
    most = int(untested["cases"].max())
    return f": {most} {'origin is' if most == 1 else 'origins are'} too few to tell, it takes more origins"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _verdict(low: float, high: float, test: DieboldMariano) -> str:
    if not test.p_value < SIGNIFICANCE:
        return NO_DIFFERENCE
    if low > 0 and test.statistic < 0:
        return BETTER
    return WORSE if high < 0 and test.statistic > 0 else NO_DIFFERENCE


def _both(table: pd.DataFrame, model: str, against: str) -> pd.DataFrame:
    """Return the scored rows of two models: ``series``, ``cutoff``, ``time``, ``origin``, ``ours``, ``theirs``."""
    keys = ["series", "cutoff", "step"]
    first, second = (table[table["model"] == name] for name in (model, against))
    both = first.merge(second[[*keys, "forecast"]], on=keys, suffixes=("", " of it"), validate="one_to_one")
    several = both["series"].nunique() > 1 and "scale" in both.columns
    scale = both["scale"].to_numpy(float) if several else np.ones(len(both))
    actual = both["actual"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = {
            "ours": np.abs(actual - both["forecast"].to_numpy(float)) / scale,
            "theirs": np.abs(actual - both["forecast of it"].to_numpy(float)) / scale,
        }
    newest = both.groupby("series")["cutoff"].rank(method="dense", ascending=False).astype(int)
    found = both[["series", "cutoff", "time"]].assign(origin=newest.max() - newest, **errors)
    scored = both["observed"].to_numpy(bool) & np.isfinite(found[["ours", "theirs"]]).all(axis=1).to_numpy()
    return found[scored]


def _overlap(both: pd.DataFrame) -> int:
    """Return the number of consecutive origins before the last step of the first, which counts as one."""
    ends = both.groupby(["series", "cutoff"], sort=True)["time"].max().reset_index()
    own = ends[ends["series"] == ends["series"].mode().iloc[0]] if len(ends) else ends
    cutoffs, last = (own[name].astype("int64").to_numpy() for name in ("cutoff", "time"))
    inside = np.searchsorted(cutoffs, last, side="left") - np.arange(len(own))
    return max(1, int(inside.max(initial=1)))


def _block_counts(generator: np.random.Generator, count: int, block: int, draws: int) -> np.ndarray:
    """Return draw counts of each of ``count`` places in a ring by a circular block bootstrap, ``(draws, count)``."""
    begins = generator.integers(0, count, (draws, -(-count // block)))
    drawn = (begins[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :count] % count
    flat = (np.arange(draws)[:, None] * count + drawn).ravel()
    return np.bincount(flat, minlength=draws * count).reshape(draws, count).astype(float)
