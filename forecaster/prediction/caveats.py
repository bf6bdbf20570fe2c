"""Notes on what a forecast rests on: fallbacks, padded windows, rolling forward, extrapolated intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.artifact.model import Model
from forecaster.data.panel.panel import Panel
from forecaster.notes import Note
from forecaster.prediction.forecast import engines_of, has_enough_rows
from forecaster.words import first_few

#: Factor by which intervals are widened for few independent validation spans, above which a note reports it.
WIDER = 1.2


def engine_notes(model: Model, panel: Panel) -> list[Note]:
    """Return notes on series that are too short for the network, and on those shorter than its window."""
    plan, able, notes = model.plan, has_enough_rows(model, panel), []
    if not able.all():
        reason = f"the network needs {plan.least} rows, fewer in {_lengths(panel, ~able)}"
        names = sorted(set(engines_of(model, panel)[~able].tolist()), reverse=True)
        count = f"{int((~able).sum()):,} of {len(panel):,} series by {' or '.join(names)}"
        notes.append(Note("engine", count, reason, warning=True))
    padded = able & (panel.lengths < plan.lookback)
    if padded.any():
        unlike = "" if plan.padded else ", which training had none of"
        reason = f"windows of {plan.lookback} rows begin with placeholders{unlike}: {_lengths(panel, padded)}"
        count = f"{int(padded.sum()):,} of {len(panel):,} series"
        notes.append(Note("padded", count, reason, warning=not plan.padded))
    return notes


def _lengths(panel: Panel, selected: np.ndarray) -> str:
    """Return a few of the selected series by name, each with the number of its rows."""
    return first_few([f"{panel.ids[i] or 'the series'} ({panel.lengths[i]})" for i in np.flatnonzero(selected)])


def interval_notes(model: Model, steps: int, levels: Sequence[int]) -> list[Note]:
    """Return notes on a horizon beyond the trained one, and on intervals that few validation errors support."""
    plan, conformal = model.plan, model.conformal
    notes = []
    if steps > plan.horizon:
        notes.append(
            Note(
                "horizon",
                f"{steps} steps",
                f"beyond the trained {plan.horizon} it is rolled forward, and its intervals are widened, not measured",
                warning=True,
            )
        )
    level = max(levels, default=50)
    if conformal.widened(level):
        notes.append(Note("intervals", f"{level} %", "too few validation errors for its quantile: extrapolated"))
    elif (times := conformal.inflation(level)) > WIDER:
        few = f"the validation rows hold {conformal.stretches:.2g} separate spans of a horizon"
        notes.append(Note("intervals", f"{level} % widened {times:.1f} times", few))
    return notes
