"""A database of the private cluster, ready to store visits: schema and archive."""

from __future__ import annotations

from apdb.database import connect
from apdb.schema import migrate
from apdb.server.cluster import DATABASE, Cluster


def prepare_database(cluster: Cluster, name: str = DATABASE) -> bool:
    """Make a database with schema and archive, unless it exists.

    Parameters
    ----------
    cluster : Cluster
        Whose server runs.
    name : str, optional
        Name of the database.

    Returns
    -------
    bool
        True if it is new.  One that was there is left as it is: its archive may be elsewhere, or
        not wanted.

    Raises
    ------
    ServerNotRunning
        The server does not answer.
    """
    new = cluster.ensure_database(name)
    if new:
        migrate.upgrade(cluster.dsn(name))
        with connect(cluster.dsn(name)) as db:
            db.set_setting("archive_url", cluster.archive(name))
    return new
