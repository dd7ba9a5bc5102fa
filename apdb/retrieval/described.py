"""What an answer says about an alert beside its packet, and packets as JSON."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any

from apdb.retrieval.content import Alert
from apdb.retrieval.select import AlertRow


def described(row: AlertRow, cursor: str | None = None) -> dict[str, Any]:
    """Return what the index says of an alert, for people and programs outside.

    Parameters
    ----------
    row : AlertRow
        The alert.
    cursor : str, optional
        Where to go on after it.

    Returns
    -------
    dict
        JSON values; ids are strings, as JSON numbers lose digits above 2**53.
    """
    found = {
        "diaSourceId": str(row.dia_source_id),
        "revision": row.revision,
        "status": row.status,
        "midpointMjdTai": row.midpoint_mjd_tai,
        "visit": str(row.visit),
        "detector": row.detector,
        "diaObjectId": _text(row.dia_object_id),
        "ssObjectId": _text(row.ss_object_id),
        "storeSeq": str(row.store_seq),
        "archivedSchema": row.schema_version,
        "archivedContent": row.content,
        "packetState": row.packet_state or "whole",
        "stampsState": (row.stamps_state or "whole") if row.stamps_file is not None else None,
        "degraded": row.degraded,
        "reason": row.reason,
        "sha256": row.sha256.hex(),
    }
    return found if cursor is None else {**found, "cursor": cursor}


def packet_json(found: Alert) -> dict[str, Any]:
    """Return a packet, or stamps alone, as JSON values.

    Parameters
    ----------
    found : Alert
        The alert.

    Returns
    -------
    dict
        Fields by their names in the schema.  Ids are strings; NaN and infinities, which JSON does
        not have, are null; stamps are base64; times are ISO 8601.
    """
    plain: dict[str, Any] = _plain("", found.packet)
    return plain


def json_line(values: Mapping[str, Any]) -> bytes:
    """Return JSON values as a line.

    Parameters
    ----------
    values : mapping of str to object
        JSON values.

    Returns
    -------
    bytes
    """
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(name, inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and _is_id(name):
        return str(value)
    return value


def _is_id(name: str) -> bool:
    return name.endswith(("Id", "Ids")) or name == "visit"
