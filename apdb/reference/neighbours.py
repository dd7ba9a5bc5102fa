"""Neighbours and potential hosts of objects, as tables and as the fields of packets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from apdb.query.tables_out import fetch_table
from apdb.schema.catalogue import Column
from apdb.session import Session, patiently

if TYPE_CHECKING:
    from astropy.table import Table

PATIENCE = 300.0
"""How long a refresh tries again where other sessions hold the sky [s]."""


def _column(name: str, datatype: str, description: str, unit: str | None = None) -> Column:
    return Column(name, name, datatype, False, True, None, unit, None, description)


_COLUMNS = (
    _column("dia_object_id", "long", "The object"),
    _column("kind", "text", "star, galaxy or host"),
    _column("rank", "int", "From 1: by distance, hosts by separation"),
    _column("catalogue", "text", "Name of the reference catalogue"),
    _column("release", "text", "Its release"),
    _column("reference_object_id", "long", "Identifier in that catalogue"),
    _column("distance", "float", "Distance at mjd_tai; of stars and galaxies", "arcsec"),
    _column("ln_p", "float", "Logarithm of the probability that both are one"),
    _column("separation", "float", "Separation in units of the galaxy's size; of hosts"),
    _column("mjd_tai", "double", "Time to which the reference object was moved, MJD TAI", "d"),
)


class Neighbours(Session):
    """What is known of the surroundings of objects."""

    def neighbours(self, dia_object_ids: Sequence[int] | int) -> Table:
        """Return the neighbours and potential hosts of objects, as they are now.

        Parameters
        ----------
        dia_object_ids : int or sequence of int
            Objects.

        Returns
        -------
        astropy.table.Table
            A row for each star, galaxy and potential host, in the order of object, kind and rank.
            None for an object whose neighbours were not worked out: see `refresh_neighbours`.
        """
        ids = [dia_object_ids] if isinstance(dia_object_ids, int) else [*map(int, dia_object_ids)]
        names = sql.SQL(", ").join(sql.Identifier("t", column.name) for column in _COLUMNS)
        query = sql.SQL("select {} from apdb.neighbours_of_objects(%s::bigint[]) as t").format(
            names
        )
        with self.reading() as connection:
            return fetch_table(connection, query, (ids,), _COLUMNS)

    def refresh_neighbours(
        self, watch: Callable[[int, int | None], None] | None = None, *, batch: int = 2000
    ) -> int:
        """Work out the neighbours of all objects that do not have them by the latest catalogues.

        For objects that no visit touches soon; safe to stop and to run again.

        Parameters
        ----------
        watch : callable, optional
            Called with the number of objects worked out so far, and None.
        batch : int, optional
            How many objects to look at in one transaction.

        Returns
        -------
        int
            Number of objects worked out.

        Raises
        ------
        Busy
            Other sessions held the same part of the sky for `PATIENCE`; what was done stays.
        """
        after, done = -1, 0
        while True:
            last, n = patiently(partial(self._refresh, after, batch), PATIENCE)
            if last is None:
                return done
            after, done = last, done + n
            if watch is not None:
                watch(done, None)

    def _refresh(self, after: int, batch: int) -> tuple[int | None, int]:
        with self.connection() as connection:
            row = connection.execute(
                "select last, n_objects from apdb.refresh_neighbours(%s, %s)", (after, batch)
            ).fetchone()
        assert row is not None
        return row[0], row[1]


def packet_fields(
    connection: psycopg.Connection[Any], dia_object_ids: Sequence[int], store_seq: int
) -> dict[int, dict[str, Any]]:
    """Return the fields of the extended alert schema, as they were at a step of knowledge.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    dia_object_ids : sequence of int
        Objects.
    store_seq : int
        The step.

    Returns
    -------
    dict of int to dict
        ``nearbyObjects`` and ``potentialHosts`` of each object that has been looked at.
    """
    found: dict[int, dict[str, Any]] = defaultdict(
        lambda: {"nearbyObjects": [], "potentialHosts": []}
    )
    rows = connection.execute(
        "select * from apdb.neighbours_as_of(%s::bigint[], %s)", (list(dia_object_ids), store_seq)
    )
    for owner, kind, number, name, distance, ln_p, separation in rows:
        fields = found[owner]
        whose = {"objectId": number, "catalogue": name}
        if kind == "host":
            fields["potentialHosts"].append(whose | {"separation": separation})
        elif kind is not None:
            measured = {"isGalaxy": kind == "galaxy", "distance": distance, "lnP": ln_p}
            fields["nearbyObjects"].append(whose | measured)
    return dict(found)
