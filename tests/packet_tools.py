"""What a packet should say, from plain queries and fastavro; and archives to read it from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
from alert_tools import public_package, written
from astropy.table import Table
from psycopg.rows import dict_row

import apdb
from apdb.schema import catalogue

TABLES = {
    "diaSource": "dia_source",
    "diaForcedSource": "dia_forced_source",
    "diaObject": "dia_object",
    "ssSource": "ss_source",
    "mpc_orbits": "mpc_orbits",
}


def set_archive(dsn: str, folder: Path, **settings: object) -> None:
    """Set the archive of a database, and other settings."""
    with psycopg.connect(dsn) as connection:
        for name, value in {"archive_url": folder, **settings}.items():
            connection.execute("select apdb.set_setting(%s, %s)", (name, str(value)))


def forced(positions: Table) -> Table:
    """Forced photometry: a flux that the object's id gives, some of it missing."""
    ids = np.asarray(positions["dia_object_id"])
    science = np.where(ids % 3 == 0, np.nan, (ids % 97).astype(float))
    return Table(
        {
            "dia_object_id": ids,
            "psf_flux": (ids % 1000).astype(float) - 500.0,
            "psf_flux_err": np.full(len(ids), 12.5),
            "science_flux": science,
            "science_flux_err": np.where(np.isnan(science), np.nan, 3.25),
        }
    )


class Expected:
    """Packets as plain queries have them, written by fastavro in the schema of lsst-alert-packet.

    Parameters
    ----------
    connection : psycopg.Connection
        A superuser's.
    version : str
        Version of the schema.
    days : float
        Length of the history [d].
    """

    def __init__(
        self, connection: psycopg.Connection[Any], version: str = "11.1", days: float = 365.0
    ) -> None:
        self.schema = public_package(version).definition
        self._connection = connection
        self._days = days
        named: Any = self.schema["__named_schemas"]
        self._names = {
            record: [
                f["name"] for f in named[f"lsst.v{version.replace('.', '_')}.{record}"]["fields"]
            ]
            for record in TABLES
        }

    def packet(self, dia_source_id: int, **changed: Any) -> bytes:
        """Return the packet of a source."""
        return written(self.schema, self.record(dia_source_id) | changed)

    def record(self, dia_source_id: int) -> dict[str, Any]:
        """Return the packet of a source as Python values, by what is known now."""
        (source,) = self._rows("diaSource", "t.dia_source_id = %s", dia_source_id)
        owner, midpoint = source["diaObjectId"], source["midpointMjdTai"]
        alert: dict[str, Any] = {
            "diaSourceId": dia_source_id,
            "observation_reason": None,
            "target_name": None,
            "diaSource": source,
            "prvDiaSources": None,
            "prvDiaForcedSources": None,
            "diaObject": None,
            "ssSource": None,
            "mpc_orbits": None,
            "cutoutDifference": None,
            "cutoutScience": None,
            "cutoutTemplate": None,
        }
        if owner is not None:
            within = (
                "t.dia_object_id = %s and t.midpoint_mjd_tai >= %s and t.midpoint_mjd_tai {} %s"
            )
            order = " order by t.midpoint_mjd_tai, "
            span = (owner, midpoint - self._days, midpoint)
            alert["prvDiaSources"] = (
                self._rows("diaSource", within.format("<") + order + "t.dia_source_id", *span)
                or None
            )
            alert["prvDiaForcedSources"] = self._rows(
                "diaForcedSource",
                within.format("<=") + order + "t.dia_forced_source_id",
                *span,
            )
            (alert["diaObject"],) = self._rows("diaObject", "t.dia_object_id = %s", owner)
        if source["ssObjectId"] is not None:
            (alert["ssSource"],) = self._rows("ssSource", "t.dia_source_id = %s", dia_source_id)
            name = alert["ssSource"]["designation"]
            orbits = self._rows("mpc_orbits", "t.designation = %s order by t.id", name)
            alert["mpc_orbits"] = orbits[0] if orbits else None
        return alert

    def _rows(self, record: str, where: str, *values: object) -> list[dict[str, Any]]:
        table = catalogue.table(TABLES[record])
        with self._connection.cursor(row_factory=dict_row, binary=True) as cursor:
            query: Any = f"select t.* from apdb.{table.name} as t where {where}"
            rows = cursor.execute(query, values).fetchall()
        # A partition cannot be made while somebody reads.
        self._connection.rollback()
        columns = {name: table.column(name).name for name in self._names[record]}
        return [{name: row[column] for name, column in columns.items()} for row in rows]


def index(connection: psycopg.Connection[Any], where: str = "true") -> list[dict[str, Any]]:
    """Return rows of the index of the archive, in the order of the files."""
    connection.rollback()
    with connection.cursor(row_factory=dict_row) as cursor:
        query: Any = (
            "select a.* from apdb_base.alert as a where "
            f"{where} order by a.store_seq, a.packet_file, a.packet_offset"
        )
        found = cursor.execute(query).fetchall()
    connection.rollback()
    return found


def packets_of(folder: Path, row: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return all packets of the file that a row of the index names, as fastavro reads the file."""
    with (folder / row["packet_file"]).open("rb") as file:
        reader: Any = fastavro.reader(file)
        return {record["diaSourceId"]: record for record in reader}


def header_of(folder: Path, path: str) -> dict[str, str]:
    """Return the metadata in the header of an archive file."""
    with (folder / path).open("rb") as file:
        return dict(fastavro.reader(file).metadata)


def decoded(packet: bytes, schema: Any) -> dict[str, Any]:
    """Return a packet as fastavro reads it."""
    record: Any = fastavro.schemaless_reader(io.BytesIO(packet), schema, None)
    return dict(record)


def eligible(db: apdb.Apdb, visit: apdb.Visit) -> set[int]:
    """Return the sources of a visit that should have an alert."""
    with psycopg.connect(db.dsn) as connection:
        rows = connection.execute(
            "select e.dia_source_id from apdb.eligible_sources(%s, %s::integer) as e",
            (visit.visit, visit.detector),
        ).fetchall()
    return {number for (number,) in rows}
