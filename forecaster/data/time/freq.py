"""Freqs, parsed from their aliases, and arithmetic on months and weekdays.

A freq is a pandas offset alias in its current spelling, such as ``h``, ``15min``, ``D``, ``B``, ``W-SAT``, ``MS`` or
``QE-DEC``; ``step`` if whole numbers count the rows; or ``row`` if each row is a step whatever its date, followed by
the step that continues the dates after the end: ``row-B``, ``row-h``, ``row-W-SAT``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from forecaster.errors import SettingError

#: Nanoseconds of units of fixed length.
FIXED_UNITS = {
    "ms": 1_000_000,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "D": 86400 * 10**9,
    "W": 7 * 86400 * 10**9,
}
#: Months of units counted in months; the second letter is S for the start of the period, E for its end.
MONTH_UNITS = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}

WORDS = {
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "D": "day",
    "W": "week",
    "B": "business day",
}
WORDS |= {"MS": "month", "ME": "month", "QS": "quarter", "QE": "quarter", "YS": "year", "YE": "year", "step": "step"}
WORDS |= {"row": "row"}
_OLD = {
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "M": "ME",
    "Q": "QE",
    "A": "YE",
    "Y": "YE",
    "AS": "YS",
    "d": "D",
    "w": "W",
}
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAY = FIXED_UNITS["D"]
#: Most years in a step, as nanoseconds can count no more.
LONGEST_STEP = 292


@dataclass(frozen=True)
class Freq:
    """A parsed freq: ``count`` times ``unit``, with the weekday or month it is anchored to, or ``""``.

    The anchor of the unit ``row`` is the alias of its pace, the step that continues its dates.
    """

    count: int
    unit: str
    anchor: str = ""

    @classmethod
    def of(cls, freq: str) -> Freq:
        """Parse an alias; ``24h`` becomes ``D``, ``H`` (the old spelling) ``h``.

        Raises:
            SettingError: the freq is unknown, or too long.
        """
        if freq.strip().lower().split("-")[0] in ("row", "rows"):
            return cls(1, "row", _parse_pace(freq.strip().partition("-")[2], freq))
        found = re.fullmatch(r"(\d{,9})([A-Za-z]+)(?:-([A-Za-z]{3}))?", freq.strip())
        unit = _OLD.get(found[2], found[2]) if found else ""
        alone = unit in ("B", "step", "row")
        if not found or unit not in WORDS or (found[1] and (alone or int(found[1]) == 0)):
            raise _unknown_freq_error(freq)
        anchor = (found[3] or "").upper()
        anchors = _DAYS if unit == "W" else _MONTHS if unit[0] in "QY" else ()
        if anchor and anchor not in anchors:
            raise _unknown_freq_error(freq)
        step = cls(int(found[1] or 1), unit, anchor)
        if step.nanoseconds > LONGEST_STEP * 365 * DAY or step.months > LONGEST_STEP * 12:
            raise SettingError(f"freq '{freq}' is a step too long, expected {LONGEST_STEP} years at most")
        return step._largest_unit()

    def _largest_unit(self) -> Freq:
        for small, large, times in (("ms", "s", 1000), ("s", "min", 60), ("min", "h", 60), ("h", "D", 24)):
            if self.unit == small and self.count % times == 0:
                return Freq(self.count // times, large)._largest_unit()
        return self

    def __str__(self) -> str:
        """Return the alias."""
        return f"{self.count if self.count > 1 else ''}{self.unit}{'-' + self.anchor if self.anchor else ''}"

    @property
    def base(self) -> str:
        """The unit without start or end, a key of tables such as :data:`WORDS`: ``M`` for ``MS``."""
        return self.unit[0] if self.unit in MONTH_UNITS else self.unit

    @property
    def months(self) -> int:
        """Months in a step; 0 if a step is not counted in months."""
        return self.count * MONTH_UNITS.get(self.unit, 0)

    @property
    def pace(self) -> Freq:
        """The step that continues the dates: the freq itself, business days for ``row-B``, ``step`` for ``row``."""
        if self.unit != "row":
            return self
        counted = re.fullmatch(r"(\d*)step", self.anchor or "step")
        return Freq(int(counted[1] or 1), "step") if counted else Freq.of(self.anchor)

    @property
    def whole_days(self) -> bool:
        """True if a step is one or more whole calendar days; such times are held as local times."""
        pace = self.pace
        return pace.unit != "step" and pace.nanoseconds % DAY == 0

    @property
    def nanoseconds(self) -> int:
        """Nanoseconds in a step; 0 if they vary."""
        return self.count * FIXED_UNITS.get(self.unit, 0)

    def words(self, steps: int) -> str:
        """Return a number of steps in words: ``"5 hours"``, ``"1 step of 15 minutes"``."""
        name = WORDS[self.unit] + ("s" if (steps if self.count == 1 else self.count) != 1 else "")
        if self.count == 1:
            return f"{steps:,} {name}"
        return f"{steps:,} {'step' if steps == 1 else 'steps'} of {self.count} {name}"

    def span(self, steps: int) -> str:
        """Return a number of steps as a span of time: 48 steps of ``30min`` are ``"1 day"``."""
        return format_duration(steps * self.nanoseconds) if self.nanoseconds else self.words(steps)


def _parse_pace(text: str, freq: str) -> str:
    """Return the alias of the pace after ``row-``; whole numbers may be any distance apart, ``60step``."""
    if not text or re.fullmatch(r"([1-9]\d*)?step", text):
        return "step" if text == "1step" else text
    pace = Freq.of(text)
    if pace.unit == "row":
        raise _unknown_freq_error(freq)
    return str(pace)


def _unknown_freq_error(freq: str) -> SettingError:
    return SettingError(
        f"unknown freq '{freq}', expected a number (optional) and one of {', '.join(WORDS)}",
        "such as 15min, h, D, B (business days), W-SAT, MS (month starts), ME (month ends), QS, YS, row (rows count)",
    )


def format_duration(length: int) -> str:
    """Return nanoseconds in the largest unit that divides them: ``"2 hours"``."""
    unit = next((u for u in ("W", "D", "h", "min", "s", "ms") if length % FIXED_UNITS[u] == 0), "")
    return Freq(1, unit).words(length // FIXED_UNITS[unit]) if unit else f"{length:,} nanoseconds"


def weekday_numbers(times: np.ndarray) -> np.ndarray:
    """Return the days of the week, ``(rows,)`` int64: 0 is Monday."""
    return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7


def week_anchor(times: np.ndarray) -> str:
    """Return the weekday that most times fall on: ``"SAT"``."""
    return _DAYS[int(np.bincount(weekday_numbers(times), minlength=7).argmax())]


def is_on_anchor(times: np.ndarray, freq: Freq) -> np.ndarray:
    """Return a mask of times on the weekday or in the month that a freq is anchored to, ``(rows,)`` bool."""
    if not freq.anchor or freq.unit == "row":
        return np.ones(len(times), bool)
    if freq.unit == "W":
        return weekday_numbers(times) == _DAYS.index(freq.anchor)
    return (month_numbers(times) - _MONTHS.index(freq.anchor)) % MONTH_UNITS[freq.unit] == 0


def month_numbers(times: np.ndarray) -> np.ndarray:
    """Return months since January 1970, ``(rows,)`` int64."""
    return times.astype("datetime64[M]").astype(np.int64)


def month_anchor(unit: str, number: int) -> str:
    """Return the anchor of quarters or years that start or end in month ``number`` since January 1970."""
    if unit[0] == "M":
        return ""
    phase = number % MONTH_UNITS[unit]
    return "DEC" if unit == "QE" and phase == 2 else _MONTHS[phase]


def month_days(numbers: np.ndarray, unit: str) -> np.ndarray:
    """Return the first day (``MS``, ``QS``, ``YS``) or last day of months since January 1970, as ``datetime64[ns]``."""
    months = numbers.astype("datetime64[M]")
    days = (months + 1).astype("datetime64[D]") - 1 if unit[1] == "E" else months.astype("datetime64[D]")
    return days.astype("datetime64[ns]")


def format_time(time: np.datetime64 | int) -> str:
    """Return a time without trailing zeros: ``2024-01-31``, ``2024-01-31 18:00``, ``17``."""
    if not isinstance(time, np.datetime64):
        return str(time)
    text = str(time.astype("datetime64[ms]")).replace("T", " ")
    for zeros in (".000", ":00", " 00:00"):
        text = text.removesuffix(zeros)
    return text
