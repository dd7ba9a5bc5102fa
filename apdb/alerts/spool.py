"""Stamps that had to wait: kept in the archive uncompressed until their alerts are completed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import fastavro
from numpy.typing import NDArray

from apdb.alerts.encoding import encode_long
from apdb.alerts.packets import encode_stamps
from apdb.alerts.schemas import AlertSchema
from apdb.archive.encode import join_blocks
from apdb.archive.names import SPOOL
from apdb.archive.place import Place
from apdb.archive.sink import Sink
from apdb.archive.writer import CUTOUTS, stamps_schema


def spool_path(packet_file: str) -> str:
    """Return where the stamps wait that belong to a file of packets.

    Parameters
    ----------
    packet_file : str
        Path below the root of the archive.

    Returns
    -------
    str
    """
    return f"{SPOOL}/{packet_file.removesuffix('.packets.avro')}.stamps.avro"


def write_spool(
    place: Place,
    packet_file: str,
    schema: AlertSchema,
    stamps: Iterable[tuple[NDArray[Any], Sequence[Any]]],
) -> Sink | None:
    """Write stamps as they are, on stable storage.

    Parameters
    ----------
    place : Place
        The archive.
    packet_file : str
        The packets that they belong to.
    schema : AlertSchema
        Of the packets.
    stamps : iterable of (ndarray of int64, sequence of (bytes-like or None))
        Ids, and the last three fields of their packets.

    Returns
    -------
    Sink or None
        The file, to remove it should the transaction roll back; None if no alert has stamps.
    """
    sink = Sink(place, spool_path(packet_file), stamps_schema(schema), "null", {})
    try:
        for ids, ends in stamps:
            pairs = zip(ids.tolist(), ends, strict=True)
            bodies = [
                b"".join((encode_long(number), end)) for number, end in pairs if end is not None
            ]
            sink.append(join_blocks([(body, len(body)) for body in bodies], sink.sync))
        if sink.n:
            sink.publish()
    except BaseException:
        sink.settle()
        sink.remove()
        raise
    sink.settle()
    return sink if sink.n else None


def read_spool(place: Place, packet_file: str) -> Iterator[tuple[int, bytes]]:
    """Read the stamps that wait.

    Parameters
    ----------
    place : Place
        The archive.
    packet_file : str
        The packets that they belong to.

    Yields
    ------
    (int, bytes)
        Id of the alert, and the last three fields of its packet; none where nothing waits.
    """
    path = spool_path(packet_file)
    if place.size(path) is None:
        return
    with place.open(path) as file:
        for record in fastavro.reader(file):
            assert isinstance(record, dict)
            yield int(record["diaSourceId"]), encode_stamps(*(record[name] for name in CUTOUTS))
