"""Who asks: tokens, rates, and what those without a token may have."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from fastapi import Request

from apdb.service.answers import Refused
from apdb.service.audit import Note
from apdb.service.limits import Bucket, Window
from apdb.service.metrics import Metrics
from apdb.service.pool import Pool
from apdb.service.tokens import Grant, checksum, find_grant

TOKEN_MEMORY = 5.0
"""How long a token is remembered, and so how late its end is noticed [s]."""

ANONYMOUS_SETS = 2_500
"""Alerts or stamp sets that all without a token together get in `ANONYMOUS_SECONDS`."""

ANONYMOUS_SECONDS = 35.0
"""Span of time of the limit for those without a token [s]."""

UNKNOWN_RATE = 20.0
"""Tokens never seen before that are looked up in the database, by all clients together [1/s]."""

_UNKNOWN_BURST = 100.0
_MOST_REMEMBERED = 10_000
_BURST_SECONDS = 5.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="apdb"'}


@dataclass
class _Known:
    grant: Grant | None
    until: float


class Access:
    """Decides who may ask.

    Parameters
    ----------
    pool : Pool
        Connections of the service.
    metrics : Metrics
        Where refusals are counted.
    anonymous : bool
        Whether single alerts and stamps are given without a token.
    max_streams : int
        Most streams at once.
    """

    def __init__(
        self, pool: Pool, metrics: Metrics, *, anonymous: bool = False, max_streams: int = 16
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._anonymous = anonymous
        self._known: dict[bytes, _Known] = {}
        # Tokens of ours, whatever has become of them: to ask for them again is never refused.
        self._ours: set[bytes] = set()
        self._unknown = Bucket(UNKNOWN_RATE, _UNKNOWN_BURST)
        self._buckets: dict[int, Bucket] = {}
        self._window = Window(ANONYMOUS_SETS, ANONYMOUS_SECONDS)
        self._lock = threading.Lock()
        self._streams = max_streams
        self._n_streams = 0

    def single(self, request: Request) -> None:
        """Let a request for one alert pass, also without a token where that is allowed.

        Parameters
        ----------
        request : Request
            The request.

        Raises
        ------
        Refused
            401 or 429.
        """
        if "authorization" in request.headers or not self._anonymous:
            self.bulk(request)
            return
        wait = self._window.take()
        if wait > 0.0:
            text = (
                f"without a token: {ANONYMOUS_SETS} in {ANONYMOUS_SECONDS:.0f} s for all together"
            )
            raise self._refused("anonymous", 429, text, _retry(wait))

    def bulk(self, request: Request) -> None:
        """Let a request with a good token pass that has not asked too often.

        Parameters
        ----------
        request : Request
            The request.

        Raises
        ------
        Refused
            401 or 429.
        """
        grant = self._grant(request)
        note(request).token_id = grant.token_id
        wait = self._bucket(grant).take()
        if wait > 0.0:
            text = f"the token is good for {grant.rate:g} requests a second: wait"
            raise self._refused("rate", 429, text, _retry(wait))

    def begin_stream(self) -> None:
        """Count a stream in.

        Raises
        ------
        Refused
            503: too many are open.
        """
        with self._lock:
            free = self._n_streams < self._streams
            self._n_streams += free
        if not free:
            text = f"{self._streams} streams are open, which is the most: try again"
            raise self._refused("streams", 503, text, {"Retry-After": "10"})
        self._metrics.streams.inc()

    def end_stream(self) -> None:
        """Count a stream out."""
        with self._lock:
            self._n_streams -= 1
        self._metrics.streams.dec()

    def _grant(self, request: Request) -> Grant:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            raise self._refused("token", 401, "send a token: Authorization: Bearer …", _CHALLENGE)
        digest = checksum(token.strip()) if scheme.lower() == "bearer" else None
        grant = None if digest is None else self._lookup(digest)
        if grant is None:
            raise self._refused("token", 401, "the token is not known", _CHALLENGE)
        if grant.state != "good":
            note(request).token_id = grant.token_id
            raise self._refused("token", 401, f"the token is {grant.state}", _CHALLENGE)
        return grant

    def _lookup(self, digest: bytes) -> Grant | None:
        now = time.monotonic()
        known = self._known.get(digest)
        if known is None or known.until < now:
            wait = 0.0 if digest in self._ours else self._unknown.take()
            if wait > 0.0:
                text = "too many tokens that are not known are being tried: wait"
                raise self._refused("unknown", 429, text, _retry(wait))
            with self._pool.reading() as connection:
                known = _Known(find_grant(connection, digest), now + TOKEN_MEMORY)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = known
            if known.grant is not None:
                self._ours.add(digest)
        return known.grant

    def _bucket(self, grant: Grant) -> Bucket:
        with self._lock:
            bucket = self._buckets.get(grant.token_id)
            if bucket is None or bucket.rate != grant.rate:
                bucket = Bucket(grant.rate, max(1.0, grant.rate * _BURST_SECONDS))
                self._buckets[grant.token_id] = bucket
            return bucket

    def _refused(self, reason: str, status: int, text: str, headers: dict[str, str]) -> Refused:
        self._metrics.refused.labels(reason).inc()
        return Refused(status, text, headers)


def note(request: Request) -> Note:
    """Return what is kept of a request.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Note
    """
    found: Note = request.scope["apdb.note"]
    return found


def _retry(wait: float) -> dict[str, str]:
    return {"Retry-After": str(int(wait) + 1)}
