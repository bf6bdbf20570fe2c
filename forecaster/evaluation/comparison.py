"""Several backtests brought onto the same windows and compared: measures, ranks, and tests of every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from forecaster.errors import DataError, SettingError
from forecaster.evaluation.fail_if import named_measures
from forecaster.evaluation.saved_backtests import plain_times
from forecaster.evaluation.significance import significance, verdict_sentence
from forecaster.evaluation.summary import WINDOW, levels_in, summarise
from forecaster.levels import level_columns
from forecaster.notes import Note, attach_notes, notes_of
from forecaster.words import setting

#: The model of a backtest that is compared; the others in it are baselines.
NETWORK = "network"
#: Share by which actuals, and the error of a window, may differ between two runs: rounding of CSV and float32.
ROUNDING = 1e-5

_KEYS = [*WINDOW, "step"]
_COLUMNS = [*_KEYS, "time", "actual", "observed"]


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        table: one row a model, series, origin and step, of the windows that all have.
        summary: one row a model, the measures in columns, with ``rank``: the mean over all windows of its place by
            mean absolute error, 1 the best.
        tests: every pair, see :func:`forecaster.evaluation.significance.significance`.
        names: the models that were compared; the other ones in the tables are baselines.
        notes: what a reader must know, such as windows left out.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    tests: pd.DataFrame
    names: tuple[str, ...]
    notes: list[Note] = field(default_factory=list)

    @property
    def measures(self) -> dict[str, float]:
        """The measures of the first model by name, as conditions name them."""
        return named_measures(self.summary, self.tests, self.names[0])

    @property
    def verdict(self) -> str:
        """The rank of the first model among the others, in one sentence that claims only what was shown."""
        if self.table["seen"].any():
            return "No verdict: a network was trained on some of these rows."
        own = self.tests[(self.tests["model"] == self.names[0])]
        return verdict_sentence(own, self.names[0])


def compare(runs: Mapping[str, pd.DataFrame]) -> Comparison:
    """Compare the networks of several backtests on the windows and steps that all of them have.

    Baselines of the backtests are compared, too, each from the first run that has it; one that did not forecast all of
    these windows is left out, with a note.

    Args:
        runs: by name, tables of :func:`forecaster.evaluation.backtest.backtest`, or of
            :func:`forecaster.evaluation.saved_backtests.read_run`.

    Raises:
        SettingError: fewer than two runs.
        DataError: no window is in all runs, or their actuals differ.
    """
    if len(runs) < 2:
        raise SettingError(f"a comparison needs two models or more, got {len(runs)}", "name another one")
    runs = {
        name: table.assign(cutoff=plain_times(table["cutoff"]), time=plain_times(table["time"]))
        for name, table in runs.items()
    }
    networks = {name: _network(name, table) for name, table in runs.items()}
    shared = _shared(networks)
    levels = [level for level in levels_in(next(iter(runs.values()))) if all(_has(run, level) for run in runs.values())]
    numbers = ["forecast", *level_columns(levels)]
    first = next(iter(networks.values()))
    truth = shared.merge(first[[*_COLUMNS, *_scales(first)]], on=_KEYS, how="left", validate="one_to_one")
    parts = []
    for name, own in networks.items():
        rows = shared.merge(own, on=_KEYS, how="left", validate="one_to_one")
        _check_actuals(truth, rows, next(iter(networks)), name)
        parts.append(truth.assign(**rows[[*numbers, "seen"]], model=name))
    notes = _left_out(networks, shared, runs, levels)
    for name, own in _baselines(runs).items():
        rows = shared.merge(own, on=_KEYS, how="left", validate="one_to_one")
        absent = int(rows["forecast"].isna().sum())
        if absent:
            reason = f"it has no forecast of {absent:,} of the {len(rows):,} rows compared"
            notes.append(Note(name, "left out", reason, warning=True))
        elif name not in runs:
            parts.append(truth.assign(**rows[numbers], seen=False, model=name))
    table = pd.concat(parts, ignore_index=True)
    table = table[["model", *table.columns.drop("model")]]
    attach_notes(table, notes)
    names = tuple(networks)
    baselines = [name for name in dict.fromkeys(table["model"]) if name not in names]
    pairs = [*combinations(names, 2), *((name, baseline) for name in names for baseline in baselines)]
    summary = _with_ranks(summarise(table), table)
    return Comparison(table, summary, significance(table, pairs), names, notes_of(summary))


def _network(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the network of a run, or of its only model."""
    models = list(dict.fromkeys(table["model"]))
    if NETWORK not in models and len(models) > 1:
        raise DataError(
            f"'{name}' holds no model '{NETWORK}' but {', '.join(map(str, models[:5]))}", "keep the rows of one model"
        )
    found = table[table["model"] == (NETWORK if NETWORK in models else models[0])]
    if found.duplicated(_KEYS).any():
        raise DataError(f"'{name}' forecasts a step of a window twice", "write it again with: forecaster evaluate")
    return found if "seen" in found.columns else found.assign(seen=False)


def _has(table: pd.DataFrame, level: int) -> bool:
    return set(level_columns([level])) <= set(table.columns)


def _scales(table: pd.DataFrame) -> list[str]:
    return [name for name in ("scale", "root-scale") if name in table.columns]


def _shared(networks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the keys of the rows that all have, in the order of the first."""
    first, *others = networks.values()
    shared = first[_KEYS]
    for other in others:
        for name in ("cutoff", "series"):
            if shared[name].dtype.kind != other[name].dtype.kind:
                return _refuse(networks)
        shared = shared.merge(other[_KEYS], on=_KEYS, how="inner")
    return shared.reset_index(drop=True) if len(shared) else _refuse(networks)


def _refuse(networks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    spans = [
        f"{name} has cutoffs {own['cutoff'].min()} to {own['cutoff'].max()}, steps {own['step'].min()} to "
        f"{own['step'].max()}"
        for name, own in list(networks.items())[:3]
    ]
    raise DataError(
        f"there is no window that all of them forecast: {'; '.join(spans)}",
        f"evaluate them on the same data, with the same {', '.join(map(setting, ('horizon', 'origins', 'stride')))} "
        f"and {setting('gap')}",
    )


def _check_actuals(truth: pd.DataFrame, rows: pd.DataFrame, first: str, name: str) -> None:
    counted = truth["observed"].to_numpy(bool) & rows["observed"].to_numpy(bool)
    a, b = truth["actual"].to_numpy(float), rows["actual"].to_numpy(float)
    wrong = counted & ~(np.abs(a - b) <= ROUNDING * np.maximum(np.abs(a), np.abs(b)))
    if wrong.any():
        row = truth.iloc[int(wrong.argmax())]
        of_series = f" of series {row['series']}" if row["series"] else ""
        raise DataError(
            f"{first} and {name} have different actuals at {row['time']}{of_series}: "
            f"{row['actual']:g} and {rows['actual'].iloc[int(wrong.argmax())]:g}",
            "evaluate both on the same table",
        )


def _baselines(runs: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of every baseline, from the first run that has it."""
    found: dict[str, pd.DataFrame] = {}
    for table in runs.values():
        if NETWORK in set(table["model"]):
            others = table[table["model"] != NETWORK].groupby("model", sort=False)
            found = {str(name): rows for name, rows in others} | found
    return found


def _left_out(
    networks: Mapping[str, pd.DataFrame], shared: pd.DataFrame, runs: Mapping[str, pd.DataFrame], levels: list[int]
) -> list[Note]:
    notes = []
    for name, own in networks.items():
        whole, kept = (len(rows[WINDOW].drop_duplicates()) for rows in (own, shared))
        if kept < whole:
            reason = "the others have no such windows"
            notes.append(Note(name, f"{whole - kept:,} of {whole:,} windows left out", reason, warning=True))
        elif len(shared) < len(own):
            reason = "the others have no such steps"
            notes.append(Note(name, f"{len(own) - len(shared):,} of {len(own):,} steps left out", reason, warning=True))
        seen = int(shared.merge(own[[*_KEYS, "seen"]], on=_KEYS)["seen"].sum())
        if seen:
            reason = "its errors there are too small to count"
            count = f"{name} was trained on {seen:,} of the {len(shared):,} rows scored"
            notes.append(Note("seen rows", count, reason, warning=True))
    dropped = sorted({level for run in runs.values() for level in levels_in(run)} - set(levels))
    if dropped:
        named = ", ".join(f"{level} %" for level in dropped)
        notes.append(Note("levels", f"{named} left out", "not every run has them", warning=True))
    return notes


def _with_ranks(summary: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put the mean rank of each model over all windows after their number.

    Errors that differ by no more than :data:`ROUNDING` share their places: a run that was written and read again, or
    made on another machine, differs from itself by as much.
    """
    scored = table[table["observed"] & np.isfinite(table["forecast"])]
    errors = (scored["actual"] - scored["forecast"]).abs().groupby([scored[name] for name in (*WINDOW, "model")])
    ordered = errors.mean().sort_values()
    worse = ordered.groupby(level=WINDOW).diff() > ROUNDING * ordered
    places = worse.groupby(level=WINDOW).cumsum().groupby(level=WINDOW).rank()
    summary.insert(3, "rank", summary["model"].map(places.groupby(level="model").mean()))
    return summary
