"""The panels and series that can be trained on."""

from __future__ import annotations

import numpy as np

from forecaster.data.panel.packed import pack_panel
from forecaster.data.panel.panel import Panel
from forecaster.errors import DataError
from forecaster.features.plan import Plan, padded_series
from forecaster.intervals.calibration import is_not_constant
from forecaster.notes import Note
from forecaster.prediction.forecast import SMALLEST
from forecaster.words import first_few, setting


def refuse_untrainable(panel: Panel) -> None:
    """Refuse a target that never changes, or whose numbers are too small or too large.

    Raises:
        DataError: it is so.
    """
    largest = float(np.abs(panel.values).max())
    if not is_not_constant(panel).any():
        what = (
            f"'{panel.roles.target}' is {panel.values[0]:g} in every row"
            if len(panel) == 1
            else "no series ever changes"
        )
        raise DataError(f"nothing to learn: {what}", f"choose another column with {setting('target')}")
    if not SMALLEST < largest < 1 / SMALLEST:
        raise DataError(f"the largest value of '{panel.roles.target}' is {largest:g}", "write it in another unit")


def trainable_series(panel: Panel, plan: Plan, notes: list[Note]) -> Panel:
    """Return the series with at least one training window and one validation window.

    Args:
        panel: all series.
        plan: what the networks read.
        notes: the series that are left out, padded or constant are noted.

    Raises:
        DataError: none of them changes in the training rows.
    """
    dead = int((~is_not_constant(panel)).sum())
    if dead:
        reason = (
            "no change in any row: their forecasts and intervals repeat it, and they do not count for those of others"
        )
        notes.append(Note("constant", f"{dead:,} of {len(panel):,} series", reason, warning=True))
    ahead = plan.horizon + plan.validation
    long = panel.lengths >= (plan.least if plan.padded else plan.lookback) + ahead
    if plan.padded:
        padded = padded_series(panel.lengths, plan.least, plan.lookback, ahead)
        count = f"{int(padded.sum()):,} of {len(panel):,} series"
        reason = f"too short for windows of {plan.lookback} rows: rows that count as missing are put before all series"
        notes.append(Note("padded", count, reason))
    if not long.all():
        names = [panel.ids[i] for i in np.flatnonzero(~long).tolist()]
        fewest = plan.least + ahead  # enough for a model whose windows may be padded
        enough = fewest if (panel.lengths[~long] < fewest).all() else plan.lookback + ahead
        reason = f"not trained on, fewer than {enough} rows: {first_few(names)}"
        notes.append(Note("short", f"{len(names):,} of {len(panel):,} series", reason, warning=True))
    learned = pack_panel(panel.take_series(long))
    if len(learned) and not is_not_constant(learned, newest=plan.validation).any():
        raise DataError(
            f"nothing to learn: '{panel.roles.target}' never changes before the newest {plan.validation} rows, those "
            "for validation",
            f"a smaller {setting('validation')} leaves more training rows",
        )
    return learned
