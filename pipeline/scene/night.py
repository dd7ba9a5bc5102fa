"""A night of images in files: what a telescope would deliver, and what was truly there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from astropy.time import Time
from astropy.wcs import WCS

from pipeline.exposure import Exposure, ExposureInfo, Image, Mask
from pipeline.io import write_exposure
from pipeline.scene.artefacts import cosmic_rays
from pipeline.scene.config import SKY, NightConfig
from pipeline.scene.detector import Detector, make_detector, raw_hdus
from pipeline.scene.objects import points
from pipeline.scene.observe import Observation, add_difference, draw, render, tan_wcs
from pipeline.scene.psf_model import PsfModel
from pipeline.scene.sky import NightSky, night_ephemeris, night_sky
from pipeline.survey.config import BANDS

_SATELLITES = 9_000_000
#: Pointing error of raw frames, one sigma on each axis [arcsec].
_POINTING = 2.0
#: Where the limit of reference catalogues is [nJy].
_REFERENCE_LIMIT = 1000.0


@dataclass(frozen=True)
class VisitFiles:
    """The files of one visit.

    Attributes
    ----------
    info : ExposureInfo
        Visit.
    science : Path
        Calibrated image.
    raw : Path or None
        Raw frame.
    template : Path
        Template of its band.
    """

    info: ExposureInfo
    science: Path
    raw: Path | None
    template: Path


@dataclass(frozen=True)
class Night:
    """A simulated night.

    Attributes
    ----------
    folder : Path
        Where it is: science/, raw/, templates/, calibration/, refcat.fits, truth.fits,
        ephemeris.fits.
    visits : tuple of VisitFiles
        In order of time.
    truth : astropy.table.Table
        What is on each exposure: visit, band, and the columns of `simulate_field`'s truth.
    refcat : astropy.table.Table
        Reference catalogue, with ``r_flux`` and ``r_flux_err`` [nJy] for each band.
    ephemeris : astropy.table.Table
        Of the known objects of the solar system, as `apdb.Apdb.load_ephemeris` takes it.
    """

    folder: Path
    visits: tuple[VisitFiles, ...]
    truth: Table
    refcat: Table
    ephemeris: Table


def simulate_night(
    config: NightConfig,
    folder: Path,
    *,
    raw: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Night:
    """Write the images of a night into a folder.

    Parameters
    ----------
    config : NightConfig
        What is in it.
    folder : Path
        Is made if it does not exist.
    raw : bool
        Whether raw frames are written, with the master frames that calibrate them and the
        description of the instrument.
    progress : callable, optional
        Called with the number of visits written and of all.

    Returns
    -------
    Night
    """
    sky, detector = night_sky(config), make_detector(config)
    for name in ("science", "templates", *(("raw", "calibration") if raw else ())):
        (folder / name).mkdir(parents=True, exist_ok=True)
    templates = {band: _template(config, sky, band, folder) for band in config.bands}
    if raw:
        for name, frame in detector.masters(config.bands).items():
            write_exposure(frame, folder / "calibration" / f"{name}.fits")
        path = folder / "calibration" / "instrument.toml"
        path.write_text(detector.description(), encoding="utf-8")
    visits, truths = [], []
    for number in range(config.n_visits):
        seen = _observe(config, sky, detector, number)
        science, truth = _calibrated(config, seen, detector)
        add_difference(truth, science, templates[seen.band][0])
        truth["visit"], truth["band"] = seen.info.visit, seen.band
        truths.append(truth)
        files = VisitFiles(
            seen.info,
            folder / "science" / f"{seen.info.visit}.fits",
            folder / "raw" / f"{seen.info.visit}.fits" if raw else None,
            templates[seen.band][1],
        )
        write_exposure(science, files.science)
        if files.raw is not None:
            _write_raw(config, seen, detector, files.raw)
        visits.append(files)
        if progress is not None:
            progress(number + 1, config.n_visits)
    everything = vstack(truths, metadata_conflicts="silent")
    night = Night(
        folder, tuple(visits), everything, _refcat(config, sky), night_ephemeris(sky, config)
    )
    _write_tables(night)
    return night


@dataclass(frozen=True)
class _Seen:
    """One exposure: how it was taken, and of what."""

    number: int
    observation: Observation
    objects: Table
    rays: Image
    ray_of: np.ndarray[tuple[int, int], np.dtype[np.int32]]
    info: ExposureInfo

    @property
    def band(self) -> str:
        return self.info.band


def _observe(config: NightConfig, sky: NightSky, detector: Detector, number: int) -> _Seen:
    """Point the telescope, and say what it will see."""
    rng = np.random.default_rng([config.seed, 41, number])
    band = config.bands[number % len(config.bands)]
    mjd = config.start_mjd_tai + number * config.cadence_minutes / 1440
    date = Time(np.floor(mjd - 0.5), format="mjd").strftime("%Y%m%d")
    info = ExposureInfo(
        int(f"{date}{number + 1:05d}"),
        0,
        band,
        mjd,
        config.exposure_time,
        airmass=float(rng.uniform(1.0, 1.5)),
    )
    shift = rng.uniform(-config.dither, config.dither, 2)
    wcs = tan_wcs(config.ra, config.dec, config.shape, config.scale, float(rng.uniform(-0.2, 0.2)))
    wcs.wcs.crpix = wcs.wcs.crpix + shift
    wcs.wcs.set()
    g1, g2 = rng.normal(0.0, 0.02, 2).tolist()
    fwhm = float(config.fwhm * np.exp(rng.normal(0.0, 0.08)))
    observation = Observation(
        wcs,
        config.shape,
        PsfModel(fwhm, g1, g2).varied(float(rng.uniform(0.5, 1.5))),
        sky_sigma=config.sky_sigma * SKY[band],
        njy_per_electron=config.njy_per_electron,
        full_well=detector.full_well,
        info=info,
    )
    objects = sky.at(band, mjd, config.exposure_time)
    trails = _satellites(rng, config, observation)
    rays, ray_of = cosmic_rays(rng, config.shape, config.cosmic_rays)
    both = vstack([objects, trails], metadata_conflicts="silent")
    return _Seen(number, observation, both, rays, ray_of, info)


def _satellites(rng: np.random.Generator, config: NightConfig, seen: Observation) -> Table:
    """Return trails across the whole image, 3 to 30 sigma above the sky."""
    n = rng.poisson(config.satellites)
    ny, nx = config.shape
    x, y = rng.uniform(0.1, 0.9, (2, n)) * np.array([[nx], [ny]])
    ra, dec = seen.wcs.pixel_to_world_values(x, y) if n else (x, y)
    length, angle = 3.0 * max(config.shape), rng.uniform(0, np.pi, n)
    height = np.exp(rng.uniform(np.log(3.0), np.log(30.0), n)) * seen.sky_sigma
    flux = height * seen.psf.fwhm * length
    ids = _SATELLITES + np.arange(n)
    found = points(ids, "satellite", ra, dec, flux, np.zeros(n))
    found["trail_east"] = length * config.scale * np.cos(angle)
    found["trail_north"] = length * config.scale * np.sin(angle)
    return found


def _calibrated(config: NightConfig, seen: _Seen, detector: Detector) -> tuple[Exposure, Table]:
    """Return the image as isr and calibrate would leave it, nearly."""
    rng = np.random.default_rng([config.seed, 42, seen.number])
    exposure, truth = render(seen.objects, seen.observation, rng)
    image, mask, variance = exposure.image, exposure.mask, exposure.variance
    per_electron = seen.observation.njy_per_electron
    charge = seen.rays * np.float32(per_electron)
    image += charge
    variance += charge * np.float32(per_electron)
    found = rng.random(seen.ray_of.max() + 1) < config.flagged_cosmic_rays
    mask[(seen.ray_of > 0) & found[seen.ray_of]] |= np.uint32(Mask.CR)
    slope = np.linspace(-1, 1, config.shape[1], dtype=np.float32)
    image += np.float32(config.background * seen.observation.sky_sigma) * slope
    image[detector.bad] = -np.float32(seen.observation.sky_electrons * per_electron)
    mask[detector.bad] |= np.uint32(Mask.BAD)
    return exposure, truth


def _write_raw(config: NightConfig, seen: _Seen, detector: Detector, path: Path) -> None:
    """Write the frame as the detector reads it, with the WCS of a telescope that points badly."""
    rng = np.random.default_rng([config.seed, 43, seen.number])
    observation = seen.observation
    light = draw(seen.objects, observation) / np.float32(observation.njy_per_electron)
    # the noise of the sky has that of the readout in it
    light += np.float32(observation.sky_electrons - np.mean(np.square(detector.read_noise)))
    frames = detector.counts(rng, np.maximum(light, 0.0), seen.rays, config.exposure_time)
    wrong = observation.wcs.deepcopy()
    wrong.wcs.crval = wrong.wcs.crval + rng.normal(0.0, _POINTING / 3600, 2)
    wrong.wcs.set()
    raw_hdus(frames, detector, seen.info, wrong).writeto(path, overwrite=True)


def _template(
    config: NightConfig, sky: NightSky, band: str, folder: Path
) -> tuple[Observation, Path]:
    """Write the template of a band: larger than the exposures by the dither, deeper and sharper."""
    rng = np.random.default_rng([config.seed, 44, BANDS.index(band)])
    shape = (config.shape[0] + 2 * config.margin, config.shape[1] + 2 * config.margin)
    wcs: WCS = tan_wcs(config.ra, config.dec, shape, config.scale)
    gathered = config.template_noise**2
    observation = Observation(
        wcs,
        shape,
        PsfModel(config.template_fwhm).varied(-0.5),
        sky_sigma=config.sky_sigma * SKY[band] * config.template_noise,
        njy_per_electron=config.njy_per_electron * gathered,
        full_well=config.full_well / gathered,
    )
    objects = sky.at(band, config.start_mjd_tai, config.exposure_time)
    exposure, _ = render(objects, observation, rng, flux="template_flux")
    exposure.header["FILTER"] = band
    path = folder / "templates" / f"{band}.fits"
    write_exposure(exposure, path)
    return observation, path


def _refcat(config: NightConfig, sky: NightSky) -> Table:
    """Return the reference catalogue: the constant sky with small errors."""
    rng = np.random.default_rng([config.seed, 45])
    listed = sky.constant_template[:, BANDS.index("r")] > _REFERENCE_LIMIT
    listed &= np.asarray(sky.constant["kind"]) != "fading"
    rows, n = sky.constant[listed], int(listed.sum())
    error = 0.002 / 3600
    dec = np.asarray(rows["dec"])
    ra = np.asarray(rows["ra"]) + rng.normal(0, error, n) / np.cos(np.radians(dec))
    found = Table(
        {
            "reference_object_id": np.asarray(rows["id"]) + 1,
            "ra": ra,
            "dec": dec + rng.normal(0, error, n),
            "ra_err": np.full(n, error),
            "dec_err": np.full(n, error),
            "is_star": np.asarray(rows["kind"]) == "star",
        }
    )
    for band in config.bands:
        flux = sky.constant_template[listed, BANDS.index(band)]
        found[f"{band}_flux"] = flux * (1 + 0.005 * rng.standard_normal(n))
        found[f"{band}_flux_err"] = 0.005 * flux
    return found


def _write_tables(night: Night) -> None:
    """Write truth, reference catalogue and ephemeris."""
    for name in ("truth", "refcat", "ephemeris"):
        table: Table = getattr(night, name).copy()
        for column in table.colnames:
            if table[column].dtype == object:
                table[column] = np.asarray(table[column], str)
        table.write(night.folder / f"{name}.fits", overwrite=True)
