"""Networks that were trained apart, forecasting together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.direction.member_fit import member_fit_class
from forecaster.engines.engine import CHUNK, Engine, Inputs
from forecaster.engines.keras import KerasEngine, calibration_engine
from forecaster.errors import DivergedError
from forecaster.features.members import Diverged, Member, all_diverged_error, diverged_note
from forecaster.features.plan import Plan
from forecaster.features.windows import Windows
from forecaster.intervals.calibration import score_validation
from forecaster.networks.ensemble import build_ensemble, find_shares
from forecaster.notes import Note
from forecaster.training.divergence import find_culprit, repair_advice
from forecaster.training.member_fit import MemberFit, TrainingData, name_member_in_report, retry_once_after_interrupt
from forecaster.training.phases import Report
from forecaster.training.trainer import Trainer
from forecaster.words import join_with_or

#: Windows that networks are looked at on once they are trained.
COMPARED_WINDOWS = 256
#: Deviations of the target that no forecast is away from its mean unless training diverged.
BEYOND_REASON = 1e4


class Ensemble:
    """Attempts on the same windows, as one network: their weighted mean; an attempt alone is itself.

    Args:
        attempts: in order; what they share is ready once for all.
        config: the settings of the model; ``intervals`` is read.
        diverged: members that are left out.

    Raises:
        KeyboardInterrupt: Ctrl-C twice while they are put together, which once leaves for the end of it.

    Attributes:
        network: one Keras model.
        engine: runs it.
        shares: how much each member counts, ``(members,)``.
        scores, conformal: of all together, see :func:`forecaster.intervals.calibration.score_validation`.
        finished: names of the members that were trained on with all rows.
        unfinished: members whose final run diverged; they have the weights of their validation run.
    """

    def __init__(self, attempts: list[MemberFit], config: Config, diverged: Diverged | None = None) -> None:
        self.attempts, self.config, first = attempts, config, attempts[0]
        self.diverged: Diverged = diverged or {}
        self.finished: set[str] = set()
        self.unfinished: Diverged = {}
        if len(attempts) == 1:
            self.network, self.engine, self.shares = first.trainer.network, first.trainer.engine, np.ones(1)
            self.scores, self.conformal = first.scores, first.conformal
            return
        retry_once_after_interrupt(self._combine, [attempt.run for attempt in attempts])

    def _combine(self) -> None:
        ready, attempts, config = self.ready, self.attempts, self.config
        stretches = len(ready.panel) * ready.plan.validation / ready.plan.horizon
        self.shares = find_shares([errors_of(a) for a in attempts], [a.member.kind for a in attempts], stretches)
        networks = {attempt.member.name: attempt.trainer.network for attempt in attempts}
        self.network = build_ensemble(networks, self.shares, config.intervals == "ensemble")
        self.engine = KerasEngine(self.network)
        split = ready.split.reading(self.lookback)
        engine = calibration_engine(self.engine, self.network, config)
        self.scores, self.conformal = score_validation(config, engine, split, ready.scaler, ready.plan)

    @property
    def ready(self) -> TrainingData:
        """What the members share."""
        return self.attempts[0].ready

    @property
    def name(self) -> str:
        """The names of the members."""
        return " + ".join(attempt.member.name for attempt in self.attempts)

    @property
    def lookback(self) -> int:
        """The longest lookback of a member."""
        return max(attempt.member.lookback for attempt in self.attempts)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended one of the runs."""
        return any(attempt.run.interrupted for attempt in self.attempts)

    @property
    def plan(self) -> Plan:
        """The plan with these members, and what they read."""
        plan, lookback = self.ready.plan, self.lookback
        members = tuple(attempt.member for attempt in self.attempts)
        return replace(plan, lookback=lookback, least=min(plan.least, lookback), members=plan.members and members)

    def final_run(self, report: Report | None) -> bool:
        """Train every member on with all rows; False where Ctrl-C ended it, and left those after it as they were."""
        for attempt in self.attempts:
            weights = attempt.trainer.network.get_weights()
            try:
                if not attempt.final_run(name_member_in_report(report, attempt.member, len(self.attempts))):
                    return False
                windows = self.ready.split.everything.thinned(COMPARED_WINDOWS).reading(attempt.member.lookback)
                trainer = attempt.trainer
                refuse_unreasonable_network(trainer.engine, windows, self.config.counts, trainer)
                self.finished.add(attempt.member.name)
            except DivergedError as error:
                attempt.trainer.network.set_weights(weights)
                self.unfinished[attempt.member.name] = error
        return True

    def notes(self) -> list[Note]:
        """Say which members are left out, and what each of the others counts, what that gains and costs."""
        count = len(self.attempts)
        found = diverged_note(self.diverged, count + len(self.diverged), "networks")
        if count == 1 and self.config.intervals == "ensemble":
            reason = "one network is left, and one has no spread: its validation errors alone make them"
            found.append(Note("intervals", "not from the spread of members", reason, warning=True))
        return found if count == 1 else [*found, self._shares_note()]

    def _shares_note(self) -> Note:
        pairs = zip(self.attempts, self.shares.tolist(), strict=True)
        parts = [f"{a.member.name} {share:.2f}" for a, share in pairs]
        alone = [attempt.scores["mase"]["network"] for attempt in self.attempts]
        gain = f"validation MASE {self.scores['mase']['network']:.3f} together, {min(alone):.3f} the best alone"
        seconds = sum(attempt.seconds for attempt in self.attempts)
        cost = f"trained in {seconds:.0f} s; each forecast costs {len(alone)} networks"
        return Note("members", ", ".join(parts), f"{gain}; {cost}")

    def record(self) -> list[dict[str, Any]]:
        """Return what is to be known of each member, as plain values."""
        return [
            {
                "name": attempt.member.name,
                "seed": attempt.member.seed,
                "lookback": attempt.member.lookback,
                "share": round(share, 4),
                "mase": attempt.scores["mase"]["network"],
                "best_epoch": attempt.run.best_epoch,
                "seconds": round(attempt.seconds, 1),
            }
            for attempt, share in zip(self.attempts, self.shares.tolist(), strict=True)
        ]


def train_members(
    ready: TrainingData,
    config: Config,
    members: tuple[Member, ...],
    report: Report | None,
    first: MemberFit | None = None,
    diverged: Diverged | None = None,
    weights: list[list[np.ndarray]] | None = None,
) -> Ensemble:
    """Train members, those that Ctrl-C leaves time for, and leave out those that diverge.

    Args:
        ready: the panel.
        config: the settings of the model.
        members: in order.
        report: called after each epoch.
        first: an attempt of one of the members that is there already.
        diverged: members that are known to diverge.
        weights: what each member starts from; new ones by default.

    Raises:
        KeyboardInterrupt: Ctrl-C before the end of the first epoch of all.
        DivergedError: training diverged, of every member.
    """
    attempts, failed = [] if first is None else [first], dict(diverged or {})
    done = {*failed, *(attempt.member.name for attempt in attempts)}
    for number, member in enumerate(members):
        if attempts and attempts[-1].run.interrupted:
            break
        if member.name in done:
            continue
        start = None if weights is None else weights[number]
        try:
            attempts.append(
                member_fit_class(config)(
                    ready, config, member, name_member_in_report(report, member, len(members)), start
                )
            )
        except DivergedError as error:
            failed[member.name] = error
        except KeyboardInterrupt:
            if not attempts:
                raise
            attempts[-1].run.interrupted = True
    if not attempts:
        raise all_diverged_error(failed)
    return Ensemble(attempts, config, failed)


def refuse_unreasonable_network(engine: Engine, windows: Windows, counts: bool, trainer: Trainer) -> None:
    """Refuse a network whose forecasts are beyond reason.

    Args:
        engine: runs it.
        windows: what it forecasts from.
        counts: the target is learned in its own unit, so that large readings have large forecasts.
        trainer: of the network, or of one of its members; says what a cell of the windows is, and what to try.

    Raises:
        DivergedError: they are more than :data:`BEYOND_REASON` deviations from the mean, or NaN.
    """

    def largest(some: Windows) -> float:
        inputs = some.batch()
        return float(np.abs(engine.run(inputs)).max()) / forecast_scale(inputs, counts)

    if (found := largest(windows)) <= BEYOND_REASON:
        return
    message = f"training diverged: the network forecasts up to {found:.2g} deviations from the mean of the readings"
    cell = find_culprit(windows, lambda other: not largest(other) <= BEYOND_REASON)
    if cell is not None:
        what = f"{trainer.described(cell)}: without readings so far from the others it does not"
        raise DivergedError(f"{message}; {what}", repair_advice(cell))
    ways = [trainer.remedies.get(name) for name in ("clipnorm", "activation", "lookback")]
    raise DivergedError(message, f"try {join_with_or('a smaller --learning-rate', *ways)}")


def forecast_scale(inputs: Inputs, counts: bool) -> float:
    """Return what forecasts of these windows are large beside: 1 deviation, of counts their largest reading."""
    return max(1.0, float(np.abs(inputs["past"][:, :, 0]).max())) if counts else 1.0


def errors_of(attempt: MemberFit) -> np.ndarray:
    """Return the errors of a network on validation windows, scaled, ``(windows * steps,)``; 0 where none is known."""
    windows = attempt.ready.split.validation.reading(attempt.member.lookback)
    numbers = np.arange(len(windows))
    parts = [numbers[i : i + CHUNK] for i in range(0, len(windows), CHUNK)]
    found = np.concatenate([attempt.trainer.engine.run(windows.batch(part))[:, :, 0] for part in parts])
    weights = windows.target_weights()
    errors = (found - windows.targets()).astype(np.float64) * (1.0 if weights is None else np.sqrt(weights))
    return np.asarray(errors.ravel())
