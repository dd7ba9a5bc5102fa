"""Rows of packets made by hypothesis, as Python values and as columns; bytes that fastavro writes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from typing import Any

import fastavro
import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from lsst.alert.packet import Schema, get_schema_path

from apdb.alerts.schemas import Field, alert_schema
from apdb.input.records import Batch

#: Without shrinking: it takes minutes for a packet, and a packet made smaller says no more.
MADE = settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])

RECORDS = ("diaSource", "diaForcedSource", "diaObject", "ssSource", "mpc_orbits")

DTYPES: dict[str, Any] = {
    "boolean": np.bool_,
    "int": np.int32,
    "long": np.int64,
    "float": np.float32,
    "double": np.float64,
    "string": object,
    "bytes": object,
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    "bytes": st.binary(max_size=40),
}
EXTREMES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "int": [0, -1, 1, 63, 64, -64, -65, 2**31 - 1, -(2**31)],
    "long": [0, -1, 2**63 - 1, -(2**63), 2**34 - 1, 2**34],
    "float": [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-45, 3.4028234663852886e38],
    "double": [
        0.0,
        -0.0,
        float("nan"),
        float("inf"),
        -float("inf"),
        5e-324,
        1.7976931348623157e308,
    ],
    "string": ["", "g", "α Centauri 🌟", "\0", "x" * 64, "é" * 63],
    "bytes": [b"", b"\0", b"\xff\0\xff", b"z" * 64],
}
POOLS = st.fixed_dictionaries(
    {kind: st.lists(values, min_size=1, max_size=4) for kind, values in VALUES.items()}
)
#: Microseconds since 1970 of the first and last moments that Python can say, and some between.
TIMES = [-62_135_596_800_000_000, -1, 0, 1_773_018_123_000_004, 253_402_300_799_999_999]


def row_lists(
    fields: Sequence[Field], max_size: int = 6, min_size: int = 0
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return rows by packet name; their values come from a few that hypothesis drew per type."""
    pick = st.tuples(
        st.integers(min_size, max_size), st.integers(0, 2**32), st.sampled_from([0, 0.3, 1])
    )

    def rows(some: dict[str, list[Any]], how: tuple[int, int, float]) -> list[dict[str, Any]]:
        n, seed, share = how
        chance = random.Random(seed)
        pools = {kind: values + EXTREMES[kind] for kind, values in some.items()}
        return [{f.name: _value(f, pools, chance, share) for f in fields} for _ in range(n)]

    return st.builds(rows, POOLS, pick)


def _value(field: Field, pools: dict[str, list[Any]], chance: random.Random, share: float) -> Any:
    if field.nullable and chance.random() < share:
        return None
    return chance.choice(TIMES if field.logical else pools[field.type])


def batch_of(fields: Sequence[Field], rows: Sequence[dict[str, Any]]) -> Batch:
    """Return rows as a batch: timestamps as times, harmless values where null."""
    batch = Batch(len(rows), {}, {})
    for field in fields:
        given = [row[field.name] for row in rows]
        null = np.array([value is None for value in given], bool)
        empty = {"string": "", "bytes": b""}.get(field.type, 0)
        values = np.empty(len(rows), DTYPES[field.type])
        values[:] = [empty if value is None else value for value in given]
        if field.logical:
            values = values.view("M8[us]")
        batch.columns[field.column] = values
        batch.nulls[field.column] = null if null.any() else None
    return batch


def written(schema: Any, record: dict[str, Any]) -> bytes:
    """Return what fastavro writes for one record."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def public_package(version: str) -> Schema:
    """Return the schema of that version from lsst-alert-packet."""
    major, minor = version.split(".")
    path = f"{get_schema_path(int(major), int(minor))}/lsst.v{major}_{minor}.alert.avsc"
    return Schema.from_file(path)


@st.composite
def alerts(draw: Callable[..., Any], version: str) -> dict[str, Any]:
    """Return one public alert, without stamps, by packet names."""
    schema = alert_schema(version)
    some = {name: draw(row_lists(schema.record(name), 4)) for name in RECORDS}
    source = draw(row_lists(schema.record("diaSource"), 1, 1))[0]
    return {
        "diaSourceId": source["diaSourceId"],
        "observation_reason": draw(st.none() | VALUES["string"]),
        "target_name": draw(st.none() | VALUES["string"]),
        "diaSource": source,
        "prvDiaSources": draw(st.sampled_from([None, some["diaSource"]])),
        "prvDiaForcedSources": draw(st.sampled_from([None, some["diaForcedSource"]])),
        "diaObject": next(iter(some["diaObject"]), None),
        "ssSource": next(iter(some["ssSource"]), None),
        "mpc_orbits": next(iter(some["mpc_orbits"]), None),
        "cutoutDifference": None,
        "cutoutScience": None,
        "cutoutTemplate": None,
    }
