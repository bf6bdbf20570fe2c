"""Encode covariates as channels of the network: filled from the past, standardised, categories one-hot.

Everything is fitted on the training rows; cells of later rows have no effect on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecaster.data.columns.cell_values import as_written
from forecaster.data.panel.panel import Panel
from forecaster.errors import ModelError
from forecaster.features.covariate_channels import (
    MOST_STATIC,
    Category,
    Channel,
    Number,
    Outside,
    Present,
    encode_cells,
    fill_forward,
    fit_channels,
    fit_presence,
)
from forecaster.notes import Note
from forecaster.system.typed_json import as_type
from forecaster.words import first_few

#: Most columns that :meth:`Encoder.outside_notes` describes.
_MOST = 5
_GROUPS = ("known_channels", "past_channels", "static_channels", "static_categories")


@dataclass(frozen=True)
class Encoder:
    """Covariates of a panel as channels.

    - A column of numbers is standardised by the mean and the standard deviation of its cells in the training rows of
      all series, after a signed logarithm if it is positive and spans more than three orders of magnitude, or if its
      skewness is above 3 and the logarithm removes a fifth of it. An empty cell takes the last value before it in its
      series, or the mean if there is none.
    - A column of categories has a channel for each of its 20 most frequent ones.
    - A past column with empty cells has one more channel, 1 where there is a value; columns that are empty together
      share it.
    - Static numbers are standardised over the series; static categories are numbered from 1, for embeddings.
    - A column that is constant in the training rows is left out; see :meth:`notes`.

    Attributes:
        columns: names of the covariates of the panel, in their order.
        known_channels: of the future covariates; ``place`` counts from the first of them.
        past_channels: of the past covariates.
        static_channels: of the static numbers.
        static_categories: of the static categories.
    """

    columns: tuple[str, ...]
    known_channels: tuple[Channel, ...]
    past_channels: tuple[Channel, ...]
    static_channels: tuple[Channel, ...]
    static_categories: tuple[Category, ...]

    @classmethod
    def fit(cls, panel: Panel) -> Encoder:
        """Return the encoder of the covariates of training rows."""
        past, future, static = (panel.of_role(role) for role in ("past", "future", "static"))
        cells, ahead = panel.covariates[:, : len(past)], panel.covariates[:, len(past) :]
        of_series = fit_channels(static, panel.static, MOST_STATIC)
        return cls(
            columns=tuple(column.name for column in panel.columns),
            known_channels=fit_channels(future, ahead),
            past_channels=fit_channels(past, cells) + fit_presence(past, cells),
            static_channels=tuple(channel for channel in of_series if not isinstance(channel, Category)),
            static_categories=tuple(channel for channel in of_series if isinstance(channel, Category)),
        )

    @property
    def known_width(self) -> int:
        """Channels of the future covariates."""
        return sum(channel.width for channel in self.known_channels)

    @property
    def past_width(self) -> int:
        """Channels of the past covariates."""
        return sum(channel.width for channel in self.past_channels)

    @property
    def static_width(self) -> int:
        """Channels of the static numbers."""
        return sum(channel.width for channel in self.static_channels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each static category, including 0 for an unknown one."""
        return tuple(channel.width + 1 for channel in self.static_categories)

    @property
    def needed(self) -> tuple[str, ...]:
        """Future covariates that a forecast requires; the others need not be given."""
        return tuple(channel.name for channel in self.known_channels)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Covariates without a channel: empty, or the same in all training rows."""
        channels = (channel for group in _GROUPS for channel in getattr(self, group))
        used = {channel.name for channel in channels if not isinstance(channel, Present)}
        return tuple(name for name in self.columns if name not in used)

    def known(self, panel: Panel) -> np.ndarray:
        """Return the future covariates, ``(rows, known_width)`` float32.

        Raises:
            ModelError: the panel has other covariates than those it was fitted on.
        """
        self._check(panel)
        return encode_cells(self.known_channels, panel.covariates[:, len(panel.of_role("past")) :], panel.offsets)

    def past(self, panel: Panel) -> np.ndarray:
        """Return the past covariates, ``(rows, past_width)`` float32.

        Raises:
            ModelError: the panel has other covariates than those it was fitted on.
        """
        self._check(panel)
        return encode_cells(self.past_channels, panel.covariates, panel.offsets)

    def ahead(self, beyond: np.ndarray, panel: Panel | None = None) -> np.ndarray:
        """Return future covariates after the end of each series, ``(series, steps, known_width)`` float32.

        Args:
            beyond: ``(series, steps, future)`` float32, see :class:`forecaster.data.panel.panel.Panel`; an empty cell
                takes the value of the step before it, or the mean if there is none.
            panel: the rows before them, which fill an empty first step.
        """
        empty = np.full((len(beyond), beyond.shape[2]), np.nan, np.float32)
        before = empty if panel is None else _newest_cells(panel)
        cells = np.concatenate([before[:, None], beyond], axis=1)
        series, steps, columns = cells.shape
        offsets = np.arange(series + 1, dtype=np.int64) * steps
        channels = encode_cells(self.known_channels, cells.reshape(series * steps, columns), offsets)
        return channels.reshape(series, steps, self.known_width)[:, 1:]

    def static(self, panel: Panel) -> np.ndarray:
        """Return the numbers of each series, ``(series, static_width)`` float32; an empty cell is 0, the mean.

        Raises:
            ModelError: the panel has other covariates than those it was fitted on.
        """
        self._check(panel)
        return encode_cells(self.static_channels, panel.static, np.arange(len(panel) + 1))

    def categories(self, panel: Panel) -> np.ndarray:
        """Return the categories of each series, ``(series, len(sizes))`` int32; 0 for an unknown or empty one.

        Raises:
            ModelError: the panel has other covariates than those it was fitted on.
        """
        self._check(panel)
        found = np.zeros((len(panel), len(self.static_categories)), np.int32)
        for i, channel in enumerate(self.static_categories):
            found[:, i] = channel.numbers(panel.static[:, channel.place])
        return found

    def notes(self) -> list[Note]:
        """Return a note on the covariates that are left out, none if there are none."""
        if not self.left_out:
            return []
        reason = "empty or the same in all rows before validation: the forecast does not depend on their values"
        return [Note("left out", first_few(list(self.left_out)), reason, warning=True)]

    def outside(self, panel: Panel, ahead: np.ndarray | None = None) -> dict[str, Outside]:
        """Return a summary of the cells outside the range of the training rows, by column of numbers.

        Args:
            panel: the rows to read, and those after them in ``beyond``.
            ahead: steps of ``beyond`` to read of each series, ``(series,)`` int; all by default.

        Raises:
            ModelError: the panel has other covariates than those it was fitted on.
        """
        self._check(panel)
        known = panel.covariates[:, len(panel.of_role("past")) :]
        if panel.beyond is not None:
            steps = panel.beyond.shape[1]
            inside = np.arange(steps) < (np.full(len(panel), steps) if ahead is None else ahead)[:, None]
            known = np.concatenate([known, panel.beyond[inside]])
        groups = (
            (self.past_channels, panel.covariates),
            (self.known_channels, known),
            (self.static_channels, panel.static),
        )
        numbers = [(c, cells) for channels, cells in groups for c in channels if isinstance(c, Number)]
        found = {channel.name: channel.outside(cells[:, channel.place]) for channel, cells in numbers}
        return {name: outside for name, outside in found.items() if outside}

    def outside_notes(self, panel: Panel, ahead: np.ndarray | None = None) -> list[Note]:
        """Return a note on the cells of :meth:`outside`, a warning if one is far outside or clipped."""
        found = self.outside(panel, ahead)
        if not found:
            return []
        channels = [*self.past_channels, *self.known_channels, *self.static_channels]
        numbers = {channel.name: channel for channel in channels if isinstance(channel, Number)}
        offsets = {column.name: column.offset for column in panel.columns}
        parts = []
        for name in sorted(found, key=lambda name: (not found[name].clipped, not found[name].far, -found[name].count)):
            own, cells = numbers[name], found[name]
            low, high, furthest = (f"{as_written(v, offsets[name]):.12g}" for v in (own.low, own.high, cells.furthest))
            clipped = f", {cells.clipped:,} of them clipped" if cells.clipped else ""
            parts.append(
                f"{name} was {low} to {high} in training, {cells.count:,} outside, such as {furthest}{clipped}"
            )
        total = sum(cells.count for cells in found.values())
        value = f"{total:,} cell{'s'[: total != 1]} of {first_few(list(found))}"
        reason = f"{'; '.join(parts[:_MOST])}: the network was not trained on such values"
        return [Note("outside", value, reason, any(cells.far or cells.clipped for cells in found.values()))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        groups = {
            group: [{"kind": channel.kind, **asdict(channel)} for channel in getattr(self, group)] for group in _GROUPS
        }
        return {"columns": list(self.columns), **groups}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Encoder:
        """Return the encoder that :meth:`to_dict` wrote.

        Raises:
            ValueError: a key or a type is not that of an encoder.
        """
        return as_type(cls, values, "encoder")

    def _check(self, panel: Panel) -> None:
        names = tuple(column.name for column in panel.columns)
        if names != self.columns:
            found, learned = (", ".join(names) or "none" for names in (names, self.columns))
            raise ModelError(
                f"the covariates are {found}, but the model was fitted on {learned}",
                "give a table with the columns that the model was fitted on",
            )


def _newest_cells(panel: Panel) -> np.ndarray:
    """Return the newest cell with a value of each future covariate, ``(series, future)`` float32, NaN without one."""
    cells = panel.covariates[:, len(panel.of_role("past")) :]
    starts = np.repeat(panel.offsets[:-1], panel.lengths)
    newest = np.empty((len(panel), cells.shape[1]), np.float32)
    for place in range(cells.shape[1]):
        newest[:, place] = fill_forward(cells[:, place], starts)[panel.offsets[1:] - 1]
    return newest
