"""Choices that validation rows make for a model: its past covariates and its transformation."""

from __future__ import annotations

from dataclasses import replace

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.direction.member_fit import fit_member
from forecaster.errors import DivergedError
from forecaster.features.members import Member
from forecaster.features.plan import Plan
from forecaster.fitting.candidates import Candidate, Tried, try_candidates, validation_mase
from forecaster.losses import relative_gain
from forecaster.notes import Note
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import MemberFit, TrainingData, members_of
from forecaster.words import setting

#: Names of the candidates when past covariates are chosen.
WITH_PAST, WITHOUT_PAST = "with past covariates", "without past covariates"


def try_first_network(panel: Panel, config: Config, plan: Plan, progress: FitProgress) -> Tried:
    """Fit the first network of the plan that does not diverge, and choose past covariates and transformation with it.

    Args:
        panel: the training series.
        config: ``past`` and ``transform`` say what is to be chosen.
        plan: what the networks read.
        progress: notes of what is chosen are appended.

    Returns:
        One fit, the best of that network, after the networks that diverged.

    Raises:
        DivergedError: training diverged, of every network.
    """
    choose = _best_transform if config.transform == "validate" else _best_past

    def candidate(member: Member) -> Candidate:
        return Candidate(member.name, lambda: choose(panel, config, plan, member, progress))

    return try_candidates(map(candidate, members_of(config, plan)), enough=1)


def _best_past(panel: Panel, config: Config, plan: Plan, member: Member, progress: FitProgress) -> MemberFit:
    """Return the fit with past covariates or the one without, whichever validation rows favour."""

    def fit(panel: Panel) -> MemberFit:
        return fit_member(TrainingData(panel, config, plan), member, progress)

    if config.past is not None or not panel.of_role("past"):
        return fit(panel)
    both = [
        Candidate(WITH_PAST, lambda: fit(panel)),
        Candidate(WITHOUT_PAST, lambda: fit(drop_past_covariates(panel))),
    ]
    tried = Tried()
    try:
        try_candidates(both, tried)
    except DivergedError:
        raise tried.diverged[WITHOUT_PAST] from None  # with them or not: they are not the cause
    for name, error in tried.diverged.items():
        value, which = ("not used", "with") if name == WITH_PAST else ("used", "without")
        hint = f"; {setting('past', 'none')}" if name == WITH_PAST else ""
        progress.notes.append(Note("past", value, f"{which} them {error.message}{hint}", warning=True))
    return tried.fits[0] if len(tried.fits) == 1 else _choose_past(tried.fits, progress.notes)


def _choose_past(fits: list[MemberFit], notes: list[Note]) -> MemberFit:
    """Return the fit with past covariates, the first of two, if they help significantly, else the one without."""
    best, without = fits
    losses = f"smallest validation loss {best.loss:.4f} with them, {without.loss:.4f} without"
    loss = best.data.config.loss
    helps = relative_gain(loss, without.loss, best.loss) > best.run.needed_gain and best.steadier_than(without)
    kept = helps or without.run.interrupted
    value = "used" if kept else "not used, they do not help"
    notes.append(Note("past", value, f"{losses}; {setting('past', 'a,b')} uses a,b"))
    best.run.interrupted = without.run.interrupted
    return best if kept else without


def _best_transform(panel: Panel, config: Config, plan: Plan, member: Member, progress: FitProgress) -> MemberFit:
    """Return the fit with the smallest validation MASE over all transformations.

    The first that does not diverge chooses the past covariates for the others too.
    """
    tried = Tried()

    def fit(transform: str) -> MemberFit:
        changed = replace(plan, transform=transform)
        if not tried.fits:
            return _best_past(panel, config, changed, member, progress)
        return fit_member(TrainingData(tried.fits[0].data.panel, config, changed), member, progress)

    def candidate(transform: str) -> Candidate:
        return Candidate(transform, lambda: fit(transform))

    positive = ("log", "box-cox", "return") if float(panel.values.min()) > 0 else ()
    try_candidates(map(candidate, ("none", "difference", *positive)), tried)
    best = min(tried.fits, key=validation_mase)
    best.run.interrupted = tried.interrupted
    scores = ", ".join(f"{fit.data.plan.transform} {validation_mase(fit):.3f}" for fit in tried.fits)
    progress.notes.append(Note("transform", best.data.plan.transform, f"smallest validation MASE: {scores}"))
    progress.notes.extend(tried.notes("transformations"))
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
