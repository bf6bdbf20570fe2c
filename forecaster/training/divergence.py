"""The cause of a NaN or infinite loss: one reading far from the others, or the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
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
from forecaster.words import join_with_or, setting

if TYPE_CHECKING:
    import keras

#: Advice to a person, by the setting that it changes.
Remedies = Mapping[str, str]
#: Distance from the median of its series from which on a reading is suspected, in times of the usual distance and at
#: least in deviations; covariates are clipped at 10.
FAR = 9.0
#: Median distance from the median of a normal variable, in deviations.
USUAL = 0.6745
#: Steps beyond those to divergence that training must stay finite without a reading, for that reading to be the cause.
MORE_STEPS = 20


@dataclass(frozen=True)
class Cell:
    """One number of the values that windows are cut from.

    Attributes:
        row: of :attr:`forecaster.features.windows.Windows.values`.
        channel: of the same; 0 is the target.
        several: divergence persists without this cell, and ends only without other far ones too.
    """

    row: int
    channel: int
    several: bool = False


@dataclass(frozen=True)
class Advice:
    """The data and settings behind a network, in words for the messages of a divergence.

    Attributes:
        describe: returns a description of a cell of the windows.
        remedies: from :func:`remedies_of`.
    """

    describe: Callable[[Cell], str] = str
    remedies: Remedies = field(default_factory=dict)


class NonFiniteLossError(Exception):
    """A loss became NaN or infinite; caught by the trainer, which tries again or raises a DivergedError.

    Attributes:
        what: ``"training loss"`` or ``"validation loss"``.
        value: the loss.
        epoch: from 1 on.
        steps: optimisation steps of that epoch that were done.
        cell: the cause, if known.
    """

    def __init__(self, what: str, value: float, epoch: int, steps: int, cell: Cell | None = None) -> None:
        super().__init__(what, value, epoch, steps)
        self.what, self.value, self.epoch, self.steps, self.cell = what, value, epoch, steps, cell


def find_culprit(windows: Windows, fails: Callable[[Windows], bool]) -> Cell | None:
    """Return the reading farthest from the others, if nothing fails without the far ones; otherwise None.

    Args:
        windows: windows that fail.
        fails: returns True if other windows fail too.
    """
    cell, clipped = _clip_far_cells(windows)
    if cell is None or fails(clipped):
        return None
    if np.count_nonzero(clipped.values != windows.values) == 1:
        return cell
    return replace(cell, several=fails(_clip_cell(cell, windows, clipped)))


def _clip_cell(cell: Cell, windows: Windows, clipped: Windows) -> Windows:
    """Return the windows with one cell, and its placeholder, taken from the clipped windows."""
    alone, row = copy(windows), cell.row
    alone.values = windows.values.copy()
    alone.values[row, cell.channel] = clipped.values[row, cell.channel]
    if windows.causal is not None and clipped.causal is not None and cell.channel == 0:
        alone.causal = windows.causal.copy()
        alone.causal[row] = clipped.causal[row]
    return alone


def _clip_far_cells(windows: Windows) -> tuple[Cell | None, Windows]:
    """Return the farthest cell that windows read, None if none is far, and the windows with far cells clipped."""
    clipped, read = copy(windows), _rows_read(windows)
    clipped.values = windows.values.copy()
    clipped.causal = None if windows.causal is None else windows.causal.copy()
    farthest, cell = FAR, None
    for a, b in pairwise(windows.offsets.tolist()):
        values = windows.values[a:b].astype(np.float64)
        middle = np.median(values, axis=0)
        away = np.abs(values - middle)
        usual = np.maximum(1.0, np.median(away, axis=0) / USUAL)
        low, high = middle - FAR * usual, middle + FAR * usual
        clipped.values[a:b] = np.clip(values, low, high)
        if clipped.causal is not None:
            clipped.causal[a:b] = np.clip(clipped.causal[a:b], low[0], high[0])
        times = np.where(read[a:b, None], away / usual, 0.0)
        if times.max() > farthest:
            row, channel = np.unravel_index(times.argmax(), times.shape)
            farthest, cell = float(times.max()), Cell(a + int(row), int(channel))
    return cell, clipped


def _rows_read(windows: Windows) -> np.ndarray:
    """Return a mask of the rows that are in some window, ``(rows,)`` bool."""
    edges = np.zeros(len(windows.values) + 1, np.int64)
    np.add.at(edges, windows.first - windows.lookback, 1)
    np.add.at(edges, windows.first + np.diff(windows.before) + windows.horizon - 1, -1)
    return np.cumsum(edges)[:-1] > 0


def find_cause(
    network: keras.Model, replay: Callable[[Windows], Iterable[Any]], windows: Windows, steps: int
) -> tuple[int, Cell | None]:
    """Return the step at which training diverges, and the reading that causes it; None if no reading does.

    A reading is the cause if the same steps, and as many more, stay finite once it is moved near the others.

    Args:
        network: the network that diverged.
        replay: restores the network as of the beginning of the epoch, and returns the batches of that epoch and of
            those after it, made of the given windows.
        windows: the training windows.
        steps: the steps of the epoch after which the loss was NaN or infinite.
    """
    import tensorflow as tf

    one_step = tf.function(network.train_step, reduce_retracing=True)

    def find_diverging_step(some: Windows, most: int) -> int | None:
        network.reset_metrics()
        for number, batch in enumerate(islice(replay(some), most), 1):
            try:
                loss = float(one_step(batch)["loss"])
            except tf.errors.InvalidArgumentError:  # see Trainer._fit
                return number
            if not math.isfinite(loss):
                return number
        return None

    step = find_diverging_step(windows, steps + 1)  # the last one may have spoilt the weights
    if step is None:
        return steps, None
    return min(step, steps), find_culprit(
        windows, lambda other: find_diverging_step(other, 2 * step + MORE_STEPS) is not None
    )


def describe_cell(panel: Panel, encoder: Encoder, cell: Cell) -> str:
    """Return a description of a cell: column, value, time and series.

    Args:
        panel: the panel of the windows, row by row.
        encoder: of its covariates.
        cell: one of its cells.
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
    """Return the advice about a cell that causes divergence."""
    which = "such readings, or leave their cells empty" if cell.several else "that reading, or leave its cell empty"
    return f"see 'forecaster inspect'; correct {which}"


def remedies_of(config: Config, further: bool = False) -> Remedies:
    """Return the settings that may prevent divergence, besides a lower learning rate.

    Args:
        config: the settings of the network.
        further: the network is trained further, so that its architecture may not change.
    """
    ways = {
        "activation": setting("activation", "tanh"),
        "lookback": f"a shorter {setting('lookback')}",
        "segment": f"a longer {setting('segment')}",
    }
    done = {*NETWORKS[config.network].unread, *(("activation",) if config.activation == "tanh" else ())}
    found = {} if further else {name: way for name, way in ways.items() if name not in done}
    return found if config.clipnorm else {"clipnorm": setting("clipnorm", 1), **found}


def explain_divergence(
    found: NonFiniteLossError,
    network: keras.Model,
    replay: Callable[[Windows], Iterable[Any]],
    windows: Windows,
    advice: Advice,
) -> tuple[str, str]:
    """Return the place and cause of a divergence, a reading or the learning rate, and the hint.

    Args:
        found: the divergence.
        network: the network that diverged.
        replay: see :func:`find_cause`.
        windows: the training windows.
        advice: describes cells and names remedies.
    """
    step, cell = found.steps, found.cell
    if cell is None:
        step, cell = find_cause(network, replay, windows, step)
    where, rate = f"the {found.what} became {found.value} in epoch {found.epoch}, step {step}", first_rate(network)
    if cell is not None:
        why = f"{advice.describe(cell)}: without readings so far from the others it stays finite"
        return f"{where}; {why}", repair_advice(cell)
    lower, remedies = f"a {setting('learning_rate')} below {rate:g}", advice.remedies
    ways = join_with_or(lower, remedies.get("clipnorm"), remedies.get("activation"))
    return f"{where}; no reading is to blame, so the learning rate of {rate:g} is", f"try {ways}"


def untrained_error(loss: float, cell: Cell | None, advice: Advice) -> DivergedError:
    """Return the error of a network whose validation loss is NaN or infinite before training."""
    message = f"the validation loss is {loss} before training has begun"
    if cell is not None:
        return DivergedError(
            f"{message}: {advice.describe(cell)}, too far from the other readings", repair_advice(cell)
        )
    ways = [advice.remedies[name] for name in ("activation", "lookback", "segment") if name in advice.remedies]
    anew = f"a fit anew, without {setting('start')}"
    return DivergedError(f"{message}, and no reading is to blame", join_with_or(*ways or [anew]))
