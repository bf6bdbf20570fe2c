"""Checkpoints: the training runs of a fit that was cut off, so that they need not be trained again.

A fit repeats itself to the byte. So it is resumed by doing it again, all but what takes long: its training runs,
**numbered in the order in which they begin**. A run that was saved to its end is not trained but restored; the one that
was under way continues after its last saved epoch. The times that the fit read off the clock, to decide whether enough
was left for another network, are saved with them and replayed.

Whoever trains therefore calls :meth:`Checkpoints.begin_run` once for each run, in an order that depends on nothing but
the data, the settings and :meth:`Checkpoints.replayed_seconds`, and from one thread.

::

    .forecaster-model.checkpoint/
        fit        the fingerprint of the fit, see :mod:`forecaster.training.fingerprint`
        run-1      a training run, to its end or to one of its epochs: ``.npz``, read like a model's weights
        run-2      ...

Every file begins with the sha256 of the rest, and replaces an older one whole, see
:func:`forecaster.system.files.write_sealed`.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from forecaster.artifact.load import load_model
from forecaster.artifact.model import FitRecord, Model
from forecaster.artifact.names import BEGUN, MACHINE, RUN
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.siblings import checkpoint_files, fit_id, read_fit_start, remove_checkpoint
from forecaster.errors import DataError, DivergedError, ModelError, NotFoundError, SettingError
from forecaster.notes import Note
from forecaster.system.files import read_sealed, write_sealed
from forecaster.system.npz import read_arrays
from forecaster.system.typed_json import as_type
from forecaster.training.device import describe_machine
from forecaster.training.fingerprint import continues_own_result, describe_changes, refuse_other
from forecaster.words import setting

#: Time between two checkpoints, in times that the last one took to write: they take 2 % of the training.
INTERVAL = 50

#: Plain values, arrays and lists of arrays, by name.
Values = dict[str, Any]


class FitState(TypedDict):
    """State of the fit that is saved with each of its runs."""

    fit: str
    clock: float
    readings: tuple[float, ...]


class Checkpoints:
    """The checkpoints of one fit, handed to all that trains in it.

    As a context manager it removes, when an error ends the fit, checkpoints that are of no use to resume from.

    Args:
        directory: the model directory next to which they are written; None to write none.
        notes: appended to.
    """

    def __init__(self, directory: str | Path | ModelPlace | None, notes: list[Note]) -> None:
        self._place = None if directory is None else ModelPlace.of(directory)
        self._folder = None if self._place is None else self._place.checkpoint
        self._notes, self._resumed, self._warned, self._runs = notes, False, False, 0
        self._thread = threading.get_ident()
        self._readings: list[float] = []
        self._read = 0
        self._set_clock(0.0)
        self._cost, self._written = 0.0, time.monotonic()

    def __enter__(self) -> Checkpoints:
        """Return the checkpoints themselves."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Remove checkpoints that are of no use: nothing was trained yet, or the same error would come again."""
        again = isinstance(error, (DataError, SettingError, DivergedError))
        if self._folder and self._runs and error and (again or not checkpoint_files(self._folder)):
            remove_checkpoint(self._folder)

    def begin(self, fingerprint: Callable[[], str], resume: bool, in_place: bool = False) -> Model | None:
        """Begin a fit, or resume it.

        Args:
            fingerprint: returns the fingerprint of the fit, see :mod:`forecaster.training.fingerprint`.
            resume: continue from the checkpoints, or from the start if there are none; otherwise they are discarded
                once training begins.
            in_place: the fit trains the model in the directory further.

        Returns:
            The model, if the fit to resume was finished.

        Raises:
            SettingError, DataError, ModelError: see :func:`forecaster.training.fingerprint.refuse_other`.
        """
        if self._folder is None or self._place is None:
            if resume:
                raise SettingError(
                    "resume needs the model directory that the fit writes to", f"give {setting('directory')}"
                )
            return None
        self._fingerprint = fingerprint()
        if not resume:
            return None
        files, begun = checkpoint_files(self._folder), read_fit_start(self._folder)
        own = begun if begun and in_place and continues_own_result(begun, self._fingerprint) else self._fingerprint
        model = _finished_model(self._place.asked, fit_id(own))
        if model:
            self._notes.append(Note("resume", "nothing is left to do", "the same fit was finished"))
            return model
        if not files and not (self._folder / BEGUN).exists():
            nothing = f"there is no checkpoint of a fit into '{self._place}'"
            self._notes.append(Note("resume", "from the start", nothing, warning=True))
            return None
        refuse_other(begun, self._fingerprint)
        self._readings = max(((read_run(file) or {}).get("readings", []) for file in files), key=len, default=[])
        self._resumed = True
        self._notes.append(Note("resume", _how_far(files), f"checkpoint of {_date(self._folder)}"))
        return None

    def _discard(self, folder: Path) -> None:
        """Remove the checkpoints of an earlier fit, and note it."""
        files, begun = checkpoint_files(folder), read_fit_start(folder)
        if files:
            same = begun is not None and fit_id(begun) == fit_id(self._fingerprint)
            lost = f"{setting('resume', True)} would have continued it" if same else "it was of other data or settings"
            lost = "its fingerprint is damaged or absent" if begun is None else lost
            what = f"{_how_far(files)}, of {_date(folder)}"
            self._notes.append(Note("checkpoint", f"discarded: {what}", lost, warning=True))
        remove_checkpoint(folder)

    def _begin_first_run(self, folder: Path) -> None:
        """Write the fingerprint of the fit and the machine; if it is resumed, compare the machine instead."""
        parts = json.loads(self._fingerprint)
        parts[MACHINE] = describe_machine(parts["settings"].get("deterministic", False))
        self._begun = json.dumps(parts)
        if not self._resumed:
            self._discard(folder)
            self._write(folder / BEGUN, self._begun.encode)
            return
        before = json.loads(read_fit_start(folder) or self._begun)
        changed = describe_changes(before[MACHINE], parts[MACHINE])
        if changed:
            reason = "the weights may differ from those of an uninterrupted fit in their last digits"
            self._notes.append(Note("resume", f"begun with {changed}", reason, warning=True))

    def record(self) -> FitRecord:
        """Return the entries of the fit for the record of its model: its seconds, and its id if it has checkpoints."""
        record = FitRecord(seconds=round(self.clock(), 1))
        if self._folder is not None:
            record["fit"] = fit_id(self._fingerprint)
        return record

    def begin_run(self) -> SavedRun:
        """Return the saved state of the training run that begins now: the number of a run is its place in the order.

        Raises:
            RuntimeError: called from another thread than the one that began the fit, where runs have no order.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError(
                "the training runs of one fit are numbered in the order in which they begin, so all of them must begin "
                "in the thread that made its Checkpoints; give each parallel fit Checkpoints of its own"
            )
        self._runs += 1
        if self._folder is None:
            return SavedRun()
        path = self._folder / f"{RUN}{self._runs}"
        if self._runs == 1:
            self._begin_first_run(self._folder)
        values = read_run(path) if self._resumed and path.exists() else {}
        if values is None or (values and values["fit"] != fit_id(self._fingerprint)):
            values = {}
            self._notes.append(Note("checkpoint", "damaged", f"run {self._runs} is trained anew", warning=True))
        elif values:
            self._set_clock(values["clock"])
        return SavedRun(self, path, values)

    def clock(self) -> float:
        """Return the seconds that the fit has taken, those before it was resumed included, up to the checkpoint."""
        return time.monotonic() - self._began

    def replayed_seconds(self) -> float:
        """Return the seconds that the fit has taken; in a resumed fit those that this very call returned before."""
        if self._read == len(self._readings):
            self._readings.append(self.clock())
        self._read += 1
        self._set_clock(self._readings[self._read - 1])
        return self._readings[self._read - 1]

    def _set_clock(self, seconds: float) -> None:
        self._began = time.monotonic() - seconds

    @property
    def lose_nothing(self) -> bool:
        """True if all training is in a checkpoint, or was too little for one."""
        return not self._warned or bool(self._folder and checkpoint_files(self._folder))

    @property
    def due(self) -> bool:
        """True if the last write was long enough ago, compared with the time that it took."""
        return time.monotonic() - self._written >= INTERVAL * self._cost

    def save_run(self, path: Path, values: Callable[[], Values]) -> None:
        """Write the values of a run, and the fingerprint of the fit before them if it could not be written so far."""
        begun = path.with_name(BEGUN)
        if not begun.exists():
            self._write(begun, self._begun.encode)
        fit = {"fit": fit_id(self._fingerprint), "clock": self.clock(), "readings": self._readings[: self._read]}
        self._write(path, lambda: pack_values({**values(), **fit}))

    def _write(self, path: Path, content: Callable[[], bytes | memoryview]) -> None:
        """Write a file; if that fails, note it once and continue."""
        began = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, content())
        except (OSError, MemoryError) as error:
            if not self._warned:
                why = getattr(error, "strerror", None) or "out of memory"
                self._notes.append(Note("checkpoint", "cannot be written", f"{why}; training continues", warning=True))
            self._warned = True
        self._written = time.monotonic()
        self._cost = self._written - began


class SavedRun:
    """The saved state of one training run.

    Args:
        checkpoints: of the fit; None to save nothing.
        path: the file of the run.
        values: its saved values, by name; empty for a run that was not begun before.
    """

    def __init__(
        self, checkpoints: Checkpoints | None = None, path: Path = Path(), values: Values | None = None
    ) -> None:
        self.values, self._checkpoints, self._path = values or {}, checkpoints, path

    @property
    def over(self) -> bool:
        """True if it was saved at its end."""
        return bool(self.values.get("over"))

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return int(self.values.get("epoch", 0))

    def save_epoch(self, epoch: int, epochs: int, values: Callable[[], Values]) -> None:
        """Save the run at the end of an epoch, if a checkpoint is due."""
        if self._checkpoints and self._checkpoints.due:
            self._checkpoints.save_run(self._path, lambda: {**values(), "epoch": epoch, "epochs": epochs})

    def save_end(self, values: Values) -> None:
        """Save the run at its end."""
        if self._checkpoints:
            self._checkpoints.save_run(self._path, lambda: {**values, "over": True})


def pack_values(values: Values) -> memoryview:
    """Return values as ``.npz``: one entry for each array, and one with all else as the bytes of a JSON text."""
    arrays, plain = {}, {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            arrays |= {f"{name}/{number}": array for number, array in enumerate(value)}
        else:
            plain[name] = value
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, plain=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)
    return sink.getbuffer()


def read_run(path: Path) -> Values | None:
    """Return the values of a run's file; None if it is damaged."""
    content = read_sealed(path)
    if content is None:
        return None
    try:
        arrays = read_arrays(content)
        values: Values = json.loads(arrays.pop("plain").tobytes())
        as_type(FitState, values)
        for key, array in arrays.items():
            name, _, number = key.partition("/")
            if number:
                values.setdefault(name, []).append(array)
            else:
                values[key] = array
    except Exception:  # whatever libraries raise over a hostile file
        return None
    return values


def _finished_model(directory: Path, mark: str) -> Model | None:
    """Return the model of a directory if it is the result of the fit with this id, not interrupted."""
    try:
        model = load_model(directory)
    except (NotFoundError, ModelError):
        return None
    return model if model.record.get("fit") == mark and not model.record.get("interrupted") else None


def _how_far(files: list[Path]) -> str:
    """Return in words how far the saved training runs are."""
    if not files:
        return "before the first run"
    values = read_run(files[-1]) or {}
    until = "finished" if values.get("over") else f"after epoch {values.get('epoch')} of {values.get('epochs')}"
    return f"run {files[-1].name.removeprefix(RUN)} {until if values else 'damaged'}"


def _date(folder: Path) -> str:
    newest = max(file.stat().st_mtime for file in folder.iterdir())
    return datetime.fromtimestamp(newest).strftime("%Y-%m-%d %H:%M")
