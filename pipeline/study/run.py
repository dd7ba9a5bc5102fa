"""Every flavour on every image, with the same fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table, vstack

from pipeline.classify import Model, default_model, features
from pipeline.classify.search import Search, SearchConfig, search
from pipeline.detect import DetectConfig
from pipeline.errors import StageError
from pipeline.exposure import Exposure
from pipeline.fakes import draw_fakes, expected_noise, inject, match
from pipeline.study.config import StudyConfig
from pipeline.study.images import Pair
from pipeline.subtract import SubtractConfig

#: Flags that disqualify a source in DMTN-256's sense: pixels that are no good at its centre.
DISQUALIFYING = (
    "psf_flux_flag",
    "centroid_flag",
    "pixel_flags_edge",
    "pixel_flags_bad",
    "pixel_flags_nodata_center",
    "pixel_flags_saturated_center",
    "pixel_flags_interpolated_center",
    "pixel_flags_cr_center",
    "pixel_flags_suspect_center",
    "pixel_flags_streak_center",
    "glint_trail",
)
_STAMPS = 6
_EACH = 3
_COLUMNS = (
    "ra", "dec", "x", "y", "snr", "psf_flux", "psf_flux_err", "is_negative", "is_dipole",
)  # fmt: skip


@dataclass
class Study:
    """What came out.

    Attributes
    ----------
    config : StudyConfig
        What was compared.
    cut : float
        Least reliability of what passes.
    version : str
        Of the model.
    sources : list of astropy.table.Table
        Detections of each search: series, name, band, flavour, their measurements and flags,
        flagged, reliability, kind (fake, true or other).
    fakes : list of astropy.table.Table
        Fakes of each search: flux, snr, mag, found, passed (found and unflagged), reliable (found,
        above the cut), psf_flux, psf_flux_err.
    images : list of dict
        Of each search, what the stages measured; `failure` where one could not go on.
    stamps : list of tuple
        Examples: flavour, kind, reliability and the difference in sigmas, shape (31, 31).
    """

    config: StudyConfig
    cut: float
    version: str
    sources: list[Table] = field(default_factory=list)
    fakes: list[Table] = field(default_factory=list)
    images: list[dict[str, object]] = field(default_factory=list)
    stamps: list[tuple[str, str, float, np.ndarray]] = field(default_factory=list)


def run_study(
    pairs: Iterable[Pair],
    config: StudyConfig,
    *,
    model: Model | None = None,
    watch: Callable[[str], None] = lambda _text: None,
) -> Study:
    """Search all images with all flavours.

    Parameters
    ----------
    pairs : iterable of Pair
        Images.
    config : StudyConfig
        What to compare.
    model : Model, optional
        Of reliability; that of the package by default.
    watch : callable, optional
        Told what is done.

    Returns
    -------
    Study
    """
    model = model or default_model()
    study = Study(config, model.cut, model.version)
    drawn: dict[str, Table] = {}
    for pair in pairs:
        rng = np.random.default_rng([config.seed, len(drawn), len(study.images)])
        if pair.series not in drawn:
            drawn[pair.series] = draw_fakes(pair.science, rng, config.fakes)
        science, fakes = inject(pair.science, drawn[pair.series], rng)
        template, fakes = inject(pair.template, fakes, rng, template=True)
        noise = None
        for flavour in config.flavours:
            watch(f"{pair.series} {pair.name} {flavour}")
            settings = SearchConfig(
                SubtractConfig(flavour=flavour), DetectConfig(threshold=config.threshold)
            )
            told: dict[str, object] = {
                "series": pair.series, "name": pair.name, "band": pair.band, "flavour": flavour,
            }  # fmt: skip
            study.images.append(told)
            try:
                found = search(science, template, pair.sources, settings)
            except StageError as error:
                told["failure"] = str(error)
                continue
            if noise is None:
                noise = expected_noise(_searched(found), *_places(fakes))
            told |= {**found.difference.metrics, **found.detections.metrics}
            told["taken"] = found.difference.flavour
            told["bright_share"] = bright_share(pair, config)
            _note(study, pair, flavour, found, fakes, noise, model)
    return study


def _searched(found: Search) -> Exposure:
    """Return the difference with the variance of blank sky."""
    exposure = found.detections.exposure
    return exposure.with_(variance=exposure.variance * np.square(found.detections.noise.image()))


def _places(fakes: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels of fakes."""
    return np.asarray(fakes["x"], float), np.asarray(fakes["y"], float)


def _note(
    study: Study,
    pair: Pair,
    flavour: str,
    found: Search,
    fakes: Table,
    noise: np.ndarray,
    model: Model,
) -> None:
    """Match what was found, and keep it."""
    table, config = found.table, study.config
    radius = config.match_fwhm * pair.science.seeing
    reliability = model.reliability(features(table, found.stamps))
    rows = Table({name: table[name] for name in _COLUMNS})
    for name in table.colnames:
        if name.startswith("pixel_flags_") or name in DISQUALIFYING:
            rows[name] = np.asarray(table[name], bool)
    rows["flagged"] = np.any([np.asarray(table[name], bool) for name in DISQUALIFYING], axis=0)
    rows["reliability"] = reliability
    wanted = fakes[np.asarray(fakes["usable"], bool)]
    matched = match(wanted, table, radius, pixel_scale=pair.science.pixel_scale)
    rows["kind"] = _kinds(pair, table, matched.is_fake, radius)
    rows["near_bright"] = near_bright(pair, rows, config)
    study.sources.append(_labelled(rows, pair, flavour))
    study.fakes.append(
        _labelled(_of_fakes(matched.fakes, rows, noise, fakes, study.cut), pair, flavour)
    )
    _keep_stamps(study, flavour, rows, found)


def _of_fakes(fakes: Table, rows: Table, noise: np.ndarray, everyone: Table, cut: float) -> Table:
    """Return fakes with what was measured of them."""
    kept = Table({name: fakes[name] for name in ("fake_id", "ra", "dec", "flux", "mag", "found")})
    kept["in_template"] = np.asarray(fakes["in_template"], bool)
    usable = np.asarray(everyone["usable"], bool)
    kept["snr"] = np.asarray(fakes["flux"]) / noise[usable]
    row = np.asarray(fakes["row"])
    hit = row >= 0
    for name in ("psf_flux", "psf_flux_err"):
        values = np.full(len(kept), np.nan)
        values[hit] = np.asarray(rows[name], float)[row[hit]]
        kept[name] = values
    unflagged, reliable = np.zeros((2, len(kept)), bool)
    unflagged[hit] = ~np.asarray(rows["flagged"])[row[hit]]
    reliable[hit] = np.asarray(rows["reliability"])[row[hit]] >= cut
    kept["passed"], kept["reliable"] = unflagged, reliable
    kept["trail_length"] = np.zeros(len(kept))
    return kept


def _kinds(pair: Pair, table: Table, is_fake: np.ndarray, radius: float) -> np.ndarray:
    """Tell fakes, true changes of a simulation, and others."""
    kind = np.where(is_fake, "fake", "other").astype("U5")
    if pair.truth is not None:
        truth = pair.truth[np.abs(np.asarray(pair.truth["diff_snr"], float)) > 2.0]
        real = match(truth, table, 2.0 * radius, pixel_scale=pair.science.pixel_scale).is_fake
        kind[real & ~is_fake] = "true"
    return kind


def near_bright(pair: Pair, rows: Table, config: StudyConfig) -> np.ndarray:
    """Tell which sources are near bright stars.

    Parameters
    ----------
    pair : Pair
        Image with its sources.
    rows : astropy.table.Table
        Positions x, y [pixel].
    config : StudyConfig
        What is bright, and near.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    from scipy.spatial import cKDTree

    assert pair.science.psf is not None
    stars = pair.sources[np.nan_to_num(np.asarray(pair.sources["snr"], float)) > config.bright_snr]
    if not len(stars) or not len(rows):
        return np.zeros(len(rows), bool)
    tree = cKDTree(np.column_stack([stars["x"], stars["y"]]))
    distance = tree.query(np.column_stack([rows["x"], rows["y"]]))[0]
    return np.asarray(distance < config.bright_fwhm * pair.science.psf.fwhm)


def bright_share(pair: Pair, config: StudyConfig) -> float:
    """Return the part of an image that is near bright stars, on a grid of 8 pixels.

    Parameters
    ----------
    pair : Pair
        Image with its sources.
    config : StudyConfig
        What is bright, and near.

    Returns
    -------
    float
    """
    y, x = np.mgrid[0 : pair.science.shape[0] : 8, 0 : pair.science.shape[1] : 8]
    grid = Table({"x": x.ravel(), "y": y.ravel()})
    return float(near_bright(pair, grid, config).mean())


def _labelled(table: Table, pair: Pair, flavour: str) -> Table:
    """Say of which search rows are."""
    for name, value in (
        ("series", pair.series), ("name", pair.name), ("band", pair.band), ("flavour", flavour),
    ):  # fmt: skip
        table[name] = np.full(len(table), value, "U32")
    return table


def _keep_stamps(study: Study, flavour: str, rows: Table, found: Search) -> None:
    """Keep a few examples of each kind, the surest false ones first."""
    stamps = found.stamps["difference"]
    for kind in ("fake", "other"):
        have = sum(1 for each in study.stamps if each[:2] == (flavour, kind))
        which = np.flatnonzero(np.asarray(rows["kind"]) == kind)
        which = which[np.argsort(-np.asarray(rows["reliability"])[which], kind="stable")]
        for row in which[: max(0, min(_EACH, _STAMPS - have))].tolist():
            sigma = np.sqrt(stamps.variance[row])
            image = (stamps.image[row] / sigma).astype(np.float32)
            study.stamps.append((flavour, kind, float(rows["reliability"][row]), image))


def together(tables: list[Table]) -> Table:
    """Return tables one below the other.

    Parameters
    ----------
    tables : list of astropy.table.Table
        Of searches.

    Returns
    -------
    astropy.table.Table
    """
    return vstack(tables, metadata_conflicts="silent") if tables else Table()
