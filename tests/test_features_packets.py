"""Features in extended alert packets: as fastavro writes them, and as they were known then."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pytest
from features_tools import stored_field

import apdb
from apdb.alerts.packets import decode
from apdb.alerts.rebuild import rebuild
from apdb.alerts.render import render
from apdb.alerts.schemas import alert_schema
from apdb.features.names import ASTROMETRY, NON_PERIODIC, PERIODIC
from apdb.features.packet import decode_features, encode_features

EXTENDED = alert_schema(extended=True)


@pytest.fixture
def archived(db: apdb.Apdb, tmp_path: Path) -> apdb.Apdb:
    db.set_setting("archive_url", str(tmp_path))
    return db


def assembled(connection: psycopg.Connection[Any], visit: int) -> dict[int, bytes]:
    rows = connection.execute(
        "select dia_source_id, packet from apdb.assemble_alerts(%s, 1, 'bare', true)", (visit,)
    ).fetchall()
    connection.rollback()
    return {number: bytes(packet) for number, packet in rows}


def test_bytes_are_those_of_fastavro() -> None:
    rng = np.random.default_rng(1)
    values = [float(np.float32(v)) for v in rng.normal(0, 1e10, 52)]
    bands: dict[str, tuple[float | None, ...]] = {
        "g": tuple(values),
        "y": tuple(None if k % 3 else v for k, v in enumerate(values)),
    }
    motion = (1.5, None, -2.25, 0.5, 3.0, None)
    names = [f.packet_name for f in (*PERIODIC, *NON_PERIODIC)]
    expected = {
        f"{band}_{n}": v
        for band, own in bands.items()
        for n, v in zip(names, own, strict=True)
        if v is not None
    } | {f.packet_name: v for f, v in zip(ASTROMETRY, motion, strict=True) if v is not None}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, {"type": "map", "values": "float"}, expected)
    assert encode_features(bands, motion) == out.getvalue()
    assert decode_features(out.getvalue()) == expected
    assert {"g_stetsonJ", "g_frequency1", "g_amplitude11", "pmRa"} < set(expected)


def test_an_object_without_any_feature_has_an_empty_map() -> None:
    assert decode_features(encode_features({}, (None,) * 6)) == {}


def test_packets_have_the_features_of_the_table(
    archived: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    ids = stored_field(archived, n_objects=4, n_visits=14, bands="gr")
    before = assembled(plain_connection, 14)
    assert {decode(p, EXTENDED)["features"] for p in before.values()} == {None}
    archived.characterize([int(i) for i in ids[:3]])
    found = {n: decode(p, EXTENDED) for n, p in assembled(plain_connection, 14).items()}
    by_object = {each["diaSource"]["diaObjectId"]: each["features"] for each in found.values()}
    assert by_object[ids[3]] is None
    for number in ids[:3].tolist():
        features = by_object[number]
        table = archived.features(number)
        motion = archived.astrometry(number)
        assert table["band"].tolist() == ["g", "r"]
        for feature in (*PERIODIC, *NON_PERIODIC):
            for row in table:
                value = features.get(f"{row['band']}_{feature.packet_name}")
                assert (value is None) == np.ma.is_masked(row[feature.name])
                assert value is None or np.float32(value) == row[feature.name]
        assert features["parallax"] == motion["parallax"][0]


def test_packets_from_columns_are_the_same_bytes(
    archived: apdb.Apdb, plain_connection: psycopg.Connection[Any]
) -> None:
    stored_field(archived, n_objects=5, n_visits=8)
    archived.characterize()
    expected = assembled(plain_connection, 8)
    made = render(plain_connection, EXTENDED, sorted(expected), 2**62, 365.0, histories=False)
    assert {each.dia_source_id: each.packet for each in made} == expected


def test_an_archived_packet_is_rebuilt_with_the_features_of_then(archived: apdb.Apdb) -> None:
    """Written short for lack of time, in the extended schema; characterised again since."""
    stored_field(archived, n_objects=3, n_visits=5)
    archived.characterize()
    archived.set_setting("alert_seconds_with_histories", 0)
    stored_field(archived, n_objects=3, n_visits=1, first_visit=6)
    source = 6 * 1_000_000 + 1
    packet = rebuild(archived, source).packet
    features = decode(packet, EXTENDED)["features"]
    assert features["u_amplitude"] == 0.0
    archived.characterize()
    again = rebuild(archived, source)
    assert again.equal
    assert decode(again.packet, EXTENDED)["features"] == features
    assert archived.features(1_000_001)["n_points"].tolist() == [1, 1, 1, 1, 1, 1]
