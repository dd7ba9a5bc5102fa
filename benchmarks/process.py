"""How long an image takes from its file to DIASources: `./dev bench process`.

A simulated field of 4096² pixels is processed by the command `apdb process`, each time in a process of its
own, as its users do: from the calibrated image, and from the raw frame with bias, dark and flat.  Given are
seconds of each stage, their sums and the largest memory.  "Calibrated to DIASources" is all that follows
calibrate; the template is read while stages before that work.  Runs have a tag: nothing is stored.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from apdb.schema import migrate
from benchmarks.common import benchmark_server, write_results
from pipeline.scene import NightConfig, simulate_night

SIDE = 4096
PROGRAM = """
import atexit, sys
from benchmarks.common import peak_memory
atexit.register(lambda: print(f"peak {peak_memory()}", file=sys.stderr))
from apdb.cli.main import main
main()
"""
MEASURED = ("template", "subtract", "detect", "measure", "classify")
ALL = ("read", "isr", "calibrate", *MEASURED)


def field(side: int, seed: int) -> NightConfig:
    """Return what is simulated: stars, galaxies and transients to the pixel as `NightConfig` has."""
    parts = (side / SIDE) ** 2
    return NightConfig(
        seed=seed,
        n_visits=1,
        bands=("r",),
        shape=(side, side),
        n_stars=round(8000 * parts),
        n_saturated=round(60 * parts),
        n_galaxies=round(1900 * parts),
        n_variables=round(400 * parts),
        n_transients=round(480 * parts),
        n_fading=round(60 * parts),
        n_movers=max(1, round(20 * parts)),
        cosmic_rays=160.0 * parts,
        satellites=1.0,
        bad_columns=8,
    )


def inputs(folder: Path, kind: str) -> list[str]:
    """Return the arguments of ``apdb process`` for the calibrated or the raw image."""
    (science,) = (folder / ("science" if kind == "calibrated" else "raw")).glob("*.fits")
    given = [str(science), "--template", str(folder / "templates" / "r.fits")]
    given += ["--refcat", str(folder / "refcat.fits")]
    if kind == "raw":
        frames = folder / "calibration"
        for name, file in (("bias", "bias"), ("dark", "dark"), ("flat", "flat_r")):
            given += [f"--{name}", str(frames / f"{file}.fits")]
        given += ["--instrument", str(frames / "instrument.toml")]
    return given


def one(dsn: str, arguments: list[str], run: str) -> dict[str, Any]:
    """Process an image in a process of its own; return seconds by stage and in all, and memory."""
    command = [sys.executable, "-c", PROGRAM, "--dsn", dsn, "--json", "process", *arguments]
    command += ["--run", run]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    document = json.loads(done.stdout)
    peak = next(line for line in done.stderr.splitlines() if line.startswith("peak "))
    seconds = document["seconds"]
    return {
        "n_dia_sources": document["n_dia_sources"],
        "stages": seconds,
        "calibrated_to_dia_sources": round(sum(seconds[name] for name in MEASURED), 2),
        "file_to_dia_sources": round(sum(seconds.get(name, 0.0) for name in ALL), 2),
        "peak_gib": round(int(peak.split()[1]) / 2**30, 2),
    }


def median(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run that took the median time, with the range of all."""
    order = sorted(found, key=lambda each: float(each["file_to_dia_sources"]))
    times = [each["file_to_dia_sources"] for each in order]
    return {
        **order[(len(order) - 1) // 2],
        "file_to_dia_sources_range": [times[0], times[-1]],
        "median_calibrated_to_dia_sources": statistics.median(
            each["calibrated_to_dia_sources"] for each in found
        ),
        "peak_gib": max(each["peak_gib"] for each in found),
        "runs": len(found),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    options = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    options.add_argument("--side", type=int, default=SIDE, help="rows and columns of the image")
    options.add_argument("--runs", type=int, default=3, help="timed runs of each kind")
    options.add_argument("--seed", type=int, default=3)
    options.add_argument("--output", type=Path, help="where to write the results as JSON")
    given = options.parse_args(arguments)
    console = Console()
    with benchmark_server() as server, tempfile.TemporaryDirectory() as folder:
        server.ensure_database("bench_process")
        dsn = server.dsn("bench_process")
        migrate.upgrade(dsn)
        console.print(f"simulating {given.side}²")
        simulate_night(field(given.side, given.seed), Path(folder))
        result: dict[str, Any] = {"side": given.side}
        for kind in ("calibrated", "raw"):
            given_files = inputs(Path(folder), kind)
            one(dsn, given_files, f"{kind}-first")  # compiles what a clean checkout has not yet
            runs = [one(dsn, given_files, f"{kind}-{k}") for k in range(given.runs)]
            result[kind] = median(runs)
    kinds = ("calibrated", "raw")
    shown = Table("seconds", *kinds)
    for name in ALL:
        shown.add_row(name, *(f"{result[kind]['stages'].get(name, 0.0):.1f}" for kind in kinds))
    for name in ("calibrated_to_dia_sources", "file_to_dia_sources", "peak_gib", "n_dia_sources"):
        shown.add_row(name.replace("_", " "), *(str(result[kind][name]) for kind in kinds))
    console.print(shown)
    console.print(f"written: {write_results('process', result, given.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
