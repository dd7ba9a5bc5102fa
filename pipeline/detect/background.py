"""What subtraction leaves of the background."""

from __future__ import annotations

import numpy as np
import sep

from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools


def without_background(exposure: Exposure, usable: Bools, cell: int) -> tuple[Exposure, float]:
    """Subtract the background of a difference.

    Parameters
    ----------
    exposure : Exposure
        Difference.
    usable : ndarray of bool, shape (ny, nx)
        Pixels that count.
    cell : int
        Side of the cells whose clipped medians are interpolated [pixel]; 0 does nothing.

    Returns
    -------
    exposure : Exposure
        Without background.
    rms : float
        Root mean square of what was subtracted from these pixels [unit of the image].
    """
    if cell == 0:
        return exposure, 0.0
    image = np.ascontiguousarray(exposure.image, np.float32)
    found = sep.Background(image, mask=~usable, bw=cell, bh=cell).back(dtype=np.float32)
    # Beyond the pixels that count the splines know nothing.
    found[~usable] = 0.0
    rms = float(np.sqrt(np.square(found, dtype=np.float64).sum() / max(int(usable.sum()), 1)))
    return exposure.with_(image=image - found), rms
