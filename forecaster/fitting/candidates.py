"""One loop over candidates: fits that are tried in turn, with a budget, Ctrl-C and divergence handled in one place.

Past covariates, transformations, the short list and the members of an ensemble are all tried here. A candidate is a
name and a function that fits one network, usually :func:`forecaster.direction.member_fit.fit_member` with settings, a
panel and a plan of its own::

    def candidate(rate):
        data = TrainingData(panel, config.replace(learning_rate=rate), plan)
        return Candidate(f"{rate:g}", lambda: fit_member(data, data.members[0], progress))

    tried = try_candidates([candidate(rate) for rate in (0.1, 0.01, 0.001)])
    best = min(tried.fits, key=lambda fit: fit.loss)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from forecaster.errors import DivergedError
from forecaster.features.members import Diverged, all_diverged_error, diverged_note
from forecaster.notes import Note
from forecaster.training.member_fit import MemberFit

#: A row of the table of what was tried: name, validation MASE and loss, seconds, parameters, whether it is chosen, and
#: whether its training diverged.
Row = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One of the fits to choose from.

    Attributes:
        name: what it is called in notes and tables; no two candidates share one.
        fit: trains and scores its network.
    """

    name: str
    fit: Callable[[], MemberFit]


@dataclass
class Tried:
    """The candidates that were tried.

    Attributes:
        outcomes: the fit of each, or the error of one that diverged, by name, in order.
        skipped: names of the candidates that were left out for lack of time, or after Ctrl-C.
    """

    outcomes: dict[str, MemberFit | DivergedError] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def fits(self) -> list[MemberFit]:
        """The fits that did not diverge."""
        return [outcome for outcome in self.outcomes.values() if not isinstance(outcome, DivergedError)]

    @property
    def diverged(self) -> Diverged:
        """The errors of those that did."""
        return {name: outcome for name, outcome in self.outcomes.items() if isinstance(outcome, DivergedError)}

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended the last fit, or a candidate after it."""
        return bool(self.fits) and self.fits[-1].run.interrupted

    def notes(self, what: str) -> list[Note]:
        """Return a note that names the candidates that diverged, if any; ``what`` is a noun in the plural."""
        return diverged_note(self.diverged, len(self.outcomes), what)

    def rows(self) -> list[Row]:
        """Return a row of the table for each candidate, none of them chosen yet."""
        return [row_of(name, outcome) for name, outcome in self.outcomes.items()]


class Budget:
    """Time for candidates: none begins once less is left than the last one took.

    Args:
        seconds: for all of them.
        began: the time at which the first of them began.
        clock: returns the time in seconds, usually
            :meth:`forecaster.training.checkpoint.Checkpoints.replayed_seconds`.
    """

    def __init__(self, seconds: float, began: float, clock: Callable[[], float]) -> None:
        self._seconds, self._began, self._clock, self._now = seconds, began, clock, began
        self.end_candidate()

    def end_candidate(self) -> None:
        """Take the time at the end of a candidate."""
        before, self._now = self._now, self._clock()
        self._last = self._now - before

    @property
    def spent(self) -> bool:
        """True if less time is left than the last candidate took."""
        return self._seconds - (self._now - self._began) < self._last


def try_candidates(
    candidates: Iterable[Candidate],
    tried: Tried | None = None,
    *,
    budget: Budget | None = None,
    enough: float = math.inf,
) -> Tried:
    """Fit candidates in turn; Ctrl-C ends the loop and keeps the fits so far; those that diverge are left out.

    Args:
        candidates: in order; those that ``tried`` has an outcome of are not fitted again.
        tried: appended to while candidates are fitted, so that one may look at those before it.
        budget: of time; unlimited by default.
        enough: number of fits without divergence after which no other is tried.

    Returns:
        ``tried``.

    Raises:
        KeyboardInterrupt: Ctrl-C before there is a fit to keep.
        DivergedError: all of them diverged.
    """
    tried = Tried() if tried is None else tried
    left = [candidate for candidate in candidates if candidate.name not in tried.outcomes]
    while left and len(tried.fits) < enough and not tried.interrupted and not (budget and budget.spent):
        _try_one(left.pop(0), tried)
        if budget:
            budget.end_candidate()
    tried.skipped = [candidate.name for candidate in left]
    if not tried.fits:
        raise all_diverged_error(tried.diverged)
    return tried


def _try_one(candidate: Candidate, tried: Tried) -> None:
    try:
        tried.outcomes[candidate.name] = candidate.fit()
    except DivergedError as error:
        tried.outcomes[candidate.name] = error
    except KeyboardInterrupt:
        if not tried.fits:
            raise
        tried.fits[-1].run.interrupted = True


def validation_mase(fit: MemberFit) -> float:
    """Return the MASE of a network on the validation rows."""
    return float(fit.scores["mase"]["network"])


def row_of(name: str, outcome: MemberFit | DivergedError | None = None, mase: float | None = None) -> Row:
    """Return a row of the table of what was tried.

    Args:
        name: of a candidate, a baseline, or a combination.
        outcome: of a candidate; None for what was not trained.
        mase: of what was not trained.
    """
    fit = outcome if outcome is not None and not isinstance(outcome, DivergedError) else None
    return {
        "mase": mase if fit is None else validation_mase(fit),
        "loss": fit and fit.loss,
        "seconds": fit and round(fit.seconds, 1),
        "parameters": fit and fit.trainer.network.count_params(),
        "chosen": False,
        "diverged": isinstance(outcome, DivergedError),
        "name": name,
    }
