"""Templates of the image store; part of `apdb.Apdb`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from apdb.errors import InvalidInput, NotFound, Problem
from apdb.images.api import Images, Write
from apdb.images.choose import MIN_COVERAGE, Choice, Template, choose
from apdb.images.files import Written, put, template_path
from apdb.input.footprint import bounding_circle
from apdb.input.sphere import unit_vectors
from apdb.input.visit import Visit


class Templates(Images):
    """The templates of a database."""

    def add_template(
        self,
        name: str,
        band: str,
        write: Write,
        boundary: Sequence[tuple[float, float]],
        *,
        visits: Sequence[int] = (),
        n_exposures: int | None = None,
        span_mjd_tai: tuple[float, float] | None = None,
        seeing: float | None = None,
        noise: float | None = None,
    ) -> Template:
        """Put a template into the image store, as the next version of its name and band.

        Parameters
        ----------
        name : str
            What it is called, such as a patch of sky.
        band : str
            Filter or band.
        write : callable
            Writes it into a local file.
        boundary : sequence of (float, float)
            Corners, ra and dec [deg].
        visits : sequence of int, optional
            What it was made of, as far as known: it is never subtracted from those.
        n_exposures : int, optional
            How many; by default the number of `visits`.
        span_mjd_tai : (float, float), optional
            Earliest and latest of them.
        seeing : float, optional
            Full width at half maximum of its PSF [arcsec].
        noise : float, optional
            Median noise of a pixel [nJy].

        Returns
        -------
        Template

        Raises
        ------
        InvalidInput
            The filter is unknown, the name is empty, or the boundary is no polygon.
        ImagesUnavailable
            The place cannot be written, or the database has no image store.
        """
        corners = [float(number) for corner in boundary for number in corner]
        try:
            ra, dec, radius = bounding_circle(unit_vectors(corners[::2], corners[1::2]))
        except ValueError as error:
            problem = Problem(None, "boundary", str(boundary), str(error))
            raise InvalidInput(problems=[problem]) from error
        written = put(self.images_root(), template_path(name, band), write)
        first, last = span_mjd_tai or (None, None)
        values = (
            *(name, band, written.path, ra, dec, radius, corners),
            *(len(visits) if n_exposures is None else n_exposures, list(visits), first, last),
            *(seeing, noise, written.size, written.sha256),
        )
        with self.connection() as connection:
            row = connection.execute(
                "select template_id from apdb.add_template(%s, %s, %s, %s, %s, %s, "
                "%s::double precision[], %s::integer, %s::bigint[], %s, %s, %s::real, %s::real, "
                "%s, %s)",
                values,
            ).fetchone()
        assert row is not None
        return self.template(row[0])

    def template(self, template_id: int) -> Template:
        """Return a template by its number.

        Parameters
        ----------
        template_id : int
            Its number.

        Returns
        -------
        Template

        Raises
        ------
        NotFound
            There is none.
        """
        query = "select t.* from apdb.template as t where t.template_id = %s"
        found = self._templates(query, (template_id,))
        if not found:
            raise NotFound(f"There is no template {template_id}; `apdb templates list` shows them")
        return found[0]

    def templates(self, *, retired: bool = False) -> list[Template]:
        """Return the templates by name, band and version.

        Parameters
        ----------
        retired : bool, optional
            Those that are chosen no more, too.

        Returns
        -------
        list of Template
        """
        query = (
            "select t.* from apdb.template as t where %s or t.retired_mjd_tai is null "
            "order by t.name, t.band, t.version"
        )
        return self._templates(query, (retired,))

    def retire_template(self, template_id: int) -> None:
        """Have a template chosen no more; its file stays for `image_keep_days`.

        Parameters
        ----------
        template_id : int
            Which.

        Raises
        ------
        NotFound
            There is none.
        """
        with self.connection() as connection:
            connection.execute("select apdb.retire_template(%s)", (template_id,))

    def template_candidates(self, visit: Visit) -> list[Template]:
        """Return the templates near an image: of its band, not retired, not made of it.

        Parameters
        ----------
        visit : Visit
            The image.

        Returns
        -------
        list of Template

        Raises
        ------
        InvalidInput
            The filter is unknown.
        """
        query = "select t.* from apdb.template_candidates(%s, %s, %s, %s, %s) as t"
        place = (visit.visit, visit.band, visit.ra, visit.dec, visit.radius)
        return self._templates(query, place)

    def choose_template(self, visit: Visit, *, min_coverage: float = MIN_COVERAGE) -> Choice:
        """Choose the template to subtract from an image; see `apdb.images.choose.choose`.

        Parameters
        ----------
        visit : Visit
            The image.
        min_coverage : float, optional
            Least fraction of it that the template must cover.

        Returns
        -------
        Choice

        Raises
        ------
        NotFound
            None covers enough.
        """
        return choose(self.template_candidates(visit), visit, min_coverage)

    def _templates(self, query: str, values: Sequence[object]) -> list[Template]:
        with self.reading() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            rows = cursor.execute(query.encode(), values).fetchall()
        return [_template(row) for row in rows]


def _template(row: Mapping[str, Any]) -> Template:
    names = (
        *("template_id", "version", "name", "band", "ra", "dec", "radius"),
        *("n_exposures", "seeing", "noise", "created_mjd_tai", "retired_mjd_tai"),
    )
    return Template(
        **{name: row[name] for name in names},
        boundary=tuple(row["boundary"]),
        visits=tuple(row["visits"]),
        file=Written(row["path"], row["size"], row["sha256"]),
    )
