"""The public holidays of a country as numbers, from the ``holidays`` library."""

from __future__ import annotations

import numpy as np

from forecaster.data.time.freq import DAY, Freq, month_numbers, weekday_numbers
from forecaster.errors import SettingError, nearest
from forecaster.words import setting

_HINT = "such as DE, US, or with a region US-CA"


def check_country(country: str) -> str:
    """Return a country or region as the library spells it: ``de`` becomes ``DE``, ``us-ca`` ``US-CA``.

    Raises:
        SettingError: there is no such country or region; the hint suggests the nearest.
    """
    import holidays

    code, _, region = country.strip().partition("-")
    countries = holidays.list_supported_countries()
    found = next((known for known in countries if known.lower() == code.lower()), None)
    if found is None:
        raise SettingError(
            f"no holidays are known for '{country}', expected a country code {_HINT}", _suggest_country(country)
        )
    if not region:
        return found
    regions = {name.lower(): name for name in countries[found]}
    if region.lower() not in regions:
        known = ", ".join(countries[found]) or "none"
        raise SettingError(
            f"no holidays are known for region '{region}' of {found}, expected one of: {known}",
            nearest(region, countries[found]) or f"leave the region out: {found}",
        )
    return f"{found}-{regions[region.lower()]}"


def _suggest_country(country: str) -> str:
    """Return a hint with the code of the country whose name, or else whose code, is most like the given text."""
    from holidays.registry import COUNTRIES

    names = {words.replace("_", " "): entry[1] for words, entry in COUNTRIES.items()}
    written = country.strip().lower().replace("_", " ")
    found = written if written in names else next((n for n in names if len(written) > 2 and n.startswith(written)), "")
    if not found and len(written) <= 3:
        found = next((name for name, code in names.items() if len(written) == 3 and code.lower() == written[:2]), "")
    elif not found:
        near = nearest(written, list(names))
        found = near.split("'")[1] if near else ""
    return f"did you mean '{names[found]}' ({found.title()})?" if found else ""


def _flag_holidays(first: int, last: int, country: str, weekends: bool) -> np.ndarray:
    """Return 1 for holidays among the days ``first`` to ``last`` since 1970, else 0, ``(days,)`` float32."""
    import holidays

    code, _, region = check_country(country).partition("-")
    days = np.arange(first, last + 1).astype("datetime64[D]")
    year, until = (int(day.astype("datetime64[Y]").astype(int)) + 1970 for day in (days[0], days[-1]))
    found = holidays.country_holidays(code, subdiv=region or None, years=range(year, until + 1), expand=False)
    flags = np.isin(days, np.array(list(found), "datetime64[D]"))
    return (flags if weekends else flags & ~np.isin(weekday_numbers(days), list(found.weekend))).astype(np.float32)


def holiday_width(freq: str) -> int:
    """Return the number of columns of :func:`holiday_features`."""
    pace = Freq.of(freq).pace
    return 3 if _is_daily(pace) else 1 if pace.months else 2


def _is_daily(pace: Freq) -> bool:
    return pace.unit == "B" or 0 < pace.nanoseconds <= DAY


def holiday_features(times: np.ndarray, country: str, freq: str) -> np.ndarray:
    """Return public holidays at given times as numbers.

    Args:
        times: ``(T,)`` local ``datetime64[ns]``.
        country: ``DE``, ``US-CA``, see :func:`check_country`.
        freq: the freq of the panel.

    Returns:
        ``(T, k)`` float32. Steps up to a day: 1 if the day is a holiday, the same for the day after and the day before.
        Several days and weeks: counts of holidays in the step up to the time and in the step from it on, as tables
        label a week by its first or its last day. Months and longer: the count in that period. Holidays on weekends do
        not count, and counts are per week: 2 in a month of 28 days are 0.5.

    Raises:
        SettingError: the country is unknown, or the freq has no dates.
    """
    pace = Freq.of(freq).pace
    if times.dtype.kind != "M":
        raise SettingError("holidays need dates, but the time column counts steps", f"leave {setting('holidays')} out")
    if not len(times):
        return np.zeros((0, holiday_width(freq)), np.float32)
    days = times.astype("datetime64[D]").astype(np.int64)
    if _is_daily(pace):
        first = int(days.min()) - 1
        flags, place = _flag_holidays(first, int(days.max()) + 1, country, weekends=True), days - first
        return np.stack([flags[place], flags[place + 1], flags[place - 1]], axis=1)
    starts, ends = _periods(times, days, pace)
    first = int(starts.min())
    flags = _flag_holidays(first, int(ends.max()), country, weekends=False)
    sums = np.concatenate([[0.0], np.cumsum(flags, dtype=np.float64)])
    return (7 * (sums[ends - first] - sums[starts - first]) / (ends - starts)).astype(np.float32)


def _periods(times: np.ndarray, days: np.ndarray, pace: Freq) -> tuple[np.ndarray, np.ndarray]:
    """Return the first day of periods and the day after their last, days since 1970, ``(T, periods)`` each."""
    if pace.months:
        first = month_numbers(times) - (pace.months - 1 if pace.unit[1] == "E" else 0)
        bounds = (number.astype("datetime64[M]").astype("datetime64[D]") for number in (first, first + pace.months))
        start, end = (bound.astype(np.int64)[:, None] for bound in bounds)
        return start, end
    length = max(1, pace.nanoseconds // DAY)
    before, after = days + 1 - length, days
    return np.stack([before, after], axis=1), np.stack([before, after], axis=1) + length
