"""Run the pretrained network on windows of many lengths: blocks of one length in threads, steps beyond the decoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from forecaster.engines.engine import Engine
from forecaster.pretrained.inputs import LONGEST, Frame, make_frame
from forecaster.pretrained.network import MIDDLE, QUANTILES
from forecaster.pretrained.simple import NAMES, PAST, WINDOW, YEARS
from forecaster.system.limits import core_count

#: Rows up to which every row of a window is read; of a longer one the newest whole eights, so that few lengths differ.
EXACT, WHOLE = 128, 8
#: Likewise for windows that only tell how wide intervals must be, of which there are many, each of its own length.
ROUGH = 32
#: Numbers of a block at once, windows of it, and those of them that the network reads at once: bounds memory.
BLOCK_NUMBERS, BLOCK, NETWORK = 6_000_000, 256, 64
#: Threads that compute blocks at most, each of which takes memory; beyond some, they wait for Python.
THREADS = 4
#: Ranges of the window that a quantile is away from its extremes at most, more by the step over its rows.
FARTHEST = 2.0
#: How fast intervals grow beyond the decoded steps, as a power of the step, at least and at most; and the decoded step
#: from which that is measured.
GROWTH, MEASURED_FROM = (0.0, 0.6), 12


def rows_before(season: int) -> int:
    """Return the newest rows of a series that the network reads at most."""
    return PAST if season in YEARS else WINDOW


def rows_read(lengths: np.ndarray, season: int, rough: bool = False) -> np.ndarray:
    """Return the newest rows that are read of series of some lengths, ``(series,)`` int.

    Args:
        lengths: rows of each, ``(series,)``.
        season: the seasonal period in rows.
        rough: read whole :data:`ROUGH` rows of all but the shortest, so that fewer lengths differ.
    """
    read = np.minimum(lengths, rows_before(season))
    if rough:
        return np.where(read > 2 * ROUGH, read - read % ROUGH, read)
    return np.where(read > EXACT, read - read % WHOLE, read)


@dataclass(frozen=True)
class Cutoffs:
    """Cutoffs in series that are laid end to end.

    Attributes:
        values: ``(rows,)`` of all series.
        observed: likewise, bool.
        ends: ``(cutoffs,)``, the row after each.
        lengths: ``(cutoffs,)``, rows of its series known there.
    """

    values: np.ndarray
    observed: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray

    def only(self, which: np.ndarray) -> Cutoffs:
        """Return some of the cutoffs, by number or mask."""
        return Cutoffs(self.values, self.observed, self.ends[which], self.lengths[which])

    def windows(self, which: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the newest rows before some cutoffs and whether they were observed, ``(some, rows)`` each."""
        place = self.ends[which, None] - rows + np.arange(rows)
        return self.values[place].astype(float), self.observed[place]


def run_windows(engine: Engine, cutoffs: Cutoffs, season: int, steps: int, rough: bool = False) -> np.ndarray:
    """Return quantiles of what follows cutoffs.

    Args:
        engine: runs the network.
        cutoffs: where the windows end.
        season: the seasonal period in rows.
        steps: the horizon.
        rough: as of :func:`rows_read`.

    Returns:
        ``(cutoffs, steps, len(QUANTILES))`` float64.
    """
    found = np.empty((len(cutoffs.ends), steps, len(QUANTILES)))

    def run_block(block: tuple[np.ndarray, int]) -> None:
        which, rows = block
        found[which] = _run_block(engine, cutoffs, which, rows, season, steps)

    blocks = blocks_of(rows_read(cutoffs.lengths, season, rough), steps)
    with ThreadPoolExecutor(max(1, min(len(blocks), core_count(), THREADS))) as threads:
        list(threads.map(run_block, blocks))
    return found


def _run_block(engine: Engine, cutoffs: Cutoffs, which: np.ndarray, rows: int, season: int, steps: int) -> np.ndarray:
    """Return the quantiles of some windows of one length, as :func:`run_windows` does."""
    window, seen = cutoffs.windows(which, rows)
    frame = make_frame(window, seen, season, steps)
    parts = (slice(first, first + NETWORK) for first in range(0, len(which), NETWORK))
    output = [engine.run({name: array[part] for name, array in frame.inputs.items()}) for part in parts]
    quantiles = quantiles_of(frame, np.concatenate(output).astype(float), season if rows >= season + 2 else 1)
    newest = window[:, -WINDOW:]
    low, high = newest.min(axis=1)[:, None, None], newest.max(axis=1)[:, None, None]
    reach = FARTHEST * (high - low) * (1 + np.arange(1, steps + 1) / newest.shape[1])[:, None]
    quantiles = np.clip(quantiles, low - reach, high + reach)
    still = np.ptp(window, axis=1) == 0
    quantiles[still] = window[still, -1, None, None]
    return quantiles


def blocks_of(read: np.ndarray, steps: int) -> list[tuple[np.ndarray, int]]:
    """Return the numbers of windows of one length, and this length, the longest first, which take the most time.

    They do not depend on the number of threads, so that no rounding does.
    """
    most = max(1, min(BLOCK, BLOCK_NUMBERS // (max(steps, LONGEST) * 200)))
    found = []
    for rows in np.unique(read)[::-1].tolist():
        which = np.flatnonzero(read == rows)
        found += [(some, rows) for some in np.array_split(which, -(-len(which) // most))]
    return found


def quantiles_of(frame: Frame, output: np.ndarray, season: int) -> np.ndarray:
    """Return the quantiles of every step in units of the series, ``(windows, steps, len(QUANTILES))``.

    A step beyond those that are decoded takes over trust, correction and widths from the decoded step of the same phase
    of the season, the last one where there is no season, and its widths grow on as a power of the step.

    Args:
        frame: what the network has read.
        output: what it gave, ``(windows, LONGEST, OUTPUTS)``.
        season: the seasonal period in rows.
    """
    steps = frame.blend.shape[1]
    decoded = output[:, : min(steps, LONGEST), : len(QUANTILES)]
    if steps > LONGEST:
        source, step = source_steps(steps, season), np.arange(LONGEST, steps)
        trust = output[:, source, len(QUANTILES) : len(QUANTILES) + len(NAMES)]
        middle = (trust * frame.gaps[:, LONGEST:]).sum(axis=2) + output[:, source, -1]
        away = decoded[:, source] - decoded[:, source, MIDDLE, None]
        width = decoded[:, :, -3] - decoded[:, :, 2]
        per = max(season, 4) if season <= MEASURED_FROM else MEASURED_FROM
        early, late = width[:, MEASURED_FROM - per : MEASURED_FROM].mean(axis=1), width[:, -per:].mean(axis=1)
        power = np.log(np.maximum(late, 1e-12) / np.maximum(early, 1e-12)) / np.log(LONGEST / MEASURED_FROM)
        growth = ((step + 1) / (source + 1)) ** np.clip(power, *GROWTH)[:, None]
        decoded = np.concatenate([decoded, middle[:, :, None] + away * growth[:, :, None]], axis=1)
    return np.asarray(frame.blend[:, :, None] + frame.error[:, None, None] * decoded)


def source_steps(steps: int, season: int) -> np.ndarray:
    """Return the decoded step, from 0, that each step beyond :data:`.inputs.LONGEST` follows."""
    beyond = np.arange(steps - LONGEST)
    return LONGEST - season + beyond % season if season <= LONGEST else np.full(len(beyond), LONGEST - 1)
