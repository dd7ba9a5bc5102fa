"""Images are read and written: round trips, other people's files, and every kind of bad file."""

from __future__ import annotations

import gzip
import io
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS

from pipeline.errors import ReadError
from pipeline.exposure import Exposure, ExposureInfo, Mask, PhotoCalib
from pipeline.io import read_exposure, write_exposure
from pipeline.psf import Psf
from pipeline.scene import tan_wcs

RNG = np.random.default_rng(8)
PIXELS = RNG.normal(100.0, 5.0, (40, 50)).astype(np.float32)


def sip_wcs() -> WCS:
    header = tan_wcs(150.1, 2.2, (40, 50)).to_header()
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2})
    header.update({"A_2_0": 1.234567e-5, "A_1_1": -3.1e-6, "B_0_2": 7.7e-6})
    return WCS(header)


def tpv_wcs() -> WCS:
    header = tan_wcs(150.1, 2.2, (40, 50)).to_header()
    header.update({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"})
    header.update({"PV1_1": 1.0056, "PV1_4": 3.35e-5, "PV2_1": 0.9999, "PV2_2": 2.6e-4})
    return WCS(header)


def full_exposure(wcs: WCS) -> Exposure:
    weights = RNG.normal(size=(2, 3))
    basis = RNG.random((2, 9, 9))
    header = fits.Header([("OBJECT", "COSMOS", "a comment"), ("GAIN", 1.7, "e/adu")])
    header["HIERARCH ESO DET CHIP"] = "α".encode("ascii", "replace").decode()
    header["HISTORY"] = "made by a test"
    return Exposure(
        PIXELS,
        RNG.integers(0, 1 << 16, PIXELS.shape).astype(np.uint32) & ~np.uint32(Mask.NO_DATA),
        RNG.random(PIXELS.shape, np.float32) + 1,
        info=ExposureInfo(2026031000007, 94, "i", 61109.12345678901, 30.0, "rubin", 1.234),
        psf=Psf(basis, weights, 1, (50, 40)),
        wcs=wcs,
        photo_calib=PhotoCalib(0.612345678901234, 0.0031),
        header=header,
    )


@pytest.mark.parametrize(
    "wcs", [tan_wcs(0.0, -89.9, (40, 50), rotation=33.3), sip_wcs(), tpv_wcs()]
)
@pytest.mark.parametrize("compress", [True, False])
def test_round_trip_is_exact(tmp_path: Path, wcs: WCS, compress: bool) -> None:
    before = full_exposure(wcs)
    path = tmp_path / "exposure.fits"
    write_exposure(before, path, compress=compress)
    after = read_exposure(path)
    for name in ("image", "mask", "variance"):
        assert getattr(after, name).dtype == getattr(before, name).dtype
        assert (getattr(after, name) == getattr(before, name)).all()
    assert (after.info, after.photo_calib, after.unit) == (before.info, before.photo_calib, "nJy")
    assert repr(after.header) == repr(before.header)
    assert (after.psf.basis == before.psf.basis).all()
    assert (after.psf.coefficients == before.psf.coefficients).all()
    assert (after.psf.order, after.psf.size) == (1, (50, 40))
    x, y = RNG.uniform(0, 40, (2, 20))
    wanted = np.array(wcs.all_pix2world(x, y, 0))
    assert np.array(after.wcs.all_pix2world(x, y, 0)) == pytest.approx(wanted, abs=1e-12)
    assert [p.name for p in tmp_path.iterdir()] == ["exposure.fits"]
    other = ExposureInfo(5, 6, "z", 60000.0, 15.0)
    assert read_exposure(path, info=other).info == other
    assert (read_exposure(path, hdu="VARIANCE", unit="nJy").image == before.variance).all()


def test_little_is_written_as_little(tmp_path: Path) -> None:
    stream = io.BytesIO()
    bare = Exposure(PIXELS, np.zeros(PIXELS.shape, np.uint32), np.ones_like(PIXELS), "electron")
    write_exposure(bare, stream)
    stream.seek(0)
    after = read_exposure(stream)
    assert (after.info, after.psf, after.wcs, after.photo_calib) == (None,) * 4
    assert after.unit == "electron"
    (tmp_path / "there").write_bytes(b"x")
    write_exposure(after, tmp_path / "there")
    write_exposure(after, "memory://scene/there.fits")
    assert (read_exposure("memory://scene/there.fits").image == PIXELS).all()
    assert (read_exposure((tmp_path / "there").as_uri()).image == PIXELS).all()
    with pytest.raises(ReadError, match="no world coordinates"):
        read_exposure(tmp_path / "there", require_wcs=True)


def test_quantised_files_are_small_and_good(tmp_path: Path) -> None:
    image = RNG.normal(0.0, 20.0, (400, 400)).astype(np.float32)
    exposure = Exposure(image, np.zeros(image.shape, np.uint32), np.full_like(image, 400.0))
    write_exposure(exposure, tmp_path / "exact.fits")
    write_exposure(exposure, tmp_path / "small.fits", quantize=16)
    small = read_exposure(tmp_path / "small.fits")
    # steps of 20 / 16, evenly distributed errors: 1.25 / √12, and dither leaves no bias
    assert np.std(small.image - image) == pytest.approx(1.25 / np.sqrt(12), rel=0.05)
    assert abs(np.mean(small.image - image)) < 5 * 0.37 / 400
    assert (small.variance == 400.0).all()
    exact = (tmp_path / "exact.fits").stat().st_size
    assert (tmp_path / "small.fits").stat().st_size < 0.5 * exact


def test_integers_with_bzero_blanks_and_nan(tmp_path: Path) -> None:
    raw = RNG.integers(0, 65536, (30, 40)).astype(np.uint16)
    fits.writeto(tmp_path / "raw.fits", raw)
    assert fits.getheader(tmp_path / "raw.fits")["BZERO"] == 32768
    found = read_exposure(tmp_path / "raw.fits")
    assert found.unit == "adu"
    assert (found.image == raw).all()
    assert not found.mask.any()

    counts = RNG.integers(90, 110, (30, 40)).astype(np.int16)
    counts[3, 4] = -1
    hdu = fits.PrimaryHDU(counts)
    hdu.header["BLANK"] = -1
    hdu.writeto(tmp_path / "blank.fits")
    assert np.argwhere(read_exposure(tmp_path / "blank.fits").mask).tolist() == [[3, 4]]

    holes = PIXELS.copy()
    holes[10:20, 5:9] = np.nan
    holes[0, 0] = np.inf
    fits.writeto(tmp_path / "holes.fits", holes)
    found = read_exposure(tmp_path / "holes.fits")
    assert np.isfinite(found.image).all()
    assert (found.masked(Mask.NO_DATA) == ~np.isfinite(holes)).all()
    assert found.mask[~np.isfinite(holes)].tolist() == [Mask.NO_DATA] * 41

    # what SExtractor's family writes where it has no data
    holes = PIXELS.copy()
    holes[1, 2], holes[3, 4] = 1e30, -1e30
    fits.writeto(tmp_path / "sentinels.fits", holes)
    found = read_exposure(tmp_path / "sentinels.fits")
    assert np.argwhere(found.masked(Mask.NO_DATA)).tolist() == [[1, 2], [3, 4]]
    assert np.abs(found.image).max() < 1e6


def test_the_date_of_the_file_and_negative_exposures_say_nothing(tmp_path: Path) -> None:
    header = fits.Header({"DATE": "2026-05-01T00:00:00", "EXPTIME": 30.0, "FILTER": "r"})
    fits.writeto(tmp_path / "written.fits", PIXELS, header)
    assert read_exposure(tmp_path / "written.fits").info is None
    header["DATE-OBS"] = "2026-04-01T00:00:00"
    fits.writeto(tmp_path / "exposed.fits", PIXELS, header)
    assert read_exposure(tmp_path / "exposed.fits").info is not None
    header["EXPTIME"] = -5.0
    fits.writeto(tmp_path / "negative.fits", PIXELS, header)
    assert read_exposure(tmp_path / "negative.fits").info is None


def test_files_of_ours_that_end_after_an_image_are_cut_off(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "plain.fits", PIXELS)
    exposure = read_exposure(tmp_path / "plain.fits")
    write_exposure(exposure, tmp_path / "whole.fits")
    with fits.open(tmp_path / "whole.fits") as hdus:
        end = hdus[2].fileinfo()["hdrLoc"]
    (tmp_path / "cut.fits").write_bytes((tmp_path / "whole.fits").read_bytes()[:end])
    with pytest.raises(ReadError, match=r"truncated: .*without MASK, VARIANCE"):
        read_exposure(tmp_path / "cut.fits")


def afw_file(path: Path, variance: np.ndarray, compress: bool = False) -> None:
    bits = {"BAD": 0, "SAT": 1, "INTRP": 2, "CR": 3, "DETECTED_NEGATIVE": 6, "NEVER_HEARD_OF": 9}
    mask = np.zeros(PIXELS.shape, np.int32)
    mask[1, 1], mask[2, 2], mask[3, 3], mask[4, 4] = 1 << 2, 1 << 3 | 1, 1 << 6, 1 << 9
    packed = partial(fits.CompImageHDU, compression_type="GZIP_1", quantize_level=0.0)
    kind = packed if compress else fits.ImageHDU
    header = tan_wcs(10.0, 20.0, PIXELS.shape).to_header()
    header["BUNIT"] = "nJy"
    hdus = [fits.PrimaryHDU(), kind(PIXELS, header, name="IMAGE")]
    hdus += [kind(mask, name="MASK"), kind(variance, name="VARIANCE")]
    hdus[0].header["EXPTIME"], hdus[0].header["DATE-AVG"] = 30.0, "2026-03-10T02:00:00"
    hdus[0].header["TIMESYS"] = "TAI"
    for name, bit in bits.items():
        hdus[2].header[f"HIERARCH MP_{name}"] = bit
    fits.HDUList(hdus).writeto(path)


@pytest.mark.parametrize("compress", [True, False])
def test_image_mask_variance_files(tmp_path: Path, compress: bool) -> None:
    variance = np.full(PIXELS.shape, 25.0, np.float32)
    variance[9, 9], variance[8, 8] = 0.0, np.nan
    afw_file(tmp_path / "afw.fits", variance, compress)
    found = read_exposure(tmp_path / "afw.fits", require_wcs=True)
    there = {tuple(at): Mask(int(found.mask[tuple(at)])) for at in np.argwhere(found.mask)}
    assert there == {
        (1, 1): Mask.INTERP,
        (2, 2): Mask.CR | Mask.BAD,
        (3, 3): Mask.DETECTED_NEGATIVE,
        (8, 8): Mask.NO_DATA,
        (9, 9): Mask.NO_DATA,
    }
    assert (found.variance == 25.0).all()
    assert found.info.midpoint_mjd_tai == pytest.approx(61109 + 2 / 24, abs=1e-9)
    assert found.info.visit == 2026031007200


def test_error_planes_weights_and_masks_of_other_files(tmp_path: Path) -> None:
    error = np.full(PIXELS.shape, 3.0, np.float32)
    quality = np.zeros(PIXELS.shape, np.int16)
    quality[5, 6], quality[6, 7] = 4, 8
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI")]
    hdus += [fits.ImageHDU(error, name="ERR"), fits.ImageHDU(quality, name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "hst.fits")
    found = read_exposure(tmp_path / "hst.fits", planes={2: Mask.SAT})
    assert (found.variance == 9.0).all()
    assert np.argwhere(found.masked(Mask.SAT)).tolist() == [[5, 6]]
    assert found.mask[6, 7] == 0
    unnamed = read_exposure(tmp_path / "hst.fits")
    assert np.argwhere(unnamed.masked(Mask.BAD)).tolist() == [[5, 6], [6, 7]]

    weight = np.full(PIXELS.shape, 0.25, np.float32)
    weight[7, 8] = 0.0
    for name, data in (("image", PIXELS), ("weight", weight), ("mask", quality)):
        fits.writeto(tmp_path / f"{name}.fits", data)
    found = read_exposure(
        tmp_path / "image.fits",
        weight=tmp_path / "weight.fits",
        mask=tmp_path / "mask.fits",
        unit="nJy",
    )
    assert (found.variance == 4.0).all()
    assert np.argwhere(found.masked(Mask.NO_DATA)).tolist() == [[7, 8]]
    fits.writeto(tmp_path / "other.fits", weight[:3, :3])
    with pytest.raises(ReadError, match=r"weight has shape \(3, 3\), the image \(40, 50\)"):
        read_exposure(tmp_path / "image.fits", weight=tmp_path / "other.fits")


def test_variance_made_of_the_gain(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    electrons = rng.poisson(900.0, (300, 300)).astype(float)
    electrons[:30] += rng.poisson(3600.0, (30, 300))
    fits.writeto(tmp_path / "sky.fits", (electrons / 2.4).astype(np.float32))
    found = read_exposure(tmp_path / "sky.fits", gain=2.4)
    assert np.median(found.variance[30:]) == pytest.approx(900 / 2.4**2, rel=0.05)
    assert np.median(found.variance[:30]) == pytest.approx(4500 / 2.4**2, rel=0.05)
    without = read_exposure(tmp_path / "sky.fits").variance
    assert without.min() == without.max() == pytest.approx(900 / 2.4**2, rel=0.05)


def bad_files(folder: Path) -> dict[str, tuple[Path, dict[str, object], str]]:
    """Every kind of bad file with what the error must say."""
    good = folder / "good.fits"
    fits.writeto(good, np.zeros((200, 300), np.float32))
    whole = good.read_bytes()
    plain, packed = folder / "plain.fits", folder / "packed.fits"
    fits.writeto(plain, PIXELS)
    fits.CompImageHDU(PIXELS, compression_type="RICE_1").writeto(packed)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])], name="CAT")
    images = [fits.ImageHDU(PIXELS, name=f"AMP{i}") for i in range(2)]
    nothing = np.full((40, 50), np.nan, np.float32)
    contents = {
        "empty": b"",
        "text": b"this is not FITS\n" * 400,
        "no_end": whole[:1000],
        "truncated": whole[:50_000],
        "truncated_packed": packed.read_bytes()[:-3000],
        "truncated_gz": gzip.compress(plain.read_bytes())[:-1000],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(folder / "table")
    fits.HDUList([fits.PrimaryHDU(), *images, table]).writeto(folder / "amps")
    fits.writeto(folder / "cube", np.zeros((3, 10, 10), np.float32))
    fits.writeto(folder / "nan", nothing)
    afw_file(folder / "no_variance", np.zeros_like(PIXELS))
    fits.writeto(folder / "half", PIXELS, fits.Header({"BUNIT": "furlong"}))
    amps = folder / "amps"
    return {
        "missing": (folder / "missing.fits", {}, "no such file"),
        "empty": (folder / "empty", {}, "not a whole FITS file"),
        "text": (folder / "text", {}, "not a whole FITS file"),
        "no_end": (folder / "no_end", {}, "not a whole FITS file"),
        "truncated": (folder / "truncated", {}, r"truncated: 50000 bytes.*ends at 242880"),
        "truncated_packed": (folder / "truncated_packed", {}, "truncated|not a whole FITS"),
        "truncated_gz": (folder / "truncated_gz", {}, "not a whole FITS file"),
        "table": (folder / "table", {}, "no image of two axes in it, only PrimaryHDU, BinTableHDU"),
        "cube": (folder / "cube", {}, "no image of two axes"),
        "which": (amps, {}, r"2 images, HDUs 1 \(AMP0\), 2 \(AMP1\); say which with hdu="),
        "hdu_is_table": (amps, {"hdu": 3}, "HDU 3 is a table, not an image"),
        "hdu_empty": (amps, {"hdu": 0}, "HDU 0 is empty, not an image"),
        "hdu_not_there": (
            amps,
            {"hdu": "AMP9"},
            "no HDU 'AMP9'; there are: 0 PRIMARY empty; 1 AMP",
        ),
        "nan": (folder / "nan", {}, "no pixel is finite"),
        "zero_variance": (folder / "no_variance", {}, "variance is zero, .* pass gain="),
        "huge": (good, {"max_pixels": 10_000}, "300 × 200 pixels are more than 10000; cut"),
        "unit": (folder / "half", {}, "BUNIT is 'furlong': known are adu"),
        "wcs": (good, {"require_wcs": True}, "no world coordinates .* solve the field"),
    }


def test_bad_files_are_errors_that_name_file_and_cause(tmp_path: Path) -> None:
    for name, (path, options, cause) in bad_files(tmp_path).items():
        with pytest.raises(ReadError, match=cause) as caught:
            read_exposure(path, **options)
        assert str(caught.value).startswith(f"read: {path}"), name
        assert caught.value.stage == "read"
    assert read_exposure(tmp_path / "amps", hdu="AMP1").shape == (40, 50)


REAL = {
    "lt_rise/q_e_20200830_1_11_1_1.fits": ((1026, 1030), 59091.9084087, 60.0),
    "decam_mini/DEC-OBS04a.mini.fits": ((256, 256), 58334.3936759, 330.0),
    "legacypipe_decam/testcase6/c4d_181104_072440_ooi_g_ls9.S4.fits": (
        (100, 101),
        58426.3100391,
        140.0,
    ),
    "single/imsim_raw_amp.fits.gz": ((2001, 513), 49681.1201278, 15.0),
    "single/ccdproc_a8280271.fits": ((520, 536), 56486.0012734, 150.04),
    "single/sep_emmi_image.fits": ((256, 256), 48921.6351269, 1200.0),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(test_data: Path, name: str) -> None:
    path = test_data / "images" / name
    shape, mjd, seconds = REAL[name]
    found = read_exposure(path)
    with warnings.catch_warnings():
        # a card of the oldest file follows no convention
        warnings.simplefilter("ignore", AstropyUserWarning)
        with fits.open(path) as hdus:
            data = next(hdu.data for hdu in hdus if hdu.data is not None)
            assert (found.image == data.astype(np.float32)).all()
    assert (found.shape, found.info.exposure_time) == (shape, seconds)
    assert found.info.midpoint_mjd_tai == pytest.approx(mjd, abs=1e-6)
    assert (found.variance > 0).all()
    if found.wcs is not None:
        x, y = found.wcs.world_to_pixel_values(*found.wcs.pixel_to_world_values(7.0, 9.0))
        assert (x, y) == pytest.approx((7.0, 9.0), abs=1e-3)


def test_damaged_files_are_read_or_refused() -> None:
    """Whatever bytes are lost or changed: an exposure or a ReadError, nothing else."""
    exposure = full_exposure(sip_wcs())
    header = tpv_wcs().to_header()
    header.update({"DATE-OBS": "2026-01-01T00:00:00", "EXPTIME": 30.0, "GAIN": 2.0})
    files = [io.BytesIO() for _ in range(3)]
    write_exposure(exposure, files[0])
    write_exposure(exposure, files[1], compress=False)
    fits.PrimaryHDU(PIXELS.astype(np.uint16), header).writeto(files[2])
    rng = np.random.default_rng(12)
    outcomes = {"read": 0, "refused": 0}
    for i in range(90):
        content = bytearray(files[i % 3].getvalue())
        if i % 4 == 0:
            content = content[: rng.integers(len(content))]
        else:
            # most harm is done in headers
            reach = (2880, 9000, len(content))[i % 4 - 1]
            for at in rng.integers(reach, size=rng.integers(1, 6)):
                content[at] = rng.integers(32, 127)
        try:
            found = read_exposure(io.BytesIO(bytes(content)))
        except ReadError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert np.isfinite(found.image).all()
            assert (found.mask.shape, found.variance.shape) == (found.shape, found.shape)
    assert min(outcomes.values()) > 20


def test_cubes_of_one_plane_are_images(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "cube.fits", PIXELS[np.newaxis])
    assert (read_exposure(tmp_path / "cube.fits").image == PIXELS).all()
    # beyond what single precision holds
    huge = PIXELS.astype(float)
    huge[2, 3] = 1e300
    fits.writeto(tmp_path / "huge.fits", huge)
    assert np.argwhere(read_exposure(tmp_path / "huge.fits").mask).tolist() == [[2, 3]]
