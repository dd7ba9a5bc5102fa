"""What Prometheus reads at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of Prometheus's text format."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0)


class Metrics:
    """Counters of one service.

    Attributes
    ----------
    requests : Counter
        Requests by route, method and status.
    seconds : Histogram
        Time to answer by route, to the last byte.
    alerts, sent : Counter
        Alerts and bytes sent.
    refused : Counter
        Requests refused, by reason: token, rate, anonymous, streams.
    streams : Gauge
        Streams that are open.
    broken : Counter
        Streams that ended before their end, by reason: archive, database, other.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        labels = ("route", "method", "status")
        self.requests = Counter("apdb_requests", "Requests answered", labels, registry=r)
        self.seconds = Histogram(
            "apdb_request_seconds", "Time to answer", ("route",), buckets=_SECONDS, registry=r
        )
        self.alerts = Counter("apdb_alerts_sent", "Alerts sent", registry=r)
        self.sent = Counter("apdb_bytes_sent", "Bytes sent", registry=r)
        self.refused = Counter("apdb_refused", "Requests refused", ("reason",), registry=r)
        self.streams = Gauge("apdb_streams_open", "Streams that are open", registry=r)
        self.broken = Counter("apdb_streams_broken", "Streams cut short", ("reason",), registry=r)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
