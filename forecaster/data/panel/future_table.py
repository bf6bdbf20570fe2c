"""The table of future covariates: a template to fill in, and the reader of a filled one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.cell_values import as_written
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.readers.origin import copy_origin
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
    """Return the columns of a future table; covariates among them are known beyond the cutoff."""
    return tuple(str(name) for name in frame_of(frame).columns)


def future_template(panel: Panel, steps: int | np.ndarray) -> pd.DataFrame:
    """Return the table to fill in: a row for each series and future timestamp, a column for each future covariate.

    Cells known from the table of readings are filled in.

    Args:
        panel: the series to forecast.
        steps: the horizon, or one for each series, ``(series,)``.

    Returns:
        pandas.DataFrame: the series column (none for a table of one series), the time column, in the zone of the table,
        and the future covariates, under their own names; unknown cells are empty.
    """
    ahead = np.broadcast_to(np.asarray(steps, np.int64), len(panel))
    most = int(ahead.max())
    within = (np.arange(most) < ahead[:, None]).ravel()
    times = future_times(panel.last, panel.freq, most).ravel()
    columns: dict[str, object] = {}
    if panel.roles.series:
        columns[panel.roles.series] = np.repeat(np.array(panel.ids, object), most)
    columns[panel.roles.time] = localize(times, panel.zone, panel.freq)
    for place, column in enumerate(panel.of_role("future")):
        columns[column.name] = _format_cells(column, _known_values(panel, place, most).ravel())
    return pd.DataFrame(columns)[within].reset_index(drop=True)


def expect_future(panel: Panel) -> Panel:
    """Return the panel with every covariate that changes over time as a future one, unknown beyond the ends."""
    columns = tuple(replace(one, role="future") if one.role == "past" else one for one in panel.columns)
    return replace(panel, columns=columns, beyond=None)


def _known_values(panel: Panel, place: int, steps: int) -> np.ndarray:
    """Return the known values of a future covariate, ``(series, steps)`` float32, NaN where unknown."""
    values = np.full((len(panel), steps), np.nan, np.float32)
    if panel.beyond is not None:
        known = panel.beyond[:, :steps, place]
        values[:, : known.shape[1]] = known
    return values


def _format_cells(column: Column, values: np.ndarray) -> np.ndarray:
    """Return values as a person writes them: names of categories, the shortest decimals of a float32."""
    if column.categories is None:
        return np.array([np.nan if np.isnan(value) else as_written(value, column.offset) for value in values])
    names = np.array([*column.categories, None], object)
    codes = np.where(np.isnan(values) | (values < 0), len(column.categories), values).astype(np.int64)
    return names[codes]


def read_future(
    frame: pd.DataFrame | pd.Series, panel: Panel, steps: int | np.ndarray, needed: Collection[str] | None = None
) -> tuple[np.ndarray, list[Note]]:
    """Return the future covariates of the steps to forecast, from a table with rows in any order.

    Rows of other series and times are ignored.

    Args:
        frame: a table as :func:`future_template` returns it, filled in.
        panel: the series to forecast.
        steps: the horizon, or one for each series, ``(series,)``.
        needed: the future covariates that must be complete; all by default. Others are NaN where absent.

    Returns:
        ``(series, steps, future)`` float32, in the order of ``panel.of_role("future")``, with the most steps of all
        series, those of a shorter horizon continued with their last value; categories are codes, -1 for one absent
        from training. And a note for each column with such categories.

    Raises:
        NotFoundError: a needed column is absent.
        DataError: a needed cell is empty, a row is absent or repeated, the horizon differs, or a time cannot be read.
    """
    frame = frame_of(frame)
    covariates = panel.of_role("future")
    ahead = np.broadcast_to(np.asarray(steps, np.int64), len(panel))
    wanted = np.array([needed is None or column.name in needed for column in covariates], bool)
    _check_columns(frame, [c for c, ok in zip(covariates, wanted, strict=True) if ok], int(ahead.max()))
    readings = _read(frame, panel)
    expected = future_times(panel.last, panel.freq, int(ahead.max()))
    series, step, rows = _match_rows(readings, panel, expected)
    _check_once(readings, series, step, rows)
    values = np.full((*expected.shape, len(covariates)), np.nan, np.float32)
    places = [i for i, column in enumerate(readings.columns) if column.role == "future"]
    values[series, step] = readings.covariates[rows][:, places]
    present = np.zeros(expected.shape, bool)
    present[series, step] = True
    within = np.arange(expected.shape[1]) < ahead[:, None]
    _check_series(readings, panel, ahead)
    _check_span(panel, expected, present, within)
    _check_holes(panel, expected, values, within[:, :, None] & wanted)
    return _repeat_last(values, panel, ahead), _unseen_notes(covariates, values, within)


def _repeat_last(values: np.ndarray, panel: Panel, ahead: np.ndarray) -> np.ndarray:
    """Return the covariates with the last step of each horizon repeated; for a horizon of 0 the newest reading's."""
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
    """Read the table as the readings were read; the columns it lacks are filled with placeholders."""
    roles = _simplify_roles(frame, panel.roles)
    absent = [name for name in _optional_columns(roles, panel) if name not in frame.columns]
    filled = frame.assign(**{name: _empty_column(name, roles, panel, len(frame)) for name in absent})
    copy_origin(filled, frame)
    long, roles, _ = shape_table(filled, Config.of(), like=roles)
    readings, _ = read_readings(long, roles, panel.columns, panel.zone or None)
    if bool(readings.zone) != bool(panel.zone) or readings.times.dtype.kind != panel.times.dtype.kind:
        kind, example = _kind_of_times(readings.times, readings.zone), format_time(readings.times[0])
        raise DataError(
            f"the future table holds {kind}, such as {example}, "
            f"those of the readings are {_kind_of_times(panel.times, panel.zone)}",
            "write both in the same way",
        )
    return readings


def _kind_of_times(times: np.ndarray, zone: str) -> str:
    if times.dtype.kind != "M":
        return "counted steps"
    return f"times of the zone {zone}" if zone else "times without a time zone"


def _simplify_roles(frame: pd.DataFrame, roles: Roles) -> Roles:
    """Return the roles of the table of readings, without the splits and melts that the future table does not need."""
    if roles.series in frame.columns:
        roles = replace(roles, series_columns=(), targets=(), wide="no")
    if roles.time in frame.columns:
        roles = replace(roles, time_columns=())
    return roles


def _optional_columns(roles: Roles, panel: Panel) -> tuple[str, ...]:
    """Return the target and covariate columns, which may be absent here: needed covariates were checked before."""
    return (*(roles.targets or (roles.target,)), *(column.name for column in panel.columns))


def _empty_column(name: str, roles: Roles, panel: Panel, rows: int) -> np.ndarray:
    column = next((column for column in panel.columns if column.name == name), None)
    if column is None:
        return np.zeros(rows)
    return np.full(rows, np.nan) if column.categories is None else np.full(rows, None, object)


def _match_rows(readings: Readings, panel: Panel, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the series, the step and the number of each row to use, three arrays ``(matched,)`` int64."""
    numbers = {name: i for i, name in enumerate(panel.ids)}
    series = np.array([numbers.get(name, -1) for name in readings.ids], np.int64)[readings.codes]
    times = readings.times
    if panel.zone and Freq.of(panel.freq).whole_days:
        times = local_times(times, panel.zone)
    times, expected = _to_periods(times, panel.freq), _to_periods(expected, panel.freq)
    axis = np.unique(expected)
    rank = np.searchsorted(axis, times)
    near = np.minimum(rank, len(axis) - 1)
    rows = np.flatnonzero((series >= 0) & (axis[near] == times))
    keys = (np.arange(len(panel))[:, None] * len(axis) + np.searchsorted(axis, expected)).ravel()
    wanted = series[rows] * len(axis) + rank[rows]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[place] == wanted
    return series[rows[there]], place[there] % expected.shape[1], rows[there]


def _to_periods(times: np.ndarray, freq: str) -> np.ndarray:
    """Return the months of times for a freq that counts in months, otherwise the times."""
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


def _check_span(panel: Panel, expected: np.ndarray, present: np.ndarray, within: np.ndarray) -> None:
    """Refuse a table that ends too early or begins too late, by saying so."""
    short = np.flatnonzero((within & ~present).any(axis=1))
    if not len(short):
        return
    first, steps = int(short[0]), within.sum(axis=1)
    have, wanted = present[first] & within[first], int(steps[first])
    count = int(have.sum())
    span = f"{_format_time(panel, expected[first, 0])} to {_format_time(panel, expected[first, wanted - 1])}"
    of, more = _of_series(panel, first), f" (and {len(short) - 1:,} more series)" if len(short) > 1 else ""
    if not count:
        what = f"the future table has none of the {plural(wanted, 'step')} to forecast{of}, {span}{more}"
    elif have[:count].all():
        end = _format_time(panel, expected[first, count - 1])
        what = f"the future table ends too early: {count} of {wanted} steps{of}, up to {end}, expected {span}{more}"
    elif have[wanted - count : wanted].all():
        begin = _format_time(panel, expected[first, wanted - count])
        what = f"the future table begins too late{of}: at {begin}, {count} of {wanted} steps, expected {span}{more}"
    else:
        return  # holes are named one by one
    raise DataError(what, template_hint(int(steps.max())))


def _check_holes(panel: Panel, expected: np.ndarray, values: np.ndarray, within: np.ndarray) -> None:
    """Refuse empty cells where ``within``, ``(series, steps, future)`` bool, is True."""
    holes = np.argwhere(np.isnan(values) & within)
    if not len(holes):
        return
    named = [
        f"({panel.ids[series] + ', ' if panel.roles.series else ''}{_format_time(panel, expected[series, step])}, "
        f"{panel.of_role('future')[column].name})"
        for series, step, column in holes[:MOST_HOLES].tolist()
    ]
    kind = "(series, time, column)" if panel.roles.series else "(time, column)"
    raise DataError(
        f"the future table has {plural(len(holes), 'hole')}: {kind} {', '.join(named)}"
        + (f" and {len(holes) - MOST_HOLES:,} more" if len(holes) > MOST_HOLES else ""),
        f"fill them in; or {template_hint(int(within.any(axis=2).sum(axis=1).max()))}",
    )


def _unseen_notes(covariates: tuple[Column, ...], values: np.ndarray, within: np.ndarray) -> list[Note]:
    notes = []
    for place, column in enumerate(covariates):
        unseen = (values[:, :, place] == -1) & within
        if column.categories is not None and unseen.any():
            reason = f"column '{column.name}' of the future table has values absent from training: taken as unknown"
            notes.append(Note("unseen", plural(int(unseen.sum()), "cell"), reason, warning=True))
    return notes


def _format_time(panel: Panel, time: np.datetime64 | int) -> str:
    return format_time(local_times(np.asarray([time]), panel.zone, panel.freq)[0])


def _of_series(panel: Panel, series: int) -> str:
    return f" of series '{panel.ids[series]}'" if panel.roles.series else ""
