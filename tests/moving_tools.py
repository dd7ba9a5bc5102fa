"""What tests of the moving sky share."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmarks.linking import of_rows, tai_of
from pipeline.moving.detections import Detections, detections
from pipeline.moving.kernel import planets
from pipeline.moving.observers import observer_state
from pipeline.moving.times import tdb_from_tai


def detections_of_file(path: Path, only: set[str] | None = None) -> tuple[Detections, np.ndarray]:
    """Detections of an ADES-like CSV file, and the provID of each."""
    with path.open() as file:
        rows = [r for r in csv.DictReader(file) if only is None or r["provID"] in only]
    times, back = np.unique([r["obsTime"] for r in rows], return_inverse=True)
    tai = tai_of(list(times))
    observer = observer_state(rows[0]["stn"], tai)
    sun = planets().body_state("sun", tdb_from_tai(tai))
    made = detections(
        np.array([float(r["ra"]) for r in rows]),
        np.array([float(r["dec"]) for r in rows]),
        tdb_from_tai(tai)[back],
        observer[back],
        sun[back],
        sigma=np.array([float(r["rmsRA"]) for r in rows]),
    )
    return made, np.array([r["provID"] for r in rows])


def mpc_observations(path: Path, name: str, column: str = "provID") -> Detections:
    """Return the observations of one object from sites on the ground, errors by the usual weights."""
    with path.open() as file:
        rows = [r for r in csv.DictReader(file) if r[column] == name]
    rows = [r for r in rows if r["stn"] not in ("C51", "C57", "C53", "C54", "C55", "C56", "C59")]
    return of_rows(rows)
