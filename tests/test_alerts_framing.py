"""Confluent framing against the format's description."""

from __future__ import annotations

import io

import fastavro
import pytest
from alert_tools import EXTREMES, public_package, written
from hypothesis import given
from hypothesis import strategies as st

from apdb.alerts.framing import frame, unframe
from apdb.alerts.schemas import alert_schema, schema_of_registry_id
from apdb.errors import InvalidInput


@given(st.binary(), st.integers(0, 2**32 - 1))
def test_zero_then_four_bytes_big_endian_then_the_packet(packet: bytes, number: int) -> None:
    message = frame(packet, number)
    assert message == b"\0" + number.to_bytes(4, "big") + packet
    found, rest = unframe(message)
    assert (found, bytes(rest)) == (number, packet)


def test_of_a_packet_that_the_published_package_reads() -> None:
    schema = alert_schema("11.0")
    source = {
        f.name: None if f.nullable else EXTREMES[f.type][0] for f in schema.record("diaSource")
    }
    packet = written(schema.avro, {"diaSourceId": 7, "diaSource": source})
    number, rest = unframe(memoryview(frame(packet, schema.registry_id)))
    assert (
        public_package(schema_of_registry_id(number).version).deserialize(rest)["diaSourceId"] == 7
    )
    assert fastavro.schemaless_reader(io.BytesIO(rest), schema.avro, None)["diaSource"] == source


@pytest.mark.parametrize("number", [-1, 2**32])
def test_numbers_that_do_not_fit(number: int) -> None:
    with pytest.raises(ValueError, match="is not from 0 to 4294967295"):
        frame(b"", number)


@pytest.mark.parametrize(
    ("message", "shown"),
    [(b"", "nothing"), (b"\0\0\0\4", "00 00 00 04"), (b"Obj\1xyz", "4f 62 6a 01 78")],
)
def test_messages_that_are_not_framed(message: bytes, shown: str) -> None:
    with pytest.raises(InvalidInput, match=f"the message begins with {shown}: a framed packet"):
        unframe(message)
