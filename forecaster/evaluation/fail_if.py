"""Conditions on measures, such as ``skill<0 or coverage-80<75%``, that make a command fail.

::

    expression  =  clause { "or" clause }
    clause      =  condition { "and" condition }
    condition   =  name operator number
    operator    =  "<" | "<=" | ">" | ">=" | "==" | "!="
    number      =  a decimal number, or one with "%": 75% is 0.75
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from forecaster.errors import GateError, SettingError, nearest
from forecaster.evaluation.backtest import OWA_REFERENCE, REFERENCE
from forecaster.evaluation.metrics import METRICS, OF_LEVELS
from forecaster.words import setting

#: Measures against another model; alone they are against seasonal naive, as ``skill:drift`` against drift.
AGAINST = ("skill", "skill-lo", "skill-hi", "p-value")

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

_CONDITION = re.compile(
    rf"\s*(?P<name>[A-Za-z][^<>=!]*?)\s*(?P<sign>{'|'.join(OPERATORS)})"
    r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<percent>%?)\s*"
)
_EXAMPLE = "write a measure, a comparison and a number, such as: skill<0, or: mase>1 and coverage-80<75%"


@dataclass(frozen=True)
class Condition:
    """One comparison of a measure with a number."""

    name: str
    sign: str
    number: float
    text: str

    def holds(self, values: Mapping[str, float]) -> bool:
        """Return True if the comparison holds; never for a measure that is nan."""
        value = values.get(self.name, math.nan)
        return not math.isnan(value) and OPERATORS[self.sign](value, self.number)


@dataclass(frozen=True)
class FailIf:
    """An expression: it holds if one clause does, and a clause if all of its conditions do."""

    text: str
    clauses: tuple[tuple[Condition, ...], ...]

    @classmethod
    def of(cls, text: str, names: Collection[str]) -> FailIf:
        """Parse an expression.

        Args:
            text: the expression.
            names: the measures that will be computed.

        Raises:
            SettingError: it cannot be parsed, or names another measure.
        """
        clauses = [re.split(r"\s+and\s+", clause) for clause in re.split(r"\s+or\s+", text.strip())]
        return cls(text.strip(), tuple(tuple(_condition(part, text, names) for part in clause) for clause in clauses))

    def check_unseen(self, table: pd.DataFrame, model: str) -> None:
        """Raise GateError if a compared model was trained on rows of the backtest.

        Args:
            table: a backtest, with column ``seen``.
            model: the model that the conditions are about.

        Raises:
            GateError: a model was trained on some of the rows: its errors there are too small to count.
        """
        against = [c.name.partition(":")[2] for clause in self.clauses for c in clause]
        for name in dict.fromkeys([model, *against]):
            seen = table.loc[table["model"] == name, "seen"]
            if seen.any():
                who = "the network" if name == "network" else name
                raise GateError(
                    f"the gate cannot be checked: {who} was trained on {int(seen.sum()):,} of the {len(seen):,} rows",
                    f"use {setting('data')} with newer rows, or fit with {setting('holdout')}",
                )

    def check(self, values: Mapping[str, float]) -> None:
        """Raise GateError if the expression holds.

        Raises:
            GateError: it holds, or a measure it needs is not defined; the message has the measured values.
        """
        for clause in self.clauses:
            if all(condition.holds(values) for condition in clause):
                held = " and ".join(condition.text for condition in clause)
                raise GateError(f"the gate failed: {held}, measured {_measured(clause, values)}", "")
        for clause in self.clauses:
            undefined = [c.name for c in clause if math.isnan(values.get(c.name, math.nan))]
            if undefined and all(c.name in undefined or c.holds(values) for c in clause):
                raise GateError(
                    f"the gate cannot be checked: {undefined[0]} is not defined on these forecasts",
                    "add rows or origins, or use another measure",
                )


def measure_names(levels: Collection[int], others: Collection[str]) -> list[str]:
    """Return the names of :func:`named_measures`, before anything is measured.

    Args:
        levels: levels of the intervals.
        others: the models that a model is compared with; without seasonal naive and Naive2 there is no skill alone
            and no OWA.
    """
    single = [name for name in METRICS if name not in OF_LEVELS]
    of_levels = [f"{name}-{level}" for name in OF_LEVELS for level in levels]
    alone = [*(["owa"] if OWA_REFERENCE in others else []), *(AGAINST if REFERENCE in others else ())]
    return [*single, *of_levels, *alone, *(f"{name}:{other}" for other in others for name in AGAINST)]


def named_measures(summary: pd.DataFrame, tests: pd.DataFrame, model: str) -> dict[str, float]:
    """Return the measures of one model by the names of :func:`measure_names`.

    Args:
        summary: of :func:`forecaster.evaluation.summary.summarise`.
        tests: of :func:`forecaster.evaluation.significance.significance`.
        model: a name in them.
    """
    row = summary.set_index("model").loc[model]
    found = dict.fromkeys(AGAINST, math.nan) | {str(name): float(row[name]) for name in row.index}
    for test in tests[tests["model"] == model].to_dict(orient="records"):
        own = {name: float(test[name]) for name in AGAINST}
        found |= {f"{name}:{test['against']}": value for name, value in own.items()}
        if test["against"] == REFERENCE:
            found |= {name: value for name, value in own.items() if name != "skill"}
    return found


def _condition(part: str, text: str, names: Collection[str]) -> Condition:
    match = _CONDITION.fullmatch(part)
    if not match:
        where = f" at '{part.strip()}'" if part.strip() != text.strip() else ""
        raise SettingError(f"the condition '{text}' cannot be read{where}", _EXAMPLE)
    if match["name"] not in names:
        needed = {"owa": OWA_REFERENCE, **dict.fromkeys(AGAINST, REFERENCE)}.get(match["name"])
        if needed:
            raise SettingError(f"{match['name']} needs the baseline {needed}", f"add it to {setting('baselines')}")
        known = ", ".join(name for name in names if ":" not in name)
        raise SettingError(
            f"the condition '{text}' names no measure: '{match['name']}', expected one of {known}",
            nearest(match["name"], list(names)) or _EXAMPLE,
        )
    number = float(match["number"]) / (100 if match["percent"] else 1)
    return Condition(match["name"], match["sign"], number, " ".join(part.split()))


def _measured(clause: tuple[Condition, ...], values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {values[name]:.6g}" for name in dict.fromkeys(c.name for c in clause))
