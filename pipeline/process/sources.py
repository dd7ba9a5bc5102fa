"""Where templates and reference stars of images come from, with those used last at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TypeVar

from astropy.table import Table

from apdb.database import Apdb
from apdb.errors import NotFound
from apdb.images.choose import Choice, Template
from apdb.input.visit import Visit
from pipeline.errors import TemplateError
from pipeline.exposure import Exposure
from pipeline.io import read_exposure
from pipeline.process.config import ProcessConfig
from pipeline.process.refcat import from_database, reference_table, stars_around
from pipeline.process.stages import calibrated_template

T = TypeVar("T")

TEMPLATES_AT_HAND = 2
"""Templates that are kept in memory: of 4096², each is 200 MB."""


class Sources:
    """Templates and reference stars for the images that one process works on.

    Parameters
    ----------
    db : Apdb
        Database with image store and reference catalogues.
    config : ProcessConfig
        Settings.
    template : Path, optional
        File of the template for all images; by default they are chosen in the image store.
    refcat : Path, optional
        File of the reference stars for all images; by default they come from the catalogue of the
        settings, if that is set.
    frames : mapping of str to Path, optional
        Files of calibration frames for raw images: bias, dark, flat, fringe.
    keep : bool, optional
        Keep calibration frames for the images that come after this one.
    """

    def __init__(
        self,
        db: Apdb,
        config: ProcessConfig,
        template: Path | None = None,
        refcat: Path | None = None,
        frames: Mapping[str, Path] | None = None,
        *,
        keep: bool = True,
    ) -> None:
        self._db = db
        self._config = config
        self._template = template
        self._refcat = refcat
        self._frames = dict(frames or {})
        self._keep = keep
        self._masters: dict[str, Exposure] = {}
        self._templates: OrderedDict[object, Exposure] = OrderedDict()
        self._stars: OrderedDict[object, Table] = OrderedDict()
        self._begun: dict[Path, Future[Exposure]] = {}
        self._lock = Lock()

    def begin(self) -> None:
        """Begin to read the files that are not at hand, while others work.

        What is wrong with a file is said where it is asked for.
        """
        wanted = [path for name, path in self._frames.items() if name not in self._masters]
        if self._template is not None and self._template not in self._templates:
            wanted.append(self._template)
        # Two, for the decompressors work beside each other.
        pool = ThreadPoolExecutor(2, "apdb-reading")
        for path in wanted:
            if path not in self._begun:
                self._begun[path] = pool.submit(read_exposure, path)
        pool.shutdown(wait=False)

    def forget(self) -> None:
        """Let go of files that were read ahead and not asked for: next time they may be others."""
        for begun in self._begun.values():
            begun.cancel()
        self._begun.clear()

    def _read(self, path: Path) -> Exposure:
        """Return what a file holds, from who has begun to read it."""
        begun = self._begun.pop(path, None)
        return read_exposure(path) if begun is None else begun.result()

    def is_raw(self, unit: str) -> bool:
        """Tell whether images are raw.

        Parameters
        ----------
        unit : str
            Unit of the image as it was read.

        Returns
        -------
        bool
            As the settings say; else those in adu are, if an instrument is named or calibration
            frames are given.
        """
        read = self._config.read
        if read.raw is not None:
            return read.raw
        return unit == "adu" and (bool(self._frames) or read.instrument != "generic")

    def frames(self) -> dict[str, Exposure]:
        """Return the calibration frames.

        Returns
        -------
        dict of str to Exposure
            By name.
        """
        with self._lock:
            found = dict(self._masters)
            for name, path in self._frames.items():
                if name not in found:
                    found[name] = self._read(path)
            if self._keep:
                self._masters = found
        return found

    def template(self, visit: Visit, stars: Table | None) -> tuple[Exposure, Choice | None]:
        """Return the template for an image.

        Parameters
        ----------
        visit : Visit
            The image.
        stars : Table or None
            Reference stars, for a file that is not calibrated.

        Returns
        -------
        template : Exposure
            In nJy, with PSF.
        choice : Choice or None
            How it was chosen; None for a file.

        Raises
        ------
        TemplateError
            None covers enough of the image, or the file cannot be read.
        """
        if self._template is not None:
            path = self._template

            def read() -> Exposure:
                return calibrated_template(self._read(path), stars, self._config)

            return self._held(self._templates, path, read), None
        try:
            choice = self._db.choose_template(visit, min_coverage=self._config.run.min_coverage)
        except NotFound as error:
            raise TemplateError(
                f"{error}; `apdb templates build` makes one, --template names a file"
            ) from error
        return self._stored(choice.template), choice

    def stars(self, exposure: Exposure) -> Table | None:
        """Return the reference stars for an image.

        Parameters
        ----------
        exposure : Exposure
            As read.

        Returns
        -------
        Table or None
            None where there is no catalogue.

        Raises
        ------
        CalibrateError
            The catalogue cannot be read, or there is none of this name.
        """
        run = self._config.run
        if self._refcat is not None:
            path = self._refcat
            return self._held(self._stars, path, lambda: reference_table(path))
        if run.catalogue is None:
            return None
        return from_database(self._db, run.catalogue, exposure, run.reference_margin)

    def preload(self, ra: float, dec: float, radius: float, band: str) -> int:
        """Have at hand what an announced visit will want.

        Parameters
        ----------
        ra, dec, radius : float
            Circle that the image will be within [deg].
        band : str
            Filter.

        Returns
        -------
        int
            Templates that are at hand for it.
        """
        if self._template is not None:
            return 0
        planned = Visit(0, 0, band, 51544.5, None, ra=ra, dec=dec, radius=radius)
        candidates = self._db.template_candidates(planned)[:TEMPLATES_AT_HAND]
        for each in candidates:
            self._stored(each)
        if self._config.run.catalogue is not None:
            # Into the memory of the database server: the image will ask for its own circle.
            stars_around(self._db, self._config.run.catalogue, (ra, dec, radius), None)
        return len(candidates)

    def _stored(self, template: Template) -> Exposure:
        def read() -> Exposure:
            with self._db.image_file(template) as path:
                return read_exposure(path)

        return self._held(self._templates, template.template_id, read)

    def _held(self, at_hand: OrderedDict[object, T], key: object, read: Callable[[], T]) -> T:
        with self._lock:
            if key not in at_hand:
                at_hand[key] = read()
            at_hand.move_to_end(key)
            while len(at_hand) > TEMPLATES_AT_HAND:
                at_hand.popitem(last=False)
            return at_hand[key]
