"""`apdb db`: the schema of a database, its settings and its filters."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.table import Table

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import terminal
from apdb.errors import SchemaMismatch
from apdb.schema import migrate

DRIFT = 1

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "The schema of a database, its settings and its filters.\n\n"
        "All of it works on the database of --dsn or APDB_DSN, else on the private one."
    ),
)


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database to the schema of this code; make it where there is none.

    Tables, views and routines change in one transaction: all or nothing. Safe to repeat, and to
    run twice at once. The first time it needs a superuser, or the extensions q3c and btree_gist.
    """
    changed = migrate.upgrade(settings(context).resolve_dsn())
    if settings(context).json:
        print_json({"changed": changed})
    elif changed:
        for line in changed:
            typer.echo(line)
        typer.echo(f"{len(changed)} changed; the database is up to date")
    else:
        typer.echo("nothing to change; the database is up to date")


@app.command()
def status(context: typer.Context) -> None:
    """Say which schema the database has and which one this code needs.

    Exit code 0 when they agree, 4 when the database needs an upgrade or newer code made it.
    """
    state = migrate.status(settings(context).resolve_dsn())
    if settings(context).json:
        print_json({**dataclasses.asdict(state), "current": state.current})
    else:
        _print_status(state)
    if not state.current:
        raise typer.Exit(SchemaMismatch.exit_code)


def _print_status(state: migrate.SchemaStatus) -> None:
    present = state.database_revision is not None
    known = not present or bool(state.pending) or state.database_revision == state.code_revision
    lines = {
        "database": f"revision {state.database_revision}" if present else "holds no apdb schema",
        "this code": f"revision {state.code_revision}, apdb {apdb.__version__}, "
        f"catalogue {state.catalogue_version}",
    }
    if present and known:
        lines["routines"] = "those of this code" if state.routines_current else "of other code"
    if state.current:
        lines["to do"] = "nothing"
    elif known:
        waiting = ", ".join(state.pending)
        lines["to do"] = "`apdb db upgrade`" + (f" applies {waiting}" if waiting else "")
    else:
        lines["to do"] = "install the newer apdb that the database was upgraded with"
    for key, value in lines.items():
        typer.echo(f"{key:<10} {value}")


@app.command()
def check(context: typer.Context) -> None:
    """List every difference between this code and the live database (drift).

    Looks at tables, columns, comments, constraints, indexes, views and routines. Exit code 0 when
    there is none, 1 otherwise.
    """
    found = migrate.check(settings(context).resolve_dsn())
    if settings(context).json:
        print_json({"drift": found})
    else:
        for line in found:
            typer.echo(line)
        typer.echo(f"{len(found)} difference{'s' * (len(found) != 1)}" if found else "no drift")
    if found:
        raise typer.Exit(DRIFT)


@app.command("settings")
def show_settings(context: typer.Context) -> None:
    """Show the settings of the database, and what each may be."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        found = list(db.settings().values())
    if settings(context).json:
        print_json([dataclasses.asdict(each) for each in found])
        return
    shown = Table("setting", "value", "unit", "allowed", "meaning", box=None, pad_edge=False)
    shown.columns[0].no_wrap = True
    shown.columns[1].overflow = "fold"
    for each in found:
        shown.add_row(each.name, each.value, each.unit or "", each.allowed, each.meaning)
    terminal().print(shown)


@app.command("set")
def set_value(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the setting.")],
    value: Annotated[str, typer.Argument(help="Its new value. Negative ones after --.")],
) -> None:
    """Change a setting of the database; it holds for visits that begin afterwards."""
    with apdb.connect(settings(context).resolve_dsn()) as db:
        before = db.set_setting(name, value)
        after = db.settings()[name].value
    if settings(context).json:
        print_json({"name": name, "before": before, "value": after})
    else:
        typer.echo(f"{name} is {after} (was {before})")


@app.command()
def band(
    context: typer.Context,
    filter_name: Annotated[
        str | None, typer.Argument(metavar="FILTER", help="As the instrument calls it.")
    ] = None,
    band_name: Annotated[
        str | None, typer.Argument(metavar="BAND", help="u, g, r, i, z or y.")
    ] = None,
) -> None:
    """Make a filter of an instrument known as one of the survey's bands; without names list them.

    For example `apdb db band DECam-g g`.
    """
    if filter_name is not None and band_name is None:
        raise typer.BadParameter("give the band that the filter stands for", param_hint="BAND")
    before = None
    with apdb.connect(settings(context).resolve_dsn()) as db:
        if filter_name is not None and band_name is not None:
            before = db.add_band(filter_name, band_name)
        known = db.bands()
    if settings(context).json:
        print_json(known)
    elif filter_name is None:
        for name, stands_for in known.items():
            typer.echo(f"{name:<20} {stands_for}")
    else:
        was = "" if before in (None, band_name) else f" (was {before})"
        typer.echo(f"filter {filter_name} is band {band_name}{was}")
