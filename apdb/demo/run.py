"""The demonstration: a night of visits into a database of its own, compared with the truth."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.database import Apdb
from apdb.demo.broker import ArchiveReport
from apdb.demo.material import DemoVisit, Material
from apdb.demo.moving import MovingDemo
from apdb.errors import InvalidInput, ServerNotRunning
from apdb.ingest.run import Outcome, Watcher
from apdb.schema import migrate
from apdb.server.cluster import Cluster
from apdb.server.private import prepare_database
from apdb.store import Rule, StoreReport, check_options
from apdb.store_job import STEPS
from apdb.truth import TruthReport, compare

DATABASE = "apdb_demo"
#: Above this number footprints would blacken the map.
MOST_FOOTPRINTS = 2000
N_LIGHT_CURVES = 6

_LIGHT_CURVE_OBJECTS: LiteralString = """
with residual as (
    select
        s.dia_object_id,
        power((s.psf_flux - avg(s.psf_flux) over w) / s.psf_flux_err, 2) as chi2
    from apdb.dia_source as s
    inner join apdb.dia_object as o on s.dia_object_id = o.dia_object_id
    where o.n_dia_sources > (select max(n_dia_sources) / 2 from apdb.dia_object)
        and s.psf_flux_err > 0
    window w as (partition by s.dia_object_id, s.band)
)
select dia_object_id
from residual
group by dia_object_id
order by avg(chi2) desc, dia_object_id
limit %s
"""


@dataclass
class DemoReport:
    """What a demonstration has done.

    Attributes
    ----------
    name, dsn : str
        What was stored, and where.
    n_visits, n_sources : int
        Stored by it.
    n_objects, n_recurring : int
        DIAObjects in the database, and how many of them have more than one source.
    n_unassociated : int
        Sources without any object.
    n_known_moving, n_attributed : int
        Sources of known solar-system objects, and how many of them were attributed rightly.
    truth : TruthReport
        Our objects against the true ones.
    timings : dict of str to float
        Median milliseconds of a visit per step, in order.
    slowest_98 : float
        Milliseconds within which 98% of the visits were stored.
    seconds : float
        Wall time of storing all visits.
    example : int
        A DIAObject worth looking at; 0 if there is none.
    figures : list of Path
        Figures drawn.
    archive : ArchiveReport or None
        The alerts; None if the database has no archive, and so makes none.
    moving : MovingDemo or None
        What was found in a survey of moving objects; None if that was not asked for.
    """

    name: str
    dsn: str
    n_visits: int
    n_sources: int
    n_objects: int
    n_recurring: int
    n_unassociated: int
    n_known_moving: int
    n_attributed: int
    truth: TruthReport
    timings: dict[str, float]
    slowest_98: float
    seconds: float
    example: int = 0
    figures: list[Path] = field(default_factory=list)
    archive: ArchiveReport | None = None
    moving: MovingDemo | None = None


def private_database(*, keep: bool = False) -> str:
    """Start the private server and prepare the demonstration's own database and archive there.

    Parameters
    ----------
    keep : bool, optional
        Keep what an earlier demonstration has stored, instead of starting anew.

    Returns
    -------
    str
        DSN of the database.
    """
    cluster = Cluster()
    cluster.start()
    if not keep:
        try:
            with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
                drop = sql.SQL("drop database if exists {} with (force)")
                connection.execute(drop.format(sql.Identifier(DATABASE)))
        except psycopg.OperationalError as error:
            raise ServerNotRunning(f"No answer from {cluster.socket_dir}: {error}") from error
        # Its alerts refer to a database that is no more.
        shutil.rmtree(cluster.archive(DATABASE), ignore_errors=True)
    if not prepare_database(cluster, DATABASE):
        migrate.upgrade(cluster.dsn(DATABASE))
    return cluster.dsn(DATABASE)


def check_empty(db: Apdb) -> None:
    """Make sure that a database holds no visits.

    Parameters
    ----------
    db : Apdb
        The database.

    Raises
    ------
    InvalidInput
        It does.
    """
    with db.reading() as connection:
        row = connection.execute("select exists (select from apdb.visit)").fetchone()
    if row is not None and row[0]:
        raise InvalidInput(
            "This database holds visits already, and a demonstration belongs in one of its own: "
            "name an empty database, or say --keep to add to this one."
        )


def has_archive(db: Apdb) -> bool:
    """Say whether a database makes alerts.

    Parameters
    ----------
    db : Apdb
        The database.

    Returns
    -------
    bool
    """
    return bool(db.settings()["archive_url"].value)


def run(
    db: Apdb,
    material: Material,
    *,
    radius: float | None = None,
    associate: Rule | None = None,
    watcher: Watcher | None = None,
) -> DemoReport:
    """Store every visit and compare the objects with the truth.

    Parameters
    ----------
    db : Apdb
        Where to.
    material : Material
        What to store.
    radius : float, optional
        Association radius [arcsec].  Default: that of the database.
    associate : {"nearest", "likelihood"}, optional
        Association rule.  Default: that of the database.
    watcher : Watcher, optional
        Told of every visit.

    Returns
    -------
    DemoReport
        Without figures yet.
    """
    check_options(radius, associate)
    watcher = watcher or Watcher()
    if material.ephemeris is not None:
        db.load_ephemeris(material.ephemeris)
    watcher.opened(Path(material.name), material.n_visits)
    done: list[tuple[DemoVisit, StoreReport]] = []
    seconds = 0.0
    archived = has_archive(db)
    for number, each in enumerate(material.visits):
        stamped = archived and number >= material.n_visits - material.n_stamped
        cutouts = each.cutouts() if stamped and each.cutouts is not None else None
        start = time.perf_counter()
        report = db.store_visit(
            each.visit, each.sources, radius=radius, associate=associate, cutouts=cutouts
        )
        seconds += time.perf_counter() - start
        # Columns and stamps are not needed again: 30,000 visits of them would fill the memory.
        kept = DemoVisit(each.visit, {}, each.true_object, each.true_ss_object)
        done.append((kept, report))
        key = (material.name, each.visit.visit, each.visit.detector)
        watcher.done(Outcome(*key, report.state, n_sources=len(each.true_object)))
    return _report(db, material, done, seconds)


def _joined(arrays: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _report(
    db: Apdb, material: Material, done: list[tuple[DemoVisit, StoreReport]], seconds: float
) -> DemoReport:
    with db.reading() as connection:
        n_objects, n_recurring = connection.execute(
            "select count(*), count(*) filter (where n_dia_sources > 1) from apdb.dia_object"
        ).fetchone() or (0, 0)
        found = connection.execute(_LIGHT_CURVE_OBJECTS, (1,)).fetchone()
    true_ss = _joined(each.true_ss_object for each, _ in done)
    our_ss = _joined(report.ss_object_id for _, report in done)
    totals = [report.timings["total"] for _, report in done] or [0.0]
    return DemoReport(
        name=material.name,
        dsn=db.dsn,
        n_visits=len(done),
        n_sources=len(true_ss),
        n_objects=n_objects,
        n_recurring=n_recurring,
        n_unassociated=sum(report.n_unassociated for _, report in done),
        n_known_moving=int((true_ss != 0).sum()),
        n_attributed=int(((true_ss != 0) & (our_ss == true_ss)).sum()),
        truth=compare(
            _joined(each.true_object for each, _ in done),
            _joined(report.dia_object_id for _, report in done),
        ),
        timings=_medians([report for _, report in done]),
        slowest_98=float(np.percentile(totals, 98)),
        seconds=seconds,
        example=found[0] if found else 0,
    )


def _medians(reports: list[StoreReport]) -> dict[str, float]:
    """Return the median milliseconds of each step, over the visits stored now if there are any."""
    reports = [each for each in reports if each.state == "stored"] or reports
    seen = {step for each in reports for step in each.timings} - {"total"}
    steps = [step for step in STEPS if step in seen] + sorted(seen.difference(STEPS))
    spent = {step: [each.timings.get(step, 0.0) for each in reports] for step in steps}
    total = [each.timings["total"] for each in reports]
    rest = np.array(total) - np.sum([spent[step] for step in steps], axis=0)
    return {
        name: float(np.median(values)) if len(values) else 0.0
        for name, values in (spent | {"commit and the rest": rest, "total": total}).items()
    }


def draw(db: Apdb, report: DemoReport, out: Path) -> None:
    """Draw a map of the objects and light curves of the most variable ones.

    Parameters
    ----------
    db : Apdb
        What to draw.
    report : DemoReport
        Told where the figures are.
    out : Path
        Folder for them; made if it is missing.
    """
    from apdb.plots import light_curve, save, sky_map

    with db.reading() as connection:
        objects = _columns(
            connection, "select ra, dec, n_dia_sources from apdb.dia_object order by n_dia_sources"
        )
        circles = connection.execute("select distinct ra, dec, radius from apdb.visit").fetchall()
        chosen = [i for (i,) in connection.execute(_LIGHT_CURVE_OBJECTS, (N_LIGHT_CURVES,))]
        detections = _columns(
            connection,
            "select dia_object_id, midpoint_mjd_tai, psf_flux, psf_flux_err, band "
            "from apdb.dia_source where dia_object_id = any(%s) order by midpoint_mjd_tai",
            (chosen,),
        )
    figure = sky_map(
        objects["ra"],
        objects["dec"],
        values=objects["n_dia_sources"],
        value_label="DIASources of the DIAObject",
        footprints=circles if len(circles) <= MOST_FOOTPRINTS else None,
        title=f"{len(objects['ra']):,} DIAObjects from {report.name}",
    )
    report.figures.append(save(figure, out / "sky.png"))
    if chosen:
        figure = light_curve(detections, title=f"Light curves from {report.name}")
        report.figures.append(save(figure, out / "light_curves.png"))


def _columns(
    connection: psycopg.Connection[Any], query: LiteralString, values: tuple[object, ...] = ()
) -> dict[str, NDArray[Any]]:
    """Return the result of a query by column."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, values).fetchall()
        names = [column.name for column in cursor.description or ()]
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}
