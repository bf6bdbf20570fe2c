"""The seasonal periods of a panel: those usual for its freq, tested on the readings.

The test is that of the M4 competition's Naive2 (Makridakis et al. 2020): an autocorrelation larger than 1.645 standard
errors by Bartlett's formula; on first differences, because a trend alone makes the readings themselves correlate at
every lag. Only changes between two observed readings are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq
from forecaster.notes import Note
from forecaster.words import setting

#: Autocorrelation of the differences at the seasonal lag below which a season is not accepted.
LEAST_AUTOCORRELATION = 0.1
#: Standard errors beyond which the season usual for the freq is accepted however small its autocorrelation: a daily
#: cycle may be a small part of the changes of an hour, and still the only one that a forecast of a day can use.
CERTAIN_ERRORS = 3.5
#: The least autocorrelation of a second, longer season, which only some series may have.
LEAST_LONGER = 0.05
#: Standard errors that an autocorrelation must exceed to count.
ERRORS = 1.645
#: The same for a season that is searched for, not usual for the freq; many series confirm each other.
LEAST_SEARCHED, ERRORS_SEARCHED, MANY = 0.15, 2.6, 20
#: Seasons searched for if steps are only counted: quarters, weeks, months, hours, half hours, ... five minutes.
CANDIDATES = (4, 5, 7, 12, 24, 48, 52, 96, 144, 168, 288, 336)
#: Seasons of a day, in addition to which there may be a week.
DAYS = (24, 48, 96, 144, 288)
#: Steps of the longest second season: a lookback must hold it.
LONGEST_SECOND = 2016
#: Years of daily rows from which on a yearly season is looked for in addition to the week.
LEAST_YEARS = 3
#: Most series used, thinned evenly, and the newest rows of each.
SERIES, ROWS = 200, 50_000
#: Newest rows that are decomposed, and the width of the seasonal smoother, as in R's feasts.
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
        """Return the changes between observed readings of a series."""
        known = observed[1:] & observed[:-1]
        changes = np.where(known, np.diff(values), 0.0)
        return cls(np.where(known, changes - changes.sum() / max(int(known.sum()), 1), 0.0), known)

    def without(self, season: int) -> _Changes:
        """Return the changes less the mean at their place in the season."""
        place = np.arange(len(self.values)) % season
        means = np.bincount(place, self.values, season) / np.maximum(np.bincount(place, self.known, season), 1)
        return _Changes(np.where(self.known, self.values - means[place], 0.0), self.known)

    def correlations(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return autocorrelations at lags 0 to ``most``, or half the changes, and their standard errors."""
        size = len(self.values)
        most = min(most, size // 2)
        power = float(self.values @ self.values)
        if power <= 0:
            return np.zeros(most + 1), np.full(most + 1, np.inf)
        lags, pairs = _lagged_products(self.values, most) / power, np.full(most + 1, float(size))
        if not self.known.all():  # sums over fewer pairs are scaled up to a whole series
            observed = np.maximum(_lagged_products(self.known.astype(float), most), 1.0)
            pairs = observed / (1 - np.arange(most + 1) / size)
            lags *= observed[0] / pairs
        spread = 1 + 2 * np.concatenate([[0.0, 0.0], np.cumsum(lags[1:-1] ** 2)])[: most + 1]
        return lags, np.sqrt(spread / pairs)


def _lagged_products(x: np.ndarray, most: int) -> np.ndarray:
    """Return sums of ``x[t] x[t + k]`` for the lags 0 to ``most``."""
    size = 1 << int(len(x) + most).bit_length()
    return np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[: most + 1]


def find_seasons(panel: Panel, freq: str, given: tuple[int, ...] | None) -> tuple[tuple[int, ...], Note]:
    """Return the seasonal periods of a panel, the main one first, and a note with the evidence.

    The season usual for the freq is accepted if the changes repeat at it. A week in addition to a day (168 and 24), and
    a year in addition to a week of days, are accepted if the changes without the day or the week repeat at them, up to
    :data:`LONGEST_SECOND` steps. If steps are only counted, the usual periods are searched for one that stands out.

    Args:
        panel: training rows.
        freq: the freq of the panel.
        given: seasons to return as they are; None to find them.

    Returns:
        Periods in steps, ``(1,)`` for none.
    """
    if given is not None:
        return tuple(given), _note(tuple(given), "given")
    usual = default_season(freq)
    if Freq.of(freq).unit in ("step", "row") and (found := _search_seasons(panel, freq)):
        return found
    if usual == 1:
        reason = f"none is usual for freq {freq}{_SEARCHED.get(freq, '')}"
        return (1,), _note((1,), f"{reason}; {setting('season')} names one")
    seasons, strengths = _accept_seasons(panel, (usual, *_longer_seasons(panel, freq, usual)))
    if seasons:
        reason = f"usual for freq {freq}, confirmed by autocorrelation {_format_strengths(strengths)}"
        return seasons, _note(seasons, f"{reason}; {setting('season')} names another")
    reason = f"{usual} is usual for freq {freq}, but the changes do not repeat at it"
    return (1,), _note((1,), f"{reason}; {setting('season', usual)} uses it anyway")


#: Note on the search if no season is usual.
_SEARCHED = {"step": ", and the changes repeat at no period usual for other freqs"}


def _note(seasons: tuple[int, ...], reason: str) -> Note:
    return Note("season", ", ".join(map(str, seasons)), reason)


def _format_strengths(strengths: list[float]) -> str:
    return ", ".join(f"{strength:.2f}" for strength in strengths)


def _longer_seasons(panel: Panel, freq: str, usual: int) -> tuple[int, ...]:
    """Return longer seasons that may exist in addition to the usual one."""
    pace = Freq.of(freq).pace
    if pace.unit in ("min", "h") and usual > 1:
        return (7 * usual,) if 7 * usual <= LONGEST_SECOND else ()
    long_enough = len(panel) > 0 and int(panel.lengths.max()) >= LEAST_YEARS * 365
    return (365,) if str(pace) == "D" and long_enough else ()


def _accept_seasons(panel: Panel, candidates: tuple[int, ...]) -> tuple[tuple[int, ...], list[float]]:
    """Return the main season, if the changes repeat at it, those of the others that repeat too, and their strengths."""
    main, *others = candidates
    strength = seasonal_autocorrelation(panel, main)
    if strength < LEAST_AUTOCORRELATION and not _is_certain(panel, main):
        return (), []
    seasons: tuple[int, ...] = (main,)
    strengths = [strength]
    for season in others:
        longer = seasonal_autocorrelation(panel, season, without=main)
        if longer >= LEAST_LONGER:
            seasons, strengths = (*seasons, season), [*strengths, longer]
    return seasons, strengths


def _is_certain(panel: Panel, season: int) -> bool:
    """Return True if a typical series repeats at a lag beyond doubt."""
    found = [lags[-1] / errors[-1] for lags, errors in _correlations(panel, season) if len(lags) > season]
    return bool(found) and float(np.median(found)) > CERTAIN_ERRORS


def seasonal_autocorrelation(panel: Panel, season: int, without: int = 0) -> float:
    """Return the autocorrelation of the differences at the seasonal lag, 0 if it is not significant.

    It is the mean over series; those shorter than two seasons are ignored.

    Args:
        panel: training rows.
        season: the lag.
        without: a shorter season whose means are subtracted first; the rest must then repeat more at the lag than
            at any smaller multiple of the shorter season. 0 for none.
    """
    found = [(lags, errors[-1]) for lags, errors in _correlations(panel, season, without) if len(lags) > season]
    if not found:
        return 0.0
    rivals = [lags[without:-1:without].max() if without else 0.0 for lags, _ in found]
    significant = [lags[-1] > max(ERRORS * error, rival) for (lags, error), rival in zip(found, rivals, strict=True)]
    return float(np.mean([lags[-1] if ok else 0.0 for (lags, _), ok in zip(found, significant, strict=True)]))


def _correlations(panel: Panel, most: int, without: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return :meth:`_Changes.correlations` of the newest rows of at most 200 series."""
    chosen = np.linspace(0, len(panel) - 1, min(len(panel), SERIES)).astype(int)
    found = []
    for rows in map(panel.rows, chosen.tolist()):
        rows = slice(max(rows.start, rows.stop - ROWS), rows.stop)
        if rows.stop - rows.start > 2:
            changes = _Changes.of(panel.values[rows].astype(np.float64), panel.observed[rows])
            found.append((changes.without(without) if without else changes).correlations(most))
    return found


def _search_seasons(panel: Panel, freq: str) -> tuple[tuple[int, ...], Note] | None:
    """Return the shortest season that stands out nearly as much as the best, and a week after a day; None for none."""
    peaks = _find_peaks(_correlations(panel, CANDIDATES[-1] * 11 // 10))
    if not peaks:
        return None
    best = max(peaks.values())
    main = min(season for season, strength in peaks.items() if strength >= NEAR_BEST * best)
    if main // 7 in DAYS and main % 7 == 0 and main // 7 in peaks:
        main //= 7
    seasons: tuple[int, ...] = (main,)
    strengths = [peaks[main]]
    if main in DAYS and (strength := seasonal_autocorrelation(panel, 7 * main, without=main)) >= LEAST_LONGER:
        seasons, strengths = (main, 7 * main), [peaks[main], strength]
    reason = f"found for freq {freq} by autocorrelation {_format_strengths(strengths)}"
    return seasons, _note(seasons, f"{reason}; {setting('season')} names another")


def _find_peaks(series: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, float]:
    """Return the mean autocorrelation of the candidates that stand out and are clearly significant.

    One stands out if it is not far below the lags around it, and well above some lag before it (except the first,
    which noise in the readings lowers).
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
    """Return the strengths of season and trend, 0 to 1 each.

    ``F_s = max(0, 1 - var(R) / var(S + R))`` and ``F_t = max(0, 1 - var(R) / var(T + R))`` of a decomposition into
    trend T, season S and remainder R (Wang, Smith & Hyndman 2006).

    Args:
        values: ``(rows,)``; NaN for a missing reading.
        season: the seasonal period in steps; 1 for none, of strength 0.
    """
    trend, seasonal, rest = _decompose(values, season)
    return _strength(rest, seasonal + rest, trend) if season > 1 else 0.0, _strength(rest, trend + rest, trend)


def _strength(rest: np.ndarray, whole: np.ndarray, trend: np.ndarray) -> float:
    rounding = 1e-9 * float(np.abs(trend).max(initial=0.0))
    if not len(whole) or float(np.std(whole)) <= rounding:
        return 0.0
    return max(0.0, 1.0 - float(np.var(rest) / np.var(whole)))


def _decompose(values: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return trend, season and remainder, ``(rows,)`` each, of the newest rows.

    By STL (Cleveland et al. 1990), or for fewer than two seasons by moving averages, with a season of zeros.
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
