"""The losses, a file each, or a file for those that differ in a word.

To add one, write its file, with its functions and a dict ``LOSSES`` of its :class:`~forecaster.losses.card.LossCard`,
and its line in :data:`MODULES`. Settings, network outputs, intervals and tests follow from there. Keras and NumPy are
imported inside functions: settings and help read the cards without them.

Every loss compares scaled targets (:mod:`forecaster.features.scaling`), so that a series of millions and one of
fractions count alike: errors are in deviations of their own series. Losses for counts keep the unit of the target;
what matters there is how likely each count was, which for large counts depends on their relative error.
"""

from __future__ import annotations

from importlib import import_module
from math import exp

from forecaster.losses.card import LossCard

#: The files, in the order of the help.
MODULES = (
    "point",
    "quantile",
    "gaussian",
    "student_t",
    "negative_binomial",
)

#: Keys are the choices of ``Config.loss``.
LOSSES: dict[str, LossCard] = {
    name: card for module in MODULES for name, card in import_module(f"{__name__}.{module}").LOSSES.items()
}


def relative_gain(loss: str, before: float, after: float) -> float:
    """Return the share by which a loss was lowered; for a likelihood, the share by which the deviations shrank.

    The logarithm of the deviation is a term of each likelihood, so ``1 - exp(after - before)`` is the share by which
    the deviations shrank of a forecast whose errors keep their shape.

    Args:
        loss: a key of :data:`LOSSES`, or ``direction``.
        before: the loss before training.
        after: the loss after training.

    Example:
        >>> relative_gain("mse", 2.0, 1.5)
        0.25
        >>> round(relative_gain("gaussian", 2.0, 1.5), 3)
        0.393
    """
    if loss in LOSSES and LOSSES[loss].is_likelihood:
        return 1 - exp(min(after - before, 700.0))
    return 1 - after / before if before else 0.0
