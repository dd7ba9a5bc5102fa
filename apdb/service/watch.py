"""The layer around every request: times it, counts it, keeps a note of it."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apdb.service.answers import failure
from apdb.service.audit import Audit, Note
from apdb.service.metrics import Metrics

logger = logging.getLogger("apdb.service")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_UNWATCHED = frozenset({"/health", "/metrics"})


class Watch:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGI application
        What answers.
    metrics : Metrics
        Where requests are counted.
    audit : Audit
        Where they are kept; those for /health and /metrics are not.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, audit: Audit) -> None:
        self._app = app
        self._metrics = metrics
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        made = _note(scope)
        scope["apdb.note"] = made

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                made.status = message["status"]
            elif message["type"] == "http.response.body":
                made.n_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            logger.exception("%s failed", made.request)
            if not made.status:
                text = "the service failed to answer; its log says why"
                await failure(500, "InternalError", text)(scope, receive, watched)
        finally:
            made.seconds = time.perf_counter() - begun
            self._keep(scope, made)

    def _keep(self, scope: Scope, made: Note) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(path, method, str(made.status)).inc()
        self._metrics.seconds.labels(path).observe(made.seconds)
        self._metrics.alerts.inc(made.n_alerts)
        self._metrics.sent.inc(made.n_bytes)
        if scope["path"] not in _UNWATCHED:
            self._audit.add(made)


def _note(scope: Scope) -> Note:
    client = scope.get("client")
    query = scope.get("query_string", b"").decode("latin-1")
    target = f"{scope['path']}?{query}" if query else scope["path"]
    return Note(client[0] if client else "", f"{scope['method']} {target}")
