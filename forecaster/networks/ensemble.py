"""An ensemble: several trained networks as one Keras model, whose forecast is their weighted mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.networks.initial.mixing import best_mix

if TYPE_CHECKING:
    import keras


def build_ensemble(
    members: dict[str, keras.Model], shares: np.ndarray | None = None, spread: bool = False
) -> keras.Model:
    """Return networks that forecast the same steps of the same windows as one, not compiled.

    Its inputs are those of its members, by the same names; ``past`` has the longest of their lookbacks, of which each
    member reads the newest steps. Members keep their weights: training one of them changes the ensemble.

    Args:
        members: networks of :func:`forecaster.networks.factory.build_network`, by name.
        shares: weight of each member, ``(members,)``, none negative, sum 1; equal by default.
        spread: add an output to each step, the last one: the weighted standard deviation of the members' point
            forecasts, in their unit.

    Returns:
        keras.Model: ``(batch, steps, outputs)`` or ``(batch, steps, outputs + 1)``.
    """
    import keras

    from forecaster.networks.layers.ensemble import WeightedMean

    longest: dict[str, Any] = {}
    for network in members.values():
        for found in network.inputs:
            if found.name not in longest or found.shape[1] > longest[found.name].shape[1]:
                longest[found.name] = found
    given = {name: keras.Input(like.shape[1:], dtype=like.dtype, name=name) for name, like in longest.items()}
    forecasts = []
    for name, network in members.items():
        network.name = name
        forecasts.append(network([_newest_steps(given[own.name], own) for own in network.inputs]))
    shares = np.full(len(members), 1 / len(members)) if shares is None else shares
    mean = WeightedMean(shares, spread, name="ensemble")(forecasts)
    return keras.Model(list(given.values()), mean, name="ensemble")


def _newest_steps(given: Any, own: Any) -> Any:
    """Return the newest steps of an input, as many as a member reads."""
    return given if given.shape[1] == own.shape[1] else given[:, given.shape[1] - own.shape[1] :]


def weights_by_path(network: keras.Model) -> dict[str, keras.Variable]:
    """Return the weights of a network by path; those of an ensemble are prefixed with the name of the member."""
    import keras

    found: dict[str, keras.Variable] = {}
    for layer in network.layers:
        inside = isinstance(layer, keras.Model)
        found |= {f"{layer.name}/{v.path}" if inside else v.path: v for v in layer.weights}
    return found


def find_shares(errors: list[np.ndarray], kinds: list[Any], stretches: float) -> np.ndarray:
    """Return the weight of each member of an ensemble from its errors on validation windows.

    Members that differ only by seed are exchangeable and count alike. Kinds of members take the shares of least
    squared error (Bates & Granger 1969, The combination of forecasts, Operational Research Quarterly 20(4)), drawn
    towards equal shares, which few errors seldom improve on (Smith & Wallis 2009, A simple explanation of the forecast
    combination puzzle, Oxford Bulletin of Economics and Statistics 71(3)): by ``kinds / (kinds + stretches)``.

    Args:
        errors: of each member, ``(values,)``; 0 where nothing was observed.
        kinds: kind of each member; members of one kind differ only by seed.
        stretches: separate spans of one horizon that the windows cover.

    Returns:
        np.ndarray: ``(members,)`` float32, all positive, sum 1.
    """
    which = list(dict.fromkeys(kinds))
    counts = np.array([kinds.count(kind) for kind in which])
    together = [np.mean([e for e, k in zip(errors, kinds, strict=True) if k == kind], axis=0) for kind in which]
    drawn = len(which) / (len(which) + stretches)
    shares = (1 - drawn) * best_mix(together) + drawn / len(which)
    return np.array([shares[which.index(kind)] / counts[which.index(kind)] for kind in kinds], np.float32)
