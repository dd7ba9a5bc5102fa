"""Drills of what docs/operations.md says about backups, recovery, replicas and retention."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from store_tools import Exposed, digest, exposures

import apdb
from apdb.schema import migrate
from apdb.server.cluster import Cluster

pytestmark = pytest.mark.slow

MIB = 2**20


def run(cluster: Cluster, program: str, *arguments: str | Path) -> None:
    """Run a client program of PostgreSQL of the cluster's version."""
    command = [cluster.installation.bin / program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def fill(dsn: str, visits: list[Exposed]) -> None:
    """Store visits, and correct something."""
    with apdb.connect(dsn) as db:
        for each in visits:
            db.store_visit(each.visit, each.sources)
        db.withdraw([int(visits[0].sources["dia_source_id"][0])], reason="drill")


def digest_of(dsn: str) -> dict[str, str]:
    with psycopg.connect(dsn) as connection:
        found = digest(connection)
    # What the sequences say is compared by storing more; the rest row by row.
    assert len(found) > 20
    return found


def goes_on(dsn: str, visits: list[Exposed], n_stored: int) -> None:
    """What was stored is known, what was not can be stored."""
    assert migrate.check(dsn) == []
    with apdb.connect(dsn) as db:
        for number, each in enumerate(visits):
            expected = "repeated" if number < n_stored else "stored"
            assert db.store_visit(each.visit, each.sources).state == expected


@pytest.fixture
def other_database(cluster: Cluster) -> Iterator[str]:
    name = sql.Identifier("apdb_restored")
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        try:
            yield cluster.dsn("apdb_restored")
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


def test_dump_and_restore_give_the_same_rows(
    cluster: Cluster, dsn: str, other_database: str, tmp_path: Path
) -> None:
    visits = exposures(6)
    fill(dsn, visits[:4])
    before = digest_of(dsn)
    dump = tmp_path / "apdb.dump"
    run(cluster, "pg_dump", "--format=directory", "--jobs=2", f"--file={dump}", "--dbname", dsn)
    run(cluster, "pg_restore", "--exit-on-error", "--jobs=2", "--dbname", other_database, dump)
    assert digest_of(other_database) == before
    goes_on(other_database, visits, 4)
    assert digest_of(dsn) == before


@pytest.fixture
def make_cluster() -> Iterator[Callable[[str], Cluster]]:
    """Makes clusters in folders of their own below one whose path is short enough for a socket."""
    root = Path(tempfile.mkdtemp(prefix="apdb-b-"))
    root.chmod(0o755)
    made: list[Cluster] = []

    def make(name: str) -> Cluster:
        made.append(Cluster(root / name, fsync=False, memory=512 * MIB))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def own(folder: Path) -> None:
    """Give a folder to the user that the server runs as."""
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        for path in folder.rglob("*"):
            shutil.chown(path, "postgres", "postgres")


def add_settings(cluster: Cluster, **values: str) -> None:
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in values.items())


def base_backup(cluster: Cluster, target: Cluster, *options: str) -> None:
    target.root.mkdir()
    target.root.chmod(0o755)
    where = f"--pgdata={target.data}"
    run(cluster, "pg_basebackup", where, "--checkpoint=fast", "--dbname", cluster.dsn(), *options)
    own(target.data)


def started(cluster: Cluster, archive: Path) -> str:
    """Start a cluster that archives its log, with the schema; return its DSN."""
    cluster.start()
    cluster.stop()
    add_settings(cluster, archive_mode="on", archive_command=f"cp %p {archive}/%f")
    cluster.start()
    cluster.ensure_database()
    migrate.upgrade(cluster.dsn())
    return cluster.dsn()


def test_recovery_to_a_point_in_time(make_cluster: Callable[[str], Cluster]) -> None:
    first, second = make_cluster("a"), make_cluster("b")
    archive = first.root.parent / "archive"
    archive.mkdir()
    own(archive)
    dsn = started(first, archive)
    visits = exposures(6)
    fill(dsn, visits[:2])
    base_backup(first, second)
    with apdb.connect(dsn) as db:
        for each in visits[2:4]:
            db.store_visit(each.visit, each.sources)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_create_restore_point('before_the_mistake')")
    before = digest_of(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("delete from apdb_base.dia_object_version")
        connection.execute("select pg_switch_wal()")
    first.stop()  # archives what is left of the log

    add_settings(
        second,
        archive_mode="off",
        restore_command=f"cp {archive}/%f %p",
        recovery_target_name="before_the_mistake",
        recovery_target_action="promote",
    )
    (second.data / "recovery.signal").touch()
    own(second.data)
    second.start()
    assert digest_of(second.dsn()) == before
    goes_on(second.dsn(), visits, 4)


def test_a_replica_answers_queries_and_takes_no_visits(
    make_cluster: Callable[[str], Cluster],
) -> None:
    first, second = make_cluster("a"), make_cluster("b")
    first.start()
    first.ensure_database()
    migrate.upgrade(first.dsn())
    visits = exposures(3)
    fill(first.dsn(), visits[:2])
    base_backup(first, second, "--write-recovery-conf")
    second.start()
    with apdb.connect(first.dsn()) as db:
        stored = db.store_visit(visits[2].visit, visits[2].sources)
    with psycopg.connect(first.dsn(), autocommit=True) as connection:
        target: Any = connection.execute("select pg_current_wal_lsn()").fetchone()
    with psycopg.connect(second.dsn(), autocommit=True) as connection:
        for _ in range(600):
            row = connection.execute(
                "select pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_sleep(0.05)", target
            ).fetchone()
            if row and row[0]:
                break
    with apdb.connect(second.dsn()) as replica:
        at = visits[2].visit
        assert at.ra is not None
        assert at.dec is not None
        assert len(replica.objects_in_cone(at.ra, at.dec, 0.2)) > 0
        assert len(replica.sources_of_visit(at.visit)) == len(stored.dia_source_id)
        with pytest.raises(apdb.ApdbError):
            replica.store_visit(at, visits[2].sources)


def drop_partition(dsn: str, lower: int) -> None:
    """Exactly what docs/operations.md says."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in ("dia_source", "dia_forced_source", "alert"):
            name = f"{table}_p{lower}"
            connection.execute(
                sql.SQL("alter table {} detach partition {} concurrently").format(
                    sql.Identifier("apdb_base", table), sql.Identifier("apdb_base", name)
                )
            )
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier("apdb_base", name)))


def test_dropping_an_old_partition_keeps_counters_and_register(dsn: str) -> None:
    visits = exposures(8, span=70.0)
    with apdb.connect(dsn) as db:
        for each in visits[:7]:
            db.store_visit(each.visit, each.sources)
        first = db.object_versions(int(visits[0].sources["dia_source_id"][0]))
        counted = int(first["n_dia_sources"][-1])
        oldest = int(visits[0].visit.midpoint_mjd_tai // 30) * 30
        drop_partition(dsn, oldest)

        assert migrate.check(dsn) == []
        assert db.store_visit(visits[0].visit, visits[0].sources).state == "repeated"
        late = visits[7].visit.midpoint_mjd_tai
        other = apdb.Visit(99, 1, "g", late, ra=150.0, dec=2.2, radius=0.3)
        with pytest.raises(apdb.IdConflict):
            db.store_visit(other, visits[0].sources)
        assert db.store_visit(visits[7].visit, visits[7].sources).state == "stored"

        # Storing adds to the lifetime counters, a correction counts what is still there.
        ids = [int(i) for i in visits[0].sources["dia_source_id"]]
        with psycopg.connect(dsn) as connection:
            row = connection.execute(
                "select o.dia_object_id, o.n_dia_sources, count(s.dia_source_id), "
                "min(s.dia_source_id) from apdb.dia_object as o join apdb.dia_source as s "
                "using (dia_object_id) where o.dia_object_id = any(%s) "
                "group by 1, 2 having count(*) > 2 and o.n_dia_sources > count(*) limit 1",
                (ids,),
            ).fetchone()
        assert row is not None
        name, lifetime, present, source = row
        assert lifetime > present
        assert counted >= 1
        db.withdraw([source], reason="drill")
        assert int(db.object_versions(name)["n_dia_sources"][-1]) == present - 1
