"""Tokens of the alert service: made, hashed, known again."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

PREFIX = "apdb_"
"""What every token begins with, so that one that leaked is recognised."""

_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True)
class Token:
    """A token as the database lists it; times MJD TAI [d], rate [1/s]."""

    token_id: int
    name: str
    state: str
    rate: float
    time_created_mjd_tai: float
    time_expires_mjd_tai: float | None
    time_revoked_mjd_tai: float | None
    made_by: str
    n_requests: int
    time_used_mjd_tai: float | None


@dataclass(frozen=True)
class Grant:
    """What a token allows.

    Attributes
    ----------
    token_id : int
        Its number.
    name : str
        Whose it is.
    rate : float
        Requests allowed per second on average.
    state : str
        ``good``, ``expired`` or ``revoked``.
    """

    token_id: int
    name: str
    rate: float
    state: str


def checksum(token: str) -> bytes | None:
    """Return the SHA-256 of a token.

    Parameters
    ----------
    token : str
        What a client sent.

    Returns
    -------
    bytes or None
        None if it does not look like a token of ours.
    """
    if _TOKEN.fullmatch(token) is None:
        return None
    return hashlib.sha256(token.encode()).digest()


def add_token(
    connection: psycopg.Connection[Any], name: str, rate: float, days: float | None
) -> str:
    """Make a token.

    Parameters
    ----------
    connection : psycopg.Connection
        As a role that may execute ``apdb.add_token``.
    name : str
        Whose it is.
    rate : float
        Requests allowed per second on average.
    days : float or None
        How long it is good [d]; None for ever.

    Returns
    -------
    str
        The token; the database knows only its checksum.

    Raises
    ------
    psycopg.Error
        VA001 if the name is taken, or a number out of range.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    connection.execute("select apdb.add_token(%s, %s, %s, %s)", [name, checksum(token), rate, days])
    return token


def revoke_token(connection: psycopg.Connection[Any], name: str) -> float:
    """End a token.

    Parameters
    ----------
    connection : psycopg.Connection
        As a role that may execute ``apdb.revoke_token``.
    name : str
        Whose it is.

    Returns
    -------
    float
        When it ended, MJD TAI [d].

    Raises
    ------
    psycopg.Error
        VA005 if there is none of that name.
    """
    row = connection.execute("select apdb.revoke_token(%s)", [name]).fetchone()
    assert row is not None
    return float(row[0])


def list_tokens(connection: psycopg.Connection[Any]) -> list[Token]:
    """Return all tokens there ever were.

    Parameters
    ----------
    connection : psycopg.Connection
        As a role that may execute ``apdb.list_tokens``.

    Returns
    -------
    list of Token
        In the order of their making.
    """
    with connection.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute("select * from apdb.list_tokens()").fetchall()


def find_grant(connection: psycopg.Connection[Any], digest: bytes) -> Grant | None:
    """Return what a token allows.

    Parameters
    ----------
    connection : psycopg.Connection
        As the broker role.
    digest : bytes
        SHA-256 of the token.

    Returns
    -------
    Grant or None
        None if there is no such token.
    """
    row = connection.execute(
        "select t.token_id, t.name, t.rate, t.state from apdb.check_token(%s) as t", [digest]
    ).fetchone()
    return None if row is None or row[0] is None else Grant(*row)
