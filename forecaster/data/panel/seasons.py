"""The seasonal periods of a panel: what is usual for its freq, checked against what the readings do.

The test is that of the M4 competition's Naive2 (Makridakis et al. 2020): an autocorrelation larger than 1.645 standard
errors by Bartlett's formula; on first differences, because a trend alone makes the readings themselves correlate at
every lag. Only changes between two readings that were observed take part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq
from forecaster.notes import Note

#: Autocorrelation of the differences at the seasonal lag below which a season is not believed.
LEAST_AUTOCORRELATION = 0.1
#: Standard errors beyond which the season usual for the freq is believed however small its autocorrelation: a daily
#: cycle may be a small part of the changes of an hour, and still the only one that a forecast of a day can use.
CERTAIN = 3.5
#: The least autocorrelation for a longer season beside it, which a part of the series may have.
LEAST_BESIDE = 0.05
#: Standard errors that it must exceed in a series to count there.
ERRORS = 1.645
#: The same for a season that is not usual for the freq but searched for; many series confirm each other.
LEAST_SEARCHED, ERRORS_SEARCHED, MANY = 0.15, 2.6, 20
#: Seasons searched for where steps are only counted: quarters, weeks, months, hours, half hours, ... five minutes.
CANDIDATES = (4, 5, 7, 12, 24, 48, 52, 96, 144, 168, 288, 336)
#: Seasons of a day, beside which there may be a week.
DAYS = (24, 48, 96, 144, 288)
#: Steps of the longest second season: a lookback must hold it.
LONGEST_SECOND = 2016
#: Years of days before a yearly season is looked for beside the week.
LEAST_YEARS = 3
#: Series looked at, thinned evenly, and the newest rows of each.
SERIES, ROWS = 200, 50_000
#: Newest rows that are decomposed, and the width of the smoother of each season in them, as in R's feasts.
STL_ROWS, STL_SEASONAL = 10_000, 11
#: Share of the best autocorrelation that a shorter season must have to be preferred to the best.
NEAR_BEST = 0.7
#: Share of the highest autocorrelation at the lags around it, a tenth of it to both sides, that a season must have.
NEAR_PEAK = 0.9


@dataclass(frozen=True)
class _Changes:
    """The changes of one series: ``values`` less their mean, 0 where ``known``, both ``(rows - 1,)``, is False."""

    values: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, observed: np.ndarray) -> _Changes:
        """Return the changes of a series, of readings that were observed."""
        known = observed[1:] & observed[:-1]
        changes = np.where(known, np.diff(values), 0.0)
        return cls(np.where(known, changes - changes.sum() / max(int(known.sum()), 1), 0.0), known)

    def without(self, season: int) -> _Changes:
        """Return the changes less the mean of their place in a season."""
        place = np.arange(len(self.values)) % season
        means = np.bincount(place, self.values, season) / np.maximum(np.bincount(place, self.known, season), 1)
        return _Changes(np.where(self.known, self.values - means[place], 0.0), self.known)

    def correlations(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return autocorrelations at the lags from 0 on, ``most`` or half the changes, and their standard errors."""
        size = len(self.values)
        most = min(most, size // 2)
        power = float(self.values @ self.values)
        if power <= 0:
            return np.zeros(most + 1), np.full(most + 1, np.inf)
        lags, pairs = _products(self.values, most) / power, np.full(most + 1, float(size))
        if not self.known.all():  # sums over fewer pairs are made up to those of a whole series
            observed = np.maximum(_products(self.known.astype(float), most), 1.0)
            pairs = observed / (1 - np.arange(most + 1) / size)
            lags *= observed[0] / pairs
        spread = 1 + 2 * np.concatenate([[0.0, 0.0], np.cumsum(lags[1:-1] ** 2)])[: most + 1]
        return lags, np.sqrt(spread / pairs)


def _products(x: np.ndarray, most: int) -> np.ndarray:
    """Return sums of ``x[t] x[t + k]`` for the lags 0 to ``most``."""
    size = 1 << int(len(x) + most).bit_length()
    return np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[: most + 1]


def find_seasons(panel: Panel, freq: str, given: tuple[int, ...] | None) -> tuple[tuple[int, ...], Note]:
    """Return the seasonal periods of a panel, the main one first, and a note with the evidence.

    The season usual for the freq is believed where the changes repeat at it. A week beside a day (168 beside 24), and
    a year beside a week of days, are believed where what the day or the week leaves over repeats at them, up to
    :data:`LONGEST_SECOND` steps. Where steps are only counted, the usual periods are searched for one that stands out.

    Args:
        panel: training rows.
        freq: the freq of the panel.
        given: seasons that are kept as they are; None to find them.

    Returns:
        Periods in steps, ``(1,)`` for none.
    """
    if given is not None:
        return tuple(given), _note(tuple(given), "given")
    usual = default_season(freq)
    if Freq.of(freq).unit in ("step", "row") and (found := _searched(panel, freq)):
        return found
    seasons, strengths = _believed(panel, (usual, *_beside(panel, freq, usual))) if usual > 1 else ((), [])
    if seasons:
        kind = f"usual for freq {freq}, and the changes repeat"
        return seasons, _note(seasons, f"{kind}: autocorrelation {_shown(strengths)}; --season")
    reason = f"{usual} is usual for freq {freq}, but the changes do not repeat at it; --season {usual} uses it anyway"
    return (1,), _note((1,), reason if usual > 1 else f"none is usual for freq {freq}{_SEEN.get(freq, '')}; --season")


#: What was looked for where no season is usual.
_SEEN = {"step": ", and the changes repeat at no period that is usual elsewhere"}


def _note(seasons: tuple[int, ...], reason: str) -> Note:
    return Note("season", ", ".join(map(str, seasons)), reason)


def _shown(strengths: list[float]) -> str:
    return ", ".join(f"{strength:.2f}" for strength in strengths)


def _beside(panel: Panel, freq: str, usual: int) -> tuple[int, ...]:
    """Return longer seasons that may be there beside the usual one."""
    pace = Freq.of(freq).pace
    if pace.unit in ("min", "h") and usual > 1:
        return (7 * usual,) if 7 * usual <= LONGEST_SECOND else ()
    long_enough = len(panel) > 0 and int(panel.lengths.max()) >= LEAST_YEARS * 365
    return (365,) if str(pace) == "D" and long_enough else ()


def _believed(panel: Panel, candidates: tuple[int, ...]) -> tuple[tuple[int, ...], list[float]]:
    """Return the main season, if the changes repeat at it, and those after it that repeat beside it."""
    main, *others = candidates
    strength = has_season(panel, main)
    if strength < LEAST_AUTOCORRELATION and not _certain(panel, main):
        return (), []
    seasons: tuple[int, ...] = (main,)
    strengths = [strength]
    for season in others:
        beside = has_season(panel, season, beside=main)
        if beside >= LEAST_BESIDE:
            seasons, strengths = (*seasons, season), [*strengths, beside]
    return seasons, strengths


def _certain(panel: Panel, season: int) -> bool:
    """Return whether a typical series repeats at a lag beyond all doubt."""
    found = [lags[-1] / errors[-1] for lags, errors in _correlations(panel, season) if len(lags) > season]
    return bool(found) and float(np.median(found)) > CERTAIN


def has_season(panel: Panel, season: int, beside: int = 0) -> float:
    """Return the autocorrelation of the differences at the seasonal lag, 0 where it is not significant.

    Series are averaged; those shorter than two seasons have no say.

    Args:
        panel: training rows.
        season: the lag.
        beside: a shorter season whose means are taken off first; what is left must then repeat more at the lag than
            after any whole number of shorter seasons before it. 0 for none.
    """
    found = [(lags, errors[-1]) for lags, errors in _correlations(panel, season, beside) if len(lags) > season]
    if not found:
        return 0.0
    rivals = [lags[beside:-1:beside].max() if beside else 0.0 for lags, _ in found]
    believed = [lags[-1] > max(ERRORS * error, rival) for (lags, error), rival in zip(found, rivals, strict=True)]
    return float(np.mean([lags[-1] if ok else 0.0 for (lags, _), ok in zip(found, believed, strict=True)]))


def _correlations(panel: Panel, most: int, beside: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return :meth:`_Changes.correlations` of at most 200 series, of their newest rows."""
    chosen = np.linspace(0, len(panel) - 1, min(len(panel), SERIES)).astype(int)
    found = []
    for rows in map(panel.rows, chosen.tolist()):
        rows = slice(max(rows.start, rows.stop - ROWS), rows.stop)
        if rows.stop - rows.start > 2:
            changes = _Changes.of(panel.values[rows].astype(np.float64), panel.observed[rows])
            found.append((changes.without(beside) if beside else changes).correlations(most))
    return found


def _searched(panel: Panel, freq: str) -> tuple[tuple[int, ...], Note] | None:
    """Return the shortest candidate that stands out nearly as much as any, and a week beside a day; None for none."""
    peaks = _peaks(_correlations(panel, CANDIDATES[-1] * 11 // 10))
    if not peaks:
        return None
    best = max(peaks.values())
    main = min(season for season, strength in peaks.items() if strength >= NEAR_BEST * best)
    if main // 7 in DAYS and main % 7 == 0 and main // 7 in peaks:
        main //= 7
    seasons: tuple[int, ...] = (main,)
    strengths = [peaks[main]]
    if main in DAYS and (strength := has_season(panel, 7 * main, beside=main)) >= LEAST_BESIDE:
        seasons, strengths = (main, 7 * main), [peaks[main], strength]
    reason = f"found for freq {freq}, where the changes repeat: autocorrelation {_shown(strengths)}; --season"
    return seasons, _note(seasons, reason)


def _peaks(series: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, float]:
    """Return the mean autocorrelation at each candidate where it stands out and is clearly significant.

    It stands out where it is not far below that of the lags around it, and well above that of a lag before it (but for
    the first, which noise in the readings lowers).
    """
    peaks = {}
    for season in CANDIDATES:
        around = max(1, season // 10)
        found = [(lags, errors[season]) for lags, errors in series if len(lags) > season + around]
        if not found:
            break
        mean = np.mean([lags[: season + around + 1] for lags, _ in found], axis=0)
        needed = ERRORS if len(found) >= MANY else ERRORS_SEARCHED
        strength = float(np.mean([lags[season] if lags[season] > needed * error else 0.0 for lags, error in found]))
        least = max(NEAR_PEAK * mean[season - around :].max(), mean[2:season].min() + LEAST_SEARCHED)
        if strength >= LEAST_SEARCHED and mean[season] >= least:
            peaks[season] = strength
    return peaks


def seasonal_strengths(values: np.ndarray, season: int) -> tuple[float, float]:
    """Return how much of what is not trend is seasonal, and how much of what is not seasonal is trend, 0 to 1 each.

    ``F_s = max(0, 1 - var(R) / var(S + R))`` and ``F_t = max(0, 1 - var(R) / var(T + R))`` of a decomposition into
    trend T, season S and remainder R (Wang, Smith & Hyndman 2006).

    Args:
        values: ``(rows,)``; NaN where there is no reading.
        season: the seasonal period in steps; 1 for none, which has no strength.
    """
    trend, seasonal, rest = _decomposed(values, season)
    return _strength(rest, seasonal + rest, trend) if season > 1 else 0.0, _strength(rest, trend + rest, trend)


def _strength(rest: np.ndarray, whole: np.ndarray, trend: np.ndarray) -> float:
    rounding = 1e-9 * float(np.abs(trend).max(initial=0.0))
    if not len(whole) or float(np.std(whole)) <= rounding:
        return 0.0
    return max(0.0, 1.0 - float(np.var(rest) / np.var(whole)))


def _decomposed(values: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return trend, season and remainder, ``(rows,)`` each, of the newest rows.

    STL (Cleveland et al. 1990), with moving averages where there are fewer than two seasons and so no season.
    """
    y = np.asarray(values, np.float64)[-STL_ROWS:]
    missing = np.isnan(y)
    if missing.all():
        return (np.zeros(0),) * 3
    if missing.any():
        places = np.arange(len(y))
        y = np.interp(places, places[~missing], y[~missing])
    if season < 2 or len(y) <= 2 * season:
        trend = _moving_average(y, max(3, len(y) // 10))
        return trend, np.zeros(len(y)), y - trend
    from statsmodels.tsa.seasonal import STL

    jump = 1 + season // 10  # between them the smoothers draw a line
    parts = STL(y, period=season, seasonal=STL_SEASONAL, trend_jump=jump, low_pass_jump=jump).fit(outer_iter=0)
    return parts.trend, parts.seasonal, parts.resid


def _moving_average(y: np.ndarray, width: int) -> np.ndarray:
    """Return centred means over ``width`` rows, made odd; over fewer at both ends."""
    half = width // 2
    sums = np.concatenate([[0.0], np.cumsum(y)])
    places = np.arange(len(y))
    low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, len(y))
    return (sums[high] - sums[low]) / (high - low)
