"""Designations of the Minor Planet Center, plain and packed, and the identifiers made of them.

Formats: Minor Planet Center, "Packed Provisional and Permanent Designations", with the extended
forms for numbers of 620,000 and more and for half-months of 15,500 designations and more.
"""

from __future__ import annotations

import re
import string

from apdb.errors import InvalidInput

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_HALF_MONTHS = "ABCDEFGHJKLMNOPQRSTUVWXY"
_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_EXTENDED_FROM = 620
_TILDE_FROM = 620_000

_PROVISIONAL = re.compile(r"(A?)(\d{1,4}) ([A-HJ-Y])([A-HJ-Z])(\d*)")
_SURVEY = re.compile(r"(\d{1,4}) (P-L|T-[123])")
_COMET = re.compile(r"([CPDXAI])/(\d{1,4}) ([A-HJ-Y])([A-HJ-Z]?)(\d*)(?:-([A-Z]{1,2}))?")
_NUMBERED_COMET = re.compile(r"(\d{1,4})([PDI])(?:-([A-Z]{1,2}))?")


def _base62(value: int, width: int) -> str:
    text = ""
    for _ in range(width):
        value, rest = divmod(value, 62)
        text = _DIGITS[rest] + text
    if value:
        raise ValueError("too large")
    return text


def _value(text: str) -> int:
    total = 0
    for each in text:
        total = total * 62 + _DIGITS.index(each)
    return total


def _packed_year(year: int) -> str:
    return f"{_DIGITS[year // 100]}{year % 100:02d}"


def _packed_number(number: int) -> str:
    if number >= _TILDE_FROM:
        return "~" + _base62(number - _TILDE_FROM, 4)
    return f"{_DIGITS[number // 10000]}{number % 10000:04d}"


def _packed_provisional(year: int, half: str, letter: str, cycle: int) -> str:
    if cycle < _EXTENDED_FROM:
        return f"{_packed_year(year)}{half}{_DIGITS[cycle // 10]}{cycle % 10}{letter}"
    if not 2000 <= year < 2062:
        raise ValueError("only years from 2000 on have so many designations")
    running = (cycle - _EXTENDED_FROM) * len(_LETTERS) + _LETTERS.index(letter)
    return f"_{_DIGITS[year - 2000]}{half}{_base62(running, 4)}"


def _packed_comet(match: re.Match[str]) -> str:
    kind, year, half, letter, number, fragment = match.groups()
    if letter:
        # Of a comet that was found as an asteroid.
        cycle = int(number or 0)
        last, count = letter, f"{_DIGITS[cycle // 10]}{cycle % 10}"
        if fragment:
            raise ValueError("of fragments of such comets there is none")
    else:
        count = f"{_DIGITS[int(number) // 10]}{int(number) % 10}"
        last = (fragment or "0").lower()
    return f"{kind}{_packed_year(int(year))}{half}{count}{last}"


def pack(designation: str) -> str:
    """Return a designation in packed form.

    Parameters
    ----------
    designation : str
        Such as "2004 XU11", "(202179)", "202179", "A801 AA", "2040 P-L", "C/2019 Q4", "73P-B" or
        "1I"; a name behind it is taken for one where brackets or a stroke set it off.

    Returns
    -------
    str
        Such as "K04X11U", "K2179", "I01A00A", "PLS2040", "CK19Q040", "0073Pb" or "0001I".

    Raises
    ------
    InvalidInput
        If it is no designation, or has no packed form.
    """
    text = designation.strip()
    try:
        found = _pack(text)
    except (ValueError, IndexError) as error:
        raise InvalidInput(f"designation {text!r} has no packed form: {error}") from error
    if found is None:
        raise InvalidInput(f"{text!r} is no designation of the Minor Planet Center")
    return found


def _pack(text: str) -> str | None:
    if match := re.fullmatch(r"\(?(\d{1,8})\)?", text):
        return _packed_number(int(match[1]))
    if match := _PROVISIONAL.fullmatch(text):
        old, year, half, letter, cycle = match.groups()
        return _packed_provisional(int(("1" if old else "") + year), half, letter, int(cycle or 0))
    if match := _SURVEY.fullmatch(text):
        return f"{match[2].replace('-', '')}S{int(match[1]):04d}"
    if match := _COMET.fullmatch(text):
        return _packed_comet(match)
    if match := _NUMBERED_COMET.fullmatch(text):
        return f"{int(match[1]):04d}{match[2]}{(match[3] or '').lower()}"
    return None


def unpack(packed: str) -> str:
    """Return a packed designation in plain form.

    Parameters
    ----------
    packed : str
        Such as "K04X11U", "_QC0aEM", "K2179", "~0000", "PLS2040", "CK19Q040" or "0073Pb".

    Returns
    -------
    str
        Such as "2004 XU11", "2026 CZ6190", "202179", "620000", "2040 P-L", "C/2019 Q4" or "73P-B".

    Raises
    ------
    InvalidInput
        If it is no packed designation.
    """
    text = packed.strip()
    try:
        found = _unpack(text)
    except (ValueError, IndexError):
        found = None
    if found is None:
        raise InvalidInput(f"{text!r} is no packed designation of the Minor Planet Center")
    return found


def _unpack(text: str) -> str | None:
    if re.fullmatch(r"~[0-9A-Za-z]{4}", text):
        return str(_TILDE_FROM + _value(text[1:]))
    if re.fullmatch(r"[0-9A-Za-z]\d{4}", text):
        return str(_value(text[0]) * 10000 + int(text[1:]))
    if match := re.fullmatch(r"(\d{4})([PDI])([a-z]{0,2})", text):
        return f"{int(match[1])}{match[2]}" + (f"-{match[3].upper()}" if match[3] else "")
    if match := re.fullmatch(r"(PL|T1|T2|T3)S(\d{4})", text):
        return f"{int(match[2])} {match[1][0]}-{match[1][1]}"
    if match := re.fullmatch(r"_([0-9A-Za-z])([A-HJ-Y])([0-9A-Za-z]{4})", text):
        cycle, letter = divmod(_value(match[3]), len(_LETTERS))
        return f"{2000 + _value(match[1])} {match[2]}{_LETTERS[letter]}{_EXTENDED_FROM + cycle}"
    if match := re.fullmatch(r"([0-9A-Z]\d\d)([A-HJ-Y])([0-9A-Za-z]\d)([A-HJ-Z])", text):
        cycle = _value(match[3][0]) * 10 + int(match[3][1])
        return f"{_plain_year(match[1])} {match[2]}{match[4]}{cycle or ''}"
    if match := re.fullmatch(
        r"([CPDXAI])([0-9A-Z]\d\d)([A-HJ-Y])([0-9A-Za-z]\d)([0A-HJ-Z]|[a-z]{1,2})", text
    ):
        kind, packed_year, half, count, last = match.groups()
        year = _value(packed_year[0]) * 100 + int(packed_year[1:])
        number = _value(count[0]) * 10 + int(count[1])
        if last.isupper():
            return f"{kind}/{year} {half}{last}{number or ''}"
        return f"{kind}/{year} {half}{number}" + ("" if last == "0" else f"-{last.upper()}")
    return None


def _plain_year(packed: str) -> str:
    year = _value(packed[0]) * 100 + int(packed[1:])
    # Before 1925 the Minor Planet Center writes an A for the 1 of the century.
    return f"A{year % 1000:03d}" if year < 1925 else str(year)


def ss_object_id(packed: str) -> int:
    """Return the identifier of an object.

    Parameters
    ----------
    packed : str
        Packed primary provisional designation; the packed number where there is no other.

    Returns
    -------
    int
        Its ASCII bytes as a big-endian integer, as Rubin's ssObjectId.

    Raises
    ------
    InvalidInput
        If it is empty, longer than eight bytes or not ASCII.
    """
    try:
        coded = packed.strip().encode("ascii")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"packed designation {packed!r} is not ASCII") from error
    if not 1 <= len(coded) <= 8:
        raise InvalidInput(f"packed designation {packed!r} does not have 1 to 8 characters")
    return int.from_bytes(coded, "big")


def packed_of(identifier: int) -> str:
    """Return the packed designation that an identifier was made of.

    Parameters
    ----------
    identifier : int
        An ss_object_id.

    Returns
    -------
    str
        Packed designation.

    Raises
    ------
    InvalidInput
        If the identifier is none of a designation.
    """
    coded = identifier.to_bytes(8, "big").lstrip(b"\0") if 0 < identifier < 2**63 else b""
    if not coded or not all(33 <= byte < 127 for byte in coded):
        raise InvalidInput(f"ss_object_id {identifier} is not made of a designation")
    return coded.decode("ascii")
