"""Point sources so close that each takes light of the other: their fluxes are fitted together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from pipeline.exposure import Exposure
from pipeline.forced.windows import Bools, Floats, Ints, core_half, cut, point_sources
from pipeline.psf import Psf

#: Groups up to this size are inverted as dense matrices, all of a size at once.
_DENSE = 48
_COLUMNS = 128
#: Sources that overlap less than this have independent errors, to 0.01%.
_CLOSE = 0.01


@dataclass(frozen=True)
class Pairs:
    """Directed pairs of sources: what the window of i sees of j.

    Attributes
    ----------
    i, j : ndarray of int64, shape (m,)
        Sources; each pair is there twice, and sorted by i.
    models : ndarray, shape (m, k, k)
        Source j of unit flux in the window of i; zero for twins.
    square, noise : ndarray, shape (m,)
        Σ psf_i psf_j, and the same times the variance, over the usable pixels of the window.
    twins : ndarray of bool, shape (m,)
        Too close to be told apart.
    """

    i: Ints
    j: Ints
    models: Floats
    square: Floats
    noise: Floats
    twins: Bools

    @classmethod
    def none(cls) -> Pairs:
        """Return no pairs.

        Returns
        -------
        Pairs
        """
        nobody, nothing = np.empty(0, np.int64), np.empty(0)
        return cls(nobody, nobody, np.empty((0, 1, 1)), nothing, nothing, np.empty(0, np.bool_))


def find_pairs(
    exposure: Exposure,
    psf: Psf,
    x: Floats,
    y: Floats,
    usable: Bools,
    overlap: float,
    closest: float,
) -> Pairs:
    """Find sources that share pixels, and what they share.

    Parameters
    ----------
    exposure : Exposure
        Image.
    psf : Psf
        Its PSF.
    x, y : ndarray, shape (n,)
        Positions [pixel].
    usable : ndarray of bool, shape (n,)
        Sources that can be fitted.
    overlap, closest : float
        As in `ForcedConfig`.

    Returns
    -------
    Pairs
    """
    members = np.flatnonzero(usable)
    if len(members) < 2:
        return Pairs.none()
    tree = cKDTree(np.column_stack([x[members], y[members]]))
    radius = _reach(psf, overlap)
    near = members[tree.query_pairs(radius, output_type="ndarray")]
    if not len(near):
        return Pairs.none()
    i, j = np.concatenate([near, near[:, ::-1]]).T
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    twins = np.hypot(x[i] - x[j], y[i] - y[j]) < closest * psf.fwhm
    half = core_half(psf)
    windows = cut(exposure, None, x[i], y[i], half)
    images = psf.at(windows.x, windows.y)
    own, other = (
        point_sources(images, x[k] - windows.x, y[k] - windows.y, half)[0] for k in (i, j)
    )
    product = own * other * windows.good
    return Pairs(
        i=i,
        j=j,
        models=np.where(twins[:, np.newaxis, np.newaxis], 0.0, other),
        square=product.sum(axis=(1, 2)),
        noise=np.einsum("nij,nij->n", product, windows.variance),
        twins=twins,
    )


def solve(
    data: Floats, square: Floats, noise: Floats, usable: Bools, pairs: Pairs
) -> tuple[Floats, Floats, Bools]:
    """Solve for the fluxes.

    Parameters
    ----------
    data, square, noise : ndarray, shape (n,)
        Σ psf × image, Σ psf², Σ psf² × variance over the window of each.
    usable : ndarray of bool, shape (n,)
        Sources that can be fitted; the others get 0.
    pairs : Pairs
        What sources share.

    Returns
    -------
    flux, variance : ndarray, shape (n,)
        Least squares, and its variance.
    twin : ndarray of bool, shape (n,)
        Sources that cannot be told apart from another.
    """
    divisor = np.where(usable, square, 1.0)
    flux = np.where(usable, data, 0.0) / divisor
    variance = np.where(usable, noise, 0.0) / divisor**2
    twin = np.zeros(len(data), np.bool_)
    twin[pairs.i[pairs.twins]] = True
    # The first of twins stands for all of them among the neighbours.
    stands = usable.copy()
    stands[pairs.i[pairs.twins & (pairs.j < pairs.i)]] = False
    near = ~pairs.twins & stands[pairs.j]
    if not near.any():
        return flux, variance, twin
    coupled = near & stands[pairs.i]
    _solve_coupled(divisor, data, noise, pairs, coupled, flux, variance)
    late = near & ~stands[pairs.i] & usable[pairs.i]
    light = np.bincount(pairs.i[late], pairs.square[late] * flux[pairs.j[late]], len(flux))
    flux -= light / divisor
    return flux, variance, twin


def _solve_coupled(
    square: Floats,
    data: Floats,
    noise: Floats,
    pairs: Pairs,
    edges: Bools,
    flux: Floats,
    variance: Floats,
) -> None:
    """Overwrite fluxes and variances of the sources that have neighbours.

    A neighbour far out matters to the flux if it is bright, but hardly to the variance: that is of
    groups which close pairs hold together, and these are small.
    """
    i, j = pairs.i[edges], pairs.j[edges]
    members = np.unique(i)
    i, j = np.searchsorted(members, i), np.searchsorted(members, j)
    shape = (len(members), len(members))
    diagonal = sparse.diags_array(square[members])
    normal = sparse.csc_array((pairs.square[edges], (i, j)), shape) + diagonal
    flux[members] = splu(normal.tocsc()).solve(data[members])
    shared = pairs.square[edges] > _CLOSE * np.sqrt(square[members[i]] * square[members[j]])
    i, j, close = i[shared], j[shared], np.flatnonzero(edges)[shared]
    normal = sparse.csr_array((pairs.square[close], (i, j)), shape) + diagonal
    covariance = sparse.csr_array((pairs.noise[close], (i, j)), shape)
    covariance = 0.5 * (covariance + covariance.T) + sparse.diags_array(noise[members])
    n_groups, group = connected_components(normal, directed=False)
    sizes = np.bincount(group, minlength=n_groups)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes):
        which = order[starts[sizes == size][:, np.newaxis] + np.arange(size)]
        if size <= _DENSE:
            inverse = np.linalg.inv(_blocks(normal, which))
            scatter = inverse @ _blocks(covariance, which) @ inverse.transpose(0, 2, 1)
            variance[members[which]] = np.diagonal(scatter, axis1=1, axis2=2)
            continue
        for one in which:
            variance[members[one]] = _large(normal[one][:, one], covariance[one][:, one])


def _blocks(matrix: sparse.csr_array, which: Ints) -> Floats:
    """Return the diagonal blocks (g, s, s) of groups of one size."""
    size = which.shape[1]
    place = np.full(matrix.shape[0], -1)
    place[which.ravel()] = np.arange(which.size)
    part = sparse.coo_array(matrix)
    row, column = place[part.row], place[part.col]
    taken = row >= 0
    found = np.zeros((len(which), size, size))
    row, column = row[taken], column[taken]
    found[row // size, row % size, column % size] = part.data[taken]
    return found


def _large(normal: sparse.csr_array, covariance: sparse.csr_array) -> Floats:
    """Return the variances of one large group by sparse factors, which stay sparse in a plane."""
    factors = splu(normal.T.tocsc())
    n = normal.shape[0]
    variance = np.empty(n)
    for start in range(0, n, _COLUMNS):
        columns = np.arange(start, min(start + _COLUMNS, n))
        unit = np.zeros((n, len(columns)))
        unit[columns, columns - start] = 1.0
        rows = factors.solve(unit)
        variance[columns] = np.einsum("ij,ij->j", rows, covariance @ rows)
    return variance


def _reach(psf: Psf, overlap: float) -> float:
    """Return the distance at which the autocorrelation of the PSF falls to a part of its middle."""
    transform = np.fft.rfft2(psf.centre, (2 * psf.width, 2 * psf.width))
    correlation = np.fft.fftshift(np.fft.irfft2(np.abs(transform) ** 2))
    middle = psf.width
    distance = np.hypot(*(np.indices(correlation.shape) - middle))
    shared = correlation >= overlap * correlation[middle, middle]
    return float(min(distance[shared].max(), core_half(psf) + psf.half))
