"""Find the layout of a text table: its delimiter, the line of its column names, and the lines above them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from forecaster.data.readers.csv_numbers import looks_like_data
from forecaster.data.readers.dataframe import check_names
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note
from forecaster.words import plural, setting

#: The delimiters that are tried; if two fit, the earlier one wins: a comma may be a decimal mark.
DELIMITERS = ("\t", ";", "|", ",")

#: Any run of blanks, as a delimiter.
BLANKS = r"\s+"

_SAMPLED_FOR_DELIMITER = 200  # rows, for the delimiter
_SAMPLED = 30_000  # rows, for the kinds of their cells

_SEP_LINE = re.compile(r"sep=(.)", re.I)  # as Excel writes and reads it
_SKIPPED = re.compile(r"\s*#|sep=.\s*$", re.I)

_WORDS = {"tab": "\t", "\\t": "\t", "space": BLANKS, "whitespace": BLANKS, " ": BLANKS, "comma": ",", "semicolon": ";"}


@dataclass(frozen=True)
class Layout:
    """The form of a text table.

    Attributes:
        delimiter: one character, or :data:`BLANKS`.
        names: of the columns.
        lines: physical lines up to the end of the column names.
        rows: the first rows, as cells.
        notes: what was inferred.
    """

    delimiter: str
    names: list[str]
    lines: int
    rows: list[list[str]]
    notes: list[Note]


def parse_delimiter(given: str | None) -> str | None:
    """Return the delimiter for a setting: one character, or ``tab``, ``space``, ``comma``, ``semicolon``.

    Raises:
        SettingError: it is not a delimiter.
    """
    if given is None:
        return None
    found = _WORDS.get(given.lower(), given)
    if found != BLANKS and (len(found) != 1 or found in '\r\n"' or found.isalnum()):
        raise SettingError(f"the delimiter cannot be '{given}'", "give one character such as ';', or tab, or space")
    return found


def split_rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Yield the cells of each row, and the number of physical lines up to its end.

    Args:
        lines: with their line ends.
        delimiter: one character, or :data:`BLANKS`.
    """
    if delimiter == BLANKS:
        yield from ((line.split(), i) for i, line in enumerate(lines, 1))
        return
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        yield row, reader.line_num


def find_layout(text: str, name: str, given: str | None, usual: str) -> Layout:
    """Return the layout of a text table.

    Args:
        text: its beginning.
        name: of the file, for messages.
        given: the delimiter that was given, as :func:`parse_delimiter` returns it; None to infer it.
        usual: the delimiter that needs no note: a comma, a tab for ``.tsv``.

    Raises:
        DataError: there is no line of column names, or two columns have the same name.
    """
    lines = list(io.StringIO(text, newline=""))
    if given is None and (found := _SEP_LINE.fullmatch(lines[0].strip())):
        given = found[1]
    try:
        return _layout_of(lines, name, given, usual)
    except csv.Error as error:
        raise DataError(f"line 1 of {name} holds no column names: {error}") from None


def _layout_of(lines: list[str], name: str, given: str | None, usual: str) -> Layout:
    above = _count_comment_lines(lines)
    body = lines[above:]
    if not body or not body[0].strip():
        raise DataError(
            f"line {above + 1} of {name} is blank, expected column names separated by '{given or usual}'"
            if body
            else f"{name} holds nothing but comments"
        )
    delimiter, skipped = _find_delimiter(body, given, usual)
    notes = [_delimiter_note(delimiter)] if delimiter != usual and given is None else []
    rows = split_rows(body[skipped:], delimiter)
    header, used = next(rows)
    begin = above + skipped
    names = [cell.strip() for cell in header]
    if above and not skipped and (commented := _commented_names(lines[above - 1], delimiter, names)):
        notes.append(
            Note("header", f"line {above}", "a comment names as many columns as the lines below it have cells")
        )
        names, begin, used, above = commented, above - 1, 1, above - 1
        rows = split_rows(body, delimiter)
    if above:
        notes.append(Note("comments", f"{plural(above, 'line')} skipped", "above the column names, with # or sep="))
    if skipped:
        reason = f"line {begin + 1} is the first that has as many cells as the lines below it"
        notes.append(Note("preamble", f"{plural(skipped, 'line')} skipped", reason, warning=True))
    if not any(names):
        raise DataError(f"line {begin + 1} of {name} is blank, expected column names separated by '{delimiter}'")
    names = [cell or f"unnamed {i + 1}" for i, cell in enumerate(names)]
    check_names(names, f"line {begin + 1} of {name}")
    return Layout(delimiter, names, begin + used, _read_until_damaged(rows), notes)


def _read_until_damaged(rows: Iterator[tuple[list[str], int]]) -> list[list[str]]:
    found = []
    try:
        for row, _ in islice(rows, _SAMPLED):
            found.append(row)
    except csv.Error:
        pass
    return found


def _count_comment_lines(lines: list[str]) -> int:
    """Return the number of lines at the top that begin with #, blank ones below them included."""
    count = 0
    while count < len(lines) and (_SKIPPED.match(lines[count]) or (count and not lines[count].strip())):
        count += 1
    return count


def _commented_names(line: str, delimiter: str, first: list[str]) -> list[str]:
    """Return the column names in a comment right above rows of data, as NumPy writes them, if it holds any."""
    cells = next(split_rows([line.strip()[1:].strip() or "#"], delimiter))[0]
    names = [cell.strip() or "#" for cell in cells]
    if len(names) != len(first) or not any(map(looks_like_data, first)) or any(map(looks_like_data, names)):
        return []
    return names if len(names) > 1 else []


def _delimiter_note(delimiter: str) -> Note:
    shown = {"\t": "tab", BLANKS: "blanks"}.get(delimiter, f"'{delimiter}'")
    return Note("delimiter", shown, f"splits all lines into the same number of cells; {setting('delimiter')} overrides")


def _find_delimiter(lines: list[str], given: str | None, usual: str) -> tuple[str, int]:
    """Return the delimiter, and the number of lines above the column names."""
    tried = (given,) if given else DELIMITERS
    tables = {d: _first_rows(lines, d) for d in tried}
    shares = {d: _share_of_width(rows, len(rows[0][0])) for d, rows in tables.items() if len(rows[0][0]) > 1}
    if shares:
        best = max(shares.values())
        if best >= 0.5 or not (below := _find_below_preamble(tables)):
            return next(d for d in shares if shares[d] == best), 0
        return below
    if below := _find_below_preamble(tables):
        return below
    if given:
        return given, 0
    words = _first_rows(lines, BLANKS)
    if len(words[0][0]) > 1 and len(words) > 1 and _share_of_width(words, len(words[0][0])) == 1:
        return BLANKS, 0
    commas = [line.count(",") for line in lines[1:_SAMPLED_FOR_DELIMITER] if line.strip()]
    return (";" if usual == "," and commas and max(commas) == 1 and _all_decimals(lines) else usual), 0


def _all_decimals(lines: list[str]) -> bool:
    return all(looks_like_data(line) for line in lines[1:_SAMPLED_FOR_DELIMITER] if line.strip())


def _first_rows(lines: list[str], delimiter: str) -> list[tuple[list[str], int]]:
    """Return the first rows that are not blank, each with the number of lines above it."""
    found, before = list[tuple[list[str], int]](), 0
    try:
        for row, after in split_rows(lines, delimiter):
            if any(cell.strip() for cell in row):
                found.append((row, before))
            before = after
            if len(found) == _SAMPLED_FOR_DELIMITER:
                break
    except csv.Error:
        pass
    return found or [([""], 0)]


def _share_of_width(rows: list[tuple[list[str], int]], width: int) -> float:
    below = [row for row, _ in rows[1:]]
    return sum(_has_width(row, width) for row in below) / len(below) if below else 1.0


def _has_width(row: list[str], width: int) -> bool:
    return len(row) == width or (len(row) == width + 1 and not row[-1].strip())


def _find_below_preamble(tables: dict[str, list[tuple[list[str], int]]]) -> tuple[str, int] | None:
    """Find column names below a title and the like: the first of many rows of one width, itself without data."""
    for delimiter, rows in tables.items():
        widths = Counter(len(row) for row, _ in rows)
        width, count = widths.most_common(1)[0]
        if width < 2 or count < 3 or count < 0.8 * (len(rows) - 10):
            continue
        at, before = next((i, before) for i, (row, before) in enumerate(rows) if len(row) == width)
        header = rows[at][0]
        if at and all(c.strip() and not looks_like_data(c) for c in header) and _share_of_width(rows[at:], width) > 0.9:
            return delimiter, before
    return None
