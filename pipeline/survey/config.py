"""What to simulate: the fields, the cadence and the contents of a survey."""

from __future__ import annotations

import math
from dataclasses import dataclass

from apdb.errors import InvalidInput

BANDS = ("u", "g", "r", "i", "z", "y")

#: Half the sides of a detector [deg]: 4072 × 4000 pixels of 0.2 arcsec, as in LSSTCam.
PIXEL_SCALE = 0.2
DETECTOR_PIXELS = (4072, 4000)
HALF_SIDES = (
    DETECTOR_PIXELS[0] * PIXEL_SCALE / 3600 / 2,
    DETECTOR_PIXELS[1] * PIXEL_SCALE / 3600 / 2,
)


@dataclass(frozen=True)
class Field:
    """A place on the sky to which the survey returns.

    Attributes
    ----------
    name : str
        Name, for listings.
    ra, dec : float
        Centre of the first detector [deg].
    weight : float
        Share of the visits, relative to the other fields.
    crowded_pairs : int
        Number of close pairs of persistent objects.
    """

    name: str
    ra: float
    dec: float
    weight: float = 1.0
    crowded_pairs: int = 2


#: A deep field, four others of the LSST, RA 0, both poles, and a corner of three Q3C cube faces.
DEFAULT_FIELDS = (
    Field("COSMOS", 150.1, 2.2, weight=4.0, crowded_pairs=4),
    Field("ECDFS", 53.13, -28.1),
    Field("ELAIS-S1", 9.45, -44.0),
    Field("XMM-LSS", 35.7, -4.75),
    Field("EDFS", 58.9, -49.3),
    Field("RA 0", 0.0, -7.5),
    Field("north pole", 30.0, 90.0),
    Field("south pole", 200.0, -90.0),
    Field("Q3C cube corner", 45.0, math.degrees(math.atan(math.sqrt(0.5)))),
)


@dataclass(frozen=True)
class SurveyConfig:
    """All parameters of a simulated survey; equal configurations give equal surveys.

    Attributes
    ----------
    seed : int
        Seed of all random numbers.
    fields : tuple of Field
        Where to point.
    n_visits : int
        Number of exposures, shared among the fields by weight.
    n_detectors : int
        Detectors of each exposure; they lie side by side to the east of the first.
    nights : int
        Over how many nights the exposures are spread.
    start_mjd_tai, night_hours : float
        Begin of the first night [d] and length of each [h].
    exposure_time : float
        Exposure time [s].
    scatter_arcsec : float
        Astrometric scatter of bright sources on each axis [arcsec]; faint ones scatter more.
    objects_per_detector : int
        Persistent variables and transients in the area of one detector.
    transient_fraction : float
        Fraction of these that are transients.
    isolation_arcsec : float
        Objects other than the close pairs are at least this far from each other [arcsec], so
        that crowding is a parameter and not an accident.
    pair_separation_arcsec : tuple of float
        Range of the separations of close pairs [arcsec].
    movers_per_field : int
        Moving objects that cross each field.
    known_fraction : float
        Fraction of these that are in the ephemeris table.
    noise_per_detector, artefacts_per_detector : float
        Mean numbers of chance detections, and of artefacts, which carry flags.
    flagged_fraction : float
        Fraction of real sources with a disqualifying pixel flag.
    detection_snr : float
        Least signal-to-noise ratio of a detection, positive or negative.
    """

    seed: int = 20260310
    fields: tuple[Field, ...] = DEFAULT_FIELDS
    n_visits: int = 72
    n_detectors: int = 2
    nights: int = 1
    start_mjd_tai: float = 61109.0
    night_hours: float = 10.0
    exposure_time: float = 30.0
    scatter_arcsec: float = 0.1
    objects_per_detector: int = 400
    transient_fraction: float = 0.15
    isolation_arcsec: float = 4.0
    pair_separation_arcsec: tuple[float, float] = (0.5, 3.0)
    movers_per_field: int = 16
    known_fraction: float = 0.75
    noise_per_detector: float = 60.0
    artefacts_per_detector: float = 20.0
    flagged_fraction: float = 0.002
    detection_snr: float = 5.0

    def __post_init__(self) -> None:
        for name in ("n_visits", "n_detectors", "nights", "night_hours", "exposure_time"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}: it must be positive")
        for name in ("transient_fraction", "known_fraction", "flagged_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}: it must be in 0 to 1")
        if not self.fields:
            raise InvalidInput("a survey needs at least one field")
        if self.n_detectors > 189:
            raise InvalidInput(f"n_detectors is {self.n_detectors}: the camera has 189")
