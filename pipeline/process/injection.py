"""Fakes on their way through the stages: injected before the subtraction, matched after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.table import Table

from pipeline.calibrate import Calibrated
from pipeline.errors import FakesError
from pipeline.exposure import Exposure, Metrics
from pipeline.fakes import FakesConfig, Matches, completeness, draw_fakes, inject, match


class Injection:
    """Fakes of one image.

    Parameters
    ----------
    config : FakesConfig
        How many of what.
    seed : int
        Of the fakes, together with visit and detector: the same image gets the same fakes.

    Attributes
    ----------
    table : Table or None
        What was injected.
    matches : Matches or None
        What became of it.
    """

    def __init__(self, config: FakesConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self.table: Table | None = None
        self.matches: Matches | None = None

    def into_science(self, calibrated: Calibrated) -> Calibrated:
        """Draw fakes for an image and add those that are not of the template.

        Parameters
        ----------
        calibrated : Calibrated
            Image and sources; those that are no stars are hosts.

        Returns
        -------
        Calibrated
        """
        exposure = calibrated.exposure
        if exposure.info is not None:
            key = (self._seed, exposure.info.visit, exposure.info.detector)
            self._rng = np.random.default_rng(key)
        hosts = calibrated.sources[~np.asarray(calibrated.sources["is_star"], bool)]
        drawn = draw_fakes(exposure, self._rng, self._config, hosts=hosts if len(hosts) else None)
        exposure, self.table = inject(exposure, drawn, self._rng)
        return replace(calibrated, exposure=exposure)

    def into_template(self, template: Exposure) -> Exposure:
        """Add the fakes of the template.

        Parameters
        ----------
        template : Exposure
            On the pixels of the image.

        Returns
        -------
        Exposure
        """
        assert self.table is not None
        exposure, self.table = inject(template, self.table, self._rng, template=True)
        return exposure

    def found(self, dia_sources: Table, science: Exposure) -> Metrics:
        """Match the fakes with what was found.

        Parameters
        ----------
        dia_sources : Table
            What was found.
        science : Exposure
            The image.

        Returns
        -------
        dict of str to float
            Numbers, and the S/N at which half are found.
        """
        assert self.table is not None
        scale = 0.2 if science.wcs is None else science.pixel_scale
        self.matches = match(self.table, dia_sources, pixel_scale=scale)
        try:
            efficiency = completeness(self.matches.fakes)
        except FakesError:
            # No fake is usable: there is nothing to say of them.
            return self.matches.metrics
        return self.matches.metrics | efficiency.metrics
