"""What the global options of `apdb` hand to every command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import typer

from apdb.errors import ServerNotRunning
from apdb.server.cluster import Cluster


@dataclass(frozen=True)
class Settings:
    """The global options.

    Attributes
    ----------
    dsn : str or None
        From `--dsn` or APDB_DSN; None means the private server.
    json : bool
        Print results as JSON.
    """

    dsn: str | None = None
    json: bool = False

    def resolve_dsn(self) -> str:
        """Return the connection string that the command should use.

        Returns
        -------
        str
            `--dsn` or APDB_DSN, else that of the private server.

        Raises
        ------
        ServerNotRunning
            The private server is meant and does not run.
        """
        if self.dsn:
            return self.dsn
        cluster = Cluster()
        if not cluster.status().running:
            raise ServerNotRunning(f"The private server in {cluster.root} is not running")
        return cluster.dsn()


def settings(context: typer.Context) -> Settings:
    """Return the global options of a command's context."""
    found = context.find_object(Settings)
    return found or Settings()


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; paths, times and the like become text."""
    typer.echo(json.dumps(value, indent=2, default=str))
