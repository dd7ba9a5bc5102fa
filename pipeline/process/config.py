"""Settings of all stages, out of one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from apdb.images.choose import MIN_COVERAGE
from pipeline.calibrate import CalibrateConfig
from pipeline.detect import DetectConfig
from pipeline.fakes import FakesConfig
from pipeline.forced import ForcedConfig
from pipeline.isr import IsrConfig
from pipeline.measure import MeasureConfig
from pipeline.process.toml import as_table, from_table, known_keys, read_toml
from pipeline.subtract import SubtractConfig
from pipeline.template import TemplateConfig

Mode = Literal["full", "fast"]


@dataclass(frozen=True)
class ReadConfig:
    """How files are read, where their headers do not say it.

    Attributes
    ----------
    instrument : str
        Name of the description of the instrument, or its file.
    hdu : int, str or None
        Which HDU has the image, by number or EXTNAME.
    unit : str or None
        adu, electron or nJy instead of what BUNIT says.
    gain, read_noise : float or None
        Electrons per count, and electrons, instead of what the header says.
    band : str or None
        Filter instead of what the header says.
    raw : bool or None
        Whether images are raw; by default those in adu are, if an instrument is named or
        calibration frames are given.
    """

    instrument: str = "generic"
    hdu: int | str | None = None
    unit: Literal["adu", "electron", "nJy"] | None = None
    gain: float | None = None
    read_noise: float | None = None
    band: str | None = None
    raw: bool | None = None


@dataclass(frozen=True)
class RunConfig:
    """What is done with an image, apart from the stages.

    Attributes
    ----------
    mode : {"full", "fast"}
        fast: only what alerts need; full: the source catalogue is kept, too.
    min_coverage : float
        Least fraction of the image that a template must cover.
    catalogue : str or None
        Reference catalogue of the database, where no file is given.
    reference_margin : float
        Reference stars are taken from this far around the image, for the pointing may be off
        [arcmin].
    stamp_half : int
        Pixels on either side of the middle one of a stamp.
    quantize : float
        Images in the store are quantised with so many steps per sigma of the noise; 0 keeps them
        without loss.
    classify : bool
        Whether sources get a reliability.
    model : Path or None
        File of the model of real and bogus; by default that of the package.
    replace : bool
        What is stored of the visit already is replaced.
    """

    mode: Mode = "full"
    min_coverage: float = MIN_COVERAGE
    catalogue: str | None = None
    reference_margin: float = 3.0
    stamp_half: int = 15
    quantize: float = 16.0
    classify: bool = True
    model: Path | None = None
    replace: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.min_coverage <= 1.0:
            raise ValueError(f"min_coverage must be above 0 and at most 1, not {self.min_coverage}")
        if not 1 <= self.stamp_half <= 500:
            raise ValueError(f"stamp_half must be from 1 to 500, not {self.stamp_half}")
        if not self.quantize >= 0:
            raise ValueError(f"quantize must not be negative, not {self.quantize}")
        if not self.reference_margin >= 0:
            raise ValueError(f"reference_margin must not be negative, not {self.reference_margin}")


@dataclass(frozen=True)
class ProcessConfig:
    """Settings of all stages; a section of the TOML file each.

    Attributes
    ----------
    run : RunConfig
        What is done with an image, apart from the stages.
    read : ReadConfig
        How files are read.
    isr : IsrConfig
        Raw frames: signature of the instrument.
    calibrate : CalibrateConfig
        Background, PSF, world coordinates, zero point.
    template : TemplateConfig
        How templates are built of exposures.
    subtract : SubtractConfig
        The match of template and image.
    detect : DetectConfig
        Sources of the difference.
    fakes : FakesConfig
        What is injected, in runs with fakes.
    measure : MeasureConfig
        Positions, fluxes and shapes of those sources.
    forced : ForcedConfig
        Fluxes at known positions.
    """

    run: RunConfig = field(default_factory=RunConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    isr: IsrConfig = field(default_factory=IsrConfig)
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    template: TemplateConfig = field(default_factory=TemplateConfig)
    subtract: SubtractConfig = field(default_factory=SubtractConfig)
    detect: DetectConfig = field(default_factory=DetectConfig)
    fakes: FakesConfig = field(default_factory=FakesConfig)
    measure: MeasureConfig = field(default_factory=MeasureConfig)
    forced: ForcedConfig = field(default_factory=ForcedConfig)

    def table(self) -> dict[str, Any]:
        """Return all settings as plain values.

        Returns
        -------
        dict
        """
        found = as_table(self)
        assert isinstance(found, dict)
        return found

    def with_run(self, **changes: Any) -> ProcessConfig:
        """Return a copy with other values in the section run.

        Parameters
        ----------
        **changes
            Values by key; None leaves a key as it is.

        Returns
        -------
        ProcessConfig
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, run=replace(self.run, **given))

    def with_read(self, **changes: Any) -> ProcessConfig:
        """Return a copy with other values in the section read.

        Parameters
        ----------
        **changes
            Values by key; None leaves a key as it is.

        Returns
        -------
        ProcessConfig
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, read=replace(self.read, **given))


def read_config(path: Path | None) -> ProcessConfig:
    """Read the settings of all stages.

    Parameters
    ----------
    path : Path or None
        TOML file with a section for each stage; None for the defaults.

    Returns
    -------
    ProcessConfig

    Raises
    ------
    InvalidInput
        Naming file, section, key and value.
    """
    if path is None:
        return ProcessConfig()
    document = read_toml(path)
    sections = {each.name: each for each in fields(ProcessConfig)}
    known_keys(document, sections, str(path), "section")
    defaults = ProcessConfig()
    given = {}
    for name, table in document.items():
        cls = type(getattr(defaults, name))
        if not isinstance(table, dict):
            known_keys([name], [], str(path), "key outside sections,")
        given[name] = from_table(cls, table, f"{path}, section [{name}]")
    return ProcessConfig(**given)
