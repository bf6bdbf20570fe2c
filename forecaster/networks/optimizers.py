"""Optimisers and their learning rate schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from forecaster.config import Config

#: Class of ``keras.optimizers`` by choice of ``Config.optimizer``.
OPTIMIZERS: dict[str, str] = {"rmsprop": "RMSprop", "adam": "Adam", "sgd": "SGD", "nadam": "Nadam"}

#: Share of the learning rate that half a cosine ends at.
LEAST_SHARE = 0.05
#: Share of the learning rate that training continues with after it has diverged.
LOWERED = 0.1


def constant_rate(learning_rate: float, decay_steps: int) -> float:
    """Return the learning rate unchanged."""
    return learning_rate


def cosine_decay(learning_rate: float, decay_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return half a cosine from ``learning_rate`` to a twentieth of it, which is kept afterwards.

    Loshchilov & Hutter 2017, SGDR: Stochastic gradient descent with warm restarts, arXiv:1608.03983, equation 5.
    """
    import keras

    return keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps, alpha=LEAST_SHARE)


def exponential_decay(learning_rate: float, decay_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return an exponential decay to a hundredth of ``learning_rate`` after ``decay_steps``."""
    import keras

    return keras.optimizers.schedules.ExponentialDecay(learning_rate, decay_steps, decay_rate=0.01)


#: Keys are the choices of ``Config.schedule``.
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": constant_rate,
    "cosine": cosine_decay,
    "exponential": exponential_decay,
}


def build_optimizer(config: Config, decay_steps: int) -> keras.optimizers.Optimizer:
    """Return the optimiser of the settings.

    Args:
        config: ``optimizer``, ``learning_rate``, ``schedule`` and ``clipnorm`` are read.
        decay_steps: optimisation steps over which a falling schedule falls.
    """
    import keras

    rate = SCHEDULES[config.schedule](config.learning_rate, max(1, decay_steps))
    return getattr(keras.optimizers, OPTIMIZERS[config.optimizer])(learning_rate=rate, clipnorm=config.clipnorm)


def first_rate(network: keras.Model) -> float:
    """Return the learning rate of a network at the start of training."""
    rate = network.optimizer._learning_rate
    return float(getattr(rate, "initial_learning_rate", rate))


def lower_rate(network: keras.Model) -> None:
    """Multiply the current learning rate of a network by :data:`LOWERED`."""
    rate = network.optimizer._learning_rate
    if hasattr(rate, "initial_learning_rate"):
        rate.initial_learning_rate *= LOWERED
        network.train_function = None  # it was traced with the schedule as it was
    else:
        rate.assign(LOWERED * rate)
