"""Turn values of JSON into the types that a dataclass declares; nothing is guessed, coerced or left over."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

#: A whole number of 1 or more.
Natural = Annotated[int, 1]
#: Upper bound of whole numbers, so that float64 holds them and sums of a few stay below 2^63.
MOST = 1 << 53


def as_type(kind: Any, value: Any, where: str = "it") -> Any:
    """Return a value as a type: a list as a tuple, a dictionary as a dataclass, any other unchanged.

    Args:
        kind: ``bool``, ``int`` (0 or more), ``Annotated[int, least]``, ``float`` (finite), ``str``, ``Any``,
            ``tuple[X, ...]``, ``dict[str, X]``, ``X | None``, a dataclass, or several dataclasses, told apart by
            ``kind``, a class variable of each. The keys of a dictionary are the fields of its dataclass, those with a
            default being optional, and no others; for a ``TypedDict`` there may be more.
        value: as :func:`json.loads` returned it.
        where: name of the value, for the message.

    Raises:
        ValueError: it has another type or another key; the message names its place, ``plan.members[0].seed``.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        return _check(as_type(arguments[0], value, where), value >= arguments[1], f"{arguments[1]} or more", where)
    if origin in (Union, UnionType):
        return _as_one_of(arguments, value, where)
    if origin is tuple:
        _check(value, isinstance(value, list), "a list", where)
        return tuple(as_type(arguments[0], part, f"{where}[{i}]") for i, part in enumerate(value))
    if origin is dict:
        _check(value, isinstance(value, dict), "an object", where)
        return {as_type(str, key, where): as_type(arguments[1], part, f"{where}.{key}") for key, part in value.items()}
    if is_dataclass(kind) or is_typeddict(kind):
        return _as_dataclass(kind, value, where)
    return _PLAIN[kind](value, where)


def _as_one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    left = [kind for kind in kinds if kind is not NoneType]
    if len(left) > 1:
        name = value.get("kind") if isinstance(value, dict) else None
        left = [kind for kind in left if getattr(kind, "kind", MISSING) == name]
        _check(value, bool(left), "of a known kind", where)
    return as_type(left[0], value, where)


def _as_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    _check(value, isinstance(value, dict), "an object", where)
    if is_typeddict(kind):
        _check(value, value.keys() >= hints.keys(), f"with {', '.join(hints)}", where)
        return {key: as_type(hints.get(key, Any), part, f"{where}.{key}") for key, part in value.items()}
    declared = {field.name: field for field in fields(kind)}
    given = {key: part for key, part in value.items() if key != "kind" or "kind" in declared}
    own_kind = len(given) == len(value) or value["kind"] == getattr(kind, "kind", MISSING)
    _check(value, own_kind, "of another kind", where)
    needed = {f.name for f in declared.values() if f.default is MISSING and f.default_factory is MISSING}
    unknown, absent = sorted(given.keys() - declared.keys()), sorted(needed - given.keys())
    _check(value, not unknown, f"without {', '.join(map(repr, unknown[:3]))}", where)
    _check(value, not absent, f"with {', '.join(absent[:3])}", where)
    return kind(**{key: as_type(hints[key], part, f"{where}.{key}") for key, part in given.items()})


def _check(value: Any, valid: bool, expected: str, where: str) -> Any:
    if not valid:
        raise ValueError(f"{where} should be {expected}")
    return value


def _bool(value: Any, where: str) -> bool:
    return bool(_check(value, type(value) is bool, "true or false", where))


def _int(value: Any, where: str) -> int:
    return int(_check(value, type(value) is int and 0 <= value < MOST, "a whole number of 0 or more", where))


def _float(value: Any, where: str) -> float:
    number = type(value) is float or (type(value) is int and abs(value) < MOST)
    return float(_check(value, number and math.isfinite(value), "a number", where))


def _str(value: Any, where: str) -> str:
    plain = isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return str(_check(value, plain, "text", where))


_PLAIN = {bool: _bool, int: _int, float: _float, str: _str}
