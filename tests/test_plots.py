"""Figures: drawn for real, with the data in the artists."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Table
from matplotlib.collections import EllipseCollection, PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.image import imread

from apdb.errors import InvalidInput
from apdb.plots import BAND_COLOURS, BAND_SYMBOLS, light_curve, object_page, save, sky_map

RNG = np.random.default_rng(1)


def points(axes) -> np.ndarray:
    drawn = [c.get_offsets() for c in axes.collections if isinstance(c, PathCollection)]
    return np.ma.getdata(np.concatenate(drawn))


def detections(**changes) -> dict:
    columns = {
        "midpoint_mjd_tai": np.array([61000.1, 61000.2, 61003.0, 61003.1]),
        "psf_flux": np.array([100.0, 2000.0, 36308.0, -500.0]),
        "psf_flux_err": np.array([20.0, 30.0, 100.0, 50.0]),
        "band": np.array(["g", "r", "g", "y"]),
    }
    return columns | changes


def test_sky_map_draws_every_point_in_its_field():
    ra = np.array([150.0, 150.1, 10.0])
    dec = np.array([2.0, 2.0, -44.0])
    figure = sky_map(ra, dec, title="three")
    everything, one, two = figure.axes
    assert everything.name == "mollweide"
    assert len(points(everything)) == 2
    assert len(points(one)) == 1
    assert one.get_title().startswith("1: RA 10.00° Dec −44.00°, n = 1")
    # a tenth of a degree of right ascension, in arcmin about the middle
    east = np.sort(points(two)[:, 0])
    np.testing.assert_allclose(east, [-3 * np.cos(np.radians(2)), 3 * np.cos(np.radians(2))], 1e-4)
    low, high = two.get_xlim()
    assert low > high, "east is to the left"


def test_sky_map_all_sky_places():
    """RA 0 in the middle, east to the left, as on the sky."""
    figure = sky_map([0.0, 90.0, 270.0, 0.0], [0.0, 0.0, 0.0, 60.0])
    x, y = points(figure.axes[0]).T
    np.testing.assert_allclose(np.degrees(x), [0.0, 0.0, -90.0, 90.0], atol=1e-9)
    np.testing.assert_allclose(np.degrees(y), [0.0, 60.0, 0.0, 0.0], atol=1e-9)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ([359.95, 0.05], [0.0, 0.0]),
        ([0.0, 90.0, 180.0, 270.0], [89.95] * 4),
        ([5.0] * 2, [-89.9, -90]),
    ],
)
def test_sky_map_does_not_tear_fields_apart(ra, dec):
    figure = sky_map(ra, dec)
    assert len(figure.axes) == 2
    assert len(points(figure.axes[1])) == len(ra)
    spread = np.hypot(*points(figure.axes[1]).T)
    assert spread.max() < 6.0  # arcmin


def test_sky_map_draws_footprints_as_circles_of_their_size():
    footprints = [(150.0, 2.0, 0.2), (150.3, 2.0, 0.1), (10.0, 0.0, 0.2)]
    figure = sky_map([150.0], [2.0], footprints=footprints)
    axes = figure.axes[1]
    (circles,) = (c for c in axes.collections if isinstance(c, EllipseCollection))
    np.testing.assert_allclose(circles.get_widths(), [24.0, 12.0])  # arcmin; not the far field's
    np.testing.assert_allclose(
        circles.get_offsets()[1], [18.0 * np.cos(np.radians(2)), 0.0], rtol=1e-3, atol=0.02
    )
    figure.canvas.draw()
    box = circles.get_window_extent()
    assert box.width == pytest.approx(box.height * (24 + 6) / 24, rel=0.1)


def test_sky_map_colours_by_value():
    n = 500
    values = np.arange(1.0, n + 1)
    figure = sky_map(
        150 + RNG.random(n), RNG.random(n), values=values, value_label="detections per object"
    )
    (scatter,) = (c for c in figure.axes[1].collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(scatter.get_array(), values)
    assert figure.axes[-1].get_xlabel() == "detections per object"
    assert scatter.get_clim() == (1.0, n)


def test_sky_map_by_label_has_a_legend():
    figure = sky_map([1.0, 1.1, 1.2], [0.0, 0.0, 0.0], labels=["new", "known", "known"])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["known", "new"]
    sizes = [
        len(c.get_offsets()) for c in figure.axes[1].collections if isinstance(c, PathCollection)
    ]
    assert sizes == [2, 1]


def test_sky_map_shows_the_fullest_fields():
    ra = np.concatenate([np.repeat(np.arange(0.0, 200.0, 10.0), np.arange(1, 21))])
    figure = sky_map(ra, np.zeros(len(ra)), max_fields=4)
    assert len(points(figure.axes[0])) == 20
    titles = [a.get_title() for a in figure.axes[1:]]
    assert [t.split(":")[0] for t in titles] == ["17", "18", "19", "20"]


def test_sky_map_of_nothing_is_an_empty_sky(tmp_path):
    figure = sky_map([], [])
    assert len(figure.axes) == 1
    save(figure, tmp_path / "empty.png")


def test_sky_map_refuses_lengths_that_differ():
    with pytest.raises(InvalidInput, match="values has 1 rows, ra has 2"):
        sky_map([1.0, 2.0], [0.0, 0.0], values=[1.0])
    with pytest.raises(InvalidInput, match="either values or labels"):
        sky_map([1.0], [0.0], values=[1.0], labels=["a"])


def series(axes) -> dict[str, ErrorbarContainer]:
    return {c.get_label(): c for c in axes.containers if isinstance(c, ErrorbarContainer)}


def test_light_curve_draws_fluxes_with_errors_by_band():
    figure = light_curve(detections(), title="one")
    axes = figure.axes[0]
    drawn = series(axes)
    assert list(drawn) == ["g", "r", "y"]
    line, _, (bars,) = drawn["g"]
    np.testing.assert_allclose(line.get_xydata(), [[0.1, 100.0], [3.0, 36308.0]], atol=1e-6)
    assert line.get_color() == BAND_COLOURS["g"]
    assert line.get_marker() == BAND_SYMBOLS["g"]
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, [40.0, 200.0])
    assert axes.get_ylabel() == "PSF difference flux [nJy]"
    assert axes.get_xlabel() == "midpoint MJD (TAI) − 61000 [d]"
    low, high = axes.get_ylim()
    assert low < -550
    assert high > 36408


def test_magnitude_axis_agrees_with_the_definition_of_ab():
    """AB magnitude = -2.5 log10(flux / 3631 Jy); astropy knows it."""
    figure = light_curve(detections())
    figure.canvas.draw()
    (right,) = figure.axes[0].child_axes
    assert right.get_ylabel() == "AB magnitude"
    labels = [float(t.get_text()) for t in right.get_yticklabels()]
    expected = (labels * u.ABmag).to_value(u.nJy)
    np.testing.assert_allclose(right.get_yticks(), expected, rtol=1e-4)
    assert len(labels) >= 2


@pytest.mark.parametrize("top", [50.0, 3e3, 4e5, 2.5e7])
@pytest.mark.parametrize("bottom", [-10.0, -2e5])
def test_magnitude_labels_do_not_overlap(top, bottom):
    rows = detections(psf_flux=np.array([bottom, top, 0.5 * top, 0.0]))
    figure = light_curve(rows)
    figure.canvas.draw()
    for right in figure.axes[0].child_axes:
        boxes = [t.get_window_extent() for t in right.get_yticklabels()]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_no_magnitudes_where_no_flux_is_positive():
    rows = detections(psf_flux=np.array([-1e4, -2e4, -3e4, -4e4]))
    axes = light_curve(rows).axes[0]
    assert max(axes.get_ylim()) > 0
    for right in axes.child_axes:
        assert all(place > 0 for place in right.get_yticks())


def test_forced_points_are_open_and_beside_the_detections():
    forced = detections(psf_flux=np.array([10.0, 20.0, 30.0, 40.0]))
    drawn = series(light_curve(detections(), forced).axes[0])
    assert set(drawn) == {"g", "r", "y", "g forced", "r forced", "y forced"}
    assert drawn["g forced"][0].get_markerfacecolor() == "white"
    assert drawn["g"][0].get_markerfacecolor() == BAND_COLOURS["g"]
    np.testing.assert_allclose(drawn["g forced"][0].get_ydata(), [10.0, 30.0])


def test_outlying_forced_points_are_marked_and_do_not_flatten_the_curve():
    n = 200
    flux = np.append(RNG.normal(0.0, 10.0, n - 1), -1e6)
    forced = {
        "midpoint_mjd_tai": 61000 + RNG.random(n),
        "psf_flux": flux,
        "psf_flux_err": np.full(n, 10.0),
        "band": np.array(["i"] * n),
    }
    axes = light_curve(detections(), forced).axes[0]
    assert axes.get_ylim()[0] > -1e5
    assert axes.get_title(loc="right") == "1 forced off scale (▾▴)"


def test_one_panel_an_object_the_richest_first():
    rows = {name: np.concatenate([values, values[:2]]) for name, values in detections().items()}
    rows["dia_object_id"] = np.array([2**60 + 1] * 4 + [7] * 2)
    forced = detections(dia_object_id=np.full(4, 7))
    figure = light_curve(rows, forced)
    assert [a.get_title(loc="left") for a in figure.axes] == [
        f"DIAObject {2**60 + 1} · 4 detections, 0 forced",
        "DIAObject 7 · 2 detections, 4 forced",
    ]
    assert len(light_curve(rows, max_panels=1).axes) == 1


@pytest.mark.parametrize("container", [Table, pd.DataFrame, lambda c: Table(c, masked=True)])
def test_containers_and_nulls(container):
    rows = detections(psf_flux=np.array([1.0, np.nan, 3.0, 4.0]))
    table = container(rows)
    if isinstance(table, Table) and table.masked:
        table["psf_flux"].mask = [False, True, False, False]
    drawn = series(light_curve(table).axes[0])
    np.testing.assert_allclose(drawn["g"][0].get_ydata(), [1.0, 3.0])


def test_units_of_an_astropy_table_are_kept_out_of_the_way():
    rows = Table(detections())
    rows["psf_flux"].unit = u.nJy
    np.testing.assert_allclose(series(light_curve(rows).axes[0])["r"][0].get_ydata(), [2000.0])


def test_missing_columns_and_no_rows_are_named():
    rows = detections()
    del rows["band"], rows["psf_flux"]
    with pytest.raises(InvalidInput, match="detections lack psf_flux, band"):
        light_curve(rows)
    empty = {name: values[:0] for name, values in detections().items()}
    with pytest.raises(InvalidInput, match="no detections"):
        light_curve(empty)


def test_save_writes_an_image_and_makes_the_folder(tmp_path):
    path = save(light_curve(detections()), tmp_path / "new" / "curve.png", dpi=50)
    image = imread(path)
    assert image.shape[:2] == (185, 425)
    assert image[..., :3].std() > 0.05
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_save_names_a_wrong_suffix(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot write .*curve\.gif5"):
        save(light_curve(detections()), tmp_path / "curve.gif5")


def places(**changes) -> dict:
    columns = detections() | {
        "ra": np.array([359.99999, 0.00001, 0.0, 0.0]),
        "dec": np.array([60.0, 60.0, 60.00001, 59.99999]),
        "ra_err": np.full(4, 0.1 / 3600),
        "dec_err": np.full(4, 0.05 / 3600),
        "ra_dec_cov": np.zeros(4),
    }
    return columns | changes


def test_object_page_has_a_panel_for_what_is_known():
    full = object_page(
        places(),
        detections(),
        frequency=2.0,
        stamps={kind: np.ones((5, 5)) for kind in ("difference", "science", "template")},
    )
    titles = [axes.get_title("left") for axes in full.axes]
    assert titles[2].startswith("folded at 0.5 d")
    assert titles[-3:] == ["difference", "science", "template"]
    bare = object_page(places())
    assert len(bare.axes) == 3


def test_object_page_draws_offsets_over_ra_zero_and_error_ellipses():
    sky = object_page(places()).axes[-1]
    x, y = points(sky).T
    np.testing.assert_allclose(np.sort(x), [-0.018, 0.0, 0.0, 0.018], atol=1e-6)
    np.testing.assert_allclose(np.sort(y), [-0.036, 0.0, 0.0, 0.036], atol=1e-6)
    low, high = sky.get_xlim()
    assert low > high, "east is to the left"
    (ellipses,) = [c for c in sky.collections if isinstance(c, EllipseCollection)]
    # full axes [arcsec]; the long one along right ascension
    np.testing.assert_allclose(ellipses.get_widths(), 0.2, rtol=1e-6)
    np.testing.assert_allclose(ellipses.get_heights(), 0.1, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.cos(np.radians(ellipses.get_angles()))), 1.0)


def test_object_page_turns_ellipses_with_the_covariance():
    error = np.full(4, 0.1 / 3600)
    sky = object_page(places(ra_err=error, dec_err=error, ra_dec_cov=0.5 * error**2)).axes[-1]
    (ellipses,) = [c for c in sky.collections if isinstance(c, EllipseCollection)]
    np.testing.assert_allclose(ellipses.get_angles() % 180.0, 45.0)
    ratio = ellipses.get_widths() / ellipses.get_heights()
    np.testing.assert_allclose(ratio, np.sqrt(1.5 / 0.5))


def test_object_page_magnitudes_and_upper_limits():
    axes = object_page(places()).axes[1]
    drawn = {
        round(float(y), 3)
        for container in axes.containers
        for y in np.atleast_1d(container.lines[0].get_ydata())
    }
    # 100, 2000 and 36308 nJy: astropy's AB magnitudes; -500 nJy is an upper limit of 150 nJy
    expected = (np.array([100.0, 2000.0, 36308.0]) * u.nJy).to_value(u.ABmag)
    assert drawn == set(expected.round(3).tolist())
    limits = [line for line in axes.lines if line.get_marker() == "$\\downarrow$"]
    shown = np.concatenate([line.get_ydata() for line in limits])
    np.testing.assert_allclose(shown, (150.0 * u.nJy).to_value(u.ABmag), atol=1e-3)
    low, high = axes.get_ylim()
    assert low > high, "bright is up"


def test_object_page_folds_at_the_frequency():
    axes = object_page(places(), frequency=10.0).axes[2]
    phases = np.concatenate(
        [c.lines[0].get_xdata() for c in axes.containers if isinstance(c, ErrorbarContainer)]
    )
    # whole turns of a tenth of a day after the first point
    np.testing.assert_allclose(np.round(phases, 6) % 1.0, 0.0, atol=1e-5)
    assert len(phases) == 8


def test_object_page_refuses_what_it_cannot_draw():
    with pytest.raises(InvalidInput, match="lack ra, dec"):
        object_page(detections())
    with pytest.raises(InvalidInput, match="frequency of 0"):
        object_page(places(), frequency=0.0)
    with pytest.raises(InvalidInput, match="no detections"):
        object_page({name: values[:0] for name, values in places().items()})
