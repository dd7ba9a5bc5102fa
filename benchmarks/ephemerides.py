"""Orbits in, a night's ephemerides, predictions and attribution: `./dev bench ephemerides`.

Loads a synthetic MPCORB file (main belt, near-Earth, Trojans, beyond Neptune), builds a night, asks for fields of 1.75 deg on the ecliptic near opposition, and stores visits of 10,000
sources of which those predicted to be bright enough are the known objects.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

import apdb
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
from benchmarks.orbit_sky import write_mpcorb
from pipeline.moving.ephemeris import apparent

NIGHT = dt.date(2026, 3, 8)
MJD = 61108.2
RADIUS = 1.75
#: Nothing fainter is seen [mag].
DEPTH = 24.0


def fields(n: int) -> list[tuple[float, float]]:
    """Centres on the ecliptic within 30 deg of opposition to the Sun."""
    longitude = np.radians(168.0 + np.linspace(-30, 30, n))
    tilt = np.radians(23.4392911)
    ra = np.degrees(np.arctan2(np.sin(longitude) * np.cos(tilt), np.cos(longitude))) % 360
    dec = np.degrees(np.arcsin(np.sin(longitude) * np.sin(tilt)))
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


def backend_cpu(pid: int) -> float:
    """Seconds of processor that a server process has used: what a busy machine does not stretch."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_time(dsn: str, centres: list[tuple[float, float]], repeats: int) -> dict[str, float]:
    """Processor time of a prediction, and of the step that predicts and attributes, in ms."""
    with psycopg.connect(dsn) as connection:
        pid = connection.info.backend_pid
        start = backend_cpu(pid)
        for _ in range(repeats):
            for ra, dec in centres:
                connection.execute(
                    "select count(p.ra + p.helio_vz + p.vmag) from apdb.predict(%s, %s, %s, %s) as p",
                    (ra, dec, RADIUS, MJD),
                )
        predicting = backend_cpu(pid) - start
        attributing = 0.0
        for number, (ra, dec) in enumerate(centres, 1):
            connection.execute("select apdb.open_stage(10000)")
            connection.execute(
                "insert into pg_temp.stage_source select * from apdb_base.dia_source where visit = %s",
                (number,),
            )
            connection.execute("analyze pg_temp.stage_source (dia_source_id, ra, dec)")
            connection.execute("select apdb.start_matches()")
            start = backend_cpu(pid)
            connection.execute(
                "select apdb.attribute_ss_objects(%s, %s, %s, %s)", (MJD, ra, dec, RADIUS)
            )
            attributing += backend_cpu(pid) - start
            connection.rollback()
    predict_ms = 1000 * predicting / repeats / len(centres)
    both_ms = 1000 * attributing / len(centres)
    return {
        "predict_ms": round(predict_ms, 1),
        "attribute_ms": round(both_ms - predict_ms, 1),
        "predict_and_attribute_ms": round(both_ms, 1),
    }


def predict(db: apdb.Apdb, centres: list[tuple[float, float]]) -> dict[str, Any]:
    """Time predictions, each field once for its pages and once more."""
    first, again, found = [], [], []
    with db.reading() as connection:
        for seconds in (first, again):
            for ra, dec in centres:
                start = time.perf_counter()
                rows = connection.execute(
                    "select count(p.ra + p.helio_vz + p.vmag) from apdb.predict(%s, %s, %s, %s) as p",
                    (ra, dec, RADIUS, MJD),
                ).fetchone()
                seconds.append(time.perf_counter() - start)
                found.append(rows[0])
    return {
        "objects": statistics.median(found),
        "first_ms": round(1000 * statistics.median(first), 1),
        "again_ms": round(1000 * statistics.median(again), 1),
        # On a machine that does other work, what it takes when left alone.
        "quickest_ms": round(1000 * min(again), 1),
    }


def integrated(db: apdb.Apdb, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positions by integration of the orbits themselves: predictions must not judge themselves."""
    with db.reading() as connection:
        rows = connection.execute(
            "select o.ss_object_id, o.epoch_mjd_tdb, array[o.x, o.y, o.z, o.vx, o.vy, o.vz] "
            "from apdb.orbit as o where o.ss_object_id = any(%s)",
            (ids,),
        ).fetchall()
    orbits = {row[0]: row[1:] for row in rows}
    states = np.array([orbits[each][1] for each in ids])
    epochs = np.array([orbits[each][0] for each in ids])
    seen = apparent(states, epochs, "X05", [MJD])
    return seen.ra[:, 0], seen.dec[:, 0]


def visit_of(db: apdb.Apdb, number: int, centre: tuple[float, float], n: int, seed: int) -> Any:
    """A visit of n sources, the known objects that are bright enough among them, and which they are."""
    rng = np.random.default_rng([seed, number])
    with db.reading() as connection:
        rows = connection.execute(
            "select p.ss_object_id, p.ra, p.dec, p.vmag from apdb.predict(%s, %s, %s, %s) as p "
            "where p.vmag < %s",
            (*centre, RADIUS, MJD, DEPTH),
        ).fetchall()
    ids, _, _, vmag = (np.array(column) for column in zip(*rows, strict=True))
    ra, dec = integrated(db, ids.tolist())
    m = n - len(ids)
    angle, r = rng.uniform(0, 2 * np.pi, m), RADIUS * np.sqrt(rng.uniform(0, 1, m))
    other_dec = centre[1] + r * np.sin(angle)
    other_ra = (centre[0] + r * np.cos(angle) / np.cos(np.radians(other_dec))) % 360
    sigma = 0.1 / 3600
    flux = 10 ** (-0.4 * (np.concatenate([vmag, rng.uniform(19, 24, m)]) - 31.4))
    columns = {
        "dia_source_id": 10_000_000 * number + np.arange(n, dtype=np.int64) + 1,
        "ra": np.concatenate(
            [(ra + rng.normal(0, sigma, len(ids)) / np.cos(np.radians(dec))) % 360, other_ra]
        ),
        "dec": np.concatenate([dec + rng.normal(0, sigma, len(ids)), other_dec]),
        "psf_flux": flux,
        "psf_flux_err": flux / 20,
    }
    visit = apdb.Visit(
        number, 1, "r", MJD + number * 1e-9, ra=centre[0], dec=centre[1], radius=RADIUS
    )
    return visit, columns, np.concatenate([ids.astype(np.int64), np.zeros(m, np.int64)])


def attribute(
    db: apdb.Apdb, centres: list[tuple[float, float]], n: int, seed: int
) -> dict[str, Any]:
    """Store visits; time the step that predicts and attributes, and count what is right."""
    steps, known, right, false = [], 0, 0, 0
    for number, centre in enumerate(centres, 1):
        visit, columns, truth = visit_of(db, number, centre, n, seed)
        report = db.store_visit(visit, columns)
        steps.append(float(report.timings["solar_system"]))
        known += int((truth > 0).sum())
        right += int(((report.ss_object_id == truth) & (truth > 0)).sum())
        false += int(((report.ss_object_id != truth) & (report.ss_object_id > 0)).sum())
    return {
        "sources": n,
        "known": known,
        "attributed": right / known,
        "false_of_sources": false / (n * len(centres)),
        "false": false,
        "step_ms": [round(each, 1) for each in steps],
        "median_ms": round(statistics.median(steps), 1),
        "quickest_ms": round(min(steps), 1),
    }


def clock(call: Any) -> tuple[float, Any]:
    """Seconds of a call, and what it returns."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[10_000], visits=8)
    options.add_argument("--orbits", type=int, default=1_500_000, help="orbits to load")
    options.add_argument("--workers", type=int, default=2, help="threads that propagate")
    given = options.parse_args(arguments)
    result: dict[str, Any] = {}
    with benchmark_server(given.dsn) as server, tempfile.TemporaryDirectory() as folder:
        server.ensure_database("bench_ephemerides")
        dsn = server.dsn("bench_ephemerides")
        migrate.upgrade(dsn)
        file = Path(folder) / "MPCORB.DAT"
        write_mpcorb(file, given.orbits, given.seed)
        with apdb.connect(dsn) as db:
            db.set_setting("site_longitude", -70.75)
            seconds, loaded = clock(lambda: db.load_orbits(file))
            assert loaded.n_new == given.orbits
            result["load_s"] = round(seconds, 1)
            seconds, built = clock(lambda: db.build_ephemerides(NIGHT, workers=given.workers))
            result["build_s"] = round(seconds, 1)
            result["slow"], result["fast"], result["failed"] = (
                built.n_slow,
                built.n_fast,
                built.n_failed,
            )
            peak = peak_memory() / 2**30
            result["memory_gib"] = round(peak, 2)
            settle(dsn)
            centres = fields(given.visits)
            result["predict"] = predict(db, centres)
            result["attribute"] = [attribute(db, centres, n, given.seed) for n in given.sources]
            if given.dsn is None and Path("/proc/self/stat").exists():
                result["processor"] = processor_time(dsn, centres, 5)
            result["load_average"] = [round(each, 1) for each in os.getloadavg()]
        settings = server_settings(dsn)
    show(result)
    document = {
        "workload": {
            "orbits": given.orbits,
            "radius_deg": RADIUS,
            "depth": DEPTH,
            "seed": given.seed,
        },
        "server": settings,
        "versions": versions("apdb", "psycopg", "numpy", "numba", "jplephem"),
        **result,
    }
    Console().print(f"written: {write_results('ephemerides', document, given.output)}")
    return 0


def show(result: dict[str, Any]) -> None:
    """Print what was measured."""
    table = Table(title="known objects of the solar system")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_row("load [s]", f"{result['load_s']}")
    table.add_row("build a night [s]", f"{result['build_s']}")
    table.add_row("predict a field [ms]", f"{result['predict']['again_ms']}")
    for name, value in result.get("processor", {}).items():
        table.add_row(f"processor time: {name}", f"{value}")
    for each in result["attribute"]:
        table.add_row(
            f"predict and attribute {each['sources']:,} sources [ms]", f"{each['median_ms']}"
        )
        table.add_row("attributed rightly", f"{each['attributed']:.4%}")
        table.add_row("sources attributed falsely", f"{each['false_of_sources']:.1e}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
