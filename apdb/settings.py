"""Settings of a database, and the filters that it knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apdb.errors import InvalidInput
from apdb.session import Session

PLACES = frozenset({"archive_url", "image_url"})
"""Settings that are a folder or an URL."""


@dataclass(frozen=True)
class Setting:
    """One setting of a database.

    Attributes
    ----------
    name : str
        Its name.
    value : str
        Its value, as text.
    allowed : str
        The values that it may have, in words.
    unit : str or None
        Unit of the value.
    meaning : str
        What it does.
    """

    name: str
    value: str
    allowed: str
    unit: str | None
    meaning: str


class Settings(Session):
    """What holds for all of a database: settings, and the filters of the instruments."""

    def settings(self) -> dict[str, Setting]:
        """Return the settings by name.

        Returns
        -------
        dict of str to Setting
            In the order of ``sql/settings/setting_rules.sql``, which says what each may be.
        """
        with self.reading() as connection:
            rows = connection.execute(
                "select s.name, s.value, s.allowed, s.unit, s.meaning from apdb.settings() as s"
            ).fetchall()
        return {row[0]: Setting(*row) for row in rows}

    def set_setting(self, name: str, value: object) -> str:
        """Change a setting; it holds for visits that begin afterwards.

        Parameters
        ----------
        name : str
            Name of the setting.
        value : object
            Its new value; numbers may be given as such.  A path given as ``archive_url`` or
            ``image_url`` becomes absolute.

        Returns
        -------
        str
            The value that it had.

        Raises
        ------
        NotFound
            There is no such setting.
        InvalidInput
            It may not have this value; the message says which it may have.
        """
        text = str(value)
        if name in PLACES and text and "://" not in text:
            # Every program has a current folder of its own.
            text = str(Path(text).expanduser().resolve())
        if name in PLACES and "://" in text:
            _check_url(name, text)
        with self.connection() as connection:
            row = connection.execute("select apdb.set_setting(%s, %s)", (name, text)).fetchone()
        assert row is not None
        return str(row[0])

    def bands(self) -> dict[str, str]:
        """Return the filters that are known.

        Returns
        -------
        dict of str to str
            Filter, as the instrument calls it → band of the survey.
        """
        with self.reading() as connection:
            rows = connection.execute(
                "select b.filter, b.band from apdb.band as b order by b.filter"
            ).fetchall()
        return dict(rows)

    def add_band(self, filter_name: str, band: str, description: str | None = None) -> str | None:
        """Make a filter of an instrument known as one of the survey's bands; safe to repeat.

        Parameters
        ----------
        filter_name : str
            Name of the filter as the instrument calls it; case matters.
        band : str
            Band of the survey that it stands for: u, g, r, i, z or y.
        description : str, optional
            About the filter.

        Returns
        -------
        str or None
            The band that the filter stood for; None if it was unknown.

        Raises
        ------
        InvalidInput
            The name is empty, or there is no such band.
        """
        with self.connection() as connection:
            row = connection.execute(
                "select apdb.add_band(%s, %s, %s)", (filter_name, band, description)
            ).fetchone()
        return None if row is None or row[0] is None else str(row[0])


def _check_url(name: str, url: str) -> None:
    """Check that a URL is of a kind that is known; whether it answers shows when it is used."""
    import fsspec  # slow to import, and only needed here

    kind = url.partition("://")[0].rpartition("::")[2]
    if kind not in fsspec.available_protocols():
        raise InvalidInput(
            f"{name} cannot be {url!r}: no kind of place is called {kind}; give a folder, or "
            "a URL that fsspec knows, such as s3://…"
        )
