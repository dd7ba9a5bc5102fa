"""What every command would wait for is imported where it is used: it takes longer than the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("alembic", "astropy", "fastapi", "fsspec", "healpy", "matplotlib", "numba", "pandas"),
    *("polars", "pyarrow", "scipy", "sklearn", "sqlalchemy"),
)


def heavy_after(code: str) -> list[str]:
    """Those of `HEAVY` that a fresh Python has imported after some code."""
    code += f"\nimport sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "code",
    [
        "import apdb",
        "import apdb.cli.main",
        "import apdb.features.worker",
        "import apdb.input.containers as c\nc.read_columns({'ra': [1.0, None]}, c.Problems())",
        "import apdb\napdb.Visit(1, 1, 'g', 60000.0, ra=1.0, dec=2.0, radius=1.0)",
    ],
)
def test_imports(code: str) -> None:
    assert heavy_after(code) == []


def test_a_look_at_a_database(dsn: str) -> None:
    assert heavy_after(f"import apdb\nwith apdb.connect({dsn!r}) as db: db.status()") == []


def test_astropy_is_known_though_it_was_imported_later() -> None:
    code = """
import apdb
from astropy import units as u
from astropy.coordinates import Angle
from astropy.time import Time
ra, dec = Angle("10h"), 0.1 * u.rad
visit = apdb.Visit(1, 1, "g", Time(60000.0, format="mjd", scale="tai"), ra=ra, dec=dec, radius=60 * u.arcsec)
print(*(round(x, 9) for x in (visit.midpoint_mjd_tai, visit.ra, visit.dec, visit.radius)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["60000.0", "150.0", "5.729577951", "0.016666667"]


def test_what_is_watched_for_can_be_seen() -> None:
    assert heavy_after("import astropy.table, sqlalchemy") == ["astropy", "sqlalchemy"]
