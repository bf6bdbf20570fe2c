"""The start of training: the mix of simple forecasts and the effect of known covariates that fit windows best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecaster.families.shapes import Shapes
from forecaster.features.direction_rule import STAY, Rule
from forecaster.features.gain_test import STEADY, gain_t_statistic, needed_share, stretches_of
from forecaster.features.windows import Windows
from forecaster.networks.initial.covariate_effect import Hinges, fit_hinges, hinge_values, random_hinges
from forecaster.networks.initial.mixing import best_mixes, blocks_of, mix_logits
from forecaster.networks.initial.simple_forecasts import simple_forecasts
from forecaster.networks.outputs import window_norm_of

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config

#: Windows that a mix is fitted to, and target steps that effects are fitted to; more windows are thinned.
MIX_WINDOWS, EFFECT_STEPS = 5_000, 12_000
#: Windows whose hinges are held at once, and rounds of fitting mix and effect in turn.
CHUNK, TURNS = 100, 3
#: Choices of ``Config.base`` that are a mix of the simple forecasts.
MIXES = ("mix", "gate")


@dataclass(frozen=True)
class Start:
    """The start of a network.

    Attributes:
        mix: weights of the simple forecasts of ``base="mix"`` and ``"gate"``, ``(blocks, candidates)``; None for
            another base.
        effect: effect of the known covariates; None without any.
        rule: classes of ``task="direction"``; None for values.
    """

    mix: np.ndarray | None = None
    effect: Hinges | None = None
    rule: Rule | None = None


def find_start(config: Config, shapes: Shapes, windows: Windows) -> Start:
    """Return the start that fits windows best.

    Args:
        config: ``task``, ``stay``, ``base``, ``window_norm`` and ``needed_gain`` are read.
        shapes: the shapes of the network.
        windows: training windows.
    """
    if config.task == "direction":
        return Start(rule=Rule.of_windows(windows, STAY if config.stay is None else config.stay))
    if shapes.known:
        return _start_with_effect(config, shapes, windows.thinned(max(100, EFFECT_STEPS // shapes.steps)))
    if config.base not in MIXES:
        return Start()
    few = windows.thinned(MIX_WINDOWS)
    errors, weights = (
        _stack_candidates(few.inputs()[:, :, 0].astype(float), config, shapes) - few.targets(),
        few.target_weights(),
    )
    return Start(significant_mixes(errors if weights is None else errors * np.sqrt(weights), few, config.needed_gain))


def significant_mixes(errors: np.ndarray, windows: Windows, share: float) -> np.ndarray:
    """Return the best mix of the simple forecasts, or the single one that it does not beat significantly.

    That one is the last value, unless another beats it significantly: steadily, or by a large share, for which few
    spans suffice: 9 % with five spans, 20 % with one. A mix is judged by the windows that it is fitted to.
    Where its ``k`` shares fit nothing but noise, the square of twice its ``t`` follows the chi-squared distribution
    with ``k`` degrees of freedom, as the Wald statistic does; :data:`~forecaster.features.gain_test.STEADY` requires
    16, which eight such shares reach once in twenty times. A large gain is easier to reach: of random walks of 10 to 30
    spans it lets a fifth to two fifths start from a mix, for the sake of series that revert to their mean.

    Args:
        errors: ``(candidates, windows, steps)``, the last value first, 0 where a target does not count.
        windows: the windows.
        share: required reduction of the squared error of one span.

    Returns:
        As :func:`best_mixes`.
    """
    block, alone = blocks_of(errors.shape[2]), np.eye(len(errors), dtype=np.float32)
    mixes = best_mixes(errors)
    best = alone[int(np.argmin((errors**2).mean(axis=(1, 2))))]
    chosen, before = np.broadcast_to(alone[0], mixes.shape), (errors[0] ** 2).mean(axis=1)
    needed = needed_share(share, len(np.unique(stretches_of(windows))))
    for mix in (np.broadcast_to(best, mixes.shape), mixes):
        after = (np.einsum("sc,cns->ns", mix[block], errors) ** 2).mean(axis=1)
        large = before.mean() - after.mean() > needed * before.mean()
        if large or gain_t_statistic(before, after, windows) >= STEADY:
            chosen, before = mix, after
    return chosen


def set_start(network: keras.Model, start: Start) -> None:
    """Set the start of a network from :func:`forecaster.networks.factory.build_network`."""
    values = {}
    if start.mix is not None:
        values = dict.fromkeys(("mix/logits", "gate/logits"), mix_logits(start.mix))
    if start.effect is not None:
        values |= {f"effect/{name}": value for name, value in start.effect.arrays().items()}
    for variable in network.weights:
        if variable.path in values:
            variable.assign(values[variable.path])


def _start_with_effect(config: Config, shapes: Shapes, windows: Windows) -> Start:
    """Fit mix and effect in turn, each to what the other leaves over."""
    function = random_hinges(shapes.calendar, shapes.known)
    target, past = windows.targets().astype(np.float64), windows.inputs()[:, :, 0].astype(np.float64)
    weights = windows.target_weights()
    target[weights == 0 if weights is not None else np.zeros(target.shape, bool)] = np.nan
    simple = _stack_candidates(past, config, shapes)
    ahead, moved = _hinges_of(windows, function, config, shapes)
    mix, block = _mix_of(simple, target, windows, config.needed_gain), blocks_of(shapes.steps)
    for _ in range(TURNS):
        by = ahead - np.einsum("sc,cnsf->nsf", mix[block], moved)
        function = fit_hinges(function, by, target - np.einsum("sc,cns->ns", mix[block], simple))
        effect = function.shares[:, 0]
        mix = _mix_of(simple - moved @ effect, target - ahead @ effect, windows, config.needed_gain)
    return Start(mix.astype(np.float32) if config.base in MIXES else None, function)


def _mix_of(simple: np.ndarray, target: np.ndarray, windows: Windows, share: float) -> np.ndarray:
    return significant_mixes(np.nan_to_num(simple - target), windows, share)


def _stack_candidates(past: np.ndarray, config: Config, shapes: Shapes) -> np.ndarray:
    """Return the simple forecasts that a network starts from, ``(candidates, windows, steps)``."""
    found = simple_forecasts(past, shapes.steps, shapes.seasons)
    if config.base in MIXES:
        return np.stack(list(found.values()))
    last = found["last"]
    if config.base != "none":
        return np.stack([found.get(config.base, last)])
    mean = np.broadcast_to(past.mean(axis=1, keepdims=True), last.shape)
    return np.stack([{"last": last, "mean-std": mean}.get(window_norm_of(config), np.zeros_like(last))])


def _hinges_of(windows: Windows, function: Hinges, config: Config, shapes: Shapes) -> tuple[np.ndarray, np.ndarray]:
    """Return the hinges of the steps ahead, ``(windows, steps, hinges)``, and the simple forecasts of them.

    The latter are ``(candidates, windows, steps, hinges)``.
    """
    ahead, simple = [], []
    for first in range(0, len(windows), CHUNK):
        batch = windows.batch(np.arange(first, min(first + CHUNK, len(windows))))
        known = batch["past"][:, :, 1 : 1 + shapes.features]
        past, future = (
            hinge_values(features, function.directions, function.places, shapes.known)
            for features in (known, batch["future"])
        )
        ahead.append(future)
        count, lookback, width = past.shape
        each = _stack_candidates(past.transpose(0, 2, 1).reshape(-1, lookback), config, shapes)
        simple.append(each.reshape(len(each), count, width, shapes.steps).transpose(0, 1, 3, 2))
    return np.concatenate(ahead), np.concatenate(simple, axis=1)
