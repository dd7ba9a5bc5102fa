"""Puts what a writer wrote into the index of the archive, in the transaction it belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from apdb.archive.writer import Published
from apdb.input.records import Batch
from apdb.stage import copy_in


def index_alerts(
    connection: psycopg.Connection[Any],
    published: Published,
    *,
    dia_object_id: NDArray[np.int64],
    ss_object_id: NDArray[np.int64],
    store_seq: int,
    content: str,
    degraded: str | None = None,
    reason: str | None = None,
) -> int:
    """Write the index of published alerts; they exist if and only if the transaction commits.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that the alerts belong to, which holds the visit.
    published : Published
        What the writer wrote.
    dia_object_id, ss_object_id : ndarray of int64, shape (n,)
        Objects in the packets, in the order in which the alerts were added; 0 for none.
    store_seq : int
        Visit or correction that the packets were made for.
    content : str
        ``full``, ``no_stamps``, ``no_histories`` or ``bare``.
    degraded : str, optional
        Why something was left out that a later job completes.
    reason : str, optional
        Why this revision was made; None for the first.

    Returns
    -------
    int
        Number of alerts.

    Raises
    ------
    psycopg.Error
        The visit is not stored (VA005), or an alert or file is given twice (23505).
    """
    connection.execute("select apdb.open_alert_stage()")
    batch = _rows(published, dia_object_id, ss_object_id)
    copy_in(connection, "stage_alert", "alert", batch, {})
    files = [
        {
            "path": file.path,
            "kind": file.kind,
            "size": file.size,
            "sha256": file.sha256.hex(),
            "n_alerts": file.n_alerts,
        }
        for file in published.files
    ]
    row = connection.execute(
        "select apdb.index_alerts(%s, %s::integer, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            published.visit,
            published.detector,
            store_seq,
            published.attempt,
            published.schema_version,
            published.codec,
            content,
            degraded,
            reason,
            Jsonb(files),
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _rows(
    published: Published, dia_object_id: NDArray[np.int64], ss_object_id: NDArray[np.int64]
) -> Batch:
    n = len(published.dia_source_id)
    digests = np.empty(n, object)
    digests[:] = [row.tobytes() for row in published.sha256]
    without = published.stamps.offset < 0
    columns: dict[str, NDArray[Any]] = {
        "dia_source_id": published.dia_source_id,
        "dia_object_id": np.asarray(dia_object_id, np.int64),
        "ss_object_id": np.asarray(ss_object_id, np.int64),
        "packet_offset": published.packets.offset,
        "packet_length": published.packets.length,
        "packet_crc": published.packets.crc,
        "packet_size": published.packets.size,
        "stamps_offset": published.stamps.offset,
        "stamps_length": published.stamps.length,
        "stamps_crc": published.stamps.crc,
        "stamps_size": published.stamps.size,
        "sha256": digests,
    }
    nulls: dict[str, NDArray[np.bool_] | None] = dict.fromkeys(columns)
    nulls |= {name: columns[name] == 0 for name in ("dia_object_id", "ss_object_id")}
    nulls |= {name: without for name in columns if name.startswith("stamps_")}
    return Batch(n, columns, nulls)
