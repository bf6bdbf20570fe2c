"""The data doctor: what it counts, what it finds wrong, and what the command prints."""

from __future__ import annotations

import doctest
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Command

import forecaster
from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.outliers import find_sentinels
from forecaster.data.readers.sources import read_table
from forecaster.errors import ForecasterError, NotFoundError, SettingError
from forecaster.features.plan import make_plan
from forecaster.inspection import inspect
from forecaster.inspection.inspect import COLUMNS, Inspection, inspect_table
from forecaster.inspection.measurements import worst_series
from forecaster.inspection.problems import KINDS, SEVERITIES, Problem, problem_of_note
from forecaster.inspection.runs_and_jumps import find_jumps
from forecaster.notes import Note
from forecaster.words import setting, settings_as_flags

RANDOM = np.random.default_rng(11)
NOISE = RANDOM.normal(size=5000)


def hourly(rows: int = 24 * 40, start: str = "2024-01-01", **columns: Any) -> pd.DataFrame:
    """Return a regular table with a daily season, read from a text file."""
    times = pd.date_range(start, periods=rows, freq="h").strftime("%Y-%m-%d %H:%M")
    load = np.round(50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24) + NOISE[:rows], 3)
    return lined(pd.DataFrame({"time": times, **columns, "load": load}))


def lined(table: pd.DataFrame) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    table.attrs["lines"] = True
    return table


def inspected(table: pd.DataFrame, **settings: Any) -> Inspection:
    return inspect_table(table, Config.of(**settings))


def the(found: Inspection, kind: str) -> Problem:
    """Return the one problem of a kind."""
    problems = [problem for problem in found.problems if problem.kind == kind]
    assert len(problems) == 1, [problem.kind for problem in found.problems]
    return problems[0]


# The table of series


def messy() -> pd.DataFrame:
    """Return four series with gaps, repeated times, empty cells, a stuck meter, rows out of order."""
    parts = []
    for number, freq in enumerate(("h", "h", "D", "MS")):
        rows = 240 + 24 * number
        times = pd.date_range("2021-03-01", periods=rows, freq=freq)
        values = np.round(20 * number + 5 * np.sin(2 * np.pi * np.arange(rows) / 24) + NOISE[:rows] / 3, 2)
        part = pd.DataFrame({"id": f"s{number}", "time": times, "load": values})
        part.loc[40 + number : 45 + 2 * number, "load"] = np.nan
        part.loc[100 : 109 + number, "load"] = 3.25
        part = part.drop(index=list(range(60, 60 + 3 * number)))
        again = part.iloc[150 : 150 + number].assign(load=1.0)
        parts.append(pd.concat([part, again]))
    return lined(pd.concat(parts).sample(frac=1, random_state=2))


def slow_rows(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Count everything of each series with loops."""
    found = {}
    for name in sorted(set(table["id"])):
        rows = sorted((row.time, place) for place, row in enumerate(table.itertuples()) if row.id == name)
        times = [time for time, _ in rows]
        values = [table["load"].iloc[place] for _, place in rows]
        steps = {"s0": "h", "s1": "h", "s2": "D", "s3": "MS"}[name]
        run = longest = 0
        before = None
        for value in values:
            if value == value:
                run = run + 1 if value == before else 1
                before, longest = value, max(longest, run)
        every = pd.date_range(times[0], times[-1], freq=steps)
        found[name] = {
            "rows": len(rows),
            "start": times[0],
            "end": times[-1],
            "freq": steps,
            "missing": sum(value != value for value in values),
            "gaps": sum(time not in set(times) for time in every),
            "duplicates": len(times) - len(set(times)),
            "constant": longest,
        }
    return found


def test_the_table_of_series_agrees_with_a_slow_count():
    table = messy()
    found = inspected(table, series="id").series
    assert list(found.columns) == list(COLUMNS)
    assert sorted(found["series"]) == ["s0", "s1", "s2", "s3"]
    for name, expected in slow_rows(table).items():
        row = found[found["series"] == name].iloc[0]
        assert {key: row[key] for key in expected} == expected, name


def test_strengths_tell_season_and_trend_apart():
    rows = np.arange(24 * 40)
    noise = NOISE[: len(rows)]
    flat, wave, slope = noise, 10 * np.sin(2 * np.pi * rows / 24) + noise, rows / 10 + noise
    tables = [hourly(id=name).assign(load=values) for name, values in (("a", flat), ("b", wave), ("c", slope))]
    series = inspected(lined(pd.concat(tables)), series="id", season="24").series.set_index("series")
    assert series.loc["b", "season"] > 0.9 > 0.6 > series.loc["a", "season"]
    assert series.loc["c", "trend"] > 0.9 > 0.6 > series.loc["a", "trend"]
    assert series[["season", "trend"]].ge(0).all(axis=None) and series[["season", "trend"]].le(1).all(axis=None)


def test_some_of_many_series_are_decomposed_and_the_worst_are_among_them():
    rows, count = 40, 300
    table = pd.DataFrame(
        {
            "id": np.repeat([f"s{i}" for i in range(count)], rows),
            "day": np.tile(pd.date_range("2024-01-01", periods=rows), count),
            "y": np.tile(NOISE[:rows], count) + np.repeat(np.arange(count), rows),
        }
    )
    table.loc[2 * rows + 7, "y"] = table.loc[4 * rows + 7, "y"] = np.nan
    found = inspected(table).series
    assert len(found) == count and 200 <= found["trend"].notna().sum() <= 220
    assert {"s2", "s4"} <= set(worst_series(found, 20)["series"]) and worst_series(found, 20)["trend"].notna().all()


@pytest.mark.parametrize(
    ("freq", "told"), [("15min", "15min"), ("4h", "4h"), ("W-WED", "W-WED"), ("QS", "QS-JAN"), ("YE", "YE-DEC")]
)
def test_the_freq_of_each_series_is_told(freq, told):
    times = pd.date_range("2001-01-01", periods=60, freq=freq)
    assert inspected(pd.DataFrame({"time": times, "y": NOISE[:60]})).series["freq"].tolist() == [told]


def test_holidays_are_no_gaps_of_business_days_but_weeks_are():
    days = pd.bdate_range("2023-01-02", periods=200)
    table = pd.DataFrame({"day": days, "y": NOISE[:200].cumsum()})
    table = table.drop(index=[20, 61, *range(100, 110)])
    found = inspected(table, freq="B")
    assert found.series["freq"].tolist() == ["B"] and found.series["gaps"].tolist() == [10]


def test_the_worst_series_are_those_with_the_most_to_mend_in_their_own_order():
    table = pd.DataFrame({"series": list("abcd"), "rows": 100, "missing": [0, 5, 0, 9], "gaps": [7, 0, 0, 0]})
    table = table.assign(duplicates=0, outliers=0)
    assert worst_series(table, 2)["series"].tolist() == ["a", "d"] and worst_series(table, 4) is table


# What is inferred


def test_what_fit_would_infer_is_told_with_its_reason():
    found = inspected(hourly())
    notes = {note.name: note for note in found.inferred}
    assert (notes["time"].value, notes["freq"].value, notes["season"].value) == ("time", "h", "24")
    assert notes["horizon"].value == "24 steps" and "lookback" in notes
    assert found.season == 24 and not found.problems and not found.refused
    assert (found.rows, found.columns) == (960, ("time", "load"))


def test_season_and_horizon_are_told_where_fit_would_refuse():
    found = inspected(hourly(30))
    notes = {note.name: note for note in found.inferred}
    assert found.refused and {"season", "horizon"} <= set(notes)


def test_where_no_freq_is_found_nothing_is_inferred_from_one():
    found = inspected(pd.DataFrame({"day": ["2024-01-01"], "y": [1.0]}))
    assert {problem.kind: problem.severity for problem in found.problems} == {"freq": "error", "length": "error"}
    assert the(found, "length").what.startswith("1 row is too few: lookback 2 + horizon 14 + validation 14 need 30")
    assert [note.name for note in found.inferred] == ["time", "target"]
    assert "row-" not in str(found.to_dict())


def test_rows_of_the_time_to_come_are_no_readings():
    table = hourly(price=NOISE[:960])
    table.loc[950:, "load"] = np.nan
    found = inspected(table, target="load", future_columns="price")
    assert found.series[["rows", "missing"]].to_numpy().tolist() == [[950, 0]] and not found.problems
    assert next(note for note in found.inferred if note.name == "known ahead").value == "10 rows"


# Problems, each once


def with_cell(row: int, value: Any, column: str = "load") -> pd.DataFrame:
    table = hourly()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


def repeated() -> pd.DataFrame:
    table = hourly()
    return lined(pd.concat([table[:11], table[10:11].assign(load=1.0), table[11:]]))


def clock_changed() -> pd.DataFrame:
    """Return a year of local hours of Berlin, written without a zone."""
    times = pd.date_range("2023-01-01", "2024-01-01", freq="h", tz="UTC").tz_convert("Europe/Berlin")
    local = times.tz_localize(None).strftime("%Y-%m-%d %H:%M")
    load = 50 + 10 * np.sin(2 * np.pi * np.arange(len(times)) / 24)
    return lined(pd.DataFrame({"time": local, "load": load + np.resize(NOISE, len(times))}))


def split() -> pd.DataFrame:
    days = pd.bdate_range("2020-01-01", periods=400)
    price = 100 * np.exp(0.01 * NOISE[:400].cumsum())
    price[250:] /= 4
    return lined(pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "close": price}))


def mixed_freqs(slow: str = "2h") -> pd.DataFrame:
    times = {"fast": pd.date_range("2024-01-01", periods=960, freq="h")}
    times["slow"] = pd.date_range("2024-01-01", periods=100, freq=slow)
    parts = [pd.DataFrame({"id": name, "time": time, "y": NOISE[: len(time)]}) for name, time in times.items()]
    return lined(pd.concat(parts))


def spelled() -> pd.DataFrame:
    tables = [hourly(300, shop=name) for name in ("North", "north ", "South")]
    return lined(pd.concat(tables))


def flat_series() -> pd.DataFrame:
    tables = [hourly(300, shop=name) for name in ("a", "b", "c")]
    tables[1]["load"] = 7.0
    return lined(pd.concat(tables))


def ragged() -> pd.DataFrame:
    return lined(pd.concat([hourly(24 * 40, shop="long"), hourly(24 * 40, shop="longer"), hourly(30, shop="short")]))


def empty_series() -> pd.DataFrame:
    tables = [hourly(300, shop=name) for name in ("a", "b")]
    tables[1]["load"] = np.nan
    return lined(pd.concat(tables))


def with_id(value: object) -> pd.DataFrame:
    """Return two series, one row of which belongs to none."""
    table = lined(pd.concat([hourly(300, shop=name) for name in ("a", "b")]))
    table.loc[5, "shop"] = value
    return table


def undecided() -> pd.DataFrame:
    """Return dates that are as plausible day first as month first: both are the same days, in no order."""
    days = [f"{day}/{month}/2023" for month in range(1, 13) for day in range(1, 13)]
    return lined(pd.DataFrame({"day": days, "y": NOISE[:144]}).sample(frac=1, random_state=1))


def with_run(value: float, rows: slice, every: int = 1) -> pd.DataFrame:
    table = hourly()
    table.loc[table.index[rows][::every], "load"] = value
    return table


#: Kind, table, settings, severity, words of what, a place, words of the mend.
CASES: list[tuple[str, Callable[[], pd.DataFrame], dict[str, Any], str, str, str, str]] = [
    ("duplicates", repeated, {}, "error", "1 row repeats", "line 12 and line 13 (2024-01-01 10:00)", "duplicates="),
    ("duplicates", repeated, {"duplicates": "mean"}, "note", "1 row repeats", "line 13", 'duplicates="mean"'),
    ("gaps", lambda: lined(hourly().drop(index=range(50, 57))), {}, "warning", "7 steps absent in 1 gap",
     "7 hours between 2024-01-03 01:00 and 2024-01-03 09:00, line 52", "gaps="),
    ("gaps", lambda: lined(hourly().drop(index=[50])), {"gaps": "error"}, "error", "1 step absent", "line 52",
     "gaps="),
    ("missing", lambda: with_run(np.nan, slice(10, 30)), {}, "note", "20 readings of 'load' (2.1%) missing",
     "line 12 (2024-01-01 10:00)", "missing="),
    ("missing", lambda: with_run(np.nan, slice(10, 110)), {}, "warning", "the longest gap 100 rows", "line 12",
     "missing="),
    ("missing", lambda: with_run(np.nan, slice(10, 11)), {"missing": "error"}, "error", "1 reading", "line 12",
     "missing="),
    ("text", lambda: with_cell(20, "broken"), {}, "error", "'broken'", "line 22", "empty"),
    ("times", lambda: with_cell(20, "2024-02-31 00:00", "time"), {}, "error", "2024-02-31", "line 22", "correct"),
    ("ids", lambda: with_id(None), {"series": "shop"}, "error", "no series id", "line 7", "fill it in"),
    ("dates", undecided, {}, "error", "day", "", "dates"),
    ("zone", clock_changed, {}, "error", "the hour from 02:00 is absent in 1 of 1 springs", "(2023-10-29 02:00)",
     'zone="Europe/Berlin"'),
    ("freq", mixed_freqs, {"series": "id"}, "warning", "h 1, 2h 1", "slow", "freq"),
    ("freq", lambda: mixed_freqs("D"), {"series": "id"}, "error", "h 1, D 1", "slow", "freq"),
    ("series", messy, {"series": ""}, "error", "'id' (4 values)", "", 'series="id"'),
    ("length", lambda: hourly(30), {}, "error", "too few", "", "horizon"),
    ("length", ragged, {"series": "shop"}, "warning", "1 of 3 series shorter than lookback", "short (30 rows)",
     "lookback="),
    ("sentinel", lambda: with_run(-999.0, slice(100, 700), 60), {}, "warning", "-999 in 10 rows",
     "line 102 (2024-01-05 04:00)", "empty"),
    ("spelling", spelled, {"series": "shop"}, "warning", "differ by case, spaces", "'North' and 'north'", "one way"),
    ("constant", flat_series, {"series": "shop"}, "warning", "1 series of 3 constant, such as b at 7", "b", "leave"),
    ("left out", empty_series, {"series": "shop"}, "warning", "1 series without any reading", "b", "load"),
    ("jump", split, {}, "warning", "1 time", "line 252 (2020-12-16): from", "rescale"),
    ("outliers", lambda: with_cell(300, 500.0).astype({"load": float}), {}, "warning", "1 outlier",
     "line 302 (2024-01-13 12:00): 500, expected about 4", "empty"),
    ("stuck", lambda: with_run(55.5, slice(200, 260)), {}, "warning", "stays 55.5 for 60 rows",
     "60 rows from line 202 (2024-01-09 08:00)", "empty"),
    ("season", lambda: hourly().assign(load=NOISE[:960].cumsum()), {}, "note", "24 steps are usual", "", "season=24"),
    ("future", lambda: hourly(start="2190-01-01"), {}, "warning", "960 rows after today",
     "line 2 (2190-01-01)", "dates"),
    ("order", lambda: lined(hourly().iloc[::-1]), {}, "note", "959 rows earlier", "", ""),
    ("target", lambda: hourly(wind=NOISE[:960]), {}, "note", "'load' is forecast", "", "target="),
]  # fmt: skip


def fit_refuses(table: pd.DataFrame, config: Config) -> bool:
    """Read and plan as fit does."""
    try:
        make_plan(build_panel(table, config)[0], config)
    except ForecasterError:
        return True
    return False


@pytest.mark.parametrize(
    ("kind", "table", "settings", "severity", "what", "place", "mend"),
    CASES,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)],
)
def test_a_problem_is_told_with_its_rows_and_what_mends_it(kind, table, settings, severity, what, place, mend):
    made = table()
    found = inspected(made, **settings)
    problem = the(found, kind)
    assert problem.severity == severity
    assert what in problem.what
    assert place in " ".join(problem.where)
    assert mend in problem.mend
    assert found.refused == any(other.severity == "error" for other in found.problems)
    assert found.refused == fit_refuses(made, Config.of(**settings))


def test_every_check_has_a_case():
    assert {case[0] for case in CASES} >= set(KINDS) - {"read"}


def test_several_errors_are_all_found_and_the_series_still_counted():
    table = repeated()
    table["load"] = table["load"].astype(object)
    table.loc[500, "load"] = "broken"
    table = table.drop(index=range(600, 640))
    found = inspected(table, gaps="error")
    errors = [problem.kind for problem in found.problems if problem.severity == "error"]
    assert sorted(errors) == ["duplicates", "gaps", "text"]
    row = found.series.iloc[0]
    assert (row["rows"], row["duplicates"], row["gaps"], row["missing"]) == (921, 1, 40, 1)


def test_problems_stand_in_order_of_harm():
    table = lined(repeated().drop(index=range(50, 57)).iloc[::-1])
    severities = [SEVERITIES.index(problem.severity) for problem in inspected(table).problems]
    assert severities == sorted(severities) and len(set(severities)) == 3


def test_the_zone_that_is_suggested_mends_the_clock_changes():
    table = clock_changed()
    assert 'zone="Europe/Berlin"' in the(inspected(table), "duplicates").mend
    found = inspected(table, zone="Europe/Berlin")
    assert not found.refused and "zone" not in {problem.kind for problem in found.problems}
    assert found.series["gaps"].tolist() == [0] and found.series["duplicates"].tolist() == [0]
    assert str(found.series["start"].dt.tz) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("zone", "told"), [("America/New_York", "America/New_York"), ("Europe/London", "Europe/London")]
)
def test_zones_of_other_rules_are_told_apart(zone, told):
    times = pd.date_range("2021-06-01", "2023-06-01", freq="h", tz="UTC").tz_convert(zone)
    table = pd.DataFrame({"time": times.tz_localize(None), "load": np.resize(NOISE, len(times))})
    assert told in the(inspected(table), "zone").mend


def test_hours_without_clock_changes_have_no_zone_problem():
    assert "zone" not in {problem.kind for problem in inspected(hourly(24 * 200)).problems}


def test_a_table_without_times_is_refused_with_its_columns():
    table = pd.DataFrame({"a": ["x", "y", "z"], "b": ["p", "q", "r"]})
    found = inspected(table)
    assert found.refused and len(found.series) == 0 and found.columns == ("a", "b")
    assert found.to_dict()["series"] == []


@pytest.mark.parametrize("table", [pd.DataFrame({"time": [], "y": []}), pd.DataFrame()])
def test_an_empty_table_is_refused(table):
    found = inspected(table)
    assert found.refused and the(found, "read").what == "the table has no rows"


def test_a_missing_column_is_refused_with_its_hint():
    found = inspected(hourly(), target="laod")
    problem = the(found, "read")
    assert problem.severity == "error" and "'laod'" in problem.what and "load" in problem.mend


@pytest.mark.parametrize("settings", [{"freq": "fortnight"}, {"zone": "Berlin/Europe"}, {"horizon": "soon"}])
def test_a_wrong_setting_is_no_problem_of_the_table(settings):
    with pytest.raises(SettingError, match=r"soon|fortnight|Berlin/Europe"):
        inspected(hourly(), **settings)


def test_a_target_without_any_reading_is_refused():
    assert inspected(hourly().assign(load=np.nan), target="load").refused


# Values


def test_jumps_that_last_are_found_and_outliers_and_trends_are_not():
    steady = 100 + NOISE[:300]
    stepped, spiked = np.where(np.arange(300) < 120, steady, steady / 3), steady.copy()
    spiked[150] = 1000
    assert [odd.place for odd in find_jumps(stepped, 1)] == [120]
    assert find_jumps(spiked, 1) == find_jumps(steady, 1) == find_jumps(steady + np.arange(300), 1) == []
    below = np.where(np.arange(300) < 120, NOISE[:300], NOISE[:300] - 50)
    assert [odd.place for odd in find_jumps(below, 1)] == [120]


def test_sentinels_are_far_from_all_else():
    values = np.append(NOISE[:100], [-999, -999, np.nan])
    assert find_sentinels(values) == {-999.0: 2}
    assert find_sentinels(np.append(np.linspace(-2000, 0, 100), [-999, -999])) == {}
    assert find_sentinels(np.append(NOISE[:100], [-999])) == find_sentinels(NOISE[:100]) == {}


# The document and the command

SCHEMA = {"rows", "columns", "refused", "season", "series_count", "series", "inferred", "problems"}


def test_the_document_is_plain_and_capped():
    found = inspected(messy(), series="id")
    document = json.loads(json.dumps(found.to_dict(most=2)))
    assert set(document) == SCHEMA
    assert document["series_count"] == 4 and len(document["series"]) == 2
    assert set(document["series"][0]) == set(COLUMNS)
    assert all(set(problem) == {"severity", "kind", "what", "where", "mend"} for problem in document["problems"])
    assert all({"name", "value", "reason", "warning"} <= set(note) for note in document["inferred"])


@pytest.fixture
def sales(folder: Path) -> Path:
    repeated().drop(index=range(50, 57)).to_csv(folder / "sales.csv", index=False)
    return folder / "sales.csv"


def test_the_report_is_on_stdout_and_the_exit_code_says_that_fit_would_refuse(command: Command, sales: Path):
    ended = command("inspect", "sales.csv")
    assert (ended.code, ended.err) == (5, "")
    for words in ("954 rows", "inferred:", "  season ", "  1. error: duplicates: 1 row repeats", "line 12 and line 13"):
        assert words in ended.out
    assert ended.out.splitlines()[-1] == "fit would refuse this table: duplicates"
    assert max(map(len, ended.out.splitlines())) <= 100
    assert command("inspect", "sales.csv", "--duplicates", "first").code == 0


def test_quiet_prints_the_problems_only(command: Command, sales: Path):
    ended = command("inspect", "sales.csv", "-q", "--duplicates", "first")
    assert ended.out.startswith("problems, worst first: ") and "inferred" not in ended.out
    assert command("inspect", "dataset:airline", "-q").out == "no problem found\n"


def test_json_is_one_document(command: Command, sales: Path):
    ended = command("inspect", "sales.csv", "--json")
    document = json.loads(ended.out)
    assert ended.code == 5 and set(document) == {"data", *SCHEMA} and document["refused"]
    assert document["series"][0]["duplicates"] == 1 and document["data"] == "sales.csv"


def test_the_table_of_series_is_written_and_printed(command: Command, sales: Path):
    assert command("inspect", "sales.csv", "--output", "series.csv").code == 5
    written = pd.read_csv("series.csv")
    assert list(written.columns) == list(COLUMNS) and written["gaps"].tolist() == [7]
    printed = command("inspect", "sales.csv", "--output", "-")
    assert list(pd.read_csv(io.StringIO(printed.out)).columns) == list(COLUMNS)


def test_the_picture_is_drawn_even_where_fit_would_refuse(command: Command, sales: Path):
    ended = command("inspect", "sales.csv", "--plot", "sales.png")
    assert ended.code == 5 and ended.err == "picture: sales.png\n"
    assert Path("sales.png").read_bytes().startswith(b"\x89PNG")


def test_many_series_are_told_by_the_worst(command: Command, folder: Path):
    table = pd.concat([hourly(200, shop=f"s{i}") for i in range(30)])
    table.drop(index=[100, 101]).to_csv("many.csv", index=False)
    ended = command("inspect", "many.csv", "--series", "shop")
    assert "the 20 worst of 30 series; all: --output series.csv" in ended.out


def test_a_table_that_is_not_there_is_no_report(command: Command):
    ended = command("inspect", "nothing.csv")
    assert ended.code == 4 and ended.out == "" and "nothing.csv" in ended.err


@pytest.mark.parametrize("name", ["inspect", "make-future"])
def test_help_begins_with_examples(command: Command, name: str):
    ended = command(name, "--help")
    assert ended.code == 0 and ended.out.index(f"forecaster {name}") < ended.out.index("Options:")


@pytest.mark.slow
def test_neither_the_doctor_nor_its_picture_imports_tensorflow(folder: Path):
    program = (
        "import sys; from forecaster.cli.main import run;"
        "code = run(['inspect', 'dataset:airline', '--plot', 'a.png']);"
        "print(code, sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder, env=_path()
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def _path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


# Real data


@pytest.mark.parametrize(
    ("name", "count", "refused", "kinds"),
    [
        ("airline_passengers.csv", 1, False, set()),
        ("co2_weekly.csv", 1, False, {"missing"}),
        ("nyc_weather.csv", 3, False, {"gaps", "missing", "outliers", "target"}),
        ("sea_surface_temperature.csv.gz", 1, True, {"duplicates", "gaps"}),
        ("AAPL.csv", 1, False, {"jump"}),
    ],
)
def test_real_tables(shared_data: Path, name: str, count: int, refused: bool, kinds: set[str]):
    found = inspect_table(read_table(shared_data / name), Config.of())
    assert len(found.series) == count and found.refused == refused
    assert kinds <= {problem.kind for problem in found.problems}


def test_the_split_of_a_price_is_found_on_its_day(shared_data: Path):
    where = " ".join(the(inspect_table(read_table(shared_data / "AAPL.csv"), Config.of()), "jump").where)
    assert "2000-06-21" in where and "2005-02-28" in where


# What is not told


def dated(dates: list[str]) -> pd.DataFrame:
    return lined(pd.DataFrame({"d": dates, "y": NOISE[: len(dates)]}))


@pytest.mark.parametrize(
    ("dates", "kind", "message"),
    [
        (
            [f"{i % 12 + 1:02d}/{i * 5 % 12 + 1:02d}/2024" for i in range(60)],
            "dates",
            "both as month/day and as day/month",
        ),
        (
            [
                d.strftime("%d/%m/%Y" if i < 30 else "%m/%d/%Y")
                for i, d in enumerate(pd.date_range("2024-01-01", periods=60))
            ],
            *("dates", "neither all month-first"),
        ),
        (
            [
                d.strftime("%Y-%m-%d" if i < 40 else "%d.%m.%Y")
                for i, d in enumerate(pd.date_range("2024-01-01", periods=60))
            ],
            *("times", "mixes formats of dates"),
        ),
        (
            [
                d.strftime("%Y-%m-%d" if i % 2 else "%d/%m/%Y")
                for i, d in enumerate(pd.date_range("2024-01-01", periods=60))
            ],
            *("dates", "mixes formats of dates"),
        ),
    ],
)
def test_dates_that_are_read_by_half_are_one_error(dates: list[str], kind: str, message: str):
    found = inspect_table(dated(dates), Config())
    assert [(problem.severity, problem.kind) for problem in found.problems] == [("error", kind)]
    assert message in found.problems[0].what
    assert {note.name for note in found.inferred}.isdisjoint(["freq", "season", "horizon", "dates"])


def test_other_cells_are_looked_at_where_dates_are_ambiguous():
    frame = dated([f"{i % 12 + 1:02d}/{i * 5 % 12 + 1:02d}/2024" for i in range(60)])
    frame.loc[[3, 4, 5, 9], "y"] = -9999
    found = inspect_table(frame, Config())
    assert [(problem.severity, problem.kind) for problem in found.problems] == [
        ("error", "dates"),
        ("warning", "sentinel"),
    ]


def test_the_rows_of_a_table_whose_labels_repeat_are_told_by_their_place():
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"d": [*days, *days[:2]], "y": NOISE[:62]}, index=np.zeros(62, int))
    where = the(inspect_table(frame, Config()), "duplicates").where
    assert where == ("row 0 and row 60 (2024-01-01)", "row 1 and row 61 (2024-01-02)")


def test_gusts_are_no_jumps_in_level(shared_data: Path):
    found = inspect_table(read_table(shared_data / "beijing_pollution.csv"), Config(target="pm2.5"))
    kinds = [problem.kind for problem in found.problems]
    assert "jump" not in kinds and kinds[0] == "missing"


def test_a_setting_is_named_once_as_the_mend(tmp_path: Path):
    path = tmp_path / "latin.csv"
    rows = [f"2024-01-{day:02d},{day % 3},K\xf6ln" for day in range(1, 31)]
    path.write_bytes("\n".join(["day,y,town", *rows]).encode("latin-1"))
    with settings_as_flags():
        problem = the(inspect_table(path), "encoding")
    assert "--" not in problem.what and problem.mend == "--encoding overrides"


@pytest.mark.parametrize(
    ("reason", "what", "mend"),
    [
        ("{encoding} is not UTF-8; {encoding} overrides", "{encoding} is not UTF-8", "{encoding} overrides"),
        ("several readings: {first}", "several readings: {first}", "{first}"),
        ("rows are lost; times of another year", "rows are lost; times of another year", ""),
    ],
)
def test_the_mend_of_a_note_is_the_settings_it_names_for_either_reader(reason: str, what: str, mend: str):
    def checked() -> None:
        words = {"encoding": setting("encoding"), "first": setting("duplicates", "first")}
        problem = problem_of_note(Note("duplicates", "1 row", reason.format(**words), warning=True))
        assert (problem.what, problem.mend) == ("1 row: " + what.format(**words), mend.format(**words))

    checked()
    with settings_as_flags():
        checked()


def test_a_table_is_inspected_from_python_by_its_path_and_with_default_settings(sales: Path):
    found = forecaster.inspect_table(sales)
    assert isinstance(found, forecaster.Inspection) and found.refused and found.rows == 954
    assert found.to_dict() == inspect_table(read_table(sales), Config()).to_dict()
    assert the(found, "duplicates").mend.startswith('keep one with duplicates="first"')
    with pytest.raises(NotFoundError, match=r"nothing\.csv"):
        forecaster.inspect_table("nothing.csv")


def test_the_example_of_the_docstring_is_true():
    assert doctest.testmod(inspect).failed == 0
