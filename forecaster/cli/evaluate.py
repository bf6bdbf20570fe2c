"""``forecaster evaluate``: backtest a model, or the pretrained network, against the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.direction_output import echo_directions, refuse_unused
from forecaster.cli.evaluation_options import (
    baselines_of,
    baselines_option,
    echo_measures,
    echo_split,
    echo_tests,
    fail_if_of,
    fail_if_option,
    gap_option,
    measures_of,
    metrics_option,
    number_text,
    origins_option,
    picture_title,
    save_picture,
    stride_option,
)
from forecaster.cli.no_fit import load_forecaster, say_unused_model, table_alone, table_argument
from forecaster.cli.options import (
    force_option,
    horizon_option,
    json_option,
    level_option,
    model_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
    split_options,
)
from forecaster.cli.output import check_picture, check_table, echo_json, say, say_notes, write_and_print_result
from forecaster.data.writers import format_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from forecaster.api.evaluation import Evaluation
    from forecaster.data.readers.sources import Source
    from forecaster.direction.backtest import DirectionEvaluation


@click.command("evaluate")
@table_argument
@model_option
@click.option(
    "--data", metavar="FILE", help="Table with newer rows, or other series. [default: the rows the model keeps]"
)
@horizon_option("How far each forecast goes: 10, 30d. [default: as trained, or usual for the freq]")
@origins_option(", of directions 500")
@stride_option
@gap_option
@click.option("--refit", is_flag=True, help="Train again at each origin, on the rows before it only.")
@click.option(
    "--refit-every", type=click.IntRange(0), metavar="K", help="Train again at every K-th origin only; 0 is never."
)
@click.option(
    "--window",
    metavar="expanding|sliding",
    default="expanding",
    show_default=True,
    help="Rows known at an origin: all before it, or always as many as before the oldest.",
)
@click.option(
    "--adaptive", is_flag=True, help="Adapt the network's intervals at each origin to their coverage at earlier ones."
)
@baselines_option("usual")
@click.option(
    "--by",
    "splits",
    metavar="series|step|level",
    multiple=True,
    help="Print a measure by series or by step ahead, or all of each interval level; repeat it for several.",
)
@metrics_option
@click.option("--residuals", is_flag=True, help="Print tests of the network's residuals.")
@fail_if_option
@source_options
@level_option
@click.option("--output", metavar="FILE", help=f"Every forecast and actual, to {format_names()}; - prints CSV.")
@click.option("--plot", metavar="FILE", help="Draw the backtest to a PNG or SVG.")
@click.option("--residual-plot", metavar="FILE", help="Draw the network's errors to a PNG or SVG.")
@force_option
@json_option
@quiet_option
@setting_options("table")
def command(
    table: str | None,
    model: str,
    data: str | None,
    horizon: str | None,
    origins: int | None,
    stride: int | None,
    gap: int,
    refit: bool,
    refit_every: int | None,
    window: str,
    adaptive: bool,
    baselines: str,
    splits: tuple[str, ...],
    metrics: str | None,
    residuals: bool,
    fail_if: str | None,
    levels: tuple[int, ...],
    output: str | None,
    plot: str | None,
    residual_plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Backtest the network against the baselines over rolling origins, and say if it is better.

    \b
    forecaster evaluate sales.csv
    forecaster evaluate --data newer.csv
    forecaster evaluate --data newer.csv --by step --baselines naive,AutoARIMA
    forecaster evaluate --refit --origins 3
    forecaster evaluate --horizon 1 --stride 1 --origins 50 --residuals --residual-plot errors.png
    forecaster evaluate --output backtest.csv --plot backtest.png
    forecaster evaluate --fail-if "skill<0 or coverage-80<75%"

    DATA alone needs no model: the network that comes along is judged, which has seen none of its rows. With --model M
    it is the same as --data DATA. The flags from --time on say how DATA is read with no fit.

    "Better" means that the 95 % interval on skill and a Diebold-Mariano test agree. --fail-if exits with code 7 where
    its condition holds, or cannot be checked because the network was trained on these rows. It takes the measures of
    the network's row, p-value, skill-lo and skill-hi against seasonal naive, and any of these against another
    baseline: skill:AutoETS.

    A model of directions is scored by accuracy, log loss and Brier score against the most frequent direction, the last
    one repeated, and a coin; "right more often" means that a paired test excludes luck. --plot then draws the
    reliability of its probabilities.
    """
    from forecaster.api.evaluation import NETWORK
    from forecaster.api.forecaster import Forecaster
    from forecaster.direction.backtest import DirectionEvaluation
    from forecaster.evaluation.summary import check_split

    source, settings = split_options(options)
    needs_model = {"refit": refit, "refit-every": refit_every, "adaptive": adaptive}
    alone = table_alone(table, data, settings, needs_model)
    check_table(output, force)
    for picture in (plot, residual_plot):
        check_picture(picture, force)
    names, shown = baselines_of(baselines), measures_of(metrics, levels)
    gate = fail_if_of(fail_if, levels, names)
    for split in splits:
        check_split(split)
    place = table if data is None else data
    rows = None if place is None else read_source(place, **source)
    rolling: dict[str, Any] = {"horizon": horizon, "origins": origins, "stride": stride, "gap": gap, "window": window}
    rolling |= {"levels": levels, "baselines": names}
    if alone is not None and rows:
        found: Evaluation | DirectionEvaluation = Forecaster.pretrained(**settings).evaluate(rows, **rolling)
    else:
        of_values = {"by": splits, "metrics": metrics, "residuals": residuals, "residual-plot": residual_plot}
        of_values |= {"fail-if": fail_if, "adaptive": adaptive}
        rolling |= {"refit": _refit(refit, refit_every), "adaptive": adaptive}
        found = _backtest_model(model, rows, rolling, of_values, quiet)
    say_notes(found.notes, quiet)
    if alone is not None:
        say_unused_model(model, quiet)
    if isinstance(found, DirectionEvaluation):
        return echo_directions(found, model, rows, plot, output, force, as_json, quiet)
    subject = "the pretrained network" if alone is not None else model
    for path, draw, what in ((plot, found.plot, "backtest"), (residual_plot, found.plot_residuals, "errors")):
        if path:
            save_picture(draw(title=picture_title(what, subject, rows)), path, force, quiet)
    write_and_print_result(
        found.table,
        output,
        force,
        (lambda: _echo_document(found, None if alone is not None else model)) if as_json else None,
        lambda: _echo_result(found, shown, splits, metrics, residuals),
    )
    if gate:
        gate.check_unseen(found.table, NETWORK)
        gate.check(found.measures)


def _backtest_model(
    model: str, rows: Source | None, options: Mapping[str, Any], of_values: Mapping[str, object], quiet: bool
) -> Evaluation | DirectionEvaluation:
    """Backtest a model, and say how far it is.

    Args:
        model: its directory.
        rows: newer rows, or other series; None for those that the model keeps.
        options: of :meth:`forecaster.Forecaster.evaluate`.
        of_values: flags that do not apply to directions, by their names; empty ones were not given.
        quiet: say nothing.

    Raises:
        SettingError: such a flag was given, and the model forecasts directions.
    """
    forecaster = load_forecaster(model)
    if forecaster.config.task == "direction":
        refuse_unused(of_values)
    return forecaster.evaluate(rows, tell=None if quiet else lambda line: say(f"  {line}"), **options)


def _refit(refit: bool, every: int | None) -> int:
    """Return the number of origins between two trainings; 0 for never."""
    from forecaster.errors import SettingError

    if refit and every == 0:
        raise SettingError("--refit trains again, and --refit-every 0 never does", "leave one of them out")
    return int(refit) if every is None else every


def _echo_document(found: Evaluation, model: str | None) -> None:
    tables = {"summary": found.summary, "tests": found.tests, "residuals": found.residuals()}
    tables |= {f"by_{split}": found.by(split) for split in ("series", "step", "level")}
    document = {name: table.to_dict(orient="records") for name, table in tables.items()}
    notes = [note.to_dict() for note in found.notes]
    echo_json({"model": model, **document, "verdict": found.verdict, "notes": notes})


def _echo_result(
    found: Evaluation, shown: list[str], splits: tuple[str, ...], metrics: str | None, residuals: bool
) -> None:
    """Print the measures, their splits, the tests and the verdict."""
    echo_measures(found.summary, shown)
    for split in splits:
        echo_split(found.by(split), split, metrics, shown)
    if residuals:
        _echo_residuals(found.residuals())
    echo_tests(found.tests, "the network over")
    click.echo(found.verdict)


#: Series whose residuals are printed at most; --json has all.
MOST_SERIES = 20


def _echo_residuals(table: pd.DataFrame) -> None:
    """Print the tests of the residuals, one line a series, and their meaning."""
    click.echo("errors of the network, actual less forecast:")
    names = [("mean", ".4g"), ("deviation", ".4g"), ("p-bias", ".3f"), ("lag-1", ".2f")]
    names += [("p-white", ".3f"), ("skewness", ".2f"), ("p-normal", ".3f")]
    click.echo(f"  {'':<15}{'errors':>8}" + "".join(f"{name:>11}" for name, _ in names))
    for _, row in table.head(MOST_SERIES).iterrows():
        cells = "".join(f"{number_text(row[name], form):>11}" for name, form in names)
        click.echo(f"  {str(row['series'])[:15]:<15}{row['errors']:>8,}{cells}")
    if len(table) > MOST_SERIES:
        click.echo(f"  {len(table) - MOST_SERIES:,} more series: --json prints all")
    steps = int(table["steps"].max())
    for column, words in (("p-bias", "biased"), ("p-white", "autocorrelated (Ljung-Box)"), ("p-normal", "not normal")):
        told = table[column].notna().sum()
        if told:
            click.echo(f"  {words} in {(table[column] < 0.05).sum():,} of {told:,} series (p < 0.05)")
    if steps > 1:
        click.echo(f"  Errors up to {steps} steps ahead are correlated even in the best forecast.")
        click.echo("  Test one step: --horizon 1 --stride 1.")
