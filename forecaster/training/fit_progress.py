"""The notes, the progress report and the checkpoints of a fit, handed to each of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from forecaster.features.members import Member
from forecaster.notes import Note
from forecaster.training.checkpoint import Checkpoints
from forecaster.training.phases import Progress, Report


def no_checkpoints() -> Checkpoints:
    """Return the checkpoints of a fit that writes none."""
    return Checkpoints(None, [])


@dataclass(frozen=True)
class FitProgress:
    """Notes, progress report and checkpoints of one fit.

    Attributes:
        notes: what is inferred or decided; appended to.
        report: called after each epoch; None for silence.
        checkpoints: numbers the training runs and measures the time of the fit.
    """

    notes: list[Note] = field(default_factory=list)
    report: Report | None = None
    checkpoints: Checkpoints = field(default_factory=no_checkpoints)

    def of_member(self, member: Member, count: int) -> FitProgress:
        """Return the same, with reports that name one member of ``count``; of one alone as they are."""
        report = self.report
        if report is None or count == 1:
            return self

        def report_with_name(progress: Progress) -> None:
            report(replace(progress, phase=f"{member.name}, {progress.phase}"))

        return replace(self, report=report_with_name)
