"""Find the PostgreSQL programs on this machine and check that they can run apdb."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apdb.errors import ServerError

MINIMUM_MAJOR = 15
PROGRAMS = ("postgres", "initdb", "pg_ctl")
EXTENSIONS = ("q3c", "btree_gist")
HOW_TO_INSTALL = (
    "Debian 12/13 (Ubuntu alike): "
    "apt-get install -y --no-install-recommends postgresql postgresql-q3c\n"
    "PGDG deb/rpm: postgresql-NN and postgresql-NN-q3c (rpm: postgresqlNN-server, "
    "postgresqlNN-contrib, q3c_NN)\n"
    "Homebrew: `brew install postgresql@17`; conda: `conda install -c conda-forge postgresql`; "
    "both lack Q3C, so build it: https://github.com/segasai/q3c "
    "(`make PG_CONFIG=… && make install PG_CONFIG=…`)\n"
    "Programs elsewhere: set APDB_PG_BIN to the folder that holds postgres, initdb and pg_ctl."
)
# Where distributions put the programs; folders on the PATH come after these.
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)

Runner = Callable[[list[str | Path]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Installation:
    """One usable folder of PostgreSQL programs.

    Attributes
    ----------
    bin : pathlib.Path
        Folder with postgres, initdb and pg_ctl.
    version : str
        Full version, as "15.18".
    lz4 : bool
        Whether the server can compress WAL with LZ4.
    """

    bin: Path
    version: str
    lz4: bool

    @property
    def major(self) -> int:
        """Major version: clusters of another one cannot be opened."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


def find_installation(run: Runner, major: int | None = None) -> Installation:
    """Return the newest PostgreSQL that has all that apdb needs.

    Parameters
    ----------
    run : callable
        Runs a command as the operating-system user of the server and captures its output;
        it is what shows that this user may execute the programs.
    major : int, optional
        Only this major version, that of an existing cluster.

    Returns
    -------
    Installation
        From the folder in APDB_PG_BIN if that is set, else the newest one found.

    Raises
    ------
    ServerError
        Nothing usable; the message says what is missing where, and how to install it.
    """
    explicit = os.environ.get("APDB_PG_BIN")
    found: list[Installation] = []
    refused: list[str] = []
    for folder in [Path(explicit)] if explicit else _folders():
        try:
            found.append(_inspect(folder, run))
        except ServerError as error:
            refused.append(f"{folder}{' (APDB_PG_BIN)' if explicit else ''}: {error}")
    fitting = [each for each in found if major in (None, each.major)]
    if fitting:
        return max(fitting, key=lambda each: _version_key(each.version))
    if found:
        versions = ", ".join(f"{each.version} in {each.bin}" for each in found)
        raise ServerError(f"needs PostgreSQL {major}, but found only {versions}")
    where = "\n".join(f"  {reason}" for reason in refused)
    if not refused:
        where = "  no folder with postgres, initdb and pg_ctl, neither in the usual places nor PATH"
    raise ServerError(
        f"No PostgreSQL ≥ {MINIMUM_MAJOR} with Q3C was found:\n{where}\n{HOW_TO_INSTALL}"
    )


def _folders() -> Iterator[Path]:
    """Yield every folder that holds a server program, each once."""
    seen = set()
    for folder in _likely_folders():
        program = folder / "postgres"
        # Unlike Path.exists, quiet about folders on the PATH that this user may not enter.
        if not os.access(program, os.F_OK):
            continue
        # A link or wrapper folder on the PATH stands for the real folder it points to.
        real = program.resolve().parent
        if real not in seen:
            seen.add(real)
            yield real


def _likely_folders() -> Iterator[Path]:
    for pattern in PLACES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    if prefix := os.environ.get("CONDA_PREFIX"):
        yield Path(prefix) / "bin"
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)


def _inspect(folder: Path, run: Runner) -> Installation:
    """Return what `folder` holds, or raise ServerError naming what is missing."""
    missing = [name for name in PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise ServerError(f"lacks {', '.join(missing)}")
    version = _version(folder, run)
    if int(re.split(r"\D", version, maxsplit=1)[0]) < MINIMUM_MAJOR:
        raise ServerError(f"is PostgreSQL {version}, older than {MINIMUM_MAJOR}")
    share = _share(folder, version, run)
    absent = [name for name in EXTENSIONS if not (share / "extension" / f"{name}.control").exists()]
    if absent:
        raise ServerError(
            f"PostgreSQL {version} lacks the extension {' and '.join(absent)} "
            f"(no {share}/extension/{absent[0]}.control)"
        )
    lz4 = "--with-lz4" in _ask(folder / "pg_config", "--configure", run)
    return Installation(folder, version, lz4)


def _version(folder: Path, run: Runner) -> str:
    text = _ask(folder / "postgres", "--version", run)
    match = re.search(r"\(PostgreSQL\) (\d[\w.]*)", text)
    if not match:
        raise ServerError("postgres --version does not run as the user of the server")
    return match[1]


def _share(folder: Path, version: str, run: Runner) -> Path:
    """Return the folder whose `extension/` the server reads."""
    if told := _ask(folder / "pg_config", "--sharedir", run):
        return Path(told)
    # Some distributions put pg_config in a development package.
    major = re.split(r"\D", version, maxsplit=1)[0]
    guesses = (Path(f"/usr/share/postgresql/{major}"), folder / "../share/postgresql")
    return next((guess for guess in guesses if guess.is_dir()), folder / "../share")


def _ask(program: Path, option: str, run: Runner) -> str:
    try:
        result = run([program, option])
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _version_key(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
