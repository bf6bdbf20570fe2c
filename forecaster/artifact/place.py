"""The place of a model directory and of its siblings: lock, checkpoint, staging folders."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forecaster.errors import NotFoundError

#: How the name of a folder ends in which a model is being written.
STAGING = ".writing"


@dataclass(frozen=True)
class ModelPlace:
    """Where a model directory is or is to be, found once, so that links that are turned meanwhile change nothing.

    Attributes:
        asked: as a person wrote it, for messages.
        real: the same with no link in it.
    """

    asked: Path
    real: Path

    @classmethod
    def of(cls, directory: str | Path | ModelPlace) -> ModelPlace:
        """Return the place of a directory, which need not exist.

        Raises:
            NotFoundError: the current folder, in which it is, was removed.
        """
        if isinstance(directory, ModelPlace):
            return directory
        asked = Path(directory)
        try:
            return cls(asked, Path(os.path.realpath(asked)))
        except FileNotFoundError:
            gone = f"the current folder, with '{asked}' in it, was removed"
            raise NotFoundError(gone, "go to another one") from None

    def __str__(self) -> str:
        return str(self.asked)

    @property
    def lock(self) -> Path:
        """The file that a process holds locked while it writes the directory."""
        return self.real.with_name(f".{self.real.name}.lock")

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint of a fit into the directory."""
        return self.real.with_name(f".{self.real.name}.checkpoint")

    @property
    def moved(self) -> bool:
        """True where ``asked`` now leads elsewhere, or nowhere."""
        with suppress(NotFoundError):
            return ModelPlace.of(self.asked).real != self.real
        return True

    def make_staging(self) -> Path:
        """Make a folder next to the directory to write a model in.

        Raises:
            OSError: the system refuses it.
        """
        return Path(tempfile.mkdtemp(prefix=f".{self.real.name}.", suffix=STAGING, dir=self.real.parent))

    def staging_folders(self) -> Iterator[Path]:
        """Yield the folders of :meth:`make_staging` that are there."""
        name = re.compile(rf"\.{re.escape(self.real.name)}\.[a-z0-9_]{{8}}{STAGING}")  # as tempfile names them
        yield from (sibling for sibling in self.real.parent.iterdir() if name.fullmatch(sibling.name))
