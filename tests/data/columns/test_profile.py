from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.columns import cell_values, roles, time_parts
from forecaster.data.columns import profile as module
from forecaster.data.columns.cell_values import choose_offset, read_categories, read_covariate
from forecaster.data.columns.profile import ColumnProfile, Room, TableProfile
from forecaster.data.columns.raw_cells import count_distinct, distinct_values, numbers_of, sample_cells
from forecaster.data.columns.time_kinds import find_time_kind
from forecaster.data.panel.build import build_panel

# Columns of all kinds, by name, each of a given number of rows


def _texts(rng: np.random.Generator, rows: int) -> list[str]:
    return [f"{chr(97 + code)}x" for code in rng.integers(0, 5, rows)]


KINDS: dict[str, Callable[[np.random.Generator, int], object]] = {
    "float": lambda rng, rows: np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
    "float32": lambda rng, rows: (1e4 + rng.normal(size=rows)).astype(np.float32),
    "int": lambda rng, rows: rng.integers(0, 9, rows),
    "Int64": lambda rng, rows: pd.array([None, *rng.integers(0, 9, rows)][:rows], dtype="Int64"),
    "bool": lambda rng, rows: rng.random(rows) < 0.5,
    "complex": lambda rng, rows: rng.normal(size=rows) + 1j,
    "text": _texts,
    "category": lambda rng, rows: pd.Categorical(_texts(rng, rows)),
    "category of numbers": lambda rng, rows: pd.Categorical(rng.integers(0, 5, rows)),
    "string": lambda rng, rows: pd.array([*_texts(rng, rows)[:-1], None], dtype="string"),
    "numbers as text": lambda rng, rows: [f"{number:.2f}" for number in rng.normal(size=rows)],
    "zeros in front": lambda rng, rows: [f"{number:04}" for number in rng.integers(0, 99, rows)],
    "numbers and text": lambda rng, rows: rng.choice(np.array(["1", "2", "x"], object), rows),
    "empty": lambda rng, rows: [None] * rows,
    "blank": lambda rng, rows: [" "] * rows,
    "lists": lambda rng, rows: [[int(code)] for code in rng.integers(0, 3, rows)],
    "times": lambda rng, rows: pd.date_range("2024-01-01", periods=rows, freq="h"),
    "zoned": lambda rng, rows: pd.date_range("2024-01-01", periods=rows, freq="h", tz="Europe/Berlin"),
    "periods": lambda rng, rows: pd.period_range("2024-01", periods=rows, freq="M"),
    "durations": lambda rng, rows: pd.to_timedelta(rng.integers(0, 9, rows), "h"),
    "dates": lambda rng, rows: [datetime.date(2024, 1, 1) + datetime.timedelta(days=day) for day in range(rows)],
    "iso": lambda rng, rows: pd.date_range("2024-01-01", periods=rows).astype(str),
    "ordered": lambda rng, rows: pd.date_range("2024-01-01", periods=rows).strftime("%d/%m/%Y"),
    "digits": lambda rng, rows: pd.date_range("2024-01-01", periods=rows).strftime("%Y%m%d").astype(int),
    "months": lambda rng, rows: 202400 + rng.integers(1, 13, rows),
    "epoch": lambda rng, rows: 1_700_000_000 + 60 * np.arange(rows),
    "year": lambda rng, rows: rng.integers(1990, 2020, rows),
    "hour": lambda rng, rows: rng.integers(0, 24, rows),
    "month": lambda rng, rows: rng.choice(np.array(["Jan", "feb", "December"], object), rows),
    "step": lambda rng, rows: np.arange(rows),
    "no": lambda rng, rows: 5 + np.arange(rows),
}


def kind_of(column: pd.Series) -> str:
    """Return the kind of a column as it is defined, from its cells alone."""
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        return "time"
    if column.dtype.kind == "c":
        return "other"
    cells = list(sample_cells(column))
    if not cells:
        return "empty"
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return "number"
    if any(re.fullmatch(r"0\d+", str(cell).strip()) for cell in cells):
        return "text"
    if find_time_kind(column) not in (None, "step", "year"):
        return "time"
    return "number" if 2 * np.isnan(numbers_of(sample_cells(column))).sum() <= len(cells) else "text"


#: Every answer of a profile, and how to find it from the column alone.
ANSWERS: dict[str, Callable[[pd.Series], object]] = {
    "kind": kind_of,
    "time_kind": find_time_kind,
    "sample": sample_cells,
    "numbers": numbers_of,
    "distinct": distinct_values,
    "codes": lambda column: distinct_values(column)[0].astype(np.int64),
    "distinct_count": lambda column: count_distinct(distinct_values(column)[0]),
    "is_number": lambda column: column.dtype != bool and pd.api.types.is_numeric_dtype(column.dtype),
    "is_mostly_numbers": lambda column: bool((~np.isnan(numbers_of(sample_cells(column)))).mean() >= 0.5),
    "example": lambda column: f"'{sample_cells(column).iloc[0]}'" if len(sample_cells(column)) else "nothing",
    "name": lambda column: column.name,
    "dtype": lambda column: column.dtype,
}
#: Questions of other modules that are answered once.
QUESTIONS = (time_parts.is_part, roles.is_row_number, roles._may_be_target, roles._may_be_id)


def assert_same(found: object, expected: object) -> None:
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):  # type: ignore[call-overload]
            assert_same(one, other)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@settings(max_examples=120, derandomize=True, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(3, 40) | st.just(1500),
    st.integers(0, 10**6),
    st.permutations([*ANSWERS, *ANSWERS]),
    st.sampled_from([0, 5000, None]),
)
def test_every_answer_is_that_of_the_cells_however_often_and_in_whatever_order_it_is_asked(
    name: str, rows: int, seed: int, asked: list[str], room: int | None
) -> None:
    column = pd.Series(KINDS[name](np.random.default_rng(seed), rows), name=name)  # type: ignore[arg-type]
    before = column.copy()
    profile = ColumnProfile(column, Room(room))
    for answer in asked:
        assert_same(getattr(profile, answer), ANSWERS[answer](column))
    for question in QUESTIONS:
        assert question(profile) == question(profile) == question(ColumnProfile(column))
    pd.testing.assert_series_equal(column, before)


@pytest.mark.parametrize("name", ["float", "float32", "int", "numbers as text", "bool"])
def test_the_offset_of_a_covariate_is_chosen_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[float] = []
    monkeypatch.setattr(cell_values, "choose_offset", lambda values: chosen.append(choose_offset(values)) or chosen[-1])
    table = TableProfile(pd.DataFrame({name: KINDS[name](np.random.default_rng(0), 50)}))
    values, offset = read_covariate(table, name)
    again, same = read_covariate(table, name)
    assert chosen == [offset] and same == offset and (name == "float32") == (offset != 0)
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(read_covariate(table, name, offset)[0], values)
    np.testing.assert_array_equal(read_covariate(table, name, 0.0)[0], table[name].numbers.astype(np.float32))
    assert len(chosen) == 1


def test_categories_of_training_are_not_those_of_the_column() -> None:
    column = ColumnProfile(pd.Series(["b", "a", None, "c"], name="k"))
    for _ in range(2):
        assert read_categories(column)[1] == ("a", "b", "c")
        values, categories = read_categories(column, ("c", "a"))
        assert categories == ("c", "a")
        np.testing.assert_array_equal(values, [-1, 1, np.nan, 0])


def test_a_column_that_is_replaced_gets_a_new_profile_and_the_others_keep_theirs() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})
    table = TableProfile(frame)
    assert (table["a"].kind, table["a"].distinct_count, table["b"].distinct_count) == ("number", 3, 2)
    changed = table.with_column("a", np.array(["u", "u", "u"], object))
    assert (changed["a"].kind, changed["a"].distinct_count) == ("text", 1)
    assert changed["b"] is table["b"]
    added = changed.with_column("c", np.arange(3))
    assert "c" in added and "c" not in changed and added.names == ["a", "b", "c"]
    assert (added["a"] is changed["a"], table["a"].kind, list(frame.columns)) == (True, "number", ["a", "b"])


def test_the_head_of_a_table_has_profiles_of_its_own_unless_it_is_the_whole() -> None:
    table = TableProfile(pd.DataFrame({"a": [1.0, 1.0, 2.0, 3.0]}))
    assert table["a"].distinct_count == 3
    assert table.head(2)["a"].distinct_count == 1
    assert table.head(2) is table.head(2) and table.head(4) is table


def test_large_answers_are_kept_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, asked = 1000, Counter[str]()
    real = distinct_values

    def counted(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        asked[str(column.name)] += 1
        return real(column)

    monkeypatch.setattr(module, "distinct_values", counted)
    monkeypatch.setattr(module, "KEPT", 2 * 8 * rows + 100)
    table = TableProfile(pd.DataFrame({name: np.arange(rows) % 3 for name in "abc"}))
    for _ in range(3):
        for name in "abc":
            assert table[name].distinct[1].tolist() == [0, 1, 2]
            assert table[name].distinct_count == 3
    assert asked == {"a": 1, "b": 1, "c": 4}  # there is no room for the codes of c, but for their number
    with pytest.raises(ValueError, match="read-only"):
        table["a"].distinct[0][0] = 7


# A table is read


def _wide_tables() -> dict[str, pd.DataFrame]:
    rng, rows = np.random.default_rng(0), 300
    columns = {f"{name} {i}": make(rng, rows) for name, make in KINDS.items() if name != "lists" for i in range(3)}
    return {
        "many columns": pd.DataFrame({"date": pd.date_range("2020-01-01", periods=rows), "y": rng.normal(size=rows)})
        .assign(**columns)
        .astype({"date": str}),
        "split times": pd.DataFrame({"year": 2000 + np.arange(rows) // 12, "month": np.arange(rows) % 12 + 1})
        .assign(**{f"p{i}x": rng.normal(size=rows) for i in range(20)})
        .assign(word=_texts(rng, rows), y=rng.normal(size=rows)),
        "dates in the header": pd.DataFrame(
            {"id": ["a", "b", "c"], **{str(day): rng.normal(size=3) for day in pd.date_range("2024-01-01", periods=60)}}
        ),
        "positions": pd.DataFrame({"id": ["a", "b"], **{f"V{i}": rng.normal(size=2) for i in range(1, 61)}}),
    }


@pytest.mark.parametrize("name", ["many columns", "split times", "dates in the header", "positions"])
def test_a_column_is_asked_for_its_kind_at_most_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, times, kinds = _wide_tables()[name], Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    real_time, real_kind = module.find_time_kind, ColumnProfile._find_kind

    def counted_time(column: pd.Series, sample: pd.Series | None = None) -> str | None:
        times[str(column.name), len(column)] += 1
        return real_time(column, sample)

    def counted_kind(self: ColumnProfile) -> str:
        kinds[self.name, len(self)] += 1
        return real_kind(self)

    monkeypatch.setattr(module, "find_time_kind", counted_time)
    monkeypatch.setattr(ColumnProfile, "_find_kind", counted_kind)
    build_panel(frame, Config.of(target=None if name in ("dates in the header", "positions") else "y"))
    assert len({column for column, _ in times} | {column for column, _ in kinds}) >= len(frame.columns) - 1
    assert set(times.values()) == {1} and set(kinds.values()) == {1}
