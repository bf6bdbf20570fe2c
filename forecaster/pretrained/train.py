"""Train the pretrained network on generated series: ``make pretrained``.

``python -m forecaster.pretrained.train steps=2000 seed=2 output=FOLDER`` changes a setting.

Everything follows from the seed: windows come in numbered shards, each from random numbers of its own, however many
processes make them. On the same machine the same command gives the same weights.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import SettingError
from forecaster.networks.keras import start_keras
from forecaster.pretrained.generator.draw import draw
from forecaster.pretrained.inputs import LONGEST, SHAPES, Frame, make_frame
from forecaster.pretrained.stored import LOG, TRAINED, write_network
from forecaster.system.native import environment_variables

if TYPE_CHECKING:
    import keras

#: Windows of a draw, and draws of a shard.
WINDOWS, DRAWS = 64, 16
#: Windows of a batch, windows that wait to be drawn, times that each is drawn, and shards kept apart to measure.
BATCH, WAITING, TIMES, KEPT_APART = 128, 24_000, 2, 8
#: Steps ahead of a batch: the fewest that hold the horizon.
BOXES = (12, 24, LONGEST)
#: Bound of the targets in errors of the blend.
CLIP = 20.0
#: Values from which on a series is not used.
LARGE = 1e9
#: Share of the windows that stand still at their end which are left out: there is hardly anything to learn from them.
STILL = 0.8
#: A window's weight is e / (e + this), e its blend's error in its deviations; otherwise few windows with hardly any
#: error would be all that counts.
SMALL_ERROR = 0.03
#: Optimisation steps before the learning rate falls, and between two lines of the log.
WARM_UP, LOGGED = 200, 500

Arrays = dict[str, np.ndarray]


def make_shard(seed: int, number: int, without: str = "") -> Arrays:
    """Return the windows of a shard: the network's inputs, ``target`` and ``weight``, ``(windows, LONGEST)`` each.

    Args:
        seed: of the training.
        number: of the shard.
        without: a kind of series that is left out, see :func:`forecaster.pretrained.generator.draw.make_series`.
    """
    random = np.random.default_rng([seed, number])
    parts = [_windows(random, without) for _ in range(DRAWS)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _windows(random: np.random.Generator, without: str) -> Arrays:
    drawn = draw(random, WINDOWS, without)
    usable = np.abs(drawn.values).max(axis=1) < LARGE
    drawn.values[~usable] = 0.0
    rows = drawn.values.shape[1] - drawn.horizon
    past, ahead = drawn.values[:, :rows], drawn.values[:, rows:]
    frame = make_frame(past, drawn.observed[:, :rows], drawn.season, drawn.horizon)
    target, weight = targets_of(frame, ahead, LONGEST)
    newest = past[:, -max(drawn.season, min(12, rows)) :]
    still = (np.ptp(newest, axis=1) == 0) & (random.random(len(past)) < STILL)
    arrays = {**frame.inputs, "target": target, "weight": weight}
    usable &= ~still
    for array in arrays.values():
        usable &= np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    return {name: array[usable].astype(np.float16) for name, array in arrays.items()}


def targets_of(frame: Frame, ahead: np.ndarray, box: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what came after windows in errors of their blend, and its weight, ``(windows, box)`` each.

    Args:
        frame: the windows.
        ahead: what came, ``(windows, horizon)``.
        box: steps, zeros after the horizon.
    """
    (count, horizon), error = ahead.shape, np.exp(frame.inputs["static"][:, 6])
    target, weight = np.zeros((2, count, box))
    with np.errstate(over="ignore"):  # of windows that stand still
        target[:, :horizon] = np.clip((ahead - frame.blend) / frame.error[:, None], -CLIP, CLIP)
    weight[:, :horizon] = (error / (error + SMALL_ERROR) / horizon)[:, None]
    return target, weight


@dataclass
class Pool:
    """Windows that wait to be drawn, by the steps of their batch; each is drawn :data:`TIMES` times."""

    random: np.random.Generator
    rows: dict[int, Arrays] = field(default_factory=dict)
    queue: dict[int, np.ndarray] = field(default_factory=dict)

    def waiting(self) -> int:
        """Return the windows that wait."""
        return sum(map(len, self.queue.values()))

    def add(self, shard: Arrays) -> None:
        """Shuffle the windows of a shard among those that wait."""
        for box, rows in split_by_steps(shard).items():
            keep, queue = np.unique(self.queue.get(box, np.zeros(0, int)), return_inverse=True)
            old = {name: array[keep] for name, array in self.rows[box].items()} if box in self.rows else {}
            self.rows[box] = {n: np.concatenate([old[n], array]) if old else array for n, array in rows.items()}
            new = np.arange(len(keep), len(self.rows[box]["target"]))
            self.queue[box] = self.random.permutation(np.concatenate([queue, *[new] * TIMES]))

    def batch(self) -> Arrays:
        """Return a batch of one number of steps."""
        sizes = {box: len(queue) for box, queue in self.queue.items() if len(queue) >= BATCH}
        boxes, counts = list(sizes), np.array(list(sizes.values()))
        box = boxes[self.random.choice(len(boxes), p=counts / counts.sum())]
        which, self.queue[box] = np.split(self.queue[box], [BATCH])
        return {name: array[which] for name, array in self.rows[box].items()}


def split_by_steps(shard: Arrays) -> dict[int, Arrays]:
    """Return windows by the steps of their batch, those after it cut off."""
    horizon = (shard["weight"] > 0).sum(axis=1)
    steps = np.array(BOXES)[np.searchsorted(BOXES, horizon)]
    found = {}
    for box in BOXES:
        rows = {name: array[steps == box] for name, array in shard.items()}
        found[box] = rows | {name: rows[name][:, :box] for name in ("future", "target", "weight")}
    return found


def inputs_of(rows: Arrays) -> tuple[Arrays, np.ndarray]:
    """Return the network's inputs, and targets with weights, ``(windows, steps, 2)``, in float32."""
    inputs = {name: rows[name].astype(np.float32) for name in SHAPES}
    return inputs, np.stack([rows["target"], rows["weight"]], axis=2).astype(np.float32)


def pinball_loss(actual: Any, output: Any) -> Any:
    """Return twice the quantile loss (Koenker & Bassett 1978, Econometrica 46(1)), ``(windows,)``.

    Args:
        actual: targets and weights, ``(windows, steps, 2)``.
        output: of the network, the quantiles first.
    """
    from keras import ops

    from forecaster.pretrained.network import QUANTILES

    missed = actual[:, :, :1] - output[:, :, : len(QUANTILES)]
    levels = ops.convert_to_tensor(QUANTILES, dtype="float32")
    loss = ops.mean(ops.maximum(levels * missed, (levels - 1) * missed), axis=-1)
    return 2 * ops.sum(loss * actual[:, :, 1], axis=-1)


def make_shards(seed: int, processes: int, without: str) -> Generator[Arrays, None, None]:
    """Yield shards 0, 1, 2, ... for ever, made by other processes, a few ahead."""
    one_thread: dict[str, str | None] = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with environment_variables(one_thread), ProcessPoolExecutor(processes, get_context("spawn")) as executor:
        ahead: list[Future[Arrays]] = []
        number = 0
        try:
            while True:
                while len(ahead) < 4 * processes:
                    ahead.append(executor.submit(make_shard, seed, number, without))
                    number += 1
                yield ahead.pop(0).result()
        finally:
            for future in ahead:
                future.cancel()


@dataclass(frozen=True)
class Training:
    """The settings of a training.

    Attributes:
        steps: optimisation steps.
        seed: of weights and windows.
        units: of the network, see :func:`forecaster.pretrained.network.build_pretrained`.
        width: likewise.
        processes: that make windows; any number gives the same weights.
        without: a kind of series that is left out.
        rate: the highest learning rate.
    """

    steps: int = 20_000
    seed: int = 1
    units: int = 128
    width: int = 96
    processes: int = 1
    without: str = ""
    rate: float = 2e-3


def train(how: Training, log: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Return the trained network, and a record of the training; the log gets a line every :data:`LOGGED` steps."""
    import keras

    from forecaster.pretrained.network import build_pretrained

    keras.utils.set_random_seed(how.seed)
    network = build_pretrained(how.units, how.width, steps=None)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, how.steps - WARM_UP), 0.0, "rate", how.rate, min(WARM_UP, how.steps)
    )
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1.0, use_ema=True, ema_momentum=0.995)
    network.compile(optimizer=optimizer, loss=pinball_loss)
    count = KEPT_APART if how.steps >= 10 * LOGGED else 1
    apart = [split_by_steps(make_shard(how.seed + 1_000_000, number)) for number in range(count)]
    pool, shards, shown = Pool(np.random.default_rng(how.seed)), make_shards(how.seed, how.processes, how.without), 0
    clock, busy, losses = time.perf_counter(), time.process_time(), []
    lines = [{"step": 0, "loss_apart": measure(network, apart)}]
    for step in range(1, how.steps + 1):
        while pool.waiting() < min(WAITING, 40 * how.steps):
            shard = next(shards)
            shown += len(shard["target"])
            pool.add(shard)
        losses.append(float(network.train_on_batch(*inputs_of(pool.batch()))))
        if step == how.steps:
            optimizer.finalize_variable_values(network.trainable_variables)
        if step % LOGGED == 0 or step == how.steps:
            minutes = {"minutes": (time.perf_counter() - clock) / 60, "processor": (time.process_time() - busy) / 60}
            found = {
                "step": step,
                "windows": shown,
                "loss": float(np.mean(losses)),
                "loss_apart": measure(network, apart),
            }
            lines.append({key: round(value, 4) for key, value in {**found, **minutes}.items()})
            losses = []
            log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shards.close()
    record = {
        "seed": how.seed,
        "steps": how.steps,
        "windows": shown,
        "parameters": network.count_params(),
        "log": lines,
    }
    return network, record


def measure(network: keras.Model, shards: list[dict[int, Arrays]]) -> float:
    """Return the mean loss over windows."""
    total = count = 0.0
    for shard in shards:
        for rows in shard.values():
            if len(rows["target"]):
                inputs, actual = inputs_of(rows)
                output = network(inputs, training=False)
                total += float(np.sum(pinball_loss(actual, output)))
                count += len(actual)
    return total / count


def main(given: list[str]) -> None:
    """Train and write the files of the network.

    Args:
        given: fields of :class:`Training` as ``NAME=VALUE``, and ``output=FOLDER``.

    Raises:
        SettingError: there is no such field, or its value is of another type.
    """
    values = dict(pair.partition("=")[::2] for pair in given)
    output = Path(values.pop("output", TRAINED))
    try:
        how = Training(**{name: type(getattr(Training, name))(value) for name, value in values.items()})
    except (AttributeError, ValueError) as error:
        names = ", ".join(each.name for each in fields(Training))
        raise SettingError(f"the training takes NAME=VALUE of {names} and output, got {given}") from error
    start_keras()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)  # whose sums come in one order, and windows have a core
    tf.config.threading.set_inter_op_parallelism_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    network, record = train(how, output / LOG)
    write_network(network, how.units, how.width, record, output)


if __name__ == "__main__":
    main(sys.argv[1:])
