"""How long the alerts of a visit take, beyond storing it: `./dev bench alerts`.

The field of `benchmarks.store`, with forced photometry: of 10,000 sources 8,000 have 30 + 30 rows of
history.  Timed are visits without stamps, with stamps of real size, and without an archive; then the
assembly alone, against a COPY of the same fragments from where they lie and of the finished packets,
and against fastavro on the same records; and a deep field of 1,000 + 1,000 rows an object.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
from astropy.table import Table
from psycopg import sql
from rich.console import Console
from rich.progress import track

import apdb
from apdb.alerts.rules import Rules, read_rules
from apdb.alerts.stream import PLANNER, Packets, assemble, streamed
from apdb.archive.stamps import Stamps
from apdb.schema import migrate
from benchmarks.common import (
    benchmark_server,
    parser,
    peak_memory,
    server_settings,
    settle,
    versions,
    write_results,
)
from benchmarks.store import CENTER, FIELD_RADIUS, HISTORY, add_nearby_objects, described
from benchmarks.workload import FieldVisit, field_visits

DEEP_OBJECTS = 300
DEEP_ROWS = 1_000
FASTAVRO_PACKETS = 300
SIDE, PSF_SIDE = 30, 45  # pixel

Key = tuple[int, int, float]


def forced(positions: Table) -> Table:
    """Measure nothing, quickly: fluxes for every position asked for."""
    rng = np.random.default_rng(len(positions))
    flux = rng.normal(1000.0, 200.0, len(positions)).astype(np.float32)
    return Table(
        {
            "dia_object_id": positions["dia_object_id"],
            "psf_flux": flux,
            "psf_flux_err": np.full(len(positions), 30.0, np.float32),
            "science_flux": flux + np.float32(5000.0),
            "science_flux_err": np.full(len(positions), 40.0, np.float32),
        }
    )


def stamps_of(n: int, seed: int) -> dict[str, Stamps]:
    """Stamps of real size: 3 images of 30 x 30 with variance and mask, two PSFs of 45 x 45."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, 30.0, (3, 997, SIDE, SIDE)).astype(np.float32)
    psf = rng.random((PSF_SIDE, PSF_SIDE)).astype(np.float64)
    some = np.arange(n) % 997
    variance = np.abs(noise[0])[some] + np.float32(900.0)
    mask = np.zeros((n, SIDE, SIDE), np.int32)
    kinds = ("difference", "science", "template")
    return {
        kind: Stamps(noise[k][some], variance, mask, psf=None if kind == "science" else psf)
        for k, kind in enumerate(kinds)
    }


def store(db: apdb.Apdb, visit: FieldVisit, cutouts: Any = None) -> apdb.StoreReport:
    """Store one visit with its forced photometry."""
    return db.store_visit(described(visit), visit.sources, forced=forced, cutouts=cutouts)


def summary(reports: list[apdb.StoreReport]) -> dict[str, Any]:
    """Medians over visits: seconds in all, and milliseconds of each step of the alerts."""
    totals = [r.timings["total"] / 1000.0 for r in reports]
    steps = {
        step: round(statistics.median(r.timings.get(step, 0.0) for r in reports), 1)
        for step in ("fragments", "alerts")
    }
    return {
        "median_s": round(statistics.median(totals), 4),
        "seconds": [round(t, 4) for t in totals],
        "alerts_s": round(sum(steps.values()) / 1000.0, 4),
        "steps_ms": steps,
    }


def drain(packets: Iterator[Packets]) -> tuple[float, int, int]:
    """Take packets from the server and throw them away: seconds, packets, bytes."""
    start = time.perf_counter()
    n = size = 0
    for some in packets:
        n += len(some)
        size += some.n_bytes
    return time.perf_counter() - start, n, size


def to_nowhere(connection: psycopg.Connection[Any], query: str) -> float:
    """Seconds in which the server copies a query's rows out, with nobody to wait for."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        connection.execute(f"copy ({query}) to '/dev/null' (format binary)")
        times.append(time.perf_counter() - start)
    return min(times)


def copies(connection: psycopg.Connection[Any], rules: Rules, key: Key) -> dict[str, float]:
    """Seconds to assemble, to copy the same fragments, the same packets; to stream these to here."""
    visit, detector, midpoint = key
    start = midpoint - rules.history_days
    drain(assemble(connection, rules, key))
    connection.execute(PLANNER)
    packets = (
        f"select a.* from apdb.assemble_packets({visit}, {detector}::smallint, {midpoint}, {start}, "
        f"{rules.registry_id}::smallint, true, false, null, '', 0, false) as a"
    )
    of_object = (
        f"x where x.dia_object_id = t.dia_object_id and x.midpoint_mjd_tai >= {start} "
        f"and x.midpoint_mjd_tai <= {midpoint}"
    )
    fragments = (
        "select f.head, f.tail from (select s.dia_object_id from apdb.dia_source as s "
        f"where s.visit = {visit} and s.detector = {detector} and s.midpoint_mjd_tai = {midpoint} "
        "order by 1 offset 0) as t cross join lateral ("
        f"select x.head, x.tail from apdb.dia_source_fragment as {of_object} union all "
        f"select x.head, x.tail from apdb.dia_forced_source_fragment as {of_object}) as f"
    )
    assembled, copied = to_nowhere(connection, packets), to_nowhere(connection, fragments)
    connection.execute(
        "create temporary table packet (trigger bigint, dia_object bigint, ss_object bigint, "
        "packet bytea) on commit drop"
    )
    connection.execute("alter table packet alter column packet set storage external")
    connection.execute(
        "insert into packet "
        f"select a.dia_source_id, a.dia_object_id, a.ss_object_id, a.packet from ({packets}) as a"
    )
    whole = to_nowhere(connection, "select packet from packet")
    copy = sql.SQL("copy packet to stdout (format binary)")
    streams = min(drain(streamed(connection, copy))[0] for _ in range(5))
    connection.rollback()
    return {"assembled": assembled, "fragments": copied, "packets": whole, "streamed": streams}


def fastavro_rate(connection: psycopg.Connection[Any], rules: Rules, key: Key) -> float:
    """Packets a second that fastavro writes of the same records, of objects with history."""
    records = []
    for some in assemble(connection, rules, key):
        for packet in some.packets:
            if len(records) < FASTAVRO_PACKETS and len(packet) > 5_000:
                reader = io.BytesIO(packet)
                records.append(fastavro.schemaless_reader(reader, rules.schema.parsed, None))
    start = time.perf_counter()
    for record in records:
        fastavro.schemaless_writer(io.BytesIO(), rules.schema.parsed, record)
    return len(records) / (time.perf_counter() - start)


def make_deep(connection: psycopg.Connection[Any], key: Key) -> None:
    """Give some objects of a visit 1,000 + 1,000 rows, and take its other sources away."""
    visit, detector, midpoint = key
    values = {"v": visit, "d": detector, "t": midpoint, "n": DEEP_OBJECTS, "rows": DEEP_ROWS}
    connection.execute("set local session_replication_role = replica")
    connection.execute(
        "delete from apdb_base.dia_source as s where s.visit = %(v)s and s.dia_source_id not in ("
        "select x.dia_source_id from apdb_base.dia_source as x inner join apdb_base.dia_object as o "
        "using (dia_object_id) where x.visit = %(v)s and o.n_dia_sources >= 20 "
        "order by x.dia_source_id limit %(n)s)",
        values,
    )
    for table, number in (
        ("dia_source_fragment", "dia_source_id"),
        ("dia_forced_source_fragment", "dia_forced_source_id"),
    ):
        # In time order, as visits would have written them.
        connection.execute(
            f"insert into apdb_base.{table} "
            f"select f.dia_object_id, %(t)s - 0.35 * k, f.{number} + k * 100000, f.registry_id, "
            f"f.head, f.tail from generate_series(1, %(rows)s - 30) as k cross join lateral ("
            f"select distinct on (x.dia_object_id) x.* from apdb_base.{table} as x inner join "
            f"apdb_base.dia_source as s using (dia_object_id) where s.visit = %(v)s "
            f"and x.midpoint_mjd_tai > %(t)s - 30 order by x.dia_object_id) as f order by k desc",
            values,
        )


def run(dsn: str, n: int, given: Any, archive: Path) -> dict[str, Any]:
    """Prepare one database and time visits to it."""
    migrate.upgrade(dsn)
    add_nearby_objects(dsn, given.objects, given.seed)
    with psycopg.connect(dsn) as connection:
        connection.execute("select apdb.set_setting('archive_url', %s)", (str(archive),))
        for name in ("stamps", "histories"):
            connection.execute(
                "select apdb.set_setting(%s, '3600')", (f"alert_seconds_with_{name}",)
            )
    visits = field_visits(
        n, HISTORY + 3 * given.visits, given.seed, CENTER, radius=FIELD_RADIUS, span_days=350.0
    )
    found: dict[str, Any] = {}
    with apdb.connect(dsn) as db:
        for visit in track(list(islice(visits, HISTORY)), "history", transient=True):
            store(db, visit)
        settle(dsn)
        some = list(islice(visits, given.visits))
        found["without_stamps"] = summary([store(db, visit) for visit in some])
        last = some[-1]
        key = (last.visit, last.detector, last.midpoint_mjd_tai)
        cutouts = stamps_of(n, given.seed)
        some = list(islice(visits, given.visits))
        found["with_stamps"] = summary([store(db, visit, cutouts) for visit in some])
        found["client_peak_mib"] = peak_memory() // 2**20
        found["assembly"] = assembly(dsn, key)
        with psycopg.connect(dsn) as connection:
            connection.execute("select apdb.set_setting('archive_url', '')")
        found["without_archive"] = summary([store(db, visit) for visit in visits])
    found["deep_field"] = deep_field(dsn, key)
    return found


def assembly(dsn: str, key: Key) -> dict[str, Any]:
    """Time the assembly alone."""
    with psycopg.connect(dsn) as connection:
        rules = read_rules(connection)
        seconds, n, size = min(drain(assemble(connection, rules, key)) for _ in range(5))
        server = copies(connection, rules, key)
        streams = server.pop("streamed")
        rate = fastavro_rate(connection, rules, key)
    return {
        "packets": n,
        "bytes": size,
        "packets_per_s": round(n / seconds),
        "server_ms": {name: round(each * 1000.0, 1) for name, each in server.items()},
        "ratio_to_copy_of_fragments": round(server["fragments"] / server["assembled"], 3),
        "ratio_to_copy_of_packets": round(server["packets"] / server["assembled"], 3),
        "ratio_to_stream_of_packets": round(streams / seconds, 3),
        "fastavro_packets_per_s": round(rate, 1),
        "fastavro_ratio": round(n / seconds / rate, 1),
    }


def deep_field(dsn: str, key: Key) -> dict[str, Any]:
    """Time the assembly where objects have 1,000 + 1,000 rows of history."""
    with psycopg.connect(dsn) as connection:
        make_deep(connection, key)
    settle(dsn)
    with psycopg.connect(dsn) as connection:
        rules = read_rules(connection)
        seconds, n, size = min(drain(assemble(connection, rules, key)) for _ in range(3))
    return {"packets_per_s": round(n / seconds), "bytes_per_packet": round(size / max(n, 1))}


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[10_000, 40_000], visits=5)
    options.add_argument("--objects", type=int, default=1_000_000, help="objects nearby")
    options.add_argument("--archive", type=Path, help="folder to make the archive in")
    given = options.parse_args(arguments)
    results: dict[str, Any] = {}
    with benchmark_server(given.dsn) as server:
        for n in given.sources:
            name = f"bench_alerts_{n}"
            server.ensure_database(name)
            with tempfile.TemporaryDirectory(dir=given.archive) as folder:
                results[str(n)] = run(server.dsn(name), n, given, Path(folder))
            Console().print_json(data={str(n): results[str(n)]})
        settings = server_settings(server.dsn(name))
    document = {
        "workload": {"objects_nearby": given.objects, "history": HISTORY, "seed": given.seed},
        "server": settings,
        "versions": versions("apdb", "psycopg", "numpy", "fastavro", "zstandard"),
        "sources": results,
    }
    Console().print(f"written: {write_results('alerts', document, given.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
