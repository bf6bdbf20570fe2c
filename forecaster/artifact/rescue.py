"""Save a trained model elsewhere if it cannot be written to its place: hours of training are not thrown away."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from forecaster.artifact.model import Model
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.save import save_model
from forecaster.artifact.siblings import remove_leftovers
from forecaster.errors import ForecasterError


def save_or_rescue(model: Model, place: ModelPlace) -> None:
    """Write the model directory, and make the folders above it again where they were removed meanwhile.

    Args:
        model: the trained model.
        place: the place that was locked, see :func:`forecaster.artifact.lock.lock_directory`.

    Raises:
        ForecasterError: it could not be written there; the hint names the directory that holds it instead.
    """
    place = ModelPlace(place.real, place.real) if place.moved else place
    try:
        return save_model(model, place)
    except ForecasterError as error:
        failed = error
    if not place.real.parent.is_dir():
        with suppress(ForecasterError, OSError):
            place.real.parent.mkdir(parents=True)
            return save_model(model, place)
    refuge = _save_to_refuge(model, place.real.name)
    if not refuge:
        raise failed
    remove_leftovers(place, model.record)
    raise ForecasterError(failed.message, f"{failed.hint}; the model was put into '{refuge}'")


def _save_to_refuge(model: Model, name: str) -> Path | None:
    """Write the model into a new folder, in the first place that takes it; return the folder, None where none does."""
    for folder in (os.curdir, os.path.expanduser("~"), None):  # None: where temporary files go
        with suppress(OSError):
            refuge = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
            try:
                save_model(model, refuge)
                return refuge
            except ForecasterError:
                refuge.rmdir()
    return None
