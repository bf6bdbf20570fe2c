"""Model: the result of training, and the content of a model directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.intervals.conformal import Conformal


@dataclass
class Model:
    """A trained model: all that predict, evaluate and plot need.

    Attributes:
        config: the settings as they were given.
        plan: the numbers decided from them and the data.
        ids: series that the scaler was fitted on, in its order.
        scaler: per-series scaling, fitted on training rows.
        encoder: encoding of the covariates, fitted on training rows.
        conformal: interval scores from the validation run.
        onnx: the network as ONNX.
        weights: the Keras weights by path.
        history: the newest rows of each series.
        record: training range, scores, notes, versions, device, command: for people and reports.
        ranges: smallest and largest reading of each series of the history, ``(series, 2)`` float64, where ``history``
            holds fewer rows than it was saved with; None where it holds all.
    """

    config: Config
    plan: Plan
    ids: tuple[str, ...]
    scaler: Scaler
    encoder: Encoder
    conformal: Conformal
    onnx: bytes
    weights: dict[str, np.ndarray]
    history: Panel
    record: dict[str, Any] = field(default_factory=dict)
    ranges: np.ndarray | None = None

    @property
    def network(self) -> str:
        """The name of the network that forecasts; with ``network="auto"`` the names of those that were kept."""
        if self.config.network != "auto":
            return self.config.network
        return " + ".join(member.name for member in self.plan.members)
