"""Whether errors are right through all stages: `./dev bench pulls`.

Fields with PSFs that vary, hundreds of stars and transients of every brightness are calibrated, subtracted,
detected and measured.  Given are mean and width of (measured - true) / error of fluxes and positions, by
signal-to-noise.  Sources of an image share what its PSF, kernel and world coordinates have of errors, so that
the errors of means and widths are those between images.  Trails and dipoles go through all stages too
(`pulls_movers.py`); by S/N and length they are those of differences made by hand (`pulls_shapes.py`).  No database.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, vstack
from rich.console import Console
from rich.progress import track
from rich.table import Table as Shown

from benchmarks.common import write_results
from benchmarks.pulls_movers import QUANTITIES as MOVER_QUANTITIES
from benchmarks.pulls_movers import movers
from benchmarks.pulls_shapes import shapes
from pipeline.calibrate import calibrate
from pipeline.classify.search import search
from pipeline.fakes import match
from pipeline.scene import CASES, simulate_field

EDGES = (7.0, 10.0, 20.0, 50.0, 200.0, 1000.0)
NEAR = 2.5  # pixel
SHAPE = (900, 900)
QUANTITIES = ("flux", "ra", "dec")
SHAPE_QUANTITIES = ("length", "angle", "flux", "x", "y")


def image_pulls(case: str, seed: int) -> Table:
    """Pulls of what was found of one field's transients."""
    field = simulate_field(
        seed,
        SHAPE,
        450,
        80,
        60,
        case=case,
        hosted=0.0,
        psf_variation=1.0,
        snr=(EDGES[0], EDGES[-1]),
    )
    science, template = (calibrate(each, field.refcat) for each in field[:2])
    found = search(science.exposure, template.exposure, science.sources).table
    true = field.truth[np.isin(field.truth["kind"], ["transient", "fading"])]
    matched = match(true, found, NEAR * science.exposure.pixel_scale).fakes
    true = matched[matched["found"]]
    found = found[true["row"]]
    return Table(
        {
            "image": np.full(len(true), seed),
            "snr": np.abs(true["diff_snr"]),
            "flux": (found["psf_flux"] - true["diff_flux"]) / found["psf_flux_err"],
            "ra": (found["ra"] - true["ra"]) * np.cos(np.radians(true["dec"])) / found["ra_err"],
            "dec": (found["dec"] - true["dec"]) / found["dec_err"],
        }
    )


def described(pulls: Table, rng: np.random.Generator) -> dict[str, Any]:
    """Number, means and widths, with their errors by images drawn again."""
    if not len(pulls):
        return {"n": 0}
    images = [
        np.column_stack([part[name] for name in QUANTITIES])
        for part in pulls.group_by("image").groups
    ]
    everything = np.concatenate(images)
    again = [
        np.concatenate([images[k] for k in rng.integers(len(images), size=len(images))])
        for _ in range(500)
    ]

    def one(k: int) -> dict[str, float]:
        mean, width = everything[:, k].mean(), everything[:, k].std(ddof=1)
        return {
            "mean": round(float(mean), 3),
            "mean_err": round(float(np.std([each[:, k].mean() for each in again])), 3),
            "width": round(float(width), 3),
            "width_err": round(float(np.std([each[:, k].std(ddof=1) for each in again])), 3),
        }

    return {"n": len(everything)} | {name: one(k) for k, name in enumerate(QUANTITIES)}


def skies(cases: list[str], first: int, images: int) -> dict[str, range]:
    """Seeds of the images of each case: no sky twice, so that means of all are of independent images."""
    return {
        case: range(first + k * images, first + (k + 1) * images) for k, case in enumerate(cases)
    }


def run(seeds: dict[str, range]) -> dict[str, dict[str, Any]]:
    """Pulls of each case and of all, by signal-to-noise."""
    pulls = {
        case: vstack([image_pulls(case, seed) for seed in track(some, case, transient=True)])
        for case, some in seeds.items()
    }
    pulls["all"] = vstack(list(pulls.values()))
    rng = np.random.default_rng(len(pulls["all"]))
    return {
        case: {
            f"{low:g}-{high:g}": described(some[(some["snr"] >= low) & (some["snr"] < high)], rng)
            for low, high in pairwise(EDGES)
        }
        for case, some in pulls.items()
    }


def run_movers(seeds: dict[str, range]) -> list[dict[str, Any]]:
    """Pulls of trails and dipoles through all stages, and a table of them."""
    shown = Shown("shape", "case", "S/N", "found", *(f"{q}: mean, width" for q in MOVER_QUANTITIES))
    found = []
    for what, case, snr, one in track(movers(seeds), "movers", transient=True):
        found.append({"shape": what, "case": case, "snr": snr} | one)
        texts = [
            f"{one[q]['mean']:+.2f}±{one[q]['mean_err']:.2f} {one[q]['width']:.2f}±{one[q]['width_err']:.2f}"
            for q in MOVER_QUANTITIES
            if q in one
        ]
        shown.add_row(what, case, snr, str(one["n"]), *texts)
    Console().print(shown)
    return found


def run_shapes(n_images: int, seed: int) -> list[dict[str, Any]]:
    """Pulls of trails and dipoles, and a table of them."""
    shown = Shown(
        "shape",
        "noise",
        "S/N",
        "length",
        "drawn",
        "found",
        *(f"{q}: mean, width (68%)" for q in SHAPE_QUANTITIES),
    )
    found = []
    for what, noise, snr, length, one in track(shapes(n_images, seed), "shapes", transient=True):
        found.append({"shape": what, "noise": noise, "snr": snr, "pixels": length} | one)
        texts = [
            f"{one[q]['mean']:+.2f}±{one[q]['mean_err']:.2f} {one[q]['width']:.2f} ({one[q]['width_68']:.2f})"
            for q in SHAPE_QUANTITIES
            if q in one
        ]
        shown.add_row(
            what, noise, f"{snr:g}", f"{length:g}", str(one["drawn"]), str(one["n"]), *texts
        )
    Console().print(shown)
    return found


def main() -> int:
    """Measure and write the results."""
    made = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--cases", nargs="*", default=sorted(CASES), help="as in `simulate_field`")
    made.add_argument("--images", type=int, default=20, help="of each case")
    made.add_argument("--mover-images", type=int, default=20, help="of each case, of what moved")
    made.add_argument("--shape-images", type=int, default=1, help="of each trail and dipole")
    made.add_argument("--seed", type=int, default=41, help="of the first image")
    made.add_argument("--output", type=Path, help="where to write the results as JSON")
    args = made.parse_args()
    results = run(skies(args.cases, args.seed, args.images))
    shown = Shown("case", "S/N", "sources", *(f"{name}: mean, width" for name in QUANTITIES))
    for case, bins in results.items():
        for snr, one in bins.items():
            if not one["n"]:
                continue
            texts = [
                f"{one[q]['mean']:+.2f}±{one[q]['mean_err']:.2f} {one[q]['width']:.2f}±{one[q]['width_err']:.2f}"
                for q in QUANTITIES
            ]
            shown.add_row(case, snr, str(one["n"]), *texts)
    Console().print(shown)
    moved = run_movers(skies(args.cases, args.seed, args.mover_images)) if args.mover_images else []
    found = run_shapes(args.shape_images, args.seed) if args.shape_images else []
    content = {
        "images": args.images,
        "mover_images": args.mover_images,
        "seed": args.seed,
        "cases": results,
        "movers": moved,
        "shapes": found,
    }
    path = write_results("pulls", content, args.output)
    Console(stderr=True).print(f"results in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
