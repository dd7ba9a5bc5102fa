"""Stamps of sources, cut out of the images of a visit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.archive.local_wcs import LocalWcs
from apdb.archive.stamps import Stamps
from pipeline.errors import MeasureError
from pipeline.exposure import Exposure, Mask


def cutouts(
    difference: Exposure,
    science: Exposure,
    template: Exposure,
    x: ArrayLike,
    y: ArrayLike,
    *,
    half: int = 15,
) -> dict[str, Stamps]:
    """Cut stamps out of the images of a visit.

    All are squares of the same side around the pixel nearest to each source.  What lies beside the
    image is 0, with an infinite variance, and masked NO_DATA.

    Parameters
    ----------
    difference, science, template : Exposure
        Images on the same pixels; the template as it was subtracted.
    x, y : array_like, shape (n,)
        Positions of the sources [pixel].
    half : int, optional
        Pixels on either side of the middle one.

    Returns
    -------
    dict of str to Stamps
        By kind, as `apdb.Apdb.store_visit` takes them.

    Raises
    ------
    MeasureError
        The science image has no WCS.
    """
    x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    if science.wcs is None:
        raise MeasureError("stamps need world coordinates, and the science image has none")
    corner = np.stack([np.rint(x), np.rint(y)], axis=-1).astype(np.int64) - half
    wcs = LocalWcs.of_image(science.wcs, x, y, corner)
    images = {"difference": difference, "science": science, "template": template}
    return {
        kind: _stamps(exposure, x, y, corner, 2 * half + 1, wcs)
        for kind, exposure in images.items()
    }


def _stamps(
    exposure: Exposure,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    corner: NDArray[np.int64],
    side: int,
    wcs: LocalWcs,
) -> Stamps:
    ny, nx = exposure.shape
    columns = corner[:, :1] + np.arange(side)
    rows = corner[:, 1:] + np.arange(side)
    inside = ((rows >= 0) & (rows < ny))[:, :, None] & ((columns >= 0) & (columns < nx))[:, None]
    at = (rows.clip(0, ny - 1)[:, :, None], columns.clip(0, nx - 1)[:, None])
    psf = None if exposure.psf is None else exposure.psf.stamps(x, y).astype(np.float32)
    return Stamps(
        image=np.where(inside, exposure.image[at], np.float32(0)),
        variance=np.where(inside, exposure.variance[at], np.float32(np.inf)),
        mask=np.where(inside, exposure.mask[at], np.uint32(Mask.NO_DATA)).astype(np.int32),
        psf=psf,
        wcs=wcs,
        corner=corner,
        unit=exposure.unit,
    )
