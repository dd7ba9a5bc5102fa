"""The stages of one image: from a FITS file to measured DIASources, without any database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table

from apdb.archive.stamps import Stamps
from pipeline.calibrate import Calibrated, calibrate
from pipeline.classify import default_model, load_model, score
from pipeline.classify.pixels import HALF
from pipeline.detect import Detections, detect
from pipeline.errors import TemplateError
from pipeline.exposure import Exposure, Metrics
from pipeline.measure import measure
from pipeline.process.config import ProcessConfig
from pipeline.process.cutouts import cutouts
from pipeline.process.forced import MODEL_ERROR
from pipeline.process.injection import Injection
from pipeline.process.same_pixels import same_pixels
from pipeline.subtract import Difference, subtract
from pipeline.template import align

Watch = Callable[[str], None]
"""Told the name of a stage as it begins."""


@dataclass
class Course:
    """How an image goes through the stages.

    Attributes
    ----------
    watch : callable
        Told the name of each stage as it begins.
    stage : str
        The one that it is in, or was in last.
    timings : dict of str to float
        Seconds of each.
    metrics : dict of str to float
        Measurements of all.
    """

    watch: Watch = field(default=lambda _stage: None)
    stage: str = "read"
    timings: dict[str, float] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=dict)

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Be in a stage for as long as a block takes.

        Parameters
        ----------
        stage : str
            Its name.
        """
        self.stage = stage
        self.watch(stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.timings[stage] = round(self.timings.get(stage, 0.0) + spent, 4)


@dataclass(frozen=True)
class Products:
    """What the stages made of an image.

    Attributes
    ----------
    calibrated : Calibrated
        Image in nJy, and its sources.
    template : Exposure
        On the pixels of the image, before it was matched.
    difference : Difference
        Image less matched template.
    detections : Detections
        What was found in it.
    dia_sources : Table
        What was measured of that: columns of dia_source.
    """

    calibrated: Calibrated
    template: Exposure
    difference: Difference
    detections: Detections
    dia_sources: Table

    @cached_property
    def searched(self) -> Exposure:
        """The difference as it was searched, its variance that of blank sky."""
        exposure, noise = self.detections.exposure, self.detections.noise.image()
        variance = (exposure.variance * np.square(noise)).astype(np.float32)
        header = exposure.header.copy()
        header[MODEL_ERROR] = (
            self.difference.models.flux,
            "of fluxes by PSF and kernel, fraction",
        )
        return exposure.with_(variance=variance, header=header)

    def stamps(self, half: int) -> dict[str, Stamps]:
        """Return the stamps of the sources.

        Parameters
        ----------
        half : int
            Pixels on either side of the middle one.

        Returns
        -------
        dict of str to Stamps
            By kind, as `apdb.Apdb.store_visit` takes them.
        """
        found, template = self.dia_sources, self.difference.matched_template
        images = (self.searched, self.calibrated.exposure, template)
        return cutouts(*images, found["x"], found["y"], half=half)


def calibrated_template(
    template: Exposure, refcat: Table | None, config: ProcessConfig
) -> Exposure:
    """Return a template in nJy with a PSF; one that has both is returned as it is.

    Parameters
    ----------
    template : Exposure
        As read.
    refcat : Table or None
        Reference stars, for those that are not calibrated.
    config : ProcessConfig
        Settings.

    Returns
    -------
    Exposure

    Raises
    ------
    TemplateError
        It cannot be calibrated.
    """
    if template.unit == "nJy" and template.psf is not None:
        return template
    return calibrate(template, refcat, config.calibrate).exposure


def on_pixels_of(science: Calibrated, template: Exposure, course: Course) -> Exposure:
    """Return the template on the pixels of the science image, registered to its stars.

    Parameters
    ----------
    science : Calibrated
        Science image.
    template : Exposure
        In nJy, with PSF and WCS.
    course : Course
        Told what was measured.

    Returns
    -------
    Exposure

    Raises
    ------
    TemplateError
        One of them has no WCS, or they do not overlap.
    """
    image = science.exposure
    if same_pixels(template, image):
        return template
    for name, exposure in (("science image", image), ("template", template)):
        if exposure.wcs is None:
            raise TemplateError(
                f"the {name} has no world coordinates; give a reference catalogue (--refcat), and "
                "a pointing in section [calibrate]"
            )
    aligned = align(template, image, science.sources)
    course.metrics |= aligned.metrics
    return aligned.exposure


def run_stages(
    science: Exposure,
    template: Callable[[Calibrated], Exposure],
    refcat: Callable[[], Table | None],
    config: ProcessConfig,
    course: Course,
    injection: Injection | None = None,
) -> Products:
    """Take an image through all stages.

    Parameters
    ----------
    science : Exposure
        After isr, in any unit.
    template : callable
        Returns the template for the calibrated image.
    refcat : callable
        Returns the reference stars, or None.
    config : ProcessConfig
        Settings.
    course : Course
        Told of each stage, its time and its measurements.
    injection : Injection, optional
        Fakes to inject before the subtraction.

    Returns
    -------
    Products

    Raises
    ------
    StageError
        A stage cannot go on.
    """
    with course.at("calibrate"):
        calibrated = calibrate(science, refcat(), config.calibrate)
        course.metrics |= calibrated.metrics
    with course.at("template"):
        matched = on_pixels_of(calibrated, template(calibrated), course)
    if injection is not None:
        with course.at("fakes"):
            calibrated = injection.into_science(calibrated)
            matched = injection.into_template(matched)
    with course.at("subtract"):
        difference = subtract(calibrated.exposure, matched, calibrated.sources, config.subtract)
        course.metrics |= difference.metrics
    with course.at("detect"):
        detections = detect(difference, config.detect)
        course.metrics |= detections.metrics
    with course.at("measure"):
        sources = measure(
            detections, difference, calibrated.exposure, difference.matched_template, config.measure
        )
        course.metrics |= sources.meta.pop("metrics")
    products = Products(calibrated, matched, difference, detections, sources)
    if config.run.classify:
        with course.at("classify"):
            classify(products, config.run.model, course)
    if injection is not None:
        with course.at("fakes"):
            course.metrics |= injection.found(sources, calibrated.exposure)
    return products


def classify(products: Products, path: Path | None, course: Course) -> None:
    """Give the sources their reliability.

    Parameters
    ----------
    products : Products
        Their table gets the columns reliability and reliability_version.
    path : Path or None
        File of the model; None for the one of the package.
    course : Course
        Told what was measured.

    Raises
    ------
    ClassifyError
        The model cannot be used.
    """
    found = products.dia_sources
    model = default_model() if path is None else load_model(path)
    found["reliability"] = score(found, products.stamps(HALF), model).astype(np.float32)
    found["reliability_version"] = np.full(len(found), model.version)
    course.metrics["classify.n_reliable"] = float(np.sum(found["reliability"] >= model.cut))
    course.metrics["classify.cut"] = model.cut
