"""Alert production in PostgreSQL: a living database of everything that changes in the sky."""

__version__ = "0.1.0"

from apdb.database import Apdb, connect
from apdb.errors import (
    AlertRemoved,
    ApdbError,
    ArchiveCorrupt,
    ArchiveUnavailable,
    Busy,
    ConnectionLost,
    CorrectionError,
    IdConflict,
    ImagesUnavailable,
    InvalidInput,
    NotFound,
    OutOfSpace,
    Problem,
    SchemaMismatch,
    ServerError,
    ServerNotRunning,
    TooManyObjects,
    VisitConflict,
)
from apdb.forced import FollowReport, ForcedReport
from apdb.input.visit import Visit
from apdb.precovery.run import PrecoveryQueue, PrecoverySummary
from apdb.replacement import CorrectionReport
from apdb.store import StoreReport

__all__ = [
    "AlertRemoved",
    "Apdb",
    "ApdbError",
    "ArchiveCorrupt",
    "ArchiveUnavailable",
    "Busy",
    "ConnectionLost",
    "CorrectionError",
    "CorrectionReport",
    "FollowReport",
    "ForcedReport",
    "IdConflict",
    "ImagesUnavailable",
    "InvalidInput",
    "NotFound",
    "OutOfSpace",
    "PrecoveryQueue",
    "PrecoverySummary",
    "Problem",
    "SchemaMismatch",
    "ServerError",
    "ServerNotRunning",
    "StoreReport",
    "TooManyObjects",
    "Visit",
    "VisitConflict",
    "__version__",
    "connect",
]
