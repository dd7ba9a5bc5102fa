"""Fixtures: a real PostgreSQL for every test that touches a database."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql import factories

import apdb
from apdb.schema import migrate
from apdb.server.cluster import Cluster


@dataclass(frozen=True)
class Server:
    """What pytest-postgresql wants to know of a server."""

    host: str
    port: int
    user: str
    password: str | None = None
    options: str = ""
    maintenance_dbname: str = "postgres"
    template_dbname: str | None = None


def place_of_cluster() -> Path:
    """A folder with a short path, for the socket; in memory if there is plenty.

    A fresh database is some 450 files: a third of the time in memory that it takes on a disk.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 6 * 2**30:
        return memory
    return Path("/tmp")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, each for whoever is free; the others of a file stay together.

    They share what the file sets up.  A slow test that begins last would keep one worker waiting.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A scratch cluster for this worker, without fsync."""
    root = Path(tempfile.mkdtemp(prefix="apdb-t-", dir=place_of_cluster()))
    root.chmod(0o755)
    scratch = Cluster(root / "c", fsync=False, memory=2 * 2**30)
    scratch.start()
    try:
        yield scratch
    finally:
        scratch.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def server(cluster: Cluster) -> Server:
    info = psycopg.conninfo.conninfo_to_dict(cluster.dsn("postgres"))
    return Server(str(info["host"]), int(info["port"]), str(info["user"]))


def load_schema(**place: Any) -> None:
    migrate.upgrade(
        dsn_of({k: v for k, v in place.items() if k in {"host", "port", "user", "dbname"}})
    )


def dsn_of(place: dict[str, Any]) -> str:
    return make_conninfo("", **place)


apdb_server = factories.postgresql_noproc(
    depends_on="server", dbname="apdb_test", load=[load_schema]
)
postgresql = factories.postgresql("apdb_server")


@pytest.fixture
def plain_connection(postgresql: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A superuser's connection to a fresh database with the schema."""
    return postgresql


@pytest.fixture
def dsn(postgresql: psycopg.Connection[Any]) -> str:
    """The libpq string of a fresh database with the schema."""
    info = postgresql.info
    return dsn_of({"host": info.host, "port": info.port, "user": info.user, "dbname": info.dbname})


@pytest.fixture
def db(dsn: str) -> Iterator[apdb.Apdb]:
    """A connected Apdb on a fresh database."""
    with apdb.connect(dsn, busy_timeout=10.0) as connected:
        yield connected


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the real data beside the project; tests that need it skip without."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("APDB_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set APDB_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def asteroid_alerts(test_data: Path) -> list[dict[str, Any]]:
    """The real alerts of solar-system objects; only to be read."""
    with (test_data / "rubin" / "alerts.avro").open("rb") as file:
        reader: Any = fastavro.reader(file)
        return [alert for alert in reader if alert["mpc_orbits"]]
