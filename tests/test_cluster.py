"""The private cluster, with real servers: made, started, killed, refused."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from apdb.errors import ServerError, ServerNotRunning
from apdb.server import cluster as cluster_module
from apdb.server import huge_pages
from apdb.server.cluster import Cluster
from apdb.server.pg_conf import MIB
from apdb.server.pg_place import ServerUser

SMALL = 256 * MIB
AS_ROOT = os.getuid() == 0
APDB = [sys.executable, "-c", "from apdb.cli.main import main; main()"]


def make_scratch():
    # pytest's own tmp_path is closed to the server's user, and too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="apdbt-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def scratch():
    folder = make_scratch()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared():
    folder = make_scratch()
    cluster = Cluster(folder / "c", memory=SMALL, timeout=30)
    cluster.start()
    cluster.ensure_database()
    yield cluster
    cluster.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def cluster(shared):
    shared.start()
    return shared


def wait_until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def run_apdb(cluster, *arguments):
    # The folder lets `-c` import the package from the checkout, too.
    return subprocess.run(
        [*APDB, *arguments],
        env={k: v for k, v in os.environ.items() if k != "APDB_DSN"}
        | {"APDB_HOME": str(cluster.root), "NO_COLOR": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )


def rows(cluster, query):
    with psycopg.connect(cluster.dsn()) as connection:
        return connection.execute(query).fetchall()


def test_default_is_durable_and_private(cluster):
    settings = dict(rows(cluster, "select name, setting from pg_settings"))
    for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert settings[name] == "on", name
    assert settings["listen_addresses"] == ""
    assert settings["max_locks_per_transaction"] == "512"
    assert settings["server_encoding"] == "UTF8"
    assert settings["TimeZone"] == "UTC"
    # A quarter of the memory, in pages of 8 kB.
    assert int(settings["shared_buffers"]) == SMALL / 4 / 8192
    assert cluster.socket_dir.stat().st_mode & 0o777 == 0o700


def test_database_has_its_extensions_and_second_call_changes_nothing(cluster):
    assert cluster.ensure_database() is True  # no schema apdb yet
    extensions = rows(cluster, "select extname from pg_extension order by 1")
    assert extensions == [("btree_gist",), ("plpgsql",), ("q3c",)]
    with psycopg.connect(cluster.dsn()) as connection:
        connection.execute("create schema apdb")
    assert cluster.ensure_database() is False


def test_start_of_running_server_is_a_no_op(cluster):
    pid = cluster.status().pid
    assert cluster.start() is False
    assert cluster.status().pid == pid


def test_concurrent_starts_make_one_server(cluster):
    cluster.stop()
    code = (
        "import sys; from pathlib import Path; from apdb.server.cluster import Cluster;"
        "print(Cluster(Path(sys.argv[1])).start())"
    )
    command = [sys.executable, "-c", code, str(cluster.root)]
    starters = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        for _ in range(3)
    ]
    said = sorted(starter.communicate(timeout=60)[0].strip() for starter in starters)
    assert said == ["False", "False", "True"]
    cluster.stop()
    assert cluster.start() is True  # with little memory again


def test_kill_9_with_a_busy_orphan_is_repaired(cluster):
    with psycopg.connect(cluster.dsn()) as connection:
        connection.execute("drop table if exists kept")
        connection.execute("create table kept as select 1 as x")
    open_work = psycopg.connect(cluster.dsn())
    open_work.execute("insert into kept values (2)")
    busy = psycopg.connect(cluster.dsn(), autocommit=True)
    spinner = threading.Thread(target=spin, args=(busy,))
    spinner.start()
    active = "select from pg_stat_activity where query like 'do %' and state = 'active'"
    wait_until(lambda: rows(cluster, active), "the loop runs")
    killed, orphan = cluster.status().pid, busy.info.backend_pid
    os.kill(killed, signal.SIGKILL)
    assert cluster.start() is True
    spinner.join()
    open_work.close()
    assert cluster.status().pid != killed
    assert has_ended(orphan)
    assert rows(cluster, "select x from kept") == [(1,)]


def has_ended(pid):
    with contextlib.suppress(FileNotFoundError):  # where nobody reaps, a zombie stays
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def spin(connection):
    # A backend that never waits does not notice that its server died.
    with pytest.raises(psycopg.OperationalError):
        connection.execute("do $$ begin loop end loop; end $$")
    connection.close()


@pytest.mark.parametrize("content", ["living stranger", "empty"])
def test_misleading_pid_file_is_replaced(cluster, content):
    cluster.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        fields = [stranger.pid, cluster.data, 1, 5432, cluster.socket_dir, "", "1 2", "ready"]
        text = "" if content == "empty" else "\n".join(map(str, fields)) + "\n"
        user = ServerUser.current()
        user.write(cluster.data / "postmaster.pid", text)
        user.write(cluster.root / "run/.s.PGSQL.5432.lock", text)
        assert cluster.status().state == "stopped"
        assert cluster.start() is True
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_start_waits_for_a_server_that_is_stopping(cluster):
    guest = psycopg.connect(cluster.dsn())
    os.kill(cluster.status().pid, signal.SIGTERM)  # smart stop
    wait_until(lambda: cluster.status().state == "stopping", "smart stop waits for its guest")
    with pytest.raises(ServerError, match=r"still stopping after 0 s"):
        Cluster(cluster.root, memory=SMALL, timeout=0.2).start()
    answers = []
    starter = threading.Thread(target=lambda: answers.append(cluster.start()))
    starter.start()
    guest.close()
    starter.join()
    assert answers == [True]


def test_failed_start_shows_the_log(cluster):
    cluster.stop()
    file = cluster.data / "postgresql.conf"
    text = file.read_text()
    user = ServerUser.current()
    try:
        user.write(file, "shared_preload_libraries = 'nothing_like_it'\n", append=True)
        with pytest.raises(ServerError, match=r"did not start(.|\n)*nothing_like_it"):
            cluster.start()
    finally:
        user.write(file, text)
    assert cluster.start() is True


def test_command_line(cluster):
    told = run_apdb(cluster, "server", "status", "--json")
    assert told.returncode == 0, told.stderr
    status = json.loads(told.stdout)
    assert (status["state"], status["durable"], status["pid"]) == (
        "ready",
        True,
        cluster.status().pid,
    )
    assert run_apdb(cluster, "server", "psql", "-Atc", "select 40 + 2").stdout == "42\n"
    assert run_apdb(cluster, "server", "stop").returncode == 0
    assert run_apdb(cluster, "server", "status").returncode == 3
    refused = run_apdb(cluster, "server", "psql")
    assert refused.returncode == ServerNotRunning.exit_code
    assert "not running" in refused.stderr
    assert "apdb server start" in refused.stderr


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Files as the kernel shows them: 100 pages, of which 30 are touched and 20 more promised."""
    reserved, memory = tmp_path / "nr_hugepages", tmp_path / "meminfo"
    reserved.write_text("100\n")
    memory.write_text(
        "MemTotal: 1000 kB\nHugePages_Total: 100\nHugePages_Free: 70\n"
        "HugePages_Rsvd: 20\nHugepagesize: 2048 kB\n"
    )
    monkeypatch.setattr(huge_pages, "RESERVED", reserved)
    monkeypatch.setattr(huge_pages, "MEMORY", memory)
    return reserved


@pytest.mark.parametrize(("needed", "total"), [(0, 50), (50, 100), (20, 100), (80, 130)])
def test_huge_pages_in_use_and_of_others_stay(kernel, needed, total):
    assert huge_pages.reserve(needed) == total
    assert int(kernel.read_text()) == total
    assert huge_pages.size() == 2 * MIB


def test_huge_pages_that_cannot_be_had(kernel):
    with pytest.raises(ServerError, match="without huge pages"):
        huge_pages.reserve(-1)
    kernel.unlink()
    with pytest.raises(ServerError, match="matter of Linux"):
        huge_pages.reserve(1)


def test_huge_pages_of_a_server_that_was_never_started(scratch):
    with pytest.raises(ServerError, match="apdb server start"):
        Cluster(scratch / "c", memory=SMALL).huge_pages_needed()


@pytest.mark.slow  # changes a setting of the whole machine for seconds
def test_huge_pages(cluster):
    with pytest.raises(ServerError, match="server stop"):
        cluster.huge_pages_needed()
    wanted = int(rows(cluster, "show shared_memory_size_in_huge_pages")[0][0])
    cluster.stop()
    assert cluster.huge_pages_needed() == wanted
    assert cluster.status().huge_pages is None
    before = huge_pages.RESERVED.read_text() if huge_pages.RESERVED.exists() else "0"
    if int(before):
        cluster.start()
        pytest.skip("this machine has huge pages reserved already")
    try:
        total = huge_pages.reserve(wanted)  # a small server: some 150 MB
    except ServerError as error:
        cluster.start()
        pytest.skip(f"the kernel of this machine does not lend them here: {error}")
    try:
        assert int(huge_pages.RESERVED.read_text()) == total >= wanted
        cluster.start()
        assert cluster.status().huge_pages is True
        # those in use cannot be given back
        assert huge_pages.reserve(0) > 0
        told = run_apdb(cluster, "server", "status")
        assert "huge pages yes" in told.stdout
        cluster.stop()
    finally:
        huge_pages.RESERVED.write_text(before)
    cluster.start()
    assert cluster.status().huge_pages is False


def test_deleted_socket_is_noticed(cluster):
    (cluster.socket_dir / ".s.PGSQL.5432").unlink()
    assert cluster.status().state == "unreachable"
    with pytest.raises(ServerError, match=r"socket .* was deleted"):
        cluster.start()
    assert cluster.stop() is True


# -- places and people --------------------------------------------------------------------------

USER_SCRIPT = """
import os, sys
from pathlib import Path
import psycopg
from apdb.server.cluster import Cluster
if os.getuid() == 0:  # the packages may be where only root can read: import first
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
cluster = Cluster(Path(sys.argv[1]), fsync=False, memory=2**28, timeout=30)
assert cluster.start() is True
try:
    cluster.ensure_database()
    with psycopg.connect(cluster.dsn()) as connection:
        print(connection.execute("select q3c_dist(0, 0, 0, 1)").fetchone()[0])
        print(connection.execute("show fsync").fetchone()[0])
    print(cluster.socket_dir)
    print(cluster.data.stat().st_uid)
    assert not cluster.status().durable
finally:
    cluster.stop("immediate")
"""


def test_ordinary_user_with_a_path_too_long_for_a_socket(scratch):
    user = pwd.getpwnam("nobody") if AS_ROOT else pwd.getpwuid(os.getuid())
    if AS_ROOT:
        os.chown(scratch, user.pw_uid, user.pw_gid)
    root = scratch / ("long" * 30) / "name with spaces"
    command = [sys.executable, "-W", "error", "-c", USER_SCRIPT, root, user.pw_uid, user.pw_gid]
    told = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert told.returncode == 0, told.stderr
    distance, fsync, socket_dir, uid = told.stdout.split()
    assert float(distance) == pytest.approx(1.0, abs=1e-12)
    assert (fsync, int(uid)) == ("off", user.pw_uid)
    assert socket_dir.startswith(f"/tmp/apdb-{user.pw_uid}-")
    shutil.rmtree(socket_dir)


def test_squatted_socket_folder_is_refused(scratch):
    cluster = Cluster(scratch / "with,comma", memory=SMALL, fsync=False)
    squatted = cluster.socket_dir
    assert squatted.parent == Path("/tmp")
    squatted.mkdir()
    squatted.chmod(0o777)
    try:
        with pytest.raises(ServerError, match=r"must be a folder of .* mode 0700, .* 0777"):
            cluster.start()
    finally:
        squatted.rmdir()


def test_missing_programs_are_named(scratch, monkeypatch):
    monkeypatch.setenv("APDB_PG_BIN", str(scratch))
    with pytest.raises(ServerError) as caught:
        Cluster(scratch / "c").start()
    message = str(caught.value)
    assert f"{scratch} (APDB_PG_BIN): lacks postgres, initdb, pg_ctl" in message
    assert "apt-get install -y --no-install-recommends postgresql postgresql-q3c" in message


def test_missing_extension_is_named(scratch, monkeypatch):
    real = Cluster(scratch / "c").installation.bin
    for program in ("postgres", "initdb", "pg_ctl"):
        (scratch / program).symlink_to(real / program)
    fake = scratch / "pg_config"
    fake.write_text(f"#!/bin/sh\necho {scratch}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("APDB_PG_BIN", str(scratch))
    with pytest.raises(ServerError, match=r"lacks the extension q3c and btree_gist"):
        Cluster(scratch / "c").start()


def test_data_of_another_major_version(scratch):
    cluster = Cluster(scratch / "c")
    cluster.root.mkdir()
    user = ServerUser.current()
    user.own(cluster.data)
    user.write(cluster.data / "PG_VERSION", "13\n")
    with pytest.raises(ServerError, match=r"made by PostgreSQL 13(.|\n)*pg_dumpall"):
        cluster.start()


def test_folder_that_is_no_cluster(scratch):
    (scratch / "c/data").mkdir(parents=True)
    (scratch / "c/data/thesis.tex").touch()
    with pytest.raises(ServerError, match=r"no PG_VERSION"):
        Cluster(scratch / "c").start()
    assert (scratch / "c/data/thesis.tex").exists()


def test_place_that_cannot_be_made():
    with pytest.raises(ServerError, match=r"Cannot use /proc/apdb .*\n?.*APDB_HOME"):
        Cluster(Path("/proc/apdb")).start()


def test_full_disk_is_seen_before_initdb(scratch, monkeypatch):
    monkeypatch.setattr(cluster_module, "NEEDED_BYTES", 2**60)
    with pytest.raises(ServerError, match=r"MB left; a new cluster needs .* MB"):
        Cluster(scratch / "c").start()


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")
def test_place_closed_to_the_servers_user(scratch):
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError, match=rf"`postgres`, who may not enter {closed}\."):
        Cluster(closed / "c").start()


@pytest.mark.skipif(not AS_ROOT, reason="only root needs the user postgres")
def test_root_without_a_user_postgres(scratch, monkeypatch):
    monkeypatch.setattr("apdb.server.pg_place.OS_USER", "no-such-user")
    with pytest.raises(ServerError, match=r"no user `no-such-user`(.|\n)*useradd"):
        Cluster(scratch / "c")
