"""How long N-way matching takes, in memory and in the database: `./dev bench nway`.

1,000 catalogues of 2,000 sources in files: 1,600 stars, each in every catalogue, scattered by 0.1
arcsec in each axis, and 400 strays that never recur, in a field of 0.2 deg radius.  Each run is a
process of its own, so that its peak memory is its own; what it finds is held against the truth, and
shuffled files and rows against the first result.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.common import benchmark_server, parser, peak_memory, versions, write_results

RADIUS = 0.5  # arcsec
FIELD_RADIUS = 0.2  # deg
SCATTER = 0.1 / 3600.0  # deg
CENTER = (150.0, 2.2)


def disc(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Offsets on the sky [deg]."""
    distance, angle = FIELD_RADIUS * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return distance * np.cos(angle), distance * np.sin(angle)


def write_files(folder: Path, n_catalogues: int, n_sources: int, seed: int) -> None:
    """Write the catalogues; column truth is the star, 0 for a stray."""
    rng = np.random.default_rng(seed)
    n_stars = int(0.8 * n_sources)
    x, y = disc(rng, n_stars)
    flux = 10.0 ** rng.uniform(3.0, 5.0, n_stars)
    for k in range(n_catalogues):
        stray_x, stray_y = disc(rng, n_sources - n_stars)
        dx = np.concatenate([x + rng.normal(0, SCATTER, n_stars), stray_x])
        dy = np.concatenate([y + rng.normal(0, SCATTER, n_stars), stray_y])
        f = np.concatenate([flux * (1 + rng.normal(0, 0.02, n_stars)), np.full(len(stray_x), 1e3)])
        data = {
            "ra": CENTER[0] + dx / np.cos(np.radians(CENTER[1] + dy)),
            "dec": CENTER[1] + dy,
            "psf_flux": f,
            "psf_flux_err": 0.02 * f,
            "mjd": np.full(n_sources, 61000.0 + k),
            "truth": np.concatenate([np.arange(n_stars) + 1, np.zeros(len(stray_x), np.int64)]),
        }
        pq.write_table(pa.table(data), folder / f"c{k:05d}.parquet")


def shuffle_rows(folder: Path, to: Path, seed: int) -> None:
    """Write the same files with their rows shuffled."""
    rng = np.random.default_rng(seed)
    to.mkdir()
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.take(rng.permutation(len(table))), to / path.name)


def run_one(folder: Path, dsn: str, shuffled: bool) -> None:
    """Match all files of a folder; print what it took as JSON."""
    import apdb
    from apdb.nway.run import nway

    paths = sorted(folder.glob("*.parquet"))
    if shuffled:
        np.random.default_rng(5).shuffle(paths)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        start, cpu = time.perf_counter(), time.process_time()
        database = apdb.connect(dsn) if dsn else None
        # Names without folders, so that the same files elsewhere are the same catalogues.
        result = nway(
            {path.name: path for path in paths},
            RADIUS,
            database=database,
            objects_to=out / "objects.parquet",
            sources_to=out / "sources.parquet",
        )
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        # Before the comparison, which reads everything.
        peak = peak_memory() / 2**30
        found = {
            "seconds": round(seconds, 2),
            "client_cpu_s": round(cpu, 2),
            "client_peak_gib": round(peak, 3),
            **result.summary,
            **compared(folder, pq.read_table(out / "sources.parquet")),
            "objects_sha256": digest(pq.read_table(out / "objects.parquet")),
        }
        if database is not None:
            database.close()
    sys.stdout.write(json.dumps(found))


def digest(objects: pa.Table) -> str:
    """A digest of every bit of the objects."""
    made = hashlib.sha256()
    for name in objects.column_names:
        made.update(np.ascontiguousarray(objects[name].to_numpy()).tobytes())
    return made.hexdigest()


def compared(folder: Path, sources: pa.Table) -> dict[str, Any]:
    """Share of the stars' sources that are in one object with most of their star."""
    catalogue = np.asarray(sources["catalogue"].combine_chunks().dictionary_encode().indices)
    names = sources["catalogue"].combine_chunks().dictionary_encode().dictionary.to_pylist()
    star = np.empty(len(sources), np.int64)
    row = sources["row"].to_numpy()
    order = np.argsort(catalogue, kind="stable")
    ends = np.searchsorted(catalogue[order], np.arange(len(names)), side="right")
    for name, mine in zip(names, np.split(order, ends[:-1]), strict=True):
        truth = pq.read_table(folder / name, columns=["truth"])["truth"].to_numpy()
        star[mine] = truth[row[mine]]
    known = star > 0
    pairs = np.stack([star[known], sources["object_id"].to_numpy()[known]])
    (of, _), counts = np.unique(pairs, axis=1, return_counts=True)
    most = np.zeros(star.max() + 1, np.int64)
    np.maximum.at(most, of, counts)
    return {"stars_whole": round(float(most.sum() / known.sum()), 6)}


def in_process(folder: Path, dsn: str = "", shuffled: bool = False) -> dict[str, Any]:
    """Run one matching in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.nway", "--one", str(folder), "--dsn", dsn]
    done = subprocess.run(
        [*command, *(["--shuffled"] if shuffled else [])],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(arguments: list[str] | None = None) -> int:
    options = parser(__doc__.splitlines()[0], sources=[2000], visits=1000)
    options.add_argument("--one", type=Path, help="(internal) match this folder and print JSON")
    options.add_argument("--shuffled", action="store_true", help="(internal) shuffle the files")
    given = options.parse_args(arguments)
    if given.one:
        run_one(given.one, given.dsn or "", given.shuffled)
        return 0
    runs: dict[str, dict[str, Any]] = {}
    with (
        benchmark_server(given.dsn) as server,
        tempfile.TemporaryDirectory(prefix="apdb-nway-") as name,
    ):
        folder, other = Path(name) / "files", Path(name) / "shuffled"
        folder.mkdir()
        write_files(folder, given.visits, given.sources[0], given.seed)
        shuffle_rows(folder, other, given.seed)
        runs["in memory"] = in_process(folder)
        runs["in memory, shuffled"] = in_process(other, shuffled=True)
        from apdb.schema import migrate

        server.ensure_database("bench_nway")
        migrate.upgrade(server.dsn("bench_nway"))
        runs["in the database"] = in_process(folder, server.dsn("bench_nway"))
    same = len({run["objects_sha256"] for run in runs.values()}) == 1
    show(runs, same)
    document = {
        "workload": {
            "catalogues": given.visits,
            "sources": given.sources[0],
            "radius_arcsec": RADIUS,
            "seed": given.seed,
        },
        "versions": versions("apdb", "numpy", "scipy", "pyarrow"),
        "same_objects_to_the_last_bit": same,
        "runs": runs,
    }
    Console().print(f"written: {write_results('nway', document, given.output)}")
    return 0 if same else 1


def show(runs: dict[str, dict[str, Any]], same: bool) -> None:
    """Print the runs."""
    table = RichTable(title="N-way matching, files to Parquet")
    names = ("seconds", "client_cpu_s", "client_peak_gib", "n_sources", "n_objects", "stars_whole")
    for head in ("run", *names):
        table.add_column(head, justify="right")
    for name, run in runs.items():
        table.add_row(name, *(f"{run[key]:,}" for key in names))
    Console().print(table)
    Console().print(f"same objects to the last bit: {'yes' if same else 'NO'}")


if __name__ == "__main__":
    sys.exit(main())
