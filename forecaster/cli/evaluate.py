"""``forecaster evaluate``: backtest a model beside the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from forecaster.cli.common import (
    check_picture,
    check_table,
    echo_json,
    force_option,
    horizon_option,
    json_option,
    level_option,
    model_option,
    quiet_option,
    read_source,
    say_notes,
    source_options,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.forecaster import Evaluation


@click.command("evaluate")
@model_option
@click.option(
    "--data", metavar="FILE", help="Table with newer rows, or other series. [default: the rows the model keeps]"
)
@horizon_option("How far each forecast goes: 10, 30d. [default: as trained]")
@click.option(
    "--origins", type=click.IntRange(1), metavar="N", help="Rolling origins, counted from the end. [default: 5]"
)
@click.option("--stride", type=click.IntRange(1), metavar="N", help="Steps between origins. [default: the horizon]")
@click.option("--refit", is_flag=True, help="Train anew at each origin, on the rows before it only.")
@source_options
@level_option
@click.option("--output", metavar="FILE", help="Every forecast and actual, to CSV, JSON or Parquet; - prints CSV.")
@click.option("--plot", metavar="FILE", help="Draw the backtest to a PNG or SVG.")
@force_option
@json_option
@quiet_option
def command(
    model: str,
    data: str | None,
    horizon: str | None,
    origins: int | None,
    stride: int | None,
    refit: bool,
    levels: tuple[int, ...],
    output: str | None,
    plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **source: str | None,
) -> None:
    """Backtest the network over rolling origins, beside naive, seasonal naive, drift, AutoETS and AutoTheta.

    \b
    forecaster evaluate --data newer.csv
    forecaster evaluate --refit --origins 3
    forecaster evaluate --output backtest.csv --plot backtest.png
    """
    from forecaster.forecaster import Forecaster

    check_table(output, force)
    check_picture(plot, force)
    forecaster = Forecaster.load(model)
    found = forecaster.evaluate(
        read_source(data, **source) if data else None,
        horizon=horizon,
        origins=origins,
        stride=stride,
        refit=refit,
        levels=levels,
        tell=None if quiet else lambda line: click.echo(f"  {line}", err=True),
    )
    say_notes(found.notes, quiet)
    if plot:
        _plot(found, plot, force, quiet)
    if output and (output != "-" or not as_json):
        write_table(found.table, output, force)
    if as_json:
        notes = [note.to_dict() for note in found.notes]
        echo_json({"model": model, "summary": found.summary.to_dict(orient="records"), "notes": notes})
    elif output != "-":
        _echo_summary(found)


def _echo_summary(found: Evaluation) -> None:
    """Print the table and what it means."""
    summary = found.summary
    names = [name for name in summary.columns if name not in ("model", "series", "windows")]
    click.echo(f"  {'':<15}" + "".join(f"{name:>13}" for name in names))
    for _, row in summary.iterrows():
        click.echo(f"  {row['model']:<15}" + "".join(f"{row[name]:>13{_form(name)}}" for name in names))
    click.echo(_verdict(summary, bool(found.table["seen"].any())))


def _form(name: str) -> str:
    return ".1%" if name.startswith("coverage") or name == "skill" else ".4g"


def _verdict(summary: pd.DataFrame, seen: bool) -> str:
    """Say where the network stands, in one sentence."""
    if seen:
        return "No verdict: the network was trained on these rows."
    errors = summary.set_index("model")["mae"]
    better = [name for name in errors.index if name != "network" and errors[name] <= errors["network"]]
    if better:
        return f"The network does NOT beat {', '.join(better)} by mean absolute error."
    return "The network has the smallest mean absolute error of all."


def _plot(found: Evaluation, path: str, force: bool, quiet: bool) -> None:
    from forecaster.plotting import save_figure

    save_figure(found.plot(title="backtest"), path, force)
    if not quiet:
        click.echo(f"picture: {path}", err=True)
