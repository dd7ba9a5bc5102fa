"""Templates into the image store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apdb.database import Apdb
from apdb.images.choose import Template
from pipeline.errors import TemplateError
from pipeline.exposure import Exposure
from pipeline.io import write_exposure
from pipeline.process.same_pixels import corners


def add_template(
    db: Apdb,
    template: Exposure,
    name: str,
    band: str | None = None,
    *,
    visits: Sequence[int] = (),
    n_exposures: int | None = None,
    quantize: float | None = None,
) -> Template:
    """Put a template into the image store, with its footprint, seeing and noise.

    Parameters
    ----------
    db : Apdb
        The database.
    template : Exposure
        In nJy, with PSF and WCS.
    name : str
        What it is called; a newer version has the same name.
    band : str, optional
        Filter; by default that of the exposure.
    visits : sequence of int, optional
        What it was made of, as far as known.
    n_exposures : int, optional
        How many; by default the number of `visits`.
    quantize : float, optional
        Steps per sigma of the noise; by default it is kept without loss.

    Returns
    -------
    Template

    Raises
    ------
    TemplateError
        It is not calibrated, has no good pixel, or its band is not known.
    """
    if template.unit != "nJy" or template.psf is None or template.wcs is None:
        raise TemplateError(
            "a template must be in nJy and have PSF and world coordinates: calibrate it first "
            "(apdb templates add --refcat)"
        )
    band = band or (template.info.band if template.info else None)
    if not band:
        raise TemplateError("the header does not name a filter; give --band")
    usable = ~template.masked()
    if not usable.any():
        raise TemplateError("the template has no usable pixel: all are masked")
    of_visit = [] if template.info is None else [template.info.visit]
    return db.add_template(
        name,
        band,
        lambda path: write_exposure(template, path, quantize=quantize),
        corners(template),
        visits=list(visits) or of_visit,
        n_exposures=n_exposures,
        seeing=template.seeing,
        noise=float(np.sqrt(np.median(template.variance[usable]))),
    )
