"""Output of ``fit`` and ``evaluate`` for forecasts of direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.evaluation_options import picture_title, save_picture
from forecaster.cli.output import echo_json, write_and_print_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecaster.artifact.model import Model
    from forecaster.data.readers.sources import Source
    from forecaster.direction.backtest import DirectionEvaluation

#: Printed instead of a verdict on a network whose training Ctrl-C ended.
HALF_TRAINED = "No verdict: its training was interrupted."
#: Columns of the table of scores: name of the measure, its heading, and how it is written.
_COLUMNS = (
    ("accuracy", "accuracy", ".1%"),
    ("log_loss", "log loss", ".4f"),
    ("brier", "Brier", ".4f"),
    ("calibration", "calibration", ".4f"),
)


def echo_fit(model: Model, directory: str) -> None:
    """Print the validation scores next to those of the baselines, and whether they beat a coin."""
    from forecaster.words import plural

    scores, record = model.record["scores"], model.record
    click.echo(
        f"model: {directory}, {record['rows']:,} time steps up to {record['trained_until'][:19]}, {record['seconds']} s"
    )
    steps = "one step" if model.plan.horizon == 1 else f"{model.plan.horizon} steps"
    click.echo(f"validation, {plural(scores['windows'], 'forecast')} of the direction over {steps};")
    click.echo(f"'stays' is {scores['stays']}:")
    _echo_scores(scores["models"])
    click.echo(HALF_TRAINED if record["interrupted"] else scores["verdict"])
    if scores["better"] and not record["interrupted"]:
        click.echo("These rows also chose when training stopped; evaluate on newer rows to be sure.")


def refuse_unused(given: Mapping[str, object]) -> None:
    """Refuse flags of ``evaluate`` that do not apply to directions.

    Args:
        given: values by the name of the flag; empty ones were not given.

    Raises:
        SettingError: naming the flag.
    """
    from forecaster.errors import SettingError

    for name, value in given.items():
        if value:
            raise SettingError(f"--{name} is for forecasts of values, the model forecasts directions", "leave it out")


def echo_directions(
    found: DirectionEvaluation,
    model: str,
    rows: Source | None,
    plot: str | None,
    output: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the scores over rolling origins, the reliability of the probabilities, and the verdict.

    Args:
        found: the backtest.
        model: the model's directory.
        rows: the data given, if any.
        plot: where to draw the reliability, if anywhere.
        output: where to write the table, if anywhere; ``-`` prints it instead.
        force: replace files that exist.
        as_json: print one JSON document instead.
        quiet: do not report files written.
    """
    if plot:
        save_picture(found.plot(title=picture_title("reliability", model, rows)), plot, force, quiet)
    write_and_print_result(
        found.table,
        output,
        force,
        (lambda: _echo_document(found, model)) if as_json else None,
        lambda: _echo_result(found),
    )


def _echo_document(found: DirectionEvaluation, model: str) -> None:
    plain = {**found.assessment.to_dict(), "seen": found.seen, "verdict": found.verdict}
    echo_json({"model": model, **plain, "notes": [note.to_dict() for note in found.notes]})


def _echo_result(found: DirectionEvaluation) -> None:
    _echo_scores(found.summary.to_dict(orient="records"))
    _echo_reliability(found.assessment.reliability.to_dict(orient="records"))
    click.echo(found.verdict)


def _echo_scores(models: Sequence[dict[str, Any]]) -> None:
    click.echo(f"  {'':<12}" + "".join(f"{heading:>13}" for _, heading, _ in _COLUMNS))
    for row in models:
        cells = (f"{row[name]:{form}}" if row[name] == row[name] else "" for name, _, form in _COLUMNS)
        click.echo(f"  {row['model']:<12}" + "".join(f"{cell:>13}" for cell in cells).rstrip())


def _echo_reliability(rows: Sequence[dict[str, Any]]) -> None:
    """Print one line for each tenth of probability: how often each direction occurred at that forecast probability."""
    names = list(dict.fromkeys(row["direction"] for row in rows))
    click.echo("reliability: how often each direction occurred, by its forecast probability:")
    click.echo(f"  {'':<12}" + "".join(f"{name:>17}" for name in names))
    cells = {(row["low"], row["direction"]): f"{row['observed']:.0%} of {row['windows']:,}" for row in rows}
    for low, high in sorted({(row["low"], row["high"]) for row in rows}):
        label = f"{low:.0%} to {high:.0%}".replace("%", "", 1)
        click.echo(f"  {label:<12}" + "".join(f"{cells.get((low, name), ''):>17}" for name in names).rstrip())
