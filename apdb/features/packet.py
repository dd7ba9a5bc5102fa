"""The field ``features`` of extended alert packets: an Avro map, encoded once an object."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import fastavro
import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.alerts.encoding import encode_long
from apdb.features.names import ASTROMETRY, NON_PERIODIC, PERIODIC

_FLOAT = struct.Struct("<f")
_MAP = fastavro.parse_schema({"type": "map", "values": "float"})
_NAMES = tuple(feature.packet_name for feature in (*PERIODIC, *NON_PERIODIC))
_MOTION = tuple(feature.packet_name for feature in ASTROMETRY)


def encode_features(
    bands: Mapping[str, tuple[float | None, ...]], astrometry: tuple[float | None, ...]
) -> bytes:
    """Return the Avro bytes of an object's features.

    Parameters
    ----------
    bands : mapping of str to tuple of float or None
        For each band the periodic and the aperiodic set, one behind the other.
    astrometry : tuple of float or None
        What `apdb.features.names.ASTROMETRY` lists.

    Returns
    -------
    bytes
        A map of what is not None, as fastavro writes it: ``g_stetsonJ``, ``pmRa``.
    """
    entries = [
        _entry(f"{band}_{name}", value)
        for band, values in bands.items()
        for name, value in zip(_NAMES, values, strict=True)
        if value is not None
    ]
    entries += [
        _entry(name, value)
        for name, value in zip(_MOTION, astrometry, strict=True)
        if value is not None
    ]
    if not entries:
        return b"\0"
    return b"".join((encode_long(len(entries)), *entries, b"\0"))


def decode_features(fragment: bytes) -> dict[str, float]:
    """Return an object's features by name.

    Parameters
    ----------
    fragment : bytes
        As `encode_features` made it.

    Returns
    -------
    dict of str to float
    """
    found = fastavro.schemaless_reader(io.BytesIO(fragment), _MAP, None)
    assert isinstance(found, dict)
    return found


def features_as_of(
    connection: psycopg.Connection[Any], dia_object_ids: NDArray[np.int64], store_seq: int
) -> dict[int, dict[str, float]]:
    """Return the features of objects as they were known at a step of knowledge.

    Parameters
    ----------
    connection : psycopg.Connection
        To read in.
    dia_object_ids : ndarray of int64
        The objects.
    store_seq : int
        The step.

    Returns
    -------
    dict of int to dict of str to float
        By object; those that were not characterised then are not in it.
    """
    rows = connection.execute(
        "select f.dia_object_id, f.fragment from apdb.feature_packets_as_of(%s, %s) as f",
        (dia_object_ids.tolist(), store_seq),
    ).fetchall()
    return {number: decode_features(fragment) for number, fragment in rows}


def _entry(name: str, value: float) -> bytes:
    return _key(name) + _FLOAT.pack(value)


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    key = name.encode()
    return encode_long(len(key)) + key
