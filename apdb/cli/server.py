"""`apdb server`: the private PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
from enum import StrEnum
from typing import Annotated

import typer

from apdb.cli.context import print_json, settings
from apdb.server import huge_pages
from apdb.server.cluster import Cluster
from apdb.server.pg_process import ClusterStatus

NOT_RUNNING = 3  # what `pg_ctl status` and service scripts return

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "The private PostgreSQL: make, start, stop, look into it.\n\n"
        "It needs no administrator and no configuration: data, log and socket are in one folder "
        "(/var/lib/apdb for root, ~/.local/share/apdb for others, APDB_HOME to choose), it opens "
        "no network port, and only you and root can reach it. APDB_PG_BIN names the folder of "
        "PostgreSQL's programs when they are in an unusual place."
    ),
)


class Mode(StrEnum):
    """How to stop."""

    FAST = "fast"
    SMART = "smart"
    IMMEDIATE = "immediate"


@app.command()
def start(
    unsafe_no_fsync: Annotated[
        bool,
        typer.Option(
            "--unsafe-no-fsync",
            help="Do not wait for the disk: faster, but a power cut may destroy all data. For "
            "tests only; stays until the server is started without it.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Start the server; make it, its database and the archive for its alerts if there is none.

    Does nothing when it is running. After a crash or `kill -9` it repairs what was left behind;
    every visit is then there as a whole or not at all.
    """
    cluster = Cluster(fsync=not unsafe_no_fsync)
    started = cluster.start()
    from apdb.server.private import prepare_database

    prepare_database(cluster)
    if not quiet:
        word = "started" if started else "was already running"
        typer.echo(f"PostgreSQL {word} in {cluster.root}\nDSN: {cluster.dsn()}")
        if not started and cluster.status().durable == unsafe_no_fsync:
            typer.echo("Its fsync setting is the other one; stop it first to change that.")


@app.command()
def stop(
    mode: Annotated[
        Mode,
        typer.Option(
            help="fast ends open transactions; smart waits for sessions to leave; immediate "
            "leaves the work of a crash to the next start."
        ),
    ] = Mode.FAST,
) -> None:
    """Stop the server. Nothing that was committed is lost."""
    cluster = Cluster()
    stopped = cluster.stop(mode.value)
    typer.echo(f"PostgreSQL {'stopped' if stopped else 'was not running'} in {cluster.root}")


@app.command()
def status(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say whether the server runs, where its data and log are, and how to connect.

    Exit code 0 when it takes connections, 3 when not.
    """
    found = Cluster().status()
    if json or settings(context).json:
        print_json({**dataclasses.asdict(found), "running": found.running})
    else:
        _print_status(found)
    if not found.running:
        raise typer.Exit(NOT_RUNNING)


@app.command("huge-pages")
def reserve_huge_pages(
    release: Annotated[
        bool, typer.Option("--release", help="Give those back that nobody uses.")
    ] = False,
) -> None:
    """Reserve huge pages for the server's memory, which makes it faster (Linux, as root).

    The server must be stopped, and takes them at its next start. They are somewhat more
    than a quarter of the memory, at most some 9 GB, that no other program can use until they are
    released or the machine is started anew. Nothing else changes; without them the server does
    its work in small pages.
    """
    cluster = Cluster()
    needed = 0 if release else cluster.huge_pages_needed()
    total = huge_pages.reserve(needed)
    typer.echo(f"{total} huge pages reserved, {total * huge_pages.size() / 1e9:.1f} GB")
    if not release:
        typer.echo("Now: apdb server start")
        typer.echo(f"For good: vm.nr_hugepages = {total} in /etc/sysctl.d/apdb.conf")


def _print_status(found: ClusterStatus) -> None:
    lines = {"state": found.state if found.major else "absent (`apdb server start` makes it)"}
    if found.pid:
        lines["process"] = f"{found.pid}, since {found.started:%Y-%m-%d %H:%M:%S} UTC"
    if found.major:
        lines["version"] = f"PostgreSQL {found.major}"
        lines["durable"] = "yes" if found.durable else "NO: fsync is off, for tests only"
    if found.huge_pages is not None:
        lines["huge pages"] = "yes" if found.huge_pages else "no (`apdb server huge-pages --help`)"
    lines["data"] = str(found.data)
    lines["disk free"] = f"{found.free_bytes / 1e9:.1f} GB"
    if found.log_file:
        lines["log"] = str(found.log_file)
    lines["dsn"] = found.dsn
    for key, value in lines.items():
        typer.echo(f"{key:<10} {value}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; further arguments go to psql.

    For example `apdb server psql -c 'select count(*) from apdb.dia_source'`. With `--dsn` or
    APDB_DSN it opens that database, else the private one.
    """
    command = [*Cluster().psql_command(settings(context).dsn), *context.args]
    os.execv(command[0], command)
