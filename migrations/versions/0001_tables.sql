CREATE TABLE apdb_base.alert (
    dia_source_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    dia_object_id BIGINT,
    ss_object_id BIGINT,
    store_seq BIGINT NOT NULL,
    is_current BOOLEAN NOT NULL,
    schema_version TEXT NOT NULL,
    reason TEXT,
    packet_file TEXT NOT NULL,
    packet_offset BIGINT NOT NULL,
    packet_length BIGINT NOT NULL,
    stamps_file TEXT,
    stamps_offset BIGINT,
    stamps_length BIGINT,
    sha256 BYTEA NOT NULL,
    time_published_mjd_tai DOUBLE PRECISION,
    CONSTRAINT alert_pkey PRIMARY KEY (dia_source_id, revision, midpoint_mjd_tai),
    CONSTRAINT alert_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000),
    CONSTRAINT alert_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT alert_ranges CHECK (least(packet_offset, packet_length, stamps_offset, stamps_length) >= 0),
    CONSTRAINT alert_revision CHECK (revision >= 0)
)
 PARTITION BY range (midpoint_mjd_tai);

CREATE INDEX alert_dia_object_idx ON apdb_base.alert (dia_object_id);

CREATE INDEX alert_store_seq_idx ON apdb_base.alert (store_seq);

CREATE INDEX alert_visit_idx ON apdb_base.alert (visit, detector);

COMMENT ON TABLE apdb_base.alert IS 'Alerts published: where each packet is in the archive, and its checksum';

COMMENT ON COLUMN apdb_base.alert.dia_source_id IS 'Detection that triggered the alert';

COMMENT ON COLUMN apdb_base.alert.revision IS 'Number of the alert''s revision, counted from 0';

COMMENT ON COLUMN apdb_base.alert.midpoint_mjd_tai IS 'Middle of the exposure of the triggering source, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.alert.visit IS 'Visit of the triggering source';

COMMENT ON COLUMN apdb_base.alert.detector IS 'Detector of the triggering source';

COMMENT ON COLUMN apdb_base.alert.dia_object_id IS 'DIAObject in the packet; null if none';

COMMENT ON COLUMN apdb_base.alert.ss_object_id IS 'Solar-system object in the packet; null if none';

COMMENT ON COLUMN apdb_base.alert.store_seq IS 'Visit or correction that the packet was made for, by its place in the order of knowledge';

COMMENT ON COLUMN apdb_base.alert.is_current IS 'True for the newest revision of the alert and false for earlier ones';

COMMENT ON COLUMN apdb_base.alert.schema_version IS 'Version of the public alert schema that the packet follows';

COMMENT ON COLUMN apdb_base.alert.reason IS 'Why the revision was made; null for the first';

COMMENT ON COLUMN apdb_base.alert.packet_file IS 'Archive file that holds the packet without stamps';

COMMENT ON COLUMN apdb_base.alert.packet_offset IS 'Place of the packet''s block in that file [byte]';

COMMENT ON COLUMN apdb_base.alert.packet_length IS 'Length of the packet''s block [byte]';

COMMENT ON COLUMN apdb_base.alert.stamps_file IS 'Archive file that holds the stamps; null if there are none';

COMMENT ON COLUMN apdb_base.alert.stamps_offset IS 'Place of the stamps'' block in that file [byte]';

COMMENT ON COLUMN apdb_base.alert.stamps_length IS 'Length of the stamps'' block [byte]';

COMMENT ON COLUMN apdb_base.alert.sha256 IS 'SHA-256 of the uncompressed full packet';

COMMENT ON COLUMN apdb_base.alert.time_published_mjd_tai IS 'When the alert was handed to the brokers, MJD TAI; null before that [d]';

CREATE TABLE apdb_base.band (
    filter TEXT NOT NULL,
    band TEXT NOT NULL,
    description TEXT,
    CONSTRAINT band_pkey PRIMARY KEY (filter),
    CONSTRAINT band_band CHECK (band in ('u', 'g', 'r', 'i', 'z', 'y'))
);

COMMENT ON TABLE apdb_base.band IS 'Filters of the instruments and the survey bands that they stand for';

COMMENT ON COLUMN apdb_base.band.filter IS 'Name of the filter as the instrument writes it';

COMMENT ON COLUMN apdb_base.band.band IS 'Survey band that the filter stands for';

COMMENT ON COLUMN apdb_base.band.description IS 'Remarks on the filter';

CREATE TABLE apdb_base.current_identifications (
    id INTEGER NOT NULL,
    packed_primary_provisional_designation TEXT NOT NULL,
    packed_secondary_provisional_designation TEXT NOT NULL,
    unpacked_primary_provisional_designation TEXT NOT NULL,
    unpacked_secondary_provisional_designation TEXT NOT NULL,
    published BOOLEAN,
    identifier_ids TEXT NOT NULL,
    object_type INTEGER,
    numbered BOOLEAN,
    created_at TIMESTAMP WITHOUT TIME ZONE,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT current_identifications_pkey PRIMARY KEY (id)
);

CREATE INDEX current_identifications_primary_idx ON apdb_base.current_identifications (unpacked_primary_provisional_designation);

CREATE INDEX current_identifications_secondary_idx ON apdb_base.current_identifications (unpacked_secondary_provisional_designation);

COMMENT ON TABLE apdb_base.current_identifications IS 'Designations that the Minor Planet Center takes for the same object';

COMMENT ON COLUMN apdb_base.current_identifications.id IS 'Number of the row in the table of the Minor Planet Center';

COMMENT ON COLUMN apdb_base.current_identifications.packed_primary_provisional_designation IS 'Primary provisional designation in packed form';

COMMENT ON COLUMN apdb_base.current_identifications.packed_secondary_provisional_designation IS 'Designation identified with the primary one, in packed form';

COMMENT ON COLUMN apdb_base.current_identifications.unpacked_primary_provisional_designation IS 'Primary provisional designation in plain form';

COMMENT ON COLUMN apdb_base.current_identifications.unpacked_secondary_provisional_designation IS 'Designation identified with the primary one, in plain form';

COMMENT ON COLUMN apdb_base.current_identifications.published IS 'True if the identification has been published';

COMMENT ON COLUMN apdb_base.current_identifications.identifier_ids IS 'Who made the identification, as the Minor Planet Center''s list of identifiers';

COMMENT ON COLUMN apdb_base.current_identifications.object_type IS 'Code of the kind of object, as the Minor Planet Center numbers them';

COMMENT ON COLUMN apdb_base.current_identifications.numbered IS 'True if the object has a permanent number';

COMMENT ON COLUMN apdb_base.current_identifications.created_at IS 'Time at which the Minor Planet Center made the row, UTC';

COMMENT ON COLUMN apdb_base.current_identifications.updated_at IS 'Time at which the Minor Planet Center last changed the row, UTC';

CREATE TABLE apdb_base.detector_visit_processing_summary (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    ra DOUBLE PRECISION,
    dec DOUBLE PRECISION,
    pixel_scale REAL,
    zero_point REAL,
    psf_sigma REAL,
    sky_bg REAL,
    sky_noise REAL,
    seeing DOUBLE PRECISION,
    x_size BIGINT NOT NULL,
    y_size BIGINT NOT NULL,
    llcra DOUBLE PRECISION,
    llcdec DOUBLE PRECISION,
    ulcra DOUBLE PRECISION,
    ulcdec DOUBLE PRECISION,
    urcra DOUBLE PRECISION,
    urcdec DOUBLE PRECISION,
    lrcra DOUBLE PRECISION,
    lrcdec DOUBLE PRECISION,
    psf_adaptive_threshold_value DOUBLE PRECISION,
    psf_adaptive_include_threshold_multiplier DOUBLE PRECISION,
    n_shapelets_star INTEGER,
    shapelets_only_iq_score DOUBLE PRECISION,
    shapelets_iq_score DOUBLE PRECISION,
    centroid_diff_shapelets_vs_slot_median DOUBLE PRECISION,
    shapelets_star_e_median DOUBLE PRECISION,
    shapelets_star_un_normalized_e_median DOUBLE PRECISION,
    ref_cat_source_density REAL,
    astrom_offset_mean DOUBLE PRECISION,
    astrom_offset_std DOUBLE PRECISION,
    star_coma1_median DOUBLE PRECISION,
    star_coma2_median DOUBLE PRECISION,
    star_trefoil1_median DOUBLE PRECISION,
    star_trefoil2_median DOUBLE PRECISION,
    star_kurtosis_median DOUBLE PRECISION,
    star_e41_median DOUBLE PRECISION,
    star_e42_median DOUBLE PRECISION,
    n_psf_star INTEGER NOT NULL,
    psf_star_delta_e1_median DOUBLE PRECISION,
    psf_star_delta_e2_median DOUBLE PRECISION,
    psf_star_delta_e1_scatter DOUBLE PRECISION,
    psf_star_delta_e2_scatter DOUBLE PRECISION,
    psf_star_delta_size_median DOUBLE PRECISION,
    psf_star_delta_size_scatter DOUBLE PRECISION,
    psf_star_scaled_delta_size_scatter DOUBLE PRECISION,
    psf_trace_radius_delta DOUBLE PRECISION,
    psf_ap_flux_delta DOUBLE PRECISION,
    psf_ap_corr_sigma_scaled_delta DOUBLE PRECISION,
    max_dist_to_nearest_psf DOUBLE PRECISION,
    star_e_median DOUBLE PRECISION,
    star_un_normalized_e_median DOUBLE PRECISION,
    CONSTRAINT detector_visit_processing_summary_pkey PRIMARY KEY (visit, detector)
);

COMMENT ON TABLE apdb_base.detector_visit_processing_summary IS 'Quality of the images of a visit, one row for each detector';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.ra IS 'Right ascension of the middle of the detector, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.dec IS 'Declination of the middle of the detector, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.pixel_scale IS 'Angular size of a pixel at the middle of the detector [arcsec/pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.zero_point IS 'Magnitude that corresponds to one count, from the photometric calibration [mag]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_sigma IS 'Gaussian sigma of the PSF model at the middle of the detector [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.sky_bg IS 'Mean level of the sky background [adu]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.sky_noise IS 'Noise of the sky background [adu]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.seeing IS 'Full width at half maximum of the PSF [arcsec]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.x_size IS 'Number of pixel columns of the detector [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.y_size IS 'Number of pixel rows of the detector [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.llcra IS 'Right ascension of the lower left corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.llcdec IS 'Declination of the lower left corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.ulcra IS 'Right ascension of the upper left corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.ulcdec IS 'Declination of the upper left corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.urcra IS 'Right ascension of the upper right corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.urcdec IS 'Declination of the upper right corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.lrcra IS 'Right ascension of the lower right corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.lrcdec IS 'Declination of the lower right corner, ICRS [deg]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_adaptive_threshold_value IS 'Detection threshold that the adaptive search for PSF stars settled on';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_adaptive_include_threshold_multiplier IS 'Factor on the detection threshold, as settled by the adaptive search, above which PSF stars are taken';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.n_shapelets_star IS 'Number of stars in the shapelet decomposition of the PSF';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.shapelets_only_iq_score IS 'Image-quality score from the shapelet coefficients alone';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.shapelets_iq_score IS 'Image-quality score from the shapelet coefficients together with the other PSF statistics';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.centroid_diff_shapelets_vs_slot_median IS 'Median distance between the shapelet centroid and the standard centroid of the stars [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.shapelets_star_e_median IS 'Median ellipticity of the stars from their shapelet moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.shapelets_star_un_normalized_e_median IS 'Median ellipticity of the stars from their shapelet moments, not divided by their size [pixel**2]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.ref_cat_source_density IS 'Density of reference-catalogue sources on the detector [count/deg**2]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.astrom_offset_mean IS 'Mean distance between the measured and the reference positions after the astrometric fit [arcsec]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.astrom_offset_std IS 'Standard deviation of the distances between the measured and the reference positions [arcsec]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_coma1_median IS 'Median first component of coma over the PSF stars, from third moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_coma2_median IS 'Median second component of coma over the PSF stars, from third moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_trefoil1_median IS 'Median first component of trefoil over the PSF stars, from third moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_trefoil2_median IS 'Median second component of trefoil over the PSF stars, from third moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_kurtosis_median IS 'Median radial kurtosis of the PSF stars, from fourth moments';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_e41_median IS 'Median first component of the fourth-order ellipticity of the PSF stars';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_e42_median IS 'Median second component of the fourth-order ellipticity of the PSF stars';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.n_psf_star IS 'Number of stars that the PSF model was fitted to';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_e1_median IS 'Median over the PSF stars of the first ellipticity component, star minus model';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_e2_median IS 'Median over the PSF stars of the second ellipticity component, star minus model';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_e1_scatter IS 'Robust scatter over the PSF stars of the first ellipticity component, star minus model';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_e2_scatter IS 'Robust scatter over the PSF stars of the second ellipticity component, star minus model';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_size_median IS 'Median over the PSF stars of the size, star minus model [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_delta_size_scatter IS 'Robust scatter over the PSF stars of the size, star minus model [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_star_scaled_delta_size_scatter IS 'Robust scatter of the size, star minus model, divided by the size of the model';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_trace_radius_delta IS 'Range (largest minus smallest) of the PSF model''s trace radius over the detector [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_ap_flux_delta IS 'Range over the detector of the PSF model''s flux within an aperture';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.psf_ap_corr_sigma_scaled_delta IS 'Range over the detector of the aperture correction, scaled with the size of the PSF';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.max_dist_to_nearest_psf IS 'Largest distance from any unmasked pixel to the nearest PSF star [pixel]';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_e_median IS 'Median ellipticity of the PSF stars';

COMMENT ON COLUMN apdb_base.detector_visit_processing_summary.star_un_normalized_e_median IS 'Median ellipticity of the PSF stars, not divided by their size [pixel**2]';

CREATE TABLE apdb_base.dia_forced_source (
    dia_forced_source_id BIGINT NOT NULL,
    dia_object_id BIGINT NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    psf_flux REAL,
    psf_flux_err REAL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    science_flux REAL,
    science_flux_err REAL,
    band TEXT,
    time_processed_mjd_tai DOUBLE PRECISION NOT NULL,
    time_withdrawn_mjd_tai DOUBLE PRECISION,
    store_seq BIGINT NOT NULL,
    CONSTRAINT dia_forced_source_pkey PRIMARY KEY (dia_object_id, visit, detector, midpoint_mjd_tai),
    CONSTRAINT dia_forced_source_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT dia_forced_source_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000),
    CONSTRAINT dia_forced_source_no_nan CHECK (greatest(psf_flux, psf_flux_err, science_flux, science_flux_err) <> 'NaN' and greatest(ra, dec, midpoint_mjd_tai, time_processed_mjd_tai, time_withdrawn_mjd_tai) <> 'NaN'),
    CONSTRAINT dia_forced_source_errors CHECK (least(psf_flux_err, science_flux_err) >= 0 and greatest(psf_flux_err, science_flux_err) < 'infinity')
)
 PARTITION BY range (midpoint_mjd_tai);

CREATE INDEX dia_forced_source_visit_idx ON apdb_base.dia_forced_source (visit, detector);

COMMENT ON TABLE apdb_base.dia_forced_source IS 'Fluxes forced at the positions of objects, withdrawn ones included';

COMMENT ON COLUMN apdb_base.dia_forced_source.dia_forced_source_id IS 'Identifier of the forced measurement';

COMMENT ON COLUMN apdb_base.dia_forced_source.dia_object_id IS 'DIAObject at whose position the flux was measured';

COMMENT ON COLUMN apdb_base.dia_forced_source.ra IS 'Right ascension at which the flux was measured, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_forced_source.dec IS 'Declination at which the flux was measured, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_forced_source.visit IS 'Number of the visit on whose images the flux was measured';

COMMENT ON COLUMN apdb_base.dia_forced_source.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.dia_forced_source.psf_flux IS 'Point-source flux forced on the difference image [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source.psf_flux_err IS 'One-sigma error of psfFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source.science_flux IS 'Point-source flux forced on the direct image [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source.science_flux_err IS 'One-sigma error of scienceFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source.band IS 'Survey band of the visit';

COMMENT ON COLUMN apdb_base.dia_forced_source.time_processed_mjd_tai IS 'Time at which the measurement was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source.time_withdrawn_mjd_tai IS 'Time at which the measurement was declared invalid, MJD TAI; null while it is valid [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source.store_seq IS 'Place in the order of knowledge of the visit or correction that made this row';

CREATE TABLE apdb_base.dia_object (
    dia_object_id BIGINT NOT NULL,
    validity_start_mjd_tai DOUBLE PRECISION NOT NULL,
    validity_end_mjd_tai DOUBLE PRECISION,
    ra DOUBLE PRECISION NOT NULL,
    ra_err REAL,
    dec DOUBLE PRECISION NOT NULL,
    dec_err REAL,
    ra_dec_cov REAL,
    u_psf_flux_mean REAL,
    u_psf_flux_mean_err REAL,
    u_psf_flux_sigma REAL,
    u_psf_flux_ndata INTEGER NOT NULL,
    u_fp_flux_mean REAL,
    u_fp_flux_mean_err REAL,
    g_psf_flux_mean REAL,
    g_psf_flux_mean_err REAL,
    g_psf_flux_sigma REAL,
    g_psf_flux_ndata INTEGER NOT NULL,
    g_fp_flux_mean REAL,
    g_fp_flux_mean_err REAL,
    r_psf_flux_mean REAL,
    r_psf_flux_mean_err REAL,
    r_psf_flux_sigma REAL,
    r_psf_flux_ndata INTEGER NOT NULL,
    r_fp_flux_mean REAL,
    r_fp_flux_mean_err REAL,
    i_psf_flux_mean REAL,
    i_psf_flux_mean_err REAL,
    i_psf_flux_sigma REAL,
    i_psf_flux_ndata INTEGER NOT NULL,
    i_fp_flux_mean REAL,
    i_fp_flux_mean_err REAL,
    z_psf_flux_mean REAL,
    z_psf_flux_mean_err REAL,
    z_psf_flux_sigma REAL,
    z_psf_flux_ndata INTEGER NOT NULL,
    z_fp_flux_mean REAL,
    z_fp_flux_mean_err REAL,
    y_psf_flux_mean REAL,
    y_psf_flux_mean_err REAL,
    y_psf_flux_sigma REAL,
    y_psf_flux_ndata INTEGER NOT NULL,
    y_fp_flux_mean REAL,
    y_fp_flux_mean_err REAL,
    u_science_flux_mean REAL,
    u_science_flux_mean_err REAL,
    g_science_flux_mean REAL,
    g_science_flux_mean_err REAL,
    r_science_flux_mean REAL,
    r_science_flux_mean_err REAL,
    i_science_flux_mean REAL,
    i_science_flux_mean_err REAL,
    z_science_flux_mean REAL,
    z_science_flux_mean_err REAL,
    y_science_flux_mean REAL,
    y_science_flux_mean_err REAL,
    u_psf_flux_min REAL,
    u_psf_flux_max REAL,
    u_psf_flux_max_slope REAL,
    u_psf_flux_err_mean REAL,
    g_psf_flux_min REAL,
    g_psf_flux_max REAL,
    g_psf_flux_max_slope REAL,
    g_psf_flux_err_mean REAL,
    r_psf_flux_min REAL,
    r_psf_flux_max REAL,
    r_psf_flux_max_slope REAL,
    r_psf_flux_err_mean REAL,
    i_psf_flux_min REAL,
    i_psf_flux_max REAL,
    i_psf_flux_max_slope REAL,
    i_psf_flux_err_mean REAL,
    z_psf_flux_min REAL,
    z_psf_flux_max REAL,
    z_psf_flux_max_slope REAL,
    z_psf_flux_err_mean REAL,
    y_psf_flux_min REAL,
    y_psf_flux_max REAL,
    y_psf_flux_max_slope REAL,
    y_psf_flux_err_mean REAL,
    first_dia_source_mjd_tai DOUBLE PRECISION,
    last_dia_source_mjd_tai DOUBLE PRECISION,
    n_dia_sources INTEGER NOT NULL,
    store_seq BIGINT NOT NULL,
    store_seq_end BIGINT,
    CONSTRAINT dia_object_pkey PRIMARY KEY (dia_object_id),
    CONSTRAINT dia_object_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT dia_object_no_nan CHECK (greatest(ra_err, dec_err, ra_dec_cov, u_psf_flux_mean, u_psf_flux_mean_err, u_psf_flux_sigma, u_fp_flux_mean, u_fp_flux_mean_err, g_psf_flux_mean, g_psf_flux_mean_err, g_psf_flux_sigma, g_fp_flux_mean, g_fp_flux_mean_err, r_psf_flux_mean, r_psf_flux_mean_err, r_psf_flux_sigma, r_fp_flux_mean, r_fp_flux_mean_err, i_psf_flux_mean, i_psf_flux_mean_err, i_psf_flux_sigma, i_fp_flux_mean, i_fp_flux_mean_err, z_psf_flux_mean, z_psf_flux_mean_err, z_psf_flux_sigma, z_fp_flux_mean, z_fp_flux_mean_err, y_psf_flux_mean, y_psf_flux_mean_err, y_psf_flux_sigma, y_fp_flux_mean, y_fp_flux_mean_err, u_science_flux_mean, u_science_flux_mean_err, g_science_flux_mean, g_science_flux_mean_err, r_science_flux_mean, r_science_flux_mean_err, i_science_flux_mean, i_science_flux_mean_err, z_science_flux_mean, z_science_flux_mean_err, y_science_flux_mean, y_science_flux_mean_err, u_psf_flux_min, u_psf_flux_max, u_psf_flux_max_slope, u_psf_flux_err_mean, g_psf_flux_min, g_psf_flux_max, g_psf_flux_max_slope, g_psf_flux_err_mean, r_psf_flux_min, r_psf_flux_max, r_psf_flux_max_slope, r_psf_flux_err_mean, i_psf_flux_min, i_psf_flux_max, i_psf_flux_max_slope, i_psf_flux_err_mean, z_psf_flux_min, z_psf_flux_max, z_psf_flux_max_slope, z_psf_flux_err_mean, y_psf_flux_min, y_psf_flux_max, y_psf_flux_max_slope, y_psf_flux_err_mean) <> 'NaN' and greatest(validity_start_mjd_tai, validity_end_mjd_tai, ra, dec, first_dia_source_mjd_tai, last_dia_source_mjd_tai) <> 'NaN'),
    CONSTRAINT dia_object_counts CHECK (least(u_psf_flux_ndata, g_psf_flux_ndata, r_psf_flux_ndata, i_psf_flux_ndata, z_psf_flux_ndata, y_psf_flux_ndata, n_dia_sources) >= 0),
    CONSTRAINT dia_object_times CHECK (last_dia_source_mjd_tai >= first_dia_source_mjd_tai),
    CONSTRAINT dia_object_validity CHECK (validity_end_mjd_tai > validity_start_mjd_tai and validity_start_mjd_tai < 'infinity')
)
 WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX dia_object_q3c_idx ON apdb_base.dia_object (q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.dia_object IS 'Latest version of every object: position, summary of its light curves, counters';

COMMENT ON COLUMN apdb_base.dia_object.dia_object_id IS 'Identifier of the object, taken from the DIASource that started it';

COMMENT ON COLUMN apdb_base.dia_object.validity_start_mjd_tai IS 'Time at which this version of the object became known to the database, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object.validity_end_mjd_tai IS 'Time at which this version was superseded or the object retired, MJD TAI; null while it is the current one [d]';

COMMENT ON COLUMN apdb_base.dia_object.ra IS 'Right ascension of the error-weighted mean position of the object''s sources, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_object.dec IS 'Declination of the error-weighted mean position of the object''s sources, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.dia_object.ra_dec_cov IS 'Covariance of ra (with the factor cos(dec)) and dec [deg**2]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_mean IS 'Error-weighted mean of the u-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_mean_err IS 'One-sigma error of the mean u-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_sigma IS 'Standard deviation of the u-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_ndata IS 'Number of u-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.u_fp_flux_mean IS 'Error-weighted mean of the u-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_fp_flux_mean_err IS 'One-sigma error of the mean u-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_mean IS 'Error-weighted mean of the g-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_mean_err IS 'One-sigma error of the mean g-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_sigma IS 'Standard deviation of the g-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_ndata IS 'Number of g-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.g_fp_flux_mean IS 'Error-weighted mean of the g-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_fp_flux_mean_err IS 'One-sigma error of the mean g-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_mean IS 'Error-weighted mean of the r-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_mean_err IS 'One-sigma error of the mean r-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_sigma IS 'Standard deviation of the r-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_ndata IS 'Number of r-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.r_fp_flux_mean IS 'Error-weighted mean of the r-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_fp_flux_mean_err IS 'One-sigma error of the mean r-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_mean IS 'Error-weighted mean of the i-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_mean_err IS 'One-sigma error of the mean i-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_sigma IS 'Standard deviation of the i-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_ndata IS 'Number of i-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.i_fp_flux_mean IS 'Error-weighted mean of the i-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_fp_flux_mean_err IS 'One-sigma error of the mean i-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_mean IS 'Error-weighted mean of the z-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_mean_err IS 'One-sigma error of the mean z-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_sigma IS 'Standard deviation of the z-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_ndata IS 'Number of z-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.z_fp_flux_mean IS 'Error-weighted mean of the z-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_fp_flux_mean_err IS 'One-sigma error of the mean z-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_mean IS 'Error-weighted mean of the y-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_mean_err IS 'One-sigma error of the mean y-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_sigma IS 'Standard deviation of the y-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_ndata IS 'Number of y-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object.y_fp_flux_mean IS 'Error-weighted mean of the y-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_fp_flux_mean_err IS 'One-sigma error of the mean y-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_science_flux_mean IS 'Error-weighted mean of the u-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_science_flux_mean_err IS 'One-sigma error of the mean u-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_science_flux_mean IS 'Error-weighted mean of the g-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_science_flux_mean_err IS 'One-sigma error of the mean g-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_science_flux_mean IS 'Error-weighted mean of the r-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_science_flux_mean_err IS 'One-sigma error of the mean r-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_science_flux_mean IS 'Error-weighted mean of the i-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_science_flux_mean_err IS 'One-sigma error of the mean i-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_science_flux_mean IS 'Error-weighted mean of the z-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_science_flux_mean_err IS 'One-sigma error of the mean z-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_science_flux_mean IS 'Error-weighted mean of the y-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_science_flux_mean_err IS 'One-sigma error of the mean y-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_min IS 'Faintest (most negative) u-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_max IS 'Brightest u-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive u-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.u_psf_flux_err_mean IS 'Mean of the one-sigma errors of the u-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_min IS 'Faintest (most negative) g-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_max IS 'Brightest g-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive g-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.g_psf_flux_err_mean IS 'Mean of the one-sigma errors of the g-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_min IS 'Faintest (most negative) r-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_max IS 'Brightest r-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive r-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.r_psf_flux_err_mean IS 'Mean of the one-sigma errors of the r-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_min IS 'Faintest (most negative) i-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_max IS 'Brightest i-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive i-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.i_psf_flux_err_mean IS 'Mean of the one-sigma errors of the i-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_min IS 'Faintest (most negative) z-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_max IS 'Brightest z-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive z-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.z_psf_flux_err_mean IS 'Mean of the one-sigma errors of the z-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_min IS 'Faintest (most negative) y-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_max IS 'Brightest y-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive y-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object.y_psf_flux_err_mean IS 'Mean of the one-sigma errors of the y-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object.first_dia_source_mjd_tai IS 'Midpoint of the earliest exposure in which the object was detected, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object.last_dia_source_mjd_tai IS 'Midpoint of the latest exposure in which the object was detected, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object.n_dia_sources IS 'Number of DIASources that belong to the object over its whole life, all bands together';

COMMENT ON COLUMN apdb_base.dia_object.store_seq IS 'Visit or correction that made this version of the object, by its place in the order of knowledge';

COMMENT ON COLUMN apdb_base.dia_object.store_seq_end IS 'Visit or correction that superseded this version or retired the object; null while it is current';

CREATE TABLE apdb_base.dia_object_to_object_match (
    dia_object_id BIGINT NOT NULL,
    object_id BIGINT NOT NULL,
    dist REAL,
    ln_p REAL,
    CONSTRAINT dia_object_to_object_match_pkey PRIMARY KEY (dia_object_id, object_id),
    CONSTRAINT dia_object_to_object_match_dist CHECK (dist >= 0 and dist < 'infinity')
);

CREATE INDEX dia_object_to_object_match_object_idx ON apdb_base.dia_object_to_object_match (object_id);

COMMENT ON TABLE apdb_base.dia_object_to_object_match IS 'Pairs of DIAObjects and nearby static objects';

COMMENT ON COLUMN apdb_base.dia_object_to_object_match.dia_object_id IS 'DIAObject of the pair';

COMMENT ON COLUMN apdb_base.dia_object_to_object_match.object_id IS 'Identifier of the neighbour in the catalogue of static objects';

COMMENT ON COLUMN apdb_base.dia_object_to_object_match.dist IS 'Angular distance between the DIAObject and the static object [arcsec]';

COMMENT ON COLUMN apdb_base.dia_object_to_object_match.ln_p IS 'Natural logarithm of the probability that the two are the same celestial object';

CREATE TABLE apdb_base.dia_object_version (
    dia_object_id BIGINT NOT NULL,
    validity_start_mjd_tai DOUBLE PRECISION NOT NULL,
    validity_end_mjd_tai DOUBLE PRECISION NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    ra_err REAL,
    dec DOUBLE PRECISION NOT NULL,
    dec_err REAL,
    ra_dec_cov REAL,
    u_psf_flux_mean REAL,
    u_psf_flux_mean_err REAL,
    u_psf_flux_sigma REAL,
    u_psf_flux_ndata INTEGER NOT NULL,
    u_fp_flux_mean REAL,
    u_fp_flux_mean_err REAL,
    g_psf_flux_mean REAL,
    g_psf_flux_mean_err REAL,
    g_psf_flux_sigma REAL,
    g_psf_flux_ndata INTEGER NOT NULL,
    g_fp_flux_mean REAL,
    g_fp_flux_mean_err REAL,
    r_psf_flux_mean REAL,
    r_psf_flux_mean_err REAL,
    r_psf_flux_sigma REAL,
    r_psf_flux_ndata INTEGER NOT NULL,
    r_fp_flux_mean REAL,
    r_fp_flux_mean_err REAL,
    i_psf_flux_mean REAL,
    i_psf_flux_mean_err REAL,
    i_psf_flux_sigma REAL,
    i_psf_flux_ndata INTEGER NOT NULL,
    i_fp_flux_mean REAL,
    i_fp_flux_mean_err REAL,
    z_psf_flux_mean REAL,
    z_psf_flux_mean_err REAL,
    z_psf_flux_sigma REAL,
    z_psf_flux_ndata INTEGER NOT NULL,
    z_fp_flux_mean REAL,
    z_fp_flux_mean_err REAL,
    y_psf_flux_mean REAL,
    y_psf_flux_mean_err REAL,
    y_psf_flux_sigma REAL,
    y_psf_flux_ndata INTEGER NOT NULL,
    y_fp_flux_mean REAL,
    y_fp_flux_mean_err REAL,
    u_science_flux_mean REAL,
    u_science_flux_mean_err REAL,
    g_science_flux_mean REAL,
    g_science_flux_mean_err REAL,
    r_science_flux_mean REAL,
    r_science_flux_mean_err REAL,
    i_science_flux_mean REAL,
    i_science_flux_mean_err REAL,
    z_science_flux_mean REAL,
    z_science_flux_mean_err REAL,
    y_science_flux_mean REAL,
    y_science_flux_mean_err REAL,
    u_psf_flux_min REAL,
    u_psf_flux_max REAL,
    u_psf_flux_max_slope REAL,
    u_psf_flux_err_mean REAL,
    g_psf_flux_min REAL,
    g_psf_flux_max REAL,
    g_psf_flux_max_slope REAL,
    g_psf_flux_err_mean REAL,
    r_psf_flux_min REAL,
    r_psf_flux_max REAL,
    r_psf_flux_max_slope REAL,
    r_psf_flux_err_mean REAL,
    i_psf_flux_min REAL,
    i_psf_flux_max REAL,
    i_psf_flux_max_slope REAL,
    i_psf_flux_err_mean REAL,
    z_psf_flux_min REAL,
    z_psf_flux_max REAL,
    z_psf_flux_max_slope REAL,
    z_psf_flux_err_mean REAL,
    y_psf_flux_min REAL,
    y_psf_flux_max REAL,
    y_psf_flux_max_slope REAL,
    y_psf_flux_err_mean REAL,
    first_dia_source_mjd_tai DOUBLE PRECISION,
    last_dia_source_mjd_tai DOUBLE PRECISION,
    n_dia_sources INTEGER NOT NULL,
    store_seq BIGINT NOT NULL,
    store_seq_end BIGINT NOT NULL,
    CONSTRAINT dia_object_version_pkey PRIMARY KEY (dia_object_id, validity_start_mjd_tai),
    CONSTRAINT dia_object_version_validity CHECK (validity_end_mjd_tai > validity_start_mjd_tai and validity_start_mjd_tai < 'infinity'),
    CONSTRAINT dia_object_version_store_seq CHECK (store_seq_end > store_seq)
);

COMMENT ON TABLE apdb_base.dia_object_version IS 'Superseded versions of the objects, each with the interval of time in which it was what the database knew';

COMMENT ON COLUMN apdb_base.dia_object_version.dia_object_id IS 'Identifier of the object, taken from the DIASource that started it';

COMMENT ON COLUMN apdb_base.dia_object_version.validity_start_mjd_tai IS 'Time at which this version of the object became known to the database, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_version.validity_end_mjd_tai IS 'Time at which this version was superseded, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_version.ra IS 'Right ascension of the error-weighted mean position of the object''s sources, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object_version.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_object_version.dec IS 'Declination of the error-weighted mean position of the object''s sources, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object_version.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.dia_object_version.ra_dec_cov IS 'Covariance of ra (with the factor cos(dec)) and dec [deg**2]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_mean IS 'Error-weighted mean of the u-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_mean_err IS 'One-sigma error of the mean u-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_sigma IS 'Standard deviation of the u-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_ndata IS 'Number of u-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.u_fp_flux_mean IS 'Error-weighted mean of the u-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_fp_flux_mean_err IS 'One-sigma error of the mean u-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_mean IS 'Error-weighted mean of the g-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_mean_err IS 'One-sigma error of the mean g-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_sigma IS 'Standard deviation of the g-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_ndata IS 'Number of g-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.g_fp_flux_mean IS 'Error-weighted mean of the g-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_fp_flux_mean_err IS 'One-sigma error of the mean g-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_mean IS 'Error-weighted mean of the r-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_mean_err IS 'One-sigma error of the mean r-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_sigma IS 'Standard deviation of the r-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_ndata IS 'Number of r-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.r_fp_flux_mean IS 'Error-weighted mean of the r-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_fp_flux_mean_err IS 'One-sigma error of the mean r-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_mean IS 'Error-weighted mean of the i-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_mean_err IS 'One-sigma error of the mean i-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_sigma IS 'Standard deviation of the i-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_ndata IS 'Number of i-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.i_fp_flux_mean IS 'Error-weighted mean of the i-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_fp_flux_mean_err IS 'One-sigma error of the mean i-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_mean IS 'Error-weighted mean of the z-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_mean_err IS 'One-sigma error of the mean z-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_sigma IS 'Standard deviation of the z-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_ndata IS 'Number of z-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.z_fp_flux_mean IS 'Error-weighted mean of the z-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_fp_flux_mean_err IS 'One-sigma error of the mean z-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_mean IS 'Error-weighted mean of the y-band difference-image point-source fluxes of the object''s sources [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_mean_err IS 'One-sigma error of the mean y-band difference-image point-source flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_sigma IS 'Standard deviation of the y-band difference-image point-source fluxes about their mean [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_ndata IS 'Number of y-band sources that went into the statistics of psfFlux';

COMMENT ON COLUMN apdb_base.dia_object_version.y_fp_flux_mean IS 'Error-weighted mean of the y-band forced difference-image fluxes at the object''s position [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_fp_flux_mean_err IS 'One-sigma error of the mean y-band forced difference-image flux [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_science_flux_mean IS 'Error-weighted mean of the u-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_science_flux_mean_err IS 'One-sigma error of the mean u-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_science_flux_mean IS 'Error-weighted mean of the g-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_science_flux_mean_err IS 'One-sigma error of the mean g-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_science_flux_mean IS 'Error-weighted mean of the r-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_science_flux_mean_err IS 'One-sigma error of the mean r-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_science_flux_mean IS 'Error-weighted mean of the i-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_science_flux_mean_err IS 'One-sigma error of the mean i-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_science_flux_mean IS 'Error-weighted mean of the z-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_science_flux_mean_err IS 'One-sigma error of the mean z-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_science_flux_mean IS 'Error-weighted mean of the y-band fluxes forced on the direct (not differenced) images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_science_flux_mean_err IS 'One-sigma error of the mean y-band flux forced on the direct images [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_min IS 'Faintest (most negative) u-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_max IS 'Brightest u-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive u-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.u_psf_flux_err_mean IS 'Mean of the one-sigma errors of the u-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_min IS 'Faintest (most negative) g-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_max IS 'Brightest g-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive g-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.g_psf_flux_err_mean IS 'Mean of the one-sigma errors of the g-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_min IS 'Faintest (most negative) r-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_max IS 'Brightest r-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive r-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.r_psf_flux_err_mean IS 'Mean of the one-sigma errors of the r-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_min IS 'Faintest (most negative) i-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_max IS 'Brightest i-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive i-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.i_psf_flux_err_mean IS 'Mean of the one-sigma errors of the i-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_min IS 'Faintest (most negative) z-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_max IS 'Brightest z-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive z-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.z_psf_flux_err_mean IS 'Mean of the one-sigma errors of the z-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_min IS 'Faintest (most negative) y-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_max IS 'Brightest y-band difference-image point-source flux seen so far [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_max_slope IS 'Largest absolute rate of change of psfFlux between consecutive y-band sources [nJy/d]';

COMMENT ON COLUMN apdb_base.dia_object_version.y_psf_flux_err_mean IS 'Mean of the one-sigma errors of the y-band difference-image point-source fluxes [nJy]';

COMMENT ON COLUMN apdb_base.dia_object_version.first_dia_source_mjd_tai IS 'Midpoint of the earliest exposure in which the object was detected, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_version.last_dia_source_mjd_tai IS 'Midpoint of the latest exposure in which the object was detected, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_version.n_dia_sources IS 'Number of DIASources that belong to the object over its whole life, all bands together';

COMMENT ON COLUMN apdb_base.dia_object_version.store_seq IS 'Visit or correction that made this version of the object, by its place in the order of knowledge';

COMMENT ON COLUMN apdb_base.dia_object_version.store_seq_end IS 'Visit or correction that superseded this version, by its place in the order of knowledge';

CREATE TABLE apdb_base.dia_source (
    dia_source_id BIGINT NOT NULL,
    visit BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    detector SMALLINT NOT NULL,
    dia_object_id BIGINT,
    ra_err REAL,
    dec_err REAL,
    psf_flux REAL,
    psf_flux_err REAL,
    science_flux REAL,
    science_flux_err REAL,
    ra_dec_cov REAL,
    band TEXT NOT NULL,
    ss_object_id BIGINT,
    time_withdrawn_mjd_tai DOUBLE PRECISION,
    parent_dia_source_id BIGINT,
    ss_object_reassoc_time_mjd_tai DOUBLE PRECISION,
    exposure_time REAL,
    x REAL DEFAULT 'NaN'::real NOT NULL,
    x_err REAL,
    y REAL DEFAULT 'NaN'::real NOT NULL,
    y_err REAL,
    centroid_flag BOOLEAN,
    ap_flux REAL,
    ap_flux_err REAL,
    ap_flux_flag BOOLEAN,
    ap_flux_flag_aperture_truncated BOOLEAN,
    is_negative BOOLEAN,
    snr REAL,
    psf_ln_l REAL,
    psf_chi2 REAL,
    psf_ndata INTEGER DEFAULT 0 NOT NULL,
    psf_flux_flag BOOLEAN,
    psf_flux_flag_edge BOOLEAN,
    psf_flux_flag_no_good_pixels BOOLEAN,
    trail_flux REAL,
    trail_flux_err REAL,
    trail_ra DOUBLE PRECISION,
    trail_ra_err REAL,
    trail_dec DOUBLE PRECISION,
    trail_dec_err REAL,
    trail_length REAL,
    trail_length_err REAL,
    trail_angle REAL,
    trail_angle_err REAL,
    trail_chi2 REAL,
    trail_ndata INTEGER DEFAULT 0 NOT NULL,
    trail_algorithm INTEGER,
    trail_flag_edge BOOLEAN,
    trail_flag BOOLEAN,
    dipole_mean_flux REAL,
    dipole_mean_flux_err REAL,
    dipole_flux_diff REAL,
    dipole_flux_diff_err REAL,
    dipole_length REAL,
    dipole_angle REAL,
    dipole_chi2 REAL,
    dipole_ndata INTEGER DEFAULT 0 NOT NULL,
    forced_psf_flux_flag BOOLEAN,
    forced_psf_flux_flag_edge BOOLEAN,
    forced_psf_flux_flag_no_good_pixels BOOLEAN,
    template_flux REAL,
    template_flux_err REAL,
    ixx REAL,
    iyy REAL,
    ixy REAL,
    ixx_psf REAL,
    iyy_psf REAL,
    ixy_psf REAL,
    shape_flag BOOLEAN,
    shape_flag_no_pixels BOOLEAN,
    shape_flag_not_contained BOOLEAN,
    shape_flag_parent_source BOOLEAN,
    extendedness REAL,
    reliability REAL,
    reliability_version TEXT,
    is_dipole BOOLEAN,
    dipole_fit_attempted BOOLEAN,
    time_processed_mjd_tai DOUBLE PRECISION NOT NULL,
    bbox_size INTEGER DEFAULT 0 NOT NULL,
    pixel_flags BOOLEAN,
    pixel_flags_bad BOOLEAN,
    pixel_flags_cr BOOLEAN,
    pixel_flags_cr_center BOOLEAN,
    pixel_flags_edge BOOLEAN,
    pixel_flags_nodata BOOLEAN,
    pixel_flags_nodata_center BOOLEAN,
    pixel_flags_interpolated BOOLEAN,
    pixel_flags_interpolated_center BOOLEAN,
    pixel_flags_offimage BOOLEAN,
    pixel_flags_saturated BOOLEAN,
    pixel_flags_saturated_center BOOLEAN,
    pixel_flags_suspect BOOLEAN,
    pixel_flags_suspect_center BOOLEAN,
    pixel_flags_streak BOOLEAN,
    pixel_flags_streak_center BOOLEAN,
    pixel_flags_injected BOOLEAN,
    pixel_flags_injected_center BOOLEAN,
    pixel_flags_injected_template BOOLEAN,
    pixel_flags_injected_template_center BOOLEAN,
    glint_trail BOOLEAN,
    store_seq BIGINT NOT NULL,
    CONSTRAINT dia_source_pkey PRIMARY KEY (dia_source_id, midpoint_mjd_tai),
    CONSTRAINT dia_source_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT dia_source_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000),
    CONSTRAINT dia_source_no_nan CHECK (greatest(exposure_time, ra_err, dec_err, ra_dec_cov, x_err, y_err, ap_flux, ap_flux_err, snr, psf_flux, psf_flux_err, psf_ln_l, psf_chi2, trail_flux, trail_flux_err, trail_ra_err, trail_dec_err, trail_length, trail_length_err, trail_angle, trail_angle_err, trail_chi2, dipole_mean_flux, dipole_mean_flux_err, dipole_flux_diff, dipole_flux_diff_err, dipole_length, dipole_angle, dipole_chi2, science_flux, science_flux_err, template_flux, template_flux_err, ixx, iyy, ixy, ixx_psf, iyy_psf, ixy_psf, extendedness, reliability) <> 'NaN' and greatest(ss_object_reassoc_time_mjd_tai, midpoint_mjd_tai, ra, dec, trail_ra, trail_dec, time_processed_mjd_tai, time_withdrawn_mjd_tai) <> 'NaN'),
    CONSTRAINT dia_source_errors CHECK (least(ra_err, dec_err, x_err, y_err, ap_flux_err, psf_flux_err, trail_flux_err, trail_ra_err, trail_dec_err, trail_length_err, trail_angle_err, dipole_mean_flux_err, dipole_flux_diff_err, science_flux_err, template_flux_err) >= 0 and greatest(ra_err, dec_err, x_err, y_err, ap_flux_err, psf_flux_err, trail_flux_err, trail_ra_err, trail_dec_err, trail_length_err, trail_angle_err, dipole_mean_flux_err, dipole_flux_diff_err, science_flux_err, template_flux_err) < 'infinity'),
    CONSTRAINT dia_source_counts CHECK (least(psf_ndata, trail_ndata, dipole_ndata, bbox_size) >= 0)
)
 PARTITION BY range (midpoint_mjd_tai);

CREATE INDEX dia_source_dia_object_idx ON apdb_base.dia_source (dia_object_id, midpoint_mjd_tai);

CREATE INDEX dia_source_q3c_idx ON apdb_base.dia_source (q3c_ang2ipix(ra, dec));

CREATE INDEX dia_source_ss_object_idx ON apdb_base.dia_source (ss_object_id) WHERE ss_object_id is not null;

CREATE INDEX dia_source_visit_idx ON apdb_base.dia_source (visit, detector);

COMMENT ON TABLE apdb_base.dia_source IS 'Detections on difference images, withdrawn ones included';

COMMENT ON COLUMN apdb_base.dia_source.dia_source_id IS 'Identifier of the detection, unique over all visits';

COMMENT ON COLUMN apdb_base.dia_source.visit IS 'Number of the visit in which the source was detected';

COMMENT ON COLUMN apdb_base.dia_source.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source.ra IS 'Right ascension of the centroid, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source.dec IS 'Declination of the centroid, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.dia_source.dia_object_id IS 'DIAObject that the source belongs to; null if it has none';

COMMENT ON COLUMN apdb_base.dia_source.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_source.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.dia_source.psf_flux IS 'Point-source flux on the difference image, from a fit of the PSF [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.psf_flux_err IS 'One-sigma error of psfFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.science_flux IS 'Point-source flux on the direct image, forced at the position of the source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.science_flux_err IS 'One-sigma error of scienceFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.ra_dec_cov IS 'Covariance of ra (with the factor cos(dec)) and dec [deg**2]';

COMMENT ON COLUMN apdb_base.dia_source.band IS 'Survey band of the visit';

COMMENT ON COLUMN apdb_base.dia_source.ss_object_id IS 'Known solar-system object that the source was attributed to; null if none';

COMMENT ON COLUMN apdb_base.dia_source.time_withdrawn_mjd_tai IS 'Time at which the measurement was declared invalid, MJD TAI; null while it is valid [d]';

COMMENT ON COLUMN apdb_base.dia_source.parent_dia_source_id IS 'Source that this one was deblended from; null if it was not blended';

COMMENT ON COLUMN apdb_base.dia_source.ss_object_reassoc_time_mjd_tai IS 'Time at which the source was moved from a DIAObject to a solar-system object, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source.exposure_time IS 'Length of time the shutter was open in this visit [s]';

COMMENT ON COLUMN apdb_base.dia_source.x IS 'Column coordinate of the centroid on the detector; NaN if it was not given [pixel]';

COMMENT ON COLUMN apdb_base.dia_source.x_err IS 'One-sigma error of x [pixel]';

COMMENT ON COLUMN apdb_base.dia_source.y IS 'Row coordinate of the centroid on the detector; NaN if it was not given [pixel]';

COMMENT ON COLUMN apdb_base.dia_source.y_err IS 'One-sigma error of y [pixel]';

COMMENT ON COLUMN apdb_base.dia_source.centroid_flag IS 'True if the centroid could not be measured reliably';

COMMENT ON COLUMN apdb_base.dia_source.ap_flux IS 'Flux within a circular aperture on the difference image [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.ap_flux_err IS 'One-sigma error of apFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.ap_flux_flag IS 'True if the aperture flux could not be measured reliably';

COMMENT ON COLUMN apdb_base.dia_source.ap_flux_flag_aperture_truncated IS 'True if part of the aperture lies outside the image';

COMMENT ON COLUMN apdb_base.dia_source.is_negative IS 'True if the source was found as a deficit, that is, fainter than in the template';

COMMENT ON COLUMN apdb_base.dia_source.snr IS 'Ratio of signal to noise at which the source was detected';

COMMENT ON COLUMN apdb_base.dia_source.psf_ln_l IS 'Natural logarithm of the likelihood of the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source.psf_chi2 IS 'Chi-square of the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source.psf_ndata IS 'Number of pixels in the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source.psf_flux_flag IS 'True if the point-source fit failed';

COMMENT ON COLUMN apdb_base.dia_source.psf_flux_flag_edge IS 'True if the source was too close to the edge of the image for a full PSF';

COMMENT ON COLUMN apdb_base.dia_source.psf_flux_flag_no_good_pixels IS 'True if no usable pixel was left for the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source.trail_flux IS 'Flux on the difference image, from a fit of a trailed point source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.trail_flux_err IS 'One-sigma error of trailFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.trail_ra IS 'Right ascension of the middle of the fitted trail, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_ra_err IS 'One-sigma error of trailRa, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_dec IS 'Declination of the middle of the fitted trail, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_dec_err IS 'One-sigma error of trailDec [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_length IS 'Length of the fitted trail [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source.trail_length_err IS 'One-sigma error of trailLength [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source.trail_angle IS 'Position angle of the fitted trail [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_angle_err IS 'One-sigma error of trailAngle [deg]';

COMMENT ON COLUMN apdb_base.dia_source.trail_chi2 IS 'Chi-square of the trail fit';

COMMENT ON COLUMN apdb_base.dia_source.trail_ndata IS 'Number of pixels in the trail fit';

COMMENT ON COLUMN apdb_base.dia_source.trail_algorithm IS 'Code of the method that fitted the trail';

COMMENT ON COLUMN apdb_base.dia_source.trail_flag_edge IS 'True if the trail reaches pixels at the edge of the image';

COMMENT ON COLUMN apdb_base.dia_source.trail_flag IS 'True if the trail fit failed';

COMMENT ON COLUMN apdb_base.dia_source.dipole_mean_flux IS 'Mean of the absolute fluxes of the two lobes in the dipole fit [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_mean_flux_err IS 'One-sigma error of dipoleMeanFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_flux_diff IS 'Difference of the fluxes of the positive and the negative lobe in the dipole fit [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_flux_diff_err IS 'One-sigma error of dipoleFluxDiff [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_length IS 'Distance between the two lobes of the fitted dipole [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_angle IS 'Position angle of the line from the negative to the positive lobe [deg]';

COMMENT ON COLUMN apdb_base.dia_source.dipole_chi2 IS 'Chi-square of the dipole fit';

COMMENT ON COLUMN apdb_base.dia_source.dipole_ndata IS 'Number of pixels in the dipole fit';

COMMENT ON COLUMN apdb_base.dia_source.forced_psf_flux_flag IS 'True if the forced flux on the direct image could not be measured';

COMMENT ON COLUMN apdb_base.dia_source.forced_psf_flux_flag_edge IS 'True if the forced measurement was too close to the edge of the direct image';

COMMENT ON COLUMN apdb_base.dia_source.forced_psf_flux_flag_no_good_pixels IS 'True if the forced measurement had no usable pixel';

COMMENT ON COLUMN apdb_base.dia_source.template_flux IS 'Point-source flux on the template image, forced at the position of the source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.template_flux_err IS 'One-sigma error of templateFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source.ixx IS 'Adaptive second moment of the source along x [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.iyy IS 'Adaptive second moment of the source along y [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.ixy IS 'Adaptive mixed second moment of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.ixx_psf IS 'Adaptive second moment along x of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.iyy_psf IS 'Adaptive second moment along y of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.ixy_psf IS 'Adaptive mixed second moment of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source.shape_flag IS 'True if the moments of the source could not be measured';

COMMENT ON COLUMN apdb_base.dia_source.shape_flag_no_pixels IS 'True if there were no pixels to measure the moments on';

COMMENT ON COLUMN apdb_base.dia_source.shape_flag_not_contained IS 'True if the centre of the moments left the footprint of the source';

COMMENT ON COLUMN apdb_base.dia_source.shape_flag_parent_source IS 'True if the source is a blend whose moments were not measured for itself';

COMMENT ON COLUMN apdb_base.dia_source.extendedness IS 'How extended the source looks, from 0 (point source) to 1 (extended)';

COMMENT ON COLUMN apdb_base.dia_source.reliability IS 'Probability given by the classifier that the source is real and not an artefact, 0 to 1';

COMMENT ON COLUMN apdb_base.dia_source.reliability_version IS 'Version of the classifier that gave reliability';

COMMENT ON COLUMN apdb_base.dia_source.is_dipole IS 'True if the dipole model describes the source well';

COMMENT ON COLUMN apdb_base.dia_source.dipole_fit_attempted IS 'True if a dipole was fitted to the source';

COMMENT ON COLUMN apdb_base.dia_source.time_processed_mjd_tai IS 'Time at which the measurement was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source.bbox_size IS 'Side of the square that holds the footprint of the source [pixel]';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags IS 'True if any of the pixel flags could not be determined';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_bad IS 'True if a pixel of the footprint is marked bad in the detector''s defect map';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_cr IS 'True if the footprint holds a cosmic-ray hit';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_cr_center IS 'True if the central pixels hold a cosmic-ray hit';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_edge IS 'True if the footprint reaches the unusable edge of the image';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_nodata IS 'True if a pixel of the footprint has no data';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_nodata_center IS 'True if a central pixel has no data';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_interpolated IS 'True if a pixel of the footprint was filled by interpolation';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_interpolated_center IS 'True if a central pixel was filled by interpolation';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_offimage IS 'True if the centroid lies outside the image';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_saturated IS 'True if a pixel of the footprint is saturated';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_saturated_center IS 'True if a central pixel is saturated';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_suspect IS 'True if a pixel of the footprint is near saturation or otherwise doubtful';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_suspect_center IS 'True if a central pixel is near saturation or otherwise doubtful';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_streak IS 'True if the footprint lies on a streak, such as the trail of a satellite';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_streak_center IS 'True if the central pixels lie on a streak';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_injected IS 'True if a synthetic source was injected into the visit image within the footprint';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_injected_center IS 'True if a synthetic source was injected into the visit image at the central pixels';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_injected_template IS 'True if a synthetic source was injected into the template within the footprint';

COMMENT ON COLUMN apdb_base.dia_source.pixel_flags_injected_template_center IS 'True if a synthetic source was injected into the template at the central pixels';

COMMENT ON COLUMN apdb_base.dia_source.glint_trail IS 'True if the source is one of several glints in a line, as a tumbling satellite leaves them';

COMMENT ON COLUMN apdb_base.dia_source.store_seq IS 'Place in the order of knowledge of the visit or correction that made this row';

CREATE TABLE apdb_base.dia_source_locator (
    dia_source_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    CONSTRAINT dia_source_locator_pkey PRIMARY KEY (dia_source_id)
);

COMMENT ON TABLE apdb_base.dia_source_locator IS 'Where each source is: enforces that identifiers are unique and names the partition for look-ups by identifier';

COMMENT ON COLUMN apdb_base.dia_source_locator.dia_source_id IS 'Identifier of the detection, unique over all visits';

COMMENT ON COLUMN apdb_base.dia_source_locator.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI, which names the partition that holds the source [d]';

COMMENT ON COLUMN apdb_base.dia_source_locator.visit IS 'Visit that the source belongs to';

COMMENT ON COLUMN apdb_base.dia_source_locator.detector IS 'Detector that the source belongs to';

CREATE TABLE apdb_base.dia_source_superseded (
    dia_source_id BIGINT NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    dia_object_id BIGINT,
    ss_object_id BIGINT,
    parent_dia_source_id BIGINT,
    ss_object_reassoc_time_mjd_tai DOUBLE PRECISION,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    exposure_time REAL,
    ra DOUBLE PRECISION NOT NULL,
    ra_err REAL,
    dec DOUBLE PRECISION NOT NULL,
    dec_err REAL,
    ra_dec_cov REAL,
    x REAL DEFAULT 'NaN'::real NOT NULL,
    x_err REAL,
    y REAL DEFAULT 'NaN'::real NOT NULL,
    y_err REAL,
    centroid_flag BOOLEAN,
    ap_flux REAL,
    ap_flux_err REAL,
    ap_flux_flag BOOLEAN,
    ap_flux_flag_aperture_truncated BOOLEAN,
    is_negative BOOLEAN,
    snr REAL,
    psf_flux REAL,
    psf_flux_err REAL,
    psf_ln_l REAL,
    psf_chi2 REAL,
    psf_ndata INTEGER DEFAULT 0 NOT NULL,
    psf_flux_flag BOOLEAN,
    psf_flux_flag_edge BOOLEAN,
    psf_flux_flag_no_good_pixels BOOLEAN,
    trail_flux REAL,
    trail_flux_err REAL,
    trail_ra DOUBLE PRECISION,
    trail_ra_err REAL,
    trail_dec DOUBLE PRECISION,
    trail_dec_err REAL,
    trail_length REAL,
    trail_length_err REAL,
    trail_angle REAL,
    trail_angle_err REAL,
    trail_chi2 REAL,
    trail_ndata INTEGER DEFAULT 0 NOT NULL,
    trail_algorithm INTEGER,
    trail_flag_edge BOOLEAN,
    trail_flag BOOLEAN,
    dipole_mean_flux REAL,
    dipole_mean_flux_err REAL,
    dipole_flux_diff REAL,
    dipole_flux_diff_err REAL,
    dipole_length REAL,
    dipole_angle REAL,
    dipole_chi2 REAL,
    dipole_ndata INTEGER DEFAULT 0 NOT NULL,
    science_flux REAL,
    science_flux_err REAL,
    forced_psf_flux_flag BOOLEAN,
    forced_psf_flux_flag_edge BOOLEAN,
    forced_psf_flux_flag_no_good_pixels BOOLEAN,
    template_flux REAL,
    template_flux_err REAL,
    ixx REAL,
    iyy REAL,
    ixy REAL,
    ixx_psf REAL,
    iyy_psf REAL,
    ixy_psf REAL,
    shape_flag BOOLEAN,
    shape_flag_no_pixels BOOLEAN,
    shape_flag_not_contained BOOLEAN,
    shape_flag_parent_source BOOLEAN,
    extendedness REAL,
    reliability REAL,
    reliability_version TEXT,
    band TEXT NOT NULL,
    is_dipole BOOLEAN,
    dipole_fit_attempted BOOLEAN,
    time_processed_mjd_tai DOUBLE PRECISION NOT NULL,
    time_withdrawn_mjd_tai DOUBLE PRECISION,
    bbox_size INTEGER DEFAULT 0 NOT NULL,
    pixel_flags BOOLEAN,
    pixel_flags_bad BOOLEAN,
    pixel_flags_cr BOOLEAN,
    pixel_flags_cr_center BOOLEAN,
    pixel_flags_edge BOOLEAN,
    pixel_flags_nodata BOOLEAN,
    pixel_flags_nodata_center BOOLEAN,
    pixel_flags_interpolated BOOLEAN,
    pixel_flags_interpolated_center BOOLEAN,
    pixel_flags_offimage BOOLEAN,
    pixel_flags_saturated BOOLEAN,
    pixel_flags_saturated_center BOOLEAN,
    pixel_flags_suspect BOOLEAN,
    pixel_flags_suspect_center BOOLEAN,
    pixel_flags_streak BOOLEAN,
    pixel_flags_streak_center BOOLEAN,
    pixel_flags_injected BOOLEAN,
    pixel_flags_injected_center BOOLEAN,
    pixel_flags_injected_template BOOLEAN,
    pixel_flags_injected_template_center BOOLEAN,
    glint_trail BOOLEAN,
    store_seq BIGINT NOT NULL,
    superseded_store_seq BIGINT NOT NULL,
    CONSTRAINT dia_source_superseded_pkey PRIMARY KEY (dia_source_id, superseded_store_seq),
    CONSTRAINT dia_source_superseded_store_seq CHECK (superseded_store_seq > store_seq)
);

CREATE INDEX dia_source_superseded_visit_idx ON apdb_base.dia_source_superseded (visit, detector);

COMMENT ON TABLE apdb_base.dia_source_superseded IS 'Detections of visits that were replaced, as they were before';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dia_source_id IS 'Identifier of the detection, unique over all visits';

COMMENT ON COLUMN apdb_base.dia_source_superseded.visit IS 'Number of the visit in which the source was detected';

COMMENT ON COLUMN apdb_base.dia_source_superseded.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dia_object_id IS 'DIAObject that the source belongs to; null if it has none';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ss_object_id IS 'Known solar-system object that the source was attributed to; null if none';

COMMENT ON COLUMN apdb_base.dia_source_superseded.parent_dia_source_id IS 'Source that this one was deblended from; null if it was not blended';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ss_object_reassoc_time_mjd_tai IS 'Time at which the source was moved from a DIAObject to a solar-system object, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.exposure_time IS 'Length of time the shutter was open in this visit [s]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ra IS 'Right ascension of the centroid, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dec IS 'Declination of the centroid, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ra_dec_cov IS 'Covariance of ra (with the factor cos(dec)) and dec [deg**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.x IS 'Column coordinate of the centroid on the detector; NaN if it was not given [pixel]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.x_err IS 'One-sigma error of x [pixel]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.y IS 'Row coordinate of the centroid on the detector; NaN if it was not given [pixel]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.y_err IS 'One-sigma error of y [pixel]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.centroid_flag IS 'True if the centroid could not be measured reliably';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ap_flux IS 'Flux within a circular aperture on the difference image [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ap_flux_err IS 'One-sigma error of apFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ap_flux_flag IS 'True if the aperture flux could not be measured reliably';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ap_flux_flag_aperture_truncated IS 'True if part of the aperture lies outside the image';

COMMENT ON COLUMN apdb_base.dia_source_superseded.is_negative IS 'True if the source was found as a deficit, that is, fainter than in the template';

COMMENT ON COLUMN apdb_base.dia_source_superseded.snr IS 'Ratio of signal to noise at which the source was detected';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_flux IS 'Point-source flux on the difference image, from a fit of the PSF [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_flux_err IS 'One-sigma error of psfFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_ln_l IS 'Natural logarithm of the likelihood of the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_chi2 IS 'Chi-square of the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_ndata IS 'Number of pixels in the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_flux_flag IS 'True if the point-source fit failed';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_flux_flag_edge IS 'True if the source was too close to the edge of the image for a full PSF';

COMMENT ON COLUMN apdb_base.dia_source_superseded.psf_flux_flag_no_good_pixels IS 'True if no usable pixel was left for the point-source fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_flux IS 'Flux on the difference image, from a fit of a trailed point source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_flux_err IS 'One-sigma error of trailFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_ra IS 'Right ascension of the middle of the fitted trail, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_ra_err IS 'One-sigma error of trailRa, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_dec IS 'Declination of the middle of the fitted trail, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_dec_err IS 'One-sigma error of trailDec [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_length IS 'Length of the fitted trail [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_length_err IS 'One-sigma error of trailLength [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_angle IS 'Position angle of the fitted trail [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_angle_err IS 'One-sigma error of trailAngle [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_chi2 IS 'Chi-square of the trail fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_ndata IS 'Number of pixels in the trail fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_algorithm IS 'Code of the method that fitted the trail';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_flag_edge IS 'True if the trail reaches pixels at the edge of the image';

COMMENT ON COLUMN apdb_base.dia_source_superseded.trail_flag IS 'True if the trail fit failed';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_mean_flux IS 'Mean of the absolute fluxes of the two lobes in the dipole fit [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_mean_flux_err IS 'One-sigma error of dipoleMeanFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_flux_diff IS 'Difference of the fluxes of the positive and the negative lobe in the dipole fit [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_flux_diff_err IS 'One-sigma error of dipoleFluxDiff [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_length IS 'Distance between the two lobes of the fitted dipole [arcsec]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_angle IS 'Position angle of the line from the negative to the positive lobe [deg]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_chi2 IS 'Chi-square of the dipole fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_ndata IS 'Number of pixels in the dipole fit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.science_flux IS 'Point-source flux on the direct image, forced at the position of the source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.science_flux_err IS 'One-sigma error of scienceFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.forced_psf_flux_flag IS 'True if the forced flux on the direct image could not be measured';

COMMENT ON COLUMN apdb_base.dia_source_superseded.forced_psf_flux_flag_edge IS 'True if the forced measurement was too close to the edge of the direct image';

COMMENT ON COLUMN apdb_base.dia_source_superseded.forced_psf_flux_flag_no_good_pixels IS 'True if the forced measurement had no usable pixel';

COMMENT ON COLUMN apdb_base.dia_source_superseded.template_flux IS 'Point-source flux on the template image, forced at the position of the source [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.template_flux_err IS 'One-sigma error of templateFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ixx IS 'Adaptive second moment of the source along x [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.iyy IS 'Adaptive second moment of the source along y [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ixy IS 'Adaptive mixed second moment of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ixx_psf IS 'Adaptive second moment along x of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.iyy_psf IS 'Adaptive second moment along y of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.ixy_psf IS 'Adaptive mixed second moment of the PSF at the position of the source [arcsec**2]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.shape_flag IS 'True if the moments of the source could not be measured';

COMMENT ON COLUMN apdb_base.dia_source_superseded.shape_flag_no_pixels IS 'True if there were no pixels to measure the moments on';

COMMENT ON COLUMN apdb_base.dia_source_superseded.shape_flag_not_contained IS 'True if the centre of the moments left the footprint of the source';

COMMENT ON COLUMN apdb_base.dia_source_superseded.shape_flag_parent_source IS 'True if the source is a blend whose moments were not measured for itself';

COMMENT ON COLUMN apdb_base.dia_source_superseded.extendedness IS 'How extended the source looks, from 0 (point source) to 1 (extended)';

COMMENT ON COLUMN apdb_base.dia_source_superseded.reliability IS 'Probability given by the classifier that the source is real and not an artefact, 0 to 1';

COMMENT ON COLUMN apdb_base.dia_source_superseded.reliability_version IS 'Version of the classifier that gave reliability';

COMMENT ON COLUMN apdb_base.dia_source_superseded.band IS 'Survey band of the visit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.is_dipole IS 'True if the dipole model describes the source well';

COMMENT ON COLUMN apdb_base.dia_source_superseded.dipole_fit_attempted IS 'True if a dipole was fitted to the source';

COMMENT ON COLUMN apdb_base.dia_source_superseded.time_processed_mjd_tai IS 'Time at which the measurement was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.time_withdrawn_mjd_tai IS 'Time at which the measurement was declared invalid, MJD TAI; null while it is valid [d]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.bbox_size IS 'Side of the square that holds the footprint of the source [pixel]';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags IS 'True if any of the pixel flags could not be determined';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_bad IS 'True if a pixel of the footprint is marked bad in the detector''s defect map';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_cr IS 'True if the footprint holds a cosmic-ray hit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_cr_center IS 'True if the central pixels hold a cosmic-ray hit';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_edge IS 'True if the footprint reaches the unusable edge of the image';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_nodata IS 'True if a pixel of the footprint has no data';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_nodata_center IS 'True if a central pixel has no data';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_interpolated IS 'True if a pixel of the footprint was filled by interpolation';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_interpolated_center IS 'True if a central pixel was filled by interpolation';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_offimage IS 'True if the centroid lies outside the image';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_saturated IS 'True if a pixel of the footprint is saturated';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_saturated_center IS 'True if a central pixel is saturated';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_suspect IS 'True if a pixel of the footprint is near saturation or otherwise doubtful';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_suspect_center IS 'True if a central pixel is near saturation or otherwise doubtful';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_streak IS 'True if the footprint lies on a streak, such as the trail of a satellite';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_streak_center IS 'True if the central pixels lie on a streak';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_injected IS 'True if a synthetic source was injected into the visit image within the footprint';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_injected_center IS 'True if a synthetic source was injected into the visit image at the central pixels';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_injected_template IS 'True if a synthetic source was injected into the template within the footprint';

COMMENT ON COLUMN apdb_base.dia_source_superseded.pixel_flags_injected_template_center IS 'True if a synthetic source was injected into the template at the central pixels';

COMMENT ON COLUMN apdb_base.dia_source_superseded.glint_trail IS 'True if the source is one of several glints in a line, as a tumbling satellite leaves them';

COMMENT ON COLUMN apdb_base.dia_source_superseded.store_seq IS 'Place in the order of knowledge of the visit or correction that made this row';

COMMENT ON COLUMN apdb_base.dia_source_superseded.superseded_store_seq IS 'Correction that took this row out, by its place in the order of knowledge';

CREATE TABLE apdb_base.ephemeris (
    ss_object_id BIGINT NOT NULL,
    mjd_tai DOUBLE PRECISION NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    ra_rate REAL NOT NULL,
    dec_rate REAL NOT NULL,
    ra_err REAL,
    dec_err REAL,
    vmag REAL,
    designation TEXT,
    CONSTRAINT ephemeris_pkey PRIMARY KEY (ss_object_id, mjd_tai),
    CONSTRAINT ephemeris_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT ephemeris_no_nan CHECK (greatest(ra_rate, dec_rate, ra_err, dec_err, vmag) <> 'NaN' and greatest(mjd_tai, ra, dec) <> 'NaN'),
    CONSTRAINT ephemeris_errors CHECK (least(ra_err, dec_err) >= 0 and greatest(ra_err, dec_err) < 'infinity')
);

CREATE INDEX ephemeris_mjd_idx ON apdb_base.ephemeris (mjd_tai);

CREATE INDEX ephemeris_q3c_idx ON apdb_base.ephemeris (q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.ephemeris IS 'Predicted positions of solar-system objects';

COMMENT ON COLUMN apdb_base.ephemeris.ss_object_id IS 'Solar-system object that is predicted';

COMMENT ON COLUMN apdb_base.ephemeris.mjd_tai IS 'Time of the prediction, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ephemeris.ra IS 'Predicted right ascension, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris.dec IS 'Predicted declination, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris.ra_rate IS 'Predicted rate of motion in right ascension, with the factor cos(dec) included [deg/d]';

COMMENT ON COLUMN apdb_base.ephemeris.dec_rate IS 'Predicted rate of motion in declination [deg/d]';

COMMENT ON COLUMN apdb_base.ephemeris.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.ephemeris.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.ephemeris.vmag IS 'Predicted magnitude in the V band [mag]';

COMMENT ON COLUMN apdb_base.ephemeris.designation IS 'Designation of the object';

CREATE TABLE apdb_base.expected_visit (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    band TEXT,
    midpoint_mjd_tai DOUBLE PRECISION,
    ra DOUBLE PRECISION,
    dec DOUBLE PRECISION,
    night DATE,
    expected_at_mjd_tai DOUBLE PRECISION,
    failed_at_mjd_tai DOUBLE PRECISION,
    failed_stage TEXT,
    failed_reason TEXT,
    n_failures INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT expected_visit_pkey PRIMARY KEY (visit, detector),
    CONSTRAINT expected_visit_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT expected_visit_failures CHECK (n_failures >= 0)
);

CREATE INDEX expected_visit_night_idx ON apdb_base.expected_visit (night);

COMMENT ON TABLE apdb_base.expected_visit IS 'Visits that should come, and what is known about those that failed';

COMMENT ON COLUMN apdb_base.expected_visit.visit IS 'Number of the visit that should come';

COMMENT ON COLUMN apdb_base.expected_visit.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.expected_visit.band IS 'Survey band of the planned visit';

COMMENT ON COLUMN apdb_base.expected_visit.midpoint_mjd_tai IS 'Planned middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.expected_visit.ra IS 'Right ascension of the planned pointing, ICRS [deg]';

COMMENT ON COLUMN apdb_base.expected_visit.dec IS 'Declination of the planned pointing, ICRS [deg]';

COMMENT ON COLUMN apdb_base.expected_visit.night IS 'Observing night of the planned visit';

COMMENT ON COLUMN apdb_base.expected_visit.expected_at_mjd_tai IS 'When the visit was announced, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.expected_visit.failed_at_mjd_tai IS 'When the visit was last reported as failed, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.expected_visit.failed_stage IS 'Stage of processing that failed last';

COMMENT ON COLUMN apdb_base.expected_visit.failed_reason IS 'Why that stage failed';

COMMENT ON COLUMN apdb_base.expected_visit.n_failures IS 'Number of failures reported for the visit';

CREATE TABLE apdb_base.leap_second (
    mjd_utc DOUBLE PRECISION NOT NULL,
    tai_minus_utc DOUBLE PRECISION NOT NULL,
    CONSTRAINT leap_second_pkey PRIMARY KEY (mjd_utc)
);

COMMENT ON TABLE apdb_base.leap_second IS 'Differences between TAI and UTC and when they began';

COMMENT ON COLUMN apdb_base.leap_second.mjd_utc IS 'First UTC day on which the difference holds, MJD [d]';

COMMENT ON COLUMN apdb_base.leap_second.tai_minus_utc IS 'TAI minus UTC from that day on [s]';

CREATE TABLE apdb_base.metadata (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT metadata_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE apdb_base.metadata IS 'Facts about this database as keys and values';

COMMENT ON COLUMN apdb_base.metadata.name IS 'Key of the fact about this database, for instance the version of the schema or a configured default';

COMMENT ON COLUMN apdb_base.metadata.value IS 'Value that belongs to the key, written as text';

CREATE TABLE apdb_base.metrics (
    metric_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    name TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    unit TEXT,
    visit BIGINT,
    detector SMALLINT,
    night DATE,
    mjd_tai DOUBLE PRECISION NOT NULL,
    tags JSONB,
    CONSTRAINT metrics_pkey PRIMARY KEY (metric_id),
    CONSTRAINT metrics_no_nan CHECK (value <> 'NaN')
);

CREATE INDEX metrics_name_idx ON apdb_base.metrics (name, mjd_tai);

CREATE INDEX metrics_visit_idx ON apdb_base.metrics (visit, detector) WHERE visit is not null;

COMMENT ON TABLE apdb_base.metrics IS 'Measurements of the system itself: durations, counts, sizes';

COMMENT ON COLUMN apdb_base.metrics.metric_id IS 'Number of the measurement';

COMMENT ON COLUMN apdb_base.metrics.name IS 'What was measured, for instance a step of storing a visit';

COMMENT ON COLUMN apdb_base.metrics.value IS 'Value of the measurement, in the unit given beside it';

COMMENT ON COLUMN apdb_base.metrics.unit IS 'Unit of the value, in the astropy notation; null if it has none';

COMMENT ON COLUMN apdb_base.metrics.visit IS 'Visit that the measurement belongs to; null if it belongs to none';

COMMENT ON COLUMN apdb_base.metrics.detector IS 'Detector that the measurement belongs to; null if it belongs to none';

COMMENT ON COLUMN apdb_base.metrics.night IS 'Observing night that the measurement belongs to';

COMMENT ON COLUMN apdb_base.metrics.mjd_tai IS 'When the measurement was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.metrics.tags IS 'Further circumstances of the measurement, as names and values';

CREATE TABLE apdb_base.mpc_orbits (
    id INTEGER NOT NULL,
    designation TEXT NOT NULL,
    packed_primary_provisional_designation TEXT NOT NULL,
    unpacked_primary_provisional_designation TEXT NOT NULL,
    mpc_orb_jsonb TEXT,
    created_at TIMESTAMP WITHOUT TIME ZONE,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    orbit_type_int INTEGER,
    u_param INTEGER,
    nopp INTEGER,
    arc_length_total DOUBLE PRECISION,
    arc_length_sel DOUBLE PRECISION,
    nobs_total INTEGER,
    nobs_total_sel INTEGER,
    a DOUBLE PRECISION,
    q DOUBLE PRECISION,
    e DOUBLE PRECISION,
    i DOUBLE PRECISION,
    node DOUBLE PRECISION,
    argperi DOUBLE PRECISION,
    peri_time DOUBLE PRECISION,
    yarkovsky DOUBLE PRECISION,
    srp DOUBLE PRECISION,
    a1 DOUBLE PRECISION,
    a2 DOUBLE PRECISION,
    a3 DOUBLE PRECISION,
    dt DOUBLE PRECISION,
    mean_anomaly DOUBLE PRECISION,
    period DOUBLE PRECISION,
    mean_motion DOUBLE PRECISION,
    a_unc DOUBLE PRECISION,
    q_unc DOUBLE PRECISION,
    e_unc DOUBLE PRECISION,
    i_unc DOUBLE PRECISION,
    node_unc DOUBLE PRECISION,
    argperi_unc DOUBLE PRECISION,
    peri_time_unc DOUBLE PRECISION,
    yarkovsky_unc DOUBLE PRECISION,
    srp_unc DOUBLE PRECISION,
    a1_unc DOUBLE PRECISION,
    a2_unc DOUBLE PRECISION,
    a3_unc DOUBLE PRECISION,
    dt_unc DOUBLE PRECISION,
    mean_anomaly_unc DOUBLE PRECISION,
    period_unc DOUBLE PRECISION,
    mean_motion_unc DOUBLE PRECISION,
    epoch_mjd DOUBLE PRECISION,
    h DOUBLE PRECISION,
    g DOUBLE PRECISION,
    not_normalized_rms DOUBLE PRECISION,
    normalized_rms DOUBLE PRECISION,
    earth_moid DOUBLE PRECISION,
    fitting_datetime TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT mpc_orbits_pkey PRIMARY KEY (id)
);

CREATE INDEX mpc_orbits_designation_idx ON apdb_base.mpc_orbits (designation);

CREATE INDEX mpc_orbits_provisional_idx ON apdb_base.mpc_orbits (unpacked_primary_provisional_designation);

COMMENT ON TABLE apdb_base.mpc_orbits IS 'Orbits as the Minor Planet Center publishes them';

COMMENT ON COLUMN apdb_base.mpc_orbits.id IS 'Number of the row in the table of the Minor Planet Center';

COMMENT ON COLUMN apdb_base.mpc_orbits.designation IS 'Designation of the object that the orbit is for';

COMMENT ON COLUMN apdb_base.mpc_orbits.packed_primary_provisional_designation IS 'Primary provisional designation in packed form';

COMMENT ON COLUMN apdb_base.mpc_orbits.unpacked_primary_provisional_designation IS 'Primary provisional designation in plain form';

COMMENT ON COLUMN apdb_base.mpc_orbits.mpc_orb_jsonb IS 'Complete orbit record of the Minor Planet Center, as JSON text';

COMMENT ON COLUMN apdb_base.mpc_orbits.created_at IS 'Time at which the Minor Planet Center made the row, UTC';

COMMENT ON COLUMN apdb_base.mpc_orbits.updated_at IS 'Time at which the Minor Planet Center last changed the row, UTC';

COMMENT ON COLUMN apdb_base.mpc_orbits.orbit_type_int IS 'Code of the dynamical class of the orbit, as the Minor Planet Center numbers them';

COMMENT ON COLUMN apdb_base.mpc_orbits.u_param IS 'Uncertainty parameter U of the orbit, 0 (well known) to 9';

COMMENT ON COLUMN apdb_base.mpc_orbits.nopp IS 'Number of oppositions at which the object was observed';

COMMENT ON COLUMN apdb_base.mpc_orbits.arc_length_total IS 'Time between the first and the last observation of all [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.arc_length_sel IS 'Time between the first and the last observation used in the fit [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.nobs_total IS 'Number of all observations of the object';

COMMENT ON COLUMN apdb_base.mpc_orbits.nobs_total_sel IS 'Number of observations used in the fit';

COMMENT ON COLUMN apdb_base.mpc_orbits.a IS 'Semi-major axis of the orbit [AU]';

COMMENT ON COLUMN apdb_base.mpc_orbits.q IS 'Perihelion distance of the orbit [AU]';

COMMENT ON COLUMN apdb_base.mpc_orbits.e IS 'Eccentricity of the orbit';

COMMENT ON COLUMN apdb_base.mpc_orbits.i IS 'Inclination of the orbit to the ecliptic [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.node IS 'Longitude of the ascending node [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.argperi IS 'Argument of perihelion [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.peri_time IS 'Time of perihelion passage, MJD [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.yarkovsky IS 'Yarkovsky drift of the semi-major axis [1e-10.au.d-2]';

COMMENT ON COLUMN apdb_base.mpc_orbits.srp IS 'Area-to-mass ratio that describes the solar radiation pressure [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a1 IS 'Radial non-gravitational coefficient A1 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a2 IS 'Transverse non-gravitational coefficient A2 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a3 IS 'Normal non-gravitational coefficient A3 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.dt IS 'Delay of the non-gravitational force with respect to perihelion';

COMMENT ON COLUMN apdb_base.mpc_orbits.mean_anomaly IS 'Mean anomaly at the epoch [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.period IS 'Orbital period [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.mean_motion IS 'Mean daily motion [deg.d-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a_unc IS 'One-sigma error: semi-major axis of the orbit [AU]';

COMMENT ON COLUMN apdb_base.mpc_orbits.q_unc IS 'One-sigma error: perihelion distance of the orbit [AU]';

COMMENT ON COLUMN apdb_base.mpc_orbits.e_unc IS 'One-sigma error: eccentricity of the orbit';

COMMENT ON COLUMN apdb_base.mpc_orbits.i_unc IS 'One-sigma error: inclination of the orbit to the ecliptic [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.node_unc IS 'One-sigma error: longitude of the ascending node [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.argperi_unc IS 'One-sigma error: argument of perihelion [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.peri_time_unc IS 'One-sigma error: time of perihelion passage, MJD [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.yarkovsky_unc IS 'One-sigma error: yarkovsky drift of the semi-major axis [1e-10.au.d-2]';

COMMENT ON COLUMN apdb_base.mpc_orbits.srp_unc IS 'One-sigma error: area-to-mass ratio that describes the solar radiation pressure [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a1_unc IS 'One-sigma error: radial non-gravitational coefficient A1 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a2_unc IS 'One-sigma error: transverse non-gravitational coefficient A2 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.a3_unc IS 'One-sigma error: normal non-gravitational coefficient A3 [m2.t-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.dt_unc IS 'One-sigma error: delay of the non-gravitational force with respect to perihelion';

COMMENT ON COLUMN apdb_base.mpc_orbits.mean_anomaly_unc IS 'One-sigma error: mean anomaly at the epoch [deg]';

COMMENT ON COLUMN apdb_base.mpc_orbits.period_unc IS 'One-sigma error: orbital period [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.mean_motion_unc IS 'One-sigma error: mean daily motion [deg.d-1]';

COMMENT ON COLUMN apdb_base.mpc_orbits.epoch_mjd IS 'Epoch of the orbital elements, MJD TT [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits.h IS 'Absolute magnitude H [mag]';

COMMENT ON COLUMN apdb_base.mpc_orbits.g IS 'Slope parameter G of the phase function';

COMMENT ON COLUMN apdb_base.mpc_orbits.not_normalized_rms IS 'Root mean square of the residuals of the fit on the sky [arcsec]';

COMMENT ON COLUMN apdb_base.mpc_orbits.normalized_rms IS 'Root mean square of the residuals of the fit, each divided by its error';

COMMENT ON COLUMN apdb_base.mpc_orbits.earth_moid IS 'Smallest distance between the orbits of the object and the Earth [AU]';

COMMENT ON COLUMN apdb_base.mpc_orbits.fitting_datetime IS 'Time at which the orbit was fitted, UTC';

CREATE TABLE apdb_base.numbered_identifications (
    id INTEGER NOT NULL,
    packed_primary_provisional_designation TEXT NOT NULL,
    unpacked_primary_provisional_designation TEXT NOT NULL,
    permid TEXT NOT NULL,
    iau_designation TEXT,
    iau_name TEXT,
    numbered_publication_references TEXT,
    named_publication_references TEXT,
    naming_credit TEXT,
    created_at TIMESTAMP WITHOUT TIME ZONE,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT numbered_identifications_pkey PRIMARY KEY (id)
);

CREATE INDEX numbered_identifications_permid_idx ON apdb_base.numbered_identifications (permid);

CREATE INDEX numbered_identifications_primary_idx ON apdb_base.numbered_identifications (unpacked_primary_provisional_designation);

COMMENT ON TABLE apdb_base.numbered_identifications IS 'Numbered and named objects of the Minor Planet Center';

COMMENT ON COLUMN apdb_base.numbered_identifications.id IS 'Number of the row in the table of the Minor Planet Center';

COMMENT ON COLUMN apdb_base.numbered_identifications.packed_primary_provisional_designation IS 'Primary provisional designation in packed form';

COMMENT ON COLUMN apdb_base.numbered_identifications.unpacked_primary_provisional_designation IS 'Primary provisional designation in plain form';

COMMENT ON COLUMN apdb_base.numbered_identifications.permid IS 'Permanent number of the object';

COMMENT ON COLUMN apdb_base.numbered_identifications.iau_designation IS 'Designation given by the International Astronomical Union';

COMMENT ON COLUMN apdb_base.numbered_identifications.iau_name IS 'Name given by the International Astronomical Union';

COMMENT ON COLUMN apdb_base.numbered_identifications.numbered_publication_references IS 'Where the numbering was published';

COMMENT ON COLUMN apdb_base.numbered_identifications.named_publication_references IS 'Where the name was published';

COMMENT ON COLUMN apdb_base.numbered_identifications.naming_credit IS 'Who proposed the name';

COMMENT ON COLUMN apdb_base.numbered_identifications.created_at IS 'Time at which the Minor Planet Center made the row, UTC';

COMMENT ON COLUMN apdb_base.numbered_identifications.updated_at IS 'Time at which the Minor Planet Center last changed the row, UTC';

CREATE TABLE apdb_base.reassignment (
    store_seq BIGINT NOT NULL,
    dia_source_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    old_dia_object_id BIGINT,
    new_dia_object_id BIGINT,
    old_ss_object_id BIGINT,
    new_ss_object_id BIGINT,
    withdrawn BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT reassignment_pkey PRIMARY KEY (store_seq, dia_source_id)
);

CREATE INDEX reassignment_dia_source_idx ON apdb_base.reassignment (dia_source_id);

COMMENT ON TABLE apdb_base.reassignment IS 'Sources that corrections moved: from which object to which';

COMMENT ON COLUMN apdb_base.reassignment.store_seq IS 'Correction that moved the source';

COMMENT ON COLUMN apdb_base.reassignment.dia_source_id IS 'Source that was moved';

COMMENT ON COLUMN apdb_base.reassignment.midpoint_mjd_tai IS 'Middle of the exposure of the source, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.reassignment.old_dia_object_id IS 'DIAObject before the correction; null if none';

COMMENT ON COLUMN apdb_base.reassignment.new_dia_object_id IS 'DIAObject after the correction; null if none';

COMMENT ON COLUMN apdb_base.reassignment.old_ss_object_id IS 'Solar-system object before the correction; null if none';

COMMENT ON COLUMN apdb_base.reassignment.new_ss_object_id IS 'Solar-system object after the correction; null if none';

COMMENT ON COLUMN apdb_base.reassignment.withdrawn IS 'True if the correction withdrew the source';

CREATE TABLE apdb_base.reference_object (
    catalogue TEXT NOT NULL,
    reference_object_id BIGINT NOT NULL,
    release TEXT,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    ra_err REAL,
    dec_err REAL,
    epoch_mjd_tai DOUBLE PRECISION,
    pm_ra REAL,
    pm_dec REAL,
    pm_ra_err REAL,
    pm_dec_err REAL,
    parallax REAL,
    parallax_err REAL,
    flux REAL,
    flux_err REAL,
    band TEXT,
    extendedness REAL,
    ixx REAL,
    iyy REAL,
    ixy REAL,
    effective_radius REAL,
    CONSTRAINT reference_object_pkey PRIMARY KEY (catalogue, reference_object_id),
    CONSTRAINT reference_object_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT reference_object_no_nan CHECK (greatest(ra_err, dec_err, pm_ra, pm_dec, pm_ra_err, pm_dec_err, parallax, parallax_err, flux, flux_err, extendedness, ixx, iyy, ixy, effective_radius) <> 'NaN' and greatest(ra, dec, epoch_mjd_tai) <> 'NaN'),
    CONSTRAINT reference_object_errors CHECK (least(ra_err, dec_err, pm_ra_err, pm_dec_err, parallax_err, flux_err) >= 0 and greatest(ra_err, dec_err, pm_ra_err, pm_dec_err, parallax_err, flux_err) < 'infinity')
);

CREATE INDEX reference_object_q3c_idx ON apdb_base.reference_object (q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.reference_object IS 'Stars and galaxies of reference catalogues';

COMMENT ON COLUMN apdb_base.reference_object.catalogue IS 'Short name of the catalogue that the object comes from';

COMMENT ON COLUMN apdb_base.reference_object.reference_object_id IS 'Identifier of the object within that catalogue';

COMMENT ON COLUMN apdb_base.reference_object.release IS 'Release of the catalogue';

COMMENT ON COLUMN apdb_base.reference_object.ra IS 'Right ascension at the epoch, ICRS [deg]';

COMMENT ON COLUMN apdb_base.reference_object.dec IS 'Declination at the epoch, ICRS [deg]';

COMMENT ON COLUMN apdb_base.reference_object.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.reference_object.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.reference_object.epoch_mjd_tai IS 'Epoch of the position, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.reference_object.pm_ra IS 'Proper motion in right ascension, with the factor cos(dec) included [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_dec IS 'Proper motion in declination [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_ra_err IS 'One-sigma error of pm_ra [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_dec_err IS 'One-sigma error of pm_dec [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.parallax IS 'Annual parallax [mas]';

COMMENT ON COLUMN apdb_base.reference_object.parallax_err IS 'One-sigma error of parallax [mas]';

COMMENT ON COLUMN apdb_base.reference_object.flux IS 'Flux in the band given beside it [nJy]';

COMMENT ON COLUMN apdb_base.reference_object.flux_err IS 'One-sigma error of flux [nJy]';

COMMENT ON COLUMN apdb_base.reference_object.band IS 'Survey band of the flux';

COMMENT ON COLUMN apdb_base.reference_object.extendedness IS 'How extended the object looks, from 0 (star) to 1 (galaxy)';

COMMENT ON COLUMN apdb_base.reference_object.ixx IS 'Second moment along right ascension [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.iyy IS 'Second moment along declination [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.ixy IS 'Mixed second moment [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.effective_radius IS 'Radius that holds half of the flux [arcsec]';

CREATE TABLE apdb_base.routine_ledger (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    live_sha256 TEXT NOT NULL,
    installed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT routine_ledger_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE apdb_base.routine_ledger IS 'Routines installed, with checksums of their files and of what the server made of them';

COMMENT ON COLUMN apdb_base.routine_ledger.name IS 'Signature of the routine, with its schema';

COMMENT ON COLUMN apdb_base.routine_ledger.kind IS 'Kind of routine, such as function, procedure or aggregate';

COMMENT ON COLUMN apdb_base.routine_ledger.file IS 'File that the routine comes from';

COMMENT ON COLUMN apdb_base.routine_ledger.sha256 IS 'SHA-256 of that file when it was installed';

COMMENT ON COLUMN apdb_base.routine_ledger.live_sha256 IS 'SHA-256 of the definition that the server had right after the installation';

COMMENT ON COLUMN apdb_base.routine_ledger.installed_at IS 'When the routine was installed';

CREATE TABLE apdb_base.ss_object (
    ss_object_id BIGINT NOT NULL,
    designation TEXT,
    n_obs INTEGER NOT NULL,
    arc REAL NOT NULL,
    first_observation_mjd_tai DOUBLE PRECISION,
    moid_earth REAL,
    moid_earth_delta_v REAL,
    moid_earth_ecliptic_longitude REAL,
    moid_earth_true_anomaly REAL,
    moid_earth_true_anomaly_object REAL,
    tisserand_j REAL,
    extendedness_max REAL,
    extendedness_median REAL,
    extendedness_min REAL,
    u_n_obs INTEGER NOT NULL,
    u_h REAL,
    u_h_err REAL,
    u_g12 REAL,
    u_g12_err REAL,
    u_h_u_g12_cov REAL,
    u_n_obs_used INTEGER NOT NULL,
    u_chi2 REAL,
    u_phase_angle_min REAL,
    u_phase_angle_max REAL,
    u_slope_fit_failed BOOLEAN,
    g_n_obs INTEGER NOT NULL,
    g_h REAL,
    g_h_err REAL,
    g_g12 REAL,
    g_g12_err REAL,
    g_h_g_g12_cov REAL,
    g_n_obs_used INTEGER NOT NULL,
    g_chi2 REAL,
    g_phase_angle_min REAL,
    g_phase_angle_max REAL,
    g_slope_fit_failed BOOLEAN,
    r_n_obs INTEGER NOT NULL,
    r_h REAL,
    r_h_err REAL,
    r_g12 REAL,
    r_g12_err REAL,
    r_h_r_g12_cov REAL,
    r_n_obs_used INTEGER NOT NULL,
    r_chi2 REAL,
    r_phase_angle_min REAL,
    r_phase_angle_max REAL,
    r_slope_fit_failed BOOLEAN,
    i_n_obs INTEGER NOT NULL,
    i_h REAL,
    i_h_err REAL,
    i_g12 REAL,
    i_g12_err REAL,
    i_h_i_g12_cov REAL,
    i_n_obs_used INTEGER NOT NULL,
    i_chi2 REAL,
    i_phase_angle_min REAL,
    i_phase_angle_max REAL,
    i_slope_fit_failed BOOLEAN,
    z_n_obs INTEGER NOT NULL,
    z_h REAL,
    z_h_err REAL,
    z_g12 REAL,
    z_g12_err REAL,
    z_h_z_g12_cov REAL,
    z_n_obs_used INTEGER NOT NULL,
    z_chi2 REAL,
    z_phase_angle_min REAL,
    z_phase_angle_max REAL,
    z_slope_fit_failed BOOLEAN,
    y_n_obs INTEGER NOT NULL,
    y_h REAL,
    y_h_err REAL,
    y_g12 REAL,
    y_g12_err REAL,
    y_h_y_g12_cov REAL,
    y_n_obs_used INTEGER NOT NULL,
    y_chi2 REAL,
    y_phase_angle_min REAL,
    y_phase_angle_max REAL,
    y_slope_fit_failed BOOLEAN,
    CONSTRAINT ss_object_pkey PRIMARY KEY (ss_object_id)
);

CREATE INDEX ss_object_designation_idx ON apdb_base.ss_object (designation);

CREATE INDEX ss_object_moid_earth_idx ON apdb_base.ss_object (moid_earth);

COMMENT ON TABLE apdb_base.ss_object IS 'Known solar-system objects seen by the survey: orbit class, phase functions, counters';

COMMENT ON COLUMN apdb_base.ss_object.ss_object_id IS 'Identifier of the solar-system object, from its packed provisional designation';

COMMENT ON COLUMN apdb_base.ss_object.designation IS 'Provisional or permanent designation of the object';

COMMENT ON COLUMN apdb_base.ss_object.n_obs IS 'Number of survey detections attributed to the object';

COMMENT ON COLUMN apdb_base.ss_object.arc IS 'Time between the first and the last survey detection of the object [d]';

COMMENT ON COLUMN apdb_base.ss_object.first_observation_mjd_tai IS 'Midpoint of the exposure of the first survey detection, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ss_object.moid_earth IS 'Smallest distance between the orbits of the object and the Earth [AU]';

COMMENT ON COLUMN apdb_base.ss_object.moid_earth_delta_v IS 'Relative speed of the object and the Earth at the smallest distance of their orbits [km/s]';

COMMENT ON COLUMN apdb_base.ss_object.moid_earth_ecliptic_longitude IS 'Ecliptic longitude of the place of the smallest distance of the orbits [deg]';

COMMENT ON COLUMN apdb_base.ss_object.moid_earth_true_anomaly IS 'True anomaly of the Earth at the place of the smallest distance of the orbits [deg]';

COMMENT ON COLUMN apdb_base.ss_object.moid_earth_true_anomaly_object IS 'True anomaly of the object at the place of the smallest distance of the orbits [deg]';

COMMENT ON COLUMN apdb_base.ss_object.tisserand_j IS 'Tisserand parameter of the orbit with respect to Jupiter';

COMMENT ON COLUMN apdb_base.ss_object.extendedness_max IS 'Largest extendedness among the object''s sources';

COMMENT ON COLUMN apdb_base.ss_object.extendedness_median IS 'Median extendedness of the object''s sources';

COMMENT ON COLUMN apdb_base.ss_object.extendedness_min IS 'Smallest extendedness among the object''s sources';

COMMENT ON COLUMN apdb_base.ss_object.u_n_obs IS 'Number of u-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.u_h IS 'Absolute magnitude in the u band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.u_h_err IS 'One-sigma error of the u-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.u_g12 IS 'Slope parameter G12 of the phase function in the u band';

COMMENT ON COLUMN apdb_base.ss_object.u_g12_err IS 'One-sigma error of the u-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.u_h_u_g12_cov IS 'Covariance of the u-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.u_n_obs_used IS 'Number of u-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.u_chi2 IS 'Chi-square of the fit of the u-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.u_phase_angle_min IS 'Smallest phase angle at which the object was detected in the u band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.u_phase_angle_max IS 'Largest phase angle at which the object was detected in the u band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.u_slope_fit_failed IS 'True if the slope parameter could not be fitted in the u band and was held fixed';

COMMENT ON COLUMN apdb_base.ss_object.g_n_obs IS 'Number of g-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.g_h IS 'Absolute magnitude in the g band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.g_h_err IS 'One-sigma error of the g-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.g_g12 IS 'Slope parameter G12 of the phase function in the g band';

COMMENT ON COLUMN apdb_base.ss_object.g_g12_err IS 'One-sigma error of the g-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.g_h_g_g12_cov IS 'Covariance of the g-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.g_n_obs_used IS 'Number of g-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.g_chi2 IS 'Chi-square of the fit of the g-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.g_phase_angle_min IS 'Smallest phase angle at which the object was detected in the g band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.g_phase_angle_max IS 'Largest phase angle at which the object was detected in the g band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.g_slope_fit_failed IS 'True if the slope parameter could not be fitted in the g band and was held fixed';

COMMENT ON COLUMN apdb_base.ss_object.r_n_obs IS 'Number of r-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.r_h IS 'Absolute magnitude in the r band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.r_h_err IS 'One-sigma error of the r-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.r_g12 IS 'Slope parameter G12 of the phase function in the r band';

COMMENT ON COLUMN apdb_base.ss_object.r_g12_err IS 'One-sigma error of the r-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.r_h_r_g12_cov IS 'Covariance of the r-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.r_n_obs_used IS 'Number of r-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.r_chi2 IS 'Chi-square of the fit of the r-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.r_phase_angle_min IS 'Smallest phase angle at which the object was detected in the r band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.r_phase_angle_max IS 'Largest phase angle at which the object was detected in the r band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.r_slope_fit_failed IS 'True if the slope parameter could not be fitted in the r band and was held fixed';

COMMENT ON COLUMN apdb_base.ss_object.i_n_obs IS 'Number of i-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.i_h IS 'Absolute magnitude in the i band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.i_h_err IS 'One-sigma error of the i-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.i_g12 IS 'Slope parameter G12 of the phase function in the i band';

COMMENT ON COLUMN apdb_base.ss_object.i_g12_err IS 'One-sigma error of the i-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.i_h_i_g12_cov IS 'Covariance of the i-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.i_n_obs_used IS 'Number of i-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.i_chi2 IS 'Chi-square of the fit of the i-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.i_phase_angle_min IS 'Smallest phase angle at which the object was detected in the i band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.i_phase_angle_max IS 'Largest phase angle at which the object was detected in the i band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.i_slope_fit_failed IS 'True if the slope parameter could not be fitted in the i band and was held fixed';

COMMENT ON COLUMN apdb_base.ss_object.z_n_obs IS 'Number of z-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.z_h IS 'Absolute magnitude in the z band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.z_h_err IS 'One-sigma error of the z-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.z_g12 IS 'Slope parameter G12 of the phase function in the z band';

COMMENT ON COLUMN apdb_base.ss_object.z_g12_err IS 'One-sigma error of the z-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.z_h_z_g12_cov IS 'Covariance of the z-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.z_n_obs_used IS 'Number of z-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.z_chi2 IS 'Chi-square of the fit of the z-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.z_phase_angle_min IS 'Smallest phase angle at which the object was detected in the z band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.z_phase_angle_max IS 'Largest phase angle at which the object was detected in the z band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.z_slope_fit_failed IS 'True if the slope parameter could not be fitted in the z band and was held fixed';

COMMENT ON COLUMN apdb_base.ss_object.y_n_obs IS 'Number of y-band detections of the object';

COMMENT ON COLUMN apdb_base.ss_object.y_h IS 'Absolute magnitude in the y band, from the fit of the H, G12 phase function [mag]';

COMMENT ON COLUMN apdb_base.ss_object.y_h_err IS 'One-sigma error of the y-band absolute magnitude [mag]';

COMMENT ON COLUMN apdb_base.ss_object.y_g12 IS 'Slope parameter G12 of the phase function in the y band';

COMMENT ON COLUMN apdb_base.ss_object.y_g12_err IS 'One-sigma error of the y-band slope parameter G12';

COMMENT ON COLUMN apdb_base.ss_object.y_h_y_g12_cov IS 'Covariance of the y-band absolute magnitude and slope parameter [mag**2]';

COMMENT ON COLUMN apdb_base.ss_object.y_n_obs_used IS 'Number of y-band detections that entered the fit of the phase function';

COMMENT ON COLUMN apdb_base.ss_object.y_chi2 IS 'Chi-square of the fit of the y-band phase function';

COMMENT ON COLUMN apdb_base.ss_object.y_phase_angle_min IS 'Smallest phase angle at which the object was detected in the y band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.y_phase_angle_max IS 'Largest phase angle at which the object was detected in the y band [deg]';

COMMENT ON COLUMN apdb_base.ss_object.y_slope_fit_failed IS 'True if the slope parameter could not be fitted in the y band and was held fixed';

CREATE TABLE apdb_base.store_event (
    store_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    visit BIGINT,
    detector SMALLINT,
    mjd_tai DOUBLE PRECISION NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT store_event_pkey PRIMARY KEY (store_seq),
    CONSTRAINT store_event_kind CHECK (kind in ('visit', 'reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute'))
);

CREATE INDEX store_event_mjd_idx ON apdb_base.store_event (mjd_tai);

CREATE INDEX store_event_visit_idx ON apdb_base.store_event (visit, detector);

COMMENT ON TABLE apdb_base.store_event IS 'Everything that changed the database, in the order of knowledge';

COMMENT ON COLUMN apdb_base.store_event.store_seq IS 'Place of the event in the order of knowledge';

COMMENT ON COLUMN apdb_base.store_event.kind IS 'What happened: visit, reassign, merge, split, withdraw, replace, forced or attribute';

COMMENT ON COLUMN apdb_base.store_event.visit IS 'Visit concerned; null if the event is not about a single one';

COMMENT ON COLUMN apdb_base.store_event.detector IS 'Detector concerned; null if the event is not about a single one';

COMMENT ON COLUMN apdb_base.store_event.mjd_tai IS 'Time of the event, taken after its locks, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.store_event.made_by IS 'Database user who caused the event';

COMMENT ON COLUMN apdb_base.store_event.reason IS 'Why it was done, in the words of whoever did it';

CREATE TABLE apdb_base.visit (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    band TEXT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    exposure_time REAL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    radius DOUBLE PRECISION NOT NULL,
    boundary DOUBLE PRECISION[],
    readout_end_mjd_tai DOUBLE PRECISION,
    night DATE NOT NULL,
    digest BYTEA NOT NULL,
    store_seq BIGINT NOT NULL,
    time_processed_mjd_tai DOUBLE PRECISION NOT NULL,
    association TEXT NOT NULL,
    association_radius DOUBLE PRECISION NOT NULL,
    n_dia_sources INTEGER NOT NULL,
    n_new_dia_objects INTEGER NOT NULL,
    n_matched_dia_objects INTEGER NOT NULL,
    n_ss_objects INTEGER NOT NULL,
    n_unassociated INTEGER NOT NULL,
    n_dia_forced_sources INTEGER DEFAULT 0 NOT NULL,
    ephemerides_missing BOOLEAN DEFAULT true NOT NULL,
    corrected_store_seq BIGINT,
    report_dia_object_id BIGINT[] NOT NULL,
    report_ss_object_id BIGINT[] NOT NULL,
    report_is_new BOOLEAN[] NOT NULL,
    timings JSONB,
    CONSTRAINT visit_pkey PRIMARY KEY (visit, detector),
    CONSTRAINT visit_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT visit_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000),
    CONSTRAINT visit_radius CHECK (radius > 0 and radius <= 180),
    CONSTRAINT visit_digest CHECK (octet_length(digest) = 32),
    CONSTRAINT visit_association CHECK (association in ('nearest', 'likelihood')),
    CONSTRAINT visit_association_radius CHECK (association_radius > 0 and association_radius <= 60),
    CONSTRAINT visit_counts CHECK (least(n_dia_sources, n_new_dia_objects, n_matched_dia_objects, n_ss_objects, n_unassociated, n_dia_forced_sources) >= 0),
    CONSTRAINT visit_report CHECK (cardinality(report_dia_object_id) = cardinality(report_ss_object_id)),
    CONSTRAINT visit_times CHECK (time_processed_mjd_tai < 'infinity' and readout_end_mjd_tai < 'infinity'),
    CONSTRAINT visit_exposure CHECK (exposure_time >= 0 and exposure_time < 'infinity'),
    CONSTRAINT visit_store_seq_key UNIQUE (store_seq)
);

CREATE INDEX visit_midpoint_idx ON apdb_base.visit (midpoint_mjd_tai);

CREATE INDEX visit_night_idx ON apdb_base.visit (night);

CREATE INDEX visit_q3c_idx ON apdb_base.visit (q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.visit IS 'Visits stored, one row for each detector: what came, how it was associated and what was reported';

COMMENT ON COLUMN apdb_base.visit.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.visit.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.visit.band IS 'Survey band of the visit';

COMMENT ON COLUMN apdb_base.visit.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.visit.exposure_time IS 'Length of time the shutter was open [s]';

COMMENT ON COLUMN apdb_base.visit.ra IS 'Right ascension of the centre of the bounding circle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.visit.dec IS 'Declination of the centre of the bounding circle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.visit.radius IS 'Radius of the circle that holds the detector''s footprint [deg]';

COMMENT ON COLUMN apdb_base.visit.boundary IS 'Corners of the footprint as ra1, dec1, ra2, dec2 and so on, ICRS; null if the footprint is the circle [deg]';

COMMENT ON COLUMN apdb_base.visit.readout_end_mjd_tai IS 'End of readout, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.visit.night IS 'Observing night: date of UTC minus 12 h, shifted by the longitude of the site';

COMMENT ON COLUMN apdb_base.visit.digest IS 'SHA-256 of the content, independent of container, row order and column order';

COMMENT ON COLUMN apdb_base.visit.store_seq IS 'Place of the visit in the order of knowledge';

COMMENT ON COLUMN apdb_base.visit.time_processed_mjd_tai IS 'Time at which the visit was stored, after its locks, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.visit.association IS 'Rule of association that was used, nearest or likelihood';

COMMENT ON COLUMN apdb_base.visit.association_radius IS 'Largest distance at which a source joins an object [arcsec]';

COMMENT ON COLUMN apdb_base.visit.n_dia_sources IS 'Number of sources in the visit';

COMMENT ON COLUMN apdb_base.visit.n_new_dia_objects IS 'Number of objects that the visit started';

COMMENT ON COLUMN apdb_base.visit.n_matched_dia_objects IS 'Number of sources that joined an object known before';

COMMENT ON COLUMN apdb_base.visit.n_ss_objects IS 'Number of sources attributed to known solar-system objects';

COMMENT ON COLUMN apdb_base.visit.n_unassociated IS 'Number of sources stored with no object of either kind';

COMMENT ON COLUMN apdb_base.visit.n_dia_forced_sources IS 'Number of forced measurements stored with the visit';

COMMENT ON COLUMN apdb_base.visit.ephemerides_missing IS 'True if no ephemerides covered the visit, so that no solar-system object could be attributed';

COMMENT ON COLUMN apdb_base.visit.corrected_store_seq IS 'Last correction that touched the visit; null if none did';

COMMENT ON COLUMN apdb_base.visit.report_dia_object_id IS 'Object of each source as first reported, in the order of dia_source_id, 0 = none';

COMMENT ON COLUMN apdb_base.visit.report_ss_object_id IS 'Solar-system object of each source as first reported, in the order of dia_source_id, 0 = none';

COMMENT ON COLUMN apdb_base.visit.report_is_new IS 'Whether this visit started the object, for each source in order of dia_source_id, as first reported';

COMMENT ON COLUMN apdb_base.visit.timings IS 'Seconds that each step of storing took';

CREATE TABLE apdb_base.visit_attempt (
    attempt_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    state TEXT NOT NULL,
    started_mjd_tai DOUBLE PRECISION NOT NULL,
    ended_mjd_tai DOUBLE PRECISION,
    backend_pid INTEGER NOT NULL,
    backend_start TIMESTAMP WITH TIME ZONE NOT NULL,
    client TEXT,
    error TEXT,
    sqlstate TEXT,
    CONSTRAINT visit_attempt_pkey PRIMARY KEY (attempt_id),
    CONSTRAINT visit_attempt_state CHECK (state in ('running', 'stored', 'repeated', 'failed', 'dry_run'))
);

CREATE INDEX visit_attempt_state_idx ON apdb_base.visit_attempt (state);

CREATE INDEX visit_attempt_visit_idx ON apdb_base.visit_attempt (visit, detector);

COMMENT ON TABLE apdb_base.visit_attempt IS 'Attempts to store a visit, written in transactions of their own so that those that died leave a trace';

COMMENT ON COLUMN apdb_base.visit_attempt.attempt_id IS 'Number of the attempt';

COMMENT ON COLUMN apdb_base.visit_attempt.visit IS 'Visit that was to be stored';

COMMENT ON COLUMN apdb_base.visit_attempt.detector IS 'Detector that was to be stored';

COMMENT ON COLUMN apdb_base.visit_attempt.state IS 'Where the attempt stands: running, stored, repeated, failed or dry_run';

COMMENT ON COLUMN apdb_base.visit_attempt.started_mjd_tai IS 'Start of the attempt, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.visit_attempt.ended_mjd_tai IS 'End of the attempt, MJD TAI; null while it runs or if it died [d]';

COMMENT ON COLUMN apdb_base.visit_attempt.backend_pid IS 'Process number of the server session that made the attempt';

COMMENT ON COLUMN apdb_base.visit_attempt.backend_start IS 'Start of that server session, which tells reused process numbers apart';

COMMENT ON COLUMN apdb_base.visit_attempt.client IS 'Host, process and user of the client';

COMMENT ON COLUMN apdb_base.visit_attempt.error IS 'Message of the error that ended the attempt';

COMMENT ON COLUMN apdb_base.visit_attempt.sqlstate IS 'SQLSTATE of the error that ended the attempt';

CREATE TABLE apdb_base.correction (
    store_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT,
    made_by TEXT NOT NULL,
    mjd_tai DOUBLE PRECISION NOT NULL,
    n_dia_sources INTEGER NOT NULL,
    details JSONB NOT NULL,
    CONSTRAINT correction_pkey PRIMARY KEY (store_seq),
    CONSTRAINT correction_kind CHECK (kind in ('reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute')),
    CONSTRAINT correction_counts CHECK (n_dia_sources >= 0),
    CONSTRAINT correction_store_event_fk FOREIGN KEY(store_seq) REFERENCES apdb_base.store_event (store_seq)
);

COMMENT ON TABLE apdb_base.correction IS 'Corrections made after the fact, by whom and why';

COMMENT ON COLUMN apdb_base.correction.store_seq IS 'Place of the correction in the order of knowledge';

COMMENT ON COLUMN apdb_base.correction.kind IS 'What was done: reassign, merge, split, withdraw, replace, forced or attribute';

COMMENT ON COLUMN apdb_base.correction.reason IS 'Why it was done, in the words of whoever did it';

COMMENT ON COLUMN apdb_base.correction.made_by IS 'Database user who made the correction';

COMMENT ON COLUMN apdb_base.correction.mjd_tai IS 'Time of the correction, taken after its locks, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.correction.n_dia_sources IS 'Number of sources that the correction changed';

COMMENT ON COLUMN apdb_base.correction.details IS 'Arguments and outcome of the correction';

CREATE TABLE apdb_base.ss_source (
    dia_source_id BIGINT NOT NULL,
    ss_object_id BIGINT NOT NULL,
    designation TEXT,
    ecl_lambda DOUBLE PRECISION NOT NULL,
    ecl_beta DOUBLE PRECISION NOT NULL,
    gal_lon DOUBLE PRECISION NOT NULL,
    gal_lat DOUBLE PRECISION NOT NULL,
    elongation REAL,
    phase_angle REAL,
    topo_range REAL,
    topo_range_rate REAL,
    helio_range REAL,
    helio_range_rate REAL,
    eph_ra DOUBLE PRECISION,
    eph_dec DOUBLE PRECISION,
    eph_vmag REAL,
    eph_rate REAL,
    eph_rate_ra REAL,
    eph_rate_dec REAL,
    eph_offset REAL,
    eph_offset_ra DOUBLE PRECISION,
    eph_offset_dec DOUBLE PRECISION,
    eph_offset_along_track REAL,
    eph_offset_cross_track REAL,
    helio_x REAL,
    helio_y REAL,
    helio_z REAL,
    helio_vx REAL,
    helio_vy REAL,
    helio_vz REAL,
    helio_vtot REAL,
    topo_x REAL,
    topo_y REAL,
    topo_z REAL,
    topo_vx REAL,
    topo_vy REAL,
    topo_vz REAL,
    topo_vtot REAL,
    dia_distance_rank SMALLINT,
    CONSTRAINT ss_source_pkey PRIMARY KEY (dia_source_id),
    CONSTRAINT ss_source_dia_source_fk FOREIGN KEY(dia_source_id) REFERENCES apdb_base.dia_source_locator (dia_source_id),
    CONSTRAINT ss_source_ss_object_fk FOREIGN KEY(ss_object_id) REFERENCES apdb_base.ss_object (ss_object_id)
);

CREATE INDEX ss_source_designation_idx ON apdb_base.ss_source (designation);

CREATE INDEX ss_source_ss_object_idx ON apdb_base.ss_source (ss_object_id);

COMMENT ON TABLE apdb_base.ss_source IS 'Where and how a solar-system object was when it was detected';

COMMENT ON COLUMN apdb_base.ss_source.dia_source_id IS 'Detection that was attributed to the solar-system object';

COMMENT ON COLUMN apdb_base.ss_source.ss_object_id IS 'Solar-system object that the detection was attributed to';

COMMENT ON COLUMN apdb_base.ss_source.designation IS 'Designation of the object at the time of attribution';

COMMENT ON COLUMN apdb_base.ss_source.ecl_lambda IS 'Ecliptic longitude of the detection [deg]';

COMMENT ON COLUMN apdb_base.ss_source.ecl_beta IS 'Ecliptic latitude of the detection [deg]';

COMMENT ON COLUMN apdb_base.ss_source.gal_lon IS 'Galactic longitude of the detection [deg]';

COMMENT ON COLUMN apdb_base.ss_source.gal_lat IS 'Galactic latitude of the detection [deg]';

COMMENT ON COLUMN apdb_base.ss_source.elongation IS 'Angle between the Sun and the object as seen by the observer [deg]';

COMMENT ON COLUMN apdb_base.ss_source.phase_angle IS 'Angle between the Sun and the observer as seen from the object [deg]';

COMMENT ON COLUMN apdb_base.ss_source.topo_range IS 'Distance of the object from the observer [AU]';

COMMENT ON COLUMN apdb_base.ss_source.topo_range_rate IS 'Speed at which the object recedes from the observer [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.helio_range IS 'Distance of the object from the Sun [AU]';

COMMENT ON COLUMN apdb_base.ss_source.helio_range_rate IS 'Speed at which the object recedes from the Sun [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.eph_ra IS 'Right ascension predicted from the orbit, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ss_source.eph_dec IS 'Declination predicted from the orbit, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ss_source.eph_vmag IS 'Magnitude in the V band predicted from the orbit''s H and G [mag]';

COMMENT ON COLUMN apdb_base.ss_source.eph_rate IS 'Total rate of motion on the sky predicted from the orbit [deg/d]';

COMMENT ON COLUMN apdb_base.ss_source.eph_rate_ra IS 'Predicted rate of motion in right ascension, with the factor cos(dec) included [deg/d]';

COMMENT ON COLUMN apdb_base.ss_source.eph_rate_dec IS 'Predicted rate of motion in declination [deg/d]';

COMMENT ON COLUMN apdb_base.ss_source.eph_offset IS 'Angular distance between the detected and the predicted position [arcsec]';

COMMENT ON COLUMN apdb_base.ss_source.eph_offset_ra IS 'Offset of the detection from the prediction in right ascension, with the factor cos(dec) included [arcsec]';

COMMENT ON COLUMN apdb_base.ss_source.eph_offset_dec IS 'Offset of the detection from the prediction in declination [arcsec]';

COMMENT ON COLUMN apdb_base.ss_source.eph_offset_along_track IS 'Offset of the detection from the prediction along the direction of motion [arcsec]';

COMMENT ON COLUMN apdb_base.ss_source.eph_offset_cross_track IS 'Offset of the detection from the prediction across the direction of motion [arcsec]';

COMMENT ON COLUMN apdb_base.ss_source.helio_x IS 'Heliocentric x coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.helio_y IS 'Heliocentric y coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.helio_z IS 'Heliocentric z coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.helio_vx IS 'Heliocentric velocity of the object along x [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.helio_vy IS 'Heliocentric velocity of the object along y [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.helio_vz IS 'Heliocentric velocity of the object along z [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.helio_vtot IS 'Heliocentric speed of the object [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.topo_x IS 'Topocentric x coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.topo_y IS 'Topocentric y coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.topo_z IS 'Topocentric z coordinate of the object [AU]';

COMMENT ON COLUMN apdb_base.ss_source.topo_vx IS 'Topocentric velocity of the object along x [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.topo_vy IS 'Topocentric velocity of the object along y [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.topo_vz IS 'Topocentric velocity of the object along z [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.topo_vtot IS 'Topocentric speed of the object [km/s]';

COMMENT ON COLUMN apdb_base.ss_source.dia_distance_rank IS 'Rank of this detection by distance among the detections near the predicted position, 1 = nearest';

