"""The private PostgreSQL cluster of apdb: made, started and stopped without an administrator.

It listens on a Unix socket only, keeps its data in one folder per user (`/var/lib/apdb` for root),
survives power cuts, and repairs what a killed server leaves behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from apdb.errors import ServerError, ServerNotRunning
from apdb.server import huge_pages, pg_conf
from apdb.server.pg_install import Installation, find_installation
from apdb.server.pg_place import SOCKET_FILE, ServerUser, default_root, exclusive, plan_socket_dir
from apdb.server.pg_process import SETTLED, ClusterStatus, Identity, wait_settled

SUPERUSER = "postgres"
DATABASE = "apdb"
NEEDED_BYTES = 300 * pg_conf.MIB
StopMode = Literal["smart", "fast", "immediate"]


class Cluster:
    """A PostgreSQL cluster that belongs to apdb alone.

    Parameters
    ----------
    root : pathlib.Path, optional
        Folder of the cluster.  Default: environment APDB_HOME, else `/var/lib/apdb` for root and
        `$XDG_DATA_HOME/apdb` (`~/.local/share/apdb`) for others.
    fsync : bool, optional
        False makes a server that may lose everything in a power cut; for tests only.
    memory : int, optional
        Memory to plan with [bytes].  Default: all that the machine or container has.
    timeout : float, optional
        How long to wait for the server to start or stop [s]; a killed server first replays up to
        8 GB of log.

    Raises
    ------
    ServerError
        Run as root on a machine without the user `postgres`, which PostgreSQL needs then.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        fsync: bool = True,
        memory: int | None = None,
        timeout: float = 300.0,
    ) -> None:
        self.root = (root or default_root()).expanduser().resolve()
        self.data = self.root / "data"
        self.fsync = fsync
        self.memory = memory
        self.timeout = timeout
        self._user = ServerUser.current()
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        name = f"apdb-{self._user.uid}-{digest}"
        self._identity = Identity(self.data, self._user.uid, name)
        self._planned_socket_dir = plan_socket_dir(self.root, name)

    @cached_property
    def installation(self) -> Installation:
        """The PostgreSQL programs that fit the data, or the newest before there are data."""
        major = self._major()
        try:
            return find_installation(self._user.run, major)
        except ServerError as error:
            if major is None:
                raise
            raise ServerError(
                f"The data in {self.data} were made by PostgreSQL {major}.\n{error}\n"
                f"Install PostgreSQL {major} with Q3C beside the other, or, to upgrade: dump with "
                f"`pg_dumpall` of PostgreSQL {major}, move {self.data} away, start, and load the "
                "dump with `apdb server psql`."
            ) from error

    @property
    def socket_dir(self) -> Path:
        """Folder of the server's socket: that of the living server, else where it will be."""
        server = self._identity.postmaster()
        return server.socket_dir if server else self._planned_socket_dir

    def dsn(self, dbname: str = DATABASE) -> str:
        """Return the libpq connection string of a database in this cluster.

        Parameters
        ----------
        dbname : str, optional
            Name of the database.

        Returns
        -------
        str
            For the superuser; the server need not be running.
        """
        return make_conninfo(host=str(self.socket_dir), port=5432, dbname=dbname, user=SUPERUSER)

    def archive(self, dbname: str = DATABASE) -> Path:
        """Return the folder for the alerts of a database in this cluster.

        Parameters
        ----------
        dbname : str, optional
            Name of the database.

        Returns
        -------
        pathlib.Path
            Need not exist.
        """
        return self.root / "archive" / dbname

    def status(self) -> ClusterStatus:
        """Return the state of the cluster; starts and changes nothing."""
        server = self._identity.postmaster()
        major = self._major()
        state = server.state if server else "absent" if major is None else "stopped"
        if server and state in SETTLED and not (server.socket_dir / SOCKET_FILE).exists():
            state = "unreachable"
        place = next(
            folder for folder in (self.root, *self.root.parents) if os.access(folder, os.F_OK)
        )
        return ClusterStatus(
            state=state,
            root=self.root,
            data=self.data,
            pid=server.pid if server else None,
            started=server.started if server else None,
            major=major,
            durable=self._configured_fsync(),
            log_file=self._newest_log(),
            free_bytes=shutil.disk_usage(place).free,
            dsn=self.dsn(),
            huge_pages=huge_pages.used_by(server.pid) if server else None,
        )

    def start(self) -> bool:
        """Make the cluster if there is none, and start its server.

        Returns
        -------
        bool
            True if it was started now, False if it was running already.

        Raises
        ------
        ServerError
            Something is missing, full or not permitted; the message says what and what to do.
        """
        with exclusive(self.root):
            self._user.check_passage(self.root)
            if (self.data / "PG_VERSION").exists():
                self._user.own(self.data)
            else:
                self._initdb()
            if wait_settled(self._identity, self.timeout):
                if self.status().state == "unreachable":
                    raise ServerError(
                        f"The server runs, but its socket in {self.socket_dir} was deleted; "
                        "`apdb server stop`, then `apdb server start`."
                    )
                return False
            self._launch()
            return True

    def stop(self, mode: StopMode = "fast") -> bool:
        """Stop the server.

        Parameters
        ----------
        mode : {"fast", "smart", "immediate"}, optional
            "fast" ends open transactions, "smart" waits for sessions to leave, "immediate" leaves
            the work of a crash to the next start.

        Returns
        -------
        bool
            True if it was stopped now, False if it was not running.

        Raises
        ------
        ServerError
            It did not stop in time.
        """
        if not self.data.exists():
            return False
        with exclusive(self.root):
            if self._identity.postmaster() is None:
                return False
            self._pg_ctl("stop", "-m", mode)
            return True

    def huge_pages_needed(self) -> int:
        """Return the number of huge pages that hold the server's shared memory.

        Raises
        ------
        ServerError
            The server was never started, or runs.
        """
        if not (self.root / "apdb.conf").exists():
            raise ServerError(
                "The server was never started, so it has no settings yet: `apdb server start`, "
                "`apdb server stop`, then again."
            )
        command: list[str | Path] = [self.installation.bin / "postgres", "-D", self.data]
        # It looks like a starting server for a moment.
        with exclusive(self.root):
            if self._identity.postmaster():
                raise ServerError(
                    "The server runs; it takes huge pages only when it starts: `apdb server stop`."
                )
            result = self._user.run([*command, "-C", "shared_memory_size_in_huge_pages"])
        if result.returncode:
            raise ServerError(
                f"PostgreSQL does not say what memory it wants:\n{result.stderr.strip()}"
            )
        return int(result.stdout)

    def ensure_database(self, name: str = DATABASE) -> bool:
        """Create a database with the extensions that apdb needs, unless it exists.

        Parameters
        ----------
        name : str, optional
            Name of the database.

        Returns
        -------
        bool
            True if the database is new: it holds no schema `apdb` yet.

        Raises
        ------
        ServerNotRunning
            The server does not answer.
        """
        try:
            with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
                query = "select from pg_database where datname = %s"
                if connection.execute(query, [name]).fetchone() is None:
                    create = sql.SQL("create database {}").format(sql.Identifier(name))
                    with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                        connection.execute(create)
            with psycopg.connect(self.dsn(name)) as connection:
                # Two sessions that create the same extension at once would fail on its key.
                connection.execute("select pg_advisory_xact_lock(hashtext('apdb extensions'))")
                connection.execute("create extension if not exists q3c")
                connection.execute("create extension if not exists btree_gist")
                found = connection.execute("select to_regnamespace('apdb') is null").fetchone()
        except psycopg.OperationalError as error:
            raise ServerNotRunning(f"No answer from {self.socket_dir}: {error}") from error
        return bool(found and found[0])

    def psql_command(self, dsn: str | None = None) -> list[str]:
        """Return the command that opens psql on a database.

        Parameters
        ----------
        dsn : str, optional
            Another database than this cluster's `apdb`.

        Returns
        -------
        list of str
            Program and arguments; append more.

        Raises
        ------
        ServerNotRunning
            The private server is meant and does not run.
        ServerError
            There is no psql.
        """
        if dsn is None and not self.status().running:
            raise ServerNotRunning(f"The private server in {self.root} is not running")
        psql = shutil.which("psql")
        with contextlib.suppress(ServerError):
            own = self.installation.bin / "psql"
            psql = str(own) if own.exists() else psql
        if psql is None:
            raise ServerError("There is no psql; install it: apt-get install postgresql-client")
        return [psql, "--dbname", dsn or self.dsn()]

    # -- making ---------------------------------------------------------------------------------

    def _initdb(self) -> None:
        """Make the data under another name, so that a half-made cluster is never taken for one."""
        if self.data.exists() and any(self.data.iterdir()):
            raise ServerError(
                f"{self.data} is not empty but holds no cluster (no PG_VERSION); move it away, or "
                "set APDB_HOME to another place."
            )
        free = shutil.disk_usage(self.root).free
        if free < NEEDED_BYTES:
            raise ServerError(
                f"{self.root} has {free // pg_conf.MIB} MB left; a new cluster needs "
                f"{NEEDED_BYTES // pg_conf.MIB} MB. Free some, or set APDB_HOME to another disk."
            )
        new = self.root / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._user.own(new)
        options: list[str | Path] = [
            "-D",
            new,
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            "-A",
            "trust",
            "--data-checksums",
        ]
        options += ["--lc-messages=C", "--text-search-config=simple"]
        options += [] if self.fsync else ["--no-sync"]
        program = self.installation.bin / "initdb"
        result = self._user.run([program, *options, "--locale=C.UTF-8"])
        if result.returncode and "locale" in result.stderr:
            result = self._user.run([program, *options, "--locale=C"])
        if result.returncode:
            raise ServerError(f"initdb could not make {new}:\n{result.stderr.strip()}")
        self._user.write(new / "pg_hba.conf", pg_conf.HBA)
        self._user.write(new / "postgresql.conf", pg_conf.INCLUDE, append=True)
        new.rename(self.data)

    def _launch(self) -> None:
        program = self.installation  # raises before anything is touched
        socket_dir = self._planned_socket_dir
        for folder in (self.root / "log", socket_dir):
            self._user.own(folder)
        self._identity.clear_remains(socket_dir)
        if self.fsync and not self._configured_fsync():
            # What a server without fsync left in the page cache must reach the disk first.
            self._user.run([program.bin / "initdb", "--sync-only", "-D", self.data])
        values = pg_conf.settings(
            self.root,
            socket_dir,
            name=self._identity.name,
            fsync=self.fsync,
            memory=self.memory or pg_conf.machine_memory(),
            lz4=program.lz4,
        )
        conf = self.root / "apdb.conf"
        conf.write_text(pg_conf.render(values))
        conf.chmod(0o644)
        self._pg_ctl("start")

    def _pg_ctl(self, action: str, *options: str) -> None:
        command: list[str | Path] = [self.installation.bin / "pg_ctl", action, "-D", self.data]
        command += ["-w", "-s", "-t", str(int(self.timeout)), *options]
        # The server inherits this file; a pipe would keep the caller waiting for its end.
        with (self.root / f"{action}.log").open("w+") as output:
            code = self._user.run(command, output=output).returncode
            output.seek(0)
            said = output.read().splitlines()
        if code:
            log = self._newest_log()
            lines = self._user.run(["tail", "-n", "15", log]).stdout if log else ""
            raise ServerError(
                f"PostgreSQL did not {action} (pg_ctl ended with {code}):\n"
                + "\n".join(f"  {line}" for line in [*said[-15:], f"{log}:", *lines.splitlines()])
            )

    # -- looking --------------------------------------------------------------------------------

    def _major(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise ServerError(
                f"{self.data} belongs to another user; run as its owner or as root"
            ) from error

    def _configured_fsync(self) -> bool:
        try:
            return "\nfsync = 'off'" not in (self.root / "apdb.conf").read_text()
        except FileNotFoundError:
            return self.fsync

    def _newest_log(self) -> Path | None:
        logs = list((self.root / "log").glob("*.log"))
        return max(logs, key=lambda log: log.stat().st_mtime, default=None)
