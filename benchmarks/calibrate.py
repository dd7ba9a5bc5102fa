"""Take simulated raw frames to calibrated images, and say what it costs and how good they are.

A field of stars and galaxies (density of 500 stars in 1024²) is drawn, read out by one amplifier with
overscan, dark current, a flat and cosmic rays, and given to isr and calibrate with its reference
catalogue.  Wall and CPU time of both, peak memory, cosmic rays found, and errors of zero point, PSF
and positions.

    python benchmarks/calibrate.py --sides 1024 2048 4096
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io.fits import Header
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.common import peak_memory, write_results
from pipeline.calibrate import calibrate
from pipeline.exposure import Exposure, ExposureInfo
from pipeline.isr import remove_signature
from pipeline.scene import SimulatedField, simulate_field

GAIN, READ_NOISE, BIAS, SCAN, NJY = 2.0, 5.0, 500.0, 40, 2.0
INFO = ExposureInfo(1, 0, "r", 60_000.0, 30.0, airmass=1.1)


def frame(image: np.ndarray, variance: float, unit: str) -> Exposure:
    values = np.asarray(image, np.float32)
    return Exposure(
        values, np.zeros(values.shape, np.uint32), np.full_like(values, variance), unit, INFO
    )


def raw_frame(
    field: SimulatedField, rng: np.random.Generator
) -> tuple[Exposure, dict[str, Exposure], np.ndarray]:
    """Raw frame, calibration frames, and the pixels that cosmic rays hit."""
    ny, nx = field.science.shape
    # The noise of the field is that of its sky: photons for it.
    sky = float(np.median(field.science.variance)) / NJY**2 - READ_NOISE**2
    response = (1.0 + 0.05 * np.cos(np.arange(ny) / 500.0))[:, np.newaxis] * np.ones((1, nx))
    response /= np.median(response)
    current = 0.1 + 0.05 * rng.random((ny, nx))
    electrons = (field.science.image / NJY + sky) * response + 30.0 * current
    hit = np.zeros((ny, nx), bool)
    for _ in range(int(1e-4 * nx * ny)):
        x, y, angle, length = (
            *rng.uniform(15, [nx - 15, ny - 15]),
            rng.uniform(0, np.pi),
            int(rng.integers(2, 12)),
        )
        for step in range(length):
            at = int(y + step * np.sin(angle)), int(x + step * np.cos(angle))
            electrons[at] += rng.uniform(300, 3000)
            hit[at] = True
    counts = np.pad(electrons / GAIN, ((0, 0), (0, SCAN))) + BIAS
    counts[:, nx:] += rng.normal(0, READ_NOISE / GAIN, (ny, SCAN))
    header = Header({"GAIN": GAIN, "RDNOISE": READ_NOISE, "SATURATE": 1e9, "EXPTIME": 30.0,
                     "TRIMSEC": f"[1:{nx},1:{ny}]", "BIASSEC": f"[{nx + 1}:{nx + SCAN},1:{ny}]"})  # fmt: skip
    raw = frame(np.rint(counts), 1.0, "adu").with_(header=header, wcs=field.science.wcs)
    masters = {"bias": frame(np.zeros((ny, nx)), 0.01, "electron"),
               "dark": frame(30.0 * current, 0.01, "electron"),
               "flat": frame(2e4 * response, 1.0, "electron")}  # fmt: skip
    return raw, masters, hit


def measured(side: int, seed: int) -> dict[str, Any]:
    """One frame, after a small one that loads the compiled code."""
    density = (side / 1024) ** 2
    field = simulate_field(seed, shape=(side, side), n_stars=round(500 * density),
                           n_galaxies=round(120 * density), n_transients=0)  # fmt: skip
    raw, masters, hit = raw_frame(field, np.random.default_rng(seed))
    clocks = [(time.perf_counter(), time.process_time())]
    electrons = remove_signature(raw, "generic", **masters)
    clocks.append((time.perf_counter(), time.process_time()))
    result = calibrate(electrons.exposure, field.refcat)
    clocks.append((time.perf_counter(), time.process_time()))
    found = electrons.exposure.masked()
    sources = result.sources[(result.sources["snr"] > 20) & result.sources["is_star"]]
    at = field.science.wcs.world_to_pixel_values(sources["ra"], sources["dec"])
    psf, true = result.exposure.psf, field.science.psf
    assert psf is not None
    assert true is not None
    margin = true.half - psf.half
    wanted = (
        true.centre[margin:-margin, margin:-margin] if margin > 0 else np.pad(true.centre, -margin)
    )
    return {
        "side": side,
        "isr": {"wall_s": clocks[1][0] - clocks[0][0], "cpu_s": clocks[1][1] - clocks[0][1]},
        "calibrate": {"wall_s": clocks[2][0] - clocks[1][0], "cpu_s": clocks[2][1] - clocks[1][1]},
        "peak_memory_gib": peak_memory() / 2**30,
        "load": os.getloadavg()[0],
        "cosmic_rays_found": float(found[hit].mean()),
        "cosmic_rays_false": float((found & ~hit).mean()),
        "zero_point_error_mag": result.metrics["calibrate.zero_point"]
        - (31.4 - 2.5 * np.log10(NJY)),
        "psf_flux_bias": float((psf.centre * wanted).sum() / (psf.centre**2).sum() - 1.0),
        "wcs_median_error_px": float(
            np.median(np.hypot(at[0] - sources["x"], at[1] - sources["y"]))
        ),
        "metrics": result.metrics | electrons.metrics,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096])
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--output", type=Path)
    given = arguments.parse_args()
    measured(256, given.seed)
    results = [measured(side, given.seed) for side in sorted(given.sides)]
    table = RichTable(
        "side",
        "isr wall, CPU [s]",
        "calibrate wall, CPU [s]",
        "GiB",
        "rays",
        "zero point [mag]",
        "PSF",
        "WCS [px]",
    )
    for one in results:
        steps = [
            f"{one[name]['wall_s']:.1f}, {one[name]['cpu_s']:.1f}" for name in ("isr", "calibrate")
        ]
        table.add_row(str(one["side"]), *steps, f"{one['peak_memory_gib']:.2f}", f"{one['cosmic_rays_found']:.3f}",
                      f"{one['zero_point_error_mag']:+.4f}", f"{one['psf_flux_bias']:+.4f}", f"{one['wcs_median_error_px']:.3f}")  # fmt: skip
    Console().print(table)
    write_results("calibrate", {"frames": results}, given.output)


if __name__ == "__main__":
    main()
