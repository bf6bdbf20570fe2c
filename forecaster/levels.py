"""Check levels of intervals, in percent, and name their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from forecaster.errors import SettingError


def check_levels(levels: Iterable[int]) -> None:
    """Refuse levels that are not whole numbers between 1 and 99.

    Raises:
        SettingError: names the level.
    """
    for level in levels:
        if level != int(level) or not 1 <= level <= 99:
            raise SettingError(
                f"level must be a whole number between 1 and 99, got {level}", "80 means an 80 % interval"
            )


def parse_levels(levels: int | Sequence[int]) -> tuple[int, ...]:
    """Return one level or several as a tuple of distinct whole numbers.

    Raises:
        SettingError: a level is not between 1 and 99, or is given twice.
    """
    levels = tuple(np.atleast_1d(np.asarray(levels)).tolist())
    check_levels(levels)
    levels = tuple(int(level) for level in levels)
    if len(set(levels)) < len(levels):
        raise SettingError(f"a level is given twice: {', '.join(map(str, levels))}")
    return levels


def level_columns(levels: Iterable[int]) -> list[str]:
    """Return the names of the interval columns of a forecast table: ``["lo-80", "hi-80", "lo-95", ...]``."""
    return [f"{end}-{level}" for level in levels for end in ("lo", "hi")]
