"""Archived packets as they are asked for: which parts, and in which version of the schema.

What lies in the archive is passed on byte for byte where it is what was asked for.  Otherwise the
packet itself is changed, not made anew: it says what was said then.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Any, NamedTuple

import fastavro

from apdb.alerts.degrade import WITHOUT_HISTORIES
from apdb.alerts.encoding import encode_long
from apdb.alerts.packets import decode, public_part, stamps_end, without_histories
from apdb.alerts.schemas import AlertSchema, alert_schema, versions
from apdb.archive.place import Place
from apdb.archive.reader import Location, Span, read_packets, read_stamps
from apdb.archive.writer import CUTOUTS
from apdb.errors import AlertRemoved, ArchiveCorrupt, InvalidInput, NotFound, Problem
from apdb.input.problems import show
from apdb.query.call import invalid
from apdb.retrieval.select import AlertRow

CONTENTS = ("full", "no_stamps", "no_histories", "bare", "stamps")
"""Everything; without stamps; ids in the place of earlier DIASources; neither; stamps alone."""

_WITH_STAMPS = frozenset({"full", "no_histories", "stamps"})
_WITH_HISTORIES = frozenset({"full", "no_stamps"})
_RECORDS = {
    "diaSource": "diaSource",
    "prvDiaSources": "diaSource",
    "prvDiaForcedSources": "diaForcedSource",
    "diaObject": "diaObject",
    "ssSource": "ssSource",
    "mpc_orbits": "mpc_orbits",
}


@dataclass(frozen=True)
class Wanted:
    """Which parts of the packets are wanted.

    Attributes
    ----------
    content : str
        One of `CONTENTS`.
    version : str or None
        Version of the public schema; None for that of the archived packet.
    namespace : str
        Survey's part of the schema's namespace.
    one_schema : bool
        True if no packet may be in the extended schema beside others in the public one: one whose
        histories were left out for lack of time then comes without their ids.
    codec : str or None
        Codec in which an alert may come as it lies in the archive, compressed, where nothing is to
        be changed; None if never.
    """

    content: str = "full"
    version: str | None = None
    namespace: str = "lsst"
    one_schema: bool = False
    codec: str | None = None

    @property
    def schema(self) -> AlertSchema:
        """Schema of all packets, if the version is given and they are of one schema."""
        assert self.version is not None
        return alert_schema(self.version, namespace=self.namespace, extended=not self.histories)

    @property
    def stamps(self) -> bool:
        """Whether stamps are wanted."""
        return self.content in _WITH_STAMPS

    @property
    def histories(self) -> bool:
        """Whether earlier DIASources are wanted."""
        return self.content in _WITH_HISTORIES


def wanted(
    content: str | None = None, version: str | None = None, namespace: str = "lsst"
) -> Wanted:
    """Check which parts of the packets are wanted.

    Parameters
    ----------
    content : str, optional
        One of `CONTENTS`; default ``full``.
    version : str, optional
        Version of the public schema; default that of each archived packet.
    namespace : str, optional
        Survey's part of the schema's namespace.

    Returns
    -------
    Wanted

    Raises
    ------
    InvalidInput
        There is no such content or version.
    """
    chosen = "full" if content is None else content
    if chosen not in CONTENTS:
        text = f"must be one of {', '.join(CONTENTS)}"
        raise invalid([Problem(None, "content", show(content), text)])
    if version is not None and version not in versions():
        text = f"must be one of {', '.join(versions())}"
        raise invalid([Problem(None, "schema", show(version), text)])
    if chosen == "stamps" and version is not None:
        text = "stamps alone are the same in every version: leave it out"
        raise invalid([Problem(None, "schema", show(version), text)])
    return Wanted(chosen, version, namespace)


class Alert(NamedTuple):
    """An alert as it was asked for.

    Attributes
    ----------
    row : AlertRow
        What the index says of it.
    body : bytes
        Avro without a schema: the packet, or for stamps alone their three fields; empty if packed.
    schema : AlertSchema
        That of the packet.
    body_is_stamps : bool
        True for stamps alone.
    packed : bytes or None
        What a container file holds, compressed, where `Wanted.codec` allows it.
    """

    row: AlertRow
    body: bytes
    schema: AlertSchema
    body_is_stamps: bool = False
    packed: bytes | None = None

    @property
    def record(self) -> bytes:
        """What a container file holds: the packet, or the id and the stamps."""
        return encode_long(self.row.dia_source_id) + self.body if self.body_is_stamps else self.body

    @property
    def packet(self) -> dict[str, Any]:
        """The packet's fields by name; without those that were not asked for."""
        if self.body_is_stamps:
            return dict(self.stamps())
        return decode(self.body, self.schema)

    def stamps(self) -> dict[str, bytes | None]:
        """Return the three stamps by name, as FITS files; None for one that is missing."""
        if not self.body_is_stamps:
            values = decode(self.body, self.schema)
            return {name: values[name] for name in CUTOUTS}
        found: Any = fastavro.schemaless_reader(io.BytesIO(self.body), _stamps_record(), None)
        return dict(found)


def archived_schema(row: AlertRow, namespace: str) -> AlertSchema:
    """Return the schema in which an alert lies in the archive.

    Parameters
    ----------
    row : AlertRow
        The alert.
    namespace : str
        Survey's part of the schema's namespace.

    Returns
    -------
    AlertSchema
    """
    extended = row.content in WITHOUT_HISTORIES
    return alert_schema(row.schema_version, namespace=namespace, extended=extended)


def render(
    place: Place, rows: Iterable[AlertRow], what: Wanted, *, proof: bool = True
) -> Iterator[Alert]:
    """Read alerts out of the archive, in the parts and version wanted.

    Parameters
    ----------
    place : Place
        The archive.
    rows : iterable of AlertRow
        Which alerts.
    what : Wanted
        Which parts.
    proof : bool, optional
        Compare SHA-256, too, where all of an alert is read.  Without it damage still shows, by the
        CRC-32 of what lies in the file.

    Yields
    ------
    Alert
        In the order of the rows.

    Raises
    ------
    AlertRemoved
        The archive's retention removed a packet, or stamps that were wanted alone.
    ArchiveCorrupt
        A file is damaged, or not there.
    ArchiveUnavailable
        The archive cannot be read.
    """
    # What comes before a removed alert is given first.
    chosen = list(rows)
    kept = list(takewhile(lambda row: _is_kept(row, what), chosen))
    try:
        yield from _rendered(place, kept, what, proof)
    except AlertRemoved:
        raise
    except NotFound as error:
        raise ArchiveCorrupt(f"a file that the index names is missing: {error}") from error
    if len(kept) < len(chosen):
        row, part = chosen[len(kept)], "stamps were" if what.content == "stamps" else "packet was"
        raise AlertRemoved(
            f"alert {row.dia_source_id} revision {row.revision}: its {part} removed by the "
            "archive's retention"
        )


def _is_kept(row: AlertRow, what: Wanted) -> bool:
    if what.content == "stamps":
        return row.stamps_file is None or bool(row.has_stamps)
    return bool(row.has_packet)


def _rendered(place: Place, chosen: list[AlertRow], what: Wanted, proof: bool) -> Iterator[Alert]:
    places = [location(row, proof=proof, packed=_may_be_packed(row, what)) for row in chosen]
    if what.content == "stamps":
        bodies = read_stamps(place, places)
    else:
        bodies = read_packets(place, places, stamps=what.stamps)
    for row, where, body in zip(chosen, places, bodies, strict=True):
        schema = archived_schema(row, what.namespace)
        if where.packed:
            yield Alert(row, b"", schema, what.content == "stamps", body)
        elif what.content == "stamps":
            yield Alert(row, body, schema, body_is_stamps=True)
        else:
            yield Alert(row, *_changed(body, schema, what))


def _may_be_packed(row: AlertRow, what: Wanted) -> bool:
    """Tell whether all that is wanted is one block of the archive, and nothing else is in it."""
    if row.codec != what.codec:
        return False
    if what.content == "stamps":
        return row.has_stamps and row.stamps_crc is not None
    extended = row.content in WITHOUT_HISTORIES
    return (
        row.packet_crc is not None
        and what.histories
        and what.version in (None, row.schema_version)
        and not (extended and what.one_schema)
        and not (what.stamps and row.has_stamps)
    )


def location(row: AlertRow, *, proof: bool = True, packed: bool = False) -> Location:
    """Return where an alert lies in the archive; stamps that retention removed are left out.

    Parameters
    ----------
    row : AlertRow
        The alert.
    proof : bool, optional
        Name the SHA-256, to be compared, also where there is a CRC-32.
    packed : bool, optional
        Ask for it as it lies there.

    Returns
    -------
    Location
        For the archive's reader.
    """
    stamps = None
    sha256 = row.sha256 if proof or row.packet_crc is None else None
    if row.stamps_file is not None and not row.has_stamps:
        sha256 = None
    elif row.stamps_file is not None:
        assert row.stamps_offset is not None
        assert row.stamps_length is not None
        stamps = Span(row.stamps_file, row.stamps_offset, row.stamps_length, row.stamps_crc)
    packet = Span(row.packet_file, row.packet_offset, row.packet_length, row.packet_crc)
    return Location(row.dia_source_id, packet, stamps, row.codec, sha256, packed)


def _changed(packet: bytes, schema: AlertSchema, what: Wanted) -> tuple[bytes, AlertSchema]:
    """Return a packet in the version and with the histories wanted, and its schema."""
    version = what.version or schema.version
    if version != schema.version:
        packet, schema = _in_version(packet, schema, version)
    if not what.histories:
        packet = without_histories(packet, schema)
        schema = alert_schema(version, namespace=schema.namespace, extended=True)
    elif schema.extended and what.one_schema:
        packet = public_part(packet, schema)
        schema = alert_schema(version, namespace=schema.namespace)
    return packet, schema


def _in_version(packet: bytes, schema: AlertSchema, version: str) -> tuple[bytes, AlertSchema]:
    """Return a packet in another version: fields it does not know fall, new ones are null."""
    public = alert_schema(version, namespace=schema.namespace)
    values = _without_forbidden_nulls(decode(packet, schema), public)
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, public.parsed, values)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"alert {values['diaSourceId']} of schema {schema.version} cannot be given in "
            f"{version}: ask for the version it was made in"
        ) from error
    if not schema.extended:
        return out.getvalue(), public
    end = stamps_end(packet, schema)
    wide = alert_schema(version, namespace=schema.namespace, extended=True)
    return out.getvalue() + packet[end:], wide


def _without_forbidden_nulls(values: dict[str, Any], schema: AlertSchema) -> dict[str, Any]:
    """Put defaults where an older version allowed null and this one does not."""
    for name, record in _RECORDS.items():
        # Those that were made obligatory are counts.
        fields = {f.name: 0 for f in schema.record(record) if not f.nullable and f.type == "int"}
        found = values.get(name)
        for row in found if isinstance(found, list) else [found] if found else []:
            row.update({name: value for name, value in fields.items() if row.get(name) is None})
    return values


@cache
def _stamps_record() -> Any:
    fields = [{"name": name, "type": ["null", "bytes"]} for name in CUTOUTS]
    return fastavro.parse_schema({"type": "record", "name": "stamps", "fields": fields})
