"""From raw amplifiers to one image in electrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from pipeline.calibrate.kernels import grown
from pipeline.errors import IsrError
from pipeline.exposure import Exposure, Image, Mask, Metrics
from pipeline.isr.config import IsrConfig
from pipeline.isr.instrument import Amplifier, Instrument, Section, number, section

Floats = NDArray[np.float64]
_STRIP = 64
"""Rows that are worked on at a time: what is made on the way stays small."""


@dataclass(frozen=True)
class Assembled:
    """An image put together of its amplifiers.

    Attributes
    ----------
    image : ndarray of float32, shape (ny, nx)
        Electrons above bias.
    mask : ndarray of uint32, shape (ny, nx)
        Bits.
    readout : ndarray of float32, shape (ny, nx)
        Variance of the readout [electron²].
    gains : tuple of (Section, float)
        Of the amplifiers [electron per count], and where these are.
    origin : tuple of int
        Column and row of the first pixel in the raw image, where one amplifier is all of it.
    metrics : dict of str to float
        Levels and noise of the overscan.
    """

    image: Image
    mask: NDArray[np.uint32]
    readout: Image
    gains: tuple[tuple[Section, float], ...]
    origin: tuple[int, int]
    metrics: Metrics

    def gain(self) -> Image:
        """Return the gain of every pixel [electron per count].

        Returns
        -------
        ndarray of float32, shape (ny, nx)
            0 where no amplifier is.
        """
        found = np.zeros_like(self.image)
        for where, gain in self.gains:
            found[where] = gain
        return found


@dataclass(frozen=True)
class _Part:
    """One amplifier, in the orientation of the raw image."""

    image: Image
    mask: NDArray[np.uint32]
    gain: float
    read_noise: float
    corner: tuple[int, int]
    level: float
    noise: float


def assemble(raws: Sequence[Exposure], instrument: Instrument, config: IsrConfig) -> Assembled:
    """Mask saturation, take off the overscan, correct crosstalk and linearity, and put together.

    Parameters
    ----------
    raws : sequence of Exposure
        Raw images, in counts: one, or one per amplifier.
    instrument : Instrument
        Description.
    config : IsrConfig
        Settings.

    Returns
    -------
    Assembled

    Raises
    ------
    IsrError
        The images do not fit the description, or the gain contradicts the noise of the overscan.
    """
    parts = [_part(raws, one, instrument, config) for one in instrument.amplifiers]
    if config.crosstalk and instrument.crosstalk is not None and "crosstalk" not in instrument.off:
        _take_off_crosstalk(parts, instrument.crosstalk, config.crosstalk_threshold)
    if config.linearity and "linearity" not in instrument.off:
        for part, amplifier in zip(parts, instrument.amplifiers, strict=True):
            _make_linear(part, amplifier.linearity)
    return _together(parts, instrument)


def _part(
    raws: Sequence[Exposure], amplifier: Amplifier, instrument: Instrument, config: IsrConfig
) -> _Part:
    """Return the data of an amplifier in counts above the overscan."""
    name = f"amplifier {amplifier.name} of {instrument.name}"
    if amplifier.image >= len(raws):
        raise IsrError(f"{name} is in raw image {amplifier.image}, of which there are {len(raws)}")
    raw = raws[amplifier.image]
    header, shape = raw.header, raw.shape
    gain = number(amplifier.gain, header, f"the gain of {name}")
    read_noise = number(amplifier.read_noise, header, f"the read noise of {name}")
    if not gain > 0 or read_noise < 0:
        raise IsrError(
            f"{name} has gain {gain:g} and read noise {read_noise:g}; correct the header"
        )
    data = section(amplifier.data, header, shape, f"data section of {name}")
    data = data or (slice(0, shape[0]), slice(0, shape[1]))
    image, mask = raw.image[data].astype(np.float32), raw.mask[data].copy()
    if config.saturation and "saturation" not in instrument.off:
        _mark_saturation(mask, image, amplifier, raw, config)
    level, noise = 0.0, float("nan")
    scan = section(amplifier.overscan, header, shape, f"overscan of {name}")
    if scan is not None and config.overscan and "overscan" not in instrument.off:
        model, level, noise = _overscan(raw.image[scan], data, scan, instrument)
        image -= model
        _check_noise(noise * gain, read_noise, name, config.max_noise_ratio)
    corner = (data[1].start, data[0].start)
    return _Part(image, mask, gain, read_noise, corner, level, noise * gain)


def _mark_saturation(
    mask: NDArray[np.uint32],
    image: Image,
    amplifier: Amplifier,
    raw: Exposure,
    config: IsrConfig,
) -> None:
    """Mark saturated and not linear pixels."""
    top = number(amplifier.saturation, raw.header, f"saturation of amplifier {amplifier.name}")
    full = image >= top
    if config.grow_saturation and full.any():
        full = grown(full, config.grow_saturation)
    mask[full] |= np.uint32(Mask.SAT)
    suspect = number(amplifier.suspect, raw.header, f"suspect level of {amplifier.name}")
    mask[image >= suspect] |= np.uint32(Mask.SUSPECT)


def _overscan(
    scan: Image, data: Section, where: Section, instrument: Instrument
) -> tuple[Image, float, float]:
    """Return the level under the data, its median, and the noise of the overscan in counts."""
    scan = scan.astype(np.float64)
    level = float(np.median(scan))
    rows = np.median(scan, axis=1)
    model = np.full((data[0].stop - data[0].start, 1), level)
    if instrument.overscan in ("rows", "polynomial"):
        line = rows
        if instrument.overscan == "polynomial":
            at = np.linspace(-1.0, 1.0, len(rows))
            fit = np.polynomial.chebyshev.chebfit(at, rows, instrument.overscan_order)
            line = np.polynomial.chebyshev.chebval(at, fit)
        wanted = np.arange(data[0].start, data[0].stop)
        model = np.interp(wanted, np.arange(where[0].start, where[0].stop), line)[:, np.newaxis]
    if instrument.overscan == "none":
        model = np.zeros_like(model)
    # Differences of neighbours along rows: a drift is no noise.
    steps = np.diff(scan, axis=1) if scan.shape[1] > 1 else np.diff(scan, axis=0)
    steps = steps[np.abs(steps) < 10 * max(np.percentile(np.abs(steps), 70), 1.0)]
    noise = float(np.sqrt(np.mean(steps**2) / 2.0)) if steps.size else float("nan")
    return model.astype(np.float32), level, noise


def _check_noise(measured: float, described: float, name: str, largest: float) -> None:
    """Raise an error if the noise of the overscan is not the read noise."""
    if not described > 0 or not np.isfinite(measured):
        return
    ratio = measured / described
    if not 1.0 / largest < ratio < largest:
        raise IsrError(
            f"the overscan of {name} has a noise of {measured:.3g} electrons, the read noise "
            f"should be {described:.3g}; correct gain, read noise or overscan section, or raise "
            "`max_noise_ratio`"
        )


def _take_off_crosstalk(parts: list[_Part], matrix: Floats, threshold: float) -> None:
    """Take off of each amplifier what the others leave on it; all are read at the same time."""
    shapes = {part.image.shape for part in parts}
    if len(shapes) > 1:
        raise IsrError(
            f"crosstalk needs amplifiers of one shape, not {sorted(shapes)}; correct the data "
            "sections, or switch the step off"
        )
    for top in range(0, len(parts[0].image), _STRIP):
        rows = slice(top, top + _STRIP)
        before = [part.image[rows].copy() for part in parts]
        for victim, part in enumerate(parts):
            for source, other in enumerate(parts):
                factor = matrix[victim, source]
                if factor == 0 or source == victim:
                    continue
                left = np.float32(factor) * before[source]
                part.image[rows] -= left
                # What saturates has an unknown signal.
                electrons = np.abs(left) * part.gain
                saturated = (other.mask[rows] & np.uint32(Mask.SAT)) != 0
                strong = (electrons > threshold) | (saturated & (electrons > 1.0))
                part.mask[rows][strong] |= np.uint32(Mask.CROSSTALK)


def _make_linear(part: _Part, coefficients: tuple[float, ...]) -> None:
    """Make counts proportional to light."""
    if not coefficients:
        return
    series = [0.0, 1.0, *coefficients]
    for top in range(0, len(part.image), _STRIP):
        rows = slice(top, top + _STRIP)
        part.image[rows] = np.polynomial.polynomial.polyval(part.image[rows], series)


def _together(parts: list[_Part], instrument: Instrument) -> Assembled:
    """Put amplifiers where they belong, in electrons."""
    shape = instrument.shape or parts[0].image.shape
    image, readout = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    gains = []
    mask = np.full(shape, np.uint32(Mask.NO_DATA))
    for part, amplifier in zip(parts, instrument.amplifiers, strict=True):
        where = section(amplifier.place, Header(), shape, f"place of amplifier {amplifier.name}")
        where = where or (slice(0, shape[0]), slice(0, shape[1]))
        flips = (slice(None, None, -1 if amplifier.flip_y else 1),
                 slice(None, None, -1 if amplifier.flip_x else 1))  # fmt: skip
        if image[where].shape != part.image.shape:
            raise IsrError(
                f"amplifier {amplifier.name} has {part.image.shape} pixels, its place "
                f"{image[where].shape}; correct data section or place in the description"
            )
        np.multiply(part.image[flips], np.float32(part.gain), out=image[where])
        mask[where] = part.mask[flips]
        readout[where] = np.float32(part.read_noise) ** 2
        gains.append((where, part.gain))
    metrics = {
        "isr.overscan": float(np.mean([part.level for part in parts])),
        "isr.overscan_noise": float(np.nanmean([p.noise for p in parts]))
        if any(np.isfinite(p.noise) for p in parts)
        else float("nan"),
    }
    origin = parts[0].corner if len(parts) == 1 else (0, 0)
    return Assembled(image, mask, readout, tuple(gains), origin, metrics)
