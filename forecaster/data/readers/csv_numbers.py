"""Tell numbers, in any of the usual notations, from times, codes and words in the cells of a text file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.readers.dataframe import PART_NAMES
from forecaster.notes import Note
from forecaster.words import setting

if TYPE_CHECKING:
    import pyarrow as pa

#: Cells that mean "no value" among numbers and times. Among words only an empty cell does: there NA is Namibia.
MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "N.A.", "n.a.", "na", "Na"),
    *("NaN", "nan", "NAN", "-nan", "-NaN", "NaT"),
    *("null", "NULL", "Null", "None", "none", "NONE", "-", "--", "---", "?", ".", ".."),
)
_MISSING = frozenset(MISSING)

#: A column is one of numbers if more than this share of its filled cells are; the others are reported by line.
_NUMBER_SHARE = 0.9

_INFINITE = r"[+-]?(?:[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_PLAIN = re.compile(rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}|{_INFINITE}")
_COMMA = re.compile(rf"[+-]?(?:[0-9]+(?:,[0-9]*)?|,[0-9]+){_EXPONENT}|{_INFINITE}")
_DOT_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[+-]?[0-9]+")
_COMMA_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+|[+-]?[0-9]+")
_CODE = r"0[0-9]+"
_MONTHS = "jan|feb|mar|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_TIME = (
    r"(?i)^(?:q?[0-9][0-9\-/:.,+ tzwqm]{3,}(?: ?(?:utc|gmt|am|pm))?"
    rf"|[0-9 ,:\-/.]*(?:{_MONTHS})[a-z]*[0-9 ,:\-/.]*[0-9][0-9 ,:\-/.]*(?:am|pm)?)$"
)
_TIME_PATTERN = re.compile(_TIME)

_MINUS = "\u2212"


class Writing(NamedTuple):
    """A way of writing numbers: the decimal mark, and the mark between thousands."""

    decimal: str
    group: str

    @property
    def pattern(self) -> str:
        """Return a regular expression for a whole cell, in the syntax that Python and RE2 share."""
        mark = re.escape(self.decimal)
        plain = rf"(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+){_EXPONENT}"
        groups = rf"[1-9][0-9]{{0,2}}(?:{_GROUPS[self.group]}[0-9]{{3}})+(?:{mark}[0-9]*)?|" if self.group else ""
        return rf"^(?:[+\-{_MINUS}]?(?:{groups}{plain})|{_INFINITE})$"


_GROUPS = {",": ",", ".": r"\.", " ": "[ \u00a0\u202f\u2009]", "'": "['\u2019]"}

#: The ways of writing numbers, plainer ones first.
WRITINGS = tuple(Writing(decimal, group) for group in ("", *_GROUPS) for decimal in ".," if decimal != group)


@dataclass(frozen=True)
class ColumnPlan:
    """The way to read each column of a text file.

    Attributes:
        decimal: the decimal mark for the parser.
        kinds: of each column: ``number`` (by the parser), ``time`` or ``text`` (as they are), ``unsettled`` (as text,
            until all of its cells are known).
        evidence: the decimal mark of the unambiguous columns; ``""`` if there are none.
    """

    decimal: str
    kinds: dict[str, str]
    evidence: str


def looks_like_data(cell: str) -> bool:
    """Return True if a cell is a number or a time, which column names hardly are."""
    return any(p.fullmatch(cell.strip()) for p in (_PLAIN, _COMMA, _TIME_PATTERN))


def plan_columns(columns: dict[str, Iterable[str]], decimal: str | None) -> ColumnPlan:
    """Return the plan for reading each column, from the cells at the beginning of the file.

    Args:
        columns: the sampled cells of each column.
        decimal: the decimal mark that was given; None to infer it.
    """
    kinds = {name: _kind(name, {c.strip() for c in cells}) for name, cells in columns.items()}
    dots, commas = (sum(kind == of for kind in kinds.values()) for of in ("dot", "comma"))
    evidence = "," if commas > dots else "." if dots else ""
    chosen = decimal or evidence or "."
    native = {"dot": ".", "dots": ".", "comma": ",", "number": chosen, "unknown": chosen}
    plan = {
        name: ("number" if native[kind] == chosen else "unsettled") if kind in native else kind
        for name, kind in kinds.items()
    }
    return ColumnPlan(chosen, plan, evidence)


def _kind(name: str, cells: set[str]) -> str:
    filled = cells - _MISSING
    if not filled or {c.lower() for c in filled} <= {"true", "false"}:
        return "unknown"
    if _codes_matter(name) and any(re.fullmatch(_CODE, c) for c in filled):
        return "text"
    if all(map(_PLAIN.fullmatch, filled)):
        marked = [c for c in filled if "." in c]
        return "number" if not marked else "dots" if all(map(_DOT_GROUPS.fullmatch, filled)) else "dot"
    if all(map(_COMMA.fullmatch, filled)):
        return "unsettled" if all(map(_COMMA_GROUPS.fullmatch, filled)) else "comma"
    if any(all(map(re.compile(w.pattern).match, filled)) for w in WRITINGS):
        return "unsettled"
    if all(map(_TIME_PATTERN.fullmatch, filled)):
        return "time"
    return "unsettled" if sum(any(ch.isdigit() for ch in c) for c in filled) > len(filled) / 2 else "text"


def _codes_matter(name: str) -> bool:
    """Return True if the zeros of 007 mean something; not in a column of months."""
    return name.lower() not in PART_NAMES


def parse_number_columns(
    columns: dict[str, pd.Series], plan: ColumnPlan, decimal: str | None, delimiter: str
) -> tuple[dict[str, pd.Series], list[Note]]:
    """Return columns of text as numbers where they are numbers, judged by all cells of each.

    Args:
        columns: text, empty cells as NaN.
        plan: for the other columns, whose decimal mark is evidence.
        decimal: the decimal mark that was given, which is not questioned.
        delimiter: of the file; ``;`` goes with a decimal comma or dot.

    Returns:
        The columns, and a note on each way of writing that is not the plain one.
    """
    found = {name: _Cells(column, decimal) for name, column in columns.items()}
    sure = [cells.best[0].decimal for cells in found.values() if cells.best and cells.marked and not cells.in_doubt]
    evidence = plan.evidence or ("," if sure.count(",") > sure.count(".") else "." if sure else "")
    settled, notes, named = dict[str, pd.Series](), list[Note](), dict[Writing, list[str]]()
    for name, cells in found.items():
        if not cells.best or (_codes_matter(name) and cells.has_codes):
            settled[name] = cells.without_missing() if cells.are_times_or_flags else columns[name]
            continue
        writing = cells.choose(evidence or (cells.best[0].decimal if delimiter == ";" else "."))
        settled[name] = cells.numbers(writing)
        if cells.in_doubt and not decimal:
            notes.append(_ambiguity_note(name, cells.marked, writing, bool(evidence), delimiter))
        elif cells.marked and writing != Writing(".", "") and not decimal:
            named.setdefault(writing, []).append(name)
    return settled, notes + [writing_note(writing, names) for writing, names in named.items()]


def writing_note(writing: Writing, names: list[str]) -> Note:
    """Return the note on columns whose numbers are written this way."""
    shown = ", ".join(f"'{n}'" for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    group = f", '{writing.group}' between thousands" if writing.group else ""
    reason = f"as the cells of {shown} fit; {setting('decimal')} overrides"
    return Note("numbers", f"decimal '{writing.decimal}'{group}", reason)


def _ambiguity_note(name: str, example: str, writing: Writing, evidence: bool, delimiter: str) -> Note:
    shown = "tab" if delimiter == "\t" else f"'{delimiter}'"
    why = "as in other columns" if evidence else f"as is usual with the delimiter {shown}"
    read = example.replace(writing.group, "") if writing.group else example
    value = f"'{example}' in '{name}' is {read.replace(writing.decimal, '.')}"
    other = "," if writing.decimal == "." else "."
    reason = f"every cell could be thousands or decimals; {why}; {setting('decimal', other)} reads the other"
    return Note("numbers", value, reason, warning=True)


class _Cells:
    """The distinct cells of a column, and the ways of writing numbers that fit most of them."""

    def __init__(self, column: pd.Series, decimal: str | None) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.column = column
        self.places, distinct = pd.factorize(column)
        texts = pa.array(np.asarray(distinct, dtype=object), pa.string(), from_pandas=True)
        self.texts = pc.utf8_trim_whitespace(texts)
        self.missing = np.asarray(pc.is_in(self.texts, pa.array(MISSING)), dtype=bool)
        counts = np.bincount(self.places[self.places >= 0], minlength=len(distinct))
        counts = np.where(self.missing, 0, counts)
        shares = {
            w: counts[self._matches(w.pattern)].sum() / max(counts.sum(), 1)
            for w in WRITINGS
            if decimal in (None, w.decimal)
        }
        most = max(shares.values(), default=0)
        self.best = [w for w, share in shares.items() if share == most] if most > _NUMBER_SHARE else []

    def _matches(self, pattern: str) -> np.ndarray:
        import pyarrow.compute as pc

        return np.asarray(pc.match_substring_regex(self.texts, pattern), dtype=bool)

    @property
    def in_doubt(self) -> bool:
        """True if the cells could be different numbers: 1,234 with a decimal comma or with thousands."""
        return len({w.decimal for w in self.best}) > 1 and bool(self.marked)

    @property
    def marked(self) -> str:
        """The first cell that is not the same number in every way of writing; empty if there is none."""
        found = np.flatnonzero(self._matches("[0-9][., '\u2019\u00a0\u202f\u2009][0-9]") & ~self.missing)
        if len(self.best) > 1:
            found = np.flatnonzero(self._matches("[0-9][.,][0-9]") & ~self.missing)
        return str(self.texts[int(found[0])].as_py()) if len(found) else ""

    @property
    def are_times_or_flags(self) -> bool:
        """True if every filled cell is a time, or every one true or false, so that NA is no name among them."""
        return any(bool((self._matches(kind) | self.missing).all()) for kind in (_TIME, "(?i)^(?:true|false)$"))

    @property
    def has_codes(self) -> bool:
        """True if there are cells such as 007, whose zeros a number would lose."""
        return bool(self._matches(f"^{_CODE}$").any())

    def choose(self, decimal: str) -> Writing:
        """Return the plainest way of writing that fits, with this decimal mark if there is a choice."""
        return next((w for w in self.best if w.decimal == decimal), self.best[0])

    def without_missing(self) -> pd.Series:
        """Return the text with NaN for every word that means "no value"."""
        return self.column.mask(self._spread(self.missing, True))

    def _spread(self, values: np.ndarray, empty: object) -> np.ndarray:
        """Return a value for each row from those of the distinct cells."""
        return np.append(values, np.asarray([empty], dtype=values.dtype))[self.places]

    def numbers(self, writing: Writing) -> pd.Series:
        """Return float64 or int64; if a few cells are not numbers, text with plain numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        fits = self._matches(writing.pattern) & ~self.missing
        plain = self._plain(writing)
        if not (fits | self.missing).all():
            texts = np.where(fits, np.asarray(plain, dtype=object), np.asarray(self.texts, dtype=object))
            texts[self.missing] = None
            column = self._spread(texts, None)
            return pd.Series(column, self.column.index, dtype=self.column.dtype, name=self.column.name)
        numbers = pc.cast(pc.if_else(pa.array(fits), plain, None), pa.float64())
        whole = not np.asarray(pc.match_substring_regex(plain, "[.eEiI]"))[fits].any()
        values = self._spread(numbers.to_numpy(zero_copy_only=False), np.nan)
        if whole and np.isfinite(values).all() and (np.abs(values) < 2**53).all():
            values = values.astype(np.int64)
        return pd.Series(values, self.column.index, name=self.column.name)

    def _plain(self, writing: Writing) -> pa.Array:
        """Return the cells as Python and Arrow write numbers."""
        import pyarrow.compute as pc

        texts = pc.replace_substring(self.texts, _MINUS, "-")
        if writing.group:
            texts = pc.replace_substring_regex(texts, _GROUPS[writing.group], "")
        texts = texts if writing.decimal == "." else pc.replace_substring(texts, writing.decimal, ".")
        return pc.replace_substring_regex(texts, r"^\+", "")


def wrapped_number(cell: object) -> str:
    """Return the advice for a cell with a number among other characters (``$1.50``, ``5%``, ``(3)``), or ``""``."""
    text = str(cell).strip()
    found = re.fullmatch(r"([^\w\s+-]{0,2}|[A-Z]{3})\s*([+-]?\d[\d.,]*)\s*([^\d+-]{0,12})", text)
    if not found or not (found[1] or found[3]) or not re.search(r"\d$", found[2]):
        return ""
    if (found[1], found[3]) == ("(", ")"):
        return f"write '{text}' as {'-' + found[2]}: a number in brackets is a negative one"
    strip = " and ".join(f"'{part}'" for part in (found[1], found[3]) if part)
    return f"write numbers alone, '{text}' as {found[2]}: strip {strip}"
