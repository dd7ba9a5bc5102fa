"""Linking and orbit fits against simulations and real observations: `./dev bench linking`.

The 300 asteroids of the reference data, 1,000 with 30,000 false detections, simulated surveys of
five classes, and fits: JPL's states, 3I/ATLAS, numbered asteroids, short arcs. Main-belt asteroids are linked by heliolinx,
too, if there is one: see `benchmarks.linking_peers`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common import versions, write_results
from benchmarks.linking_peers import heliolinx, heliolinx_python
from pipeline.moving.detections import Detections, detections, unit_vectors
from pipeline.moving.fit import FitRules, fit_orbit
from pipeline.moving.kernel import planets
from pipeline.moving.link import link_tracklets
from pipeline.moving.observers import observer_state
from pipeline.moving.population import CLASSES, draw
from pipeline.moving.propagate import propagate
from pipeline.moving.purify import purify
from pipeline.moving.recover import Recovery, owners, recover, relative_error
from pipeline.moving.simulate import (
    SimulatedSky,
    SkySurvey,
    SkyVisits,
    observe,
    simulate_sky,
)
from pipeline.moving.singles import add_singles
from pipeline.moving.times import tdb_from_tai
from pipeline.moving.tracklets import find_tracklets
from pipeline.moving.weights import position_errors

_IN_SPACE = {"C51", "C53", "C54", "C55", "C56", "C57", "C59", "250", "274"}
_STEPS = np.array([1e-6] * 3 + [1e-8] * 3)


def clock(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a call returns, its wall and its processor time [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def tai_of(stamps: list[str]) -> np.ndarray:
    """MJD TAI of ISO times in UTC."""
    import erfa

    mjd = np.array([np.datetime64(s.rstrip("Z"), "ns") for s in stamps]).astype("i8") / 8.64e13
    mjd += 40587.0
    return mjd + erfa.dat(*erfa.jd2cal(2400000.5, mjd)) / 86400.0


def of_rows(rows: list[dict[str, str]], sigma: np.ndarray | None = None) -> Detections:
    """Detections of rows of an ADES-like CSV file."""
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
        sigma=position_errors(station, tai, given / np.sqrt(2.0)) if sigma is None else sigma,
    )


def linked(found: Detections, truth: np.ndarray, n_objects: int) -> dict[str, Any]:
    """Link detections and count what is pure and found."""

    def both() -> Any:
        tracklets = find_tracklets(found)
        linked = purify(found, tracklets, link_tracklets(tracklets))
        return add_singles(found, tracklets, linked)

    made, wall, cpu = clock(both)
    owner = owners(truth, made.groups)
    return {
        "n_detections": len(found),
        "n_objects": n_objects,
        "n_found": len(np.unique(owner[owner >= 0])),
        "n_linkages": len(owner),
        "purity": float((owner >= 0).mean()),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
    }


def beside(found: Detections, truth: np.ndarray, folder: Path) -> dict[str, Any] | str:
    """Link the same detections with heliolinx, on its own hypotheses for the main belt."""
    if heliolinx_python() is None:
        return "left out: HELIOLINX_PYTHON names no interpreter that has it"
    table = np.loadtxt(folder / "linking" / "heliohypo_mb01")
    made = heliolinx(found, table[:, [0, 1, 3]])
    owner = owners(truth, made.groups)
    return {
        "n_found": len(np.unique(owner[owner >= 0])),
        "n_linkages": len(owner),
        "purity": float((owner >= 0).mean()),
        "wall_s": round(made.wall, 2),
        "cpu_s": round(made.cpu, 2),
    }


def three_hundred(folder: Path) -> dict[str, Any]:
    """The 300 simulated asteroids of the reference data."""
    with (folder / "linking" / "sim300_13d_ades.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth = np.array([int(r["provID"][1:]) for r in rows])
    found = of_rows(rows, np.full(len(rows), 0.1))
    return {**linked(found, truth, 300), "heliolinx": beside(found, truth, folder)}


def asteroids(n: int, false: float, seed: int) -> SimulatedSky:
    """Main-belt asteroids on five nights, twice each, with 0.1 arcsec; false detections besides."""
    rng = np.random.default_rng(seed)
    nights = np.repeat([0.0, 3.0, 7.0, 10.0, 13.0], 2)
    visits = SkyVisits(
        61000.1 + nights + np.tile([0.0, 33.0 / 1440.0], 5), np.full(10, 54.5), np.full(10, 18.5),
        (60999 + nights).astype(np.int64),
    )  # fmt: skip
    survey = SkySurvey(
        radius=6.0, depth=30.0, fill=1.0, lost=0.0, false=false, floor=0.1, objects=(n,)
    )
    towards = unit_vectors(np.array(54.5), np.array(18.5))
    objects = draw(0, n, 61006.6, towards, 4.0, 23.0, rng)
    sky = observe(survey, objects, visits, rng)
    return replace(sky, found=replace(sky.found, sigma=np.full(len(sky.found), 0.1)))


def surveys(seeds: int, folder: Path | None) -> tuple[dict[str, Any], list[Recovery]]:
    """Simulated surveys of five classes."""
    done = []
    for seed in range(1, seeds + 1):
        done.append(recover(simulate_sky(SkySurvey(seed=seed))))
        if folder is not None and seed == 1:
            from apdb.plots.moving import draw_recovery

            draw_recovery(done[0], folder)
    return {
        "seeds": seeds,
        "n_detections": [len(d.sky.found) for d in done],
        # Of those seen on three nights or more: twice on two of these, and at all.
        "completeness": _completeness(done, 2),
        "completeness_of_all": _completeness(done, 0),
        "purity": float(np.mean(np.concatenate([d.owner for d in done]) >= 0)),
        "fits_believed": float(np.mean([f.good for d in done for f in d.fits])),
        "seconds": [{k: round(v, 1) for k, v in d.seconds.items()} for d in done],
        "median_relative_error_of_a": {
            name: _median_error(done, k) for k, name in enumerate(CLASSES)
        },
    }, done


def _completeness(done: list[Recovery], pairs: int) -> dict[str, list[int]]:
    counts = [d.completeness(pairs) for d in done]
    return {name: [sum(c[name][k] for c in counts) for k in (0, 1)] for name in CLASSES}


def _median_error(done: list[Recovery], kind: int) -> float | None:
    parts = []
    for each in done:
        fitted, true, kinds = each.elements()
        parts.append(relative_error(fitted.a, true.a)[kinds == kind])
    every = np.concatenate(parts)
    return float(np.median(every)) if len(every) else None


def jpl(folder: Path) -> dict[str, Any]:
    """Fits of real observations against JPL's states."""
    out = {}
    with (folder / "mpc_obs" / "4_random_mpc_ADES_provIDs_no_sats.csv").open() as file:
        rows = list(csv.DictReader(file))
    truths = json.loads((folder / "mpc_obs" / "jpl_reference_states.json").read_text())["objects"]
    work = [(name, [r for r in rows if r["provID"] == name], truths[name]) for name in truths]
    with (folder / "mpc_obs" / "3I_ATLAS_ades.csv").open() as file:
        atlas = list(csv.DictReader(file))
    truth = json.loads((folder / "mpc_obs" / "jpl_reference_3I_ATLAS.json").read_text())
    for name, mine, said in [*work, ("3I/ATLAS", atlas, truth)]:
        fit, wall, _ = clock(lambda mine=mine: fit_orbit(of_rows(mine)))
        tried = np.concatenate([fit.state[None], fit.state + np.diag(_STEPS)])
        moved = propagate(tried, fit.epoch, [said["epoch_jd_tdb"] - 2400000.5])[:, 0]
        slope = ((moved[1:] - moved[0]) / _STEPS[:, None]).T
        off = moved[0] - said["state_au_au_per_day"]
        error = np.sqrt(np.diag(slope @ fit.covariance @ slope.T))
        out[name] = {
            "good": fit.good,
            "n": len(mine),
            "rejected": int((~fit.used).sum()),
            "rms": round(fit.rms, 3),
            "offset_au": float(np.linalg.norm(off[:3])),
            "error_au": float(np.linalg.norm(error[:3])),
            "worst_sigma": round(float(np.abs(off / error).max()), 2),
            "wall_s": round(wall, 2),
        }
    return out


def numbered(folder: Path) -> dict[str, Any]:
    """Fits of real observations of numbered asteroids, 1950-2025."""
    with (folder / "mpc_obs" / "100_random_mpc_ADES.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["ObjID"] and r["stn"] not in _IN_SPACE]
    names = sorted({r["ObjID"] for r in rows})
    fits, wall, cpu = clock(
        lambda: [
            fit_orbit(of_rows([r for r in rows if r["ObjID"] == n]), rules=FitRules(deadline=60))
            for n in names
        ]
    )
    return {
        "n_asteroids": len(names),
        "n_observations": len(rows),
        "converged": sum(f.good for f in fits),
        "median_normalized_rms": round(float(np.median([f.rms for f in fits])), 3),
        "part_rejected": round(float(np.mean(np.concatenate([~f.used for f in fits]))), 4),
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
    }


def short_arcs(sky: SimulatedSky, most: int) -> dict[str, Any]:
    """Fits of 13-day arcs from nothing but their detections, against the truth."""
    from pipeline.moving.elements import ecliptic, elements_of

    off, good, slowest = [], 0, 0.0
    for i in range(min(most, len(sky.population))):
        one = sky.found.take(sky.truth == i)
        fit, wall, _ = clock(lambda one=one: fit_orbit(one))
        slowest = max(slowest, wall)
        good += fit.good
        objects = sky.population
        truth = propagate(objects.states[i : i + 1], objects.epoch, [fit.epoch])[0, 0]
        sun = planets().body_state("sun", np.array([fit.epoch]))[0]
        both = elements_of(ecliptic(np.stack([fit.state, truth]) - sun), np.full(2, fit.epoch))
        off.append(abs(both.a[0] / both.a[1] - 1.0))
    return {
        "n": len(off),
        "good": good,
        "median_relative_error_of_a": float(np.median(off)),
        "slowest_s": round(slowest, 2),
    }


def main() -> int:
    """Run all, print a table, write JSON."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given.add_argument("--seeds", type=int, default=3, help="simulated surveys")
    given.add_argument("--arcs", type=int, default=300, help="short arcs")
    given.add_argument("--figures", type=Path, help="folder for the figures of the first survey")
    given.add_argument("--output", type=Path, help="where to write the results as JSON")
    asked = given.parse_args()
    folder = asked.data / "solar-system"
    sky = asteroids(1000, 3000.0, 5)
    # Whatever is compiled is compiled before the clock runs.
    linked(sky.found.take(sky.truth == 0), sky.truth[sky.truth == 0], 1)
    found: dict[str, Any] = {"300": three_hundred(folder)}
    found["1000 + 30000"] = {
        **linked(sky.found, sky.truth, 1000),
        "heliolinx": beside(sky.found, sky.truth, folder),
    }
    found["survey"], _ = surveys(asked.seeds, asked.figures)
    found["jpl"] = jpl(folder)
    found["numbered"] = numbered(folder)
    found["short arcs"] = short_arcs(asteroids(asked.arcs, 0.0, 7), asked.arcs)
    found["note"] = (
        f"load average {os.getloadavg()[0]:.1f}: processor times say more than wall times"
    )
    path = write_results(
        "linking", {**found, "versions": versions("numpy", "scipy", "numba")}, asked.output
    )
    table = Table("what", "result", title="linking and fits")
    for name, value in found.items():
        table.add_row(name, json.dumps(value, indent=1) if isinstance(value, dict) else str(value))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
