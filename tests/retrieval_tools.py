"""An archive with alerts whose packets fastavro wrote, from values that a test knows."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
from store_tools import Exposed, exposures

import apdb
from apdb.alerts.schemas import alert_schema
from apdb.archive.index import index_alerts
from apdb.archive.place import Place
from apdb.archive.writer import VisitWriter

CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
_DEFAULTS = {
    "boolean": False, "int": 0, "long": 0, "float": 0.0, "double": 0.0, "string": "", "bytes": b""
}  # fmt: skip


@dataclass
class Sent:
    """One alert as it was put into the archive."""

    packet: dict[str, Any]
    encoded: bytes
    visit: int
    detector: int
    night: dt.date
    revision: int = 0
    store_seq: int = 0

    @property
    def id(self) -> int:
        return int(self.packet["diaSourceId"])

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.encoded).digest()


@dataclass
class Filled:
    """A database whose archive holds alerts."""

    db: apdb.Apdb
    place: Path
    sent: list[Sent] = field(default_factory=list)

    def by_id(self) -> dict[int, Sent]:
        return {alert.id: alert for alert in self.sent}

    def of(self, visit: int) -> list[Sent]:
        return [alert for alert in self.sent if alert.visit == visit]


def encode(packet: dict[str, Any], version: str = "11.1") -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, alert_schema(version).parsed, packet)
    return out.getvalue()


def decode(data: bytes, schema: Any) -> Any:
    source = io.BytesIO(data)
    found = fastavro.schemaless_reader(source, schema, None)
    assert source.tell() == len(data)
    return found


def record(name: str, version: str = "11.1", **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for each in alert_schema(version).record(name):
        row[each.name] = None if each.nullable else _DEFAULTS[each.type]
    assert values.keys() <= row.keys(), values.keys() - row.keys()
    return row | values


def packet(
    exposed: Exposed, k: int, history: Sequence[dict[str, Any]], stamps: bool, version: str = "11.1"
) -> dict[str, Any]:
    """The packet of a source, with NaN, infinities and large ids in it."""
    source = {name: column[k] for name, column in exposed.sources.items()}
    identifier = int(source["dia_source_id"])
    visit = exposed.visit
    values = record(
        "diaSource", version, diaSourceId=identifier, visit=visit.visit, detector=visit.detector,
        midpointMjdTai=visit.midpoint_mjd_tai, ra=float(source["ra"]), dec=float(source["dec"]),
        psfFlux=float(np.float32(source["psf_flux"])),
        psfFluxErr=float(np.float32(source["psf_flux_err"])), band=visit.band,
        x=float("nan"), y=float("inf"), diaObjectId=2**62 + identifier,
    )  # fmt: skip
    known = {each.name for each in alert_schema(version).record("diaSource")}
    values = {name: value for name, value in values.items() if name in known}
    forced = record(
        "diaForcedSource", version, diaForcedSourceId=identifier + 5, visit=visit.visit,
        detector=visit.detector, band=visit.band, diaObjectId=2**62 + identifier,
    )  # fmt: skip
    stamp = {name: f"{name} of {identifier}".encode() * 40 for name in CUTOUTS}
    return {
        "diaSourceId": identifier,
        "observation_reason": None,
        "target_name": "naïve ☄",
        "diaSource": values,
        "prvDiaSources": [dict(row) for row in history] or None,
        "prvDiaForcedSources": [forced],
        "diaObject": record("diaObject", version, diaObjectId=2**62 + identifier, ra=1.0, dec=2.0),
        "ssSource": None,
        "mpc_orbits": None,
        **(stamp if stamps else dict.fromkeys(CUTOUTS)),
    }


def fill(
    db: apdb.Apdb,
    folder: Path,
    n_visits: int = 4,
    *,
    stamps: bool = True,
    codec: str = "zstd",
    versions: Sequence[str] = ("11.1",),
) -> Filled:
    """Store visits, then put an alert for each of their sources into an archive in `folder`."""
    filled = Filled(db, folder)
    seen: list[dict[str, Any]] = []
    for number, exposed in enumerate(exposures(n_visits, span=4.0)):
        report = db.store_visit(exposed.visit, exposed.sources)
        version = versions[number % len(versions)]
        n = len(exposed.sources["dia_source_id"])
        packets = [
            packet(exposed, k, seen[-(k % 4) :] if k % 4 else [], stamps, version) for k in range(n)
        ]
        seen = [p["diaSource"] for p in packets] if len(versions) == 1 else []
        filled.sent += put(
            filled, exposed.visit, packets, store_seq=report.store_seq, codec=codec, version=version
        )
    db.set_setting("archive_url", str(folder))
    return filled


def put(
    filled: Filled,
    visit: apdb.Visit,
    packets: Iterable[dict[str, Any]],
    *,
    store_seq: int,
    revision: int = 0,
    reason: str | None = None,
    codec: str = "zstd",
    version: str = "11.1",
) -> list[Sent]:
    """Write a file of alerts and its rows of the index."""
    chosen = sorted(packets, key=lambda p: int(p["diaSourceId"]))
    night = visit.night()
    sent = [
        Sent(p, encode(p, version), visit.visit, visit.detector, night, revision, store_seq)
        for p in chosen
    ]
    bare = [encode({**p, **dict.fromkeys(CUTOUTS)}, version) for p in chosen]
    stamps = [
        None if p[CUTOUTS[0]] is None else s.encoded[len(b) - 3 :]
        for p, s, b in zip(chosen, sent, bare, strict=True)
    ]
    writer = VisitWriter(
        Place(filled.place), visit=visit.visit, detector=visit.detector, night=night, attempt=1,
        schema=alert_schema(version), codec=codec,
    )  # fmt: skip
    writer.add(np.array([s.id for s in sent], np.int64), bare, stamps)
    published = writer.publish()
    objects = np.array([s.packet["diaSource"]["diaObjectId"] for s in sent], np.int64)
    with psycopg.connect(filled.db.dsn) as connection:
        index_alerts(
            connection, published, dia_object_id=objects, ss_object_id=np.zeros_like(objects),
            store_seq=store_seq, content="no_stamps" if published.stamps_file is None else "full",
            reason=reason,
        )  # fmt: skip
    return sent
