"""The root of the command line: global options, groups of commands, how errors are shown."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from apdb.cli import (
    ades,
    alerts,
    attribute,
    characterize,
    correct,
    db,
    demo,
    ephemerides,
    forced,
    maintain,
    moving,
    nway,
    orbits,
    precovery,
    process,
    process_night,
    query,
    reference,
    serve,
    server,
    store,
    study,
    templates,
    train_reliability,
    xmatch,
)
from apdb.cli.context import Settings
from apdb.errors import ApdbError, InvalidInput
from pipeline.moving.errors import MovingError

app = typer.Typer(
    rich_markup_mode="markdown",
    name="apdb",
    no_args_is_help=True,
    # A traceback with local variables would show passwords out of connection strings.
    pretty_exceptions_show_locals=False,
)
app.add_typer(server.app, name="server")
app.add_typer(alerts.app, name="alerts")
app.add_typer(serve.tokens, name="tokens")
app.command()(serve.serve)
app.add_typer(correct.app, name="correct")
app.add_typer(db.app, name="db")
app.add_typer(forced.app, name="forced")
app.add_typer(precovery.app, name="precovery")
app.command()(store.store)
app.command()(process.process)
app.command("train-reliability")(train_reliability.train_reliability)
app.add_typer(study.app, name="study")
app.command("process-night")(process_night.process_night)
app.command()(demo.demo)
app.command()(query.objects)
app.command("object")(query.object_)
app.command()(query.visits)
app.command()(query.sources)
app.command()(query.status)
app.command("nway")(nway.nway_)
app.add_typer(reference.app, name="reference")
app.add_typer(orbits.app, name="orbits")
app.command("attribute")(attribute.attribute)
app.add_typer(ephemerides.app, name="ephemerides")
app.add_typer(templates.app, name="templates")
app.add_typer(moving.app, name="moving")
app.add_typer(ades.app, name="ades")
app.command()(xmatch.xmatch)
app.command("maintain")(maintain.maintain_)
app.command("characterize")(characterize.characterize)
app.command("features")(characterize.features)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"apdb {importlib.metadata.version('apdb')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    dsn: Annotated[
        str | None,
        typer.Option(
            envvar="APDB_DSN",
            help="Database to use, as a libpq string or URL. Default: the private server.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Alert production in PostgreSQL.

    Stores the detections of difference images, associates them into objects, and keeps their
    histories, all inside the database. Begin with `apdb server start`.
    """
    context.obj = Settings(dsn=dsn, json=json)


def main() -> None:
    """Run the command line; an error of apdb becomes its message, its remedy and its exit code."""
    try:
        app()
    except ApdbError as error:
        typer.echo(f"apdb: {error}", err=True)
        typer.echo(f"      {error.remedy}", err=True)
        sys.exit(error.exit_code)
    except MovingError as error:
        # Dynamics know nothing of databases: their errors are of their own, and say what to do.
        typer.echo(f"apdb: {error}", err=True)
        sys.exit(InvalidInput.exit_code)
    except OSError as error:
        # A file that an option names; whatever else fails is an error of apdb, or a fault.
        if error.filename is None:
            raise
        typer.echo(f"apdb: {error.filename}: {error.strerror}", err=True)
        sys.exit(InvalidInput.exit_code)
