"""Per-series scaling of the target, fitted on training rows only, undone on forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.errors import DataError
from forecaster.features.series_sums import CHUNK, SeriesSums, series_chunks
from forecaster.features.transforms import CHANGES, POSITIVE, TRANSFORMS, backward, best_powers, forward
from forecaster.words import setting

#: A series whose deviation is below this share of its level is constant in float64 and is scaled by 1.
CONSTANT = 1e-12
#: Interquartile range of a normal variable, in standard deviations.
QUARTILES = 1.349

#: Values of :attr:`Scaler.scaling`.
SCALINGS = ("standard", "robust", "seasonal", "none")
#: Arrays with one value per series.
_PARTS = ("center", "scale", "spread", "moves", "power", "unit")
_LEARNED = {"log": "logarithms", "box-cox": "a power (Box-Cox)", "return": "returns (changes of the logarithm)"}


@dataclass(frozen=True)
class Scaler:
    """A transformation, then ``(value - center) / scale`` for each series.

    With the level ``z = forward(y)`` of a target ``y``, see :func:`forecaster.features.transforms.forward`, the
    network learns

    - none, log, box-cox: ``x[t] = (z[t] - center) / scale``;
    - difference, return: ``x[t] = (z[t] - z[t - 1] - center) / scale``, the changes between neighbouring rows. The
      first row of a series has none: it is 0, an average change, and carries no loss.

    Forecasts are inverted in two steps, ``inverse = inverse_level(level(x))``, so that intervals can be put around the
    level, on which errors are measured. For step ``h = 1, 2, ...`` of a window:

    - none, log, box-cox: ``level = x[h]``, and ``z[h] = center + scale level``;
    - difference, return: ``level = x[1] + ... + x[h]``, and ``z[h] = anchor + h center + scale level``, where the
      ``anchor`` is the level of the row before the first step.

    Either way ``level`` is in units of ``scale``, and so is an error ``level(target) - level(forecast)``: it is
    ``(z of the target - z of the forecast) / scale``, whatever the anchor.

    Rows that were not observed are ignored in fitting, and so is a change to or from one. The network reads their
    placeholders instead; the changes to and from one still add up to the true change over it.

    Attributes:
        kind: one of :data:`forecaster.features.transforms.TRANSFORMS`.
        scaling: ``standard``, mean and standard deviation; ``robust``, median and interquartile range over 1.349, the
            standard deviation of a normal variable (or the standard deviation itself, where the quartiles are equal);
            ``seasonal``, mean and mean absolute seasonal change, so that an absolute error counts in each series as in
            MASE; or ``none``, 0 and 1, for counts.
        center: of each series, ``(series,)`` float64, in units of ``z``; of a change for differences and returns.
        scale: likewise; 1 where all values, or all changes, are equal.
        spread: mean absolute seasonal difference of the level ``z`` of each series in units of its scale, ``(series,)``
            float64: the unit in which forecast errors of different series are compared. 0 for a constant series.
        moves: mean absolute change of the level between neighbouring rows of each series in units of its scale,
            ``(series,)`` float64: how volatile it usually is.
        power: power of Box-Cox of each series, ``(series,)`` float64; unused by the other transformations.
        unit: unit of Box-Cox of each series, ``(series,)`` float64: its geometric mean.
    """

    kind: str
    scaling: str
    center: np.ndarray
    scale: np.ndarray
    spread: np.ndarray
    moves: np.ndarray
    power: np.ndarray
    unit: np.ndarray

    @classmethod
    def fit(
        cls, panel: Panel, transform: str, season: int, scaling: str = "standard", power: float | None = None
    ) -> Scaler:
        """Fit every part on the observed rows of each series of ``panel``.

        Args:
            panel: training rows; one row of a series is enough.
            transform: one of :data:`forecaster.features.transforms.TRANSFORMS`.
            season: seasonal period in steps.
            scaling: ``standard``, ``robust``, ``seasonal`` or ``none``.
            power: power of Box-Cox of series too short to fit one; by default the median of the others.

        Raises:
            DataError: the transformation needs a positive target, and a value is zero or negative.
        """
        count = len(panel)
        scaler = cls(transform, scaling, *(np.ones(count) for _ in _PARTS))
        if transform == "box-cox":
            scaler._refuse_nonpositive(panel, slice(0, len(panel.values)))
            scaler.power[:] = best_powers(panel, season, power)
        for series, rows, segments in series_chunks(panel.offsets):
            kept = _mask_fitted(panel.observed[rows], segments)
            if transform == "box-cox":
                logs = np.log(panel.values[rows].astype(np.float64))
                scaler.unit[series] = np.exp(segments.mean(logs, kept))
            levels = scaler._levels(panel, rows)
            found = _fit_parts(levels, panel.observed[rows], segments, season, scaler.changes, scaling)
            for part, value in zip(("center", "scale", "spread", "moves"), found, strict=True):
                getattr(scaler, part)[series] = value
        return scaler

    @property
    def changes(self) -> bool:
        """True if changes between rows are learned, so that an inverse needs anchors."""
        return self.kind in CHANGES

    def transform(self, panel: Panel) -> np.ndarray:
        """Return the scaled target, ``(rows,)`` float32, series by series in this scaler's order.

        Raises:
            DataError: the transformation needs a positive target, and a value is zero or negative; or a value is too
                far from the training values for float32.
        """
        scaled = np.empty(len(panel.values), np.float32)
        for first in range(0, len(scaled), CHUNK):
            rows = slice(first, min(first + CHUNK, len(scaled)))
            before = int(self.changes and first > 0)
            values = self._levels(panel, slice(first - before, rows.stop))
            if self.changes:
                values = np.diff(values, prepend=values[:0] if before else values[:1])
            with np.errstate(over="ignore"):
                values = (values - self._expand(panel, "center", rows)) / self._expand(panel, "scale", rows)
            if not np.abs(values).max(initial=0) < np.finfo(np.float32).max:
                raise _too_far_error(panel, first + int(np.abs(values).argmax()))
            scaled[rows] = values
        if self.changes:
            scaled[panel.offsets[:-1][panel.lengths > 0]] = 0
        return scaled

    def learned_rows(self, panel: Panel) -> np.ndarray:
        """Return a mask of the observed rows, ``(rows,)``, or of the changes with both ends observed."""
        if not self.changes:
            return panel.observed
        both = panel.observed.copy()
        both[1:] &= panel.observed[:-1]
        both[panel.offsets[:-1][panel.lengths > 0]] = False
        return both

    def anchors(self, panel: Panel, rows: np.ndarray | None = None) -> np.ndarray | None:
        """Return the level before the first step of forecasts; None if an inverse needs none.

        Args:
            panel: series by series in this scaler's order.
            rows: row of each window's first step, ``(windows,)`` int, never the first of its series; the level is of
                the row before. By default the ends of all series.

        Returns:
            np.ndarray: ``(windows,)`` float64, ``z`` of the row before, the placeholder where it was not observed.
        """
        if not self.changes:
            return None
        return forward(panel.values[(panel.offsets[1:] if rows is None else rows) - 1], self.kind)

    def level(self, scaled: np.ndarray) -> np.ndarray:
        """Return the level of forecasts, or of targets, in units of ``scale``, as the class defines it.

        Args:
            scaled: ``(windows, steps, ...)`` float, all steps from the first.

        Returns:
            np.ndarray: of the shape of ``scaled``; float64 if changes are summed, else ``scaled`` itself.
        """
        return np.cumsum(scaled, axis=1, dtype=np.float64) if self.changes else scaled

    def inverse_level(self, level: np.ndarray, series: np.ndarray, anchor: np.ndarray | None = None) -> np.ndarray:
        """Return the target for levels.

        Args:
            level: ``(windows, steps, ...)`` float, as :meth:`level` returns it.
            series: number of each window's series, ``(windows,)`` int.
            anchor: ``(windows,)`` float64 from :meth:`anchors`, if changes are learned.

        Returns:
            np.ndarray: of the shape of ``level``, float64, in the target's unit. Finite where ``level`` is: levels
            outside the range of the transformation are clipped to its edge, see
            :func:`forecaster.features.transforms.backward`.
        """
        targets, most = np.empty(level.shape), max(1, CHUNK // max(1, level[:1].size))
        for first in range(0, len(level), most):
            part = slice(first, first + most)
            targets[part] = self._invert(level[part], series[part], None if anchor is None else anchor[part])
        return targets

    def inverse(self, scaled: np.ndarray, series: np.ndarray, anchor: np.ndarray | None = None) -> np.ndarray:
        """Undo the scaling of forecasts: ``inverse_level(level(scaled))``.

        Args:
            scaled: ``(windows, steps, ...)`` float, all steps from the first; any shape where no changes are learned.
            series: number of each window's series, ``(windows,)`` int.
            anchor: ``(windows,)`` float64 from :meth:`anchors`.

        Returns:
            np.ndarray: of the shape of ``scaled``, float64, in the target's unit.
        """
        return self.inverse_level(self.level(scaled), series, anchor)

    def scaled(
        self, targets: np.ndarray, series: np.ndarray, anchor: np.ndarray | None, floor: np.ndarray
    ) -> np.ndarray:
        """Return forecasts in units of the network, which :meth:`inverse` undoes, ``(windows, steps)`` float32.

        Args:
            targets: ``(windows, steps)`` float in the target's unit, all steps from the first.
            series: number of each window's series, ``(windows,)`` int.
            anchor: ``(windows,)`` float64 from :meth:`anchors`.
            floor: ``(windows,)``, what a transformation that needs positive values takes for those below it.
        """
        of_series = (getattr(self, part)[series][:, None] for part in ("center", "scale", "power", "unit"))
        center, scale, power, unit = of_series
        if self.kind in POSITIVE:
            targets = np.maximum(targets, floor[:, None])
        level = forward(targets, self.kind, power, unit)
        if self.changes:
            assert anchor is not None, "changes are those from an anchor"
            level = np.diff(level, axis=1, prepend=anchor[:, None])
        largest = np.finfo(np.float32).max
        with np.errstate(over="ignore"):
            return np.clip((level - center) / scale, -largest, largest).astype(np.float32)

    def take(self, series: np.ndarray | slice) -> Scaler:
        """Return the scaler of some series, by numbers ``(n,)`` int or a mask ``(series,)`` bool."""
        return Scaler(self.kind, self.scaling, *(getattr(self, part)[series] for part in _PARTS))

    def matched(self, ids: Sequence[str], panel: Panel, season: int) -> Scaler:
        """Return the scaler of the series of a panel: known series keep theirs, new ones are fitted on their own rows.

        Args:
            ids: ids of the series of this scaler.
            panel: the series to scale.
            season: seasonal period in steps.

        Raises:
            DataError: the transformation needs a positive target, and a value of a new series is zero or negative.
        """
        known = {name: i for i, name in enumerate(ids)}
        places = np.array([known.get(name, -1) for name in panel.ids], np.int64)
        new = places < 0
        if not new.any():
            return self.take(places)
        power = float(np.median(self.power)) if len(self.power) else None
        own = Scaler.fit(panel.take_series(new), self.kind, season, self.scaling, power)
        joined = self.take(places)
        for part in _PARTS:
            getattr(joined, part)[new] = getattr(own, part)
        return joined

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        parts = _PARTS if self.kind == "box-cox" else _PARTS[:4]
        return {
            "transform": self.kind,
            "scaling": self.scaling,
            **{part: getattr(self, part).tolist() for part in parts},
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scaler:
        """Return the scaler that :meth:`to_dict` wrote.

        Raises:
            ValueError: a part is missing, unknown, or has invalid numbers.
        """
        kind, scaling = values["transform"], values["scaling"]
        parts = {
            name: np.array(part, np.float64) for name, part in values.items() if name not in ("transform", "scaling")
        }
        ones = np.ones(len(parts["center"]))
        expected = _PARTS if kind == "box-cox" else _PARTS[:4]
        same = all(part.shape == ones.shape and np.isfinite(part).all() for part in parts.values())
        if kind not in TRANSFORMS or scaling not in SCALINGS or parts.keys() != set(expected) or not same:
            raise ValueError(f"a scaler of {kind} must have the finite parts {', '.join(expected)}")
        if any((parts[name] <= 0).any() for name in ("scale", "unit") if name in parts):
            raise ValueError("a scale is not above 0")
        return cls(kind, scaling, *(parts.get(name, ones) for name in _PARTS))

    def _expand(self, panel: Panel, part: str, rows: slice) -> np.ndarray:
        """Return a part of the scaler for each of some rows, ``(rows,)``."""
        first = int(np.searchsorted(panel.offsets, rows.start, side="right")) - 1
        last = int(np.searchsorted(panel.offsets, rows.stop, side="left"))
        lengths = np.diff(np.clip(panel.offsets[first : last + 1], rows.start, rows.stop))
        return np.repeat(getattr(self, part)[first:last], lengths)

    def _levels(self, panel: Panel, rows: slice) -> np.ndarray:
        """Return the transformed level of some rows, ``(rows,)`` float64."""
        self._refuse_nonpositive(panel, rows)
        if self.kind != "box-cox":
            return forward(panel.values[rows], self.kind)
        power, unit = (self._expand(panel, part, rows) for part in ("power", "unit"))
        return forward(panel.values[rows], "box-cox", power, unit)

    def _invert(self, level: np.ndarray, series: np.ndarray, anchor: np.ndarray | None) -> np.ndarray:
        shape = (-1,) + (1,) * (level.ndim - 1)
        center, scale, power, unit = (
            part[series].reshape(shape) for part in (self.center, self.scale, self.power, self.unit)
        )
        if self.changes:
            assert anchor is not None, "changes add up from an anchor"
            steps = np.arange(1, level.shape[1] + 1).reshape((1, -1) + (1,) * (level.ndim - 2))
            center = np.asarray(anchor, np.float64).reshape(shape) + steps * center
        return backward(level * scale + center, self.kind, power, unit)

    def _refuse_nonpositive(self, panel: Panel, rows: slice) -> None:
        values = panel.values[rows]
        if self.kind not in POSITIVE or values.min(initial=np.inf) > 0:
            return
        row = rows.start + int(np.argmax(~(values > 0)))
        raise DataError(
            f"the model learned {_LEARNED[self.kind]}, but '{panel.roles.target}' is {panel.values[row]:g} at "
            f"{panel.place(row)}",
            f"fit again with {setting('transform', 'none')}",
        )


def _too_far_error(panel: Panel, row: int) -> DataError:
    return DataError(
        f"'{panel.roles.target}' is {panel.values[row]:g} at {panel.place(row)}, too far from the readings of the "
        "training for float32",
        "correct that reading, or fit again on readings like it",
    )


def _mask_fitted(observed: np.ndarray, segments: SeriesSums) -> np.ndarray:
    """Return a mask of the rows to fit on, ``(rows,)``: the observed ones, or all of a series without any."""
    return observed | segments.each(segments.reduce(np.add, observed) == 0)


def _fit_parts(
    levels: np.ndarray, observed: np.ndarray, segments: SeriesSums, season: int, changes: bool, scaling: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return center, scale, spread and moves of each series, ``(series,)`` float64."""
    kept = _mask_fitted(observed, segments)
    if changes:
        center, scale = _change_center_scale(levels, observed, segments, scaling)
        scale[scale <= CONSTANT * segments.mean(np.abs(levels), kept)] = 1.0
    elif scaling == "none":
        center, scale = np.zeros(len(segments.lengths)), np.ones(len(segments.lengths))
    else:
        center, scale = _center_scale(levels, kept, segments, scaling)
        if scaling == "seasonal":
            change = _seasonal_changes(levels, observed, segments, season)
            scale = np.where(change > CONSTANT * np.abs(center), change, scale)
        scale[scale <= CONSTANT * np.abs(center)] = 1.0
    spread = _seasonal_changes(levels, observed, segments, season) / scale
    moves = kept & (levels != segments.each(segments.first(levels, kept)))
    spread[(spread == 0) & (segments.reduce(np.add, moves) > 0)] = 1.0  # it changes, but repeats each season exactly
    return center, scale, spread, _seasonal_changes(levels, observed, segments, 1) / scale


def _change_center_scale(
    levels: np.ndarray, observed: np.ndarray, segments: SeriesSums, scaling: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return center and scale of the changes between observed neighbours, or between all where no two are observed."""
    later = segments.places() > 0
    pairs = later & observed & np.concatenate([[False], observed[:-1]])
    pairs |= later & segments.each(segments.reduce(np.add, pairs) == 0)
    center, scale = _center_scale(np.diff(levels, prepend=levels[:1]), pairs, segments, scaling)
    alone = segments.reduce(np.add, pairs) == 0
    return np.where(alone, 0.0, center), np.where(alone, 0.0, scale)


def _center_scale(
    values: np.ndarray, kept: np.ndarray, segments: SeriesSums, scaling: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return center and scale of the kept values of each series; the scale of a constant one is exactly 0."""
    first = segments.first(values, kept)
    shifted = values - segments.each(first)
    mean = segments.mean(shifted, kept)
    deviation = np.sqrt(segments.mean((shifted - segments.each(mean)) ** 2, kept))
    if scaling != "robust":
        return first + mean, deviation
    low, median, high = _quantiles(shifted, kept, segments)
    return first + median, np.where(high > low, (high - low) / QUARTILES, deviation)


def _quantiles(values: np.ndarray, kept: np.ndarray, segments: SeriesSums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return quartile, median and quartile of the kept values of each series, interpolated linearly."""
    ordered = np.where(kept, values, np.inf)
    for first, last in pairwise(segments.offsets.tolist()):
        ordered[first:last].sort()
    ordered[np.isinf(ordered)] = 0  # of a series without kept values
    most = np.maximum(segments.reduce(np.add, kept) - 1, 0)
    found = []
    for share in (0.25, 0.5, 0.75):
        low = np.floor(share * most).astype(np.int64)
        a, b = (ordered[segments.offsets[:-1] + np.minimum(rank, most)] for rank in (low, low + 1))
        found.append(a + (b - a) * (share * most - low))
    return found[0], found[1], found[2]


def _seasonal_changes(levels: np.ndarray, observed: np.ndarray, segments: SeriesSums, season: int) -> np.ndarray:
    """Return the mean absolute seasonal difference of each series, of lag 1 if it is no longer than a season."""
    lag = segments.each(np.where(segments.lengths > season, season, 1))
    before = np.maximum(np.arange(len(levels)) - lag, 0)
    pairs = (segments.places() >= lag) & observed & observed[before]
    return segments.mean(np.abs(levels - levels[before]), pairs)
