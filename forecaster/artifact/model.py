"""Model: the result of training, and the content of a model directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.intervals.conformal import Conformal


class FitRecord(TypedDict, total=False):
    """What a manifest tells of the fit: all that training, fitting and the command line write there.

    Three of the keys are computed with and checked when a model is read, see
    :class:`forecaster.artifact.manifest.Record`. The rest is for people and reports: a manifest may lack them.

    Attributes:
        trained_from, trained_until: first and last time of the training rows.
        rows: number of rows of the panel.
        smallest: smallest value of the panel.
        scores: on the validation rows, see :func:`forecaster.intervals.calibration.score_validation`.
        epochs: ``loss`` and ``val_loss`` of each epoch of the first network.
        untrained_val_loss: validation loss before the first of them.
        best_epoch: the one that was kept, 0 for the untrained network.
        trained: some network kept trained weights.
        steps: optimisation steps of the kept epochs, of all networks.
        final: all networks were then trained on all rows.
        interrupted: Ctrl-C ended the training.
        members: a row for each network of an ensemble.
        pretrained: ``share`` of the pretrained network, and validation ``mase`` of it and of the trained ones alone.
        tried: a row for each candidate of ``network="auto"``.
        continued: of a model that was trained further: where it started from.
        notes: as of :meth:`forecaster.notes.Note.to_dict`.
        versions: of Python and of the packages that training used.
        seconds: duration of the fit.
        fit: its id, see :func:`forecaster.artifact.siblings.fit_id`.
        command: the command line, if there was one.
    """

    trained_from: str
    trained_until: str
    rows: int
    smallest: float
    scores: dict[str, Any]
    epochs: dict[str, list[float]]
    untrained_val_loss: float
    best_epoch: int
    trained: bool
    steps: int
    final: bool
    interrupted: bool
    members: list[dict[str, Any]]
    pretrained: dict[str, Any]
    tried: list[dict[str, Any]]
    continued: dict[str, Any]
    notes: list[dict[str, Any]]
    versions: dict[str, str]
    seconds: float
    fit: str
    command: str


@dataclass(frozen=True)
class PretrainedPart:
    """The pretrained network of a model, with which the trained one is averaged.

    Attributes:
        onnx: the network, fine-tuned or as it came.
        share: weight of its forecast, from 0 to 1.
        rows: newest rows of a series that it reads.
    """

    onnx: bytes
    share: float
    rows: int


def rows_to_read(plan: Plan, pretrained: PretrainedPart | None) -> int:
    """Return the rows before a cutoff that a forecast reads."""
    return max(plan.read_rows, pretrained.rows if pretrained else 0)


def why_not_pretrained(config: Config) -> str:
    """Return why no pretrained network can stand beside the trained one, empty if one can."""
    if config.task == "direction":
        return "it forecasts values, not directions"
    return f"the loss {config.loss} learns counts, in their own unit" if config.counts else ""


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
        record: training range, scores, notes, versions, command; keys of the manifest.
        pretrained: the pretrained network beside the trained one; None for none.
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
    record: FitRecord = field(default_factory=FitRecord)
    pretrained: PretrainedPart | None = None
    ranges: np.ndarray | None = None

    @property
    def read_rows(self) -> int:
        """Rows before a cutoff that a forecast reads."""
        return rows_to_read(self.plan, self.pretrained)

    @property
    def network(self) -> str:
        """The name of the network that forecasts; with ``network="auto"`` the names of those that were kept."""
        if self.config.network != "auto":
            return self.config.network
        return " + ".join(member.name for member in self.plan.members)
