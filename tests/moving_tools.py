"""What tests of the moving sky share."""

from __future__ import annotations

import csv
from pathlib import Path

import erfa
import numpy as np

from pipeline.moving.detections import Detections, detections
from pipeline.moving.kernel import planets
from pipeline.moving.observers import observer_state
from pipeline.moving.times import tdb_from_tai


def tai_of(stamps: list[str]) -> np.ndarray:
    """MJD TAI of ISO times in UTC."""
    mjd = np.array([np.datetime64(s.rstrip("Z"), "ns") for s in stamps]).astype("i8") / 8.64e13
    mjd += 40587.0
    return mjd + erfa.dat(*erfa.jd2cal(2400000.5, mjd)) / 86400.0


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
