"""The table of what is known of the time to come: one to fill in, and one that was filled in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.cell_values import as_written
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.schema import Column, Roles
from forecaster.data.time.calendar import future_times
from forecaster.data.time.freq import Freq, format_time, month_numbers
from forecaster.data.time.zones import local_times, localize
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import command, first_few, plural, quote_names

#: Holes named in a message.
MOST_HOLES = 5


def future_names(frame: pd.DataFrame | pd.Series) -> tuple[str, ...]:
    """Return the columns of a future table: a covariate that is among them is known beyond the cutoff."""
    return tuple(str(name) for name in frame_of(frame).columns)


def future_template(panel: Panel, steps: int | np.ndarray) -> pd.DataFrame:
    """Return the table to fill in: a row for each series and timestamp after its end, a column a future covariate.

    Cells that the table of readings knew already are filled in.

    Args:
        panel: the series to forecast.
        steps: the horizon; one for each series, ``(series,)``, where they differ.

    Returns:
        pandas.DataFrame: the series column under its name (none for a table of one series), the time column under its
        own name and in the zone of the table, and the future covariates, empty where they are not known.
    """
    ahead = np.broadcast_to(np.asarray(steps, np.int64), len(panel))
    most = int(ahead.max())
    asked = (np.arange(most) < ahead[:, None]).ravel()
    times = future_times(panel.last, panel.freq, most).ravel()
    columns: dict[str, object] = {}
    if panel.roles.series:
        columns[panel.roles.series] = np.repeat(np.array(panel.ids, object), most)
    columns[panel.roles.time] = localize(times, panel.zone, panel.freq)
    for place, column in enumerate(panel.of_role("future")):
        columns[column.name] = _cells(column, _known(panel, place, most).ravel())
    return pd.DataFrame(columns)[asked].reset_index(drop=True)


def _known(panel: Panel, place: int, steps: int) -> np.ndarray:
    """Return what is known of a future covariate, ``(series, steps)`` float32, NaN where nothing is."""
    values = np.full((len(panel), steps), np.nan, np.float32)
    if panel.beyond is not None:
        known = panel.beyond[:, :steps, place]
        values[:, : known.shape[1]] = known
    return values


def _cells(column: Column, values: np.ndarray) -> np.ndarray:
    """Return values as a person writes them: categories by name, the shortest decimals of a float32."""
    if column.categories is None:
        return np.array([np.nan if np.isnan(value) else as_written(value, column.offset) for value in values])
    names = np.array([*column.categories, None], object)
    codes = np.where(np.isnan(values) | (values < 0), len(column.categories), values).astype(np.int64)
    return names[codes]


def read_future(
    frame: pd.DataFrame | pd.Series, panel: Panel, steps: int | np.ndarray, needed: Collection[str] | None = None
) -> tuple[np.ndarray, list[Note]]:
    """Return the future covariates of the steps to forecast, from a table whose rows may stand in any order.

    Rows of other series and other times are ignored.

    Args:
        frame: a table as :func:`future_template` returns it, filled in.
        panel: the series to forecast.
        steps: the horizon; one for each series, ``(series,)``, where they differ.
        needed: the future covariates that must be there in full; all by default. Others are NaN where they are not.

    Returns:
        ``(series, steps, future)`` float32, in the order of ``panel.of_role("future")``, with the most steps of all
        series, the last one asked for repeated after it; categories are codes, -1 one that training never saw. And a
        note for each column that holds such.

    Raises:
        NotFoundError: a needed column is absent.
        DataError: a cell of one is empty, or a row absent or there twice; the horizon is another; a time is not
            readable.
    """
    frame = frame_of(frame)
    covariates = panel.of_role("future")
    ahead = np.broadcast_to(np.asarray(steps, np.int64), len(panel))
    wanted = np.array([needed is None or column.name in needed for column in covariates], bool)
    _check_columns(frame, [c for c, ok in zip(covariates, wanted, strict=True) if ok], int(ahead.max()))
    readings = _read(frame, panel)
    expected = future_times(panel.last, panel.freq, int(ahead.max()))
    series, step, rows = _matched(readings, panel, expected)
    _check_once(readings, series, step, rows)
    values = np.full((*expected.shape, len(covariates)), np.nan, np.float32)
    places = [i for i, column in enumerate(readings.columns) if column.role == "future"]
    values[series, step] = readings.covariates[rows][:, places]
    present = np.zeros(expected.shape, bool)
    present[series, step] = True
    asked = np.arange(expected.shape[1]) < ahead[:, None]
    _check_series(readings, panel, ahead)
    _check_span(panel, expected, present, asked)
    _check_holes(panel, expected, values, asked[:, :, None] & wanted)
    return _continued(values, panel, ahead), _unseen(covariates, values, asked)


def _continued(values: np.ndarray, panel: Panel, ahead: np.ndarray) -> np.ndarray:
    """Return the covariates with the last step asked for repeated after it; the newest reading's where none is."""
    newest = panel.covariates[panel.offsets[1:] - 1][:, len(panel.of_role("past")) :]
    before = np.concatenate([newest[:, None], values], axis=1)
    step = np.minimum(np.arange(1, before.shape[1]), ahead[:, None])
    return before[np.arange(len(panel))[:, None], step]


def template_hint(steps: int) -> str:
    """Return the hint for an absent or incomplete table of future covariates."""
    return f"write the table to fill in with: {command('make-future', horizon=steps, output='future.csv')}"


def _check_columns(frame: pd.DataFrame, covariates: list[Column], steps: int) -> None:
    absent = [column.name for column in covariates if column.name not in frame.columns]
    if absent:
        near = nearest(absent[0], tuple(frame.columns))
        raise NotFoundError(
            f"the future table has no column {quote_names(absent)}, it has {quote_names(frame.columns)}",
            "; ".join(part for part in (near, template_hint(steps)) if part),
        )


def _read(frame: pd.DataFrame, panel: Panel) -> Readings:
    """Read the table as the readings were, though it holds none of them."""
    roles = _roles_here(frame, panel.roles)
    absent = [name for name in _columns_of(roles, panel) if name not in frame.columns]
    filled = frame.assign(**{name: _nothing(name, roles, panel, len(frame)) for name in absent})
    filled.attrs = dict(frame.attrs)
    long, roles, _ = shape_table(filled, Config.of(), like=roles)
    readings, _ = read_readings(long, roles, panel.columns, panel.zone or None)
    if bool(readings.zone) != bool(panel.zone) or readings.times.dtype.kind != panel.times.dtype.kind:
        raise DataError(
            f"the future table holds {_kind(readings.times, readings.zone)}, such as {format_time(readings.times[0])}, "
            f"those of the readings are {_kind(panel.times, panel.zone)}",
            "write both in the same way",
        )
    return readings


def _kind(times: np.ndarray, zone: str) -> str:
    if times.dtype.kind != "M":
        return "counted steps"
    return f"times of the zone {zone}" if zone else "times without a time zone"


def _roles_here(frame: pd.DataFrame, roles: Roles) -> Roles:
    """Return the roles of the table of readings, less what the future table need not split as that one did."""
    if roles.series in frame.columns:
        roles = replace(roles, series_columns=(), targets=(), wide="no")
    if roles.time in frame.columns:
        roles = replace(roles, time_columns=())
    return roles


def _columns_of(roles: Roles, panel: Panel) -> tuple[str, ...]:
    """Return the columns of readings, which a future table need not have; it has the future ones that are needed."""
    return (*(roles.targets or (roles.target,)), *(column.name for column in panel.columns))


def _nothing(name: str, roles: Roles, panel: Panel, rows: int) -> np.ndarray:
    column = next((column for column in panel.columns if column.name == name), None)
    if column is None:
        return np.zeros(rows)
    return np.full(rows, np.nan) if column.categories is None else np.full(rows, None, object)


def _matched(readings: Readings, panel: Panel, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the series, the step and the row of each row that is asked for, three times ``(matched,)`` int64."""
    numbers = {name: i for i, name in enumerate(panel.ids)}
    series = np.array([numbers.get(name, -1) for name in readings.ids], np.int64)[readings.codes]
    times = readings.times
    if panel.zone and Freq.of(panel.freq).whole_days:
        times = local_times(times, panel.zone)
    times, expected = _comparable(times, panel.freq), _comparable(expected, panel.freq)
    axis = np.unique(expected)
    rank = np.searchsorted(axis, times)
    near = np.minimum(rank, len(axis) - 1)
    rows = np.flatnonzero((series >= 0) & (axis[near] == times))
    keys = (np.arange(len(panel))[:, None] * len(axis) + np.searchsorted(axis, expected)).ravel()
    wanted = series[rows] * len(axis) + rank[rows]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[place] == wanted
    return series[rows[there]], place[there] % expected.shape[1], rows[there]


def _comparable(times: np.ndarray, freq: str) -> np.ndarray:
    """Return times as the freq tells them apart: by their months where it counts in months."""
    return month_numbers(times) if Freq.of(freq).months else times


def _check_once(readings: Readings, series: np.ndarray, step: np.ndarray, rows: np.ndarray) -> None:
    order = np.lexsort((rows, step, series))
    again = (np.diff(series[order]) == 0) & (np.diff(step[order]) == 0)
    if again.any():
        at = int(again.argmax())
        first, second = (int(rows[order[i]]) for i in (at, at + 1))
        line = readings.where(first).removesuffix(readings.of(first))
        more = f"; {plural(int(again.sum()) - 1, 'more row')} like it" if again.sum() > 1 else ""
        raise DataError(
            f"the future table has two rows of {format_time(readings.times[first])}{readings.of(first)}, "
            f"{line} and {readings.where(second).removesuffix(readings.of(second))}{more}",
            "keep one of them",
        )


def _check_series(readings: Readings, panel: Panel, ahead: np.ndarray) -> None:
    there = {readings.ids[code] for code in np.unique(readings.codes)}
    absent = [name for name, steps in zip(panel.ids, ahead, strict=True) if steps and name not in there]
    if absent:
        raise DataError(
            f"the future table has no row of {quote_names(absent, MOST_HOLES)}; "
            f"it has those of {first_few(sorted(there))}",
            template_hint(int(ahead.max())),
        )


def _check_span(panel: Panel, expected: np.ndarray, present: np.ndarray, asked: np.ndarray) -> None:
    """Refuse a table that ends too early or begins too late, in those words."""
    short = np.flatnonzero((asked & ~present).any(axis=1))
    if not len(short):
        return
    first, steps = int(short[0]), asked.sum(axis=1)
    have, wanted = present[first] & asked[first], int(steps[first])
    count = int(have.sum())
    span = f"{_time(panel, expected[first, 0])} to {_time(panel, expected[first, wanted - 1])}"
    of, more = _of(panel, first), f" (and {len(short) - 1:,} more series)" if len(short) > 1 else ""
    if not count:
        what = f"the future table has none of the {plural(wanted, 'step')} to forecast{of}, {span}{more}"
    elif have[:count].all():
        end = _time(panel, expected[first, count - 1])
        what = f"the future table ends too early: {count} of {wanted} steps{of}, up to {end}, expected {span}{more}"
    elif have[wanted - count : wanted].all():
        begin = _time(panel, expected[first, wanted - count])
        what = f"the future table begins too late{of}: at {begin}, {count} of {wanted} steps, expected {span}{more}"
    else:
        return  # holes, which are named one by one
    raise DataError(what, template_hint(int(steps.max())))


def _check_holes(panel: Panel, expected: np.ndarray, values: np.ndarray, asked: np.ndarray) -> None:
    """Refuse empty cells where ``asked``, ``(series, steps, future)`` bool."""
    holes = np.argwhere(np.isnan(values) & asked)
    if not len(holes):
        return
    named = [
        f"({panel.ids[series] + ', ' if panel.roles.series else ''}{_time(panel, expected[series, step])}, {column})"
        for series, step, column in _named(panel, holes)
    ]
    kind = "(series, time, column)" if panel.roles.series else "(time, column)"
    raise DataError(
        f"the future table has {plural(len(holes), 'hole')}: {kind} {', '.join(named)}"
        + (f" and {len(holes) - MOST_HOLES:,} more" if len(holes) > MOST_HOLES else ""),
        f"fill them in; or {template_hint(int(asked.any(axis=2).sum(axis=1).max()))}",
    )


def _named(panel: Panel, holes: np.ndarray) -> Iterator[tuple[int, int, str]]:
    for series, step, column in holes[:MOST_HOLES].tolist():
        yield series, step, panel.of_role("future")[column].name


def _unseen(covariates: tuple[Column, ...], values: np.ndarray, asked: np.ndarray) -> list[Note]:
    notes = []
    for place, column in enumerate(covariates):
        unseen = (values[:, :, place] == -1) & asked
        if column.categories is not None and unseen.any():
            reason = f"column '{column.name}' of the future table holds what training never saw: taken as unknown"
            notes.append(Note("unseen", plural(int(unseen.sum()), "cell"), reason, warning=True))
    return notes


def _time(panel: Panel, time: np.datetime64 | int) -> str:
    return format_time(local_times(np.asarray([time]), panel.zone, panel.freq)[0])


def _of(panel: Panel, series: int) -> str:
    return f" of series '{panel.ids[series]}'" if panel.roles.series else ""
