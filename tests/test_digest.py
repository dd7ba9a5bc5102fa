"""The digest of a visit's content: the same for the same content, else not."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from apdb.input.digest import content_digest
from apdb.input.records import dia_source_batch
from apdb.input.visit import Visit
from apdb.schema.catalogue import table

VISIT = Visit(
    visit=2026030900026,
    detector=40,
    band="g",
    midpoint_mjd_tai=61109.1447,
    exposure_time=30.0,
    ra=150.05,
    dec=1.2,
    radius=0.2,
)


def sources() -> dict[str, np.ndarray[Any, Any]]:
    return {
        "dia_source_id": np.array([30, 10, 20], np.int64),
        "ra": np.array([150.0, 150.1, 150.05]),
        "dec": np.array([1.2, 1.25, 1.15]),
        "psf_flux": np.array([1000.0, -200.0, 0.0], np.float32),
        "psf_flux_err": np.array([10.0, 11.0, 12.0], np.float32),
        "snr": np.array([100.0, np.nan, 0.0], np.float32),
        "pixel_flags_bad": np.array([True, False, False]),
        "reliability_version": np.array(["1", "1", "é"]),
    }


def digest_of(data: object, visit: Visit = VISIT) -> bytes:
    return content_digest(visit, dia_source_batch(data, visit))


REFERENCE = digest_of(sources())


def test_is_a_sha256() -> None:
    assert len(REFERENCE) == 32


def test_does_not_depend_on_the_container() -> None:
    data = sources()
    array = np.rec.fromarrays(list(data.values()), names=list(data))
    with_units = QTable(data, units={"ra": u.deg, "psf_flux": u.nJy})
    others: list[Any] = [Table(data), pd.DataFrame(data), pa.table(data), array, with_units]
    others.append({name: values.tolist() for name, values in data.items()})
    for other in others:
        assert digest_of(other) == REFERENCE


def test_does_not_depend_on_spelling_byte_order_or_integer_width() -> None:
    data = {table("dia_source").column(name).dpdd_name: v for name, v in sources().items()}
    data["diaSourceId"] = data["diaSourceId"].astype(">i8")
    data["ra"] = data["ra"].astype(">f8")
    data["psfFlux"] = data["psfFlux"].astype(">f4").astype("f8")
    assert digest_of(data) == REFERENCE


@settings(deadline=None)
@given(st.permutations(range(3)), st.permutations(list(sources())))
def test_does_not_depend_on_order(rows: list[int], names: list[str]) -> None:
    data = sources()
    assert digest_of({name: data[name][rows] for name in names}) == REFERENCE


def test_absent_is_the_same_as_null_or_default_throughout() -> None:
    data: dict[str, Any] = sources()
    data["ap_flux"] = np.full(3, np.nan)
    data["trail_algorithm"] = np.ma.MaskedArray([1, 2, 3], mask=True)
    data["x"] = np.full(3, np.nan)
    data["psf_ndata"] = np.zeros(3, int)
    data["parentDiaSourceId"] = np.zeros(3, int)
    data["visit"] = np.full(3, VISIT.visit)
    data["diaObjectId"] = np.array([1, 2, 3])
    assert digest_of(data) == REFERENCE


def test_the_sign_of_zero_does_not_count() -> None:
    data = sources()
    data["psf_flux"] = np.array([1000.0, -200.0, -0.0], np.float32)
    assert digest_of(data) == REFERENCE


@settings(deadline=None)
@given(st.sampled_from(sorted(sources())), st.integers(0, 2))
def test_depends_on_every_value(name: str, row: int) -> None:
    data: dict[str, Any] = sources()
    changed = data[name].copy()
    if changed.dtype.kind == "U":
        changed[row] = "2"
    elif changed.dtype == bool:
        changed[row] = not changed[row]
    elif name in ("ra", "dec"):
        changed[row] = np.nextafter(changed[row], 0)
    else:
        changed[row] = 7
    data[name] = changed
    assert digest_of(data) != REFERENCE


def test_null_is_not_zero_and_texts_do_not_run_together() -> None:
    data: dict[str, Any] = sources()
    data["snr"] = np.array([100.0, 0.0, 0.0], np.float32)
    assert digest_of(data) != REFERENCE
    first, second = sources(), sources()
    first["reliability_version"] = np.array(["ab", "c", "d"])
    second["reliability_version"] = np.array(["a", "bc", "d"])
    assert digest_of(first) != digest_of(second)


@pytest.mark.parametrize(
    "change",
    [
        {"visit": 2026030900027},
        {"detector": 41},
        {"band": "r"},
        {"midpoint_mjd_tai": 61109.14470001},
        {"exposure_time": 15.0},
        {"exposure_time": None},
        {"radius": 0.21},
        {"ra": 150.04},
    ],
)
def test_depends_on_the_visit(change: dict[str, Any]) -> None:
    assert digest_of(sources(), dataclasses.replace(VISIT, **change)) != REFERENCE


def test_readout_end_does_not_count() -> None:
    assert digest_of(sources(), dataclasses.replace(VISIT, readout_end=61109.145)) == REFERENCE


def test_empty_visits_have_digests_of_their_own() -> None:
    empty = digest_of(None)
    assert empty == digest_of({}) == digest_of(Table({n: v[:0] for n, v in sources().items()}))
    assert empty != REFERENCE
    assert empty != digest_of(None, dataclasses.replace(VISIT, detector=41))


def by_hand() -> bytes:
    """Return the digest of `sources`, written out value by value in the order of the ids."""
    rows = (1, 2, 0)
    head = (
        '{"format": "apdb content 1", "n": 3, "visit": {"band": "g", "detector": 40, '
        '"exposure_time": 30.0, "footprint": [150.05, 1.2, 0.2], "midpoint_mjd_tai": 61109.1447, '
        '"visit": 2026030900026}}'
    )
    text = head.encode()

    def column(name: str, kind: str, code: str) -> bytes:
        values = [sources()[name][row] for row in rows]
        return f"\n{name} {kind} full\n".encode() + struct.pack(f"<3{code}", *values)

    text += column("dec", "<f8", "d") + column("dia_source_id", "<i8", "q")
    text += column("pixel_flags_bad", "|b1", "?")
    text += column("psf_flux", "<f4", "f") + column("psf_flux_err", "<f4", "f")
    text += column("ra", "<f8", "d")
    text += (
        b"\nreliability_version text full\n" + struct.pack("<3q", 1, 2, 1) + b"1" + "é1".encode()
    )
    text += b"\nsnr <f4 null\n" + bytes([0b001]) + struct.pack("<3f", 0, 0, 100)
    return hashlib.sha256(text).digest()


def test_stays_the_same_over_releases() -> None:
    """Digests are stored: if this fails, stored visits would look like conflicts."""
    assert by_hand() == REFERENCE
