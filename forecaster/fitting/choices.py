"""What validation rows choose of a model: its past covariates and its transformation."""

from __future__ import annotations

from dataclasses import replace

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.direction.member_fit import member_fit_class
from forecaster.errors import DivergedError
from forecaster.features.members import Diverged, Member, all_diverged_error, diverged_note
from forecaster.features.plan import Plan
from forecaster.losses import relative_gain
from forecaster.notes import Note
from forecaster.training.member_fit import MemberFit, TrainingData, members_of, name_member_in_report
from forecaster.training.phases import Report


def best_member_fit(
    panel: Panel, config: Config, plan: Plan, notes: list[Note], report: Report | None
) -> tuple[MemberFit, Diverged]:
    """Return the attempt of the first network, or the best where past covariates or transformation are to be chosen.

    The first network is the first of the plan whose training does not diverge.

    Args:
        panel: the series that can be learned from.
        config: ``past`` and ``transform`` say what is to be chosen.
        plan: what the networks read.
        notes: what is chosen is appended.
        report: called after each epoch.

    Returns:
        The attempt, and the networks before it, all of which diverged.

    Raises:
        DivergedError: training diverged, of every network.
    """
    diverged: Diverged = {}
    for member in members_of(config, plan):
        try:
            if config.transform == "validate":
                return _best_transform(panel, config, plan, member, notes, report), diverged
            return _best_past(panel, config, plan, member, notes, report), diverged
        except DivergedError as error:
            diverged[member.name] = error
    raise all_diverged_error(diverged)


def _best_past(
    panel: Panel, config: Config, plan: Plan, member: Member, notes: list[Note], report: Report | None
) -> MemberFit:
    """Return the attempt with past covariates or the one without, whichever validation rows favour."""
    if config.past is not None or not panel.of_role("past"):
        return _fit_member(panel, config, plan, member, report)
    try:
        best = _fit_member(panel, config, plan, member, report)
    except DivergedError as error:
        without = _fit_member(drop_past_covariates(panel), config, plan, member, report)
        notes.append(Note("past", "not used", f"with them {error.message}; --past none", warning=True))
        return without
    if best.run.interrupted:
        return best
    try:
        without = _fit_member(drop_past_covariates(panel), config, plan, member, report)
    except KeyboardInterrupt:
        best.run.interrupted = True
        return best
    except DivergedError as error:
        notes.append(Note("past", "used", f"without them {error.message}", warning=True))
        return best
    tried = f"smallest validation loss {best.loss:.4f} with them, {without.loss:.4f} without; --past a,b uses a,b"
    helps = relative_gain(config.loss, without.loss, best.loss) > best.run.needed_gain and best.steadier_than(without)
    kept = helps or without.run.interrupted
    notes.append(Note("past", "used" if kept else "not used, they do not help", tried))
    best.run.interrupted = without.run.interrupted
    return best if kept else without


def _best_transform(
    panel: Panel, config: Config, plan: Plan, member: Member, notes: list[Note], report: Report | None
) -> MemberFit:
    """Return the attempt with the smallest validation MASE over all transformations.

    The first that does not diverge chooses the past covariates for the others too.
    """
    attempts: list[MemberFit] = []
    diverged: Diverged = {}
    positive = ("log", "box-cox", "return") if float(panel.values.min()) > 0 else ()
    for transform in ("none", "difference", *positive):
        changed = replace(plan, transform=transform)
        try:
            if attempts:
                attempts.append(_fit_member(attempts[0].ready.panel, config, changed, member, report))
            else:
                attempts.append(_best_past(panel, config, changed, member, notes, report))
        except DivergedError as error:
            diverged[transform] = error
        except KeyboardInterrupt:
            if not attempts:
                raise
            attempts[-1].run.interrupted = True
        if attempts and attempts[-1].run.interrupted:
            break
    if not attempts:
        raise all_diverged_error(diverged)
    best = min(attempts, key=lambda attempt: attempt.scores["mase"]["network"])
    best.run.interrupted = attempts[-1].run.interrupted
    tried = ", ".join(f"{a.ready.plan.transform} {a.scores['mase']['network']:.3f}" for a in attempts)
    notes.append(Note("transform", best.ready.plan.transform, f"smallest validation MASE: {tried}"))
    notes.extend(diverged_note(diverged, len(attempts) + len(diverged), "transformations"))
    return best


def drop_past_covariates(panel: Panel) -> Panel:
    """Return the panel without its past covariates, which come first among those of each row."""
    past = len(panel.of_role("past"))
    return replace(
        panel,
        columns=panel.columns[past:],
        covariates=panel.covariates[:, past:],
        roles=replace(panel.roles, past=()),
    )


def _fit_member(panel: Panel, config: Config, plan: Plan, member: Member, report: Report | None) -> MemberFit:
    count = len(members_of(config, plan))
    return member_fit_class(config)(
        TrainingData(panel, config, plan), config, member, name_member_in_report(report, member, count)
    )
