"""The demonstration on images: a simulated night in FITS files, processed to alerts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from apdb.database import Apdb
from apdb.images.files import OWNER
from apdb.input.sphere import unit_vectors
from apdb.plots import save

if TYPE_CHECKING:
    from pipeline.night.run import NightSummary, NightWatcher
    from pipeline.process import ProcessReport
    from pipeline.scene import Night

SEED = 20260310
SIDE = 640
CATALOGUE = "stars"
#: True changes of at least this S/N are looked for, and sources near any of the other are believed.
LOOKED_FOR, BELIEVED = 8.0, 3.0
_RADIUS = 0.7
_ARCSEC = np.radians(1.0 / 3600.0)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Say = Callable[[str], None]


@dataclass
class ImagesReport:
    """What the demonstration on images has done.

    Attributes
    ----------
    folder : Path
        Where the images of the night are.
    n_images, n_failed : int
        Images processed, and those of them that failed.
    n_dia_sources, n_new_dia_objects, n_alerts, n_forced : int
        What came of them.
    found : dict of str to (int, int)
        By kind of object: how many of its changes of S/N 8 or more were found, of how many.
    n_unexplained, n_unflagged : int
        Sources without disqualifying flags that no true change explains, of how many.
    simulate_seconds, seconds : float
        Wall time of making the night, and of processing it.
    median_seconds : dict of str to float
        Of an image, by stage.
    picture : Path or None
        Picture of the last image.
    example : int
        A DIAObject worth looking at; 0 if there is none.
    """

    folder: Path
    n_images: int = 0
    n_failed: int = 0
    n_dia_sources: int = 0
    n_new_dia_objects: int = 0
    n_alerts: int = 0
    n_forced: int = 0
    found: dict[str, tuple[int, int]] = field(default_factory=dict)
    n_unexplained: int = 0
    n_unflagged: int = 0
    simulate_seconds: float = 0.0
    seconds: float = 0.0
    median_seconds: dict[str, float] = field(default_factory=dict)
    picture: Path | None = None
    example: int = 0


def run_images(
    db: Apdb,
    out: Path,
    *,
    seed: int = SEED,
    n_visits: int = 6,
    jobs: int = 2,
    say: Say = lambda _text: None,
    watcher: NightWatcher | None = None,
) -> ImagesReport:
    """Simulate a night of images, process it, and compare what was found with the truth.

    Parameters
    ----------
    db : Apdb
        Where to; with an archive, there are alerts.
    out : Path
        Folder for the night, the image store and the picture.
    seed : int, optional
        Of the night.
    n_visits : int, optional
        Exposures, at least 2.
    jobs : int, optional
        Processes.
    say : callable, optional
        Told what is done next.
    watcher : NightWatcher, optional
        Told of every image.

    Returns
    -------
    ImagesReport
    """
    from pipeline.night.run import NightOptions, process_night
    from pipeline.night.worker import Setup
    from pipeline.process import Inputs, Precover, ProcessConfig, Sources, process_visit
    from pipeline.process.picture import picture

    report = ImagesReport(out / "night")
    _clear(out)
    say("simulating a night of images")
    started = time.perf_counter()
    night = _simulated(out / "night", seed, n_visits)
    report.simulate_seconds = time.perf_counter() - started
    say("loading templates, reference stars and ephemerides")
    _prepare(db, night, out)
    config = ProcessConfig().with_run(catalogue=CATALOGUE)
    # The last image is processed here, for its picture.
    last = night.visits[-1].science
    shutil.move(last, out / last.name)
    say(f"processing {n_visits} images")
    started = time.perf_counter()
    setup = Setup(db.dsn, config)
    summary = process_night(db, report.folder / "science", setup, NightOptions(jobs=jobs), watcher)
    shutil.move(out / last.name, last)
    final = process_visit(db, Inputs(last), Sources(db, config), config, keep=True)
    say("measuring new objects on earlier images")
    db.run_precovery(Precover(db))
    report.seconds = time.perf_counter() - started
    if final.products is not None:
        report.picture = save(picture(final), out / "last_image.png")
    _count(db, report, summary, final)
    _compare(db, report, night.truth)
    return report


def _clear(out: Path) -> None:
    """Remove what an earlier demonstration left in a folder."""
    shutil.rmtree(out / "night", ignore_errors=True)
    if (out / "images" / OWNER).is_file() or not any((out / "images").rglob("*")):
        shutil.rmtree(out / "images", ignore_errors=True)


def _simulated(folder: Path, seed: int, n_visits: int) -> Night:
    from pipeline.scene import NightConfig, simulate_night

    config = NightConfig(
        seed=seed,
        n_visits=n_visits,
        shape=(SIDE, SIDE),
        n_stars=260,
        n_saturated=2,
        n_galaxies=60,
        n_variables=12,
        n_transients=14,
        n_movers=5,
        satellites=0.5,
    )
    return simulate_night(config, folder, raw=False)


def _prepare(db: Apdb, night: Night, out: Path) -> None:
    from pipeline.io import read_exposure
    from pipeline.process.templates import add_template

    db.set_setting("image_url", (out / "images").resolve())
    # Marks the folder as ours, so that the next demonstration may clear it.
    db.images_root().put(OWNER, _owner(db))
    for path in sorted({visit.template for visit in night.visits}):
        add_template(db, read_exposure(path), "field", path.stem)
    stars = night.refcat.copy()
    for name in [name for name in stars.colnames if name.endswith("_flux")]:
        stars[name.replace("_flux", "_mag")] = 31.4 - 2.5 * np.log10(stars[name])
    stars["extendedness"] = np.where(stars["is_star"], 0.0, 1.0)
    keep = ["reference_object_id", "ra", "dec", "ra_err", "dec_err", "extendedness"]
    keep += [name for name in stars.colnames if name.endswith("_mag")]
    db.load_reference(CATALOGUE, stars[keep], replace=True)
    db.load_ephemeris(night.ephemeris)


def _owner(db: Apdb) -> bytes:
    with db.reading() as connection:
        row = connection.execute(
            "select m.value from apdb.metadata as m where m.name = 'state.archive_id'"
        ).fetchone()
    name = "" if row is None else row[0]
    return f'{{"archive_id": "{name}"}}\n'.encode()


def _count(db: Apdb, report: ImagesReport, summary: NightSummary, final: ProcessReport) -> None:
    good = [each for each in summary.done if each.state == "done"]
    stages = [each.timings for each in good] + [final.timings]
    report.n_images = len(summary.done) + 1
    report.n_failed = len(summary.failed) + (final.state == "failed")
    report.median_seconds = {
        name: float(np.median([each.get(name, 0.0) for each in stages])) for name in stages[0]
    }
    with db.reading() as connection:
        row = connection.execute(
            "select (select count(*) from apdb.dia_source), "
            "(select count(*) from apdb.dia_object), "
            "(select count(*) from apdb.alert), (select count(*) from apdb.dia_forced_source), "
            "(select o.dia_object_id from apdb.dia_object as o order by o.n_dia_sources desc, "
            "o.dia_object_id limit 1)"
        ).fetchone()
    assert row is not None
    report.n_dia_sources, report.n_new_dia_objects, report.n_alerts, report.n_forced = row[:4]
    report.example = row[4] or 0


def _compare(db: Apdb, report: ImagesReport, truth: Table) -> None:
    """Compare the sources of all images with what truly changed."""
    from pipeline.process.picture import flagged

    with db.reading() as connection:
        cursor = connection.execute("select s.* from apdb.dia_source as s")
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    found = Table(rows=rows, names=names) if rows else Table(names=("visit", "ra", "dec"))
    good = found[~flagged(found)]
    report.n_unflagged = len(good)
    for visit in np.unique(truth["visit"]).tolist():
        here = truth[truth["visit"] == visit]
        at = _vectors(found[found["visit"] == visit])
        # Trails of satellites are masked, not found.
        wanted = _inside(here) & np.asarray(here["kind"] != "satellite")
        sought = here[wanted & np.asarray(np.abs(here["diff_snr"]) >= LOOKED_FOR)]
        near = _near(_vectors(sought), at)
        for kind in np.unique(sought["kind"]).tolist():
            of_kind = np.asarray(sought["kind"] == kind)
            n, m = report.found.get(kind, (0, 0))
            report.found[kind] = (n + int(near[of_kind].sum()), m + int(of_kind.sum()))
        real = here[np.abs(here["diff_snr"]) >= BELIEVED]
        mine = _vectors(good[good["visit"] == visit])
        report.n_unexplained += int((~_near(mine, _vectors(real))).sum())


def _inside(truth: Table, margin: float = 10.0) -> Bools:
    x, y = np.asarray(truth["x"]), np.asarray(truth["y"])
    inside = (np.minimum(x, y) > margin) & (np.maximum(x, y) < SIDE - 1 - margin)
    return np.asarray(inside)


def _vectors(rows: Table) -> Floats:
    return unit_vectors(np.asarray(rows["ra"], float), np.asarray(rows["dec"], float))


def _near(some: Floats, others: Floats) -> Bools:
    """Tell which positions have another within 0.7 arcsec."""
    if not len(others) or not len(some):
        return np.zeros(len(some), bool)
    distance, _ = cKDTree(others).query(some)
    return np.asarray(distance <= _RADIUS * _ARCSEC)
