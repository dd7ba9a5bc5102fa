"""The signature of an instrument taken off, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from pipeline.errors import IsrError
from pipeline.exposure import UNUSABLE, Exposure, Mask, Metrics
from pipeline.isr.assemble import Assembled, assemble
from pipeline.isr.config import IsrConfig
from pipeline.isr.corrections import (
    check_frame,
    dark_scale,
    fringe_scale,
    mask_ghosts,
    normalised_flat,
    without_brighter_fatter,
)
from pipeline.isr.cosmic import cosmic_rays
from pipeline.isr.instrument import Instrument, load_instrument, section
from pipeline.isr.interpolate import interpolate
from pipeline.psf import Psf

_FILLED = Mask.BAD | Mask.CR


@dataclass(frozen=True)
class IsrResult:
    """An image without the signature of its instrument.

    Attributes
    ----------
    exposure : Exposure
        Electrons, with mask and variance.
    metrics : dict of str to float
        Levels, noise, numbers of pixels, times.
    """

    exposure: Exposure
    metrics: Metrics


@dataclass(frozen=True)
class Frames:
    """Calibration frames.

    Attributes
    ----------
    bias, dark, flat, fringe : Exposure or None
        Assembled, or raw as the image is; in counts or electrons.
    """

    bias: Exposure | None = None
    dark: Exposure | None = None
    flat: Exposure | None = None
    fringe: Exposure | None = None


def remove_signature(
    raw: Exposure | Sequence[Exposure],
    instrument: Instrument | str = "generic",
    *,
    bias: Exposure | None = None,
    dark: Exposure | None = None,
    flat: Exposure | None = None,
    fringe: Exposure | None = None,
    ghosts: Table | None = None,
    config: IsrConfig | None = None,
) -> IsrResult:
    """Make electrons of the counts of a raw image.

    Saturation, overscan, crosstalk, linearity, assembly and gain, bias, dark, variance,
    brighter-fatter, flat, fringes, defects, ghosts, interpolation, cosmic rays: in this order, and
    each only if it is switched on, the instrument does not say that the camera does it, and its
    frame is given.

    Parameters
    ----------
    raw : Exposure or sequence of Exposure
        Raw image in counts; of a multi-extension file one for each amplifier.
    instrument : Instrument or str
        Description, or the name or file of one.
    bias, dark, flat, fringe : Exposure, optional
        Calibration frames, assembled or as raw as the image.  The dark has its bias taken off and
        an exposure time.  The noise of bias and dark is added to the variance.
    ghosts : Table, optional
        x, y, radius [pixel] or ra, dec [deg], radius [arcsec]; inner_radius for rings.
    config : IsrConfig, optional
        Settings.

    Returns
    -------
    IsrResult

    Raises
    ------
    IsrError
        The image does not fit the description or a calibration frame, or nothing is left of it.
    """
    config = config or IsrConfig()
    started = perf_counter()
    known = instrument if isinstance(instrument, Instrument) else load_instrument(instrument)
    raws = [raw] if isinstance(raw, Exposure) else list(raw)
    if not raws:
        raise IsrError("no raw image was given")
    _check_units(raws)
    assembled = assemble(raws, known, config)
    frames = Frames(*(_assembled(one, raws, assembled, known, config) for one in
                      (bias, dark, flat, fringe)))  # fmt: skip
    metrics = dict(assembled.metrics)
    exposure = _in_electrons(raws[0], assembled, known, frames, config, metrics)
    exposure = _even(exposure, known, frames, config, metrics)
    exposure = _marked(exposure, known, ghosts, config)
    exposure = _mended(exposure, known, config)
    metrics |= _counts(exposure)
    metrics["isr.seconds"] = perf_counter() - started
    return IsrResult(exposure, metrics)


def _check_units(raws: Sequence[Exposure]) -> None:
    """Raise an error if images are not raw."""
    for one in raws:
        if one.unit != "adu":
            raise IsrError(
                f"the image is in {one.unit}, raw images are in adu; leave isr out for calibrated "
                "images, or read it with unit='adu'"
            )


def _on(step: str, instrument: Instrument, config: IsrConfig) -> bool:
    """Tell whether a step is to be done."""
    return bool(getattr(config, step)) and step not in instrument.off


def _assembled(
    frame: Exposure | None,
    raws: Sequence[Exposure],
    assembled: Assembled,
    instrument: Instrument,
    config: IsrConfig,
) -> Exposure | None:
    """Return a calibration frame in electrons on the pixels of the assembled image."""
    if frame is None:
        return None
    if frame.shape == assembled.image.shape:
        if frame.unit != "adu":
            return frame
        gain = assembled.gain()
        return frame.with_(
            image=frame.image * gain, variance=frame.variance * gain**2, unit="electron"
        )
    if len(raws) == 1 and frame.shape == raws[0].shape:
        plain = replace(config, saturation=False, crosstalk=False, linearity=False)
        one = assemble([frame.with_(header=raws[0].header)], instrument, plain)
        cut = section(instrument.amplifiers[0].data, raws[0].header, frame.shape, "data section")
        variance = frame.variance[cut] if cut is not None else frame.variance
        fits = variance.shape == one.image.shape
        variance = one.gain() ** 2 * (variance if fits else np.float32(0))
        return frame.with_(image=one.image, mask=one.mask, variance=variance, unit="electron")
    return frame


def _in_electrons(
    raw: Exposure,
    assembled: Assembled,
    instrument: Instrument,
    frames: Frames,
    config: IsrConfig,
    metrics: Metrics,
) -> Exposure:
    """Take off bias and dark; add the variance, of electrons and of the readout."""
    image, mask = assembled.image, assembled.mask
    variance = assembled.readout
    # In place: each of these arrays is as large as the image.
    if frames.bias is not None and _on("bias", instrument, config):
        check_frame(frames.bias, image.shape, "bias")
        image -= frames.bias.image
        variance += frames.bias.variance
        mask |= frames.bias.mask & np.uint32(UNUSABLE)
    # Electrons of the dark current are as noisy as those of the sky.
    work = np.maximum(image, np.float32(0))
    variance += work
    if frames.dark is not None and _on("dark", instrument, config):
        check_frame(frames.dark, image.shape, "dark")
        time = raw.info.exposure_time if raw.info is not None else None
        scale = np.float32(dark_scale(frames.dark, time))
        image -= np.multiply(frames.dark.image, scale, out=work)
        variance += np.multiply(frames.dark.variance, scale**2, out=work)
        mask |= frames.dark.mask & np.uint32(UNUSABLE)
        metrics["isr.dark_scale"] = float(scale)
    lost = ~np.isfinite(image) | ~np.isfinite(variance)
    mask[lost] |= np.uint32(Mask.NO_DATA)
    image[lost] = 0.0
    variance[lost] = 0.0
    return raw.with_(
        image=image,
        mask=mask,
        variance=variance,
        unit="electron",
        wcs=_moved_wcs(raw.wcs, assembled),
    )


def _moved_wcs(wcs: WCS | None, assembled: Assembled) -> WCS | None:
    """Return world coordinates of the trimmed image."""
    x, y = assembled.origin
    if wcs is None or (x, y) == (0, 0):
        return wcs
    return wcs.slice((slice(y, None), slice(x, None)))


def _even(
    exposure: Exposure,
    instrument: Instrument,
    frames: Frames,
    config: IsrConfig,
    metrics: Metrics,
) -> Exposure:
    """Correct what depends on signal and place: brighter-fatter, flat, fringes."""
    image, variance, mask = exposure.image, exposure.variance, exposure.mask
    if instrument.brighter_fatter is not None and _on("brighter_fatter", instrument, config):
        image = without_brighter_fatter(
            image, instrument.brighter_fatter, config.brighter_fatter_rounds
        )
    if frames.flat is not None and _on("flat", instrument, config):
        check_frame(frames.flat, image.shape, "flat")
        response, dead = normalised_flat(frames.flat, config.least_flat)
        image /= response
        variance /= np.square(response, out=response)
        mask[dead] |= np.uint32(Mask.BAD)
    exposure = exposure.with_(image=image, variance=variance, mask=mask)
    if frames.fringe is not None and _on("fringe", instrument, config):
        check_frame(frames.fringe, image.shape, "fringe")
        pattern = frames.fringe.image - np.median(frames.fringe.image)
        scale = fringe_scale(image, pattern, exposure.masked())
        metrics["isr.fringe_scale"] = scale
        exposure = exposure.with_(image=image - np.float32(scale) * pattern.astype(np.float32))
    return exposure


def _marked(
    exposure: Exposure, instrument: Instrument, ghosts: Table | None, config: IsrConfig
) -> Exposure:
    """Mask defects and ghosts."""
    mask = exposure.mask.copy()
    if _on("defects", instrument, config):
        for box in instrument.defects:
            where = section(box, exposure.header, exposure.shape, f"defect of {instrument.name}")
            if where is not None:
                mask[where] |= np.uint32(Mask.BAD)
    if ghosts is not None and len(ghosts) and _on("ghosts", instrument, config):
        mask |= mask_ghosts(exposure.shape, _discs(ghosts, exposure.wcs))
    return exposure.with_(mask=mask)


def _discs(ghosts: Table, wcs: WCS | None) -> NDArray[np.float64]:
    """Return x, y, outer and inner radius of ghosts [pixel]."""
    names = set(ghosts.colnames)
    inner = ghosts["inner_radius"] if "inner_radius" in names else np.zeros(len(ghosts))
    if {"x", "y", "radius"} <= names:
        return np.column_stack([ghosts["x"], ghosts["y"], ghosts["radius"], inner]).astype(float)
    if {"ra", "dec", "radius"} <= names and wcs is not None:
        x, y = wcs.all_world2pix(ghosts["ra"], ghosts["dec"], 0, quiet=True)
        scale = float(np.mean(proj_plane_pixel_scales(wcs.celestial))) * 3600.0
        found = np.column_stack([x, y, ghosts["radius"] / scale, inner / scale]).astype(float)
        return np.asarray(found[np.all(np.isfinite(found), axis=1)])
    raise IsrError(
        f"the table of ghosts has columns {', '.join(ghosts.colnames)}; it needs x, y, radius, or, "
        "for an image with world coordinates, ra, dec, radius"
    )


def _mended(exposure: Exposure, instrument: Instrument, config: IsrConfig) -> Exposure:
    """Fill in defects, find cosmic rays, and fill in those."""
    usable = ~exposure.masked()
    if not usable.any():
        saturated = float(exposure.masked(Mask.SAT).mean())
        raise IsrError(
            f"no pixel is usable, {100 * saturated:.0f}% are saturated; check the saturation level "
            "in header and description, and the exposure time"
        )
    filling = _on("interpolate", instrument, config)
    before = _filled(exposure, Mask.BAD, config) if filling else exposure
    if not _on("cosmic_rays", instrument, config):
        return before
    rays = cosmic_rays(
        before.image,
        before.variance,
        before.masked(),
        sigma=config.cosmic_sigma,
        fraction=config.cosmic_fraction,
        contrast=config.cosmic_contrast,
        rounds=config.cosmic_rounds,
    )
    mask = before.mask.copy()
    mask[rays] |= np.uint32(Mask.CR)
    marked = before.with_(mask=mask)
    return _filled(marked, Mask.CR, config) if filling else marked


def _filled(exposure: Exposure, planes: Mask, config: IsrConfig) -> Exposure:
    """Interpolate over pixels of some planes."""
    holes = exposure.masked(planes) & ~exposure.masked(Mask.SAT | Mask.NO_DATA | Mask.INTERP)
    avoid = exposure.masked(UNUSABLE) & ~exposure.masked(Mask.INTERP)
    psf = exposure.psf or Psf.gaussian(config.fwhm, (exposure.shape[1], exposure.shape[0]))
    image, filled = interpolate(exposure.image, holes, avoid, psf, config.interpolate_least)
    mask = exposure.mask.copy()
    mask[filled] |= np.uint32(Mask.INTERP)
    return exposure.with_(image=image, mask=mask)


def _counts(exposure: Exposure) -> Metrics:
    """Return parts of the image with each kind of flaw."""
    planes = {
        "saturated": Mask.SAT, "bad": Mask.BAD, "cosmic_rays": Mask.CR, "interpolated": Mask.INTERP,
        "ghosts": Mask.GHOST, "crosstalk": Mask.CROSSTALK, "no_data": Mask.NO_DATA,
    }  # fmt: skip
    return {f"isr.{name}": float(exposure.masked(bit).mean()) for name, bit in planes.items()}
