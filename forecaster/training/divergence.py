"""What makes a loss NaN or infinite: one reading far from the others, or the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import Config
from forecaster.data.columns.cell_values import as_written
from forecaster.data.panel.panel import Panel
from forecaster.errors import DivergedError
from forecaster.families import NETWORKS
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.windows import Windows
from forecaster.networks.optimizers import first_rate
from forecaster.words import join_with_or

if TYPE_CHECKING:
    import keras

#: What may be done, as a person is told, by the setting that it changes.
Remedies = Mapping[str, str]
#: Times as far from the median of its series as readings usually are, and at least so many deviations, from which on a
#: reading is suspected; covariates are clipped at 10.
FAR = 9.0
#: Median distance from the median of a normal variable, in deviations.
USUAL = 0.6745
#: Steps more than it took to diverge that training must go well without a reading, for that to be to blame.
MORE_STEPS = 20


@dataclass(frozen=True)
class Cell:
    """A number that windows are made of.

    Attributes:
        row: of :attr:`forecaster.features.windows.Windows.values`.
        channel: likewise; 0 is the target.
        several: what it is to blame for goes on without it, and ends only without other far ones too.
    """

    row: int
    channel: int
    several: bool = False


class Divergence(Exception):
    """A loss became NaN or infinite.

    Attributes:
        what: ``"training loss"`` or ``"validation loss"``.
        value: what it became.
        epoch: from 1 on.
        steps: optimisation steps of that epoch that were done.
        cell: what is to blame, where that is known.
    """

    def __init__(self, what: str, value: float, epoch: int, steps: int, cell: Cell | None = None) -> None:
        super().__init__(what, value, epoch, steps)
        self.what, self.value, self.epoch, self.steps, self.cell = what, value, epoch, steps, cell


def find_culprit(windows: Windows, fails: Callable[[Windows], bool]) -> Cell | None:
    """Return the reading farthest from the others, where without such ones nothing fails; None where something does.

    Args:
        windows: something fails with these.
        fails: whether it does with others.
    """
    cell, mended = _mended(windows)
    if cell is None or fails(mended):
        return None
    if np.count_nonzero(mended.values != windows.values) == 1:
        return cell
    return replace(cell, several=fails(_mended_at(cell, windows, mended)))


def _mended_at(cell: Cell, windows: Windows, mended: Windows) -> Windows:
    """Return the windows with one cell, and its placeholder, as it is where none is far."""
    alone, row = copy(windows), cell.row
    alone.values = windows.values.copy()
    alone.values[row, cell.channel] = mended.values[row, cell.channel]
    if windows.causal is not None and mended.causal is not None and cell.channel == 0:
        alone.causal = windows.causal.copy()
        alone.causal[row] = mended.causal[row]
    return alone


def _mended(windows: Windows) -> tuple[Cell | None, Windows]:
    """Return the cell that windows read and that is farthest from the others; and windows where none is far."""
    mended, read = copy(windows), _rows_read(windows)
    mended.values = windows.values.copy()
    mended.causal = None if windows.causal is None else windows.causal.copy()
    farthest, cell = FAR, None
    for a, b in pairwise(windows.offsets.tolist()):
        values = windows.values[a:b].astype(np.float64)
        middle = np.median(values, axis=0)
        away = np.abs(values - middle)
        usual = np.maximum(1.0, np.median(away, axis=0) / USUAL)
        low, high = middle - FAR * usual, middle + FAR * usual
        mended.values[a:b] = np.clip(values, low, high)
        if mended.causal is not None:
            mended.causal[a:b] = np.clip(mended.causal[a:b], low[0], high[0])
        times = np.where(read[a:b, None], away / usual, 0.0)
        if times.max() > farthest:
            row, channel = np.unravel_index(times.argmax(), times.shape)
            farthest, cell = float(times.max()), Cell(a + int(row), int(channel))
    return cell, mended


def _rows_read(windows: Windows) -> np.ndarray:
    """Return which rows some window holds, ``(rows,)`` bool."""
    edges = np.zeros(len(windows.values) + 1, np.int64)
    np.add.at(edges, windows.first - windows.lookback, 1)
    np.add.at(edges, windows.first + np.diff(windows.before) + windows.horizon - 1, -1)
    return np.cumsum(edges)[:-1] > 0


def find_cause(
    network: keras.Model, again: Callable[[Windows], Iterable[Any]], windows: Windows, steps: int
) -> tuple[int, Cell | None]:
    """Return the step at which training diverges, and the reading that is to blame; None where none is.

    A reading is to blame where the same steps, and as many more, go well once it is moved near the others.

    Args:
        network: what diverged.
        again: gives the network the state that an epoch began with, and returns the batches of that epoch, and those
            after it, made of some windows.
        windows: windows to learn from.
        steps: of the epoch, after which the loss was known to be NaN or infinite.
    """
    import tensorflow as tf

    one_step = tf.function(network.train_step, reduce_retracing=True)

    def diverging(some: Windows, most: int) -> int | None:
        network.reset_metrics()
        for number, batch in enumerate(islice(again(some), most), 1):
            try:
                loss = float(one_step(batch)["loss"])
            except tf.errors.InvalidArgumentError:  # see Trainer._fit
                return number
            if not math.isfinite(loss):
                return number
        return None

    step = diverging(windows, steps + 1)  # the last one may have spoilt the weights
    if step is None:
        return steps, None
    return min(step, steps), find_culprit(windows, lambda other: diverging(other, 2 * step + MORE_STEPS) is not None)


def describe_cell(panel: Panel, encoder: Encoder, cell: Cell) -> str:
    """Return, for a person, what a cell is: column, value, time and series.

    Args:
        panel: of the windows, row by row.
        encoder: of their covariates.
        cell: one of them.
    """
    future = len(panel.of_role("past"))
    known = [(channel, future + channel.place) for channel in encoder.known_channels for _ in range(channel.width)]
    past = [(channel, channel.place) for channel in encoder.past_channels for _ in range(channel.width)]
    name, value = panel.roles.target, float(panel.values[cell.row])
    if cell.channel:
        channel, place = [*known, *past][cell.channel - 1]
        name, value = channel.name, as_written(panel.covariates[cell.row, place], panel.columns[place].offset)
    return f"'{name}' is {value:g} at {panel.place(cell.row)}" + (", the farthest of several" if cell.several else "")


def repair_advice(cell: Cell) -> str:
    """Return, for a person, what to do about a cell that is to blame."""
    which = "such readings, or leave their cells empty" if cell.several else "that reading, or leave its cell empty"
    return f"see 'forecaster inspect'; correct {which}"


def remedies_of(config: Config, further: bool = False) -> Remedies:
    """Return what may keep a network finite beside a lower learning rate, and can be done.

    Args:
        config: the settings of the network.
        further: it is trained further, and what it is may not change.
    """
    ways = {"activation": "--activation tanh", "lookback": "a shorter --lookback", "segment": "a longer --segment"}
    done = {*NETWORKS[config.network].unread, *(("activation",) if config.activation == "tanh" else ())}
    found = {} if further else {name: way for name, way in ways.items() if name not in done}
    return found if config.clipnorm else {"clipnorm": "--clipnorm 1", **found}


def cause_of(
    found: Divergence,
    network: keras.Model,
    again: Callable[[Windows], Iterable[Any]],
    windows: Windows,
    described: Callable[[Cell], str],
    remedies: Remedies,
) -> tuple[str, str]:
    """Return for a person what diverged where and why, a reading or the learning rate, and what to do.

    Args:
        found: what diverged.
        network: likewise.
        again: see :func:`find_cause`.
        windows: windows to learn from.
        described: says what a cell is.
        remedies: from :func:`remedies_of`.
    """
    step, cell = found.steps, found.cell
    if cell is None:
        step, cell = find_cause(network, again, windows, step)
    where, rate = f"the {found.what} became {found.value} in epoch {found.epoch}, step {step}", first_rate(network)
    if cell is not None:
        return f"{where}; {described(cell)}: without readings so far from the others it stays finite", repair_advice(
            cell
        )
    ways = join_with_or(f"a --learning-rate below {rate:g}", remedies.get("clipnorm"), remedies.get("activation"))
    return f"{where}; no reading is to blame, so the learning rate of {rate:g} is", f"try {ways}"


def untrained_error(
    loss: float, cell: Cell | None, described: Callable[[Cell], str], remedies: Remedies
) -> DivergedError:
    """Return the error of a network whose validation loss is NaN or infinite before training."""
    message = f"the validation loss is {loss} before training has begun"
    if cell is not None:
        return DivergedError(f"{message}: {described(cell)}, too far from the other readings", repair_advice(cell))
    ways = [remedies[name] for name in ("activation", "lookback", "segment") if name in remedies]
    return DivergedError(
        f"{message}, and no reading is to blame", join_with_or(*ways or ["a fit anew, without --from"])
    )
