"""`apdb ephemerides`: where known objects of the solar system are in a night."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import RowsBar
from apdb.cli.tables import show_rows
from apdb.errors import InvalidInput
from apdb.solar_system.nightly import NightReport

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Ephemerides of the known objects of the solar system, by night.\n\n"
        "Build those of a night before its visits are stored; their sources are attributed by them."
    ),
)
_HEADS = ("night", "site", "slow", "fast", "failed")


@app.command()
def build(
    context: typer.Context,
    night: Annotated[
        str | None,
        typer.Argument(help="Date of the evening, such as 2026-03-09; default is tonight."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that propagate orbits.")] = 2,
) -> None:
    """Build the ephemerides of a night from the orbits that are loaded.

    For the site of the setting site_code; the night is that of site_longitude. What the night had
    is replaced when all is done, in one step; the last nights built are kept
    (ephemeris_keep_nights).
    """
    when = None if night is None else _date(night)
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        RowsBar("building", "orbits") as bar,
    ):
        made = db.build_ephemerides(when, workers=workers, watch=bar.at)
    if settings(context).json:
        print_json(dataclasses.asdict(made))
        return
    typer.echo(
        f"night of {made.night} at {made.site}: {made.n_slow:,} objects and {made.n_fast:,} fast "
        f"ones; {made.n_failed:,} orbit(s) could not be propagated"
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the nights whose ephemerides are built."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = db.ephemeris_nights()
    if settings(context).json:
        print_json([dataclasses.asdict(each) for each in found])
    elif found:
        show_rows(_HEADS, map(_row, found), f"{len(found)} night(s)")
    else:
        typer.echo("no night is built; `apdb ephemerides build --help` says how")


def _row(each: NightReport) -> tuple[object, ...]:
    counts = (f"{n:,}" for n in (each.n_slow, each.n_fast, each.n_failed))
    return (each.night, each.site, *counts)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"night {text!r} is no date: give one such as 2026-03-09") from error
