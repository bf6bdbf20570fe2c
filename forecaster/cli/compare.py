"""``forecaster compare``: several models, or saved backtests, on the same windows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.evaluation_options import (
    baselines_of,
    baselines_option,
    echo_measures,
    echo_tests,
    fail_if_of,
    fail_if_option,
    gap_option,
    measures_of,
    metrics_option,
    origins_option,
    picture_title,
    save_picture,
    stride_option,
)
from forecaster.cli.options import (
    force_option,
    horizon_option,
    json_option,
    level_option,
    quiet_option,
    read_source,
    source_options,
)
from forecaster.cli.output import check_picture, check_table, echo_json, say_notes, write_and_print_result
from forecaster.data.writers import format_names

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.api.forecaster import Forecaster
    from forecaster.data.readers.sources import Source
    from forecaster.evaluation.comparison import Comparison


@click.command("compare")
@click.argument("places", metavar="MODEL...", nargs=-1, required=True)
@click.option("--data", metavar="FILE", help="Table with the rows to forecast. [default: the rows each model keeps]")
@horizon_option("How far each forecast goes: 10, 30d. [default: the shortest trained]")
@origins_option()
@stride_option
@gap_option
@baselines_option("naive,seasonal-naive,Naive2")
@metrics_option
@fail_if_option
@source_options
@level_option
@click.option("--output", metavar="FILE", help=f"Every forecast compared, to {format_names()}; - prints CSV.")
@click.option("--plot", metavar="FILE", help="Draw errors and skills to a PNG or SVG.")
@force_option
@json_option
@quiet_option
def command(
    places: tuple[str, ...],
    data: str | None,
    horizon: str | None,
    origins: int | None,
    stride: int | None,
    gap: int,
    baselines: str,
    metrics: str | None,
    fail_if: str | None,
    levels: tuple[int, ...],
    output: str | None,
    plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **source: str | None,
) -> None:
    """Compare MODELs on the windows that all of them forecast: directories, or tables that evaluate --output wrote.

    \b
    forecaster compare model-a model-b --data newer.csv
    forecaster compare monday.csv tuesday.csv
    forecaster compare model-a model-b --data newer.csv --plot compared.png --fail-if "skill:model-b<0"

    Every pair is compared by a Diebold-Mariano test and a bootstrap interval on skill; the verdict is about the first
    model. --fail-if is about the first, too: exit code 7 where its condition holds.
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.direction.settings import refuse_comparing
    from forecaster.evaluation.baselines import BASELINES
    from forecaster.evaluation.comparison import compare
    from forecaster.evaluation.saved_backtests import read_run

    check_table(output, force)
    check_picture(plot, force)
    names, shown = _names(places), measures_of(metrics, levels)
    compared = baselines_of(baselines)
    gate = fail_if_of(fail_if, levels, [*names[1:], *BASELINES])  # a saved run may hold any
    models = {name: Forecaster.load(place) for name, place in zip(names, places, strict=True) if Path(place).is_dir()}
    if not models:
        _refuse_rolling(source)
    for place, name in zip(places, names, strict=True):
        if name in models:
            refuse_comparing(place, models[name].config)
    options = {"horizon": horizon or _shortest(models), "origins": origins, "stride": stride, "gap": gap}
    rows = read_source(data, **source) if data else None
    runs: dict[str, pd.DataFrame] = {}
    for name, place in zip(names, places, strict=True):
        if name not in models:
            runs[name] = read_run(place)
            continue
        others = () if any(n in runs for n in models) else compared
        runs[name] = _backtest(models[name], rows, **options, levels=levels, baselines=others)
    found = compare(runs)
    say_notes(found.notes, quiet)
    if plot:
        from forecaster.plotting import plot_comparison

        title = picture_title("comparison", ", ".join(names), rows)
        save_picture(plot_comparison(found.table, found.tests, title=title), plot, force, quiet)
    write_and_print_result(
        found.table,
        output,
        force,
        (lambda: _echo_document(found)) if as_json else None,
        lambda: _echo_result(found, shown),
    )
    if gate:
        gate.check_unseen(found.table, names[0])
        gate.check(found.measures)


def _backtest(model: Forecaster, rows: Source | None, **options: Any) -> pd.DataFrame:
    """Return the forecasts of a model over rolling origins; compare reports the rows it was trained on."""
    found = model.evaluate(rows, **options)
    say_notes([note for note in found.notes if note.name != "seen rows"], quiet=True)
    return found.table


def _echo_result(found: Comparison, shown: list[str]) -> None:
    echo_measures(found.summary, shown)
    echo_tests(found.tests, "pair")
    click.echo(found.verdict)


def _names(places: tuple[str, ...]) -> list[str]:
    """Return a name for each model: the last part of its path, or the whole path where two end alike."""
    from collections import Counter

    from forecaster.errors import SettingError

    if len(places) < 2:
        raise SettingError(f"compare needs two models or more, got only '{places[0]}'", "name another one")
    stems = [Path(place).name if Path(place).is_dir() else Path(place).stem for place in places]
    counts = Counter(stems)
    names = [stem if stem and counts[stem] == 1 else place for stem, place in zip(stems, places, strict=True)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SettingError(f"'{twice[0]}' is named twice", "name each model once")
    return names


def _refuse_rolling(source: Iterable[str]) -> None:
    """Refuse flags that saved backtests cannot follow any more."""
    from click.core import ParameterSource

    from forecaster.errors import SettingError

    context = click.get_current_context()
    for name in ("data", "horizon", "origins", "stride", "gap", *source):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise SettingError(
                f"--{name} goes with a model, and these are saved backtests only", "leave it out, or name a model"
            )


def _shortest(models: dict[str, Forecaster]) -> int | None:
    return min((model.model.plan.horizon for model in models.values()), default=None)


def _echo_document(found: Comparison) -> None:
    tables = {"summary": found.summary, "tests": found.tests}
    document = {name: table.to_dict(orient="records") for name, table in tables.items()}
    notes = [note.to_dict() for note in found.notes]
    echo_json({"models": list(found.names), **document, "verdict": found.verdict, "notes": notes})
