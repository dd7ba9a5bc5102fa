"""What became of an image."""

from __future__ import annotations

from dataclasses import dataclass, field

from astropy.table import Table

from apdb.images.choose import Choice
from apdb.images.files import Written
from apdb.store import StoreReport
from pipeline.exposure import Metrics
from pipeline.process.stages import Products


@dataclass
class ProcessReport:
    """What became of an image.

    Attributes
    ----------
    source : str
        File that was processed.
    visit, detector : int or None
        Which image it is; None where not even that could be found out.
    state : str
        ``done`` or ``failed``.
    stage, reason : str or None
        Of the failure.
    retry : bool
        True if the failure is none of the image, but of database or image store: try again.
    trace : str or None
        Where in the code, for a failure that no stage foresaw.
    dia_sources : Table or None
        What was found; with dia_object_id and is_new, if it was stored.
    stored : StoreReport or None
        What became of it in the database; None for a run with a tag.
    kept : bool
        True if the visit was stored before, and stays as it is.
    choice : Choice or None
        Template out of the store.
    flavour : str or None
        Way of the subtraction.
    images : list of Written
        Files in the image store.
    n_alerts : int
        Alerts of the visit that are in the archive.
    metrics : dict of str to float
        Measurements of all stages.
    timings : dict of str to float
        Seconds of each stage, in order.
    products : Products or None
        What the stages made, if it was to be kept.
    """

    source: str
    visit: int | None = None
    detector: int | None = None
    state: str = "failed"
    stage: str | None = None
    reason: str | None = None
    retry: bool = False
    trace: str | None = None
    dia_sources: Table | None = None
    stored: StoreReport | None = None
    kept: bool = False
    choice: Choice | None = None
    flavour: str | None = None
    images: list[Written] = field(default_factory=list)
    n_alerts: int = 0
    metrics: Metrics = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    products: Products | None = None

    @property
    def n_dia_sources(self) -> int | None:
        """Number of sources; None if it did not come that far."""
        return None if self.dia_sources is None else len(self.dia_sources)

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(self.timings.values())
