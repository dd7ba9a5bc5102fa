"""Detect and measure thousands of sources on large images, and measure forced fluxes.

Images of independent noise with point sources of S/N 4-400, a fifth of them below zero: what a
difference would be.  Given are wall time, and processor time of all threads, which is what counts
where the machine is shared.

    python benchmarks/detect.py --sides 1024 4096 --sources 3000
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS
from rich.console import Console
from rich.table import Table

from benchmarks.common import peak_memory, write_results
from pipeline import forced
from pipeline.detect import detect
from pipeline.exposure import Exposure
from pipeline.measure import measure
from pipeline.psf import Psf
from pipeline.subtract import Difference

SIGMA, FWHM = 10.0, 4.0


def make(side: int, n: int, seed: int) -> Difference:
    """A difference with n sources."""
    rng = np.random.default_rng(seed)
    psf = Psf.gaussian(FWHM, (side, side))
    half = psf.half
    x, y = rng.uniform(half + 1, side - half - 2, (2, n))
    one = SIGMA / np.sqrt(np.square(psf.centre).sum())
    flux = one * np.exp(rng.uniform(np.log(4), np.log(400), n)) * rng.choice([1, 1, 1, 1, -1], n)
    image = rng.normal(0.0, SIGMA, (side, side)).astype(np.float32)
    across = np.arange(-half, half + 1)
    rows = np.rint(y).astype(int)[:, None, None] + across[:, None]
    columns = np.rint(x).astype(int)[:, None, None] + across
    np.add.at(image, (rows, columns), flux[:, None, None] * psf.stamps(x, y))
    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = [1, 1], [150, 2], [-0.2 / 3600, 0.2 / 3600]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    variance = np.full(image.shape, SIGMA**2, np.float32)
    exposure = Exposure(image, np.zeros(image.shape, np.uint32), variance, psf=psf, wcs=wcs)
    return Difference(exposure, exposure, "convolve_template", None, None, {})


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, dict[str, float]]:
    """The result of some work, and the least wall and processor time of it."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return result, {"wall": min(walls), "cpu": min(cpus)}


def run(side: int, n: int, n_forced: int, repeats: int, seed: int) -> dict[str, Any]:
    """Times of one size."""
    made = make(side, n, seed)
    found, detection = timed(lambda: detect(made), repeats)
    table, measurement = timed(lambda: measure(found, made, made.exposure), repeats)
    x, y = np.random.default_rng(seed + 1).uniform(0, side, (2, n_forced))
    _, fluxes = timed(lambda: forced.fluxes(made.exposure, x, y), repeats)
    return {
        "side": side,
        "sources": len(table),
        "forced": n_forced,
        "detect": detection,
        "measure": measurement,
        "forced_fluxes": fluxes,
        "peak_memory_gib": peak_memory() / 2**30,
    }


def main() -> int:
    """Time and write the results."""
    made = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096])
    made.add_argument("--sources", type=int, default=3000, help="of an image of 4096²")
    made.add_argument("--forced", type=int, default=5000, help="forced fluxes")
    made.add_argument("--repeats", type=int, default=3, help="the best of so many")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--output", type=Path, help="where to write the results as JSON")
    args = made.parse_args()
    run(256, 20, 10, 1, 0)
    results = [
        run(side, args.sources * side**2 // 4096**2, args.forced, args.repeats, args.seed)
        for side in args.sides
    ]
    shown = Table("side", "sources", "detect [s]", "measure [s]", "forced [s]", "memory [GiB]")
    for one in results:
        times = [f"{one[k]['wall']:.2f} ({one[k]['cpu']:.2f})" for k in ("detect", "measure")]
        flux = f"{one['forced_fluxes']['wall']:.3f} ({one['forced_fluxes']['cpu']:.3f})"
        memory = f"{one['peak_memory_gib']:.2f}"
        shown.add_row(str(one["side"]), str(one["sources"]), *times, flux, memory)
    Console().print(shown, "wall time (processor time of all threads)")
    path = write_results("detect", {"results": results}, args.output)
    Console(stderr=True).print(f"results in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
