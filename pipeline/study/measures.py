"""Numbers of a study: counts, efficiency, contamination, photometry, objects, clustering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.stats import chi2

from apdb.input.sphere import unit_vectors
from pipeline.errors import FakesError
from pipeline.fakes import Efficiency, binomial_interval, completeness

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def efficiency(fakes: Table, selection: str, by: str = "snr") -> Efficiency | None:
    """Return the fraction of fakes that was found.

    Parameters
    ----------
    fakes : astropy.table.Table
        Of a study.
    selection : str
        found, passed (unflagged) or reliable (above the cut).
    by : str
        snr or mag.

    Returns
    -------
    Efficiency or None
        None without fakes.
    """
    given = fakes.copy()
    given["found"] = np.asarray(fakes["found"], bool) & np.asarray(fakes[selection], bool)
    low, high = np.percentile(np.asarray(fakes[by], float), [1, 99]) if len(fakes) else (0, 1)
    edges = np.arange(2, 15) if by == "snr" else np.linspace(low, high, 11)
    try:
        return completeness(given, by, edges, kind="jeffreys")
    except FakesError:
        return None


def purity(sources: Table, chosen: Bools) -> tuple[float, float, float]:
    """Return the fraction of sources that is real, and its 68% interval.

    Parameters
    ----------
    sources : astropy.table.Table
        Of a study, with kind.
    chosen : ndarray of bool, shape (n,)
        Which count.

    Returns
    -------
    fraction, low, high : float
        NaN, 0 and 1 where nothing is chosen.
    """
    kind = np.asarray(sources["kind"])[chosen]
    n, k = len(kind), int((kind != "other").sum())
    low, high = (float(each) for each in binomial_interval(k, n, kind="jeffreys"))
    return (k / n if n else float("nan")), low, high


@dataclass(frozen=True)
class Photometry:
    """How well fluxes of fakes are measured.

    Attributes
    ----------
    n : int
        Fakes that were found.
    offset, scatter : float
        Median and half of the central 68% of the error [mag], of those above 10 sigma.
    pull_mean, pull_width : float
        Median and half of the central 68% of (measured - true) / error, of those above 10 sigma:
        fainter ones are found when noise makes them brighter.
    """

    n: int
    offset: float
    scatter: float
    pull_mean: float
    pull_width: float


def photometry(fakes: Table) -> Photometry:
    """Compare measured fluxes of fakes with true ones.

    Parameters
    ----------
    fakes : astropy.table.Table
        Of a study.

    Returns
    -------
    Photometry
    """
    found = fakes[np.asarray(fakes["passed"], bool) & (np.asarray(fakes["snr"]) > 10.0)]
    sign = np.where(found["in_template"], -1.0, 1.0)
    flux, true = sign * np.asarray(found["psf_flux"]), np.asarray(found["flux"])
    if len(found) < 3:
        return Photometry(len(found), *[float("nan")] * 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = -2.5 * np.log10(flux / true)
        pull = (flux - true) / np.asarray(found["psf_flux_err"])
    return Photometry(len(found), *_middle(error), *_middle(pull))


def _middle(values: Floats) -> tuple[float, float]:
    """Return the median and half of the central 68%."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, middle, high = np.percentile(values, [15.87, 50.0, 84.13])
    return float(middle), float(high - low) / 2


@dataclass(frozen=True)
class Objects:
    """Detections of the same place, over all images of a field.

    Attributes
    ----------
    n : int
        Objects.
    single : float
        Fraction that was seen once.
    n_sources : float
        Mean number of detections of objects that are no singles.
    rms : float
        Median of their rms distance from the mean position [arcsec].
    """

    n: int
    single: float
    n_sources: float
    rms: float


def objects(sources: Table, radius: float) -> Objects:
    """Group detections into objects: friends of friends.

    Parameters
    ----------
    sources : astropy.table.Table
        Detections of one flavour and series.
    radius : float
        Of friends [arcsec].

    Returns
    -------
    Objects
    """
    if not len(sources):
        return Objects(0, float("nan"), float("nan"), float("nan"))
    at = unit_vectors(np.asarray(sources["ra"], float), np.asarray(sources["dec"], float))
    pairs = cKDTree(at).query_pairs(np.radians(radius / 3600), output_type="ndarray")
    n = len(at)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    count, label = connected_components(links, directed=False)
    size = np.bincount(label, minlength=count)
    mean = np.column_stack([np.bincount(label, at[:, i], count) / size for i in range(3)])
    square = np.square(at - mean[label]).sum(axis=1)
    rms = np.degrees(np.sqrt(np.bincount(label, square, count) / size)) * 3600
    many = size > 1
    return Objects(
        count,
        float((~many).mean()),
        float(size[many].mean()) if many.any() else float("nan"),
        float(np.median(rms[many])) if many.any() else float("nan"),
    )


@dataclass(frozen=True)
class Clustering:
    """Whether false detections are where they like.

    Attributes
    ----------
    rows, columns : float
        Variance over mean of the counts in strips of rows and of columns: 1 for random places.
    rows_p, columns_p : float
        Probability that random places are as clustered.
    bright : float
        Density near bright stars over that elsewhere; NaN without such stars.
    """

    rows: float
    columns: float
    rows_p: float
    columns_p: float
    bright: float


def clustering(
    sources: Table, shape: tuple[int, int], width: int, bright_share: float
) -> Clustering:
    """Measure the clustering of false detections.

    Parameters
    ----------
    sources : astropy.table.Table
        False detections of one flavour and series: name, x, y, near_bright.
    shape : tuple of int
        Rows and columns of the images.
    width : int
        Of strips [pixel].
    bright_share : float
        Fraction of the images that is near bright stars.

    Returns
    -------
    Clustering
    """
    found = []
    for axis, side in (("y", shape[0]), ("x", shape[1])):
        strips = max(2, side // width)
        counts = [
            np.histogram(np.asarray(sources[axis])[sources["name"] == name], strips, (-0.5, side))[
                0
            ]
            for name in sorted(set(sources["name"]))
        ]
        found.append(dispersion(np.concatenate([*counts, np.empty(0)])))
    near = float(np.mean(sources["near_bright"])) if len(sources) else float("nan")
    excess = float("nan")
    if 0 < bright_share < 1 and near < 1:
        excess = (near / bright_share) / ((1 - near) / (1 - bright_share))
    (rows, rows_p), (columns, columns_p) = found
    return Clustering(rows, columns, rows_p, columns_p, excess)


def dispersion(counts: Floats) -> tuple[float, float]:
    """Return the index of dispersion, and the probability of a greater one (Fisher 1925).

    Parameters
    ----------
    counts : ndarray, shape (n,)
        Counts that are Poisson with one mean if nothing clusters.

    Returns
    -------
    index, probability : float
        NaN without counts.
    """
    if len(counts) < 2 or not counts.sum():
        return float("nan"), float("nan")
    index = float(counts.var(ddof=1) / counts.mean())
    return index, float(chi2.sf(index * (len(counts) - 1), len(counts) - 1))
