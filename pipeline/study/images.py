"""Images of a study: calibrated, with a template on their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from pipeline.calibrate import CalibrateConfig, Calibrated, calibrate
from pipeline.errors import ReadError
from pipeline.exposure import Exposure
from pipeline.io import read_exposure
from pipeline.scene.config import NightConfig
from pipeline.scene.night import simulate_night
from pipeline.template import align

#: Magnitude of one count of images whose zero point nobody knows; nothing depends on it.
_ZERO_POINT = 25.0


@dataclass(frozen=True)
class Pair:
    """A science image and its template.

    Attributes
    ----------
    series : str
        Images of one series show the same field.
    name : str
        Of the image.
    band : str
        Filter.
    science, template : Exposure
        In nJy, on the same pixels, with PSFs.
    sources : astropy.table.Table
        Of the science image.
    truth : astropy.table.Table or None
        What changed, as `pipeline.scene` has it; None where nobody knows.
    """

    series: str
    name: str
    band: str
    science: Exposure
    template: Exposure
    sources: Table
    truth: Table | None


def simulated_pairs(config: NightConfig, folder: Path) -> Iterator[Pair]:
    """Simulate a night and calibrate it.

    Parameters
    ----------
    config : NightConfig
        What is in it.
    folder : Path
        For its files.

    Yields
    ------
    Pair
        One for each visit.
    """
    night = simulate_night(config, folder, raw=False)
    for visit in night.visits:
        calibrated = calibrate(read_exposure(visit.science))
        truth = night.truth[np.asarray(night.truth["visit"]) == visit.info.visit]
        template = read_exposure(visit.template)
        yield _pair("simulated", visit.info.band, calibrated, template, truth)


def real_pairs(
    paths: Sequence[Path], *, series: str, band: str, every: bool = False
) -> Iterator[Pair]:
    """Calibrate frames of one field; the one with the best seeing is the template of the others.

    Parameters
    ----------
    paths : sequence of Path
        FITS files.
    series : str
        Name for them.
    band : str
        Filter.
    every : bool
        Every frame in turn is the template of all others.

    Yields
    ------
    Pair
        One for each frame but the template; with `every`, one for each ordered pair.

    Raises
    ------
    ReadError
        There are fewer than two.
    """
    if len(paths) < 2:
        raise ReadError(f"{len(paths)} frames make no pair; give at least two of one field")
    config = CalibrateConfig(zero_point=_ZERO_POINT)
    frames = [calibrate(read_exposure(path), None, config) for path in paths]
    best = min(range(len(frames)), key=lambda i: frames[i].metrics["calibrate.psf_fwhm"])
    for template in range(len(frames)) if every else [best]:
        for number, frame in enumerate(frames):
            if number != template:
                pair = _pair(series, band, frame, frames[template].exposure, None)
                yield replace(pair, name=f"{pair.name}-{template}") if every else pair


def _pair(
    series: str, band: str, science: Calibrated, template: Exposure, truth: Table | None
) -> Pair:
    """Put a template on the pixels of an image."""
    image = science.exposure
    assert image.info is not None
    exposure = image.with_(info=replace(image.info, band=band))
    aligned = align(template, exposure, science.sources).exposure
    name = str(image.info.visit)
    return Pair(series, name, band, exposure, aligned, science.sources, truth)
