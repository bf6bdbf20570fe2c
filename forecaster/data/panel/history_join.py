"""Prepend the history that a model keeps to newer rows of its series."""

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
from forecaster.words import first_few, setting

#: Business days between the last known row and the first new one that may all be holidays.
HOLIDAYS = 5


def prepend_history(panel: Panel, history: Panel, most_absent: int, gaps: str = "mask") -> tuple[Panel, list[Note]]:
    """Return ``panel`` with the older rows of its series prepended, and notes on series joined and not joined.

    Older rows fit if at most ``most_absent`` steps are absent between them and the first row of the series in
    ``panel``; absent steps become rows without a reading, as :func:`forecaster.data.panel.grid.lay_on_grid` makes them.
    With rows as steps (``row``), all older rows fit. Static covariates that are empty in ``panel`` are taken from
    ``history``.

    Args:
        panel: newer rows, or the whole table again.
        history: older rows of some of the series, of the same freq, zone and columns.
        most_absent: steps that may be absent; of business days :data:`HOLIDAYS`.
        gaps: rule for absent steps: ``mask``, ``fill`` or ``error``.

    Raises:
        DataError: steps are absent between fitting older rows and the newer ones, and ``gaps`` is ``error``.
    """
    places, freq = _match_series(panel, history), Freq.of(panel.freq)
    counts, absent = _count_older(panel, history, places)
    most = HOLIDAYS if freq.unit == "B" else most_absent
    fits = (counts > 0) & (absent >= 0) & (absent <= most)
    notes = _not_joined_note([panel.ids[i] for i in np.flatnonzero((counts > 0) & ~fits)], freq.words(most))
    panel = _fill_static(panel, history, places)
    if not fits.any():
        return panel, notes
    notes.append(Note("history", "joined", "older rows of known series are taken from the model"))
    absent = np.where(fits & (freq.unit != "B"), absent, 0)
    if absent.any() and gaps == "error":
        raise _gap_error(panel, history, places, absent)
    joined = _join(panel, history, places, np.where(fits, counts, 0), absent, masked=gaps == "mask")
    return joined, notes + _gap_note(panel, absent, gaps)


def _match_series(panel: Panel, history: Panel) -> np.ndarray:
    """Return the number in ``history`` of each series of ``panel``, ``(series,)`` int64, -1 for none."""
    if panel.ids == history.ids:
        return np.arange(len(panel))
    places = {name: i for i, name in enumerate(history.ids)}
    return np.fromiter((places.get(name, -1) for name in panel.ids), np.int64, len(panel))


def _count_older(panel: Panel, history: Panel, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the count of rows of ``history`` older than each series of ``panel``, and the steps absent after them.

    Both are ``(series,)`` int64; the steps are negative where they are not a whole number.
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
    absent[known] = _count_steps(last, first[known], Freq.of(panel.freq)) - 1
    return counts, absent


def _count_steps(last: np.ndarray, first: np.ndarray, freq: Freq) -> np.ndarray:
    """Return the steps from ``last`` to ``first``, ``(series,)`` int64; 1 for rows as steps, 0 if no whole number."""
    if freq.unit == "row":
        return np.ones(len(last), np.int64)
    if freq.unit == "B":
        return np.busday_count(last.astype("datetime64[D]"), first.astype("datetime64[D]"))
    ends = (month_numbers(times) if freq.months else times.astype(np.int64) for times in (last, first))
    length = freq.months or freq.nanoseconds or 1
    (a, before), (b, after) = (np.divmod(end, length) for end in ends)  # a difference of nanoseconds may overflow
    return np.where(before == after, b - a, 0)


def _fill_static(panel: Panel, history: Panel, places: np.ndarray) -> Panel:
    static, known = panel.static.copy(), places >= 0
    static[known] = np.where(np.isnan(static[known]), history.static[places[known]], static[known])
    return replace(panel, static=static)


def _join(
    panel: Panel, history: Panel, places: np.ndarray, counts: np.ndarray, absent: np.ndarray, masked: bool
) -> Panel:
    """Return for each series its older rows, a row for each absent step, and its own rows."""
    lengths = np.stack([counts, absent, panel.lengths], axis=1)
    part = np.repeat(np.tile(np.arange(3, dtype=np.int8), len(panel)), lengths.ravel())
    offsets = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))]).astype(np.int64)
    first = np.where(counts > 0, history.offsets[places], 0)
    rows = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)

    def merge(before: np.ndarray, between: np.ndarray | float, own: np.ndarray) -> np.ndarray:
        found = np.empty((len(part), *own.shape[1:]), np.result_type(before, own))
        found[part == 0], found[part == 1], found[part == 2] = before[rows], between, own
        return found

    gap = np.flatnonzero(absent)
    last = history.times[history.offsets[places[gap]] + counts[gap] - 1]
    joined = replace(
        panel,
        values=merge(history.values, np.nan, panel.values),
        observed=merge(history.observed, False, panel.observed),
        times=merge(history.times, _times_after(last, absent[gap], panel.freq), panel.times),
        covariates=merge(history.covariates, np.nan, panel.covariates),
        offsets=offsets,
        masked=panel.masked or history.masked,
        bridged=panel.bridged or history.bridged,
    )
    return _fill_inserted(joined, part == 1, history.bridged, masked) if len(gap) else joined


def _times_after(last: np.ndarray, absent: np.ndarray, freq: str) -> np.ndarray:
    """Return the times of the given number of steps after each of ``last``, laid end to end."""
    times, begin = np.empty(absent.sum(), last.dtype), np.cumsum(absent) - absent
    for count in np.unique(absent).tolist():
        own = np.flatnonzero(absent == count)
        times[begin[own, None] + np.arange(count)] = future_times(last[own], freq, count)
    return times


def _fill_inserted(panel: Panel, inserted: np.ndarray, bridged: bool, masked: bool) -> Panel:
    """Return the panel with placeholders in the inserted rows, as ``lay_on_grid`` makes them.

    Args:
        panel: older, inserted and newer rows.
        inserted: ``(rows,)`` bool, True for inserted rows.
        bridged: True if placeholders of the older rows may come from the reading after them.
        masked: True if the network is given a flag for missing readings.
    """
    season = default_season(panel.freq)
    values = refill(panel.values, panel.observed if bridged else ~inserted, panel.offsets, season, inserted)
    if not masked:
        return replace(panel, values=values)
    values = bridge_short_gaps(values, ~inserted, np.ones(len(values), bool), season)
    return replace(panel, values=values, masked=True, bridged=True)


def _not_joined_note(ids: list[str], most: str) -> list[Note]:
    if not ids:
        return []
    newer = first_few([name or "the table" for name in ids])
    absent = f"more than {most}, or a fraction of a step, are absent between the model's rows and those of {newer}"
    return [Note("history", "not joined", f"{absent}; give the rows between too", warning=True)]


def _gap_note(panel: Panel, absent: np.ndarray, gaps: str) -> list[Note]:
    if not absent.any():
        return []
    found = count_per_series(panel.ids, absent)
    how = "masked: flagged for the network, not scored" if gaps == "mask" else "filled from the past, not scored"
    value = f"{Freq.of(panel.freq).words(int(absent.sum()))} without a reading{found.across}"
    reason = f"between the model's rows and the new ones{found.most}; {how}"
    return [Note("gaps", value, reason, True, found.counts)]


def _gap_error(panel: Panel, history: Panel, places: np.ndarray, absent: np.ndarray) -> DataError:
    at = int(np.flatnonzero(absent)[0])
    last, first = format_time(history.last[places[at]]), format_time(panel.times[panel.offsets[at]])
    words = Freq.of(panel.freq).words(int(absent[at]))
    of = f" of series '{panel.ids[at]}'" if panel.ids[at] else ""
    return DataError(
        f"{words} without a reading between {last}, the model's last row{of}, and {first}; {absent.sum():,} in all",
        f"add them, or mask them for the network: {setting('gaps', 'mask')}",
    )
