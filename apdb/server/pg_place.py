"""Where the private PostgreSQL lives, and the operating-system user who runs it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apdb.errors import ServerError

OS_USER = "postgres"
SOCKET_FILE = ".s.PGSQL.5432"
# sun_path of the operating system, less its closing zero byte and "/.s.PGSQL.5432".
SOCKET_DIR_MAX = (103 if sys.platform == "darwin" else 107) - len("/" + SOCKET_FILE)


@dataclass(frozen=True)
class ServerUser:
    """The operating-system user as whom the server's programs run.

    Attributes
    ----------
    name : str
        Login name.
    uid, gid : int
        Its ids.
    """

    name: str
    uid: int
    gid: int

    @classmethod
    def current(cls) -> ServerUser:
        """Return the user that starts servers for this process: itself, `postgres` for root.

        Returns
        -------
        ServerUser
            As found in the password database.

        Raises
        ------
        ServerError
            There is no such user.
        """
        root = os.getuid() == 0
        try:
            entry = pwd.getpwnam(OS_USER) if root else pwd.getpwuid(os.getuid())
        except KeyError as error:
            message = (
                f"PostgreSQL refuses to run as root, and there is no user `{OS_USER}` to run it "
                "as. Installing PostgreSQL makes one (apt-get install -y --no-install-recommends "
                f"postgresql postgresql-q3c); or `useradd --system {OS_USER}`; or run apdb as an "
                "ordinary user."
                if root
                else f"PostgreSQL needs a user with a name, and user id {os.getuid()} has none in "
                "/etc/passwd; add it there, or run as another user."
            )
            raise ServerError(message) from error
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def run(
        self,
        command: list[str | Path],
        *,
        output: IO[str] | int = subprocess.PIPE,
        text: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, in a neutral folder and environment.

        Parameters
        ----------
        command : list of str or pathlib.Path
            Program and arguments.
        output : file or int, optional
            Where its output goes; default: it is captured.
        text : str, optional
            Its input.

        Returns
        -------
        subprocess.CompletedProcess
            The exit code is not checked.
        """
        as_root = os.getuid() == 0
        # PGPORT, PGDATA and their like would change what the server's programs do.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return subprocess.run(
            command,
            input=text,
            stdout=output,
            stderr=subprocess.PIPE if output == subprocess.PIPE else subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env=environment | {"LC_ALL": "C"},
            user=self.uid if as_root else None,
            group=self.gid if as_root else None,
            extra_groups=[] if as_root else None,
        )

    def write(self, file: Path, text: str, *, append: bool = False) -> None:
        """Write a file as this user: root must not follow links in folders it does not own.

        Parameters
        ----------
        file : pathlib.Path
            The file.
        text : str
            What to write.
        append : bool, optional
            Add to the file instead of replacing it.

        Raises
        ------
        ServerError
            It cannot be written.
        """
        result = self.run(["tee", *(["-a"] if append else []), file], text=text)
        if result.returncode:
            raise ServerError(f"Cannot write {file}: {result.stderr.strip()}")

    def own(self, folder: Path) -> None:
        """Make a folder of this user, closed to others; refuse one that is not theirs.

        Parameters
        ----------
        folder : pathlib.Path
            The folder; its parent exists.

        Raises
        ------
        ServerError
            It is of another user, open to others, or no folder.
        """
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, self.uid, self.gid)
        found = folder.lstat()
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == self.uid
        if not mine or stat.S_IMODE(found.st_mode) & 0o077:
            raise ServerError(
                f"{folder} must be a folder of `{self.name}` with mode 0700, but is of user id "
                f"{found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}. Run apdb as the user "
                "who made the cluster, or remove the folder if nobody needs it."
            )

    def check_passage(self, folder: Path) -> None:
        """Check that this user may enter a folder.

        Parameters
        ----------
        folder : pathlib.Path
            The folder.

        Raises
        ------
        ServerError
            They may not; names the folder on the way that is closed.
        """
        if self.run(["test", "-x", folder]).returncode == 0:
            return
        for step in reversed((folder, *folder.parents)):
            if self.run(["test", "-x", step]).returncode:
                raise ServerError(
                    f"The server runs as `{self.name}`, who may not enter {step}. Set APDB_HOME to "
                    f"another place, or run `chmod o+x {step}`."
                )


def default_root() -> Path:
    """Return the folder of the cluster: APDB_HOME, or a stable place of this user.

    Returns
    -------
    pathlib.Path
        `/var/lib/apdb` for root, else `$XDG_DATA_HOME/apdb` or `~/.local/share/apdb`.
    """
    if home := os.environ.get("APDB_HOME"):
        return Path(home)
    if os.getuid() == 0:
        return Path("/var/lib/apdb")
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local/share") / "apdb"


def plan_socket_dir(root: Path, label: str) -> Path:
    """Return the folder for the socket of a cluster.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the cluster.
    label : str
        Short name for use in `/tmp`, unique to the cluster.

    Returns
    -------
    pathlib.Path
        `run/` in the cluster's folder, or one in `/tmp` if that name is too long for a socket or
        has signs at which libpq splits names.
    """
    inside = root / "run"
    plain = re.fullmatch(r"[\w/.+@:~-]+", str(inside), re.ASCII)
    if plain and len(str(inside)) <= SOCKET_DIR_MAX:
        return inside
    # Not /run/user: it vanishes when the user logs out, and the server stays.
    return Path("/tmp", label)  # noqa: S108


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the lock of a cluster: one process at a time makes, starts or stops it.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the cluster; made if absent.

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    ServerError
        The folder cannot be used, or any operation inside failed in the operating system.
    """
    try:
        if not root.exists():
            root.mkdir(parents=True)
            # As root the server's user must pass through; its own folders inside are closed.
            root.chmod(0o755 if os.getuid() == 0 else 0o700)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise ServerError(
            f"Cannot use {root} for the cluster: {error.strerror} ({error.filename}). Set "
            "APDB_HOME to a folder that you may write to."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise ServerError(f"{error.strerror}: {error.filename or root}") from error
    finally:
        os.close(lock)
