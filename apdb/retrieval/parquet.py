"""Alerts as Parquet: a row for each, records as structs, histories as lists of them."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet

from apdb.alerts.schemas import AlertSchema
from apdb.archive.writer import CUTOUTS
from apdb.retrieval.content import Alert, Wanted
from apdb.retrieval.plain_formats import Format, MakeCursor

ROW_GROUP = 200
"""Alerts in a row group, which is what is held in memory."""

ROW_GROUP_BYTES = 32 * 2**20
"""Bytes of packets after which a row group ends, however few they are."""

_PRIMITIVE = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
}
_ABOUT = (
    ("revision", pa.int32()),
    ("status", pa.string()),
    ("storeSeq", pa.int64()),
    ("sha256", pa.binary()),
    ("cursor", pa.string()),
)


class ParquetFile(Format):
    """A Parquet file, made a row group at a time.

    Beside the fields of the packet it has the columns ``apdb_revision``, ``apdb_status``,
    ``apdb_storeSeq``, ``apdb_sha256`` and ``apdb_cursor``.

    Parameters
    ----------
    schema : AlertSchema
        Schema of every packet.
    what : Wanted
        Which parts.
    """

    media_type: ClassVar[str] = "application/vnd.apache.parquet"
    suffix: ClassVar[str] = "parquet"

    def __init__(self, schema: AlertSchema, what: Wanted) -> None:
        self._stamps_only = what.content == "stamps"
        self._schema = pa.schema(
            [pa.field(f"apdb_{name}", kind) for name, kind in _ABOUT]
            + (_stamps_fields() if self._stamps_only else _fields(schema.avro, {}))
        )
        self._sink = _Sink()
        self._writer = pa.parquet.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd"
        )
        self._rows: list[dict[str, Any]] = []
        self._held = 0

    def begin(self) -> bytes:
        """Return the first bytes."""
        return self._sink.taken()

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return a row group when one is full.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        row = found.row
        about = (row.revision, row.status, row.store_seq, row.sha256, cursor())
        values = {f"apdb_{name}": value for (name, _), value in zip(_ABOUT, about, strict=True)}
        self._rows.append({"diaSourceId": row.dia_source_id, **values, **found.packet})
        self._held += len(found.body)
        if len(self._rows) >= ROW_GROUP or self._held >= ROW_GROUP_BYTES:
            self._flush()
        return self._sink.taken()

    def end(self) -> bytes:
        """Return the last row group and the footer."""
        self._flush()
        self._writer.close()
        return self._sink.taken()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []
        self._held = 0


class _Sink:
    """A file that hands out what was written since it was last asked."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        found = b"".join(self._pieces)
        self._pieces = []
        return found


def _stamps_fields() -> list[Any]:
    return [pa.field("diaSourceId", pa.int64())] + [pa.field(name, pa.binary()) for name in CUTOUTS]


def _fields(record: dict[str, Any], known: dict[str, Any]) -> list[Any]:
    return [pa.field(each["name"], _type(each["type"], known)) for each in record["fields"]]


def _type(avro: Any, known: dict[str, Any]) -> Any:
    """Return the Arrow type of an Avro type; `known` holds the records defined so far."""
    if isinstance(avro, list):  # a union with null: every Arrow value may be null
        return _type(next(branch for branch in avro if branch != "null"), known)
    if isinstance(avro, str):
        return _PRIMITIVE[avro] if avro in _PRIMITIVE else known[avro]
    if avro.get("logicalType") == "timestamp-micros":
        return pa.timestamp("us", tz="UTC")
    kind = avro["type"]
    if kind == "array":
        return pa.list_(_type(avro["items"], known))
    if kind == "map":
        return pa.map_(pa.string(), _type(avro["values"], known))
    if kind == "fixed":
        return pa.binary(avro["size"])
    if kind == "record":
        known[avro["name"]] = pa.struct(_fields(avro, known))
        return known[avro["name"]]
    return _PRIMITIVE[kind]
