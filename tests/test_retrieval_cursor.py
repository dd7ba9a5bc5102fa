"""Cursors: they lead back to where they were given, and nothing else is taken for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apdb.errors import InvalidInput
from apdb.retrieval.cursor import START, Position, after_all_of, read_cursor, write_cursor
from apdb.retrieval.query import alert_query

POSITIONS = st.builds(
    Position, st.integers(-1, 2**63 - 1), st.integers(-1, 2**63 - 1), st.integers(-1, 2**31 - 1)
)
QUERY = alert_query(night="2026-03-09").digest


@given(POSITIONS, st.binary(min_size=8, max_size=8))
def test_there_and_back(position: Position, digest: bytes) -> None:
    text = write_cursor(position, digest)
    assert read_cursor(text, digest) == position
    assert text.replace("-", "").replace("_", "").isalnum()


def test_of_another_query() -> None:
    text = write_cursor(START, QUERY)
    with pytest.raises(InvalidInput, match="another query"):
        read_cursor(text, alert_query(night="2026-03-10").digest)


def test_of_another_version() -> None:
    import hashlib

    raw = base64.urlsafe_b64decode(write_cursor(START, QUERY) + "==")[:-6]
    raw = b"\x07" + raw[1:]
    raw += hashlib.sha256(b"apdb cursor" + raw).digest()[:6]
    with pytest.raises(InvalidInput, match="version 7"):
        read_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), QUERY)


@settings(max_examples=300)
@given(st.data())
def test_changed_ones_are_refused(data: st.DataObject) -> None:
    text = write_cursor(Position(5, 6, 7), QUERY)
    at = data.draw(st.integers(0, len(text) - 1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    letter = data.draw(st.sampled_from(letters).filter(lambda one: one != text[at]))
    with pytest.raises(InvalidInput, match="not a cursor"):
        read_cursor(text[:at] + letter + text[at + 1 :], QUERY)


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a cursor"):
        read_cursor(text, QUERY)


def test_the_digest_is_of_the_meaning() -> None:
    assert alert_query(ids=[3, 1, 1]).digest == alert_query(ids=[1, 3]).digest
    assert alert_query(where=" psf_flux > 1 ").digest == alert_query(where="psf_flux > 1").digest
    kinds = [
        alert_query(), alert_query(ids=1), alert_query(night="2026-03-09"), alert_query(visit=1),
        alert_query(visit=1, detector=1), alert_query(dia_object_id=1), alert_query(ss_object_id=1),
        alert_query(cone=(1, 1, 1)), alert_query(mjd_from=60000), alert_query(mjd_to=60000),
        alert_query(where="psf_flux > 1"), alert_query(revisions="all"),
    ]  # fmt: skip
    assert len({query.digest for query in kinds}) == len(kinds)


@given(POSITIONS)
def test_order_is_that_of_the_archive(position: Position) -> None:
    assert START <= position <= after_all_of(max(position.store_seq, 0))


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"night": "yesterday"}, "must be a date"),
        ({"night": "20260309"}, "must be a date"),
        ({"visit": -1}, "whole number"),
        ({"visit": 2**63}, "whole number"),
        ({"visit": 1.5}, "whole number"),
        ({"detector": 3}, "goes with a visit"),
        ({"ids": []}, "at least one"),
        ({"ids": range(20_000)}, "at most 10000"),
        ({"ids": ["7"]}, "whole number"),
        ({"cone": (1, 2)}, "three numbers"),
        ({"cone": (360, 0, 1)}, "ra"),
        ({"cone": (0, 91, 1)}, "dec"),
        ({"cone": (0, 0, 0)}, "radius"),
        ({"cone": (0, 0, 180)}, "radius"),
        ({"cone": (0, 0, float("nan"))}, "radius"),
        ({"mjd_from": float("inf")}, "MJD"),
        ({"mjd_to": "soon"}, "MJD"),
        ({"revisions": "some"}, "current or all"),
        ({"where": "psf_flux >"}, "condition"),
    ],
)
def test_queries_that_are_none(given_: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        alert_query(**given_)  # type: ignore[arg-type]
