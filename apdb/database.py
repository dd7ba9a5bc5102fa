"""`connect` and `Apdb`: what a program sees of the database."""

from __future__ import annotations

import os
from typing import Any

from apdb.corrections import Corrections
from apdb.crossmatch import Crossmatches
from apdb.ephemeris import Ephemerides
from apdb.expectations import Expectations
from apdb.features.api import Features
from apdb.forced import ForcedPhotometry
from apdb.input.visit import Visit
from apdb.precovery.run import Precovery
from apdb.query.queries import Queries
from apdb.query.status import Monitoring
from apdb.reference.load import ReferenceCatalogues
from apdb.reference.neighbours import Neighbours
from apdb.retrieval.alerts import Alerts
from apdb.settings import Settings
from apdb.solar_system.attribute import Attribution
from apdb.solar_system.day import MovingObjects
from apdb.solar_system.load import OrbitTables
from apdb.solar_system.nightly import NightlyEphemerides
from apdb.solar_system.reports import MpcReports
from apdb.solar_system.science import SolarSystemScience
from apdb.store import Rule, StoreReport, store_visit


def default_dsn() -> str:
    """Return the DSN of APDB_DSN, else that of the private cluster."""
    from apdb.server.cluster import Cluster

    return os.environ.get("APDB_DSN") or Cluster().dsn()


def connect(
    dsn: str | None = None, *, busy_timeout: float = 30.0, max_connections: int = 8
) -> Apdb:
    """Connect to an alert production database.

    Parameters
    ----------
    dsn : str, optional
        libpq string or URL.  Default: environment APDB_DSN, else the private cluster of this user.
    busy_timeout : float, optional
        How long to wait for another session that holds the same sky [s].
    max_connections : int, optional
        Most connections at once, for as many threads; further threads wait.

    Returns
    -------
    Apdb

    Raises
    ------
    ServerNotRunning
        Nothing answers there.
    SchemaMismatch
        The schema is missing, or older or newer than this code.
    """
    return Apdb(dsn or default_dsn(), busy_timeout=busy_timeout, max_connections=max_connections)


class Apdb(
    Alerts,
    Attribution,
    Corrections,
    Crossmatches,
    Ephemerides,
    Expectations,
    Features,
    ForcedPhotometry,
    Monitoring,
    MovingObjects,
    MpcReports,
    Neighbours,
    NightlyEphemerides,
    OrbitTables,
    Precovery,
    Queries,
    ReferenceCatalogues,
    Settings,
    SolarSystemScience,
):
    """An alert production database; made by `connect`, safe to share between threads."""

    def store_visit(
        self,
        visit: Visit,
        sources: object,
        *,
        forced: Any = None,
        radius: float | None = None,
        associate: Rule | None = None,
        dry_run: bool = False,
        cutouts: Any = None,
    ) -> StoreReport:
        """Store a visit's DIASources: attribute, associate, start objects, update their summaries.

        One transaction: after any failure nothing of the visit is stored and the call may be
        repeated.  The same content again changes nothing and returns the stored report.

        Parameters
        ----------
        visit : Visit
            Which exposure and detector, when and where.
        sources : object
            astropy Table, DataFrame, Arrow table, structured array or mapping of arrays.
            dia_source_id, ra, dec [deg], psf_flux and psf_flux_err [nJy] are enough; snake_case or
            DPDD names.  raErr includes cos(dec).
        forced : callable or table, optional
            Called with an astropy Table (dia_object_id, ra, dec [deg], followed_id, requested_by;
            the visit in its meta) of the positions that want forced photometry; returns a table
            with dia_object_id, followed_id, psf_flux and psf_flux_err.  Of a followed position (see
            `follow`) dia_object_id is 0, of an object followed_id; where nothing is followed,
            followed_id may be left out.  Or such a table.  The callable runs inside the
            transaction.
        radius : float, optional
            Association radius [arcsec], above 0 and at most 60.  Default: that of the database.
        associate : {"nearest", "likelihood"}, optional
            Association rule.  Default: that of the database.
        dry_run : bool, optional
            Show the outcome and write nothing.
        cutouts : mapping, optional
            Stamps for the alerts, in the order of the sources, by kind: ``difference``,
            ``science``, ``template``; each an `apdb.archive.stamps.Stamps` or a sequence of FITS
            files as bytes, None for a source without.  Ignored where no archive is set.

        Returns
        -------
        StoreReport
            Arrays in the order of the input.

        Raises
        ------
        InvalidInput
            With every bad row and column; IdConflict if ids are stored under another visit.
        VisitConflict
            The visit is stored with other content.
        Busy
            Another session holds the sky; may be retried.
        TooManyObjects
            The visit would start more objects than the database allows.
        ConnectionLost
            The connection broke and it is unknown whether the visit was stored: repeat it.
        """
        return store_visit(
            self,
            visit,
            sources,
            forced=forced,
            radius=radius,
            associate=associate,
            dry_run=dry_run,
            cutouts=cutouts,
        )
