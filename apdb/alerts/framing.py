"""Confluent's wire format: a zero, the schema's number in the registry, the packet."""

from __future__ import annotations

import struct

from apdb.errors import InvalidInput

_HEAD = struct.Struct(">BI")

HEAD_BYTES = _HEAD.size
"""How much longer a framed packet is [bytes]."""


def frame(packet: bytes | bytearray | memoryview, registry_id: int) -> bytes:
    """Return a packet with its schema's number before it.

    Parameters
    ----------
    packet : bytes-like
        Schemaless Avro.
    registry_id : int
        Number of the schema, from 0 to 2**32 - 1.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the number does not fit.
    """
    if not 0 <= registry_id < 2**32:
        raise ValueError(f"registry id {registry_id} is not from 0 to {2**32 - 1}")
    return b"".join((_HEAD.pack(0, registry_id), packet))


def unframe(message: bytes | bytearray | memoryview) -> tuple[int, memoryview]:
    """Return the number of the schema and the packet.

    Parameters
    ----------
    message : bytes-like
        What `frame` or another producer made.

    Returns
    -------
    registry_id : int
        Number of the schema.
    packet : memoryview
        The packet, in the memory of the message.

    Raises
    ------
    InvalidInput
        If the message is too short or does not begin with a zero.
    """
    view = memoryview(message)
    if len(view) < HEAD_BYTES or view[0] != 0:
        shown = bytes(view[:HEAD_BYTES]).hex(" ") or "nothing"
        raise InvalidInput(
            f"the message begins with {shown}: a framed packet begins with 00 and four bytes of "
            "schema id; decode it as plain Avro if it is not framed"
        )
    return _HEAD.unpack_from(view)[1], view[HEAD_BYTES:]
