"""The vectorised Avro encoder against fastavro, over made rows and real ones."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from alert_tools import DTYPES, EXTREMES, MADE, RECORDS, VALUES, batch_of, row_lists, written
from hypothesis import given, settings
from hypothesis import strategies as st

from apdb.alerts import encoding
from apdb.alerts.encoding import concatenate, encode, encode_long, encode_longs, zigzag
from apdb.alerts.schemas import Field, alert_schema, versions
from apdb.input.records import Batch
from apdb.rubin import AlertTables, read_alerts

EVERY = [
    Field(f"{kind}{'N' if nullable else ''}", f"{kind}_{nullable}", kind, nullable)
    for nullable in (False, True)
    for kind in DTYPES
]
EVERY_SCHEMA = {
    "type": "record",
    "name": "every",
    "fields": [{"name": f.name, "type": ["null", f.type] if f.nullable else f.type} for f in EVERY],
}


def encoded(fields: Any, batch: Batch) -> list[bytes]:
    return encode(fields, batch.columns, batch.nulls, batch.n).rows()


@settings(max_examples=150)
@given(row_lists(EVERY, 20))
def test_all_types_and_unions(rows: list[dict[str, Any]]) -> None:
    assert encoded(EVERY, batch_of(EVERY, rows)) == [written(EVERY_SCHEMA, row) for row in rows]


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("version", versions())
@MADE
@given(data=st.data())
def test_records_of_packets(version: str, name: str, data: st.DataObject) -> None:
    schema = alert_schema(version)
    rows = data.draw(row_lists(schema.record(name)))
    avro = schema.record_schema(name)
    expected = [written(avro, row) for row in rows]
    assert encoded(schema.record(name), batch_of(schema.record(name), rows)) == expected


@pytest.mark.parametrize("kind", list(EXTREMES))
def test_extremes(kind: str) -> None:
    fields = [Field("a", "a", kind, False), Field("b", "b", kind, True)]
    avro = {
        "type": "record",
        "name": "pair",
        "fields": [{"name": "a", "type": kind}, {"name": "b", "type": ["null", kind]}],
    }
    rows = [{"a": a, "b": b} for a in EXTREMES[kind] for b in (None, *EXTREMES[kind])]
    assert encoded(fields, batch_of(fields, rows)) == [written(avro, row) for row in rows]


@given(st.lists(VALUES["long"]))
def test_longs(values: list[int]) -> None:
    expected = [written("long", value) for value in values]
    assert encode_longs(np.array(values, np.int64)).rows() == expected
    assert [encode_long(value) for value in values] == expected


def test_zigzag_is_that_of_the_avro_specification() -> None:
    # the table in the specification, section "Primitive types"
    values = np.array([0, -1, 1, -2, 2, -64, 64, 2**63 - 1, -(2**63)])
    expected = [0, 1, 2, 3, 4, 127, 128, 2**64 - 2, 2**64 - 1]
    assert zigzag(values).tolist() == expected


def test_times_are_microseconds_since_1970() -> None:
    (field,) = (f for f in alert_schema().record("mpc_orbits") if f.name == "created_at")
    times = np.array(["2026-03-09T01:02:03.000004", "1900-01-01"], "M8[us]")
    nulls = np.array([False, False])
    avro = ["null", {"type": "long", "logicalType": "timestamp-micros"}]
    moments = [
        dt.datetime(2026, 3, 9, 1, 2, 3, 4, tzinfo=dt.UTC),
        dt.datetime(1900, 1, 1, tzinfo=dt.UTC),
    ]
    found = encode([field], {"created_at": times}, {"created_at": nulls}, 2).rows()
    assert found == [written(avro, moment) for moment in moments]


@pytest.mark.parametrize("n", [0, 1, 9, 10, 11, 35])
@pytest.mark.parametrize("chunk_bytes", [1, 3000, 2**20])
def test_chunks_do_not_show(n: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {f.name: None if f.nullable and i % 3 == 0 else EXTREMES[f.type][i % 2] for f in EVERY}
        | {"string": "ü" * (i * i)}
        for i in range(n)
    ]
    monkeypatch.setattr(encoding, "CHUNK_ROWS", 10)
    monkeypatch.setattr(encoding, "CHUNK_BYTES", chunk_bytes)
    assert encoded(EVERY, batch_of(EVERY, rows)) == [written(EVERY_SCHEMA, row) for row in rows]


def test_columns_that_are_not_there_have_their_default_or_are_null() -> None:
    fields = [
        Field("x", "x", "float", False, default=np.float32("nan")),
        Field("n", "n", "int", True, default=np.int32(7)),
        Field("t", "t", "string", False, default="none"),
        Field("z", "z", "double", True),
    ]
    types = ["float", ["null", "int"], "string", ["null", "double"]]
    avro = {
        "type": "record",
        "name": "defaults",
        "fields": [{"name": f.name, "type": t} for f, t in zip(fields, types, strict=True)],
    }
    expected = written(avro, {"x": float("nan"), "n": 7, "t": "none", "z": None})
    assert encode(fields, {}, {}, 3).rows() == [expected] * 3


def test_one_value_for_all_rows() -> None:
    fields = [f for f in EVERY if f.type != "bytes"]
    row = {f.name: EXTREMES[f.type][2 % len(EXTREMES[f.type])] for f in fields}
    columns = {
        f.column: np.broadcast_to(np.array(row[f.name], DTYPES[f.type]), (4,)) for f in fields
    }
    avro = {**EVERY_SCHEMA, "fields": [f for f in EVERY_SCHEMA["fields"] if f["name"] in row]}  # type: ignore[index]
    assert encode(fields, columns, {}, 4).rows() == [written(avro, row)] * 4


def test_parts_of_rows_side_by_side() -> None:
    rows = [{f.name: EXTREMES[f.type][i % 2] for f in EVERY} for i in range(5)]
    batch = batch_of(EVERY, rows)
    parts = [
        encode(EVERY[a:b], batch.columns, batch.nulls, 5) for a, b in ((0, 3), (3, 4), (4, 14))
    ]
    joined = concatenate(*parts)
    assert joined.rows() == [written(EVERY_SCHEMA, row) for row in rows]
    assert len(joined) == 5
    assert joined.sizes.tolist() == [len(written(EVERY_SCHEMA, row)) for row in rows]
    with pytest.raises(ValueError, match="shorter"):
        concatenate(parts[0], encode_longs(np.arange(4)))


@pytest.mark.parametrize(
    ("field", "values", "nulls", "message"),
    [
        (Field("a", "a", "int", False), None, None, "row 0, column a: has no value, but a cannot"),
        (Field("a", "a", "int", False), [1, 2, 3], [0, 0, 1], "row 2, column a: has no value"),
        (Field("a", "a", "int", True), [1, 2**31, 0], None, "row 1, column a = 2147483648: does"),
        (Field("a", "a", "int", True), [1, 2, -(2**31) - 1], None, "row 2, column a = -2147483649"),
        (Field("a", "a", "long", True), [1, 2], None, "column a has 2 rows, not 3"),
    ],
)
def test_values_that_cannot_be(field: Field, values: Any, nulls: Any, message: str) -> None:
    columns = {} if values is None else {"a": np.array(values, np.int64)}
    masks = {} if nulls is None else {"a": np.array(nulls, bool)}
    with pytest.raises(ValueError, match=message):
        encode([field], columns, masks, 3)


def test_unsigned_integers_must_fit() -> None:
    field = Field("a", "a", "long", False)
    assert encode([field], {"a": np.array([2**63 - 1], np.uint64)}, {}, 1).rows() == [
        written("long", 2**63 - 1)
    ]
    with pytest.raises(
        ValueError, match="row 0, column a = 9223372036854775808: does not fit long"
    ):
        encode([field], {"a": np.array([2**63], np.uint64)}, {}, 1)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float", np.zeros(1)),
        ("float", np.zeros(1, np.int32)),
        ("int", np.zeros(1)),
        ("boolean", np.zeros(1, np.int8)),
        ("long", np.zeros(1, "M8[us]")),
        ("string", np.array(["fixed width"])),
    ],
)
def test_columns_of_another_type(kind: str, values: Any) -> None:
    with pytest.raises(TypeError, match=f"column a is .*, which cannot be written as {kind}"):
        encode([Field("a", "a", kind, False)], {"a": values}, {}, 1)


@pytest.fixture(scope="module")
def real(test_data: Path) -> tuple[AlertTables, dict[str, dict[bytes, None]]]:
    """The tables of the real alerts, and some of their records as fastavro writes them again."""
    path = test_data / "rubin" / "alerts.avro"
    schema = alert_schema("10.0")
    avro = {name: fastavro.parse_schema(schema.record_schema(name)) for name in RECORDS}
    records: dict[str, dict[bytes, None]] = {name: {} for name in RECORDS}
    with path.open("rb") as stream:
        for alert in fastavro.reader(stream):
            assert isinstance(alert, dict)
            for name in RECORDS:
                rows = alert["prvDiaForcedSources"] if name == "diaForcedSource" else [alert[name]]
                for row in (rows or ())[:200]:
                    if row is not None:
                        records[name][written(avro[name], row)] = None
    return read_alerts(path), records


@pytest.mark.parametrize("name", ["diaSource", "diaForcedSource", "ssSource", "mpc_orbits"])
def test_real_rows(real: tuple[AlertTables, dict[str, dict[bytes, None]]], name: str) -> None:
    tables, records = real
    schema = alert_schema("10.0")
    table = getattr(tables, schema.tables[name])
    columns = {column: np.ma.getdata(values) for column, values in table.items()}
    nulls = {column: np.ma.getmaskarray(values) for column, values in table.items()}
    n = len(next(iter(columns.values())))
    found = set(encode(schema.record(name), columns, nulls, n).rows())
    # photometry that changed between two alerts is kept once, so that some records have no row
    missing = records[name].keys() - found
    assert len(records[name]) > 20
    assert len(missing) <= (0.05 * len(records[name]) if name == "diaForcedSource" else 0)


def test_read_back_by_fastavro() -> None:
    schema = alert_schema()
    rows = [
        {f.name: None if f.nullable else EXTREMES[f.type][0] for f in schema.record("diaObject")}
    ]
    (packet,) = encoded(schema.record("diaObject"), batch_of(schema.record("diaObject"), rows))
    avro = schema.record_schema("diaObject")
    assert fastavro.schemaless_reader(io.BytesIO(packet), avro, None) == rows[0]
