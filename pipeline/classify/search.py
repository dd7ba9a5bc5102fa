"""From a calibrated image and a template on its pixels to measured sources with stamps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table

from apdb.archive.stamps import Stamps
from pipeline.classify.pixels import HALF
from pipeline.detect import DetectConfig, Detections, detect
from pipeline.exposure import Exposure
from pipeline.measure import MeasureConfig, measure
from pipeline.process.cutouts import cutouts
from pipeline.subtract import Difference, SubtractConfig, subtract


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the stages of a search.

    Attributes
    ----------
    subtract : SubtractConfig
        The match of template and image.
    detect : DetectConfig
        Sources of the difference.
    measure : MeasureConfig
        Their measurement.
    """

    subtract: SubtractConfig = field(default_factory=SubtractConfig)
    detect: DetectConfig = field(default_factory=DetectConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes
    ----------
    table : astropy.table.Table
        Measured sources.
    stamps : dict of str to Stamps
        Of each.
    difference : Difference
        What was searched.
    detections : Detections
        Before measurement.
    """

    table: Table
    stamps: dict[str, Stamps]
    difference: Difference
    detections: Detections


def search(
    science: Exposure,
    template: Exposure,
    sources: Table | None = None,
    config: SearchConfig | None = None,
) -> Search:
    """Subtract, detect, measure and cut out.

    Parameters
    ----------
    science : Exposure
        Calibrated image [nJy] with PSF.
    template : Exposure
        On the same pixels.
    sources : astropy.table.Table, optional
        Stars of the science image, for the kernel.
    config : SearchConfig, optional
        Settings.

    Returns
    -------
    Search

    Raises
    ------
    StageError
        A stage cannot go on.
    """
    config = config or SearchConfig()
    difference = subtract(science, template, sources, config.subtract)
    found = detect(difference, config.detect)
    matched = difference.matched_template
    table = measure(found, difference, science, matched, config.measure)
    noise = np.square(found.noise.image())
    searched = found.exposure.with_(variance=found.exposure.variance * noise)
    stamps = cutouts(searched, science, matched, table["x"], table["y"], half=HALF)
    return Search(table, stamps, difference, found)
