"""`apdb serve` and `apdb tokens`: the alert service and who may use it."""

from __future__ import annotations

import dataclasses
import logging
import signal
from typing import Annotated

import typer

import apdb
from apdb.cli.context import print_json, settings
from apdb.cli.tables import show_rows, utc
from apdb.errors import ServerError
from apdb.service.tokens import Token, add_token, list_tokens, revoke_token

tokens = typer.Typer(no_args_is_help=True, help="Tokens of the alert service.")

_HEADS = ("number", "name", "state", "rate/s", "made", "expires", "requests", "last used")


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Give single alerts and stamps without a token."),
    ] = False,
    max_streams: Annotated[int, typer.Option(min=1, help="Most streams at once.")] = 16,
    connections: Annotated[int, typer.Option(min=1, help="Most database connections.")] = 8,
    grace: Annotated[
        int, typer.Option(min=0, help="How long open streams may go on when it is stopped [s].")
    ] = 30,
    forwarded_by: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded-For is believed, with commas between.")
    ] = "127.0.0.1",
) -> None:
    """Serve the archive of alerts over HTTP until stopped by SIGTERM or Ctrl-C.

    Connects as the role of --dsn and becomes apdb_broker, which may read the archive only.
    """
    from apdb.service.app import open_service
    from apdb.service.run import make_server

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    service = open_service(
        settings(context).resolve_dsn(),
        anonymous=anonymous,
        max_streams=max_streams,
        connections=connections,
    )
    server = make_server(service, host, port, grace=grace, forwarded_by=forwarded_by)
    typer.echo(f"serving alerts at http://{host}:{port}/ (description: /openapi.json)", err=True)
    # The server hands SIGTERM on once it has stopped: that is the end wanted, not a failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run()
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    except SystemExit:
        raise ServerError(f"The service could not listen at {host}:{port}") from None
    finally:
        service.close()


@tokens.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    rate: Annotated[float, typer.Option(help="Requests a second on average.")] = 100.0,
    days: Annotated[
        float | None, typer.Option(help="How long it is good [d]. Default: for ever.")
    ] = None,
) -> None:
    """Make a token and print it: this once, as the database keeps only its checksum."""
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        db.connection() as connection,
    ):
        token = add_token(connection, name, rate, days)
    if settings(context).json:
        print_json({"name": name, "token": token, "rate": rate, "days": days})
    else:
        typer.echo(token)


@tokens.command("list")
def list_(context: typer.Context) -> None:
    """List the tokens there ever were, and how they were used."""
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        db.connection() as connection,
    ):
        found = list_tokens(connection)
    if settings(context).json:
        print_json([dataclasses.asdict(token) for token in found])
    else:
        show_rows(_HEADS, map(_row, found), f"{len(found)} token(s)")


@tokens.command("revoke")
def revoke(
    context: typer.Context, name: Annotated[str, typer.Argument(help="Whose it is.")]
) -> None:
    """End a token; a service that runs notices within seconds."""
    with (
        apdb.connect(settings(context).resolve_dsn()) as db,
        db.connection() as connection,
    ):
        revoke_token(connection, name)
    typer.echo(f"the token of {name} is revoked")


def _row(token: Token) -> tuple[object, ...]:
    made, expires, used = map(
        _utc, (token.time_created_mjd_tai, token.time_expires_mjd_tai, token.time_used_mjd_tai)
    )
    return (
        token.token_id, token.name, token.state, token.rate, made, expires, token.n_requests, used,
    )  # fmt: skip


def _utc(mjd_tai: float | None) -> str | None:
    if mjd_tai is None:
        return None
    return str(utc(mjd_tai).strftime("%Y-%m-%d %H:%M"))
