"""Newer rows of known series, with their older rows put before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import bridge_short_gaps, refill
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.calendar import default_season, future_times
from forecaster.data.time.freq import Freq, format_time, month_numbers
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import first_few

#: Business days that may be holidays between the last known row and the first new one.
HOLIDAYS = 5


def prepend_history(panel: Panel, history: Panel, bearable: int, gaps: str = "mask") -> tuple[Panel, list[Note]]:
    """Return ``panel`` with the older rows of its series put before it, and notes on what was joined and what not.

    Older rows fit where the first row of the series in ``panel`` comes after them with no more than ``bearable`` steps
    absent between, which become rows without a reading as :func:`forecaster.data.panel.grid.on_grid` makes them. Where
    rows are steps (``row``), all rows that are older fit. A covariate of a series as a whole that is empty in
    ``panel`` is taken from ``history``.

    Args:
        panel: newer rows, or a whole table again.
        history: what is known of some of the series, of the same freq, zone and columns.
        bearable: steps that may be absent; business days may always be :data:`HOLIDAYS`.
        gaps: ``mask``, ``fill`` or ``error``, where steps are absent.

    Raises:
        DataError: steps are absent between older rows that fit and the newer ones, and ``gaps`` is ``error``.
    """
    places, freq = _places(panel, history), Freq.of(panel.freq)
    counts, absent = _older(panel, history, places)
    most = HOLIDAYS if freq.unit == "B" else bearable
    fits = (counts > 0) & (absent >= 0) & (absent <= most)
    notes = _apart_note([panel.ids[i] for i in np.flatnonzero((counts > 0) & ~fits)], freq.words(most))
    panel = _with_static(panel, history, places)
    if not fits.any():
        return panel, notes
    notes.append(Note("history", "joined", "older rows of known series are taken from the model"))
    absent = np.where(fits & (freq.unit != "B"), absent, 0)
    if absent.any() and gaps == "error":
        raise _gap(panel, history, places, absent)
    joined = _joined(panel, history, places, np.where(fits, counts, 0), absent, masked=gaps == "mask")
    return joined, notes + _gap_note(panel, absent, gaps)


def _places(panel: Panel, history: Panel) -> np.ndarray:
    """Return the number that each series of ``panel`` has in ``history``, ``(series,)`` int64, -1 for none."""
    if panel.ids == history.ids:
        return np.arange(len(panel))
    places = {name: i for i, name in enumerate(history.ids)}
    return np.fromiter((places.get(name, -1) for name in panel.ids), np.int64, len(panel))


def _older(panel: Panel, history: Panel, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows of ``history`` are older than each series of ``panel``, and the steps absent after them.

    Both ``(series,)`` int64; the steps are negative where they are no whole number.
    """
    counts, absent = np.zeros((2, len(panel)), np.int64)
    first, known = panel.times[panel.offsets[:-1]], np.flatnonzero(places >= 0)
    if not len(known):
        return counts, absent
    limit = np.full(len(history), history.times.min(), history.times.dtype)
    limit[places[known]] = first[known]
    before = np.add.reduceat(history.times < np.repeat(limit, history.lengths), history.offsets[:-1], dtype=np.int64)
    counts[known] = before[places[known]]
    known = np.flatnonzero(counts)
    last = history.times[history.offsets[places[known]] + counts[known] - 1]
    absent[known] = _steps(last, first[known], Freq.of(panel.freq)) - 1
    return counts, absent


def _steps(last: np.ndarray, first: np.ndarray, freq: Freq) -> np.ndarray:
    """Return how many steps ``first`` comes after ``last``, ``(series,)`` int64; 1 for rows, 0 for no whole number."""
    if freq.unit == "row":
        return np.ones(len(last), np.int64)
    if freq.unit == "B":
        return np.busday_count(last.astype("datetime64[D]"), first.astype("datetime64[D]"))
    ends = (month_numbers(times) if freq.months else times.astype(np.int64) for times in (last, first))
    length = freq.months or freq.nanoseconds or 1
    (a, before), (b, after) = (np.divmod(end, length) for end in ends)  # a difference of nanoseconds may overflow
    return np.where(before == after, b - a, 0)


def _with_static(panel: Panel, history: Panel, places: np.ndarray) -> Panel:
    static, known = panel.static.copy(), places >= 0
    static[known] = np.where(np.isnan(static[known]), history.static[places[known]], static[known])
    return replace(panel, static=static)


def _joined(
    panel: Panel, history: Panel, places: np.ndarray, counts: np.ndarray, absent: np.ndarray, masked: bool
) -> Panel:
    """Return for each series its older rows, as many rows without a reading as steps are absent, and its own rows."""
    lengths = np.stack([counts, absent, panel.lengths], axis=1)
    part = np.repeat(np.tile(np.arange(3, dtype=np.int8), len(panel)), lengths.ravel())
    offsets = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))]).astype(np.int64)
    first = np.where(counts > 0, history.offsets[places], 0)
    rows = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)

    def merged(before: np.ndarray, between: np.ndarray | float, own: np.ndarray) -> np.ndarray:
        found = np.empty((len(part), *own.shape[1:]), np.result_type(before, own))
        found[part == 0], found[part == 1], found[part == 2] = before[rows], between, own
        return found

    gap = np.flatnonzero(absent)
    last = history.times[history.offsets[places[gap]] + counts[gap] - 1]
    joined = replace(
        panel,
        values=merged(history.values, np.nan, panel.values),
        observed=merged(history.observed, False, panel.observed),
        times=merged(history.times, _between(last, absent[gap], panel.freq), panel.times),
        covariates=merged(history.covariates, np.nan, panel.covariates),
        offsets=offsets,
        masked=panel.masked or history.masked,
        bridged=panel.bridged or history.bridged,
    )
    return _filled(joined, part == 1, history.bridged, masked) if len(gap) else joined


def _between(last: np.ndarray, absent: np.ndarray, freq: str) -> np.ndarray:
    """Return the times of so many steps after each of ``last``, laid end to end."""
    times, begin = np.empty(absent.sum(), last.dtype), np.cumsum(absent) - absent
    for count in np.unique(absent).tolist():
        own = np.flatnonzero(absent == count)
        times[begin[own, None] + np.arange(count)] = future_times(last[own], freq, count)
    return times


def _filled(panel: Panel, inserted: np.ndarray, bridged: bool, masked: bool) -> Panel:
    """Return the panel with placeholders in the rows that were inserted, ``(rows,)`` bool, as ``on_grid`` makes them.

    Args:
        panel: the older rows, those inserted and the newer ones.
        inserted: which those are.
        bridged: placeholders of the older rows may come from the reading after them.
        masked: the network is to be told.
    """
    season = default_season(panel.freq)
    values = refill(panel.values, panel.observed if bridged else ~inserted, panel.offsets, season, inserted)
    if not masked:
        return replace(panel, values=values)
    values = bridge_short_gaps(values, ~inserted, np.ones(len(values), bool), season)
    return replace(panel, values=values, masked=True, bridged=True)


def _apart_note(ids: list[str], most: str) -> list[Note]:
    if not ids:
        return []
    newer = first_few([name or "the table" for name in ids])
    absent = f"more than {most} or no whole steps are absent between the model's rows and those of {newer}"
    return [Note("history", "not joined", f"{absent}; give the rows between too", warning=True)]


def _gap_note(panel: Panel, absent: np.ndarray, gaps: str) -> list[Note]:
    if not absent.any():
        return []
    found = count_per_series(panel.ids, absent)
    how = "masked: the network is told; not scored" if gaps == "mask" else "filled from the past, not scored"
    value = f"{Freq.of(panel.freq).words(int(absent.sum()))} without a reading{found.across}"
    reason = f"between the model's rows and the new ones{found.most}; {how}"
    return [Note("gaps", value, reason, True, found.counts)]


def _gap(panel: Panel, history: Panel, places: np.ndarray, absent: np.ndarray) -> DataError:
    at = int(np.flatnonzero(absent)[0])
    last, first = format_time(history.last[places[at]]), format_time(panel.times[panel.offsets[at]])
    words = Freq.of(panel.freq).words(int(absent[at]))
    of = f" of series '{panel.ids[at]}'" if panel.ids[at] else ""
    return DataError(
        f"{words} without a reading between {last}, the model's last row{of}, and {first}; {absent.sum():,} in all",
        "add them, or let the network know that they are absent: --gaps mask",
    )
