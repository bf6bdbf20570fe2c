"""What validation rows choose of a model: its past covariates and its transformation."""

from __future__ import annotations

from dataclasses import replace

from forecaster.attempt import Attempt, Prepared, members_of, told
from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.direction.attempt import attempt_kind
from forecaster.networks.losses import gain
from forecaster.notes import Note
from forecaster.planning import Plan
from forecaster.training import Report


def best_attempt(panel: Panel, config: Config, plan: Plan, notes: list[Note], report: Report | None) -> Attempt:
    """Return the attempt of the first network, or the best where past covariates or transformation are to be chosen.

    Args:
        panel: the series that can be learned from.
        config: ``past`` and ``transform`` say what is to be chosen.
        plan: what the networks read.
        notes: what is chosen is appended.
        report: called after each epoch.
    """
    validate = config.transform == "validate"
    first = replace(plan, transform="none") if validate else plan
    best = _attempt(panel, config, first, report)
    if config.past is None and panel.of_role("past") and not best.run.interrupted:
        try:
            without = _attempt(without_past(panel), config, first, report)
        except KeyboardInterrupt:
            best.run.interrupted = True
            return best
        tried = f"smallest validation loss {best.loss:.4f} with them, {without.loss:.4f} without; --past a,b uses a,b"
        helps = gain(config.loss, without.loss, best.loss) > best.run.needed_gain and best.steadier_than(without)
        kept = helps or without.run.interrupted
        notes.append(Note("past", "used" if kept else "not used, they do not help", tried))
        best.run.interrupted = without.run.interrupted
        best = best if kept else without
    if validate and not best.run.interrupted:
        best = _best_transform(best, config, notes, report)
    return best


def _best_transform(first: Attempt, config: Config, notes: list[Note], report: Report | None) -> Attempt:
    """Return the attempt with the smallest validation MASE over all transformations; ``first`` learned none."""
    panel, plan, attempts = first.ready.panel, first.ready.plan, [first]
    positive = ("log", "box-cox", "return") if float(panel.values.min()) > 0 else ()
    for transform in ("difference", *positive):
        try:
            attempts.append(_attempt(panel, config, replace(plan, transform=transform), report))
        except KeyboardInterrupt:
            attempts[-1].run.interrupted = True
        if attempts[-1].run.interrupted:
            break
    best = min(attempts, key=lambda attempt: attempt.scores["mase"]["network"])
    best.run.interrupted = attempts[-1].run.interrupted
    tried = ", ".join(f"{a.ready.plan.transform} {a.scores['mase']['network']:.3f}" for a in attempts)
    notes.append(Note("transform", best.ready.plan.transform, f"smallest validation MASE: {tried}"))
    return best


def without_past(panel: Panel) -> Panel:
    """Return the panel without its past covariates, which come first among those of each row."""
    past = len(panel.of_role("past"))
    return replace(
        panel,
        columns=panel.columns[past:],
        covariates=panel.covariates[:, past:],
        roles=replace(panel.roles, past=()),
    )


def _attempt(panel: Panel, config: Config, plan: Plan, report: Report | None) -> Attempt:
    kind, members = attempt_kind(config), members_of(config, plan)
    return kind(Prepared(panel, config, plan), config, members[0], told(report, members[0], len(members)))
