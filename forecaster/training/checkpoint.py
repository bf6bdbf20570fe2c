"""Checkpoints: what a fit that was cut off has trained already, and need not train again.

A fit repeats itself to the byte. So it is resumed by doing it again, all but what takes long: its training runs,
numbered in the order in which they begin. A run that was kept to its end is not trained but restored; the one that was
under way goes on after the last epoch that was kept. What the fit read off the clock, to know whether time was left for
another network, is kept with them, and read again.

::

    .forecaster-model.checkpoint/
        fit        what the fit was begun with, see :mod:`forecaster.training.fingerprint`
        run-1      a training run, to its end or to one of its epochs: ``.npz``, read as a model's weights are
        run-2      ...

Every file begins with the sha256 of the rest, and takes the place of an older one whole, see
:func:`forecaster.system.files.write_sealed`.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from forecaster.artifact.load import load_model
from forecaster.artifact.model import Model
from forecaster.artifact.names import BEGUN, MACHINE, RUN
from forecaster.artifact.npz import read_arrays
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.siblings import checkpoint_files, fit_id, read_fit_start, remove_checkpoint
from forecaster.errors import DataError, DivergedError, ModelError, NotFoundError, SettingError
from forecaster.notes import Note
from forecaster.system.files import read_sealed, write_sealed
from forecaster.system.typed_json import as_type
from forecaster.training.device import describe_machine
from forecaster.training.fingerprint import begins_on_own_result, describe_changes, refuse_other

#: Times as long as a checkpoint took to write, until the next one is written at the end of an epoch: 2 % of the time.
APART = 50

#: Plain values, arrays and lists of arrays, by name.
Values = dict[str, Any]


class Kept(TypedDict):
    """What is kept of the fit with each of its runs."""

    fit: str
    clock: float
    readings: tuple[float, ...]


class Checkpoints:
    """The checkpoints of one fit: of the training runs that begin while it is entered.

    Args:
        directory: the model directory beside which they lie; None to keep none.
        notes: what becomes of them is appended.
    """

    def __init__(self, directory: str | Path | ModelPlace | None, notes: list[Note]) -> None:
        self._place = None if directory is None else ModelPlace.of(directory)
        self._folder = None if self._place is None else self._place.checkpoint
        self._notes, self._resumed, self._warned, self._runs = notes, False, False, 0
        self._readings: list[float] = []
        self._read = 0
        self._set_clock(0.0)
        self._cost, self._written = 0.0, time.monotonic()

    def __enter__(self) -> Checkpoints:
        """Keep the training runs that begin from now on."""
        self._token = _UNDER_WAY.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Remove what it is no use to go on from: nothing was trained yet, or the same error would come again."""
        _UNDER_WAY.reset(self._token)
        again = isinstance(error, (DataError, SettingError, DivergedError))
        if self._folder and self._runs and error and (again or not checkpoint_files(self._folder)):
            remove_checkpoint(self._folder)

    def begin(self, fingerprint: Callable[[], str], resume: bool, in_place: bool = False) -> Model | None:
        """Begin a fit, or go on with it.

        Args:
            fingerprint: gives what it begins with, see :mod:`forecaster.training.fingerprint`.
            resume: go on from the checkpoints, from the start where there are none; else they are discarded once
                training begins.
            in_place: the fit trains the model in the directory further.

        Returns:
            The model, where the fit to be resumed was finished.

        Raises:
            SettingError, DataError, ModelError: see :func:`forecaster.training.fingerprint.refuse_other`.
        """
        if self._folder is None or self._place is None:
            if resume:
                raise SettingError("resume needs the model directory that the fit was to be saved in", "directory=...")
            return None
        self._fingerprint = fingerprint()
        if not resume:
            return None
        files, begun = checkpoint_files(self._folder), read_fit_start(self._folder)
        made = begun if begun and in_place and begins_on_own_result(begun, self._fingerprint) else self._fingerprint
        found = _finished(self._place.asked, fit_id(made))
        if found:
            self._notes.append(Note("resume", "nothing is left to do", "the same fit was finished"))
            return found
        if not files and not (self._folder / BEGUN).exists():
            nothing = f"nothing is kept of a fit into '{self._place}'"
            self._notes.append(Note("resume", "from the start", nothing, warning=True))
            return None
        refuse_other(begun, self._fingerprint)
        self._readings = max(((_read(file) or {}).get("readings", []) for file in files), key=len, default=[])
        self._resumed = True
        self._notes.append(Note("resume", _how_far(files), f"checkpoint of {_date(self._folder)}"))
        return None

    def _discard(self, folder: Path) -> None:
        """Remove what an earlier fit had trained, and say so."""
        files, begun = checkpoint_files(folder), read_fit_start(folder)
        if files:
            same = begun is not None and fit_id(begun) == fit_id(self._fingerprint)
            lost = "--resume would have gone on" if same else "it was of other data or settings"
            lost = "what it was begun with is damaged or absent" if begun is None else lost
            what = f"{_how_far(files)}, of {_date(folder)}"
            self._notes.append(Note("checkpoint", f"discarded: {what}", lost, warning=True))
        remove_checkpoint(folder)

    def _first_run(self, folder: Path) -> None:
        """Write what the fit begins with; or compare the machine, where it goes on."""
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
            reason = "the weights may differ in their last digits from those of an uninterrupted fit"
            self._notes.append(Note("resume", f"begun with {changed}", reason, warning=True))

    def record(self) -> dict[str, Any]:
        """Return what the model is to know of the fit: its seconds, and what tells it from others."""
        mark = {} if self._folder is None else {"fit": fit_id(self._fingerprint)}
        return {"seconds": round(self.clock(), 1), **mark}

    def next_run(self) -> Saved:
        """Return what was kept of the training run that begins now."""
        self._runs += 1
        if self._folder is None:
            return Saved()
        path = self._folder / f"{RUN}{self._runs}"
        if self._runs == 1:
            self._first_run(self._folder)
        values = _read(path) if self._resumed and path.exists() else {}
        if values is None or (values and values["fit"] != fit_id(self._fingerprint)):
            values = {}
            self._notes.append(Note("checkpoint", "damaged", f"run {self._runs} is trained anew", warning=True))
        elif values:
            self._set_clock(values["clock"])
        return Saved(self, path, values)

    def clock(self) -> float:
        """Return the seconds that the fit has taken; before it was resumed too, up to what was kept."""
        return time.monotonic() - self._began

    def elapsed(self) -> float:
        """Return the same, or what was returned at this place of the fit before it was resumed."""
        if self._read == len(self._readings):
            self._readings.append(self.clock())
        self._read += 1
        self._set_clock(self._readings[self._read - 1])
        return self._readings[self._read - 1]

    def _set_clock(self, seconds: float) -> None:
        self._began = time.monotonic() - seconds

    @property
    def lose_nothing(self) -> bool:
        """Whether what was trained is kept, or was too little yet to be kept."""
        return not self._warned or bool(self._folder and checkpoint_files(self._folder))

    @property
    def due(self) -> bool:
        """Whether the last writing was long enough ago, beside what it took."""
        return time.monotonic() - self._written >= APART * self._cost

    def keep(self, path: Path, values: Callable[[], Values]) -> None:
        """Keep values in a file, which is of no use without what the fit was begun with."""
        begun = path.with_name(BEGUN)
        if not begun.exists():
            self._write(begun, self._begun.encode)
        fit = {"fit": fit_id(self._fingerprint), "clock": self.clock(), "readings": self._readings[: self._read]}
        self._write(path, lambda: _packed({**values(), **fit}))

    def _write(self, path: Path, content: Callable[[], bytes | memoryview]) -> None:
        """Write a file; where that fails, say so once and go on."""
        began = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, content())
        except (OSError, MemoryError) as error:
            if not self._warned:
                why = getattr(error, "strerror", None) or "out of memory"
                self._notes.append(Note("checkpoint", "cannot be written", f"{why}; training goes on", warning=True))
            self._warned = True
        self._written = time.monotonic()
        self._cost = self._written - began


class Saved:
    """A training run: what was kept of it, and where more is kept.

    Args:
        store: the checkpoints that it belongs to; None to keep nothing.
        path: its file.
        values: what was kept, by name; empty where it begins.
    """

    def __init__(self, store: Checkpoints | None = None, path: Path = Path(), values: Values | None = None) -> None:
        self.values, self._store, self._path = values or {}, store, path

    @property
    def over(self) -> bool:
        """Whether it was kept to its end."""
        return bool(self.values.get("over"))

    @property
    def epoch(self) -> int:
        """The epochs that are done."""
        return int(self.values.get("epoch", 0))

    def keep(self, epoch: int, epochs: int, values: Callable[[], Values]) -> None:
        """Keep the run at the end of an epoch, where a checkpoint is due."""
        if self._store and self._store.due:
            self._store.keep(self._path, lambda: {**values(), "epoch": epoch, "epochs": epochs})

    def end(self, values: Values) -> None:
        """Keep the run at its end."""
        if self._store:
            self._store.keep(self._path, lambda: {**values, "over": True})


#: The checkpoints of the fit that is under way.
_UNDER_WAY: ContextVar[Checkpoints | None] = ContextVar("checkpoints", default=None)


def saved_state_of_next_run() -> Saved:
    """Return what was kept of the training run that begins now, by the fit that is under way."""
    store = _UNDER_WAY.get()
    return store.next_run() if store else Saved()


def replayed_elapsed_time() -> float:
    """Return the seconds that the fit under way has taken; see :meth:`Checkpoints.elapsed`."""
    store = _UNDER_WAY.get()
    return store.elapsed() if store else time.monotonic()


def _packed(values: Values) -> memoryview:
    """Return values as ``.npz``: each array for itself, all else as the bytes of one text."""
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


def _read(path: Path) -> Values | None:
    """Return the values of a file; None where it is damaged."""
    content = read_sealed(path)
    if content is None:
        return None
    try:
        arrays = read_arrays(content)
        values: Values = json.loads(arrays.pop("plain").tobytes())
        as_type(Kept, values)
        for key, array in arrays.items():
            name, _, number = key.partition("/")
            if number:
                values.setdefault(name, []).append(array)
            else:
                values[key] = array
    except Exception:  # whatever libraries raise over a hostile file
        return None
    return values


def _finished(directory: Path, mark: str) -> Model | None:
    """Return the model of a directory, where it is that of a certain fit, which was finished."""
    try:
        model = load_model(directory)
    except (NotFoundError, ModelError):
        return None
    return model if model.record.get("fit") == mark and not model.record.get("interrupted") else None


def _how_far(files: list[Path]) -> str:
    """Return in words how far the training runs are that were kept."""
    if not files:
        return "before the first run"
    values = _read(files[-1]) or {}
    until = "finished" if values.get("over") else f"after epoch {values.get('epoch')} of {values.get('epochs')}"
    return f"run {files[-1].name.removeprefix(RUN)} {until if values else 'damaged'}"


def _date(folder: Path) -> str:
    newest = max(file.stat().st_mtime for file in folder.iterdir())
    return datetime.fromtimestamp(newest).strftime("%Y-%m-%d %H:%M")
