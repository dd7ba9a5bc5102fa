"""Completeness and purity of what is found in simulated fields: `./dev bench reliability`.

Fields of 1024², easy, crowded (5,000 stars), the other cases of the comparison with peers, and images
of a simulated night, are calibrated, subtracted, searched and scored.  Completeness at S/N 6 is of
fakes between 5.5 and 6.5, of true S/N; purity is of detections between 5.25 and 6.75, and of all
that are above the cut.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from rich.console import Console
from rich.table import Table as Shown

from benchmarks.common import versions, write_results
from pipeline.calibrate import calibrate
from pipeline.classify import default_model, features
from pipeline.classify.search import SearchConfig, search
from pipeline.detect import DetectConfig
from pipeline.exposure import Exposure
from pipeline.fakes import FakesConfig, binomial_interval, completeness, draw_fakes, inject, match
from pipeline.scene import CASES, simulate_field
from pipeline.scene.config import NightConfig
from pipeline.study.images import simulated_pairs
from pipeline.study.measures import purity
from pipeline.study.run import together

NEAR = (5.5, 6.5)
WINDOW = (5.25, 6.75)
_FAKES = FakesConfig(density=1e7, most=150, snr=(3.0, 9.0), snr_fraction=1.0)


@dataclass(frozen=True)
class Images:
    """Two images to subtract, the stars of one, and what has really changed."""

    science: Exposure
    template: Exposure
    sources: Table
    changed: Table | None = None


def images(seed: int, case: str) -> Images:
    """Simulate and calibrate the images of a case."""
    if case == "night":
        with tempfile.TemporaryDirectory() as folder:
            (pair,) = simulated_pairs(NightConfig(seed=seed, n_visits=1), Path(folder))
        assert pair.truth is not None
        changed = pair.truth[np.asarray(pair.truth["diff_flux"]) != 0]
        return Images(pair.science, pair.template, pair.sources, changed)
    crowded = case == "crowded"
    field = simulate_field(
        seed, case="easy" if crowded else case, n_stars=5000 if crowded else 500, n_transients=0
    )
    science = calibrate(field.science)
    return Images(science.exposure, calibrate(field.template).exposure, science.sources)


def one(seed: int, case: str, threshold: float) -> tuple[Any, Any]:
    """Return detections and fakes of one field, matched."""
    given = images(seed, case)
    science, template = given.science, given.template
    rng = np.random.default_rng([seed, 3])
    drawn = draw_fakes(science, rng, _FAKES, variance=science.variance + template.variance)
    image, drawn = inject(science, drawn, rng)
    template, drawn = inject(template, drawn, rng, template=True)
    config = SearchConfig(detect=DetectConfig(threshold=threshold))
    found = search(image, template, given.sources, config)
    table = found.table["ra", "dec", "snr", "is_negative"]
    table["reliability"] = default_model().reliability(features(found.table, found.stamps))
    radius = 0.6 * image.seeing
    matched = match(drawn, found.table, radius)
    table["kind"] = np.where(matched.is_fake, "fake", "other")
    if given.changed is not None:
        real = given.changed["ra", "dec"]
        table["kind"][match(real, found.table, 2 * radius).is_fake] = "real"
        # where something else has changed too, what is found is the sum
        blended = match(real, matched.fakes, 2.5 * radius).is_fake
        matched.fakes["usable"] = np.asarray(matched.fakes["usable"], bool) & ~blended
    row = np.asarray(matched.fakes["row"])
    matched.fakes["reliable"] = (row >= 0) & (
        np.asarray(table["reliability"])[np.maximum(row, 0)] >= default_model().cut
    )
    return table, matched.fakes


def measure(case: str, seeds: int, threshold: float) -> dict[str, Any]:
    """Measure one case."""
    started = time.process_time()
    pairs = [one(seed, case, threshold) for seed in range(9000, 9000 + seeds)]
    sources, fakes = (together(list(each)) for each in zip(*pairs, strict=True))
    near = _between(fakes["snr"], NEAR)
    near &= np.asarray(fakes["usable"], bool)
    k, n = int(fakes["reliable"][near].sum()), int(near.sum())
    low, high = binomial_interval(k, n, kind="jeffreys")
    reliable = np.asarray(sources["reliability"]) >= default_model().cut
    given = fakes.copy()
    given["found"] = fakes["reliable"]
    curve = completeness(given)
    other = np.asarray(sources["kind"]) == "other"
    at_5 = np.asarray(sources["snr"]) >= 5.0
    return {
        "case": case,
        "fields": seeds,
        "completeness_6": [k / n, float(low), float(high)],
        "purity_6": list(purity(sources, reliable & _between(sources["snr"], WINDOW))),
        "purity": list(purity(sources, reliable)),
        "half_snr": [curve.half, curve.half_err],
        "false_per_field_5_sigma": float((other & at_5).sum() / seeds),
        "false_per_field_reliable": float((other & reliable).sum() / seeds),
        "cpu_seconds": time.process_time() - started,
    }


def _between(snr: Any, window: tuple[float, float]) -> Any:
    values = np.asarray(snr, float)
    return (values >= window[0]) & (values < window[1])


def main() -> int:
    """Measure all cases, and write the results."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=4, help="fields of each case")
    arguments.add_argument(
        "--threshold", type=float, default=DetectConfig.threshold, help="of detection"
    )
    arguments.add_argument("--output", type=Path, help="another file for the results")
    arguments.add_argument("--case", action="append", help="one of the cases; default: all")
    options = arguments.parse_args()
    cases = options.case or [*CASES, "crowded", "night"]
    rows = [measure(case, options.seeds, options.threshold) for case in cases]
    head = ("completeness at 6", "purity at 6", "purity", "half S/N", "false, 5 σ", "reliable")
    shown = Shown("case", *head)
    for row in rows:
        shown.add_row(
            row["case"],
            "{:.1%} [{:.1%}, {:.1%}]".format(*row["completeness_6"]),
            "{:.1%} [{:.1%}, {:.1%}]".format(*row["purity_6"]),
            "{:.1%} [{:.1%}, {:.1%}]".format(*row["purity"]),
            "{:.2f} ± {:.2f}".format(*row["half_snr"]),
            f"{row['false_per_field_5_sigma']:.1f}",
            f"{row['false_per_field_reliable']:.1f}",
        )
    Console().print(shown)
    write_results(
        "reliability",
        {
            "versions": versions("numpy", "numba", "scikit-learn"),
            "model": default_model().version,
            "cut": default_model().cut,
            "threshold": options.threshold,
            "cases": rows,
        },
        options.output,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
