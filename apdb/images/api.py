"""Images of the store, by name and by place on the sky; part of `apdb.Apdb`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apdb.archive.place import Place
from apdb.errors import ImagesUnavailable, InvalidInput, Problem
from apdb.images.choose import Template
from apdb.images.files import Written, image_path, local_copy, put, telling
from apdb.input.visit import Visit
from apdb.session import Session

KINDS = ("calibrated", "difference", "sources", "dia_sources", "fakes", "matches")
"""What may be in a file of the image store."""

Write = Callable[[Path], None]
"""Writes what it stands for into a file."""

_NAMES = (
    *("kind", "visit", "detector", "run", "band", "midpoint_mjd_tai", "template_id", "state"),
    *("boundary", "path", "size", "sha256"),
)
_COLUMNS = ", ".join(f"i.{name}" for name in _NAMES)


@dataclass(frozen=True)
class StoredImage:
    """A file of the image store.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    visit, detector : int
        Of which image.
    run : str
        Tag of the run that made it; empty for the production.
    band : str
        Band.
    midpoint_mjd_tai : float
        Middle of the exposure, MJD TAI.
    boundary : tuple of float
        Corners, ra1, dec1, ra2, dec2 and so on [deg].
    template_id : int or None
        Template that was subtracted.
    state : str
        ``whole``, ``expired`` or ``removed``.
    file : Written
        Where it is.
    """

    kind: str
    visit: int
    detector: int
    run: str
    band: str
    midpoint_mjd_tai: float
    boundary: tuple[float, ...]
    template_id: int | None
    state: str
    file: Written


class Images(Session):
    """The image store of a database."""

    def image_place(self) -> Place | None:
        """Return the root of the image store; None if the database has none.

        Returns
        -------
        Place or None

        Raises
        ------
        ImagesUnavailable
            Its URL is none that can be opened.
        """
        with self.reading() as connection:
            row = connection.execute("select apdb.setting('image_url')").fetchone()
        assert row is not None
        with telling():
            return Place(row[0]) if row[0] else None

    def put_images(
        self,
        visit: Visit,
        files: Mapping[str, Write],
        *,
        run: str = "",
        template_id: int | None = None,
    ) -> list[Written]:
        """Write what was made of an image, and put it into the index.

        Each file is whole under its name before the index has it; what the same run made of the
        image before is current no longer.

        Parameters
        ----------
        visit : Visit
            Which image; it must have a boundary.
        files : mapping of str to callable
            By kind, one of `KINDS`: writes the content into a local file.
        run : str, optional
            Tag of the run; empty for the production.
        template_id : int, optional
            Template that was subtracted.

        Returns
        -------
        list of Written
            In the order of `files`; empty where the database has no image store.

        Raises
        ------
        InvalidInput
            The filter is unknown, or the visit has no boundary.
        ImagesUnavailable
            The place does not answer, refuses, or has no room; nothing is in the index.
        """
        place = self.image_place()
        if place is None:
            return []
        corners = _corners(visit)
        with self.reading() as connection:
            row = connection.execute(
                "select apdb.setting('site_longitude')::double precision"
            ).fetchone()
        assert row is not None
        night = visit.night(row[0])
        written = [
            put(place, image_path(run, night, visit.visit, visit.detector, kind), write)
            for kind, write in files.items()
        ]
        values = (
            *(visit.visit, visit.detector, run, visit.band, visit.midpoint_mjd_tai),
            *(visit.ra, visit.dec, visit.radius, corners, template_id, list(files)),
            [each.path for each in written],
            [each.size for each in written],
            [each.sha256 for each in written],
        )
        with self.connection() as connection:
            connection.execute(
                "select apdb.register_images(%s, %s::integer, %s, %s, %s, %s, %s, %s, "
                "%s::double precision[], %s::bigint, %s::text[], %s::text[], %s::bigint[], "
                "%s::bytea[])",
                values,
            )
        return written

    def images_of(self, visit: int, detector: int, *, run: str = "") -> dict[str, StoredImage]:
        """Return what is in the image store of an image.

        Parameters
        ----------
        visit, detector : int
            Which image.
        run : str, optional
            Tag of the run; empty for the production.

        Returns
        -------
        dict of str to StoredImage
            By kind.
        """
        query = (
            f"select {_COLUMNS} from apdb.image as i where i.visit = %s and i.detector = %s "  # noqa: S608 - our own names
            "and i.run = %s and i.is_current and i.state = 'whole'"
        )
        found = self._images(query, (visit, detector, run))
        return {each.kind: each for each in found}

    def images_at(
        self,
        ra: float,
        dec: float,
        *,
        from_mjd_tai: float = float("-inf"),
        until_mjd_tai: float = float("inf"),
        kind: str = "difference",
        run: str = "",
    ) -> list[StoredImage]:
        """Return the images that cover a position, in time order.

        Parameters
        ----------
        ra, dec : float
            Position, ICRS [deg].
        from_mjd_tai, until_mjd_tai : float, optional
            Midpoints from the one on and before the other.
        kind : str, optional
            One of `KINDS`.
        run : str, optional
            Tag of the run; empty for the production.

        Returns
        -------
        list of StoredImage

        Raises
        ------
        InvalidInput
            The position is out of range.
        """
        query = f"select {_COLUMNS} from apdb.images_at(%s, %s, %s, %s, %s, %s) as i"  # noqa: S608 - our own names
        return self._images(query, (ra, dec, from_mjd_tai, until_mjd_tai, kind, run))

    @contextmanager
    def image_file(self, image: StoredImage | Template) -> Iterator[Path]:
        """Lend a file of the image store as a local file.

        Parameters
        ----------
        image : StoredImage or Template
            Which.

        Yields
        ------
        Path

        Raises
        ------
        ImagesUnavailable
            It is gone, or not what was written, or the database has no image store.
        """
        place = self.images_root()
        with local_copy(place, image.file) as path:
            yield path

    def images_root(self) -> Place:
        """Return the root of the image store.

        Returns
        -------
        Place

        Raises
        ------
        ImagesUnavailable
            The database has none, or its URL is none that can be opened.
        """
        place = self.image_place()
        if place is None:
            raise ImagesUnavailable(
                "This database has no image store: the setting image_url is empty."
            )
        return place

    def _images(self, query: str, values: Sequence[object]) -> list[StoredImage]:
        with self.reading() as connection:
            rows = connection.execute(query.encode(), values).fetchall()
        return [_image(dict(zip(_NAMES, row, strict=True))) for row in rows]


def _image(row: dict[str, Any]) -> StoredImage:
    file = Written(row.pop("path"), row.pop("size"), row.pop("sha256"))
    return StoredImage(boundary=tuple(row.pop("boundary")), file=file, **row)


def _corners(visit: Visit) -> list[float]:
    if visit.boundary is None:
        text = "images go into the store by their corners: give the visit a boundary"
        raise InvalidInput(problems=[Problem(None, "boundary", "None", text)])
    return [float(number) for corner in visit.boundary for number in corner]
