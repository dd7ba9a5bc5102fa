"""Forced photometry on the images of a visit, as `store_visit` and precovery ask for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from astropy.table import Table

from apdb.database import Apdb, connect
from pipeline.errors import MeasureError
from pipeline.exposure import Exposure
from pipeline.forced import ForcedConfig, ForcedFluxes, fluxes
from pipeline.io import read_exposure

#: Card of a difference: error of fluxes by the models of PSFs and kernel, as a fraction of them.
MODEL_ERROR = "FLUXERR"


def measure_on(
    difference: Exposure, science: Exposure | None, config: ForcedConfig | None = None
) -> Callable[[Table], Table]:
    """Return a function that measures positions on the images of a visit.

    Parameters
    ----------
    difference : Exposure
        Difference, its variance that of blank sky; its header may have `MODEL_ERROR`, which errors
        of fluxes then include as those of sources do.
    science : Exposure or None
        Calibrated image on the same pixels.
    config : ForcedConfig, optional
        Settings.

    Returns
    -------
    callable
        Takes positions and returns fluxes as the parameter `forced` of `apdb.Apdb.store_visit`
        does; positions without enough usable pixels are left out.
    """
    model = float(difference.header.get(MODEL_ERROR, 0.0))

    def _add(found: Table, name: str, measured: ForcedFluxes) -> None:
        found[name] = measured.flux
        found[f"{name}_err"] = np.hypot(measured.flux_err, model * measured.flux)

    def _measured(positions: Table) -> Table:
        if difference.wcs is None:
            raise MeasureError("the difference has no world coordinates")
        x, y = difference.wcs.world_to_pixel_values(positions["ra"], positions["dec"])
        found = positions.copy()
        on_difference = fluxes(difference, x, y, config=config)
        _add(found, "psf_flux", on_difference)
        if science is not None:
            _add(found, "science_flux", fluxes(science, x, y, config=config))
        good = np.isfinite(on_difference.flux) & (on_difference.flux_err > 0)
        return found[good]

    return _measured


class Precover:
    """Measures positions on images of the image store; the function of `apdb precovery run`.

    Parameters
    ----------
    db : Apdb
        The database, and its image store.
    config : ForcedConfig, optional
        Settings.
    """

    def __init__(self, db: Apdb, config: ForcedConfig | None = None) -> None:
        self._db = db
        self._config = config

    def __call__(self, positions: Table) -> Table | None:
        """Measure positions on one image.

        Parameters
        ----------
        positions : Table
            dia_object_id, ra, dec [deg]; the visit in its meta.

        Returns
        -------
        Table or None
            With psf_flux and psf_flux_err [nJy], and science_flux where the calibrated image is
            kept; None for a visit whose difference is not in the store.
        """
        visit = positions.meta["visit"]
        stored = self._db.images_of(visit.visit, visit.detector)
        if "difference" not in stored:
            return None
        images = {}
        for kind in ("difference", "calibrated"):
            if kind in stored:
                with self._db.image_file(stored[kind]) as path:
                    images[kind] = read_exposure(path)
        measure = measure_on(images["difference"], images.get("calibrated"), self._config)
        return measure(positions)


@cache
def _default() -> Precover:
    return Precover(connect())


def precover(positions: Table) -> Table | None:
    """Measure positions on an image of the image store of the database of this environment.

    For ``apdb precovery run pipeline.process:precover``.

    Parameters
    ----------
    positions : Table
        dia_object_id, ra, dec [deg]; the visit in its meta.

    Returns
    -------
    Table or None
        See `Precover`.
    """
    return _default()(positions)
