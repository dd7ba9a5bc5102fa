"""Raw frames and their calibration frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.errors import IsrError
from pipeline.exposure import Exposure, ExposureInfo
from pipeline.io import read_exposure
from pipeline.io.files import image_hdus, opened
from pipeline.isr import IsrConfig, IsrResult, load_instrument, remove_signature
from pipeline.process.config import ReadConfig

FRAMES = ("bias", "dark", "flat", "fringe")
"""Calibration frames that may be given."""


def read_image(path: Path, given: ReadConfig, info: ExposureInfo | None) -> Exposure:
    """Read an image as the settings say.

    Parameters
    ----------
    path : Path
        The file.
    given : ReadConfig
        What its header does not say.
    info : ExposureInfo or None
        Which visit it is.

    Returns
    -------
    Exposure
    """
    return read_exposure(
        path,
        hdu=given.hdu,
        instrument=given.instrument,
        info=info,
        unit=given.unit,
        gain=given.gain,
        read_noise=given.read_noise,
    )


def read_raw(path: Path, given: ReadConfig, info: ExposureInfo | None) -> list[Exposure]:
    """Read the images of a raw file: one for each amplifier that has its own.

    Parameters
    ----------
    path : Path
        The file.
    given : ReadConfig
        Names the description of the instrument.
    info : ExposureInfo or None
        Which visit it is.

    Returns
    -------
    list of Exposure

    Raises
    ------
    ReadError
        It cannot be read.
    IsrError
        It has fewer images than the instrument has amplifiers.
    """
    instrument = load_instrument(given.instrument)
    n = 1 + max(amplifier.image for amplifier in instrument.amplifiers)
    if n == 1:
        return [read_image(path, given, info)]
    with opened(path) as hdus:
        numbers = image_hdus(hdus)
    if len(numbers) < n:
        raise IsrError(
            f"{path}: {len(numbers)} images, the instrument {instrument.name} has {n}; name "
            "another description by instrument in section [read]"
        )
    return [
        read_exposure(path, hdu=number, instrument=given.instrument, info=info, unit="adu")
        for number in numbers[:n]
    ]


def read_frames(
    path: Path, given: ReadConfig, info: ExposureInfo | None, *, raw: bool
) -> list[Exposure]:
    """Read a file, raw or not, with the filter that the settings name.

    Parameters
    ----------
    path : Path
        The file.
    given : ReadConfig
        What its header does not say.
    info : ExposureInfo or None
        Which visit it is.
    raw : bool
        Whether it is a raw frame.

    Returns
    -------
    list of Exposure
        One, or for raw frames one for each amplifier that has its own image.

    Raises
    ------
    ReadError
        It cannot be read.
    IsrError
        It has fewer images than the instrument has amplifiers.
    """
    read = read_raw(path, given, info) if raw else [read_image(path, given, info)]
    if read[0].info is not None and given.band is not None:
        read[0] = read[0].with_(info=replace(read[0].info, band=given.band))
    return read


def without_signature(
    raws: list[Exposure], instrument: str, frames: Mapping[str, Exposure], config: IsrConfig
) -> IsrResult:
    """Take the signature of the instrument off raw images.

    Parameters
    ----------
    raws : list of Exposure
        Images of the file.
    instrument : str
        Name of the description, or its file.
    frames : mapping of str to Exposure
        Calibration frames by name, of `FRAMES`.
    config : IsrConfig
        Settings.

    Returns
    -------
    IsrResult
    """
    return remove_signature(raws, load_instrument(instrument), config=config, **frames)
