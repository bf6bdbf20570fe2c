"""The short list of ``network="auto"``: networks are tried while time is left, and validation rows choose."""

from __future__ import annotations

import math

from forecaster.direction.member_fit import fit_member
from forecaster.features.members import Member, budget_seconds
from forecaster.fitting.candidates import Budget, Candidate, Row, Tried, row_of, try_candidates, validation_mase
from forecaster.fitting.ensemble import Ensemble
from forecaster.notes import Note
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import MemberFit
from forecaster.words import setting

#: Networks that are combined at most, and how much larger than the best one's their validation MASE may be.
MOST_COMBINED, NEARLY = 3, 1.1
#: Share by which a combination must lower the validation MASE of the best network, to be worth its cost.
WORTHWHILE = 0.01
#: Name of the initial mix of simple forecasts in the table.
START = "start"


def try_shortlist(tried: Tried, began: float, progress: FitProgress) -> tuple[Ensemble, list[Row]]:
    """Try the networks of the plan in order, and keep the best, the best few combined, or a simple forecast.

    No network begins once less time is left than the last one took. The best few are combined if that lowers the
    validation MASE by :data:`WORTHWHILE`. If no network beats the naive forecast, the seasonal naive forecast and the
    initial mix of simple forecasts, that mix is kept; or the best network, if it beats the mix or there is none.

    Args:
        tried: the first network that did not diverge, and those before it; the others are appended.
        began: the time at which the first of them began.
        progress: notes of what is kept are appended.

    Returns:
        The networks that are kept, and the table of what was tried.
    """
    [first] = tried.fits
    config = first.data.config
    budget = Budget(budget_seconds(config), began, progress.checkpoints.replayed_seconds)

    def candidate(member: Member) -> Candidate:
        return Candidate(member.name, lambda: fit_member(first.data, member, progress))

    try_candidates(map(candidate, first.data.plan.members), tried, budget=budget)
    simple = _simple_forecasts(first)
    rows = [*(row_of(name, mase=mase) for name, mase in simple.items()), *tried.rows()]
    kept, name, note = _choose(tried, simple, rows)
    progress.notes.extend([note, *tried.notes("networks")])
    if tried.skipped and not tried.interrupted:
        reason = f"less time left than the last network took; {setting('budget')} is {config.budget}"
        progress.notes.append(Note("budget", f"not tried: {', '.join(tried.skipped)}", reason))
    for row in rows:
        row["chosen"] = row["name"] == name
    if tried.interrupted:
        kept.fits[-1].run.interrupted = True
    return kept, rows


def rows_with_pretrained(rows: list[Row], ensemble: Ensemble) -> list[Row]:
    """Return the table with the pretrained network, alone and averaged with those that are kept, which is chosen."""
    name = next(row["name"] for row in rows if row["chosen"])
    added = [
        row_of("pretrained", mase=ensemble.alone["pretrained"]),
        row_of(f"{name} + pretrained", mase=ensemble.scores["mase"]["network"]),
    ]
    return [{**row, "chosen": row is added[1]} for row in [*rows, *added]]


def _simple_forecasts(first: MemberFit) -> dict[str, float]:
    """Return the validation MASE of the forecasts that a network has to beat, by name."""
    simple = {name: first.scores["mase"][name] for name in ("naive", "seasonal-naive")}
    if first.data.plan.season == 1:
        del simple["seasonal-naive"]  # it is naive
    if first.data.config.base != "none":
        simple[START] = first.untrained_mase()
    return simple


def _choose(tried: Tried, simple: dict[str, float], rows: list[Row]) -> tuple[Ensemble, str, Note]:
    """Return the kept networks, the name of their row, and a note on the reason; a combination is added to the rows."""
    best = min(tried.fits, key=validation_mase)
    mase, known = validation_mase(best), {name: mase for name, mase in simple.items() if not math.isnan(mase)}
    if mase < min(known.values(), default=math.inf):
        kept = _combine(best, tried, rows)
        reason = f"smallest validation MASE, {kept.scores['mase']['network']:.3f}, of {len(tried.fits)} tried"
        return kept, kept.name, Note("network", kept.name, reason)
    least = min(known or simple, key=lambda name: simple[name])
    best_of_all = f"the best is {best.member.name}, {mase:.3f}"
    reason = f"no network beats {least}, validation MASE {simple[least]:.3f}; {best_of_all}"
    name = START if known.get(START, math.inf) <= mase else best.member.name
    if name == START:
        best = tried.fits[0]
        best.start_over()
    return Ensemble([best]), name, Note("network", f"{name} kept", reason, warning=True)


def _combine(best: MemberFit, tried: Tried, rows: list[Row]) -> Ensemble:
    """Return the best few networks combined if that is worth its cost, else the best alone."""
    alone, mase = Ensemble([best]), validation_mase(best)
    near = [fit for fit in tried.fits if fit.run.best_epoch and validation_mase(fit) <= NEARLY * mase]
    few = sorted(near, key=validation_mase)[:MOST_COMBINED]
    if len(few) < 2 or best not in few:
        return alone
    together = Ensemble(few)
    rows.append(row_of(together.name, mase=together.scores["mase"]["network"]))
    return together if rows[-1]["mase"] < (1 - WORTHWHILE) * mase else alone
