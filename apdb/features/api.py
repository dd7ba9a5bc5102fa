"""Characterisation of objects as part of `apdb.Apdb`, and what analysts read of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from apdb.errors import NotFound
from apdb.features import run
from apdb.features.names import NON_PERIODIC, PERIODIC, Feature
from apdb.features.run import Characterized, FeaturesDue, Progress
from apdb.query.call import whole
from apdb.query.tables_out import fetch_table
from apdb.schema.catalogue import Column, catalogue
from apdb.session import Session

if TYPE_CHECKING:
    from astropy.table import Table

_KEYS = ("dia_object_id", "band", "n_points", "first_mjd_tai", "last_mjd_tai", "made_mjd_tai")


class Features(Session):
    """What the points of an object say: variability, proper motion and parallax."""

    def characterize(
        self,
        dia_object_ids: Sequence[int] | None = None,
        *,
        jobs: int = 1,
        limit: int | None = None,
        everything: bool = False,
        progress: Progress | None = None,
    ) -> Characterized:
        """Characterise the objects that visits and corrections touched since they were last.

        Features of light curves by band, proper motion and parallax.  May be broken off at any time
        and goes on at the next call; any number of processes may work at once, also on several
        machines.

        Parameters
        ----------
        dia_object_ids : sequence of int, optional
            Only these, due or not.
        jobs : int, optional
            Processes to work with; 1 works in this one.
        limit : int, optional
            Most objects; the others stay in the queue.
        everything : bool, optional
            All objects are due, as after a change of the settings.
        progress : callable, optional
            Called with the number of objects done and of all.

        Returns
        -------
        Characterized

        Raises
        ------
        InvalidInput
            An argument is out of range.
        NotFound
            There is no such object.
        Busy
            Other sessions held the sky for minutes; what was done stays.
        """
        return run.characterize(
            self,
            jobs=jobs,
            limit=limit,
            everything=everything,
            dia_object_ids=dia_object_ids,
            progress=progress,
        )

    def features_due(self) -> FeaturesDue:
        """Return the state of the queue of characterisation.

        Returns
        -------
        FeaturesDue
        """
        return run.features_due(self)

    def features(self, dia_object_id: int) -> Table:
        """Return the features of the light curves of an object.

        Parameters
        ----------
        dia_object_id : int
            The object.

        Returns
        -------
        astropy.table.Table
            A row for each band, a column for each feature (`apdb.features.names`) with its unit;
            masked where the points do not determine it.  No rows if the object was not
            characterised.

        Raises
        ------
        NotFound
            There is no such object.
        """
        return self._characterised(dia_object_id, "light_curve_feature", _feature_columns(), "band")

    def astrometry(self, dia_object_id: int) -> Table:
        """Return proper motion and parallax of an object.

        Parameters
        ----------
        dia_object_id : int
            The object.

        Returns
        -------
        astropy.table.Table
            One row, or none if the object was not characterised; masked where the sources do not
            determine it.

        Raises
        ------
        NotFound
            There is no such object.
        """
        columns = catalogue().tables["dia_object_astrometry"].columns
        return self._characterised(dia_object_id, "dia_object_astrometry", columns, "store_seq")

    def _characterised(
        self, dia_object_id: int, view: str, columns: Sequence[Column], order: str
    ) -> Table:
        number = whole("dia_object_id", dia_object_id)
        query = sql.SQL("select {} from {} as v where v.dia_object_id = %s order by {}").format(
            sql.SQL(", ").join(sql.Identifier("v", each.name) for each in columns),
            sql.Identifier("apdb", view),
            sql.Identifier("v", order),
        )
        with self.reading() as connection:
            found = fetch_table(connection, query, (number,), columns)
            known = connection.execute(
                "select from apdb.dia_object as o where o.dia_object_id = %s", (number,)
            ).fetchone()
        if known is None:
            raise NotFound(f"There is no DIAObject {dia_object_id}.")
        return found


def _feature_columns() -> list[Column]:
    definition = catalogue().tables["dia_object_feature"]
    keys = [definition.column(key) for key in _KEYS]
    return keys + [_column(feature) for feature in (*PERIODIC, *NON_PERIODIC)]


def _column(feature: Feature) -> Column:
    return Column(
        name=feature.name,
        dpdd_name=feature.packet_name,
        datatype="float",
        array=False,
        nullable=True,
        default=None,
        unit=feature.unit,
        ucd=None,
        description=feature.meaning,
    )
