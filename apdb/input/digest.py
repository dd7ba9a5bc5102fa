"""What makes two deliveries of a visit the same: a digest of their content."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.input.records import Batch
from apdb.input.visit import Visit

#: Part of every digest: a change of the rules below must not make old digests look like conflicts
#: by chance.
VERSION = "apdb content 1"


def content_digest(visit: Visit, batch: Batch) -> bytes:
    """Return the SHA-256 of what a visit says: the same for the same content in any form.

    It depends on every value of the batch and on the visit's number, detector, band, midpoint,
    exposure time and footprint.  It does not depend on the container, the order of rows or
    columns, the spelling of names, byte order, the sign of zero, on whether a column that is NULL
    or default throughout was given, or on `readout_end`, which is about the delivery.

    Parameters
    ----------
    visit : Visit
        The visit.
    batch : Batch
        Its sources, as `dia_source_batch` returns them.

    Returns
    -------
    bytes
        32 bytes.
    """
    digest = hashlib.sha256()
    head = {"format": VERSION, "n": batch.n, "visit": _visit_content(visit)}
    digest.update(json.dumps(head, sort_keys=True).encode())
    if batch.n == 0:
        return digest.digest()
    ids = batch.columns["dia_source_id"]
    sorted_already = bool((ids[1:] > ids[:-1]).all())
    order = None if sorted_already else np.argsort(ids, kind="stable")
    for name in sorted(batch.columns):
        values, nulls = batch.columns[name], batch.nulls[name]
        if order is not None:
            values = values[order]
            nulls = None if nulls is None else nulls[order]
        _add_column(digest, name, values, nulls)
    return digest.digest()


def _visit_content(visit: Visit) -> dict[str, Any]:
    footprint: Any = visit.boundary or (visit.ra, visit.dec, visit.radius)
    return {
        "visit": visit.visit,
        "detector": visit.detector,
        "band": visit.band,
        "midpoint_mjd_tai": visit.midpoint_mjd_tai,
        "exposure_time": visit.exposure_time,
        # + 0.0 makes 0.0 of -0.0, and a float of an int
        "footprint": (np.asarray(footprint, float) + 0.0).tolist(),
    }


def _add_column(
    digest: Any, name: str, values: NDArray[Any], nulls: NDArray[np.bool_] | None
) -> None:
    if nulls is not None and not nulls.any():
        nulls = None
    text = values.dtype.kind == "O"
    kind = "text" if text else values.dtype.newbyteorder("<").str
    digest.update(f"\n{name} {kind} {'null' if nulls is not None else 'full'}\n".encode())
    if nulls is not None:
        digest.update(np.packbits(nulls, bitorder="little"))
    if text:
        encoded = [b"" if value is None else value.encode() for value in values.tolist()]
        digest.update(np.fromiter(map(len, encoded), "<i8", len(encoded)))
        digest.update(b"".join(encoded))
        return
    if nulls is not None:
        values = np.where(nulls, values.dtype.type(0), values)
    if values.dtype.kind == "f":
        values = values + values.dtype.type(0)
        nan = np.isnan(values)
        if nan.any():
            values[nan] = np.nan
    digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")))
