"""What the settings of a database say of its alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from apdb.alerts.schemas import AlertSchema, alert_schema, schema_of_registry_id
from apdb.routine import first_row


@dataclass(frozen=True)
class Rules:
    """The row of the routine alert_rules.

    Attributes
    ----------
    archive_url : str
        Folder or URL of the archive; empty if there is none.
    archive_codec : str
        Compression of new files.
    schema_version : str
        Version of the public schema that packets follow.
    registry_id : int
        Its number.
    namespace : str
        Name of the survey in the names of records.
    written : tuple of int
        Registry ids that visits write fragments in.
    complete : tuple of int
        Registry ids that all stored visits have fragments in.
    history_days : float
        Length of the history in a packet [d].
    flags : str
        Columns that keep a source from yielding an alert, joined by commas.
    reliability_min : float
        Lowest reliability that yields an alert.
    fakes : bool
        Whether injected sources yield alerts.
    max_with_stamps, max_with_histories : int
        A visit with more alerts comes without stamps, without histories at first.
    seconds_with_stamps, seconds_with_histories : float
        A visit that took longer comes without stamps, without histories at first [s].
    """

    archive_url: str
    archive_codec: str
    schema_version: str
    registry_id: int
    namespace: str
    written: tuple[int, ...]
    complete: tuple[int, ...]
    history_days: float
    flags: str
    reliability_min: float
    fakes: bool
    max_with_stamps: int
    max_with_histories: int
    seconds_with_stamps: float
    seconds_with_histories: float

    @property
    def schema(self) -> AlertSchema:
        """The public schema that packets follow."""
        return alert_schema(self.schema_version, namespace=self.namespace)

    @property
    def extended(self) -> AlertSchema:
        """The extended schema of the same version."""
        return alert_schema(self.schema_version, namespace=self.namespace, extended=True)

    @property
    def written_schemas(self) -> tuple[AlertSchema, ...]:
        """Public schemas that visits write fragments in."""
        ids = sorted({*self.written, self.registry_id})
        return tuple(schema_of_registry_id(each, namespace=self.namespace) for each in ids)


def open_alerts(connection: psycopg.Connection[Any]) -> Rules:
    """Begin the alerts of a visit, in its transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the visit.

    Returns
    -------
    Rules
    """
    return _rules(first_row(connection, "select * from apdb.open_alerts()", ()))


def read_rules(connection: psycopg.Connection[Any]) -> Rules:
    """Return what the settings say.

    Parameters
    ----------
    connection : psycopg.Connection
        To read in.

    Returns
    -------
    Rules
    """
    return _rules(first_row(connection, "select * from apdb.alert_rules()", ()))


def _rules(row: dict[str, Any] | None) -> Rules:
    assert row is not None
    ids = {name: tuple(row[name]) for name in ("written", "complete")}
    return Rules(**{**row, **ids})
