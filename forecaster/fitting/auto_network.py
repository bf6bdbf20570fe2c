"""``--network auto``: try the networks of a short list while time is left, and keep what validation rows favour."""

from __future__ import annotations

import math
from typing import Any

from forecaster.config import Config
from forecaster.errors import DivergedError
from forecaster.features.members import Diverged, budget_seconds, diverged_note
from forecaster.fitting.ensemble import Ensemble
from forecaster.notes import Note
from forecaster.training.checkpoint import replayed_elapsed_time
from forecaster.training.member_fit import MemberFit, name_member_in_report
from forecaster.training.phases import Report

#: Networks that are combined at most, and how much larger than the best one's their validation MASE may be.
MOST_COMBINED, NEARLY = 3, 1.1
#: Share by which a combination must lower the validation MASE of the best network, to be worth its cost.
WORTHWHILE = 0.01
#: What the start of training, a mix of simple forecasts, is called in the table.
START = "start"

#: A row of the table of what was tried: name, validation MASE and loss, seconds, parameters, whether it is
#: kept, and whether its training diverged.
Row = dict[str, Any]


def try_shortlist(
    first: MemberFit, diverged: Diverged, config: Config, began: float, notes: list[Note], report: Report | None
) -> tuple[Ensemble, list[Row]]:
    """Try the networks of the plan in order, and keep the best, the best few together, or a simple forecast.

    No network is begun once less time is left than the last one took. The best few are combined where that lowers the
    validation MASE by :data:`WORTHWHILE`. Where no network beats the naive and the seasonal naive forecast and the mix
    of simple forecasts that training starts from, that mix is kept, or the best network where that is better than the
    mix, or there is no mix.

    Args:
        first: an attempt of the first network that did not diverge.
        diverged: the networks before it; those after it that diverge are added.
        config: the settings of the model; ``budget`` is read.
        began: when trying began, by :func:`forecaster.training.checkpoint.replayed_elapsed_time`.
        notes: what was found is appended.
        report: called after each epoch.

    Returns:
        What is kept, and the table of what was tried.
    """
    attempts, rows, skipped = _fit_candidates(first, diverged, config, began, report)
    simple = {name: first.scores["mase"][name] for name in ("naive", "seasonal-naive")}
    if first.ready.plan.season == 1:
        del simple["seasonal-naive"]  # it is naive
    if config.base != "none":
        simple[START] = first.untrained_mase()
    rows = [*({**_EMPTY, "name": name, "mase": mase} for name, mase in simple.items()), *rows]
    best = min(attempts, key=_mase)
    known = {name: mase for name, mase in simple.items() if not math.isnan(mase)}
    if _mase(best) < min(known.values(), default=math.inf):
        kept = _combined(best, attempts, config, rows)
        name = kept.name
        reason = f"smallest validation MASE, {kept.scores['mase']['network']:.3f}"
        notes.append(Note("network", name, f"{reason}, of {len(attempts)} tried"))
    else:
        least = min(known or simple, key=lambda name: simple[name])
        reason = f"no network beats {least}, validation MASE {simple[least]:.3f}; the best is {best.member.name}"
        name = START if known.get(START, math.inf) <= _mase(best) else best.member.name
        notes.append(Note("network", f"{name} kept", f"{reason}, {_mase(best):.3f}", warning=True))
        if name == START:
            first.start_over()
        kept = Ensemble([first if name == START else best], config)
    notes.extend(diverged_note(diverged, len(attempts) + len(diverged), "networks"))
    if skipped and not attempts[-1].run.interrupted:
        reason = f"less time left than the last network took; --budget, {config.budget} now"
        notes.append(Note("budget", f"not tried: {', '.join(skipped)}", reason))
    for row in rows:
        row["chosen"] = row["name"] == name
    if attempts[-1].run.interrupted:
        kept.attempts[-1].run.interrupted = True
    return kept, rows


def _fit_candidates(
    first: MemberFit, diverged: Diverged, config: Config, began: float, report: Report | None
) -> tuple[list[MemberFit], list[Row], list[str]]:
    """Return the attempts, a row for each, also for those that diverged, and the names of those not tried."""
    members = first.ready.plan.members
    attempts, now = [first], replayed_elapsed_time()
    last = now - began
    rows = [*(_diverged_row(name) for name in diverged), _row(first)]
    for number, member in enumerate(members[len(rows) :], len(rows)):
        if budget_seconds(config) - (now - began) < last or attempts[-1].run.interrupted:
            return attempts, rows, [other.name for other in members[number:]]
        begins = now
        try:
            attempts.append(MemberFit(first.ready, config, member, name_member_in_report(report, member, len(members))))
            rows.append(_row(attempts[-1]))
        except DivergedError as error:
            diverged[member.name] = error
            rows.append(_diverged_row(member.name))
        except KeyboardInterrupt:
            attempts[-1].run.interrupted = True
        now = replayed_elapsed_time()
        last = now - begins
    return attempts, rows, []


def _combined(best: MemberFit, attempts: list[MemberFit], config: Config, rows: list[Row]) -> Ensemble:
    """Return the best few together where that is worth its cost, else the best."""
    alone = Ensemble([best], config)
    trained = [a for a in attempts if a.run.best_epoch and _mase(a) <= NEARLY * _mase(best)]
    few = sorted(trained, key=_mase)[:MOST_COMBINED]
    if len(few) < 2 or best not in few:
        return alone
    together = Ensemble(few, config)
    mase = together.scores["mase"]["network"]
    rows.append({**_EMPTY, "name": together.name, "mase": mase})
    return together if mase < (1 - WORTHWHILE) * _mase(best) else alone


def _mase(attempt: MemberFit) -> float:
    return float(attempt.scores["mase"]["network"])


_EMPTY: Row = {
    "mase": None,
    "loss": None,
    "seconds": None,
    "parameters": None,
    "chosen": False,
    "diverged": False,
}


def _diverged_row(name: str) -> Row:
    return {**_EMPTY, "name": name, "diverged": True}


def _row(attempt: MemberFit) -> Row:
    return {
        **_EMPTY,
        "name": attempt.member.name,
        "mase": _mase(attempt),
        "loss": attempt.loss,
        "seconds": round(attempt.seconds, 1),
        "parameters": attempt.trainer.network.count_params(),
    }
