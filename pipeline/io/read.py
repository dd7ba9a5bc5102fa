"""Images of many kinds become exposures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pipeline.errors import ReadError
from pipeline.exposure import Bits, Exposure, ExposureInfo, Image, Mask
from pipeline.io import own
from pipeline.io.files import Source, find_hdu, image_hdus, name_of, opened, pixels_of, shape_of
from pipeline.io.headers import GAIN, READ_NOISE, info_of, number, unit_of, wcs_of
from pipeline.io.planes import to_bits

#: Larger images are refused before they are read: 1.2 GB as an exposure.
MAX_PIXELS = 100_000_000

#: Names of HDUs: the image, and what makes its variance, with the power of the pixels.
_IMAGE = ("IMAGE", "SCI", "SCIENCE")
_VARIANCE = {"VARIANCE": 1, "VAR": 1, "ERR": 2, "UNCERT": 2, "WHT": -1, "WEIGHT": -1, "IVAR": -1}
_MASK = ("MASK", "DQ")
#: No pixel is so bright: 1e30 stands for no data in some files, and its square is no float32.
_IMPOSSIBLE = 1e15
#: Pixels that the noise of the sky is measured on.
_SAMPLE = 200_000


def read_exposure(
    path: Source,
    *,
    hdu: int | str | None = None,
    variance: Source | None = None,
    weight: Source | None = None,
    mask: Source | None = None,
    planes: Mapping[int, Mask] | None = None,
    instrument: str = "generic",
    info: ExposureInfo | None = None,
    unit: str | None = None,
    gain: float | None = None,
    read_noise: float | None = None,
    require_wcs: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Exposure:
    """Read an image from a FITS file.

    Files of `write_exposure` come back as they were.  Of others, HDUs named IMAGE or SCI,
    VARIANCE, VAR, ERR, WHT or IVAR, and MASK or DQ are found by name; else the image is the only
    one in the file, or `hdu`.  Pixels that are not finite, that are blank, or that have no
    positive variance are masked NO_DATA.  An image without variance gets one from its gain and
    the scatter of its sky.

    Parameters
    ----------
    path : str, Path or file object
        Path, fsspec URL or open file; plain, gzipped, tile-compressed.
    hdu : int or str, optional
        Which HDU has the image, if it is not plain.
    variance, weight, mask : str, Path or file object, optional
        Files that hold the variance, the inverse variance and the mask, of the same kind.
    planes : mapping of int to Mask, optional
        What each bit of the mask means, where its header has no MP_ cards.
    instrument : str
        Name of the description of the instrument, kept in `ExposureInfo`.
    info : ExposureInfo, optional
        Which visit this is, instead of what the header says.
    unit : str, optional
        adu, electron or nJy instead of what BUNIT says.
    gain : float, optional
        Electrons per count, instead of what the header says; used if there is no variance.
    read_noise : float, optional
        Electrons, instead of what the header says; used if there is no variance.
    require_wcs : bool
        Whether an image without world coordinates is an error.
    max_pixels : int
        Larger images are refused.

    Returns
    -------
    Exposure

    Raises
    ------
    ReadError
        If the file is missing, cut off, no FITS; if the HDU is no image, or which one is
        meant is unclear; if no pixel can be used; if world coordinates are required and missing.
    """
    name = name_of(path)
    with opened(path) as hdus:
        chosen = _choose(hdus, hdu, name)
        _check_size(shape_of(chosen), max_pixels, name)
        if own.is_own(hdus) and chosen.name == "IMAGE":
            exposure = own.read(hdus, name)
            return _checked(exposure.with_(info=info or exposure.info), require_wcs, name)
        header = _merged(hdus[0], chosen)
        stated, factor = (unit, 1.0) if unit is not None else unit_of(header, name)
        image = pixels_of(chosen, name)
        planes_of_file = _siblings(hdus, chosen, name)
    for kind, source in (("VARIANCE", variance), ("WEIGHT", weight), ("MASK", mask)):
        if source is not None:
            planes_of_file[kind] = _plane(source, hdu, max_pixels, kind == "MASK")
    bits = _mask(planes_of_file, planes, image.shape, name)
    noise = _variance(planes_of_file, image.shape, name)
    image, bits = _finite(image, bits, name)
    if noise is None:
        noise = _noise(image, bits, header, stated, gain, read_noise)
    noise, bits = _positive(noise, bits, name)
    if factor != 1.0:
        image *= np.float32(factor)
        noise *= np.float32(factor**2)
    exposure = Exposure(
        image,
        bits,
        noise,
        unit=stated,
        info=info or info_of(header, instrument),
        wcs=wcs_of(header),
        header=header,
    )
    return _checked(exposure, require_wcs, name)


def _choose(hdus: fits.HDUList, wanted: int | str | None, name: str) -> Any:
    """Return the HDU that holds the image."""
    if wanted is not None:
        return find_hdu(hdus, wanted, name)
    images = image_hdus(hdus)
    if not images:
        kinds = ", ".join(type(hdu).__name__ for hdu in hdus)
        raise ReadError(f"{name}: no image of two axes in it, only {kinds}")
    named = [i for i in images if hdus[i].name in _IMAGE]
    if len(named) == 1 or len(images) == 1:
        return hdus[(named or images)[0]]
    if 0 in images:
        return hdus[0]
    listing = ", ".join(f"{i} ({hdus[i].name or 'no name'})" for i in images)
    raise ReadError(f"{name}: {len(images)} images, HDUs {listing}; say which with hdu=")


def _check_size(shape: tuple[int, ...], max_pixels: int, name: str) -> None:
    """Raise if an image is larger than memory should hold, or has no pixels."""
    pixels = shape[0] * shape[1]
    if pixels > max_pixels:
        raise ReadError(
            f"{name}: {shape[1]} × {shape[0]} pixels are more than {max_pixels}; "
            "cut the image into tiles, or raise max_pixels if memory allows"
        )
    if not pixels:
        raise ReadError(f"{name}: the image has no pixels")


def _merged(primary: Any, chosen: Any) -> fits.Header:
    """Return the header of the image over that of the file, without what describes arrays."""
    header = primary.header.copy(strip=True)
    if chosen is not primary:
        header.update(chosen.header.copy(strip=True))
    return own.without_structure(header)


def _siblings(hdus: fits.HDUList, chosen: Any, name: str) -> dict[str, Any]:
    """Return variance and mask HDUs of the same file by kind: values, or values and header."""
    found: dict[str, Any] = {}
    for hdu in (hdus[i] for i in image_hdus(hdus)):
        if hdu is chosen or hdu.header.get("EXTVER", 1) != chosen.header.get("EXTVER", 1):
            continue
        if hdu.name in _VARIANCE:
            found[hdu.name] = pixels_of(hdu, name)
        elif hdu.name in _MASK:
            found["MASK"] = (pixels_of(hdu, name, np.int64), hdu.header.copy())
    return found


def _plane(source: Source, wanted: int | str | None, max_pixels: int, is_mask: bool) -> Any:
    """Return variance, weight or mask of a file of its own."""
    name = name_of(source)
    with opened(source) as hdus:
        hdu = _choose(hdus, wanted, name)
        _check_size(shape_of(hdu), max_pixels, name)
        if is_mask:
            return pixels_of(hdu, name, np.int64), hdu.header.copy()
        return pixels_of(hdu, name)


def _mask(
    found: dict[str, Any],
    planes: Mapping[int, Mask] | None,
    shape: tuple[int, ...],
    name: str,
) -> Bits:
    """Return the mask in our bits."""
    if "MASK" not in found:
        return np.zeros(shape, np.uint32)
    values, header = found["MASK"]
    _same_shape("mask", values, shape, name)
    return to_bits(values, header, planes)


def _variance(found: dict[str, Any], shape: tuple[int, ...], name: str) -> Image | None:
    """Return the variance that the file has in some form; NaN where a weight is zero."""
    for kind, power in _VARIANCE.items():
        if kind not in found:
            continue
        values = found[kind]
        _same_shape(kind.lower(), values, shape, name)
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(values**power, np.float32)
    return None


def _same_shape(what: str, values: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """Raise if a plane does not cover the image."""
    if values.shape != shape:
        raise ReadError(
            f"{name}: the {what} has shape {values.shape}, the image {shape}: not of this image"
        )


def _finite(image: Image, bits: Bits, name: str) -> tuple[Image, Bits]:
    """Mask what is not finite, or cannot be, and put the median there."""
    bad = ~(np.abs(image) < _IMPOSSIBLE)
    if not bad.any():
        return image, bits
    if bad.all():
        raise ReadError(f"{name}: no pixel is finite: the file holds no image")
    image[bad] = np.median(image[~bad])
    bits[bad] |= np.uint32(Mask.NO_DATA)
    return image, bits


def _positive(noise: Image, bits: Bits, name: str) -> tuple[Image, Bits]:
    """Mask what has no positive variance, and put the median there."""
    bad = ~(np.isfinite(noise) & (noise > 0))
    if not bad.any():
        return noise, bits
    if bad.all():
        raise ReadError(
            f"{name}: the variance is zero, negative or not finite everywhere; "
            "drop that plane and pass gain= to have it made from the image"
        )
    noise = np.where(bad, np.median(noise[~bad]), noise).astype(np.float32)
    bits[bad] |= np.uint32(Mask.NO_DATA)
    return noise, bits


def _noise(
    image: Image,
    bits: Bits,
    header: fits.Header,
    unit: str,
    gain: float | None,
    read_noise: float | None,
) -> Image:
    """Return the variance of the scatter of the sky and of the electrons above it.

    Whole counts cannot be known better than to rounding.
    """
    good = image[bits == 0] if bits.any() else image.ravel()
    sample = (good if good.size else image.ravel())[:: max(1, good.size // _SAMPLE)]
    sky, sigma = _sky(sample)
    gain = gain or number(header, GAIN) if unit == "adu" else 1.0 if unit == "electron" else None
    read_noise = read_noise or number(header, READ_NOISE) or 0.0
    floor = (read_noise / gain) ** 2 if gain else 0.0
    rounded = unit == "adu" and bool((sample == np.rint(sample)).all())
    blank = max(sigma**2, floor, 1.0 / 12.0 if rounded else np.finfo(np.float32).tiny)
    if not gain:
        return np.full(image.shape, blank, np.float32)
    return np.asarray(blank + np.maximum(image - sky, 0.0) / gain, np.float32)


def _sky(sample: Image) -> tuple[float, float]:
    """Return level and scatter: median and scaled median absolute deviation, thrice clipped."""
    for _ in range(3):
        sky = float(np.median(sample))
        sigma = 1.4826 * float(np.median(np.abs(sample - sky)))
        sample = sample[np.abs(sample - sky) <= 3 * sigma]
    return sky, sigma


def _checked(exposure: Exposure, require_wcs: bool, name: str) -> Exposure:
    """Raise if something is missing that is required."""
    if require_wcs and exposure.wcs is None:
        raise ReadError(
            f"{name}: no world coordinates that can be used in the header; solve the field, or "
            "process it from calibrate with a reference catalogue"
        )
    if not (exposure.mask & np.uint32(Mask.NO_DATA) == 0).any():
        raise ReadError(f"{name}: no pixel has both a finite value and a positive variance")
    return exposure if exposure.image.flags.c_contiguous else _contiguous(exposure)


def _contiguous(exposure: Exposure) -> Exposure:
    """Return an exposure whose rows lie one after another in memory."""
    return replace(exposure, image=np.ascontiguousarray(exposure.image))
