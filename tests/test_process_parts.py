"""Parts of processing that need no database: settings, identifiers, stamps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from apdb.archive.stamps import make_stamp, read_ccd
from apdb.errors import InvalidInput
from pipeline.errors import MeasureError
from pipeline.exposure import Exposure, Mask
from pipeline.process.cutouts import cutouts
from pipeline.process.identify import dia_source_ids
from pipeline.process.naming import completed
from pipeline.process.toml import as_table, from_table, read_toml
from pipeline.psf import Psf


@dataclass(frozen=True)
class Inner:
    name: str = "r"
    slope: float = 0.0


@dataclass(frozen=True)
class Settings:
    size: int = 3
    depth: float = 1.0
    way: Literal["auto", "zogy"] = "auto"
    pair: tuple[float, float] = (0.5, 2.0)
    degrees: tuple[int, ...] = (4, 2)
    planes: Mask = Mask.BAD | Mask.SAT
    term: Inner | None = None
    place: Path | None = None
    on: bool = True

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"size must be positive, not {self.size}")
        if self.pair[0] > self.pair[1]:
            raise ValueError("pair must ascend")


GOOD = """
size = 5
depth = 2
way = "zogy"
pair = [1, 2.5]
degrees = [6, 4, 2]
planes = ["CR", "NO_DATA"]
term = {name = "g", slope = 1}
place = "here"
on = false
"""


def test_settings_become_the_types_of_their_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    found = from_table(Settings, read_toml(path), "a.toml")
    assert found == Settings(
        5, 2.0, "zogy", (1.0, 2.5), (6, 4, 2), Mask.CR | Mask.NO_DATA, Inner("g", 1.0),
        Path("here"), False,
    )  # fmt: skip
    assert type(found.depth) is float
    assert from_table(Settings, as_table(found), "again") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("siz = 3", r"there is no key siz; did you mean size\?"),
        ("size = 0", "key size = 0: size must be positive, not 0"),
        ("size = 2.5", r"key size = 2\.5: must be a whole number"),
        ("size = true", "key size = True: must be a whole number"),
        ("depth = 'deep'", "key depth = 'deep': must be a number"),
        ("on = 1", "key on = 1: must be true or false"),
        ("way = 'best'", "key way = 'best': must be one of auto, zogy"),
        ("pair = [1.0]", r"key pair = \[1\.0\]: must be a list of 2"),
        ("pair = [3, 2]", r"key pair = \[3, 2\]: pair must ascend"),
        ("degrees = [2, 'x']", r"key degrees = \[2, 'x'\]: must be a whole number"),
        ("planes = ['COSMIC']", r"key planes = \['COSMIC'\]: must be a list of BAD, SAT"),
        ("term = 3", "key term = 3: must be a table of name, slope"),
        ("term = {slop = 3}", r"key term: there is no key slop; did you mean slope\?"),
        ("term = {slope = 'x'}", "key term, key slope = 'x': must be a number"),
    ],
)
def test_errors_name_key_and_value(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="a.toml, section x.*" + message):
        from_table(Settings, read_toml(path), f"{path}, section x")


def test_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with pytest.raises(InvalidInput, match=r"a\.toml: No such file"):
        read_toml(path)
    path.write_text("size = 3\nway = = 1\n")
    with pytest.raises(InvalidInput, match=r"a.toml: this is no TOML: .*line 2"):
        read_toml(path)


def test_images_without_numbers_are_numbered_by_their_time(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(b"")
    # 2018-07-25 00:02:05 TAI, and a quarter of a day later
    times = (58324.0 + 125.5 / 86400, 58324.25)
    found = [completed(path, {"midpoint_mjd_tai": t, "exposure_time": 60.0}) for t in times]
    assert [each and each.visit for each in found] == [2018072500125, 2018072521600]
    given = completed(path, {"midpoint_mjd_tai": times[0], "exposure_time": 60.0, "visit": 77777})
    assert given is not None
    assert given.visit == 77777


def test_identifiers_are_unique_over_visits_and_detectors() -> None:
    images = [(v, d) for v in (1, 2, 2026031000001, 2**41 - 1) for d in (0, 1, 255)]
    ids = np.concatenate([dia_source_ids(v, d, 50) for v, d in images])
    assert len(np.unique(ids)) == len(ids)
    assert ids.min() > 0
    assert dia_source_ids(7, 3, 0).shape == (0,)
    for bad in ((2**41, 0, 1), (1, 256, 1), (1, 1, 20_000)):
        with pytest.raises(MeasureError, match="does not fit into dia_source_id"):
            dia_source_ids(*bad)


def exposure(seed: int, psf: Psf) -> Exposure:
    rng = np.random.default_rng(seed)
    shape = (60, 80)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix, wcs.wcs.crval = [40.5, 30.5], [150.0, 2.0]
    wcs.wcs.cd = np.diag([-0.2, 0.2]) / 3600
    return Exposure(
        rng.normal(size=shape).astype(np.float32),
        rng.integers(0, 8, shape).astype(np.uint32),
        rng.uniform(1, 2, shape).astype(np.float32),
        psf=psf,
        wcs=wcs,
    )


def test_stamps_are_what_astropy_cuts_out() -> None:
    psf = Psf.gaussian(3.0, (80, 60))
    images = [exposure(seed, psf) for seed in range(3)]
    x, y = np.array([40.3, 2.1, 78.7]), np.array([30.8, 57.9, 1.2])
    found = cutouts(*images, x, y, half=7)
    for kind, image in zip(("difference", "science", "template"), images, strict=True):
        for k in range(3):
            cut = Cutout2D(
                image.image, (np.rint(x[k]), np.rint(y[k])), 15, mode="partial", fill_value=0.0
            )
            assert np.array_equal(found[kind].image[k], cut.data)
            inside = np.isfinite(found[kind].variance[k])
            assert inside.sum() == np.prod(cut.bbox_cutout[0][1] - cut.bbox_cutout[0][0] + 1) * (
                cut.bbox_cutout[1][1] - cut.bbox_cutout[1][0] + 1
            )
            assert (found[kind].mask[k][~inside] == int(Mask.NO_DATA)).all()
    stamps = found["science"]
    one = {
        "science": make_stamp(stamps.image[0], stamps.variance[0], stamps.mask[0], stamps.psf[0])
    }
    assert read_ccd(one)["science"].psf.sum() == pytest.approx(1.0, abs=1e-3)
    # the position of the source, by the stamp's own WCS
    local = stamps.wcs
    assert local is not None
    sky = images[1].wcs.pixel_to_world_values(x, y)
    assert np.allclose(local.crval, np.stack(sky, axis=-1), atol=1e-9)
    assert np.array_equal(stamps.corner, np.rint(np.stack([x, y], -1)).astype(int) - 7)


def test_stamps_of_no_source_and_without_wcs() -> None:
    image = exposure(1, Psf.gaussian(3.0, (80, 60)))
    assert len(cutouts(image, image, image, [], [])["science"]) == 0
    with pytest.raises(MeasureError, match="no"):
        cutouts(image, image.with_(wcs=None), image, [1.0], [1.0])
