"""A field of objects far from each other, as visits store it."""

from __future__ import annotations

from typing import Any

import numpy as np

import apdb

MJD = 61109.1447
CENTRE = (150.0, 2.2)


def stored_field(
    db: apdb.Apdb,
    *,
    n_objects: int,
    n_visits: int,
    first_visit: int = 1,
    bands: str = "ugrizy",
    span: float = 70.0,
    skip: int = 0,
    at: float | None = None,
) -> Any:
    """Store visits to the same objects; return their ids, those of the first visit's sources."""
    rng = np.random.default_rng([n_objects, first_visit])
    columns = int(np.ceil(np.sqrt(n_objects + skip)))
    place = np.arange(skip, skip + n_objects)
    # ten arcseconds apart: nothing is ambiguous
    ra = CENTRE[0] + (place % columns if not skip else place) * 10 / 3600
    dec = CENTRE[1] + (place // columns if not skip else 0 * place) * 10 / 3600
    ids = None
    for k in range(n_visits):
        number = first_visit + k
        visit = apdb.Visit(
            visit=number,
            detector=1,
            band=bands[(number - 1) % len(bands)],
            midpoint_mjd_tai=(time := at or MJD + span * (number - 1) / max(n_visits, 20)),
            ra=CENTRE[0],
            dec=CENTRE[1],
            radius=0.3,
        )
        sources = {
            "dia_source_id": number * 1_000_000 + 1 + place,
            "ra": ra + rng.normal(0, 0.05, n_objects) / 3600,
            "dec": dec + rng.normal(0, 0.05, n_objects) / 3600,
            "ra_err": np.full(n_objects, 0.05 / 3600),
            "dec_err": np.full(n_objects, 0.05 / 3600),
            "psf_flux": 2000 + 500 * np.sin(time) + rng.normal(0, 60, n_objects),
            "psf_flux_err": rng.uniform(20, 90, n_objects),
        }
        report = db.store_visit(visit, sources)
        ids = report.dia_object_id if ids is None else ids
    return ids
