"""`apdb reference`: reference catalogues and the neighbours of objects."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import RowsBar
from apdb.cli.tables import show_rows
from apdb.errors import InvalidInput
from apdb.reference.load import Kind, ReferenceCatalogue
from apdb.reference.mapping import DERIVED, known_columns

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Reference catalogues, in which objects get neighbours and hosts.\n\n"
        "Any number side by side, each with a name. `apdb xmatch` matches tables with them."
    ),
)


class What(StrEnum):
    """What the objects of a catalogue are."""

    STAR = "star"
    GALAXY = "galaxy"


@app.command()
def load(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", show_default=False)] = None,
    name: Annotated[
        str | None,
        typer.Option(help="What to call it: small letters, digits and underscores."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            "-c",
            metavar="NAME=COLUMN[:UNIT]",
            help="Where a column comes from; --columns lists them. Repeat for more.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Columns as a well-known catalogue calls them: gaia.")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Release, such as DR3.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is, in words.")] = None,
    epoch: Annotated[
        str | None, typer.Option(help="Epoch of rows without one: J2016.0, or an MJD.")
    ] = None,
    kind: Annotated[
        What | None, typer.Option(help="What rows without an extendedness are.")
    ] = None,
    for_neighbours: Annotated[
        bool,
        typer.Option(
            "--neighbours/--no-neighbours", help="Take neighbours and hosts of objects from it."
        ),
    ] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the catalogue of that name first.")
    ] = False,
    columns: Annotated[
        bool, typer.Option("--columns", help="Only list the columns that there are.")
    ] = False,
) -> None:
    """Load a catalogue of stars or galaxies: Parquet, FITS, ECSV, CSV or Avro files.

    Needed are positions, ICRS degrees. Columns of the same names as in --columns are found, others
    are named by --column, with a unit where the file has none: -c ra_err=e_RA:mas. Rows without an
    id are numbered.

    Stars and galaxies are told apart by extendedness (0 to 1), or by --kind for all. Hosts need
    moments ixx, iyy, ixy [arcsec**2], or semi_major, semi_minor [arcsec] and position_angle [deg];
    or an effective_radius, with `apdb db set host_separation effective_radius`.

    The catalogue is loaded as a whole or not at all. New objects get their neighbours from it; for
    those that are there already run `apdb reference refresh`.
    """
    if columns:
        for each in known_columns():
            typer.echo(f"{each}: {_described(each)}")
        return
    if not files or name is None:
        raise InvalidInput("give files, and --name for what to call the catalogue")
    given = dict(_pair(text) for text in column or ())
    chosen: Kind | None = None if kind is None else ("star" if kind is What.STAR else "galaxy")
    with apdb.connect(settings(context).resolve_dsn()) as db, RowsBar("loading") as bar:
        loaded = db.load_reference(
            name,
            files,
            columns=given,
            preset=preset,
            release=release,
            description=description,
            epoch=epoch,
            kind=chosen,
            for_neighbours=for_neighbours,
            replace=replace,
            watch=bar.at,
        )
    if settings(context).json:
        print_json(dataclasses.asdict(loaded))
        return
    typer.echo(
        f"{loaded.name}: {loaded.n_objects:,} objects loaded, {loaded.n_stars:,} stars and "
        f"{loaded.n_galaxies:,} galaxies"
    )
    unknown = loaded.n_objects - loaded.n_stars - loaded.n_galaxies
    if unknown and loaded.for_neighbours:
        typer.echo(
            f"{unknown:,} of them have no extendedness and are never neighbours "
            "(--kind says what they are)"
        )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the catalogues that are loaded."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = db.references()
    if settings(context).json:
        print_json([dataclasses.asdict(each) for each in found])
    elif found:
        heads = ("name", "release", "objects", "stars", "galaxies", "neighbours", "description")
        show_rows(heads, map(_row, found), f"{len(found)} reference catalogue(s)")
    else:
        typer.echo("no reference catalogue is loaded; `apdb reference load --help` says how")


@app.command()
def drop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the catalogue.")],
) -> None:
    """Remove a catalogue; objects lose its neighbours when they are touched, or by refresh."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        n = db.drop_reference(name)
    if settings(context).json:
        print_json({"name": name, "n_objects": n})
    else:
        typer.echo(f"{name}: {n:,} objects removed")


@app.command()
def refresh(context: typer.Context) -> None:
    """Work out neighbours of all objects that do not have them by the latest catalogues.

    Objects that visits touch get them by themselves; this is for the others. Safe to stop and to
    run again.
    """
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        RowsBar("neighbours", unit="objects") as bar,
    ):
        n = db.refresh_neighbours(bar.at)
    if settings(context).json:
        print_json({"n_objects": n})
    else:
        typer.echo(f"neighbours of {n:,} objects worked out")


def _pair(text: str) -> tuple[str, str]:
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InvalidInput(f"--column {text}: give NAME=COLUMN or NAME=COLUMN:UNIT")
    return name, source


def _described(name: str) -> str:
    from apdb.schema.catalogue import table

    return DERIVED.get(name) or table("reference_object").column(name).comment


def _row(each: ReferenceCatalogue) -> tuple[object, ...]:
    counts = (f"{n:,}" for n in (each.n_objects, each.n_stars, each.n_galaxies))
    return (
        each.name,
        each.release,
        *counts,
        "yes" if each.for_neighbours else "no",
        each.description,
    )
