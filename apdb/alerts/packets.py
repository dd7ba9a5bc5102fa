"""Parts of packets: where the stamps go, what the extended schema adds, packets without history.

In the archive a packet is kept with its three stamps null, one zero byte each.  In the public
schema they are the last fields, and so the last three bytes.  The extended schema has its fields
behind them, and ends in ``stampsSplit``: four bytes, little-endian, that say how many bytes lie
between the stamps and them.  Either way the place of the stamps is known without decoding::

    public     …  00 00 00
    extended   …  00 00 00  <stampsSplit bytes>  stampsSplit
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import fastavro

from apdb.alerts.encoding import encode_long
from apdb.alerts.schemas import AlertSchema, alert_schema
from apdb.errors import InvalidInput

Bytes = bytes | bytearray | memoryview

NO_STAMPS = bytes(3)
"""Avro bytes of the three stamps where none are kept."""

_CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
_SPLIT = struct.Struct("<I")
_HISTORY = "prvDiaSources"
_HISTORY_IDS = "prvDiaSourceIds"
_SPLIT_FIELD = "stampsSplit"


def stamps_end(packet: Bytes, schema: AlertSchema) -> int:
    """Return where in a packet the bytes of the stamps end.

    Parameters
    ----------
    packet : bytes-like
        Packet with or without stamps.
    schema : AlertSchema
        What it is written in.

    Returns
    -------
    int
        Number of bytes before: all of the packet in a public schema.

    Raises
    ------
    InvalidInput
        If the packet is too short to be one.
    """
    end = len(packet)
    if schema.extended:
        at = end - _SPLIT.size
        end = at - _SPLIT.unpack_from(packet, at)[0] if at > 0 else 0
    if end <= len(NO_STAMPS):
        raise InvalidInput(f"{len(packet)} bytes are no packet of schema {schema.name}")
    return end


def full_packet(packet: Bytes, stamps: Bytes | None, schema: AlertSchema) -> bytes:
    """Return a packet with its stamps.

    Parameters
    ----------
    packet : bytes-like
        Packet with the three stamps null.
    stamps : bytes-like or None
        Avro bytes of the three stamps, as `encode_stamps` makes them and as a record of a stamps
        file ends; None if there are none.
    schema : AlertSchema
        What the packet is written in.

    Returns
    -------
    bytes
        What the SHA-256 of an alert is of.

    Raises
    ------
    InvalidInput
        If the packet has stamps already, or is none of that schema.
    """
    end = stamps_end(packet, schema)
    view = memoryview(packet)
    start = end - len(NO_STAMPS)
    if view[start:end] != NO_STAMPS:
        raise InvalidInput(f"the packet has stamps already, or is not of schema {schema.name}")
    return b"".join((view[:start], NO_STAMPS if stamps is None else stamps, view[end:]))


def encode_stamps(difference: Bytes | None, science: Bytes | None, template: Bytes | None) -> bytes:
    """Return the Avro bytes of the three stamps.

    Parameters
    ----------
    difference, science, template : bytes-like or None
        Content of each stamp; None for none.

    Returns
    -------
    bytes
        `NO_STAMPS` if all are None.
    """
    return b"".join(map(encode_stamp, (difference, science, template)))


def encode_stamp(stamp: Bytes | None) -> bytes:
    """Return the Avro bytes of one stamp.

    Parameters
    ----------
    stamp : bytes-like or None
        Its content; None for none.

    Returns
    -------
    bytes
    """
    return b"\0" if stamp is None else b"".join((b"\2", encode_long(len(stamp)), stamp))


def extension_tail(schema: AlertSchema, values: Mapping[str, object] | None = None) -> bytes:
    """Return the bytes of an extension behind the ids of the history, without ``stampsSplit``.

    A whole extension is: ``prvDiaSourceIds`` (00, or 02, the count, the ids, 00; 02 00 if there is
    no history), these bytes, and the length of both as four bytes, little-endian.

    Parameters
    ----------
    schema : AlertSchema
        An extended one.
    values : mapping of str to object, optional
        Values of fields of the extension, such as ``{"leftOut": "stamps"}``; the others are null.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidInput
        If the schema is not extended, or its extension has no such field.
    """
    first, fields = _extension_fields(schema)[0], _extension_fields(schema)[1:-1]
    assert first["name"] == _HISTORY_IDS
    given = dict(values or {})
    unknown = given.keys() - {each["name"] for each in fields}
    if unknown:
        raise InvalidInput(f"schema {schema.name} has no field {', '.join(sorted(unknown))}")
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed_fields(schema, fields[0]["name"], len(fields)), given)
    return out.getvalue()


def extension(
    schema: AlertSchema,
    history_ids: Sequence[int] | None = None,
    values: Mapping[str, object] | None = None,
) -> bytes:
    """Return all that an extended packet has behind its stamps.

    Parameters
    ----------
    schema : AlertSchema
        An extended one.
    history_ids : sequence of int, optional
        Ids of the history that the packet leaves out, oldest first; None if it is there.
    values : mapping of str to object, optional
        As in `extension_tail`.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidInput
        As `extension_tail`.
    """
    tail = extension_tail(schema, values)
    ids = b"\0"
    if history_ids is not None:
        block = b"".join(map(encode_long, (len(history_ids), *history_ids))) if history_ids else b""
        ids = b"".join((b"\2", block, b"\0"))
    return b"".join((ids, tail, _SPLIT.pack(len(ids) + len(tail))))


def extend(packet: Bytes, schema: AlertSchema, values: Mapping[str, object] | None = None) -> bytes:
    """Return a public packet in the extended schema of the same version.

    Parameters
    ----------
    packet : bytes-like
        Packet in the public schema.
    schema : AlertSchema
        The extended schema.
    values : mapping of str to object, optional
        As in `extension_tail`.

    Returns
    -------
    bytes
    """
    return b"".join((packet, extension(schema, None, values)))


def public_part(packet: Bytes, schema: AlertSchema) -> bytes:
    """Return a packet without what the extended schema adds.

    Parameters
    ----------
    packet : bytes-like
        Packet with or without stamps.
    schema : AlertSchema
        What it is written in, extended or not.

    Returns
    -------
    bytes
        The packet in the public schema.  A history that was left out stays so.
    """
    return bytes(memoryview(packet)[: stamps_end(packet, schema)])


def without_histories(packet: Bytes, schema: AlertSchema) -> bytes:
    """Return a packet with the ids of the earlier DIASources instead of their rows.

    Rows are skipped, not decoded; every other byte stays.

    Parameters
    ----------
    packet : bytes-like
        Packet with or without stamps.
    schema : AlertSchema
        What it is written in.

    Returns
    -------
    bytes
        In the extended schema of the same version and namespace; the packet itself if it is in
        that and its history was left out already.
    """
    wide = alert_schema(schema.version, namespace=schema.namespace, extended=True)
    end = stamps_end(packet, schema)
    source = io.BytesIO(packet)
    before = [each["name"] for each in schema.avro["fields"]].index(_HISTORY)
    first = schema.avro["fields"][0]["name"]
    empty = {"type": "record", "name": "alert", "fields": []}
    fastavro.schemaless_reader(source, _parsed_fields(schema, first, before), empty)
    start = source.tell()
    history: Any = fastavro.schemaless_reader(
        source, _parsed_fields(schema, _HISTORY, 1), _ids_only(schema)
    )
    rows = history[_HISTORY]
    ids = [row["diaSourceId"] for row in rows or ()]
    values: dict[str, Any] = {}
    if schema.extended:
        behind: Any = fastavro.schemaless_reader(
            io.BytesIO(memoryview(packet)[end:]), _parsed_fields(schema, _HISTORY_IDS)
        )
        if rows is None and behind[_HISTORY_IDS] is not None:
            return bytes(packet)
        values = {k: v for k, v in behind.items() if k not in (_HISTORY_IDS, _SPLIT_FIELD)}
    view = memoryview(packet)
    kept = (view[:start], b"\0", view[source.tell() : end])
    return b"".join((*kept, extension(wide, ids, values)))


def decode(packet: Bytes, schema: AlertSchema) -> dict[str, Any]:
    """Return a packet as Python values.

    Parameters
    ----------
    packet : bytes-like
        Packet with or without stamps.
    schema : AlertSchema
        What it is written in.

    Returns
    -------
    dict

    Raises
    ------
    InvalidInput
        If the bytes are no packet of that schema, or more than one.
    """
    source = io.BytesIO(packet)
    try:
        alert: Any = fastavro.schemaless_reader(source, schema.parsed, None)
    except (EOFError, IndexError, ValueError, struct.error) as error:
        raise InvalidInput(f"the packet is not of schema {schema.name}: {error}") from error
    if source.tell() != len(packet):
        text = f"{len(packet) - source.tell()} bytes behind its end"
        raise InvalidInput(f"the packet is not of schema {schema.name}: it has {text}")
    return dict(alert)


def _extension_fields(schema: AlertSchema) -> list[dict[str, Any]]:
    if not schema.extended:
        raise InvalidInput(f"schema {schema.name} is not extended: it has no extension")
    fields = list(schema.avro["fields"])
    return fields[[each["name"] for each in fields].index(_CUTOUTS[-1]) + 1 :]


@cache
def _parsed_fields(schema: AlertSchema, first: str, count: int | None = None) -> Any:
    """Return the schema of some of a packet's fields that follow each other."""
    fields = schema.avro["fields"]
    start = [each["name"] for each in fields].index(first)
    stop = None if count is None else start + count
    fields = [_whole(each, schema) for each in fields[start:stop]]
    record = {"type": "record", "name": schema.name, "fields": fields}
    return fastavro.parse_schema(record)


def _whole(field: dict[str, Any], schema: AlertSchema) -> dict[str, Any]:
    """Return a field with the history's record in full: the packet defines it further up."""
    if field["name"] != _HISTORY:
        return field
    items = schema.record_schema("diaSource")
    return {**field, "type": ["null", {"type": "array", "items": items}]}


@cache
def _ids_only(schema: AlertSchema) -> dict[str, Any]:
    source = schema.record_schema("diaSource")
    source = {**source, "fields": source["fields"][:1]}
    field = {"name": _HISTORY, "type": ["null", {"type": "array", "items": source}]}
    return {"type": "record", "name": schema.name, "fields": [field]}
