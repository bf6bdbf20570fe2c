"""Networks trained separately that forecast together."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np

from forecaster.artifact.model import PretrainedPart
from forecaster.direction.member_fit import fit_member
from forecaster.engines.engine import CHUNK, Engine, Inputs
from forecaster.engines.keras import KerasEngine, calibration_engine
from forecaster.errors import DivergedError
from forecaster.features.members import Diverged, Member, diverged_note
from forecaster.features.plan import Plan
from forecaster.features.windows import Windows
from forecaster.fitting.candidates import Candidate, Tried, try_candidates, validation_mase
from forecaster.intervals.calibration import score_validation
from forecaster.networks.ensemble import build_ensemble, find_shares
from forecaster.notes import Note
from forecaster.training.divergence import Advice, find_culprit, repair_advice
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import MemberFit, TrainingData, retry_once_after_interrupt
from forecaster.words import join_with_or, setting

#: Windows on which trained networks are checked.
COMPARED_WINDOWS = 256
#: Deviations from the mean of the target beyond which a forecast shows that training diverged.
BEYOND_REASON = 1e4


class Ensemble:
    """Member fits on the same windows, as one network that forecasts their weighted mean; one alone is itself.

    Args:
        fits: in order, of the same data.
        diverged: members that are left out.

    Raises:
        KeyboardInterrupt: a second Ctrl-C while they are combined; the first ends their runs once they are.

    Attributes:
        data: what the members share.
        network: one Keras model.
        engine: runs it.
        shares: weight of each member, ``(members,)``.
        pretrained: the pretrained network that their forecast is averaged with; None for none.
        alone: with it, the validation MASE of the ``trained`` networks and of the ``pretrained`` one.
        scores, conformal: of the combined forecast, see :func:`forecaster.intervals.calibration.score_validation`.
        finished: names of the members whose final run is done.
        unfinished: members whose final run diverged; they have the weights of their validation run.
    """

    def __init__(self, fits: list[MemberFit], diverged: Diverged | None = None) -> None:
        self.fits, first = fits, fits[0]
        self.data = first.data
        self.diverged: Diverged = diverged or {}
        self.finished: set[str] = set()
        self.unfinished: Diverged = {}
        self.pretrained: PretrainedPart | None = None
        self.alone: dict[str, float] = {}
        if len(fits) == 1:
            self.network, self.engine, self.shares = first.trainer.network, first.trainer.engine, np.ones(1)
            self.scores, self.conformal = first.scores, first.conformal
            return
        retry_once_after_interrupt(self._combine, [fit.run for fit in fits])

    def _combine(self) -> None:
        data, config = self.data, self.data.config
        spans = len(data.panel) * data.plan.validation / data.plan.horizon
        errors = [
            errors_of(fit.trainer.engine, data.split.validation.reading(fit.member.lookback)) for fit in self.fits
        ]
        self.shares = find_shares(errors, [fit.member.kind for fit in self.fits], spans)
        networks = {fit.member.name: fit.trainer.network for fit in self.fits}
        self.network = build_ensemble(networks, self.shares, config.intervals == "ensemble")
        self.engine = KerasEngine(self.network)
        split = data.split.reading(self.lookback)
        engine = calibration_engine(self.engine, self.network, config)
        self.scores, self.conformal = score_validation(config, engine, split, data.scaler, data.plan)

    @property
    def name(self) -> str:
        """The names of the members."""
        return " + ".join(fit.member.name for fit in self.fits)

    @property
    def lookback(self) -> int:
        """The longest lookback of a member."""
        return max(fit.member.lookback for fit in self.fits)

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended one of the runs."""
        return any(fit.run.interrupted for fit in self.fits)

    @property
    def plan(self) -> Plan:
        """The plan with these members and their lookback."""
        plan, lookback = self.data.plan, self.lookback
        members = tuple(fit.member for fit in self.fits)
        return replace(plan, lookback=lookback, least=min(plan.least, lookback), members=plan.members and members)

    def final_run(self, progress: FitProgress) -> bool:
        """Train every member on all rows; return False if Ctrl-C ended it, and left later members as they were."""
        for fit in self.fits:
            trainer, weights = fit.trainer, fit.trainer.network.get_weights()
            try:
                if not fit.final_run(progress.of_member(fit.member, len(self.fits))):
                    return False
                windows = self.data.split.everything.thinned(COMPARED_WINDOWS).reading(fit.member.lookback)
                refuse_unreasonable_network(trainer.engine, windows, self.data.config.counts, trainer.advice)
                self.finished.add(fit.member.name)
            except DivergedError as error:
                trainer.network.set_weights(weights)
                self.unfinished[fit.member.name] = error
        return True

    def notes(self) -> list[Note]:
        """Return notes on the members that are left out, and on the shares, gain and cost of the others."""
        count = len(self.fits)
        found = diverged_note(self.diverged, count + len(self.diverged), "networks")
        if count == 1 and self.data.config.intervals == "ensemble":
            reason = "one network is left, which has no spread: they are made from its validation errors alone"
            found.append(Note("intervals", "not from the spread of members", reason, warning=True))
        return found if count == 1 else [*found, self._shares_note()]

    def _shares_note(self) -> Note:
        pairs = zip(self.fits, self.shares.tolist(), strict=True)
        parts = [f"{fit.member.name} {share:.2f}" for fit, share in pairs]
        alone = [validation_mase(fit) for fit in self.fits]
        together = self.alone.get("trained", self.scores["mase"]["network"])
        gain = f"validation MASE {together:.3f} together, {min(alone):.3f} the best alone"
        seconds = sum(fit.seconds for fit in self.fits)
        cost = f"trained in {seconds:.0f} s; each forecast costs {len(alone)} networks"
        return Note("members", ", ".join(parts), f"{gain}; {cost}")

    def record(self) -> list[dict[str, Any]]:
        """Return the entries of the members for the record of the model, as plain values."""
        return [
            {
                "name": fit.member.name,
                "seed": fit.member.seed,
                "lookback": fit.member.lookback,
                "share": round(share, 4),
                "mase": fit.scores["mase"]["network"],
                "best_epoch": fit.run.best_epoch,
                "seconds": round(fit.seconds, 1),
            }
            for fit, share in zip(self.fits, self.shares.tolist(), strict=True)
        ]


def train_members(
    data: TrainingData,
    progress: FitProgress,
    tried: Tried | None = None,
    weights: list[list[np.ndarray]] | None = None,
) -> Ensemble:
    """Train the members of a plan until Ctrl-C, and leave out those that diverge.

    Args:
        data: what they share.
        progress: of the fit.
        tried: members that have been trained on the same data, or diverged; they are not trained again.
        weights: initial weights of each member; new ones by default.

    Raises:
        KeyboardInterrupt: Ctrl-C before the end of the first epoch of the first one.
        DivergedError: training diverged, of every member.
    """

    def candidate(member: Member, start: list[np.ndarray] | None) -> Candidate:
        return Candidate(member.name, lambda: fit_member(data, member, progress, start))

    tried = try_candidates(map(candidate, data.members, weights or repeat(None)), tried)
    return Ensemble(tried.fits, tried.diverged)


def refuse_unreasonable_network(engine: Engine, windows: Windows, counts: bool, advice: Advice) -> None:
    """Refuse a network whose forecasts are beyond reason.

    Args:
        engine: runs it.
        windows: its inputs.
        counts: the target is not scaled, so that large readings have large forecasts.
        advice: of its trainer, or of that of one of its members.

    Raises:
        DivergedError: they are more than :data:`BEYOND_REASON` deviations from the mean, or NaN.
    """

    def largest_forecast(some: Windows) -> float:
        inputs = some.batch()
        return float(np.abs(engine.run(inputs)).max()) / forecast_scale(inputs, counts)

    if (found := largest_forecast(windows)) <= BEYOND_REASON:
        return
    message = f"training diverged: the network forecasts up to {found:.2g} deviations from the mean of the readings"
    cell = find_culprit(windows, lambda other: not largest_forecast(other) <= BEYOND_REASON)
    if cell is not None:
        what = f"{advice.describe(cell)}: without readings so far from the others it does not"
        raise DivergedError(f"{message}; {what}", repair_advice(cell))
    lower = f"a smaller {setting('learning_rate')}"
    ways = [advice.remedies.get(name) for name in ("clipnorm", "activation", "lookback")]
    raise DivergedError(message, f"try {join_with_or(lower, *ways)}")


def forecast_scale(inputs: Inputs, counts: bool) -> float:
    """Return the scale that forecasts are judged against: 1 deviation, or the largest input for counts."""
    return max(1.0, float(np.abs(inputs["past"][:, :, 0]).max())) if counts else 1.0


def errors_of(engine: Engine, windows: Windows) -> np.ndarray:
    """Return the scaled errors of a network on windows, ``(windows * steps,)``; 0 without a reading."""
    numbers = np.arange(len(windows))
    parts = [numbers[i : i + CHUNK] for i in range(0, len(windows), CHUNK)]
    found = np.concatenate([engine.run(windows.batch(part))[:, :, 0] for part in parts])
    weights = windows.target_weights()
    errors = (found - windows.targets()).astype(np.float64) * (1.0 if weights is None else np.sqrt(weights))
    return np.asarray(errors.ravel())
