"""Small alerts in an archive: packets made by fastavro, the oracle of everything here."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import fastavro
import numpy as np

from apdb.archive.place import Place
from apdb.archive.reader import Location, Span
from apdb.archive.writer import Published, VisitWriter

CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
NIGHT = "2026-03-09"


class Schema:
    """An alert schema in small: an id, something, three stamps."""

    version = "11.1"
    extended = False
    avro: ClassVar[Any] = {
        "type": "record",
        "name": "alert",
        "namespace": "lsst.v11_1",
        "fields": [
            {"name": "diaSourceId", "type": "long"},
            {"name": "note", "type": ["null", "string"]},
            {"name": "rest", "type": "bytes"},
            *({"name": name, "type": ["null", "bytes"], "default": None} for name in CUTOUTS),
        ],
    }


PARSED = fastavro.parse_schema(Schema.avro)


@dataclass(frozen=True)
class Sent:
    """An alert as a broker should get it."""

    dia_source_id: int
    note: str | None
    rest: bytes
    stamps: tuple[bytes | None, bytes | None, bytes | None] = (None, None, None)

    def record(self, *, stamps: bool = True) -> dict[str, Any]:
        files = self.stamps if stamps else (None, None, None)
        fields = {"diaSourceId": self.dia_source_id, "note": self.note, "rest": self.rest}
        return fields | dict(zip(CUTOUTS, files, strict=True))

    @cached_property
    def full(self) -> bytes:
        return avro(self.record())

    @cached_property
    def bare(self) -> bytes:
        return avro(self.record(stamps=False))

    @property
    def tail(self) -> bytes | None:
        """The three stamps as the packet has them: what the full packet has beyond the bare one."""
        if self.stamps == (None, None, None):
            return None
        return self.full[len(self.bare) - 3 :]


def avro(record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED, record)
    return out.getvalue()


def alerts(n: int, *, seed: int = 1, first: int = 170_000_000_000_000_001) -> list[Sent]:
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        blob = rng.integers(0, 40, int(rng.integers(10, 3000)), np.uint8).tobytes()
        files = tuple(
            rng.integers(0, 256, int(rng.integers(1, 2000)), np.uint8).tobytes() for _ in CUTOUTS
        )
        some = (files, (None, files[1], None), (None, None, None))[k % 3]
        made.append(Sent(first + k, None if k % 4 else f"№ {k}", blob, some))
    return made


def write(
    place: Place,
    sent: Sequence[Sent],
    *,
    codec: str = "zstd",
    visit: int = 7,
    detector: int = 3,
    attempt: int = 1,
    stamps: bool = True,
    night: str = NIGHT,
    at_once: int = 50,
) -> Published:
    writer = VisitWriter(
        place, visit=visit, detector=detector, night=night, attempt=attempt, schema=Schema(),
        codec=codec, header={"content": "full"},
    )  # fmt: skip
    for start in range(0, len(sent), at_once):
        some = sent[start : start + at_once]
        ids = [each.dia_source_id for each in some]
        tails = [each.tail for each in some] if stamps else None
        writer.add(ids, [each.bare for each in some], tails)
    return writer.publish()


def locations(published: Published) -> list[Location]:
    rows = []
    for k, number in enumerate(published.dia_source_id.tolist()):
        p, s = published.packets, published.stamps
        packet = Span(published.packet_file, int(p.offset[k]), int(p.length[k]), int(p.crc[k]))
        stamps = None
        if s.offset[k] >= 0:
            assert published.stamps_file is not None
            stamps = Span(published.stamps_file, int(s.offset[k]), int(s.length[k]), int(s.crc[k]))
        digest = published.sha256[k].tobytes()
        rows.append(Location(number, packet, stamps, published.codec, digest))
    return rows


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
