"""Read a sheet of an Excel workbook."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecaster.data.readers.compression import Stored
from forecaster.data.readers.dataframe import check_names
from forecaster.data.readers.origin import set_origin
from forecaster.errors import DataError, DependencyError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import one_line, quote_names, setting

if TYPE_CHECKING:
    from forecaster.data.readers.sources import Source

#: Errors that openpyxl raises for a damaged workbook.
_DAMAGED = (
    *(ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError, SyntaxError),
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError),
)

_FREE_BYTES, _MOST_GROWTH = 1 << 28, 200


def read_excel(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a sheet; the label of a row is its row in the sheet less two, as for lines of text.

    Args:
        stored: the workbook's bytes.
        source: its ``sheet``; None for the first with rows.
        columns: keep only these.

    Raises:
        DependencyError: openpyxl is not installed.
        NotFoundError: there is no such sheet.
        DataError: it is not a workbook, or has no rows.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise DependencyError(
            "reading Excel needs openpyxl, which is not installed", "pip install 'forecaster[excel]'"
        ) from None
    try:
        return _read(stored, source.sheet, columns)
    except (DataError, NotFoundError):
        raise
    except _DAMAGED as error:
        raise DataError(f"{stored.name} is not an Excel workbook that can be read: {one_line(error)}") from None


def _read(stored: Stored, sheet: str | None, columns: Sequence[str] | None) -> pd.DataFrame:
    with stored.raw() as handle:
        _check_size(handle, stored)
        with pd.ExcelFile(handle, engine="openpyxl") as book:
            names = [str(n) for n in book.sheet_names]
            if sheet is not None and sheet not in names:
                raise NotFoundError(
                    f"there is no sheet '{sheet}' in {stored.name}, it has {quote_names(names)}", nearest(sheet, names)
                )
            frame, used = None, ""
            for used in [sheet] if sheet is not None else names:
                frame = _table(book, used)
                if len(frame) and len(frame.columns):
                    break
    if frame is None or not len(frame):
        raise DataError(f"no sheet of {stored.name} has rows" if sheet is None else f"sheet '{sheet}' has no rows")
    titles = [str(n).strip() for n in frame.columns]
    titles = [f"unnamed {i + 1}" if t.startswith("Unnamed: ") else t for i, t in enumerate(titles)]
    check_names(titles, f"sheet '{used}' of {stored.name}")
    frame = frame.set_axis(titles, axis=1)
    notes = []
    if len(names) > 1 and sheet is None:
        others = quote_names([n for n in names if n != used])
        reason = f"the first with rows, others are {others}; {setting('sheet', 'NAME')} for one of them"
        notes.append(Note("sheet", f"'{used}'", reason))
    kept = [n for n in titles if columns is not None and n in set(columns)]
    frame = frame[kept] if kept else frame
    return set_origin(frame, titles, notes)


def _check_size(handle: Any, stored: Stored) -> None:
    with zipfile.ZipFile(handle) as archive:
        need = sum(info.file_size for info in archive.infolist())
    if need > max(_FREE_BYTES, _MOST_GROWTH * stored.size()):
        raise DataError(
            f"{stored.name} declares {need / 1e9:,.1f} GB: not read, as a decompression bomb would fill the memory",
            "save the sheet as CSV",
        )
    handle.seek(0)


def _table(book: pd.ExcelFile, sheet: str) -> pd.DataFrame:
    from forecaster.data.readers.csv_numbers import MISSING

    raw = pd.read_excel(book, sheet_name=sheet, keep_default_na=False, na_values=[""])
    frame = raw.dropna(how="all").dropna(axis=1, how="all").copy()
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object:
            text = column.map(lambda v: isinstance(v, str))
            missing = column.where(text).isin(MISSING)
            if not (text & ~missing).any():
                frame[name] = column.mask(missing).infer_objects()
    return frame
