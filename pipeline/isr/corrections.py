"""Corrections of whole frames: bias, dark, flat, fringes, brighter-fatter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from pipeline.errors import IsrError
from pipeline.exposure import UNUSABLE, Exposure, Image, Mask

Floats = NDArray[np.float64]
_SETTLED = 1e-3
_SAMPLE = 1_000_000
_CLIP = 3.0


def check_frame(frame: Exposure, shape: tuple[int, int], what: str) -> None:
    """Raise an error if a calibration frame is not of the image.

    Parameters
    ----------
    frame : Exposure
        Calibration frame, assembled.
    shape : tuple of int
        Of the image.
    what : str
        Name of the frame.

    Raises
    ------
    IsrError
        Its shape is another.
    """
    if frame.shape != shape:
        raise IsrError(
            f"the {what} frame has {frame.shape[1]} × {frame.shape[0]} pixels, the image "
            f"{shape[1]} × {shape[0]}; give one of the same detector, binning and window"
        )
    if not np.any(~frame.masked(UNUSABLE)):
        raise IsrError(f"the {what} frame has no usable pixel; give another one")


def dark_scale(dark: Exposure, exposure_time: float | None) -> float:
    """Return the exposure time of the image over that of the dark frame.

    Parameters
    ----------
    dark : Exposure
        Dark frame.
    exposure_time : float or None
        Of the image [s].

    Returns
    -------
    float

    Raises
    ------
    IsrError
        Either is unknown.
    """
    of_dark = dark.info.exposure_time if dark.info is not None else None
    for time, what in ((exposure_time, "image"), (of_dark, "dark frame")):
        if time is None or not time > 0:
            raise IsrError(
                f"the exposure time of the {what} is unknown, so the dark cannot be scaled; "
                "add EXPTIME to its header, or switch the step `dark` off"
            )
    assert exposure_time is not None
    assert of_dark is not None
    return exposure_time / of_dark


def normalised_flat(flat: Exposure, least: float) -> tuple[Image, NDArray[np.bool_]]:
    """Return the relative response and the pixels that have too little of it.

    Parameters
    ----------
    flat : Exposure
        Flat field, bias and dark taken off.
    least : float
        Smallest response that is used.

    Returns
    -------
    response : ndarray of float32, shape (ny, nx)
        Median 1; 1 where there is too little.
    dead : ndarray of bool, shape (ny, nx)

    Raises
    ------
    IsrError
        The flat is dark.
    """
    usable = ~flat.masked(UNUSABLE)
    step = max(1, int(np.sqrt(flat.image.size / _SAMPLE)))
    level = float(np.median(flat.image[::step, ::step][usable[::step, ::step]]))
    if not level > 0:
        raise IsrError(
            f"the flat has a median of {level:.3g}; give one with light, its bias taken off"
        )
    response = flat.image / np.float32(level)
    dead = ~usable | (response < least)
    response[dead] = 1.0
    return response, dead


def fringe_scale(image: Image, fringe: Image, masked: NDArray[np.bool_]) -> float:
    """Return how strong the pattern of a fringe frame is on an image.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Image.
    fringe : ndarray of float32, shape (ny, nx)
        Pattern.
    masked : ndarray of bool, shape (ny, nx)
        Pixels that are not used.

    Returns
    -------
    float
        Least-squares factor; sources are clipped.

    Raises
    ------
    IsrError
        The frame has no pattern.
    """
    step = max(1, int(np.sqrt(image.size / _SAMPLE)))
    good = ~masked[::step, ::step]
    data = image[::step, ::step][good].astype(np.float64)
    pattern = fringe[::step, ::step][good].astype(np.float64)
    pattern = pattern - np.median(pattern)
    if not np.any(pattern):
        raise IsrError(
            "the fringe frame is constant; give one with fringes, or switch the step off"
        )
    scale = 0.0
    for _ in range(6):
        left = data - scale * pattern
        left -= np.median(left)
        use = np.abs(left) < _CLIP * 1.4826 * np.median(np.abs(left)) + 1e-30
        change = float(np.sum(pattern[use] * left[use]) / np.sum(pattern[use] ** 2))
        scale += change
        if abs(change) <= _SETTLED * abs(scale):
            break
    return scale


def without_brighter_fatter(image: Image, kernel: Floats, rounds: int) -> Image:
    """Put back charge that bright pixels pushed to their neighbours.

    Coulton et al. 2018, AJ 155, 258: I = F + ½ ∇·(I ∇(K ∗ I)), solved by iteration.  The
    divergence is taken of fluxes through the sides of pixels, so that no charge is lost.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Electrons.
    kernel : ndarray, shape (k, k)
        K [1/electron].
    rounds : int
        Iterations at most.

    Returns
    -------
    ndarray of float32, shape (ny, nx)

    Raises
    ------
    IsrError
        The iterations diverge: the kernel is of another unit or sign.
    """
    found = image
    previous = np.inf
    for _ in range(rounds):
        potential = oaconvolve(found, kernel.astype(np.float32), mode="same")
        moved = np.zeros_like(image)
        for axis in (0, 1):
            slope = np.diff(potential, axis=axis)
            here = [slice(None), slice(None)]
            there = [slice(None), slice(None)]
            here[axis], there[axis] = slice(None, -1), slice(1, None)
            through = 0.25 * (found[tuple(here)] + found[tuple(there)]) * slope
            moved[tuple(here)] += through
            moved[tuple(there)] -= through
        new = image + moved
        change = float(np.abs(new - found).max())
        if not np.isfinite(change) or change > 2.0 * previous:
            raise IsrError(
                "the brighter-fatter correction diverges; the kernel must be in 1/electron and "
                "small (about 1e-7): correct it, or switch the step off"
            )
        found, previous = new, change
        if change < 1.0:
            break
    return found


def mask_ghosts(shape: tuple[int, int], discs: Floats) -> NDArray[np.uint32]:
    """Return GHOST bits of discs and rings.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    discs : ndarray, shape (n, 4)
        x, y, outer and inner radius [pixel].

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
    """
    bits = np.zeros(shape, np.uint32)
    for x, y, outer, inner in discs:
        rows = slice(max(0, int(y - outer)), max(0, min(shape[0], int(y + outer) + 2)))
        columns = slice(max(0, int(x - outer)), max(0, min(shape[1], int(x + outer) + 2)))
        dy, dx = np.ogrid[rows, columns]
        distance = np.hypot(dx - x, dy - y)
        bits[rows, columns][(distance <= outer) & (distance >= inner)] |= np.uint32(Mask.GHOST)
    return bits
