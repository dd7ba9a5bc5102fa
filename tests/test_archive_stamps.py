"""Stamps: FITS files laid out by numpy, read back by astropy, the oracle here."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from archive_tools import CUTOUTS, PARSED
from astropy.io import fits
from astropy.nddata import CCDData, VarianceUncertainty
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from apdb.alerts.packets import encode_stamps
from apdb.archive.cutouts import Cutouts
from apdb.archive.local_wcs import LocalWcs
from apdb.archive.stamps import KINDS, Stamps, make_stamp, read_ccd, split_stamps
from apdb.errors import ArchiveCorrupt, InvalidInput


def wcs_of(n: int, seed: int = 1) -> LocalWcs:
    rng = np.random.default_rng(seed)
    crval = np.stack([rng.uniform(0, 360, n), rng.uniform(-89, 89, n)], axis=-1)
    return LocalWcs(rng.uniform(10, 40, (n, 2)), crval, rng.normal(0, 5.5e-5, (n, 2, 2)))


def stamps_of(n: int, side: int = 30, seed: int = 1, psf: Any = "own") -> Stamps:
    rng = np.random.default_rng(seed)
    shape = (n, side, side)
    return Stamps(
        image=rng.normal(0, 100, shape).astype(np.float32),
        variance=rng.uniform(1, 50, shape).astype(np.float32),
        mask=rng.integers(0, 2**14, shape).astype(np.int16),
        psf=rng.normal(size=(n, 41, 41)) if isinstance(psf, str) else psf,
        wcs=wcs_of(n),
        corner=rng.integers(0, 4000, (n, 2)),
    )


def verified(file: Any) -> fits.HDUList:
    """The file as astropy reads it, nothing in it against the standard."""
    hdus = fits.open(io.BytesIO(bytes(file)))
    hdus.verify("exception")
    assert len(bytes(file)) % 2880 == 0
    return hdus


def check(file: Any, stamps: Stamps, row: int, *, psf: bool = True) -> None:
    verified(file)
    ccd = CCDData.read(io.BytesIO(bytes(file)), format="fits")
    np.testing.assert_array_equal(ccd.data, stamps.image[row].astype(np.float32))
    assert isinstance(ccd.uncertainty, VarianceUncertainty)
    np.testing.assert_array_equal(ccd.uncertainty.array, stamps.variance[row].astype(np.float32))
    np.testing.assert_array_equal(ccd.mask, np.asarray(stamps.mask[row]) != 0)
    assert str(ccd.unit) == "nJy"
    if psf:
        np.testing.assert_array_equal(ccd.psf, stamps.psf_of(row))
    else:
        assert ccd.psf is None
    assert stamps.wcs is not None
    expected = WCS(naxis=2)
    expected.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    expected.wcs.crpix, expected.wcs.crval = stamps.wcs.crpix[row], stamps.wcs.crval[row]
    expected.wcs.cd = stamps.wcs.cd[row]
    pixels = np.array([[0, 0], [10, 3], [29, 29]])
    separation = ccd.wcs.all_pix2world(pixels, 0) - expected.all_pix2world(pixels, 0)
    assert np.abs(separation).max() < 1e-9


@pytest.mark.parametrize("side", [30, 31, 60, 102])
def test_ccddata_reads_what_was_given(side: int) -> None:
    given_stamps = {kind: stamps_of(6, side, seed) for seed, kind in enumerate(KINDS)}
    ends = Cutouts(given_stamps, 6).encode(np.arange(6))
    for row, end in enumerate(ends):
        files = split_stamps(bytes(end))
        for kind in KINDS:
            check(files[kind], given_stamps[kind], row)
            mask = verified(files[kind])["MASK"].data
            np.testing.assert_array_equal(mask, given_stamps[kind].mask[row])
            header = verified(files[kind])[0].header
            corner = [header["CUTMINX"], header["CUTMINY"]]
            assert corner == given_stamps[kind].corner[row].tolist()  # type: ignore[index]


def test_the_end_of_a_packet_is_that_of_fastavro() -> None:
    cutouts = Cutouts({kind: stamps_of(3, seed=k) for k, kind in enumerate(KINDS)}, 3)
    for end in cutouts.encode(np.arange(3)):
        files = split_stamps(bytes(end))
        record = {"diaSourceId": 1, "note": None, "rest": b""}
        record |= dict(zip(CUTOUTS, (files[kind] for kind in KINDS), strict=True))
        out = io.BytesIO()
        fastavro.schemaless_writer(out, PARSED, record)
        assert out.getvalue().endswith(bytes(end))
        assert encode_stamps(*(files.get(kind) for kind in KINDS)) == bytes(end)


def test_one_stamp_is_as_one_of_many() -> None:
    many = stamps_of(4)
    ends = Cutouts({"science": many}, 4).encode(np.arange(4))
    wcs = LocalWcs(*(getattr(many.wcs, name)[2:3] for name in ("crpix", "crval", "cd")))
    alone = make_stamp(many.image[2], many.variance[2], many.mask[2], many.psf[2], wcs)
    corner = Stamps(many.image, many.variance, many.mask, many.psf, many.wcs)
    ends = Cutouts({"science": corner}, 4).encode(np.arange(4))
    assert split_stamps(bytes(ends[2]))["science"] == alone
    bare = CCDData.read(io.BytesIO(make_stamp(np.ones((30, 40)))), format="fits")
    assert bare.shape == (30, 40)
    assert bare.psf is bare.mask is bare.uncertainty is None
    assert bare.wcs is None


def test_equal_psfs_are_stored_once_and_found() -> None:
    psf = np.random.default_rng(5).normal(size=(6, 45, 45))
    other = psf.copy()
    other[4, 0, 0] += 1.0
    given_stamps = {
        "difference": stamps_of(6, seed=1, psf=psf),
        "science": stamps_of(6, seed=2, psf=other),
        "template": stamps_of(6, seed=3),
    }
    ends = Cutouts(given_stamps, 6).encode(np.arange(6))
    for row, end in enumerate(ends):
        files = split_stamps(bytes(end))
        check(files["difference"], given_stamps["difference"], row, psf=row == 4)
        check(files["science"], given_stamps["science"], row)
        found = read_ccd(files)
        np.testing.assert_array_equal(found["difference"].psf, psf[row])
        assert verified(files["difference"])[0].header.get("PSFREF") == (
            None if row == 4 else "cutoutScience"
        )
    lengths = [len(end) for end in ends]
    assert lengths[4] - lengths[0] == 2880 + -(-45 * 45 * 8 // 2880) * 2880
    packet = dict(zip(CUTOUTS, (files[kind] for kind in KINDS), strict=True))
    np.testing.assert_array_equal(read_ccd(packet)["difference"].psf, psf[5])


@pytest.mark.parametrize("shared", ["one for all", "list", "same object", "other type"])
def test_psfs_in_every_form(shared: str) -> None:
    psf = np.random.default_rng(5).normal(size=(41, 41)).astype(np.float32)
    forms: dict[str, tuple[Any, Any]] = {
        "one for all": (psf, psf.copy()),
        "list": ([psf] * 3, [psf.copy()] * 3),
        "same object": (same := np.stack([psf] * 3), same),
        "other type": (psf, psf.astype(np.float64)),
    }
    difference, science = forms[shared]
    given_stamps = {
        "difference": stamps_of(3, psf=difference),
        "science": stamps_of(3, psf=science),
    }
    for end in Cutouts(given_stamps, 3).encode(np.arange(3)):
        files = split_stamps(bytes(end))
        assert files["template"] is None
        header = verified(files["difference"])[0].header
        assert ("PSFREF" in header) == (shared != "other type")
        found = read_ccd(files)
        np.testing.assert_array_equal(found["difference"].psf, psf)
        np.testing.assert_array_equal(found["science"].psf, psf)


@settings(max_examples=30, deadline=None)
@given(
    sides=st.lists(st.tuples(st.integers(30, 102), st.integers(30, 102)), min_size=1, max_size=8),
    data=st.data(),
)
def test_stamps_of_many_shapes_in_any_order(
    sides: list[tuple[int, int]], data: st.DataObject
) -> None:
    rng = np.random.default_rng(len(sides))
    n = len(sides)
    stamps = Stamps(
        image=[rng.normal(size=shape) for shape in sides],
        variance=[rng.uniform(size=shape) for shape in sides],
        mask=[rng.integers(0, 2, shape) > 0 for shape in sides],
        psf=[rng.normal(size=(k % 3 + 20, 21)) for k in range(n)],
        wcs=wcs_of(n),
    )
    rows = np.array(data.draw(st.permutations(range(n))))
    for row, end in zip(rows, Cutouts({"template": stamps}, n).encode(rows), strict=True):
        check(split_stamps(bytes(end))["template"], stamps, int(row))


def test_finished_files_pass_as_they_are_beside_arrays() -> None:
    file = make_stamp(np.ones((30, 30)))
    given_stamps: Any = {"science": [file, None, file], "template": stamps_of(3)}
    first, second, _ = Cutouts(given_stamps, 3).encode(np.arange(3))
    assert split_stamps(bytes(first))["science"] == file
    assert split_stamps(bytes(second))["science"] is None
    for row, end in enumerate((first, second)):
        check(split_stamps(bytes(end))["template"], given_stamps["template"], row)
    assert Cutouts({"science": [None, file]}, 2).encode(np.array([0, 1]))[0] is None
    assert Cutouts({}, 2).encode(np.array([0, 1])) == [None, None]


def test_all_that_is_wrong_is_named() -> None:
    good = stamps_of(3)
    wrong: dict[str, Any] = {
        "image": Stamps(good.image[:2]),
        "UNCERT": Stamps(good.image, variance=good.variance[:, :-1]),
        "MASK": Stamps(good.image, mask=good.image),
        "must fit in 32 bits": Stamps(good.image, mask=np.full((3, 30, 30), 2**40)),
        "psf": Stamps(good.image, psf=np.ones((2, 9, 9))),
        "IMAGE": Stamps(np.ones((3, 2000, 2))),
        "must be of numbers": Stamps(np.full((3, 30, 30), "x")),
        "wcs.crpix": Stamps(good.image, wcs=wcs_of(2)),
        "row 1": [make_stamp(good.image[0]), b"GIF89a", None],
        "one for each": [None],
        "not an array": good.image,
        "must be Stamps": 5,
    }
    for text, stamps in wrong.items():
        with pytest.raises(InvalidInput, match=text):
            Cutouts({"science": stamps}, 3)
    with pytest.raises(InvalidInput, match="no such stamp"):
        Cutouts({"scince": good}, 3)
    with pytest.raises(InvalidInput, match="mapping"):
        Cutouts([good], 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        make_stamp(np.ones(30))


@given(junk=st.binary(max_size=60))
def test_ends_that_are_none(junk: bytes) -> None:
    try:
        files = split_stamps(junk)
    except ArchiveCorrupt:
        return
    # What is taken for three fields gives the same bytes again, but for numbers written too long.
    assert len(encode_stamps(*(files.get(kind) for kind in KINDS))) <= len(junk)


def test_real_stamps_have_what_ours_have(test_data: Path) -> None:
    with (test_data / "rubin" / "alerts.avro").open("rb") as file:
        real: list[Any] = list(itertools.islice(fastavro.reader(file), 12))
    for alert in real:
        found = read_ccd(alert)
        theirs = found["science"]
        ours = make_stamp(
            theirs.data, theirs.uncertainty.array, np.zeros(theirs.shape, np.int16), theirs.psf
        )
        again = CCDData.read(io.BytesIO(ours), format="fits")
        np.testing.assert_array_equal(again.data, theirs.data)
        np.testing.assert_array_equal(again.uncertainty.array, theirs.uncertainty.array)
        np.testing.assert_array_equal(again.psf, theirs.psf)
        assert again.unit == theirs.unit
        assert type(again.uncertainty) is type(theirs.uncertainty)
        # The real ones store both.
        np.testing.assert_array_equal(found["difference"].psf, found["science"].psf)


def test_the_local_wcs_follows_that_of_the_image() -> None:
    image = WCS(naxis=2)
    image.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    image.wcs.crpix, image.wcs.crval = [2000, 2000], [150.0, -60.0]
    angle = np.radians(47.0)
    image.wcs.cd = 5.6e-5 * np.array(
        [[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    image.sip = _sip()
    x, y = np.array([100.3, 3990.7, 2000.0]), np.array([3900.2, 50.5, 1999.0])
    corner = np.stack([x.astype(int) - 15, y.astype(int) - 15], axis=-1)
    local = LocalWcs.of_image(image, x, y, corner)
    stamps = Stamps(np.zeros((3, 31, 31)), wcs=local)
    for row, end in enumerate(Cutouts({"science": stamps}, 3).encode(np.arange(3))):
        file = split_stamps(bytes(end))["science"]
        assert file is not None
        ccd = CCDData.read(io.BytesIO(file), format="fits")
        pixels = np.array([[0, 0], [30, 0], [15, 30], [x[row] - corner[row, 0]] * 2])
        here = ccd.wcs.all_pix2world(pixels, 0)
        there = image.all_pix2world(pixels + corner[row], 0)
        offset = (here - there) * [np.cos(np.radians(-60.0)), 1.0] * 3600
        assert np.abs(offset).max() < 1e-3  # arcsec; the distortion of the image bends it


def _sip() -> Any:
    from astropy.wcs import Sip

    bend = np.zeros((3, 3))
    bend[2, 0] = 1e-7
    return Sip(bend, bend.T.copy(), None, None, [2000, 2000])


def test_ten_thousand_sources_take_little_time() -> None:
    import time

    cutouts = Cutouts({kind: stamps_of(2000, seed=k) for k, kind in enumerate(KINDS)}, 2000)
    cutouts.encode(np.arange(10))
    start = time.process_time()
    for first in range(0, 2000, 200):
        cutouts.encode(np.arange(first, first + 200))
    assert time.process_time() - start < 0.6  # 3 s for 10,000 in the worst case; 0.5 s as measured
