"""The columns of a table: the role of each, and the covariates among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from forecaster.system.typed_json import as_type


@dataclass(frozen=True)
class Roles:
    """Which column of a table holds what; kept in the model, so that later tables are read in the same way.

    Attributes:
        time: name of the time column of forecasts; a column of the table, or ``time`` / ``step`` where the times are
            made of several columns / count rows.
        target: name of what is forecast.
        series: name of the series column; None for a table of one series.
        time_columns: the columns that the time is split over; none where it is one column, or there is no time.
        targets: the columns that are forecast as series of a panel, where there are several; ``target`` and ``series``
            are then columns that are made of them.
        series_columns: the columns that the series id is made of, where it is no column of the table by itself.
        wide: ``no``, ``columns`` (a column is a series) or ``rows`` (a row is a series, under dates or positions).
        dates: ``day-first`` or ``month-first`` where the table's dates needed it, else ``auto``.
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
        """Return the columns that a table must have to be read in the same way; None for a wide one, which has all."""
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


#: Flags of what every table has, for which ``none`` is a name like any other.
_NEEDED = ("--time", "--target")


#: What a covariate may be: known until the cutoff, known beyond it, or the same in every row of a series.
COVARIATE_ROLES = ("past", "future", "static")


@dataclass(frozen=True)
class Column:
    """One covariate.

    Attributes:
        name: its column in the table.
        role: ``past``, ``future`` or ``static``.
        categories: the values of a column of text, in the order of their codes; None for a column of numbers.
        offset: what was taken from the numbers of a column that varies little about a large value, so that float32
            holds them; 0 for others.
    """

    name: str
    role: str
    categories: tuple[str, ...] | None = None
    offset: float = 0.0
