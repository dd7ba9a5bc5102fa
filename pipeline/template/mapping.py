"""From pixels of one image to pixels of another, through the sky, fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.errors import TemplateError

Floats = NDArray[np.float64]
_COARSEST, _FINEST = 128, 4
_TOLERANCE = 2e-3
_LARGEST_SCALE = 1.6


@dataclass(frozen=True)
class Affine:
    """A small correction of pixel positions: x' = x + a + b u + c v, and y' likewise.

    u and v are x and y scaled to -1 … 1 over the image.

    Attributes
    ----------
    coefficients : ndarray, shape (2, 3)
        a, b, c [pixel] of x and of y.
    size : tuple of int
        Columns and rows.
    """

    coefficients: Floats
    size: tuple[int, int]

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return corrected positions.

        Parameters
        ----------
        x, y : ndarray
            Positions [pixel].

        Returns
        -------
        x, y : ndarray
        """
        u = 2.0 * x / max(self.size[0] - 1, 1) - 1.0
        v = 2.0 * y / max(self.size[1] - 1, 1) - 1.0
        (a, b, c), (d, e, f) = self.coefficients
        return x + a + b * u + c * v, y + d + e * u + f * v


@dataclass(frozen=True)
class Mapping:
    """Positions on an input image of the nodes of a grid on an output image.

    Attributes
    ----------
    x, y : ndarray, shape (n_rows, n_columns)
        Positions on the input image [pixel] of output pixels (i step, j step).
    step : int
        Output pixels between nodes.
    """

    x: Floats
    y: Floats
    step: int

    def at(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return input positions of output positions, by bilinear interpolation.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Output positions [pixel].

        Returns
        -------
        x, y : ndarray, shape (n,)
        """
        column = np.clip((x // self.step).astype(int), 0, self.x.shape[1] - 2)
        row = np.clip((y // self.step).astype(int), 0, self.x.shape[0] - 2)
        u, v = x / self.step - column, y / self.step - row
        found_x, found_y = (
            (1 - v) * ((1 - u) * grid[row, column] + u * grid[row, column + 1])
            + v * ((1 - u) * grid[row + 1, column] + u * grid[row + 1, column + 1])
            for grid in (self.x, self.y)
        )
        return found_x, found_y

    def jacobian(self, x: Floats, y: Floats) -> Floats:
        """Return how input positions change with output positions.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Output positions [pixel].

        Returns
        -------
        ndarray, shape (n, 2, 2)
            [[∂x_in/∂x, ∂x_in/∂y], [∂y_in/∂x, ∂y_in/∂y]].
        """
        by_x = np.subtract(self.at(x + 0.5, y), self.at(x - 0.5, y))
        by_y = np.subtract(self.at(x, y + 0.5), self.at(x, y - 0.5))
        return np.stack((by_x.T, by_y.T), axis=-1)


def mapping(
    source: WCS | None, target: WCS | None, shape: tuple[int, int], correction: Affine | None = None
) -> Mapping:
    """Tabulate where the pixels of an output image are on an input image.

    The grid is made finer until interpolation between its nodes is right to 0.002 pixel.

    Parameters
    ----------
    source, target : astropy.wcs.WCS
        World coordinates of the input and of the output image.
    shape : tuple of int
        Rows and columns of the output image.
    correction : Affine, optional
        Applied to output positions first: where in the output frame the input image has what
        belongs to a pixel.

    Returns
    -------
    Mapping

    Raises
    ------
    TemplateError
        One has no WCS, the WCS has no solution there, or the pixel scales differ by too much.
    """
    for name, wcs in (("template", source), ("image it is warped to", target)):
        if wcs is None or not wcs.has_celestial:
            raise TemplateError(f"the {name} has no celestial WCS; calibrate it first")
    assert source is not None
    assert target is not None

    def _exact(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        if correction is not None:
            x, y = correction(x, y)
        found = source.world_to_pixel_values(*target.pixel_to_world_values(x, y))
        return np.asarray(found[0], float), np.asarray(found[1], float)

    step = _COARSEST
    while True:
        rows, columns = (np.arange(0, length + step, step, dtype=float) for length in shape)
        x, y = np.meshgrid(columns, rows)
        found = Mapping(*_exact(x, y), step)
        if not (np.isfinite(found.x).all() and np.isfinite(found.y).all()):
            raise TemplateError(
                "the template's WCS has no pixel for positions of the image; do they overlap?"
            )
        middle = (x[:-1, :-1] + 0.5 * step).ravel(), (y[:-1, :-1] + 0.5 * step).ravel()
        error = np.abs(np.subtract(found.at(*middle), _exact(*middle))).max()
        if error < _TOLERANCE or step <= _FINEST:
            break
        step //= 2
    _check_scale(found, shape)
    return found


def _check_scale(found: Mapping, shape: tuple[int, int]) -> None:
    """Refuse pixels so different that interpolation loses the image."""
    middle = np.array([0.5 * shape[1]]), np.array([0.5 * shape[0]])
    scale = float(np.sqrt(abs(np.linalg.det(found.jacobian(*middle)[0]))))
    if not 1.0 / _LARGEST_SCALE < scale < _LARGEST_SCALE:
        raise TemplateError(
            f"a pixel of the image is {scale:.2f} pixels of the template wide; build a template "
            "of the same pixel scale"
        )
