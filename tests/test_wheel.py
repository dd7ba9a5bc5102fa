"""The wheel: it holds SQL and migrations, and works without the checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from apdb.server.cluster import Cluster

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the standard front end, which fetches the build backend unless it is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    if importlib.util.find_spec("hatchling"):
        command.append("--no-isolation")
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("apdb-*.whl")
    return found


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The wheel in a fresh venv; what it depends on comes from this one, without the checkout."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python"]
    python = venv / "bin" / "python"
    command = [*pip, str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    site = next((venv / "lib").glob("python*/site-packages"))
    for entry in next((Path(sys.prefix) / "lib").glob("python*/site-packages")).iterdir():
        # not the editable install of the checkout, nor what is in the venv already
        ours = "apdb" in entry.name.lower() or entry.suffix == ".pth"
        if not ours and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return [str(venv / "bin" / "apdb")]


@pytest.fixture
def empty_dsn(cluster: Cluster) -> Iterator[str]:
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create database apdb_wheel")
        try:
            yield cluster.dsn("apdb_wheel")
        finally:
            connection.execute("drop database apdb_wheel with (force)")


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_wheel_holds_every_routine_and_migration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, packaged in (("sql", "apdb/_sql"), ("migrations", "apdb/_migrations")):
        files = [path for path in (ROOT / source).rglob("*") if path.is_file()]
        wanted = {
            f"{packaged}/{path.relative_to(ROOT / source)}"
            for path in files
            if path.suffix in {".sql", ".py", ".txt"}
        }
        assert len(wanted) > 3
        assert wanted <= names
    assert "apdb/schema/catalogue.yaml" in names
    assert {
        f"apdb/alerts/versions/{v}.yaml" for v in ("v10_0", "v11_0", "v11_1", "extended")
    } <= names
    assert "apdb/py.typed" in names


def test_wheel_works_from_an_empty_folder(
    program: list[str], empty_dsn: str, tmp_path: Path
) -> None:
    def apdb(*arguments: str) -> str:
        done = run([*program, "--dsn", empty_dsn, *arguments], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python = str(Path(program[0]).parent / "python")
    where = run([python, "-c", "import apdb; print(apdb.__file__)"], tmp_path).stdout
    assert str(ROOT) not in where
    newest = max(path.stem for path in (ROOT / "migrations" / "versions").glob("*.py"))
    assert f"revision {newest.partition('_')[0]}" in apdb("db", "upgrade")
    assert apdb("db", "check") == "no drift\n"
    assert "association_radius" in apdb("db", "settings")
    shown = apdb("demo", "--limit", "3")
    assert "visits" in shown
    assert "read back" in shown
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "apdb-demo"
    ]
