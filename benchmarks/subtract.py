"""Subtract simulated fields here and with other programs, side by side.

Four cases (easy, worse template, noisy template, crossed ellipticities), each with many seeds: stars,
galaxies and transients, PSFs that vary over both images.  Every program's difference is searched by
the same code: matched filter with the PSF of the difference, divided by the scatter of blank sky,
peaks above a threshold.  A peak within 3 pixels of a transient finds it, one further than 6 pixels
from all is false.  Programs are compared at equal completeness: the threshold of each is lowered or
raised until it finds as many transients as hotpants does at 5σ.

hotpants is run with its defaults and with Gaussians for the PSFs at hand, and per case the better of
the two counts.  See `benchmarks.subtract_peers` for where the programs are looked for.

    HOTPANTS=/path/to/hotpants python benchmarks/subtract.py --seeds 20
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable
from scipy import fft
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from benchmarks import subtract_peers as peers
from benchmarks.common import write_results
from pipeline.exposure import Exposure
from pipeline.scene.field import CASES, simulate_field

Floats = NDArray[np.float64]
EDGE = 30
LOWEST = 3.5
NOMINAL = 5.0
FOUND, FALSE = 3.0, 6.0
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Outcome:
    """What a program made of one field."""

    true: Floats
    false: Floats
    expected: int
    pixel_noise: float
    filtered_noise: float
    wall: float
    cpu: float


@dataclass(frozen=True)
class Pair:
    """A field to be subtracted."""

    science: Exposure
    template: Exposure
    sources: Table
    transients: Table


def make_pair(case: str, seed: int, side: int, stars: int, variation: float) -> Pair:
    """Simulate a field; the catalogue of sources is what a good detection would deliver."""
    area = (side / 1024.0) ** 2
    shape = (side, side)
    counts = (round(stars * area), round(120 * area), round(50 * area))
    field = simulate_field(seed, shape, *counts, case=case, fading=0.0, psf_variation=variation)
    truth, rng = field.truth, np.random.default_rng(seed)
    seen = truth[truth["snr"] > 5.0]
    error = 1.7 / np.asarray(seen["snr"], float)
    sources = Table(
        {
            "x": seen["x"] + rng.normal(size=len(seen)) * error,
            "y": seen["y"] + rng.normal(size=len(seen)) * error,
            "snr": seen["snr"],
            "is_star": seen["kind"] != "galaxy",
        }
    )
    return Pair(field.science, field.template, sources, truth[truth["kind"] == "transient"])


def filtered(image: Floats, kernel: Floats) -> Floats:
    """Correlate an image with a kernel."""
    shape = [fft.next_fast_len(n + len(kernel) - 1, real=True) for n in image.shape]
    spectrum = fft.rfft2(image, shape) * fft.rfft2(kernel[::-1, ::-1].astype(image.dtype), shape)
    half = len(kernel) // 2
    return fft.irfft2(spectrum, shape)[half : half + image.shape[0], half : half + image.shape[1]]


def search(pair: Pair, result: peers.Result) -> Outcome:
    """Search a difference for sources."""
    variance = np.square(result.sigma)
    if result.psf is None:
        significance = result.image / result.sigma
    else:
        noise = np.sqrt(np.maximum(filtered(variance, np.square(result.psf)), 1e-30))
        significance = filtered(result.image, result.psf) / noise
    blank = result.good & _blank(pair)
    inner = np.zeros_like(blank)
    inner[EDGE:-EDGE, EDGE:-EDGE] = True
    blank &= inner
    pull = (result.image / result.sigma)[blank]
    noise = _scatter(significance[blank])
    significance = significance / noise
    size = np.abs(significance)
    peak = inner & result.good & (size == maximum_filter(size, 7)) & (size > LOWEST)
    y, x = np.nonzero(peak)
    where, height = np.column_stack((x, y)), significance[peak]
    wanted = pair.transients
    near, which = cKDTree(np.column_stack((wanted["x"], wanted["y"]))).query(where)
    inside = (np.abs(wanted["x"] - 0.5 * size.shape[1]) < 0.5 * size.shape[1] - EDGE) & (
        np.abs(wanted["y"] - 0.5 * size.shape[0]) < 0.5 * size.shape[0] - EDGE
    )
    bright = np.asarray(inside & (wanted["diff_snr"] >= NOMINAL))
    best = np.zeros(len(wanted))
    np.maximum.at(best, which[near < FOUND], height[near < FOUND])
    return Outcome(
        best[bright], np.abs(height[near > FALSE]), int(bright.sum()), _scatter(pull), noise,
        result.wall, result.cpu,
    )  # fmt: skip


def _scatter(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _blank(pair: Pair) -> NDArray[np.bool_]:
    """Sky without anything in the template, whose filtered image is less noisy than any other."""
    psf = pair.template.psf
    assert psf is not None
    significance = filtered(pair.template.image, psf.centre) / np.sqrt(
        filtered(pair.template.variance, np.square(psf.centre))
    )
    return np.abs(significance - np.median(significance)) < 3.0


def threshold_for(outcomes: list[Outcome], found: int) -> float:
    """Threshold at which so many transients are found in all fields together."""
    heights = np.sort(np.concatenate([outcome.true for outcome in outcomes]))[::-1]
    return float(max(heights[min(found, len(heights)) - 1], LOWEST)) if found else np.inf


def counts(outcomes: list[Outcome], threshold: float) -> tuple[int, Floats]:
    """Transients found, and false positives of every field."""
    found = sum(int((outcome.true >= threshold).sum()) for outcome in outcomes)
    return found, np.array([(outcome.false >= threshold).sum() for outcome in outcomes], float)


def ratio_interval(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Ratio of false positives with its 95% interval, by resampling fields."""
    rng = np.random.default_rng(1)
    pick = rng.integers(0, len(ours), (BOOTSTRAPS, len(ours)))
    ratios = ours[pick].sum(axis=1) / np.maximum(theirs[pick].sum(axis=1), 1.0)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(ours.sum() / max(theirs.sum(), 1.0)), float(low), float(high)


Program = Callable[[Pair], peers.Result]


def programs(flavours: list[str], sfft_seeds: int, *, tuned: bool) -> dict[str, Program]:
    """Everything that can be run here."""
    found: dict[str, Program] = {}
    for flavour in flavours:
        name = "ours" if flavour == "auto" else f"ours, {flavour}"
        found[name] = lambda pair, flavour=flavour: peers.ours(  # type: ignore[misc]
            pair.science, pair.template, pair.sources, flavour
        )
    if peers.hotpants_program():
        for name, is_tuned in (("hotpants, defaults", False), ("hotpants, tuned", True)):
            if is_tuned and not tuned:
                continue
            found[name] = lambda pair, is_tuned=is_tuned: peers.hotpants(  # type: ignore[misc]
                pair.science, pair.template, tuned=is_tuned
            )
    if sfft_seeds and peers.has_sfft():
        found["sfft"] = lambda pair: peers.sfft(pair.science, pair.template, pair.sources)
    return found


def run_case(case: str, args: argparse.Namespace, console: Console) -> dict[str, list[Outcome]]:
    """Subtract all fields of a case with all programs; outcomes by program."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    everything = programs(["auto", *args.flavours], args.sfft_seeds, tuned=not args.defaults_only)
    for seed in range(args.seeds):
        pair = make_pair(case, seed, args.side, args.stars, args.variation)
        for name, program in everything.items():
            if name == "sfft" and seed >= args.sfft_seeds:
                continue
            found[name].append(search(pair, program(pair)))
        console.print(f"{case}, seed {seed} done", highlight=False)
    return found


def summarise(outcomes: dict[str, list[Outcome]]) -> dict[str, Any]:
    """Counts of one case, at 5σ and at hotpants' completeness."""
    hotpants = [name for name in outcomes if name.startswith("hotpants")]
    best = min(hotpants, key=lambda name: counts(outcomes[name], NOMINAL)[1].sum(), default=None)
    table: dict[str, Any] = {"best_hotpants": best}
    for name, fields in outcomes.items():
        found, false = counts(fields, NOMINAL)
        row: dict[str, Any] = {
            "fields": len(fields),
            "expected": sum(field.expected for field in fields),
            "found": found,
            "false_positives": int(false.sum()),
            "pixel_noise": float(np.mean([field.pixel_noise for field in fields])),
            "filtered_noise": float(np.mean([field.filtered_noise for field in fields])),
            "wall_s": float(np.median([field.wall for field in fields])),
            "cpu_s": float(np.median([field.cpu for field in fields])),
        }
        if best is not None:
            theirs = outcomes[best][: len(fields)]
            wanted = counts(theirs, NOMINAL)[0]
            of_them = counts(theirs, threshold_for(theirs, wanted))[1]
            threshold = threshold_for(fields, wanted)
            reached, equal = counts(fields, threshold)
            row["at_equal_completeness"] = {
                "threshold": threshold,
                "found": reached,
                "false_positives": int(equal.sum()),
                "ratio_to_hotpants": ratio_interval(equal, of_them),
            }
        table[name] = row
    return table


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    """Print the comparison."""
    table = RichTable(title="False positives of all fields; noise relative to predicted")
    for column in (
        "case",
        "program",
        "found",
        "false",
        "equal",
        "ratio",
        "noise",
        "cpu s",
        "wall s",
    ):
        table.add_column(column, justify="left" if column in ("case", "program") else "right")
    for case, rows in results.items():
        for name, row in rows.items():
            if name == "best_hotpants":
                continue
            equal = row.get("at_equal_completeness")
            ratio = (
                ""
                if equal is None
                else "{:.2f} ({:.2f}-{:.2f})".format(*equal["ratio_to_hotpants"])
            )
            table.add_row(
                case, name, f"{row['found']}/{row['expected']}", str(row["false_positives"]),
                "" if equal is None else str(equal["false_positives"]), ratio,
                f"{row['pixel_noise']:.3f}/{row['filtered_noise']:.3f}",
                f"{row['cpu_s']:.2f}", f"{row['wall_s']:.2f}",
            )  # fmt: skip
    console.print(table)


def all_cases(found: dict[str, dict[str, list[Outcome]]]) -> dict[str, Any]:
    """Sum over the cases of ours against the better hotpants of each, at equal completeness."""
    mine, theirs = [], []
    for outcomes in found.values():
        best = summarise(outcomes)["best_hotpants"]
        if best is None:
            return {}
        wanted = counts(outcomes[best], NOMINAL)[0]
        of_them = counts(outcomes[best], threshold_for(outcomes[best], wanted))[1]
        mine.append(counts(outcomes["ours"], threshold_for(outcomes["ours"], wanted))[1])
        theirs.append(of_them)
    ratio = ratio_interval(np.concatenate(mine), np.concatenate(theirs))
    return {
        "ours": int(np.sum(mine)),
        "hotpants": int(np.sum(theirs)),
        "ratio": ratio[0],
        "ratio_95": ratio[1:],
    }


def main() -> int:
    """Compare and write the results."""
    made = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--seeds", type=int, default=20, help="fields of each case")
    made.add_argument("--sfft-seeds", type=int, default=2, help="fields that SFFT gets; it is slow")
    made.add_argument("--flavours", nargs="*", default=[], help="of ours, besides auto")
    made.add_argument("--defaults-only", action="store_true", help="do not tune hotpants")
    made.add_argument("--side", type=int, default=1024, help="side of the images")
    made.add_argument("--stars", type=int, default=500, help="stars per 1024² pixels")
    made.add_argument("--variation", type=float, default=1.0, help="variation of the PSFs")
    made.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    made.add_argument("--output", type=Path, help="where to write the results as JSON")
    args = made.parse_args()
    console = Console(stderr=True)
    warm = make_pair("easy", 0, 256, 1000, 0.0)
    peers.ours(warm.science, warm.template, warm.sources)
    found: dict[str, dict[str, list[Outcome]]] = {}
    for case in args.cases:
        found[case] = run_case(case, args, console)
        results = {done: summarise(outcomes) for done, outcomes in found.items()}
        setting = {"side": args.side, "stars": args.stars, "psf_variation": args.variation}
        whole = {**setting, "cases": results, "all_cases": all_cases(found)}
        path = write_results("subtract", whole, args.output)
    show(results, Console())
    console.print(f"results in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
