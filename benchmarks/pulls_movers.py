"""Pulls of trails and of stars that moved, through all stages: a part of `./dev bench pulls`.

Fields as those of point sources, with trails of 5-60 pixels and stars that moved by 0.2-4 pixels, of every
brightness.  Counted is what is found and measured as a trail or a dipole.  Stars that moved beside another
source are left out: how bright they are, on which the length of a dipole depends, science image and
template tell only of what stands apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from numpy.typing import NDArray

from benchmarks.pulls_shapes import described
from pipeline.calibrate import calibrate
from pipeline.classify.search import search
from pipeline.scene import simulate_field

Floats = NDArray[np.float64]
SHAPE = (900, 900)
QUANTITIES = ("length", "angle", "flux")
NEAR = 0.8  # arcsec
#: A star stands apart if nothing within so many arcsec has this part of its flux.
APART, FAINTER = 3.0, 0.01
#: Bounds of S/N: true flux over its error; of dipoles that of the mean of the lobes.
EDGES = (0.0, 15.0, 50.0, 200.0, np.inf)


def image_pulls(case: str, seed: int) -> dict[str, Table]:
    """Pulls of the trails and dipoles of one field."""
    field = simulate_field(seed, SHAPE, 450, 80, 0, case=case, psf_variation=1.0, movers=True)
    science, template = (calibrate(each, field.refcat) for each in field[:2])
    found = search(science.exposure, template.exposure, science.sources).table
    return {"trail": _trails(field.truth, found), "dipole": _dipoles(field.truth, found)}


def _trails(truth: Table, found: Table) -> Table:
    true = truth[truth["kind"] == "trail"]
    way = np.stack([true["trail_east"], true["trail_north"]]).astype(float)
    return _pulls(
        found[(np.asarray(found["trail_length"]) > 0) & ~np.asarray(found["trail_flag"])],
        ("trail_ra", "trail_dec", "trail_length", "trail_angle", "trail_flux"),
        (np.asarray(true["ra"]), np.asarray(true["dec"])),
        way,
        np.asarray(true["flux"]),
        180.0,
    )


def _dipoles(truth: Table, found: Table) -> Table:
    to = truth[truth["kind"] == "moved_to"]
    before = truth[truth["kind"] == "moved_from"]
    to, before = (each[np.argsort(each[by])] for each, by in ((to, "id"), (before, "host")))
    both = np.isin(to["id"], before["host"]) & _apart(to, truth)
    to, before = to[both], before[np.isin(before["host"], to["id"][both])]
    cos = np.cos(np.radians(to["dec"]))
    way = 3600 * np.stack([(to["ra"] - before["ra"]) * cos, to["dec"] - before["dec"]])
    return _pulls(
        found[np.asarray(found["is_dipole"])],
        ("ra", "dec", "dipole_length", "dipole_angle", "dipole_mean_flux"),
        (0.5 * (to["ra"] + before["ra"]), 0.5 * (to["dec"] + before["dec"])),
        np.asarray(way, float),
        np.asarray(to["flux"]),
        360.0,
    )


def _apart(stars: Table, truth: Table) -> NDArray[np.bool_]:
    """Tell which stars have no other source beside them."""
    others = truth[np.isin(truth["kind"], ["star", "galaxy"])]
    there, near = (SkyCoord(each["ra"], each["dec"], unit="deg") for each in (stars, others))
    star, other, _, _ = near.search_around_sky(there, APART * u.arcsec)
    bright = np.asarray(others["flux"])[other] > FAINTER * np.asarray(stars["flux"])[star]
    return ~np.isin(np.arange(len(stars)), star[bright])


def _pulls(
    found: Table,
    names: tuple[str, str, str, str, str],
    at: tuple[Floats, Floats],
    way: Floats,
    flux: Floats,
    turn: float,
) -> Table:
    """(Measured - true) / error of the nearest of what is found, where that is near."""
    if not len(found):
        return Table({name: np.empty(0) for name in ("snr", *QUANTITIES)})
    measured = [np.asarray(found[name], float) for name in names[2:]]
    errors = [np.asarray(found[f"{name}_err"], float) for name in names[2:]]
    length = np.hypot(*way)
    there = SkyCoord(found[names[0]], found[names[1]], unit="deg")
    row, apart, _ = SkyCoord(*at, unit="deg").match_to_catalog_sky(there)
    kept = apart.arcsec < NEAR + 0.25 * length
    row, true = row[kept], np.flatnonzero(kept)
    angle = np.degrees(np.arctan2(*way))[true]
    off = (
        measured[0][row] - length[true],
        (measured[1][row] - angle + 0.5 * turn) % turn - 0.5 * turn,
        measured[2][row] - flux[true],
    )
    pulls = {n: o / e[row] for n, o, e in zip(QUANTITIES, off, errors, strict=True)}
    return Table({"snr": flux[true] / errors[2][row]} | pulls)


def movers(seeds: dict[str, range]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """What it is, the case or all of them, S/N, and what the pulls are, one after the other."""
    images = {case: [image_pulls(case, seed) for seed in some] for case, some in seeds.items()}
    images["all"] = [image for some in images.values() for image in some]
    for case, some_images in images.items():
        for what in ("trail", "dipole"):
            pulls = vstack([image[what] for image in some_images])
            for low, high in ((EDGES[0], EDGES[-1]), *pairwise(EDGES)):
                some = pulls[(pulls["snr"] >= low) & (pulls["snr"] < high)]
                some.remove_column("snr")
                yield what, case, f"{low:g}-{high:g}", described(some)
