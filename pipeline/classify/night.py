"""What an image teaches: fakes that were injected are real, the rest is taken for not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.table import Table

from pipeline.classify.features import features
from pipeline.classify.lessons import Lesson
from pipeline.classify.search import SearchConfig, search
from pipeline.detect import DetectConfig
from pipeline.exposure import Exposure
from pipeline.fakes import FakesConfig, draw_fakes, inject, match

#: A detection is of an object within this distance [FWHM].
MATCH = 0.6
#: Searched this deep, so that there is something to learn at the threshold.
DEEP = SearchConfig(detect=replace(DetectConfig(), threshold=4.0))
_FAKES = FakesConfig(density=1e6, most=150, snr=(3.0, 20.0), snr_fraction=0.8)


def injected_lesson(
    science: Exposure,
    template: Exposure,
    sources: Table,
    seed: int,
    *,
    known: Table | None = None,
    fakes: FakesConfig | None = None,
) -> Lesson:
    """Inject fakes into an image, search it, and tell fakes from the rest.

    Some of the rest is real: variable stars, asteroids, transients.  What is known of them is left
    out by `known`; of an image without, a model learns that a few of its sources are not what
    they look like, and is too careful by that much.

    Parameters
    ----------
    science : Exposure
        Calibrated image [nJy] with PSF and WCS.
    template : Exposure
        On the same pixels.
    sources : astropy.table.Table
        Stars of the science image, for the kernel.
    seed : int
        Of the fakes; also the number of the image in the lesson.
    known : astropy.table.Table, optional
        ra, dec [deg] of variables, objects of the solar system and transients.
    fakes : FakesConfig, optional
        How many of what; by default up to 150 of S/N 3 to 20, some brighter, 20% in the template.

    Returns
    -------
    Lesson

    Raises
    ------
    StageError
        The image cannot be searched.
    """
    rng = np.random.default_rng([seed, 29])
    drawn = draw_fakes(science, rng, fakes or _FAKES)
    science, drawn = inject(science, drawn, rng)
    template, drawn = inject(template, drawn, rng, template=True)
    found = search(science, template, sources, DEEP)
    radius = MATCH * science.seeing
    real = match(drawn, found.table, radius, pixel_scale=science.pixel_scale).is_fake
    use = np.ones(len(real), bool)
    if known is not None and len(known):
        use = real | ~match(known["ra", "dec"], found.table, 3.0 * radius).is_fake
    table = features(found.table, found.stamps)[use]
    return Lesson(table, real[use], np.full(len(table), seed))
