"""A CCD: what it does to the light that falls on it, and the frames that undo it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.exposure import Exposure, ExposureInfo, Image, Mask
from pipeline.scene.artefacts import bleed
from pipeline.scene.config import NightConfig

#: Columns without light that each amplifier reads after its own.
OVERSCAN = 32
#: Counts that 16 bits hold.
_ADC = 65535
#: Exposure time of the master dark [s].
_DARK_TIME = 300.0


@dataclass(frozen=True)
class Detector:
    """A CCD with one or two amplifiers side by side.

    Attributes
    ----------
    gain, read_noise, level : tuple of float
        Of each amplifier: electrons per count, electrons, and counts of its bias.
    pattern : ndarray of float32, shape (ny, nx)
        Structure of the bias [adu].
    dark : ndarray of float32, shape (ny, nx)
        Dark current [electron/s].
    response : ndarray of float32, shape (ny, nx)
        Light that is counted, relative to the mean: vignetting and pixels.
    bad : ndarray of bool, shape (ny, nx)
        Columns that count nothing.
    full_well : float
        Electrons at which pixels bleed.
    linearity, crosstalk : float
        As `NightConfig` has them.
    """

    gain: tuple[float, ...]
    read_noise: tuple[float, ...]
    level: tuple[float, ...]
    pattern: Image
    dark: Image
    response: Image
    bad: NDArray[np.bool_]
    full_well: float
    linearity: float
    crosstalk: float

    def sections(self) -> list[slice]:
        """Return the columns of each amplifier.

        Returns
        -------
        list of slice
        """
        edges = np.linspace(0, self.pattern.shape[1], len(self.gain) + 1).astype(int)
        return [slice(int(a), int(b)) for a, b in pairwise(edges)]

    def counts(
        self, rng: np.random.Generator, light: Image, extra: Image, exposure_time: float
    ) -> list[NDArray[np.uint16]]:
        """Return what each amplifier reads, overscan to the right.

        Parameters
        ----------
        rng : numpy.random.Generator
            Of photons and of the readout.
        light : ndarray of float32, shape (ny, nx)
            Mean electrons that a perfect detector would count, sky included.
        extra : ndarray of float32, shape (ny, nx)
            Electrons that are no light: cosmic rays.
        exposure_time : float
            [s].

        Returns
        -------
        list of ndarray of uint16, shape (ny, columns + OVERSCAN)
        """
        mean = light * self.response + self.dark * np.float32(exposure_time)
        electrons = rng.poisson(mean).astype(np.float32) + extra
        full = bleed(mean, self.full_well)
        electrons = np.where(full, self.full_well, np.minimum(electrons, self.full_well))
        electrons[self.bad] = 0.0
        sections = self.sections()
        parts = [
            self.read(electrons[:, columns] / self.gain[i] + self.pattern[:, columns])
            for i, columns in enumerate(sections)
        ]
        frames = []
        for i, part in enumerate(parts):
            other = self.crosstalk * parts[1 - i] if len(parts) == 2 else 0.0
            frame = np.pad(part + other, ((0, 0), (0, OVERSCAN))) + self.level[i]
            frame += rng.standard_normal(frame.shape) * self.read_noise[i] / self.gain[i]
            frames.append(np.clip(np.rint(frame), 0, _ADC).astype(np.uint16))
        return frames

    def read(self, counts: Image | np.float32) -> Image:
        """Return what an amplifier makes of counts: the inverse of x + c x².

        Parameters
        ----------
        counts : ndarray or float32
            Proportional to charge.

        Returns
        -------
        ndarray
        """
        if not self.linearity:
            return np.asarray(counts)
        root = np.sqrt(np.maximum(1.0 + 4.0 * self.linearity * counts, 0.0))
        return np.asarray((root - 1.0) / (2.0 * self.linearity), np.float32)

    def description(self) -> str:
        """Return the description of this instrument that `pipeline.isr` reads.

        Returns
        -------
        str
            TOML; the values that headers have are taken from there.
        """
        ny, nx = self.pattern.shape
        lines = [
            'name = "simulated"',
            'description = "Simulated CCD"',
            f"shape = [{ny}, {nx}]",
        ]
        if len(self.gain) == 2:
            lines.append(f"crosstalk = [[0.0, {self.crosstalk}], [{self.crosstalk}, 0.0]]")
        lines += ["", "[overscan]", 'method = "median"']
        for i, columns in enumerate(self.sections()):
            lines += [
                "",
                "[[amplifier]]",
                f'name = "{i + 1}"',
                f"image = {i}",
                'data = { cards = ["DATASEC"] }',
                'overscan = { cards = ["BIASSEC"] }',
                f'place = "[{columns.start + 1}:{columns.stop},1:{ny}]"',
                'gain = { cards = ["GAIN"] }',
                'read_noise = { cards = ["RDNOISE"] }',
                'saturation = { cards = ["SATURATE"] }',
                f"linearity = [{self.linearity}]",
            ]
        return "\n".join(lines) + "\n"

    def masters(self, bands: tuple[str, ...]) -> dict[str, Exposure]:
        """Return the frames that calibrate others.

        Parameters
        ----------
        bands : tuple of str
            Filters to make flats of.

        Returns
        -------
        dict of str to Exposure
            On the pixels of the assembled detector: ``bias``, what is left of it after the
            overscan is subtracted [adu]; ``dark``, electrons in 300 s; ``flat_r`` and so on, with
            a mean of 1, proportional to electrons, where the mask says which columns are BAD.
        """
        info = ExposureInfo(0, 0, "", 0.0, _DARK_TIME)
        found = {
            "bias": _master(self.pattern, "adu"),
            "dark": _master(self.dark * np.float32(_DARK_TIME), "electron").with_(info=info),
        }
        mask = np.where(self.bad, np.uint32(Mask.BAD), np.uint32(0)).astype(np.uint32)
        for band in bands:
            found[f"flat_{band}"] = _master(self.response, "electron").with_(mask=mask)
        return found


def make_detector(config: NightConfig) -> Detector:
    """Make the detector of a night.

    Parameters
    ----------
    config : NightConfig
        Its size, its amplifiers and bad columns.

    Returns
    -------
    Detector
    """
    rng = np.random.default_rng([config.seed, 31])
    ny, nx = config.shape
    n = config.amplifiers
    v, u = np.meshgrid(np.linspace(-1, 1, ny), np.linspace(-1, 1, nx), indexing="ij")
    pattern = 6.0 * gaussian_filter(rng.standard_normal(config.shape), 1.0)
    pattern += 3.0 * np.sin(6.0 * v) + 1.5 * rng.standard_normal(nx)
    dark = 0.02 * (1.0 + 0.3 * u) + np.where(rng.random(config.shape) < 5e-5, 20.0, 0.0)
    response = (1.0 - 0.08 * (u**2 + v**2)) * (1.0 + 0.008 * rng.standard_normal(config.shape))
    bad = np.zeros(config.shape, np.bool_)
    for column in rng.integers(0, nx, config.bad_columns):
        bad[rng.integers(0, ny // 2) :, column] = True
    return Detector(
        gain=(1.60, 1.65)[:n],
        read_noise=(5.0, 5.5)[:n],
        level=(1000.0, 1100.0)[:n],
        pattern=pattern.astype(np.float32),
        dark=dark.astype(np.float32),
        response=(response / response.mean()).astype(np.float32),
        bad=bad,
        full_well=config.full_well,
        linearity=config.linearity,
        crosstalk=config.crosstalk,
    )


def raw_hdus(
    frames: list[NDArray[np.uint16]], detector: Detector, info: ExposureInfo, wcs: WCS
) -> fits.HDUList:
    """Return what amplifiers read as a raw file.

    Parameters
    ----------
    frames : list of ndarray
        Counts of each amplifier.
    detector : Detector
        That read them.
    info : ExposureInfo
        Visit.
    wcs : astropy.wcs.WCS
        Where the telescope thought to point; pixels of the assembled detector.

    Returns
    -------
    astropy.io.fits.HDUList
        One amplifier: a plain image.  Two: extensions AMP1 and AMP2; DETSEC says where in the
        detector the pixels of DATASEC belong, and each has the WCS of its own pixels.
    """
    start = Time(
        info.midpoint_mjd_tai - 0.5 * info.exposure_time / 86400, format="mjd", scale="tai"
    )
    primary = fits.Header()
    primary.update(
        {
            "VISIT": info.visit,
            "DETECTOR": info.detector,
            "FILTER": info.band,
            "DATE-OBS": start.utc.isot,
            "TIMESYS": "UTC",
            "EXPTIME": info.exposure_time,
            "AIRMASS": info.airmass,
            "INSTRUME": "SIMCCD",
            "OBSTYPE": "SCIENCE",
        }
    )
    cards = [_amplifier_cards(detector, i, wcs) for i in range(len(frames))]
    if len(frames) == 1:
        return fits.HDUList([fits.PrimaryHDU(frames[0], _joined(primary, cards[0]))])
    parts = [
        fits.ImageHDU(frame, card, name=f"AMP{i + 1}")
        for i, (frame, card) in enumerate(zip(frames, cards, strict=True))
    ]
    return fits.HDUList([fits.PrimaryHDU(header=primary), *parts])


def _amplifier_cards(detector: Detector, i: int, wcs: WCS) -> fits.Header:
    """Return the cards of an amplifier; sections count from 1 and include their ends."""
    columns, ny = detector.sections()[i], detector.pattern.shape[0]
    width = columns.stop - columns.start
    shifted = wcs.deepcopy()
    shifted.wcs.crpix = shifted.wcs.crpix - (columns.start, 0)
    header = shifted.to_header()
    header.remove("MJDREF", ignore_missing=True)
    full = 0.99 * float(detector.read(np.float32(detector.full_well / detector.gain[i])))
    return _joined(
        header,
        {
            "GAIN": detector.gain[i],
            "RDNOISE": detector.read_noise[i],
            "SATURATE": min(_ADC, int(detector.level[i] + full)),
            "DATASEC": f"[1:{width},1:{ny}]",
            "BIASSEC": f"[{width + 1}:{width + OVERSCAN},1:{ny}]",
            "DETSEC": f"[{columns.start + 1}:{columns.stop},1:{ny}]",
            "BUNIT": "adu",
        },
    )


def _joined(header: fits.Header, cards: fits.Header | dict[str, Any]) -> fits.Header:
    """Return a header with more cards."""
    header.update(cards)
    return header


def _master(image: Image, unit: str) -> Exposure:
    """Return a frame that is known so well that its noise does not matter."""
    variance = np.full(image.shape, 1e-8, np.float32)
    return Exposure(image, np.zeros(image.shape, np.uint32), variance, unit)
