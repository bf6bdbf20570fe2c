"""Forecast beyond the output steps of a network by feeding its forecasts back."""

from __future__ import annotations

import numpy as np

from forecaster.engines.engine import CHUNK, Engine, Inputs


def roll_forward(engine: Engine, inputs: Inputs, horizon: int, steps: int, indicator: bool = False) -> np.ndarray:
    """Forecast a horizon of any length: cut where it is shorter than ``steps``, fed back where it is longer.

    After each run of the engine its point forecast is appended to the window, which moves forward by ``steps``, with
    the future features of those steps. Covariates known until the cutoff only repeat their last value.

    Args:
        engine: runs one direct forecast of ``steps`` steps.
        inputs: as for :meth:`Engine.run`, but ``future`` and ``outside``, ``(windows, ahead, features)``, cover the
            horizon; if the last run of the engine goes beyond the horizon, their last step is repeated.
        horizon: steps to forecast.
        steps: output steps of the engine.
        indicator: the last channel of ``past`` is 1 where the target was observed: a forecast counts as observed.

    Returns:
        np.ndarray: ``(windows, horizon, outputs)`` float32; ``(0, horizon, 1)`` for no windows.
    """
    parts = []
    for first in range(0, len(inputs["past"]), CHUNK):
        chunk = {name: array[first : first + CHUNK] for name, array in inputs.items()}
        parts.append(_roll_chunk(engine, chunk, horizon, steps, indicator))
    return np.concatenate(parts) if parts else np.zeros((0, horizon, 1), np.float32)


def _roll_chunk(engine: Engine, inputs: Inputs, horizon: int, steps: int, indicator: bool) -> np.ndarray:
    runs, found, inputs = -(-horizon // steps), [], dict(inputs)
    known = {name: _extend_steps(inputs.get(name), len(inputs["past"]), runs * steps) for name in ("future", "outside")}
    for run in range(runs):
        part = slice(run * steps, (run + 1) * steps)
        inputs |= {name: array[:, part] for name, array in known.items() if array.shape[2]}
        ahead = known["future"][:, part]
        found.append(engine.run(inputs))
        if run < runs - 1:
            inputs["past"] = _shift_window(inputs["past"], found[-1][:, :, :1], ahead, indicator)
    return np.concatenate(found, axis=1)[:, :horizon]


def _extend_steps(known: np.ndarray | None, windows: int, steps: int) -> np.ndarray:
    """Return what is known of ``steps`` steps, ``(windows, steps, features)``, repeating the last one."""
    if known is None or not known.shape[2]:
        return np.zeros((windows, steps, 0), np.float32)
    absent = steps - known.shape[1]
    return np.pad(known, ((0, 0), (0, absent), (0, 0)), mode="edge") if absent > 0 else known


def _shift_window(past: np.ndarray, forecast: np.ndarray, ahead: np.ndarray, indicator: bool) -> np.ndarray:
    """Return the windows moved forward over their forecast, ``(windows, steps, 1)``."""
    steps = forecast.shape[1]
    last = np.repeat(past[:, -1:, 1 + ahead.shape[2] :], steps, axis=1)
    if indicator:
        last[:, :, -1] = 1
    news = np.concatenate([forecast, ahead, last], axis=2)
    return np.concatenate([past, news], axis=1)[:, -past.shape[1] :]
