"""kill -9, lost connections, stopped servers, full disks: a visit is whole or absent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import crash_client
import numpy as np
import psycopg
import pytest
from packet_tools import set_archive
from psycopg.conninfo import make_conninfo
from store_tools import (
    Exposed,
    check_content,
    check_whole,
    commit_order,
    digest,
    exposures,
    partition,
    watching,
)

import apdb
from apdb.archive.verify import verify
from apdb.schema import migrate
from apdb.server.cluster import Cluster
from apdb.session import client_name
from apdb.translate import translated

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["crash_client"])
AT_RANDOM = ["at random"] * 6
CLIENT_ROUNDS = AT_RANDOM + 2 * [
    "copy pg_temp", "lock_sky", "associate_visit", "forced", "commit_visit", "COMMIT"
]  # fmt: skip
SERVER_ROUNDS = AT_RANDOM + 2 * ["copy pg_temp", "associate_visit", "commit_visit", "COMMIT"]
ALERT_STEPS = ["insert_fragments", "assemble_packets", "copy pg_temp.stage_alert", "index_alerts"]


@pytest.fixture(scope="module")
def durable() -> Iterator[Cluster]:
    """A cluster with fsync, of this module alone."""
    root = Path(tempfile.mkdtemp(prefix="apdb-k-", dir="/tmp"))
    root.chmod(0o755)
    scratch = Cluster(root / "c", fsync=True, memory=2**30, timeout=60.0)
    scratch.start()
    try:
        yield scratch
    finally:
        scratch.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def fresh(durable: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database on it."""
    durable.start()
    name = f"t{abs(hash(request.node.name)):x}"[:20]
    durable.ensure_database(name)
    dsn = durable.dsn(name)
    migrate.upgrade(dsn)
    yield dsn
    durable.start()
    with psycopg.connect(durable.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_server(cluster: Cluster) -> None:
    """kill -9 of the postmaster and everything that it started, all at once."""
    postmaster = cluster.status().pid
    assert postmaster is not None
    children = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == postmaster:
                children.append(int(entry.name))
    for pid in (postmaster, *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while any(alive(pid) for pid in (postmaster, *children)):
        assert time.monotonic() < until


def wait_for(watcher: psycopg.Connection[Any], name: str, step: str) -> None:
    """Wait until a client's server process is at a step, or has just been there; 3 s at most."""
    until = time.monotonic() + 3.0
    # begin_visit commits too: the COMMIT that matters comes after commit_visit
    for part in ("commit_visit", "COMMIT") if step == "COMMIT" else (step,):
        while time.monotonic() < until:
            query = "select query from pg_stat_activity where application_name = %s"
            if any(part in found for (found,) in watcher.execute(query, (name,))):
                break


def wait_until_gone(watcher: psycopg.Connection[Any], name: str, pid: int = 0) -> None:
    """Wait until no session has this application name or process id."""
    until = time.monotonic() + 30
    query = "select pid from pg_stat_activity where application_name = %s or pid = %s"
    while watcher.execute(query, (name, pid)).fetchone():
        assert time.monotonic() < until, "the server keeps the dead client's session"


def died_attempts(watcher: psycopg.Connection[Any]) -> dict[int, int]:
    """Visit of each attempt that says running though its server process is gone."""
    rows = watcher.execute(
        "select t.attempt_id, t.visit from apdb.visit_attempt as t "
        "where t.state = 'running' and not exists (select from pg_stat_activity as a "
        "where a.pid = t.backend_pid and a.backend_start = t.backend_start)"
    ).fetchall()
    return dict(rows)


class Story:
    """What was begun and done, and the check of the database against it."""

    def __init__(self, visits: list[Exposed], dsn: str, archive: Path | None = None) -> None:
        self.visits = visits
        self.dsn = dsn
        self.archive = archive
        if archive is not None:
            set_archive(dsn, archive)
        self.next = 0
        self.begun: set[int] = set()
        self.done: set[int] = set()
        self.buried: dict[int, int] = {}
        self.duration = 0.2
        self.outcomes: Counter[str] = Counter()

    def check_and_repeat(self, db: apdb.Apdb) -> None:
        """Every visit whole or absent, none lost; then the repeat completes those begun."""
        with watching(self.dsn) as watcher:
            check_whole(watcher)
            stored = check_content(watcher, self.visits)
            assert self.done <= stored <= self.begun
            open_ones = self.begun - self.done
            attempts = died_attempts(watcher)
            dead = {attempts[new] for new in attempts.keys() - self.buried.keys()}
            self.buried = attempts
            assert dead <= open_ones
            for number in sorted(open_ones):
                self.outcomes["whole" if number in stored else "absent"] += 1
                self.outcomes["left a trace"] += number in dead
                assert number not in stored or number not in dead
                each = self.visits[number - 1]
                report = db.store_visit(each.visit, each.sources)
                self.duration = report.timings["total"] / 1000.0
                assert report.state == ("repeated" if number in stored else "stored")
                self.done.add(number)
        self.next = max(self.begun)
        if self.archive is not None:
            self.check_alerts(db)

    def check_alerts(self, db: apdb.Apdb) -> None:
        """Every eligible source has one current alert, and every file in the index is whole."""
        found = verify(db)
        assert found.clean, found.discrepancies
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute(
                "select a.dia_source_id from apdb.alert as a where a.is_current"
            ).fetchall()
            wanted = connection.execute(
                "select e.dia_source_id from apdb.visit as v "
                "cross join lateral apdb.eligible_sources(v.visit, v.detector) as e"
            ).fetchall()
        assert sorted(rows) == sorted(wanted)
        # One source, one alert: a repeat makes no second revision.
        assert found.n_alerts == len(rows)


def finish(story: Story, durable: Cluster, rounds: int) -> None:
    """Compare with a serial run of the same visits that nobody killed."""
    with psycopg.connect(story.dsn) as connection:
        check_whole(connection)
        order = commit_order(connection)
        found = partition(connection)
    name = psycopg.conninfo.conninfo_to_dict(story.dsn)["dbname"] + "_serial"  # type: ignore[operator]
    durable.ensure_database(name)
    migrate.upgrade(durable.dsn(name))
    with apdb.connect(durable.dsn(name)) as serial:
        for number, _ in order:
            serial.store_visit(story.visits[number - 1].visit, story.visits[number - 1].sources)
    with psycopg.connect(durable.dsn(name)) as connection:
        assert partition(connection) == found
    print(f"{rounds} rounds, {len(order)} visits: {dict(story.outcomes)}")
    # some died before they left anything or after they were done, but most in the middle
    assert story.outcomes["left a trace"] >= rounds // 3


@pytest.mark.slow
@pytest.mark.parametrize("archived", [False, True])
def test_killed_clients(durable: Cluster, fresh: str, tmp_path: Path, *, archived: bool) -> None:
    rng = np.random.default_rng(11)
    story = Story(exposures(250, n=100, noise=200), fresh, tmp_path if archived else None)
    rounds = CLIENT_ROUNDS + 4 * ALERT_STEPS * archived
    with apdb.connect(fresh) as db, watching(fresh) as watcher:
        for step in rounds:
            receiver, sender = FORK.Pipe(duplex=False)
            ahead = story.visits[story.next : story.next + 8]
            given = [(each.visit, each.sources) for each in ahead]
            process = FORK.Process(
                target=crash_client.run, args=(fresh, given, step == "forced", sender)
            )
            process.start()
            sender.close()
            n_before = 1 + 2 * int(rng.integers(0, 3)) * (step == "at random")
            seen = [receiver.recv() for _ in range(n_before)]
            name = f"apdb {socket.gethostname()}:{process.pid}"
            if step == "at random":
                time.sleep(rng.uniform(0.0, 1.5) * story.duration)
            elif step != "forced":
                wait_for(watcher, name, step)
            if step != "forced":
                process.kill()
            process.join(30)
            assert process.exitcode == -signal.SIGKILL
            with contextlib.suppress(EOFError):
                while True:
                    seen.append(receiver.recv())
            story.begun |= {number for what, number in seen if what == "begin"}
            story.done |= {number for what, number in seen if what == "done"}
            wait_until_gone(watcher, name)
            story.check_and_repeat(db)
    finish(story, durable, len(rounds))


@pytest.mark.slow
@pytest.mark.parametrize("archived", [False, True])
def test_killed_servers(durable: Cluster, fresh: str, tmp_path: Path, *, archived: bool) -> None:
    rng = np.random.default_rng(12)
    story = Story(exposures(150, n=100, noise=200), fresh, tmp_path if archived else None)
    rounds = SERVER_ROUNDS + ALERT_STEPS * archived
    errors: list[BaseException] = []

    def store_until_it_breaks(db: apdb.Apdb) -> None:
        for each in story.visits[story.next :]:
            story.begun.add(each.visit.visit)
            try:
                db.store_visit(each.visit, each.sources)
            except apdb.ApdbError as error:
                errors.append(error)
                return
            story.done.add(each.visit.visit)

    # one Apdb through all crashes: its pool must find the server again
    with apdb.connect(fresh) as db, ThreadPoolExecutor(1) as pool:
        for step in rounds:
            job = pool.submit(store_until_it_breaks, db)
            if step == "at random":
                time.sleep(rng.uniform(0.0, 3.0) * story.duration)
            else:
                with watching(fresh) as watcher:
                    wait_for(watcher, client_name(), step)
            kill_server(durable)
            job.result(30)
            assert durable.start()
            story.check_and_repeat(db)
    assert len(errors) == len(rounds)
    assert {type(error) for error in errors} <= {apdb.ConnectionLost, apdb.ServerNotRunning}
    finish(story, durable, len(rounds))


def end_session(dsn: str) -> None:
    """What an administrator or a broken network does to the client's session."""
    with watching(dsn) as watcher:
        ended = watcher.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where application_name = %s and state = 'idle in transaction'",
            (client_name(),),
        ).fetchall()
    assert ended == [(True,)]


def nothing(positions: Any) -> dict[str, Any]:
    return {"dia_object_id": [], "psf_flux": [], "psf_flux_err": []}


def test_connection_lost_half_way(db: apdb.Apdb, dsn: str, plain_connection: Any) -> None:
    first, second = exposures(2)
    db.store_visit(first.visit, first.sources)
    before = digest(plain_connection)

    def cut(positions: Any) -> dict[str, Any]:
        end_session(dsn)
        return nothing(positions)

    with pytest.raises(apdb.ConnectionLost, match="Store the visit again"):
        db.store_visit(second.visit, second.sources, forced=cut)
    assert digest(plain_connection) == before
    assert list(died_attempts(plain_connection).values()) == [2]
    assert db.store_visit(second.visit, second.sources).state == "stored"
    check_whole(plain_connection)


class Cutter:
    """A proxy before the server that cuts the session at its COMMIT, when armed.

    Parameters
    ----------
    target : str
        Path of the server's socket.
    folder : pathlib.Path
        Where to listen.
    after : bool
        Cut after the server has committed, before the client hears of it; else before the server
        hears of it.
    """

    def __init__(self, target: str, folder: Path, after: bool) -> None:
        self.target = target
        self.after = after
        self.armed = False
        self.cut = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / ".s.PGSQL.5432"))
        self.listener.listen()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(30)
        self.listener.close()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.relay, args=(client,)))
                self.threads[-1].start()

    def relay(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self.target)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if self.armed and source is client and b"COMMIT\0" in data:
                        self.armed = False
                        self.cut += 1
                        if self.after:
                            server.sendall(data)
                            assert b"COMMIT" in server.recv(65536)
                        return
                    (server if source is client else client).sendall(data)


@pytest.mark.parametrize("after", [True, False], ids=["committed", "not committed"])
def test_the_register_decides_when_the_answer_to_commit_is_lost(
    cluster: Cluster, dsn: str, plain_connection: Any, after: bool
) -> None:
    first, second = exposures(2)
    folder = Path(tempfile.mkdtemp(prefix="apdb-x-", dir="/tmp"))
    cutter = Cutter(f"{cluster.socket_dir}/.s.PGSQL.5432", folder, after)

    def arm(positions: Any) -> dict[str, Any]:
        cutter.armed = True
        return nothing(positions)

    try:
        with apdb.connect(make_conninfo(dsn, host=str(folder))) as db:
            db.store_visit(first.visit, first.sources)
            if after:
                report = db.store_visit(second.visit, second.sources, forced=arm)
                assert report.state == "stored"
                assert (report.dia_object_id != 0).all()
            else:
                with pytest.raises(apdb.ConnectionLost):
                    db.store_visit(second.visit, second.sources, forced=arm)
            assert cutter.cut == 1
            assert len(commit_order(plain_connection)) == 1 + after
            again = db.store_visit(second.visit, second.sources)
            assert again.state == ("repeated" if after else "stored")
    finally:
        cutter.close()
        shutil.rmtree(folder)
    check_whole(plain_connection)


def test_idle_in_transaction_too_long(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("set idle_in_transaction_session_timeout = '10ms'")
        with watching(dsn) as watcher:
            wait_until_gone(watcher, "nobody", connection.info.backend_pid)
        with pytest.raises(apdb.ConnectionLost, match="idle-in-transaction"), translated():
            connection.execute("select 1")


def test_server_stopped_between_calls(durable: Cluster, fresh: str) -> None:
    visits = exposures(6)
    with apdb.connect(fresh) as db, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: db.store_visit(each.visit, each.sources), visits[:4]))
        durable.stop()
        for _ in range(3):
            start = time.monotonic()
            with pytest.raises(apdb.ServerNotRunning, match="apdb server start"):
                db.store_visit(visits[4].visit, visits[4].sources)
            assert time.monotonic() - start < 5.0
        durable.start()
        states = pool.map(lambda each: db.store_visit(each.visit, each.sources).state, visits)
        assert list(states) == ["repeated"] * 4 + ["stored"] * 2
    with psycopg.connect(fresh) as connection:
        check_whole(connection)


@pytest.fixture
def small_disk(durable: Cluster) -> Iterator[Path]:
    """A disk of 10 MB that belongs to the server's user."""
    folder = Path(tempfile.mkdtemp(prefix="apdb-d-", dir="/tmp"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=10m,mode=755", "apdb-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True) if os.getuid() == 0 else None
    if done is None or done.returncode:
        folder.rmdir()
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip() if done else 'not root'}")
    owner = durable.data.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.slow
def test_disk_full(durable: Cluster, small_disk: Path, fresh: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(fresh)["dbname"]
    with watching(fresh) as watcher:
        watcher.execute(f"create tablespace small location '{small_disk}'")  # type: ignore[arg-type]
        watcher.execute("grant create on tablespace small to apdb_owner")
        # partitions made from now on lie there
        watcher.execute(f"alter database {name} set default_tablespace = small")  # type: ignore[arg-type]
    visits = exposures(40, n=100, noise=1500, span=0.5)
    stored = 0
    try:
        with apdb.connect(fresh) as db, psycopg.connect(fresh) as connection:
            error: apdb.OutOfSpace | None = None
            for each in visits:
                before = digest(connection)
                try:
                    db.store_visit(each.visit, each.sources)
                except apdb.OutOfSpace as caught:
                    error = caught
                    break
                stored += 1
            assert 0 < stored < len(visits)
            assert "No space left on device" in str(error)
            assert "Check free disk space" in str(error)
            assert digest(connection) == before
            check_whole(connection)
            assert check_content(connection, visits) == set(range(1, stored + 1))
            full = visits[stored]
            assert db.store_visit(visits[0].visit, visits[0].sources).state == "repeated"
            subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
            assert db.store_visit(full.visit, full.sources).state == "stored"
            check_whole(connection)
    finally:
        with psycopg.connect(durable.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]
            connection.execute(f"create database {name}")  # type: ignore[arg-type]
            connection.execute("drop tablespace small")
