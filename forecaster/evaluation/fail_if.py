"""Conditions on measures, such as ``skill<0 or coverage-80<75%``, under which a command shall fail.

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
        """Return whether the measure compares so; of one that is nan nothing holds."""
        value = values.get(self.name, math.nan)
        return not math.isnan(value) and OPERATORS[self.sign](value, self.number)


@dataclass(frozen=True)
class FailIf:
    """An expression: clauses of which one must hold, each of conditions that must all hold."""

    text: str
    clauses: tuple[tuple[Condition, ...], ...]

    @classmethod
    def of(cls, text: str, names: Collection[str]) -> FailIf:
        """Return the gate that a person wrote.

        Args:
            text: the expression.
            names: the measures there will be.

        Raises:
            SettingError: it cannot be read, or names another measure.
        """
        clauses = [re.split(r"\s+and\s+", clause) for clause in re.split(r"\s+or\s+", text.strip())]
        return cls(text.strip(), tuple(tuple(_condition(part, text, names) for part in clause) for clause in clauses))

    def check_unseen(self, table: pd.DataFrame, model: str) -> None:
        """Let a backtest pass whose model, and those that a condition names beside it, were not trained on its rows.

        Args:
            table: a backtest, with column ``seen``.
            model: whose measures are looked at.

        Raises:
            GateError: a model was trained on some of the rows: its errors there are too small to be believed.
        """
        against = [c.name.partition(":")[2] for clause in self.clauses for c in clause]
        for name in dict.fromkeys([model, *against]):
            seen = table.loc[table["model"] == name, "seen"]
            if seen.any():
                who = "the network" if name == "network" else name
                raise GateError(
                    f"the gate cannot be checked: {who} was trained on {int(seen.sum()):,} of the {len(seen):,} rows",
                    "use --data with newer rows, or fit with --holdout",
                )

    def check(self, values: Mapping[str, float]) -> None:
        """Let values pass of which the expression does not hold.

        Raises:
            GateError: it holds, or cannot be told because a measure is not defined; with what was measured.
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
                    "bring more rows or origins, or gate on another measure",
                )


def measure_names(levels: Collection[int], others: Collection[str]) -> list[str]:
    """Return the names that :func:`named_measures` gives, known before anything is measured.

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
            raise SettingError(f"{match['name']} needs the baseline {needed}", "add it to --baselines")
        known = ", ".join(name for name in names if ":" not in name)
        raise SettingError(
            f"the condition '{text}' names no measure: '{match['name']}', expected one of {known}",
            nearest(match["name"], list(names)) or _EXAMPLE,
        )
    number = float(match["number"]) / (100 if match["percent"] else 1)
    return Condition(match["name"], match["sign"], number, " ".join(part.split()))


def _measured(clause: tuple[Condition, ...], values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {values[name]:.6g}" for name in dict.fromkeys(c.name for c in clause))
