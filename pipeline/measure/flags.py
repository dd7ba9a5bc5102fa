"""What the mask says of sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detect import Footprints
from pipeline.exposure import Mask
from pipeline.forced.windows import Bools, Floats

#: Planes of each column; what else is doubtful goes with suspect.
PLANES = {
    "bad": Mask.BAD,
    "cr": Mask.CR,
    "edge": Mask.EDGE,
    "nodata": Mask.NO_DATA,
    "interpolated": Mask.INTERP,
    "saturated": Mask.SAT | Mask.SAT_TEMPLATE,
    "suspect": Mask.SUSPECT | Mask.GHOST | Mask.CROSSTALK | Mask.HIGH_VARIANCE,
    "streak": Mask.STREAK,
    "injected": Mask.INJECTED,
    "injected_template": Mask.INJECTED_TEMPLATE,
}
#: Those that are said of the central pixels too.
CENTRAL = tuple(name for name in PLANES if name not in ("bad", "edge"))


def pixel_flags(
    mask: NDArray[np.uint32], footprints: Footprints, x: Floats, y: Floats
) -> dict[str, Bools]:
    """Return the pixel flags of sources.

    Parameters
    ----------
    mask : ndarray of uint32, shape (ny, nx)
        Bits of `Mask`.
    footprints : Footprints
        Pixels of the sources, none empty.
    x, y : ndarray, shape (n,)
        Centroids [pixel].

    Returns
    -------
    dict of str to ndarray of bool
        Columns of DIASource.  The centre is the 3 × 3 pixels around the centroid, and counts as
        part of the footprint.
    """
    ny, nx = mask.shape
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    off = (column < 0) | (row < 0) | (column >= nx) | (row >= ny)
    centre = np.zeros(len(x), np.uint32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            u, v = column + dx, row + dy
            inside = (u >= 0) & (v >= 0) & (u < nx) & (v < ny)
            centre[inside] |= mask[v[inside], u[inside]]
    whole = centre.copy()
    if len(x):
        bits = mask.reshape(-1)[footprints.pixels]
        whole |= np.bitwise_or.reduceat(bits, footprints.starts[:-1])
    flags = {"pixel_flags": off, "pixel_flags_offimage": off.copy()}
    for name, planes in PLANES.items():
        flags[f"pixel_flags_{name}"] = (whole & np.uint32(planes)) != 0
        if name in CENTRAL:
            flags[f"pixel_flags_{name}_center"] = (centre & np.uint32(planes)) != 0
    return flags
