"""`apdb orbits`: orbits of known objects of the solar system."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.progress import RowsBar

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Orbits of known objects of the solar system.\n\n"
        "Load them, then build the ephemerides of a night: `apdb ephemerides build`."
    ),
)
_SHOWN = 20


@app.command()
def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Where they are from; default is the name of the file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 2 if any line was bad.")
    ] = False,
) -> None:
    """Load orbits from a file; an orbit replaces the one that the object had.

    Files: MPCORB lines (MPCORB.DAT, NEA.txt), rows of the Minor Planet Center's mpc_orbits as JSON
    or CSV, or their mpc_orb_jsonb alone, JSON of JPL's Small-Body DataBase query, and JPL's list of
    comets ELEMENTS.COMET; gzipped or not.

    Bad lines are told with number and reason, and the others loaded, in one transaction.
    Ephemerides that were built before are not changed: build the night again.
    """
    with apdb.connect(settings(context).resolve_dsn()) as db, RowsBar("loading", "orbits") as bar:
        found = db.load_orbits(file, name=name, watch=bar.at)
    if settings(context).json:
        print_json(dataclasses.asdict(found))
    else:
        for each in found.bad[:_SHOWN]:
            typer.echo(str(each), err=True)
        if found.n_bad > _SHOWN:
            typer.echo(f"… and {found.n_bad - _SHOWN:,} more", err=True)
        same = found.n_orbits - found.n_new - found.n_changed
        typer.echo(
            f"{found.n_orbits:,} orbits: {found.n_new:,} new, {found.n_changed:,} changed, "
            f"{same:,} as they were; {found.n_bad:,} bad line(s)"
        )
    if strict and found.n_bad:
        raise typer.Exit(2)


@app.command()
def characterize(context: typer.Context) -> None:
    """Work out H and G12 by band, and what orbits say, of all objects that were detected.

    Fills the columns of ss_object that visits do not keep: phase functions with errors and
    covariance, the least distance to the Earth's orbit, Tisserand's parameter, extendedness. Safe
    to stop and to run again; run it once a night.
    """
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        RowsBar("characterizing", "objects") as bar,
    ):
        n = db.characterize_ss_objects(watch=bar.at)
    if settings(context).json:
        print_json({"n_objects": n})
    else:
        typer.echo(f"{n:,} objects characterized")
