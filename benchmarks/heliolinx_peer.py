"""Run heliolinx on detections in a file: `python heliolinx_peer.py DETECTIONS.npz LINKAGES.npz`.

For an interpreter of its own, which has heliolinx and a numpy before 2 (that of its wheels), and nothing of this project.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np
from heliolinx import heliolinx as peer  # type: ignore[import-not-found]


def table(kind: str, n: int, **columns: Any) -> Any:
    """Return rows of one of heliolinx' types; what is not given is 0."""
    made = np.zeros(n, dtype=getattr(peer, f"create_{kind}")(1).dtype)
    for name, values in columns.items():
        made[name] = values
    return made


def linked(given: Any) -> Any:
    """Make tracklets, link and purify; return detections and their linkages, heliolinx' defaults but where said."""
    detections = table(
        "hldet", len(given["mjd"]), MJD=given["mjd"], RA=given["ra"], Dec=given["dec"], mag=20.0, sigmag=0.1,
        sig_across=given["sigma"], sig_along=given["sigma"], band=b"r", obscode=b"X05",
        idstring=np.arange(len(given["mjd"])).astype("S20"),
    )  # fmt: skip
    place = dict(zip(("X", "Y", "Z", "VX", "VY", "VZ"), given["observer"].T, strict=True))
    images = table(
        "hlimage", len(given["exposure"]), MJD=given["exposure"], RA=given["centre_ra"], Dec=given["centre_dec"],
        obscode=b"X05", exptime=30.0, **place,
    )  # fmt: skip
    place = dict(zip(("x", "y", "z", "vx", "vy", "vz"), given["earth"].T, strict=True))
    earth = table("EarthState", len(given["earth_mjd"]), MJD=given["earth_mjd"], **place)
    r, rate, acceleration = given["hypotheses"].T
    hypotheses = table("hlradhyp", len(r), HelioRad=r, R_dot=rate, R_dubdot=acceleration)
    rules = peer.MakeTrackletsConfig()
    # As ours: pairs within 1.5 h and 1.5 deg/d.
    rules.maxtime, rules.maxvel = 1.5 / 24.0, 1.5
    rules.imagerad = float(given["radius"])
    rules.mintime = 1e-4
    detections, tracklets, members = peer.makeTracklets(rules, detections, images)
    rules = peer.HeliolincConfig()
    rules.MJDref = float(given["exposure"].min() + given["exposure"].max()) / 2.0
    clusters, of = peer.heliolinc(rules, images, detections, tracklets, members, hypotheses, earth)
    purify = peer.LinkPurifyConfig()
    purify.MJDref = rules.MJDref
    _, of = peer.linkPurify(purify, images, detections, clusters, of)
    return detections, of


def run() -> None:
    """Link what the first file has, and write the second."""
    given = np.load(sys.argv[1])
    wall, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    detections, of = linked(given)
    used = resource.getrusage(resource.RUSAGE_SELF)
    rows = np.array([int(each) for each in detections["idstring"]], dtype=np.int64)
    np.savez(
        sys.argv[2],
        linkage=of["i1"],
        row=rows[of["i2"]],
        wall=time.perf_counter() - wall,
        cpu=used.ru_utime + used.ru_stime - cpu,
    )


if __name__ == "__main__":
    run()
