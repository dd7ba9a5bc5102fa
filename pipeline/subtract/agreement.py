"""How well two PSF models and the kernel between them agree: what that says of fluxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.psf import Psf, shifted
from pipeline.subtract.apply import full
from pipeline.subtract.kernel import Kernel

Floats = NDArray[np.float64]
#: Positions on each axis at which they are compared.
_SIDE = 6
#: Nearer than this to the sum of the kernel the models are believed.
_BELIEVED = 0.05
#: Of derivatives [pixel].
_STEP = 0.1


@dataclass(frozen=True)
class Agreement:
    """What a source measured with one PSF gains and where it moves by the other and the kernel.

    Attributes
    ----------
    scale : float
        PSF flux of a star after the convolution over that before.
    shift : tuple of float
        How far the convolution moves a star, along x and y [pixel].
    flux : float
        Error of fluxes by the model of the PSF, as a fraction: from the scatter of that.
    position : float
        Error of positions by it, on one axis [pixel]: from the scatter of the shift.
    apart : float
        Error, on one axis [pixel], of how far what is on one image lies from what is on the other.
    """

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flux: float = 0.0
    position: float = 0.0
    apart: float = 0.0


def agreement(narrow: Psf, kernel: Kernel, wide: Psf) -> Agreement:
    """Compare the PSF of the convolved image with that of the other one.

    Three fits that know nothing of each other must agree: P_narrow ∗ κ = s P_wide with one s
    everywhere, for both images are calibrated.  By how much s scatters over the image, and by how
    much the centres do, is what the errors of the three make of a flux and of a position.

    s is not the sum of the kernel: PSF fluxes do not know what the outermost wings have, nor does
    a kernel that is fitted to stars as far as they can be seen.

    Parameters
    ----------
    narrow : Psf
        Of the image that is convolved.
    kernel : Kernel
        κ.
    wide : Psf
        Of the other image.

    Returns
    -------
    Agreement
        Its scale is the sum of the kernel where the models of the PSFs contradict that by more
        than 5%.
    """
    lengths = ((np.arange(_SIDE) + 0.5) * side / _SIDE - 0.5 for side in kernel.size)
    x, y = (each.ravel() for each in np.meshgrid(*lengths))
    kernels = kernel.at(x, y)
    made = np.array([full(a, k) for a, k in zip(narrow.at(x, y), kernels, strict=True)])
    half = min(made.shape[-1] // 2, wide.half)
    goal = _core(wide.at(x, y), half)
    design = np.stack([goal, *_slopes(goal)], axis=1).reshape(len(x), 3, -1)
    normal = design @ design.transpose(0, 2, 1)
    right = design @ _core(made, half).reshape(len(x), -1, 1)
    found = np.linalg.solve(normal, right)[:, :, 0]
    scale, total = float(np.median(found[:, 0])), kernel.sum
    if not abs(scale / total - 1.0) < _BELIEVED:
        scale = total
    shifts = found[:, 1:] / found[:, :1]
    dx, dy = np.median(shifts, axis=0).tolist()
    off = float(np.sqrt(shifts.var(axis=0, ddof=1).mean()))
    return Agreement(scale, (dx, dy), float(found[:, 0].std(ddof=1)) / scale, off, off)


def _slopes(images: Floats) -> list[Floats]:
    """Return what a small shift along x, and one along y, changes, per pixel."""
    each = np.full(len(images), _STEP)
    none = np.zeros(len(images))
    return [
        (shifted(images, dx, dy) - shifted(images, -dx, -dy)) / (2.0 * _STEP)
        for dx, dy in ((each, none), (none, each))
    ]


def _core(images: Floats, half: int) -> Floats:
    """Return the middle of images."""
    middle = images.shape[-1] // 2
    part = slice(middle - half, middle + half + 1)
    return images[:, part, part]
