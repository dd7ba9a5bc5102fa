"""Where a reader of alerts has come to: an opaque text that it hands back to go on.

A cursor names the last alert read by its place in the archive's order (store_seq, dia_source_id,
revision), and the query that it belongs to by a digest.  A checksum tells a cut or changed one.  It
opens no door, so it needs no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from apdb.errors import InvalidInput

VERSION = 1
"""Layout of the cursors made here."""

_LAYOUT = struct.Struct(">B8sqqi")
_CHECK_BYTES = 6
_LENGTH = len(base64.urlsafe_b64encode(bytes(_LAYOUT.size + _CHECK_BYTES)).rstrip(b"="))


@dataclass(frozen=True, order=True)
class Position:
    """A place in the archive's order; what is read comes after it.

    Attributes
    ----------
    store_seq : int
        Visit or correction.
    dia_source_id : int
        Alert.
    revision : int
        Its revision.
    """

    store_seq: int
    dia_source_id: int
    revision: int


START = Position(-1, -1, -1)
"""Before every alert."""


def after_all_of(store_seq: int) -> Position:
    """Return the place behind all alerts of a visit or correction, and of those before it.

    Parameters
    ----------
    store_seq : int
        The visit or correction.

    Returns
    -------
    Position
    """
    return Position(store_seq, 2**63 - 1, 2**31 - 1)


def write_cursor(position: Position, digest: bytes) -> str:
    """Return the cursor of a place.

    Parameters
    ----------
    position : Position
        The last alert read.
    digest : bytes
        Eight bytes that stand for the query.

    Returns
    -------
    str
        Letters, digits, ``-`` and ``_``.
    """
    body = _LAYOUT.pack(
        VERSION, digest, position.store_seq, position.dia_source_id, position.revision
    )
    return base64.urlsafe_b64encode(body + _check(body)).rstrip(b"=").decode()


def read_cursor(text: str, digest: bytes) -> Position:
    """Return the place that a cursor stands for.

    Parameters
    ----------
    text : str
        The cursor.
    digest : bytes
        Eight bytes that stand for the query that it is used with.

    Returns
    -------
    Position
        The last alert read.

    Raises
    ------
    InvalidInput
        It is no cursor, was changed, comes from another version, or belongs to another query.
    """
    body = _decoded(text)
    version, of, store_seq, dia_source_id, revision = _LAYOUT.unpack(body)
    if version != VERSION:
        raise InvalidInput(
            f"the cursor is of version {version} and this program's of {VERSION}: begin again, or "
            "go on after the last alert you have: after=<its id>"
        )
    if of != digest:
        raise InvalidInput(
            "the cursor belongs to another query: use it with the conditions that it was given for"
        )
    return Position(store_seq, dia_source_id, revision)


def _decoded(text: str) -> bytes:
    wrong = InvalidInput(
        "that is not a cursor, or not all of it: use it as it was given, or begin without one"
    )
    if len(text) != _LENGTH or not text.isascii():
        raise wrong
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    body, check = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if check != _check(body) or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise wrong
    return body


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"apdb cursor" + body).digest()[:_CHECK_BYTES]
