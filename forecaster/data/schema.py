"""The roles of the columns of a table, and its covariates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from forecaster.system.typed_json import as_type


@dataclass(frozen=True)
class Roles:
    """The role of each column of a table; kept in the model, so that later tables are read in the same way.

    Attributes:
        time: name of the time column of forecasts; a column of the table, or ``time`` / ``step`` where the times are
            joined from several columns / count rows.
        target: name of the values that are forecast.
        series: name of the series column; None for a table of one series.
        time_columns: the columns that the time is split over; none where it is one column, or there is no time.
        targets: the columns that are forecast as series of a panel, where there are several; ``target`` and ``series``
            are then columns of the long table made of them.
        series_columns: the columns that the series id is joined from, where it is no column of the table.
        wide: ``no``, ``columns`` (a column is a series) or ``rows`` (a row is a series, under dates or positions).
        dates: ``day-first`` or ``month-first`` where the dates of the table needed it, else ``auto``.
        past: covariates known until the cutoff.
        future: covariates known beyond it.
        static: covariates of a series as a whole.
    """

    time: str
    target: str
    series: str | None = None
    time_columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    series_columns: tuple[str, ...] = ()
    wide: str = "no"
    dates: str = "auto"
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def covariates(self) -> tuple[str, ...]:
        """The covariates, the past ones first, then the future ones, then the static ones."""
        return (*self.past, *self.future, *self.static)

    def needed(self) -> tuple[str, ...] | None:
        """Return the columns that a table needs to be read in the same way; None for a wide one, which needs all."""
        if self.wide != "no":
            return None
        series = self.series_columns or ((self.series,) if self.series else ())
        return (*(self.time_columns or (self.time,)), *(self.targets or (self.target,)), *series, *self.covariates)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Roles:
        """Return the roles that :meth:`to_dict` wrote.

        Raises:
            ValueError: a key or a type is not that of roles.
        """
        return as_type(cls, plain, "roles")


#: Roles of covariates: known until the cutoff, known beyond it, the same in every row of a series.
COVARIATE_ROLES = ("past", "future", "static")


@dataclass(frozen=True)
class Column:
    """One covariate.

    Attributes:
        name: its column in the table.
        role: ``past``, ``future`` or ``static``.
        categories: the values of a column of text, in the order of their codes; None for a column of numbers.
        offset: subtracted from the numbers of a column that varies little about a large value, so that float32 is
            precise enough; 0 for others.
    """

    name: str
    role: str
    categories: tuple[str, ...] | None = None
    offset: float = 0.0
