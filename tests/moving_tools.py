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
from pipeline.moving.weights import position_errors


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


def mpc_observations(path: Path, name: str, column: str = "provID") -> Detections:
    """Return the observations of one object from sites on the ground, errors by the usual weights."""
    with path.open() as file:
        rows = [r for r in csv.DictReader(file) if r[column] == name]
    rows = [r for r in rows if r["stn"] not in ("C51", "C57", "C53", "C54", "C55", "C56", "C59")]
    tai = tai_of([r["obsTime"] for r in rows])
    station = np.array([r["stn"] for r in rows])
    observer = np.empty((len(rows), 6))
    for code in np.unique(station):
        observer[station == code] = observer_state(str(code), tai[station == code])
    given = np.array(
        [np.hypot(float(r["rmsRA"] or "nan"), float(r["rmsDec"] or "nan")) for r in rows]
    )
    return detections(
        np.array([float(r["ra"]) for r in rows]),
        np.array([float(r["dec"]) for r in rows]),
        tdb_from_tai(tai),
        observer,
        planets().body_state("sun", tdb_from_tai(tai)),
        sigma=position_errors(station, tai, given / np.sqrt(2.0)),
    )
