"""The names of the numbers that describe an object: lcPeriodic, lcNonPeriodic and astrometry.

The order is that of the arrays in `dia_object_feature`; the view `light_curve_feature` has a column
of each name; in an extended alert packet the r band has, for instance, ``r_stetsonJ``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One number that describes a light curve or the motion of an object.

    Attributes
    ----------
    name : str
        Name, snake_case.
    unit : str or None
        Unit, as astropy reads it; None for a pure number.
    meaning : str
        What it is.
    """

    name: str
    unit: str | None
    meaning: str

    @property
    def packet_name(self) -> str:
        """Name in an alert packet, camelCase."""
        first, *rest = self.name.split("_")
        return first + "".join(word.capitalize() for word in rest)

    @property
    def comment(self) -> str:
        """Meaning, and the unit in brackets if there is one."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


def _amplitudes() -> tuple[Feature, ...]:
    return tuple(
        Feature(f"amplitude{i}{j}", "nJy", f"Amplitude of harmonic {j} of frequency {i}")
        for i in (1, 2, 3)
        for j in (1, 2, 3, 4)
    )


def _phases() -> tuple[Feature, ...]:
    return tuple(
        Feature(
            f"phase{i}{j}",
            "rad",
            f"Phase of harmonic {j} of frequency {i}, less that of harmonic 1 of frequency 1 times "
            "the ratio of both frequencies; in (-pi, pi]",
        )
        for i in (1, 2, 3)
        for j in (1, 2, 3, 4)
    )


PERIODIC = (
    Feature("slope", "nJy/d", "Linear trend beside the periodic components"),
    Feature("frequency1", "1/d", "Frequency of the first periodic component"),
    Feature("frequency2", "1/d", "Frequency of the second periodic component"),
    Feature("frequency3", "1/d", "Frequency of the third periodic component"),
    *_amplitudes(),
    *_phases(),
    Feature(
        "significance1",
        None,
        "Significance of frequency 1 against white noise, in normal standard deviations",
    ),
    Feature("significance_ratio2", None, "Significance of frequency 2, by that of frequency 1"),
    Feature("significance_ratio3", None, "Significance of frequency 3, by that of frequency 1"),
    Feature(
        "variance_ratio1",
        None,
        "Variance of the light curve, by that without the component of frequency 1",
    ),
)
"""The periodic set, LDM-151 §8.22.1: elements 1 to 32 of lc_periodic."""

NON_PERIODIC = (
    Feature("max_slope", "nJy/d", "Largest change of flux by time between successive points"),
    Feature("amplitude", "nJy", "Largest flux minus smallest flux"),
    Feature(
        "median_absolute_deviation", "nJy", "Median of the absolute departures from the median"
    ),
    Feature("median_buffer_fraction", None, "Fraction within 1/10 amplitude of the median"),
    Feature(
        "slope_trend",
        None,
        "Fraction of rises minus fraction of falls between successive ones of the last 30 points",
    ),
    Feature("skewness", None, "Skewness of the fluxes, for small samples"),
    Feature("kurtosis", None, "Excess kurtosis of the fluxes, for small samples"),
    Feature("standard_deviation", "nJy", "Standard deviation of the fluxes, of a sample"),
    Feature(
        "beyond_one_sigma",
        None,
        "Fraction farther than one standard deviation from the weighted mean",
    ),
    Feature("stetson_j", None, "Welch-Stetson variability index J, about the reweighted mean"),
    Feature("stetson_k", None, "Welch-Stetson variability index K, about the reweighted mean"),
    Feature("flux_ratio_mid20", None, "F(40,60) by F(5,95), differences of percentiles"),
    Feature("flux_ratio_mid35", None, "F(32.5,67.5) by F(5,95), differences of percentiles"),
    Feature("flux_ratio_mid50", None, "F(25,75) by F(5,95), differences of percentiles"),
    Feature("flux_ratio_mid65", None, "F(17.5,82.5) by F(5,95), differences of percentiles"),
    Feature("flux_ratio_mid80", None, "F(10,90) by F(5,95), differences of percentiles"),
    Feature("largest_departure", None, "Largest absolute departure from the median, by the median"),
    Feature("percentile_spread", None, "F(5,95), difference of percentiles, by the median"),
    Feature("chi2_qso", None, "Chi squared by degrees of freedom as a quasar"),
    Feature(
        "chi2_false",
        None,
        "What chi2_qso would be of a variable that is no quasar, with the same variance",
    ),
)
"""The aperiodic set, LDM-151 §8.22.2: elements 1 to 20 of lc_non_periodic."""

ASTROMETRY = (
    Feature("pm_ra", "mas/yr", "Proper motion in right ascension, times cos(dec)"),
    Feature("pm_ra_err", "mas/yr", "Error of pm_ra"),
    Feature("pm_dec", "mas/yr", "Proper motion in declination"),
    Feature("pm_dec_err", "mas/yr", "Error of pm_dec"),
    Feature("parallax", "mas", "Parallax"),
    Feature("parallax_err", "mas", "Error of the parallax"),
)
"""What extended alert packets say of the motion of an object."""
