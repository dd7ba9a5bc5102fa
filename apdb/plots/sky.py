"""Sky maps: the whole sky and the fields in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import healpy
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from apdb.errors import InvalidInput
from apdb.input.sphere import positions, tangent, unit_vectors

Floats = npt.NDArray[np.float64]

#: Okabe and Ito's colours, for categories.
_CATEGORY_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_CATEGORY_SYMBOLS = ("o", "^", "s", "v", "D", "P", "X")

_FIELD_NSIDE = 64  # pixels of 0.9°: neighbouring ones belong to one field
_GREY = "#555555"


@dataclass(frozen=True)
class _SkyField:
    """A connected patch of sky: its centre [deg] and the rows of the points in it."""

    ra: float
    dec: float
    rows: npt.NDArray[np.intp]


def _connected(pixels: npt.NDArray[Any]) -> list[set[int]]:
    """Return the connected groups of HEALPix pixels."""
    left = set(pixels.tolist())
    groups = []
    while left:
        edge = {left.pop()}
        group = set(edge)
        while edge:
            around = healpy.get_all_neighbours(_FIELD_NSIDE, np.array(sorted(edge)), nest=True)
            edge = set(around.ravel().tolist()) & left
            left -= edge
            group |= edge
        groups.append(group)
    return groups


def _fields(ra: Floats, dec: Floats) -> list[_SkyField]:
    """Return the patches of sky that hold the points, by right ascension of their centres."""
    pixel = healpy.ang2pix(_FIELD_NSIDE, ra, dec, lonlat=True, nest=True)
    vectors = unit_vectors(ra, dec)
    found = []
    for group in _connected(np.unique(pixel)):
        rows = np.flatnonzero(np.isin(pixel, list(group)))
        low, high = vectors[rows].min(axis=0), vectors[rows].max(axis=0)
        centre_ra, centre_dec = positions((low + high) / 2)
        found.append(_SkyField(float(centre_ra), float(centre_dec), rows))
    return sorted(found, key=lambda f: f.ra)


class _Marks:
    """How the points look: by value with a colour bar, by label with a legend, or plainly."""

    def __init__(
        self, n: int, values: Floats | None, labels: npt.NDArray[Any] | None, value_label: str
    ) -> None:
        self.value_label = value_label
        self.values = values
        groups: list[tuple[str, npt.NDArray[np.intp]]] = [("", np.arange(n))]
        if labels is not None:
            names = labels.astype(str)
            unique, count = np.unique(names, return_counts=True)
            # the commonest first, so that it lies under the rarer ones
            ordered = unique[np.argsort(-count, kind="stable")]
            groups = [(str(name), np.flatnonzero(names == name)) for name in ordered]
        self.groups = groups
        finite = np.array([]) if values is None else values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        wide = low > 0 and high >= 20 * low
        self.norm = LogNorm(low, high) if wide else Normalize(low, high)

    def style(self, group: int) -> tuple[str, str]:
        """Return colour and symbol of a group of labels."""
        colours, symbols = _CATEGORY_COLOURS, _CATEGORY_SYMBOLS
        return colours[group % len(colours)], symbols[group % len(symbols)]

    def draw(self, axes: Axes, x: Floats, y: Floats, rows: npt.NDArray[np.intp]) -> Any:
        """Draw the points of some rows, given their places; return an artist that has a scale."""
        size = float(np.clip(4000 / max(len(rows), 1), 2.0, 16.0))
        scaled = None
        for i, (_, members) in enumerate(self.groups):
            here = np.isin(rows, members)
            if not here.any():
                continue
            colour, symbol = self.style(i)
            style: dict[str, Any] = {"s": size, "marker": symbol, "linewidths": 0, "zorder": 3}
            if self.values is None:
                axes.scatter(x[here], y[here], color=colour, **style)
            else:
                style |= {"cmap": "viridis", "norm": self.norm}
                scaled = axes.scatter(x[here], y[here], c=self.values[rows[here]], **style)
        return scaled

    def handles(self) -> list[Line2D]:
        """Return the entries of the legend."""
        return [
            Line2D([], [], color=self.style(i)[0], marker=self.style(i)[1], ls="", label=name)
            for i, (name, _) in enumerate(self.groups)
            if name
        ]


def _label_meridians(axes: Axes, x: Floats, y: Floats) -> None:
    """Write right ascensions along the equator, on the side where no field hides them."""
    for place in np.radians(np.arange(-150, 180, 30)):
        beside = np.abs(x - place) < np.radians(14.0)
        hidden = beside & (y > -0.05) & (y < np.radians(12.0))
        up = not hidden.any()
        text = f"{-np.degrees(place) % 360:.0f}°"
        side = "bottom" if up else "top"
        axes.annotate(
            text, (place, 0.0), (0, 1 if up else -2), textcoords="offset points", ha="center",
            va=side, fontsize=7, color=_GREY,
        )  # fmt: skip


def _draw_all_sky(figure: Figure, place: Any, fields: Sequence[_SkyField]) -> None:
    """Draw where the fields are, RA growing to the left with 0 in the middle."""
    axes = figure.add_subplot(place, projection="mollweide")
    axes.grid(color="#cccccc", lw=0.5)
    axes.set_xticks(np.radians(np.arange(-150, 180, 30)), [])
    axes.set_yticks(np.radians(np.arange(-60, 61, 30)))
    axes.tick_params(labelsize=7, colors=_GREY)
    axes.set_xlabel("right ascension (ICRS), east to the left", fontsize=8, labelpad=10)
    axes.set_ylabel("declination", fontsize=8)
    ra = np.array([f.ra for f in fields])
    x = -np.radians(np.mod(ra + 180.0, 360.0) - 180.0)
    y = np.radians([f.dec for f in fields])
    axes.scatter(
        x, y, s=90, color="#D55E00", edgecolors="white", linewidths=0.8, zorder=4, clip_on=False
    )
    _label_meridians(axes, x, y)
    for i in range(len(fields)):
        axes.annotate(
            str(i + 1), (x[i], y[i]), ha="center", va="center", color="white", fontsize=6.5,
            fontweight="bold", zorder=5,
        )  # fmt: skip


def _draw_footprints(
    axes: Axes, field: _SkyField, circles: Floats, scale: float
) -> tuple[Floats, Floats, Floats]:
    """Draw the footprints near a field and return their places and radii."""
    x, y = tangent(circles[:, 0], circles[:, 1], field.ra, field.dec)
    near = np.hypot(x, y) < 5.0
    x, y, radius = x[near] * scale, y[near] * scale, circles[near, 2] * scale
    axes.add_collection(
        EllipseCollection(
            2 * radius, 2 * radius, np.zeros(len(x)), units="xy",
            offsets=np.stack([x, y], axis=1), offset_transform=axes.transData,
            facecolors="none", edgecolors="#888888", linewidths=0.5, alpha=0.6, zorder=2,
        )
    )  # fmt: skip
    return x, y, radius


def _draw_field(
    axes: Axes, number: int, field: _SkyField, sky: tuple[Floats, Floats], circles: Floats,
    marks: _Marks,
) -> Any:  # fmt: skip
    """Draw one field on its tangent plane, east to the left; return an artist with a scale."""
    x, y = tangent(sky[0][field.rows], sky[1][field.rows], field.ra, field.dec)
    extent = float(np.hypot(x, y).max(initial=0.0))
    scale, unit = (1.0, "deg") if extent > 0.5 else (60.0, "arcmin")
    x, y = x * scale, y * scale
    scaled = marks.draw(axes, x, y, field.rows)
    cx, cy, radius = _draw_footprints(axes, field, circles, scale)
    half_x = max(np.abs(x).max(), (np.abs(cx) + radius).max(initial=0.0), 0.01)
    half_y = max(np.abs(y).max(), (np.abs(cy) + radius).max(initial=0.0), 0.01)
    half = 1.06 * max(half_x, half_y)
    axes.set(xlim=(half, -half), ylim=(-half, half), aspect="equal")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=7)
    axes.set_xlabel(f"east ← [{unit}]", fontsize=7, labelpad=1)
    axes.set_ylabel(f"north → [{unit}]", fontsize=7, labelpad=1)
    count = f"{len(field.rows):,}".replace(",", "\u2009")
    place = f"RA {field.ra:.2f}° Dec {field.dec:+.2f}°".replace("-", "−")
    axes.set_title(f"{number}: {place}, n = {count}", fontsize=8)
    return scaled


def _circles(footprints: Iterable[tuple[float, float, float]] | None) -> Floats:
    """Return footprints as an array, shape (n, 3)."""
    circles = np.array([] if footprints is None else list(footprints), float)
    return circles.reshape(-1, 3)


def sky_map(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    *,
    values: npt.ArrayLike | None = None,
    value_label: str = "",
    labels: npt.ArrayLike | None = None,
    footprints: Iterable[tuple[float, float, float]] | None = None,
    title: str = "",
    max_fields: int = 9,
) -> Figure:
    """Draw the whole sky and, one by one, the fields in it.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Positions [deg].
    values : array_like, shape (n,), optional
        Colours the points.
    value_label : str
        Name and unit of `values`, for the colour bar.
    labels : array_like of str, shape (n,), optional
        Category of each point; not together with `values`.
    footprints : iterable of tuple of float, optional
        Circles (ra, dec, radius) [deg], drawn as outlines.
    title : str
        Above the figure.
    max_fields : int
        At most this many fields are drawn one by one: those with the most points.

    Returns
    -------
    Figure
        All sky (Mollweide, RA 0 in the middle, east to the left) above, tangent planes of the
        fields below, which are right at RA 0 and at the poles.

    Raises
    ------
    InvalidInput
        If the lengths differ, or values and labels are both given.
    """
    sky = (np.asarray(ra, float).ravel(), np.asarray(dec, float).ravel())
    given_values = None if values is None else np.asarray(values, float).ravel()
    given_labels = None if labels is None else np.asarray(labels).ravel()
    _check_lengths(len(sky[0]), dec=sky[1], values=given_values, labels=given_labels)
    if given_values is not None and given_labels is not None:
        raise InvalidInput("give either values or labels to colour the points, not both")
    marks = _Marks(len(sky[0]), given_values, given_labels, value_label)
    fields = _fields(*sky)
    biggest = sorted(fields, key=lambda f: -len(f.rows))[:max_fields]
    shown = [f for f in fields if f in biggest]
    columns = min(3, max(len(shown), 1))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(9.5, 4.6 + 3.1 * rows), layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[1.35, *[1.0] * rows])
    _draw_all_sky(figure, grid[0, :], fields)
    circles = _circles(footprints)
    scaled = None
    panels = []
    for i, field in enumerate(shown):
        axes = figure.add_subplot(grid[1 + i // columns, i % columns])
        panels.append(axes)
        number = next(n for n, f in enumerate(fields, start=1) if f is field)
        scaled = _draw_field(axes, number, field, sky, circles, marks) or scaled
    if scaled is not None:
        bar = figure.colorbar(scaled, ax=panels, location="bottom", shrink=0.5, aspect=40, pad=0.01)
        bar.set_label(value_label, fontsize=8)
        if isinstance(marks.norm, LogNorm):
            # 1, 2, 5, 10 as they are, not as powers
            bar.set_ticks(LogLocator(subs=(1.0, 2.0, 5.0)), minor=False)
            bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")
        bar.ax.tick_params(labelsize=7)
    if handles := marks.handles():
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8,
            frameon=False,
        )  # fmt: skip
    figure.suptitle(title, fontsize=11)
    return figure


def _check_lengths(n: int, **columns: npt.NDArray[Any] | None) -> None:
    """Raise if a column has another length."""
    for name, column in columns.items():
        if column is not None and len(column) != n:
            raise InvalidInput(f"{name} has {len(column)} rows, ra has {n}: give one each a point")
