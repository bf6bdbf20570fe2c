"""Recognise the format of a written date, and parse many dates of one format."""

from __future__ import annotations

import calendar
import datetime
import re
import warnings
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

_ZONE = r"(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_ZONED = re.compile(rf".*[ T]\d.*{_ZONE}")
_CLOCK = (
    r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?(?: ?(?P<half>[AP]M))?)?"
)
_MONTHS = "|".join(
    f"{name[:3]}(?:{'t|t?ember' if name == 'September' else name[3:]})?" if len(name) > 3 else name
    for name in calendar.month_name[1:]
)
_NAME = rf"(?P<name>(?:{_MONTHS})\b)\.?"
_LONG_OR_SHORT = r"(?:(?P<year>\d{4})|(?P<short>\d{2}))"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]* )?"

#: The pattern of each format, for a text whose commas and runs of spaces have become single spaces.
FORMATS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "iso": rf"\d{{4}}-\d{{2}}(-\d{{2}}([ T]\d{{2}}(:?\d{{2}}(:?\d{{2}}([., ]\d+)?)?)? ?{_ZONE}?)?)?",
        "year first": r"(?P<year>\d{4})(?P<mark>[/.-])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})" + _CLOCK,
        "year last": r"(?P<one>\d{1,2})(?P<mark>[/.-])(?P<two>\d{1,2})(?P=mark)(?P<year>\d{4})" + _CLOCK,
        "short year": r"(?P<one>\d{1,2})(?P<mark>[/.])(?P<two>\d{1,2})(?P=mark)(?P<short>\d{2})" + _CLOCK,
        "day and month name": rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ /-]?{_NAME}[ /-]?{_LONG_OR_SHORT}" + _CLOCK,
        "month name and day": rf"{_WEEKDAY}{_NAME}[ -](?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ -](?P<year>\d{{4}})" + _CLOCK,
        "month name": rf"{_NAME}[ /-]?{_LONG_OR_SHORT}",
        "year and month name": rf"(?P<year>\d{{4}})[ /-]?{_NAME}(?:[ /-](?P<day>\d{{1,2}})" + _CLOCK + ")?",
        "week": r"(?P<year>\d{4})[ -]?W(?P<week>\d{1,2})(?:-?(?P<day>[1-7]))?",
        "quarter": r"(?P<year>\d{4})[ /-]?Q(?P<quarter>[1-4])",
        "quarter first": r"Q(?P<quarter>[1-4])[ /-]?(?P<year>\d{4})",
        "year and month": r"(?P<year>\d{4})[/-](?P<month>\d{1,2})",
        "month and year": r"(?P<month>\d{1,2})[/-](?P<year>\d{4})",
    }.items()
}

#: Formats in which the order of day and month is ambiguous.
ORDERED = ("year last", "short year")
_DIRECTIVES = {
    **{"year": "%Y", "short": "%y", "month": "%m", "name": "%b", "day": "%d", "hour": "%H", "minute": "%M"},
    **{"second": "%S", "fraction": "%f", "half": "%p"},
}
_ORDERS = {"month-first": {"one": "%m", "two": "%d"}, "day-first": {"one": "%d", "two": "%m"}}
_MOST_LAYOUTS = 12  # of one format in one column, such as with and without seconds


def format_of(cell: str) -> str | None:
    """Return the key in :data:`FORMATS` of the format of a text; None if it has none of them."""
    cell = _normalise_spaces(cell)
    return next((name for name, pattern in FORMATS.items() if pattern.fullmatch(cell)), None)


def parse_times(cells: np.ndarray, form: str, order: str = "month-first") -> np.ndarray:
    """Parse texts of one format as times.

    Args:
        cells: ``(cells,)`` texts.
        form: a key of :data:`FORMATS`.
        order: ``month-first`` or ``day-first``, for the formats of :data:`ORDERED`.

    Returns:
        ``(cells,)`` ``datetime64[ns]``, in UTC where a zone is written; NaT where a text is not in that format, is no
        day of the calendar, or is not between 1678 and 2262.
    """
    if form == "iso":
        return _parse_iso(cells)
    plain = [_normalise_spaces(str(cell)) for cell in cells]
    if form in _PARSED_ONE_BY_ONE:
        return _parse_one_by_one(plain, form)
    return _parse_layouts(plain, FORMATS[form], _ORDERS[order])


def find_zoned(cells: Iterable[str]) -> np.ndarray:
    """Return a mask of the ISO texts that carry a time zone, ``(cells,)`` bool."""
    return np.array([str(cell).endswith("Z") or bool(_ZONED.fullmatch(str(cell))) for cell in cells], bool)


def to_nanoseconds(parsed: pd.Series) -> np.ndarray:
    """Return times as ``datetime64[ns]``, in UTC where they have a zone; NaT outside the range of nanoseconds."""
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    values = parsed.to_numpy()
    if values.dtype == "datetime64[ns]":
        return values
    low, high = np.datetime64("1678-01-01"), np.datetime64("2262-01-01")
    if not (np.fmin.reduce(values, initial=low) >= low and np.fmax.reduce(values, initial=low) < high):
        values = np.where((values >= low) & (values < high), values, np.datetime64("NaT"))
    return values.astype("datetime64[ns]")


def month_number(text: str) -> int:
    """Return 1 for ``Jan`` and ``january``, 0 for a text that is no month."""
    found = re.fullmatch(_NAME, text.strip(), re.IGNORECASE)
    return [name[:3] for name in calendar.month_name].index(found["name"][:3].title()) if found else 0


def _normalise_spaces(cell: str) -> str:
    return " ".join(cell.replace(",", " ").split())


def _parse_iso(cells: np.ndarray) -> np.ndarray:
    texts = pd.Series(cells, dtype=object).str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # pandas 2 only warns of several offsets from UTC
            return to_nanoseconds(pd.to_datetime(texts, format="ISO8601", errors="coerce"))
    except (ValueError, FutureWarning):
        return to_nanoseconds(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True))


def _parse_layouts(cells: list[str], pattern: re.Pattern[str], order: dict[str, str]) -> np.ndarray:
    """Parse by the layout of the first cell, what is left by the layout of the first one left, and so on."""
    if "name" in pattern.groupindex:
        cells = [
            re.sub(_NAME, lambda found: found["name"][:3], _remove_weekday(cell), flags=re.IGNORECASE) for cell in cells
        ]
        cells = [re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", cell) for cell in cells]
    texts, left = pd.Series(cells, dtype=object), np.arange(len(cells))
    times, tried = np.full(len(cells), np.datetime64("NaT"), "datetime64[ns]"), set[str]()
    while len(left) and len(tried) < _MOST_LAYOUTS:
        layouts = (_find_layout(pattern, cells[i], order) for i in left)
        layout = next((found for found in layouts if found and found not in tried), None)
        if layout is None:
            break
        tried.add(layout)
        times[left] = to_nanoseconds(pd.to_datetime(texts.iloc[left], format=layout, errors="coerce"))
        left = left[np.isnat(times[left])]
    return times


def _remove_weekday(cell: str) -> str:
    return re.sub(f"^{_WEEKDAY}", "", cell, flags=re.IGNORECASE)


def _find_layout(pattern: re.Pattern[str], cell: str, order: dict[str, str]) -> str | None:
    """Return the strptime layout of a text; None if it is not in the format."""
    found = pattern.fullmatch(cell)
    if not found:
        return None
    directives = {**_DIRECTIVES, **order, **({"hour": "%I"} if found.groupdict().get("half") else {})}
    parts = sorted(
        (found.span(group), directives[group]) for group in found.groupdict() if found[group] and group in directives
    )
    layout, end = "", 0
    for (start, stop), directive in parts:
        layout += cell[end:start].replace("%", "%%") + directive
        end = stop
    return layout + cell[end:].replace("%", "%%")


def _parse_one_by_one(cells: list[str], form: str) -> np.ndarray:
    days = []
    for cell in cells:
        found = FORMATS[form].fullmatch(cell)
        try:
            days.append(_PARSED_ONE_BY_ONE[form](found) if found else None)
        except ValueError:
            days.append(None)
    return to_nanoseconds(pd.Series(np.array(days, dtype="datetime64[s]")))


def _date_of_week(found: re.Match[str]) -> datetime.date:
    return datetime.date.fromisocalendar(int(found["year"]), int(found["week"]), int(found["day"] or 1))


def _date_of_quarter(found: re.Match[str]) -> datetime.date:
    return datetime.date(int(found["year"]), 3 * int(found["quarter"]) - 2, 1)


_PARSED_ONE_BY_ONE: dict[str, Callable[[re.Match[str]], datetime.date]] = {
    "week": _date_of_week,
    "quarter": _date_of_quarter,
    "quarter first": _date_of_quarter,
}
