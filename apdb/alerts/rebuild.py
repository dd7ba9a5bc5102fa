"""Proof: an archived alert rendered anew from the columns, as of its visit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg

from apdb.alerts.degrade import WITHOUT_HISTORIES
from apdb.alerts.difference import differences
from apdb.alerts.packets import decode, full_packet
from apdb.alerts.render import Rendered, render
from apdb.alerts.rules import read_rules
from apdb.alerts.schemas import AlertSchema, alert_schema
from apdb.archive.place import Place
from apdb.archive.reader import Location, Span, read_metadata, read_packets, read_stamps
from apdb.errors import AlertRemoved, NotFound
from apdb.routine import first_row
from apdb.session import Session

_LATEST = 2**63 - 1
_SUMMARIES = ("diaObject", "ssSource", "mpc_orbits")


@dataclass(frozen=True)
class Rebuilt:
    """An alert rendered anew.

    Attributes
    ----------
    dia_source_id, revision : int
        Which alert.
    store_seq : int
        Step of knowledge that it is of.
    equal : bool
        True if the SHA-256 of the packet made now is that of the archived one; where the archive's
        retention removed the stamps, if both are equal without them.
    sha256_archived, sha256_rebuilt : bytes
        Both; the second empty where the source was not known at that step, and without stamps
        where retention removed them.
    differences : tuple of str
        What differs between the archived packet and that made now of the same step; empty if
        `equal`.
    corrections : tuple of str
        Corrections since then of the source or its object.
    changes : tuple of str
        What the packet would say otherwise by what is known now of trigger and history; empty if
        nothing was corrected.
    packet : bytes
        The packet made now, with the archived stamps; empty if there is none.
    without_stamps : bool
        True if the stamps were removed by retention.
    """

    dia_source_id: int
    revision: int
    store_seq: int
    equal: bool
    sha256_archived: bytes
    sha256_rebuilt: bytes
    differences: tuple[str, ...]
    corrections: tuple[str, ...]
    changes: tuple[str, ...]
    packet: bytes
    without_stamps: bool = False


def rebuild(session: Session, dia_source_id: int, revision: int | None = None) -> Rebuilt:
    """Render an archived alert from the columns as of its visit, and compare.

    Parameters
    ----------
    session : Session
        Where.
    dia_source_id : int
        The alert.
    revision : int, optional
        Which revision; the current one by default.

    Returns
    -------
    Rebuilt

    Raises
    ------
    NotFound
        There is no such alert.
    AlertRemoved
        Retention removed both packet and stamps, so that nothing is left to compare.
    ArchiveCorrupt
        Its file is damaged.
    """
    with session.connection() as connection:
        row = alert_row(connection, dia_source_id, revision)
        packet_kept, stamps_kept = _kept(connection, row)
        rules = read_rules(connection)
        place = Place(rules.archive_url)
        location = locate(row)
        meta = read_metadata(place, row["packet_file"]) if packet_kept else {}
        bare = row["content"] in WITHOUT_HISTORIES
        schema = alert_schema(row["schema_version"], namespace=rules.namespace, extended=bare)
        # What was completed later says of which step it is.
        step = int(meta.get("apdb.step", 0)) or step_of(connection, row)
        how: dict[str, Any] = {
            "histories": not bare,
            "left_out": "histories" if bare and row["degraded"] is not None else None,
        }
        days = float(meta.get("apdb.history_days", rules.history_days))
        then = _one(connection, schema, dia_source_id, step, days, how)
        archived = next(read_packets(place, [location], stamps=False)) if packet_kept else None
        packet = then.packet if then else b""
        if then and stamps_kept:
            packet = full_packet(packet, next(read_stamps(place, [location])), schema)
        digest = hashlib.sha256(packet).digest() if then else b""
        equal = digest == row["sha256"] if stamps_kept else packet == archived
        unlike: list[str] = []
        if not equal and archived is None:
            unlike = ["the archived packet was removed by retention, its SHA-256 differs"]
        elif not equal and archived is not None:
            unlike = _against(archived, then, schema) or ["the stamps"]
        corrections = _corrections(connection, row, step)
        changes: list[str] = []
        if corrections and then is not None:
            now = _one(connection, schema, dia_source_id, _LATEST, days, how)
            changes = _against(then.packet, now, schema, without=_SUMMARIES)
    return Rebuilt(
        dia_source_id,
        row["revision"],
        step,
        equal,
        bytes(row["sha256"]),
        digest,
        tuple(unlike),
        tuple(corrections),
        tuple(changes),
        packet,
        not stamps_kept,
    )


def _kept(connection: psycopg.Connection[Any], row: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the archive still has an alert's packet and its stamps, if it had any."""
    found = connection.execute(
        "select f.path from apdb.archive_file as f where f.state <> 'whole' and f.path = any(%s)",
        ([row["packet_file"], row["stamps_file"]],),
    ).fetchall()
    removed = {path for (path,) in found}
    if {row["packet_file"], row["stamps_file"]} <= removed:
        raise AlertRemoved(
            f"alert {row['dia_source_id']} revision {row['revision']}: packet and stamps were "
            "removed by the archive's retention, nothing is left to compare"
        )
    return row["packet_file"] not in removed, row["stamps_file"] not in removed


def alert_row(
    connection: psycopg.Connection[Any], dia_source_id: int, revision: int | None
) -> dict[str, Any]:
    """Return the row of an alert in the index.

    Parameters
    ----------
    connection : psycopg.Connection
        To read in.
    dia_source_id : int
        The alert.
    revision : int or None
        Which revision; None for the current one.

    Returns
    -------
    dict of str to object

    Raises
    ------
    NotFound
        There is no such alert.
    """
    row = first_row(
        connection,
        "select a.* from apdb.alert as a where a.dia_source_id = %s "
        "and case when %s::integer is null then a.is_current else a.revision = %s end",
        (dia_source_id, revision, revision),
    )
    if row is None:
        which = "" if revision is None else f" revision {revision}"
        raise NotFound(f"There is no alert {dia_source_id}{which} in the archive.")
    return row


def locate(row: dict[str, Any]) -> Location:
    """Return where an alert is.

    Parameters
    ----------
    row : dict of str to object
        Its row in the index.

    Returns
    -------
    Location
        Without the SHA-256: who compares that asks for damage to be told from difference.
    """
    packet = Span(row["packet_file"], row["packet_offset"], row["packet_length"], row["packet_crc"])
    stamps = None
    if row["stamps_file"] is not None:
        stamps = Span(
            row["stamps_file"], row["stamps_offset"], row["stamps_length"], row["stamps_crc"]
        )
    return Location(row["dia_source_id"], packet, stamps, row["codec"])


def step_of(connection: psycopg.Connection[Any], row: dict[str, Any]) -> int:
    """Return the step of knowledge that the content of an alert is of.

    An alert that was completed later is of the step of the revision before it, or else of the
    visit.

    Parameters
    ----------
    connection : psycopg.Connection
        To read in.
    row : dict of str to object
        The alert's row in the index.

    Returns
    -------
    int
    """
    found = first_row(
        connection,
        "select coalesce((select max(a.store_seq) from apdb.alert as a inner join apdb.store_event "
        "as e using (store_seq) where a.dia_source_id = %s and a.revision <= %s "
        "and e.kind <> 'complete'), (select v.store_seq from apdb.visit as v "
        "where v.visit = %s and v.detector = %s)) as step",
        (row["dia_source_id"], row["revision"], row["visit"], row["detector"]),
    )
    assert found is not None
    return int(found["step"])


def _one(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    dia_source_id: int,
    step: int,
    days: float,
    how: dict[str, Any],
) -> Rendered | None:
    return next(render(connection, schema, [dia_source_id], step, days, **how), None)


def _against(
    packet: bytes, made: Rendered | None, schema: AlertSchema, *, without: tuple[str, ...] = ()
) -> list[str]:
    if made is None:
        return ["the source is withdrawn or replaced"]
    return differences(decode(packet, schema), decode(made.packet, schema), without=without)


def _corrections(connection: psycopg.Connection[Any], row: dict[str, Any], step: int) -> list[str]:
    """Describe the corrections of a source or of its object since a step."""
    rows = connection.execute(
        "select distinct c.store_seq, c.kind, c.made_by, c.reason from apdb.correction as c "
        "inner join apdb.reassignment as r using (store_seq) where c.store_seq > %s "
        "and (r.dia_source_id = %s or r.old_dia_object_id = %s or r.new_dia_object_id = %s) "
        "order by c.store_seq",
        (step, row["dia_source_id"], row["dia_object_id"], row["dia_object_id"]),
    ).fetchall()
    return [f"{kind} by {who}, store_seq {seq}: {why or '-'}" for seq, kind, who, why in rows]
