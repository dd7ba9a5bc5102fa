-- Statistics of the light curves, by band: chi squared, percentiles, MAD, skewness, Stetson J, a line.

ALTER TABLE apdb_base.dia_object
    ADD COLUMN u_psf_flux_chi2 REAL,
    ADD COLUMN u_psf_flux_percentile05 REAL,
    ADD COLUMN u_psf_flux_percentile25 REAL,
    ADD COLUMN u_psf_flux_percentile50 REAL,
    ADD COLUMN u_psf_flux_percentile75 REAL,
    ADD COLUMN u_psf_flux_percentile95 REAL,
    ADD COLUMN u_psf_flux_mad REAL,
    ADD COLUMN u_psf_flux_skew REAL,
    ADD COLUMN u_psf_flux_stetson_j REAL,
    ADD COLUMN u_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN u_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN g_psf_flux_chi2 REAL,
    ADD COLUMN g_psf_flux_percentile05 REAL,
    ADD COLUMN g_psf_flux_percentile25 REAL,
    ADD COLUMN g_psf_flux_percentile50 REAL,
    ADD COLUMN g_psf_flux_percentile75 REAL,
    ADD COLUMN g_psf_flux_percentile95 REAL,
    ADD COLUMN g_psf_flux_mad REAL,
    ADD COLUMN g_psf_flux_skew REAL,
    ADD COLUMN g_psf_flux_stetson_j REAL,
    ADD COLUMN g_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN g_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN r_psf_flux_chi2 REAL,
    ADD COLUMN r_psf_flux_percentile05 REAL,
    ADD COLUMN r_psf_flux_percentile25 REAL,
    ADD COLUMN r_psf_flux_percentile50 REAL,
    ADD COLUMN r_psf_flux_percentile75 REAL,
    ADD COLUMN r_psf_flux_percentile95 REAL,
    ADD COLUMN r_psf_flux_mad REAL,
    ADD COLUMN r_psf_flux_skew REAL,
    ADD COLUMN r_psf_flux_stetson_j REAL,
    ADD COLUMN r_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN r_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN i_psf_flux_chi2 REAL,
    ADD COLUMN i_psf_flux_percentile05 REAL,
    ADD COLUMN i_psf_flux_percentile25 REAL,
    ADD COLUMN i_psf_flux_percentile50 REAL,
    ADD COLUMN i_psf_flux_percentile75 REAL,
    ADD COLUMN i_psf_flux_percentile95 REAL,
    ADD COLUMN i_psf_flux_mad REAL,
    ADD COLUMN i_psf_flux_skew REAL,
    ADD COLUMN i_psf_flux_stetson_j REAL,
    ADD COLUMN i_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN i_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN z_psf_flux_chi2 REAL,
    ADD COLUMN z_psf_flux_percentile05 REAL,
    ADD COLUMN z_psf_flux_percentile25 REAL,
    ADD COLUMN z_psf_flux_percentile50 REAL,
    ADD COLUMN z_psf_flux_percentile75 REAL,
    ADD COLUMN z_psf_flux_percentile95 REAL,
    ADD COLUMN z_psf_flux_mad REAL,
    ADD COLUMN z_psf_flux_skew REAL,
    ADD COLUMN z_psf_flux_stetson_j REAL,
    ADD COLUMN z_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN z_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN y_psf_flux_chi2 REAL,
    ADD COLUMN y_psf_flux_percentile05 REAL,
    ADD COLUMN y_psf_flux_percentile25 REAL,
    ADD COLUMN y_psf_flux_percentile50 REAL,
    ADD COLUMN y_psf_flux_percentile75 REAL,
    ADD COLUMN y_psf_flux_percentile95 REAL,
    ADD COLUMN y_psf_flux_mad REAL,
    ADD COLUMN y_psf_flux_skew REAL,
    ADD COLUMN y_psf_flux_stetson_j REAL,
    ADD COLUMN y_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN y_psf_flux_linear_intercept DOUBLE PRECISION;

ALTER TABLE apdb_base.dia_object_version
    ADD COLUMN u_psf_flux_chi2 REAL,
    ADD COLUMN u_psf_flux_percentile05 REAL,
    ADD COLUMN u_psf_flux_percentile25 REAL,
    ADD COLUMN u_psf_flux_percentile50 REAL,
    ADD COLUMN u_psf_flux_percentile75 REAL,
    ADD COLUMN u_psf_flux_percentile95 REAL,
    ADD COLUMN u_psf_flux_mad REAL,
    ADD COLUMN u_psf_flux_skew REAL,
    ADD COLUMN u_psf_flux_stetson_j REAL,
    ADD COLUMN u_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN u_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN g_psf_flux_chi2 REAL,
    ADD COLUMN g_psf_flux_percentile05 REAL,
    ADD COLUMN g_psf_flux_percentile25 REAL,
    ADD COLUMN g_psf_flux_percentile50 REAL,
    ADD COLUMN g_psf_flux_percentile75 REAL,
    ADD COLUMN g_psf_flux_percentile95 REAL,
    ADD COLUMN g_psf_flux_mad REAL,
    ADD COLUMN g_psf_flux_skew REAL,
    ADD COLUMN g_psf_flux_stetson_j REAL,
    ADD COLUMN g_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN g_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN r_psf_flux_chi2 REAL,
    ADD COLUMN r_psf_flux_percentile05 REAL,
    ADD COLUMN r_psf_flux_percentile25 REAL,
    ADD COLUMN r_psf_flux_percentile50 REAL,
    ADD COLUMN r_psf_flux_percentile75 REAL,
    ADD COLUMN r_psf_flux_percentile95 REAL,
    ADD COLUMN r_psf_flux_mad REAL,
    ADD COLUMN r_psf_flux_skew REAL,
    ADD COLUMN r_psf_flux_stetson_j REAL,
    ADD COLUMN r_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN r_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN i_psf_flux_chi2 REAL,
    ADD COLUMN i_psf_flux_percentile05 REAL,
    ADD COLUMN i_psf_flux_percentile25 REAL,
    ADD COLUMN i_psf_flux_percentile50 REAL,
    ADD COLUMN i_psf_flux_percentile75 REAL,
    ADD COLUMN i_psf_flux_percentile95 REAL,
    ADD COLUMN i_psf_flux_mad REAL,
    ADD COLUMN i_psf_flux_skew REAL,
    ADD COLUMN i_psf_flux_stetson_j REAL,
    ADD COLUMN i_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN i_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN z_psf_flux_chi2 REAL,
    ADD COLUMN z_psf_flux_percentile05 REAL,
    ADD COLUMN z_psf_flux_percentile25 REAL,
    ADD COLUMN z_psf_flux_percentile50 REAL,
    ADD COLUMN z_psf_flux_percentile75 REAL,
    ADD COLUMN z_psf_flux_percentile95 REAL,
    ADD COLUMN z_psf_flux_mad REAL,
    ADD COLUMN z_psf_flux_skew REAL,
    ADD COLUMN z_psf_flux_stetson_j REAL,
    ADD COLUMN z_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN z_psf_flux_linear_intercept DOUBLE PRECISION,
    ADD COLUMN y_psf_flux_chi2 REAL,
    ADD COLUMN y_psf_flux_percentile05 REAL,
    ADD COLUMN y_psf_flux_percentile25 REAL,
    ADD COLUMN y_psf_flux_percentile50 REAL,
    ADD COLUMN y_psf_flux_percentile75 REAL,
    ADD COLUMN y_psf_flux_percentile95 REAL,
    ADD COLUMN y_psf_flux_mad REAL,
    ADD COLUMN y_psf_flux_skew REAL,
    ADD COLUMN y_psf_flux_stetson_j REAL,
    ADD COLUMN y_psf_flux_linear_slope DOUBLE PRECISION,
    ADD COLUMN y_psf_flux_linear_intercept DOUBLE PRECISION;

ALTER TABLE apdb_base.dia_object ADD CONSTRAINT dia_object_statistics_no_nan CHECK (
    greatest(u_psf_flux_chi2, u_psf_flux_percentile05, u_psf_flux_percentile25, u_psf_flux_percentile50,
    u_psf_flux_percentile75, u_psf_flux_percentile95, u_psf_flux_mad, u_psf_flux_skew,
    u_psf_flux_stetson_j, g_psf_flux_chi2, g_psf_flux_percentile05, g_psf_flux_percentile25,
    g_psf_flux_percentile50, g_psf_flux_percentile75, g_psf_flux_percentile95, g_psf_flux_mad,
    g_psf_flux_skew, g_psf_flux_stetson_j, r_psf_flux_chi2, r_psf_flux_percentile05,
    r_psf_flux_percentile25, r_psf_flux_percentile50, r_psf_flux_percentile75, r_psf_flux_percentile95,
    r_psf_flux_mad, r_psf_flux_skew, r_psf_flux_stetson_j, i_psf_flux_chi2, i_psf_flux_percentile05,
    i_psf_flux_percentile25, i_psf_flux_percentile50, i_psf_flux_percentile75, i_psf_flux_percentile95,
    i_psf_flux_mad, i_psf_flux_skew, i_psf_flux_stetson_j, z_psf_flux_chi2, z_psf_flux_percentile05,
    z_psf_flux_percentile25, z_psf_flux_percentile50, z_psf_flux_percentile75, z_psf_flux_percentile95,
    z_psf_flux_mad, z_psf_flux_skew, z_psf_flux_stetson_j, y_psf_flux_chi2, y_psf_flux_percentile05,
    y_psf_flux_percentile25, y_psf_flux_percentile50, y_psf_flux_percentile75, y_psf_flux_percentile95,
    y_psf_flux_mad, y_psf_flux_skew, y_psf_flux_stetson_j) <> 'NaN' and
    greatest(u_psf_flux_linear_slope, u_psf_flux_linear_intercept, g_psf_flux_linear_slope,
    g_psf_flux_linear_intercept, r_psf_flux_linear_slope, r_psf_flux_linear_intercept,
    i_psf_flux_linear_slope, i_psf_flux_linear_intercept, z_psf_flux_linear_slope,
    z_psf_flux_linear_intercept, y_psf_flux_linear_slope, y_psf_flux_linear_intercept) <> 'NaN'
);

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_chi2 IS 'Chi squared of the u-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_percentile05 IS 'Percentile 5 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_percentile25 IS 'Percentile 25 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_percentile50 IS 'Percentile 50 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_percentile75 IS 'Percentile 75 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_percentile95 IS 'Percentile 95 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_mad IS 'Median absolute deviation of the u-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_skew IS 'Skewness of the u-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_stetson_j IS 'Stetson J of the u-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_linear_slope IS 'Slope of the line fitted to the u-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the u-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_chi2 IS 'Chi squared of the g-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_percentile05 IS 'Percentile 5 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_percentile25 IS 'Percentile 25 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_percentile50 IS 'Percentile 50 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_percentile75 IS 'Percentile 75 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_percentile95 IS 'Percentile 95 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_mad IS 'Median absolute deviation of the g-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_skew IS 'Skewness of the g-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_stetson_j IS 'Stetson J of the g-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_linear_slope IS 'Slope of the line fitted to the g-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the g-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_chi2 IS 'Chi squared of the r-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_percentile05 IS 'Percentile 5 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_percentile25 IS 'Percentile 25 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_percentile50 IS 'Percentile 50 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_percentile75 IS 'Percentile 75 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_percentile95 IS 'Percentile 95 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_mad IS 'Median absolute deviation of the r-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_skew IS 'Skewness of the r-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_stetson_j IS 'Stetson J of the r-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_linear_slope IS 'Slope of the line fitted to the r-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the r-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_chi2 IS 'Chi squared of the i-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_percentile05 IS 'Percentile 5 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_percentile25 IS 'Percentile 25 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_percentile50 IS 'Percentile 50 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_percentile75 IS 'Percentile 75 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_percentile95 IS 'Percentile 95 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_mad IS 'Median absolute deviation of the i-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_skew IS 'Skewness of the i-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_stetson_j IS 'Stetson J of the i-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_linear_slope IS 'Slope of the line fitted to the i-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the i-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_chi2 IS 'Chi squared of the z-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_percentile05 IS 'Percentile 5 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_percentile25 IS 'Percentile 25 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_percentile50 IS 'Percentile 50 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_percentile75 IS 'Percentile 75 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_percentile95 IS 'Percentile 95 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_mad IS 'Median absolute deviation of the z-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_skew IS 'Skewness of the z-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_stetson_j IS 'Stetson J of the z-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_linear_slope IS 'Slope of the line fitted to the z-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the z-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_chi2 IS 'Chi squared of the y-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_percentile05 IS 'Percentile 5 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_percentile25 IS 'Percentile 25 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_percentile50 IS 'Percentile 50 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_percentile75 IS 'Percentile 75 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_percentile95 IS 'Percentile 95 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_mad IS 'Median absolute deviation of the y-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_skew IS 'Skewness of the y-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_stetson_j IS 'Stetson J of the y-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_linear_slope IS 'Slope of the line fitted to the y-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the y-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_chi2 IS 'Chi squared of the u-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_percentile05 IS 'Percentile 5 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_percentile25 IS 'Percentile 25 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_percentile50 IS 'Percentile 50 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_percentile75 IS 'Percentile 75 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_percentile95 IS 'Percentile 95 of the u-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_mad IS 'Median absolute deviation of the u-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_skew IS 'Skewness of the u-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_stetson_j IS 'Stetson J of the u-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_linear_slope IS 'Slope of the line fitted to the u-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the u-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_chi2 IS 'Chi squared of the g-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_percentile05 IS 'Percentile 5 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_percentile25 IS 'Percentile 25 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_percentile50 IS 'Percentile 50 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_percentile75 IS 'Percentile 75 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_percentile95 IS 'Percentile 95 of the g-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_mad IS 'Median absolute deviation of the g-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_skew IS 'Skewness of the g-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_stetson_j IS 'Stetson J of the g-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_linear_slope IS 'Slope of the line fitted to the g-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the g-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_chi2 IS 'Chi squared of the r-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_percentile05 IS 'Percentile 5 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_percentile25 IS 'Percentile 25 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_percentile50 IS 'Percentile 50 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_percentile75 IS 'Percentile 75 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_percentile95 IS 'Percentile 95 of the r-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_mad IS 'Median absolute deviation of the r-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_skew IS 'Skewness of the r-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_stetson_j IS 'Stetson J of the r-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_linear_slope IS 'Slope of the line fitted to the r-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the r-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_chi2 IS 'Chi squared of the i-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_percentile05 IS 'Percentile 5 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_percentile25 IS 'Percentile 25 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_percentile50 IS 'Percentile 50 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_percentile75 IS 'Percentile 75 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_percentile95 IS 'Percentile 95 of the i-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_mad IS 'Median absolute deviation of the i-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_skew IS 'Skewness of the i-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_stetson_j IS 'Stetson J of the i-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_linear_slope IS 'Slope of the line fitted to the i-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the i-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_chi2 IS 'Chi squared of the z-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_percentile05 IS 'Percentile 5 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_percentile25 IS 'Percentile 25 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_percentile50 IS 'Percentile 50 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_percentile75 IS 'Percentile 75 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_percentile95 IS 'Percentile 95 of the z-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_mad IS 'Median absolute deviation of the z-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_skew IS 'Skewness of the z-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_stetson_j IS 'Stetson J of the z-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_linear_slope IS 'Slope of the line fitted to the z-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the z-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_chi2 IS 'Chi squared of the y-band difference-image point-source fluxes about their weighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_percentile05 IS 'Percentile 5 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_percentile25 IS 'Percentile 25 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_percentile50 IS 'Percentile 50 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_percentile75 IS 'Percentile 75 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_percentile95 IS 'Percentile 95 of the y-band difference-image point-source fluxes, interpolated linearly [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_mad IS 'Median absolute deviation of the y-band difference-image point-source fluxes from their median, not scaled [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_skew IS 'Skewness of the y-band difference-image point-source fluxes, adjusted for small samples';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_stetson_j IS 'Stetson J of the y-band difference-image point-source fluxes, each paired with itself, about their reweighted mean';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_linear_slope IS 'Slope of the line fitted to the y-band difference-image point-source fluxes by weighted least squares [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_linear_intercept IS 'Value at MJD TAI 0 of the line fitted to the y-band difference-image point-source fluxes [nJy]';
