"""A night of images of one field, and functions that measure on them."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

import apdb

MJD = 61109.1447
CENTRE = (150.0, 2.2)


def image(number: int, mjd: float, **changes: Any) -> apdb.Visit:
    given = {"ra": CENTRE[0], "dec": CENTRE[1], "radius": 0.15, "detector": number % 5} | changes
    return apdb.Visit(visit=number, band="gri"[number % 3], midpoint_mjd_tai=mjd, **given)


def no_sources() -> dict[str, Any]:
    return {"dia_source_id": np.empty(0, np.int64), "ra": [], "dec": [], "psf_flux": [],
            "psf_flux_err": []}  # fmt: skip


def some(first: int, ra: Any, dec: Any) -> dict[str, Any]:
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    n = len(ra)
    return {
        "dia_source_id": np.arange(first, first + n),
        "ra": ra,
        "dec": dec,
        "psf_flux": np.full(n, 1000.0),
        "psf_flux_err": np.full(n, 50.0),
    }


def flux_at(object_id: Any, visit: int) -> Any:
    """What every measure function here finds: told apart by object and image."""
    return np.float32(np.asarray(object_id) % 1000 + 1000.0 * visit)


def measure(positions: Table) -> dict[str, Any]:
    ids = np.asarray(positions["dia_object_id"])
    return {
        "dia_object_id": ids,
        "psf_flux": flux_at(ids, positions.meta["visit"].visit),
        "psf_flux_err": np.full(len(ids), 5.0),
    }


NOT_A_FUNCTION = 3


def log_and_maybe_die(positions: Table) -> dict[str, Any]:
    """Measure, or fail, or be killed; the folder of the log comes by the environment."""
    chance = random.Random(os.getpid() * 1_000_003 + time.monotonic_ns())
    folder = Path(os.environ["APDB_TEST_LOG"])
    time.sleep(chance.uniform(0.0, 0.02))
    fate = chance.random()
    if fate < 0.05:
        os.kill(os.getpid(), signal.SIGKILL)
    if fate < 0.08:
        raise OSError("the image store does not answer")
    entry = [positions.meta["visit"].visit, np.asarray(positions["dia_object_id"]).tolist()]
    with (folder / f"{os.getpid()}.log").open("a") as stream:
        stream.write(json.dumps(entry) + "\n")
    return measure(positions)
