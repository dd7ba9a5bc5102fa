"""How bands look in figures."""

from __future__ import annotations

#: Colours and symbols of the bands on white, told apart without colour vision: Rubin RTN-045.
BAND_COLOURS = {
    "u": "#1600ea",
    "g": "#31de1f",
    "r": "#b52626",
    "i": "#370201",
    "z": "#ba52ff",
    "y": "#61a2b3",
}
BAND_SYMBOLS = {"u": "o", "g": "^", "r": "v", "i": "s", "z": "*", "y": "p"}


def band_style(band: str) -> tuple[str, str]:
    """Return colour and symbol of a band.

    Parameters
    ----------
    band : str
        Its name; others than ugrizy are grey diamonds.

    Returns
    -------
    colour, symbol : str
        As matplotlib takes them.
    """
    return BAND_COLOURS.get(band, "#666666"), BAND_SYMBOLS.get(band, "D")


def band_order(bands: list[str]) -> list[str]:
    """Return distinct bands in the order of wavelength, unknown ones last.

    Parameters
    ----------
    bands : list of str
        Names, with repeats.

    Returns
    -------
    list of str
        Each once.
    """
    known = list(BAND_COLOURS)
    return sorted(set(bands), key=lambda b: (known.index(b) if b in known else len(known), b))
