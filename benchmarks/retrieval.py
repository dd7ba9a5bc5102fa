"""How fast brokers get alerts out of the archive: `./dev bench retrieval`.

Single alerts by id over HTTP, beside a million others; a night exported; five streams at once; a hundred
clients with twenty alerts each.  Index rows are made by the archive's own routine, of files that its
writer wrote.
"""

from __future__ import annotations

import http.client
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
from rich.console import Console

import apdb
from apdb.alerts.encoding import encode_long
from apdb.alerts.schemas import alert_schema
from apdb.archive.index import index_alerts
from apdb.archive.place import Place
from apdb.archive.writer import VisitWriter
from apdb.retrieval.alerts import export
from apdb.schema import migrate
from apdb.service.tokens import add_token
from benchmarks.common import benchmark_server, parser, server_settings, write_results

FIRST_MJD = 61100.2
PER_VISIT = 10_000
TEMPLATES = 64
_DEFAULTS = {"boolean": False, "int": 1, "long": 1, "string": "", "bytes": b""}

VISIT = """
insert into apdb_base.visit (visit, detector, band, midpoint_mjd_tai, ra, dec, radius, night, digest,
store_seq, time_processed_mjd_tai, association, association_radius, n_dia_sources, n_new_dia_objects,
n_matched_dia_objects, n_ss_objects, n_unassociated, report_dia_object_id, report_ss_object_id,
report_is_new) values (%(visit)s, 1, 'g', %(mjd)s, 150, 2, 1.8, apdb.night_of(%(mjd)s),
sha256(%(visit)s::text::bytea), %(visit)s, %(mjd)s, 'nearest', 1, 0, 0, 0, 0, 0, '{}', '{}', '{}')
"""
SOURCES = """
insert into apdb_base.dia_source (dia_source_id, visit, detector, midpoint_mjd_tai, ra, dec, band,
time_processed_mjd_tai, store_seq, psf_flux, psf_flux_err, reliability)
select %(visit)s::bigint * 1000000 + i, %(visit)s, 1, %(mjd)s, mod((150 + 3.5 * (random() - 0.5))::numeric, 360),
2 + 3.5 * (random() - 0.5), 'g', %(mjd)s, %(visit)s, 1000 + 500 * random(), 80, random()
from generate_series(1, %(n)s) as i
"""


def templates(history: int, seed: int) -> list[bytes]:
    """Packets without stamps, less the alert's id at their beginning, with random values."""
    rng = np.random.default_rng(seed)
    schema = alert_schema()

    def row(name: str) -> dict[str, Any]:
        return {
            f.name: float(rng.normal(1000, 300))
            if f.type in {"float", "double"}
            else _DEFAULTS[f.type]
            for f in schema.record(name)
        }

    made = []
    for _ in range(TEMPLATES):
        out = io.BytesIO()
        packet = {
            "diaSourceId": 0,
            "diaSource": row("diaSource"),
            "prvDiaSources": [row("diaSource") for _ in range(history)] or None,
            "prvDiaForcedSources": [row("diaForcedSource") for _ in range(history)],
            "diaObject": row("diaObject"),
        }
        fastavro.schemaless_writer(out, schema.parsed, packet)
        made.append(out.getvalue()[1:])
    return made


def fill(
    dsn: str, place: Path, first: int, visits: int, history: int, span: float, after: float = 0.0
) -> int:
    """Archive visits of 10,000 alerts each, over `span` days; return the bytes of their packets."""
    bodies = templates(history, first)
    size = 0
    with psycopg.connect(dsn) as connection:
        # The references of made-up rows are not what is measured; a superuser may leave them out.
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "select apdb.ensure_partitions(%s, %s)",
            [FIRST_MJD + after, FIRST_MJD + after + max(span, 1.0)],
        )
        for k in range(visits):
            visit = first + k
            mjd = FIRST_MJD + after + span * k / visits
            values = {"visit": visit, "mjd": mjd, "n": PER_VISIT}
            connection.execute(VISIT, values)
            connection.execute(SOURCES, values)
            night = connection.execute("select apdb.night_of(%s)", [mjd]).fetchone()
            assert night is not None
            ids = visit * 1_000_000 + np.arange(1, PER_VISIT + 1)
            packets = [encode_long(int(i)) + bodies[i % TEMPLATES] for i in ids]
            size += sum(map(len, packets))
            writer = VisitWriter(
                Place(place),
                visit=visit,
                detector=1,
                night=night[0],
                attempt=1,
                schema=alert_schema(),
            )
            writer.add(ids, packets)
            index_alerts(
                connection, writer.publish(), dia_object_id=ids, ss_object_id=np.zeros_like(ids),
                store_seq=visit, content="no_stamps",
            )  # fmt: skip
            connection.commit()
        connection.execute("select setval('apdb_base.store_seq', %s)", [first + visits])
    return size


@contextmanager
def serving(dsn: str) -> Iterator[tuple[int, int]]:
    """Serve in a process of its own, as in real life; yield port and process."""
    import subprocess

    port = _free_port()
    command = [sys.executable, "-c", "from apdb.cli.main import main; main()", "--dsn", dsn]
    command += ["serve", "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        give_up = time.monotonic() + 30
        while True:
            try:
                _get(http.client.HTTPConnection("127.0.0.1", port), "/health", "")
                break
            except OSError:
                if time.monotonic() > give_up or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def peak_mb(pid: int) -> float:
    """Most memory that a process ever held [MB]; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM"))


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _get(connection: http.client.HTTPConnection, path: str, token: str) -> bytes:
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return body


def single(port: int, token: str, ids: list[int]) -> dict[str, float]:
    """Milliseconds for one alert by id, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    for identifier in ids:
        start = time.perf_counter()
        _get(connection, f"/alerts/{identifier}?format=confluent", token)
        times.append((time.perf_counter() - start) * 1000)
    rest = sorted(times[20:])
    return {
        "median_ms": round(statistics.median(rest), 2),
        "p98_ms": round(rest[int(0.98 * len(rest))], 2),
        "n": len(rest),
    }


def hundred(port: int, token: str, ids: list[int]) -> dict[str, float]:
    """A hundred clients, each with a connection of its own and twenty alerts."""
    times: list[float] = []
    lock = threading.Lock()

    def ask(k: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for identifier in ids[20 * k : 20 * k + 20]:
            start = time.perf_counter()
            _get(connection, f"/alerts/{identifier}?format=confluent", token)
            with lock:
                times.append(time.perf_counter() - start)

    start = time.perf_counter()
    with ThreadPoolExecutor(100) as pool:
        list(pool.map(ask, range(100)))
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "median_ms": round(statistics.median(times) * 1000, 1),
        "worst_ms": round(max(times) * 1000, 1),
        "alerts": len(times),
    }


def streams(port: int, token: str, night: str, n: int) -> tuple[float, int]:
    """Seconds and bytes of `n` full streams of a night at once."""

    def read(_: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        path = f"/alerts?night={night}&format=confluent"
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        size = 0
        while piece := answer.read(1 << 20):
            size += len(piece)
        return size

    start = time.perf_counter()
    with ThreadPoolExecutor(n) as pool:
        size = sum(pool.map(read, range(n)))
    return time.perf_counter() - start, size


def disk_rate(folder: Path, size: int = 512 * 2**20) -> float:
    """Megabytes a second that the disk takes, flushed."""
    data = os.urandom(2**22)
    path = folder / "disk"
    start = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(size // len(data)):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return size / seconds / 1e6


def exported(dsn: str, night: str, folder: Path, size: int, codec: str) -> dict[str, float]:
    """Export a night to a file from Python; megabytes are of uncompressed packets."""
    with apdb.connect(dsn) as db:
        stream = db.alerts(night=night)
        start = time.perf_counter()
        written = export(stream, folder / f"{codec}.avro", codec=codec)
        seconds = time.perf_counter() - start
    (folder / f"{codec}.avro").unlink()
    return {
        "seconds": round(seconds, 2),
        "mb_per_s": round(size / seconds / 1e6, 1),
        "file_mb": round(written / 1e6, 1),
    }


def run(dsn: str, folder: Path, alerts: int, big_visits: int) -> dict[str, Any]:
    migrate.upgrade(dsn)
    place = folder / "archive"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select apdb.set_setting('archive_url', %s)", [str(place)])
        token = add_token(connection, "benchmark", 1e6, None)
    start = time.perf_counter()
    fill(dsn, place, 1000, alerts // PER_VISIT, 0, 300.0)
    # The night that is exported lies after all the others, with 30 + 30 rows of history.
    size = fill(dsn, place, 900_000, big_visits, 30, 0.1, after=310.0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        (night,) = connection.execute(  # type: ignore[misc]
            "select night::text from apdb_base.visit where visit = 900000"
        ).fetchone()
    Console().print(f"filled in {time.perf_counter() - start:.0f} s")
    rng = np.random.default_rng(3)
    visits = rng.integers(1000, 1000 + alerts // PER_VISIT, 2500)
    ids = [
        int(v) * 1_000_000 + int(i)
        for v, i in zip(visits, rng.integers(1, PER_VISIT, 2500), strict=True)
    ]
    result: dict[str, Any] = {"alerts": alerts, "night_mb": round(size / 1e6, 1)}
    result["disk_mb_per_s"] = round(disk_rate(folder), 1)
    for codec in ("null", "zstd"):
        result[f"export_{codec}"] = exported(dsn, night, folder, size, codec)
    with serving(dsn) as (port, pid):
        small = peak_mb(pid)
        result["single"] = single(port, token, ids[:420])
        result["hundred_clients"] = hundred(port, token, ids[500:2500])
        for n in (1, 5):
            seconds, got = streams(port, token, night, n)
            result[f"streams_{n}"] = {
                "seconds": round(seconds, 2),
                "mb_per_s": round(got / seconds / 1e6, 1),
            }
        result["service_mb"] = {"started": small, "peak": peak_mb(pid)}
    return result


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[PER_VISIT], visits=4)
    options.add_argument("--alerts", type=int, default=1_000_000, help="alerts archived, stampless")
    given = options.parse_args(arguments)
    with benchmark_server(given.dsn) as server, tempfile.TemporaryDirectory() as folder:
        server.ensure_database("bench_retrieval")
        dsn = server.dsn("bench_retrieval")
        result = run(dsn, Path(folder), given.alerts, given.visits)
        settings = server_settings(dsn)
    Console().print(result)
    path = write_results("retrieval", {"server": settings, **result}, given.output)
    Console().print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
