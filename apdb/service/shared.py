"""What the addresses of the alert service share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from apdb.retrieval.stream import Archive
from apdb.service.access import Access
from apdb.service.audit import Audit
from apdb.service.metrics import Metrics
from apdb.service.pool import Pool


@dataclass
class Service:
    """What the addresses share.

    Attributes
    ----------
    pool : Pool
        Connections to the database.
    archive : Archive
        The archive.
    access : Access
        Who may ask.
    metrics : Metrics
        Counters.
    audit : Audit
        What was asked.
    """

    pool: Pool
    archive: Archive
    access: Access
    metrics: Metrics
    audit: Audit

    def close(self) -> None:
        """Write what is left of the audit and close the connections; may be called again."""
        self.audit.close()
        self.pool.close()


def service_of(request: Request) -> Service:
    """Return what the addresses of the service share that got a request.

    Parameters
    ----------
    request : Request
        The request.

    Returns
    -------
    Service
    """
    found: Service = request.app.state.service
    return found
