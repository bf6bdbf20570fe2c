"""``forecaster inspect``: the data doctor, without TensorFlow."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.options import (
    force_option,
    json_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
    split_options,
)
from forecaster.cli.output import check_picture, check_table, echo_json, printable_line, say, write_table
from forecaster.data.writers import format_names

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from forecaster.data.panel.panel import Panel
    from forecaster.inspection.inspect import Inspection
    from forecaster.inspection.problems import Problem

#: Series printed at most: those with the worst problems.
MOST_PRINTED = 20
WIDTH = 100


@click.command("inspect")
@click.argument("data", metavar="DATA")
@click.option("--output", metavar="FILE", help=f"The table of all series, to {format_names()}; - prints CSV.")
@click.option(
    "--plot",
    metavar="FILE",
    help="Draw readings, their forecast with no fit, decomposition and autocorrelation to a PNG or SVG.",
)
@force_option
@json_option
@quiet_option
@setting_options("table", "data")
@source_options
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    output: str | None,
    plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Report what DATA holds, what fit would infer, and what is wrong with it, with rows and the flag that fixes it.

    \b
    forecaster inspect sales.csv
    forecaster inspect sales.csv --target units --plot sales.png
    forecaster inspect readings.parquet --json
    forecaster inspect shops.csv --output series.csv

    The exit code is 5 where fit would refuse the table.
    """
    from forecaster.config import Config
    from forecaster.data.readers.sources import read_table
    from forecaster.inspection.inspect import inspect_table

    check_table(output, force)
    check_picture(plot, force)
    source, settings = split_options(options)
    found = inspect_table(read_table(read_source(data, **source)), Config.of(**settings))
    if output and (output != "-" or not as_json):
        write_table(found.series, output, force)
    if as_json:
        echo_json({"data": data, **found.to_dict()})
    elif output != "-":
        _echo_report(found, quiet)
    if plot:
        _plot(found, plot, force, quiet)
    if found.refused:
        ctx.exit(5)


def _echo_report(found: Inspection, quiet: bool) -> None:
    """Print the table of series, the inferred settings and the problems; only the problems with ``quiet``."""
    from forecaster.words import plural

    if not quiet:
        count = f"{len(found.series):,} series, " if len(found.series) else ""
        zone = f", times of the zone {found.panel.zone}" if found.panel and found.panel.zone else ""
        click.echo(f"{count}{plural(found.rows, 'row')}, {plural(len(found.columns), 'column')}{zone}")
        if len(found.series):
            _echo_series(found.series)
        if found.inferred:
            click.echo("\ninferred:")
        for note in found.inferred:
            text = note.value + (f"  ({note.reason})" if note.reason else "")
            click.echo(_wrapped(f"  {note.name:<13}", text))
        click.echo("")
    click.echo(_summary(found.problems))
    for number, problem in enumerate(found.problems, 1):
        _echo_problem(number, problem)
    if found.refused:
        kinds = dict.fromkeys(problem.kind for problem in found.problems if problem.severity == "error")
        click.echo(f"fit would refuse this table: {', '.join(kinds)}")


def _summary(problems: list[Problem]) -> str:
    from forecaster.words import plural

    if not problems:
        return "no problem found"
    counts = {kind: sum(p.severity == kind for p in problems) for kind in ("error", "warning", "note")}
    parts = [plural(n, kind) for kind, n in counts.items() if n]
    return f"problems, worst first: {', '.join(parts)}"


def _echo_problem(number: int, problem: Problem) -> None:
    click.echo(_wrapped(f"{number:>3}. ", f"{problem.severity}: {problem.kind}: {problem.what}"))
    for place in problem.where:
        click.echo(_wrapped("       ", place))
    if problem.mend:
        click.echo(_wrapped("     > ", problem.mend))


def _wrapped(start: str, text: str) -> str:
    start = printable_line(start)
    lines = textwrap.wrap(printable_line(text), WIDTH - len(start), break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    return "\n".join((start if i == 0 else " " * len(start)) + line for i, line in enumerate(lines))


#: Headings of the table of series, where they differ from the names of its columns.
HEADS = {"missing": "miss", "duplicates": "dup", "constant": "same", "outliers": "odd"}
LEGEND = (
    "miss: empty readings, gaps: absent steps, dup: repeated times, same: longest run of one value, odd: outliers; "
    "season, trend: strength from 0 to 1"
)


def _echo_series(series: pd.DataFrame) -> None:
    """Print the table of series, each column as wide as its longest cell."""
    from forecaster.inspection.measurements import worst_series

    shown = worst_series(series, MOST_PRINTED)
    shown = shown.assign(freq=shown["freq"].where(shown["rows"] > 1))
    if len(series) == 1 and not series["series"].iloc[0]:
        shown = shown.drop(columns="series")
    days = all(_is_day(time) for name in ("start", "end") for time in shown[name])
    cells = {HEADS.get(name, name): [_cell(name, value, days) for value in shown[name]] for name in shown.columns}
    widths = {name: max(len(name), *map(len, column)) for name, column in cells.items()}
    space = "  " if sum(widths.values()) + 2 * len(widths) <= WIDTH else " "
    for row in range(-1, len(shown)):
        line = [
            f"{name if row < 0 else column[row]:{'<' if name in LEFT else '>'}{widths[name]}}"
            for name, column in cells.items()
        ]
        click.echo("  " + space.join(line).rstrip())
    if len(series) > len(shown):
        click.echo(f"  the {len(shown)} worst of {len(series):,} series; all: --output series.csv")
    click.echo(_wrapped("  ", LEGEND))


LEFT = ("series", "start", "end", "freq")


def _is_day(time: Any) -> bool:
    return not hasattr(time, "normalize") or (time.tzinfo is None and bool(time == time.normalize()))


def _cell(name: str, value: Any, days: bool) -> str:
    if value is None or value != value:
        return "-"
    if name in ("season", "trend"):
        return f"{value:.2f}"
    if name == "freq" and not value:
        return "irregular"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M"))
    text = printable_line(str(value)) if name == "series" else f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= 24 else f"{text[:11]}..{text[-11:]}"


def _plot(found: Inspection, path: str, force: bool, quiet: bool) -> None:
    from forecaster.data.time.horizon import default_horizon
    from forecaster.errors import DataError
    from forecaster.plotting.diagnosis import plot_diagnosis
    from forecaster.plotting.files import save_figure
    from forecaster.pretrained.forecast import forecast_pretrained

    def forecast(panel: Panel) -> np.ndarray:
        return forecast_pretrained(panel, (found.season,), default_horizon(panel.freq), (80,)).values

    if found.panel is None:
        raise DataError("there is nothing to draw: the table cannot be read", "fix it as the report says")
    save_figure(plot_diagnosis(found.panel, found.season, forecast=forecast), path, force)
    if not quiet:
        say(f"picture: {path}")
