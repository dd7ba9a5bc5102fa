"""The files that this pipeline writes: an exposure and nothing less."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.wcs import WCS

from pipeline.errors import ReadError
from pipeline.exposure import Exposure, ExposureInfo, PhotoCalib
from pipeline.io.files import find_hdu, pixels_of
from pipeline.io.headers import unit_of, wcs_of
from pipeline.io.planes import planes_header, to_bits
from pipeline.psf import Psf

#: Rows of a compressed tile: eight are read in two thirds of the time that single rows take.
_ROWS = 8
#: Card of the primary header that marks such files, and its value.
_FORMAT, _VERSION = "EXPOFORM", 1
_STRUCTURE = (
    *("BLANK", "CHECKSUM", "DATASUM", "EXTNAME", "EXTVER", "EXTLEVEL", "INHERIT"),
    *("XTENSION", "BSCALE", "BZERO", _FORMAT),
)


def without_structure(header: fits.Header) -> fits.Header:
    """Return a header without the cards that describe arrays and extensions, or are unreadable.

    Parameters
    ----------
    header : Header
        Changed in place.

    Returns
    -------
    Header
    """
    header.strip()
    for keyword in _STRUCTURE:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    for number in reversed([i for i, card in enumerate(header.cards) if not _readable(card)]):
        del header[number]
    return header


def _readable(card: fits.Card) -> bool:
    """Tell whether a card follows the standard so far that it has a value."""
    try:
        return card.value is not None
    except VerifyError:
        return False


def is_own(hdus: fits.HDUList) -> bool:
    """Tell whether a file was written by this pipeline.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        Open file.

    Returns
    -------
    bool
    """
    return bool(hdus[0].header.get(_FORMAT) == _VERSION)


def to_hdus(exposure: Exposure, compress: bool, quantize: float | None) -> fits.HDUList:
    """Return an exposure as FITS.

    Parameters
    ----------
    exposure : Exposure
        All that it has is kept.
    compress : bool
        Whether mask and variance are compressed in tiles, without loss.  The image itself is not:
        noise about zero leaves 7% to gain, at 3 s for writing and 1 s for reading 4096².
    quantize : float, optional
        Steps of image and variance per sigma of their noise; both are compressed then.

    Returns
    -------
    astropy.io.fits.HDUList
        Primary with the header as it was read, IMAGE, MASK, VARIANCE; PSF_BASIS and PSF_WEIGHTS
        if there is a PSF.
    """
    primary = fits.PrimaryHDU(header=without_structure(exposure.header.copy()))
    primary.header[_FORMAT] = (_VERSION, "written by the pipeline of apdb")
    image = _wcs_header(exposure.wcs) if exposure.wcs is not None else fits.Header()
    image["BUNIT"] = exposure.unit
    image.update(_info_cards(exposure.info) if exposure.info is not None else {})
    if exposure.photo_calib is not None:
        image["NJYCOUNT"] = (exposure.photo_calib.njy_per_count, "nJy of one count")
        image["NJYERR"] = (exposure.photo_calib.njy_per_count_err, "its error [nJy]")
    mask = fits.Header()
    for keyword, bit in planes_header().items():
        mask["HIERARCH " + keyword if len(keyword) > 8 else keyword] = bit
    of_image, of_mask, of_variance = _compression(exposure, compress, quantize)
    hdus = [
        primary,
        _image_hdu(exposure.image, image, "IMAGE", of_image),
        _image_hdu(exposure.mask, mask, "MASK", of_mask),
        _image_hdu(exposure.variance, fits.Header(), "VARIANCE", of_variance),
    ]
    if exposure.psf is not None:
        hdus.extend(_psf_hdus(exposure.psf))
    return fits.HDUList(hdus)


def read(hdus: fits.HDUList, name: str) -> Exposure:
    """Return the exposure of a file of `to_hdus`.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        Open file.
    name : str
        Of the file, for messages.

    Returns
    -------
    Exposure

    Raises
    ------
    ReadError
        If an HDU is missing.
    """
    keys = ("IMAGE", "MASK", "VARIANCE")
    if missing := [key for key in keys if key not in hdus]:
        raise ReadError(
            f"{name}: truncated: written by this pipeline, and without {', '.join(missing)}; "
            "transfer it again"
        )
    image, mask, variance = (find_hdu(hdus, key, name) for key in keys)
    header = image.header
    calibrated = "NJYCOUNT" in header
    return Exposure(
        pixels_of(image, name),
        to_bits(pixels_of(mask, name, np.uint32), mask.header, None),
        pixels_of(variance, name),
        unit=unit_of(header, name)[0],
        info=_info(header) if "VISIT" in header else None,
        psf=_psf(hdus, name) if "PSF_BASIS" in hdus else None,
        wcs=wcs_of(header),
        photo_calib=PhotoCalib(header["NJYCOUNT"], header["NJYERR"]) if calibrated else None,
        header=without_structure(hdus[0].header.copy(strip=True)),
    )


def _compression(
    exposure: Exposure, compress: bool, quantize: float | None
) -> tuple[dict[str, Any], ...]:
    """Return how image, mask and variance are compressed; nothing for those that are not."""
    if not compress:
        return {}, {}, {}
    mask = {"compression_type": "RICE_1"}
    if quantize is None:
        # Sorted bytes make gzip fit for a variance, at five times the time to read one that is
        # the same everywhere.
        kind = "GZIP_1" if exposure.variance.min() == exposure.variance.max() else "GZIP_2"
        return {}, mask, {"compression_type": kind, "quantize_level": 0.0}
    steps = {"compression_type": "RICE_1", "quantize_level": quantize, "quantize_method": 1}
    return steps, mask, steps


def _image_hdu(data: Any, header: fits.Header, name: str, options: dict[str, Any]) -> Any:
    """Return an image HDU, compressed if there are options for that."""
    if not options:
        return fits.ImageHDU(data, header, name=name)
    tile = (min(_ROWS, data.shape[0]), data.shape[1])
    return fits.CompImageHDU(data, header, name=name, tile_shape=tile, **options)


def _info_cards(info: ExposureInfo) -> dict[str, tuple[Any, str]]:
    """Return the cards of a visit; those of unknown numbers are left out."""
    cards: dict[str, tuple[Any, str]] = {
        "VISIT": (info.visit, "number of the exposure"),
        "DETECTOR": (info.detector, ""),
        "BAND": (info.band, ""),
        "MJDMID": (info.midpoint_mjd_tai, "middle of the exposure [d], TAI"),
        "EXPTIME": (info.exposure_time, "shutter open [s]"),
        "INSTRDEF": (info.instrument, "description of the instrument"),
        "AIRMASS": (info.airmass, ""),
    }
    return {
        key: card
        for key, card in cards.items()
        if not (isinstance(card[0], float) and math.isnan(card[0]))
    }


def _info(header: fits.Header) -> ExposureInfo:
    """Return what `_info_cards` wrote."""
    return ExposureInfo(
        visit=header["VISIT"],
        detector=header["DETECTOR"],
        band=header["BAND"],
        midpoint_mjd_tai=float(header["MJDMID"]),
        exposure_time=float(header.get("EXPTIME", math.nan)),
        instrument=header["INSTRDEF"],
        airmass=float(header.get("AIRMASS", math.nan)),
    )


def _wcs_header(wcs: WCS) -> fits.Header:
    """Return world coordinates as cards with all their digits; TAN, SIP and TPV."""
    if wcs.cpdis1 is not None or wcs.det2im1 is not None:
        raise ValueError("world coordinates with distortion tables cannot be written: fit SIP")
    header = wcs.to_header(relax=True)
    inner = wcs.wcs
    matrix = inner.cd if inner.has_cd() else inner.get_pc()
    for i in (1, 2):
        header[f"CRPIX{i}"] = float(inner.crpix[i - 1])
        header[f"CRVAL{i}"] = float(inner.crval[i - 1])
        header[f"CDELT{i}"] = 1.0 if inner.has_cd() else float(inner.cdelt[i - 1])
        for j in (1, 2):
            header[f"PC{i}_{j}"] = float(matrix[i - 1, j - 1])
    for i, m, value in inner.get_pv():
        header[f"PV{i}_{m}"] = float(value)
    # the time of the exposure has cards of its own
    for keyword in ("MJD-OBS", "DATE-OBS", "MJDREF", "TIMESYS"):
        header.remove(keyword, ignore_missing=True)
    return header


def _psf_hdus(psf: Psf) -> list[Any]:
    """Return the images and weights of a PSF."""
    header = fits.Header()
    header["PSFORDER"] = (psf.order, "degree of the Chebyshev polynomials")
    header["PSFNX"], header["PSFNY"] = psf.size
    return [
        fits.ImageHDU(np.asarray(psf.basis, np.float64), header, name="PSF_BASIS"),
        fits.ImageHDU(np.asarray(psf.coefficients, np.float64), name="PSF_WEIGHTS"),
    ]


def _psf(hdus: fits.HDUList, name: str) -> Psf:
    """Return what `_psf_hdus` wrote."""
    arrays = []
    for key in ("PSF_BASIS", "PSF_WEIGHTS"):
        if key not in hdus or not isinstance(hdus[key], fits.ImageHDU):
            raise ReadError(f"{name}: no image {key}: the PSF is not whole; write the file again")
        arrays.append(np.asarray(hdus[key].data, np.float64))
    header = hdus["PSF_BASIS"].header
    basis, weights = arrays
    return Psf(basis, weights, header["PSFORDER"], (header["PSFNX"], header["PSFNY"]))
