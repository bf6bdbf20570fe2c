"""``forecaster datasets``: list or copy the bundled data sets."""

from __future__ import annotations

from pathlib import Path

import click

from forecaster.cli.options import force_option, json_option
from forecaster.cli.output import echo_json


@click.group("datasets", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the bundled data sets; every command takes dataset:NAME where it takes a file.

    \b
    forecaster datasets
    forecaster datasets copy airline
    forecaster fit dataset:airline
    """
    from dataclasses import asdict

    from forecaster.data.bundled import DATASETS

    if ctx.invoked_subcommand:
        return
    if as_json:
        echo_json([asdict(dataset) for dataset in DATASETS.values()])
        return
    for dataset in DATASETS.values():
        click.echo(f"{dataset.name:<18} {dataset.rows:>6,} rows  {dataset.freq:<6} {dataset.title}")


@command.command("copy")
@click.argument("name")
@click.argument("destination", required=False, default=".")
@force_option
def copy(name: str, destination: str, force: bool) -> None:
    """Write one out: NAME, to DESTINATION (a file or folder; this folder by default)."""
    from forecaster.data.bundled import copy_dataset

    click.echo(str(copy_dataset(name, Path(destination), force)))
