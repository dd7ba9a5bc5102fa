"""Designations: the examples of the Minor Planet Center, real objects, and back."""

from __future__ import annotations

from typing import Any

import pytest

from apdb.errors import InvalidInput
from apdb.solar_system.designations import pack, packed_of, ss_object_id, unpack

# From "Packed Provisional and Permanent Designations" of the Minor Planet Center.
EXAMPLES = {
    "1995 XA": "J95X00A",
    "1995 XL1": "J95X01L",
    "1995 FB13": "J95F13B",
    "1998 SQ108": "J98SA8Q",
    "1998 SV127": "J98SC7V",
    "1998 SS162": "J98SG2S",
    "2099 AZ193": "K99AJ3Z",
    "2008 AA360": "K08Aa0A",
    "2007 TA418": "K07Tf8A",
    "A801 AA": "I01A00A",
    "A904 OA": "J04O00A",
    "2026 CA620": "_QC0000",
    "2026 CZ6190": "_QC0aEM",
    "2026 CL591673": "_QCzzzz",
    "2040 P-L": "PLS2040",
    "3138 T-1": "T1S3138",
    "1010 T-2": "T2S1010",
    "4101 T-3": "T3S4101",
    "3202": "03202",
    "50000": "50000",
    "100345": "A0345",
    "360017": "a0017",
    "619999": "z9999",
    "620000": "~0000",
    "620061": "~000z",
    "3140113": "~AZaz",
    "15396335": "~zzzz",
    "C/1996 B2": "CJ96B020",
    "C/1996 J1-A": "CJ96J01a",
    "P/2010 A2": "PK10A020",
    "P/2019 LD2": "PK19L02D",
    "D/1918 W1": "DJ18W010",
    "C/240 V1": "C240V010",
    "73P": "0073P",
    "73P-B": "0073Pb",
    "73P-BA": "0073Pba",
    "1I": "0001I",
    "3D": "0003D",
}


@pytest.mark.parametrize(("plain", "packed"), EXAMPLES.items())
def test_designations_are_packed_and_unpacked(plain: str, packed: str) -> None:
    assert pack(plain) == packed
    assert unpack(packed) == plain
    assert packed_of(ss_object_id(packed)) == packed


def test_a_year_before_1925_may_be_written_either_way() -> None:
    assert pack("1904 OA") == pack("A904 OA")
    assert pack("(202179)") == pack("202179") == "K2179"


@pytest.mark.parametrize(
    "text", ["", "Ceres", "1995 IA", "1995 X", "C/-146 P1", "1999 AA700", "2004 XU11 b", "1998 ZZ1"]
)
def test_what_is_no_designation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="designation"):
        pack(text)


@pytest.mark.parametrize("text", ["", "K04I11U", "K04X1U", "~00", "_QC00", "K04X11Ux"])
def test_what_is_no_packed_designation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="packed designation"):
        unpack(text)


def test_identifiers_are_those_of_rubin(asteroid_alerts: list[dict[str, Any]]) -> None:
    orbits = [(alert["diaSource"]["ssObjectId"], alert["mpc_orbits"]) for alert in asteroid_alerts]
    assert len(orbits) == 21
    for identifier, orbit in orbits:
        packed = orbit["packed_primary_provisional_designation"]
        assert ss_object_id(packed) == identifier
        assert pack(orbit["unpacked_primary_provisional_designation"]) == packed
        assert unpack(packed) == orbit["unpacked_primary_provisional_designation"]
