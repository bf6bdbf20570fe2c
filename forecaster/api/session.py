"""A fit into a model directory, from its lock to the saved model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from forecaster.artifact.lock import lock_directory
from forecaster.artifact.model import FitRecord
from forecaster.artifact.names import MANIFEST
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.rescue import save_or_rescue
from forecaster.artifact.siblings import read_fit_start
from forecaster.notes import Note
from forecaster.prediction.given_rows import Data
from forecaster.training.phases import Report

if TYPE_CHECKING:
    from forecaster.api.forecaster import Forecaster


class FitOptions(TypedDict, total=False):
    """Arguments of :meth:`forecaster.Forecaster.fit` that say nothing of the model directory."""

    report: Report | None
    tell: Callable[[Note], None] | None
    future: Data | None
    further: Forecaster | str | Path | None


class FitSession:
    """A fit into a model directory: no other at the same time, resumable, and its model saved, elsewhere if need be.

    Args:
        directory: the model directory to be; a model that is there is replaced once the new one is whole.
        resume: continue the fit into it that was cut off; from the start where there is none.
        record: what the model's record holds in addition, such as the command line.

    Raises:
        NotFoundError: the current folder was removed.
    """

    def __init__(self, directory: str | Path, resume: bool = False, record: FitRecord | None = None) -> None:
        self.place = ModelPlace.of(directory)
        self._resume, self._record = resume, record or FitRecord()

    def fit(self, forecaster: Forecaster, data: Data, **options: Unpack[FitOptions]) -> None:
        """Train and save; what Ctrl-C leaves is saved too, where there are weights to keep.

        Args:
            forecaster: what is trained.
            data: the readings.
            options: ``report``, ``tell``, ``future`` and ``further`` of :meth:`forecaster.Forecaster.fit`.

        Raises:
            KeyboardInterrupt: Ctrl-C, and nothing was saved; see :attr:`resumable`.
            SettingError: the directory holds something else than a model.
            ForecasterError: another process is writing the directory, or the model cannot be written there; the hint
                then says where it is instead. And whatever :meth:`forecaster.Forecaster.fit` raises.
        """
        with lock_directory(self.place):
            forecaster.fit(data, directory=self.place, resume=self._resume, **options)
            forecaster.model.record |= self._record
            save_or_rescue(forecaster.model, self.place)

    @property
    def resumable(self) -> bool:
        """True where a checkpoint is kept, from which a session with ``resume`` continues."""
        return read_fit_start(self.place.checkpoint) is not None

    @property
    def holds_model(self) -> bool:
        """True where a model is in the directory: the one of this fit, or the one that it did not replace."""
        return (self.place.real / MANIFEST).exists()
