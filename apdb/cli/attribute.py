"""`apdb attribute`: known solar-system objects in visits that were stored without ephemerides."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import RowsBar


def attribute(
    context: typer.Context,
    visit: Annotated[int | None, typer.Option(help="Only this visit, flagged or not.")] = None,
    detector: Annotated[int | None, typer.Option(help="Its detector.")] = None,
) -> None:
    """Attribute sources of stored visits to known solar-system objects.

    Of visits that were stored while no ephemerides were built for their night. Build the night
    first: `apdb ephemerides build`. Sources leave their DIAObjects for the solar-system objects;
    DIAObjects left without a source are retired. Safe to stop and to run again.
    """
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        RowsBar("attributing", "visits") as bar,
    ):
        done = db.attribute(visit, detector, watch=bar.at)
    if settings(context).json:
        print_json([dataclasses.asdict(each) for each in done])
        return
    missing = sum(each.n_dia_sources is None for each in done)
    sources = sum(each.n_dia_sources or 0 for each in done)
    typer.echo(f"{sources:,} sources attributed in {len(done) - missing:,} visits")
    if missing:
        typer.echo(
            f"{missing:,} visits have no ephemerides yet: `apdb ephemerides build` their nights"
        )
