"""A simulated reference catalogue, and positions among it, for the benchmarks that need one."""

from __future__ import annotations

from typing import Any

import numpy as np

CENTER = (150.0, 2.2)


def cap(rng: np.random.Generator, n: int, radius: float) -> tuple[Any, Any]:
    """Positions [deg] in a disc around the field, evenly spread but for the curvature."""
    far, angle = radius * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    dec = CENTER[1] + far * np.sin(angle)
    return CENTER[0] + far * np.cos(angle) / np.cos(np.radians(CENTER[1])), dec


def catalogue(n: int, radius: float, seed: int = 1) -> dict[str, Any]:
    """Two galaxies for each star, with errors, motions and moments."""
    rng = np.random.default_rng(seed)
    ra, dec = cap(rng, n, radius)
    galaxy = rng.random(n) < 2 / 3
    major = rng.uniform(0.3, 2.0, n)
    minor = major * rng.uniform(0.3, 1.0, n)
    pm = rng.normal(0, 8.0, (2, n))
    pm[:, galaxy] = np.nan
    # As many fast stars as the Galaxy has: some 30 per square degree above 100 mas/yr.
    fast = rng.random(n) < 30 * np.pi * radius**2 / n
    pm[:, fast] = rng.normal(0, 300.0, (2, int(fast.sum())))
    return {
        "reference_object_id": np.arange(1, n + 1),
        "ra": ra,
        "dec": dec,
        "epoch_mjd_tai": np.full(n, 57388.5),
        "ra_err": np.full(n, 0.02 / 3600, np.float32),
        "dec_err": np.full(n, 0.02 / 3600, np.float32),
        "pm_ra": pm[0],
        "pm_dec": pm[1],
        "pm_ra_err": np.where(galaxy, np.nan, 0.2),
        "pm_dec_err": np.where(galaxy, np.nan, 0.2),
        "extendedness": galaxy.astype(np.float32),
        "semi_major": major,
        "semi_minor": minor,
        "position_angle": rng.uniform(0, 180.0, n),
    }
