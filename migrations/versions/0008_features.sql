-- What characterisation of objects writes: features of light curves, astrometry, and its queue.

CREATE TABLE apdb_base.dia_object_feature (
    dia_object_id BIGINT NOT NULL,
    store_seq BIGINT NOT NULL,
    band TEXT NOT NULL,
    store_seq_end BIGINT,
    made_mjd_tai DOUBLE PRECISION NOT NULL,
    n_points INTEGER NOT NULL,
    first_mjd_tai DOUBLE PRECISION,
    last_mjd_tai DOUBLE PRECISION,
    lc_periodic REAL[] NOT NULL,
    lc_non_periodic REAL[] NOT NULL,
    CONSTRAINT dia_object_feature_pkey PRIMARY KEY (dia_object_id, store_seq, band)
);

CREATE INDEX dia_object_feature_current_idx ON apdb_base.dia_object_feature (band, dia_object_id) WHERE store_seq_end is null;

COMMENT ON TABLE apdb_base.dia_object_feature IS 'Variability of the objects by band - the periodic and the aperiodic set of each light curve, with all earlier versions';

COMMENT ON COLUMN apdb_base.dia_object_feature.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_feature.store_seq IS 'Step of knowledge that this was made in';

COMMENT ON COLUMN apdb_base.dia_object_feature.band IS 'Band of the light curve';

COMMENT ON COLUMN apdb_base.dia_object_feature.store_seq_end IS 'Step of knowledge that superseded it; null for what holds now';

COMMENT ON COLUMN apdb_base.dia_object_feature.made_mjd_tai IS 'When it was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_feature.n_points IS 'Points of the light curve that it was made of';

COMMENT ON COLUMN apdb_base.dia_object_feature.first_mjd_tai IS 'First of these points, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_feature.last_mjd_tai IS 'Last of these points, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_feature.lc_periodic IS 'Periodic set of 32 numbers, named by the view light_curve_feature; elements that the points do not determine are null';

COMMENT ON COLUMN apdb_base.dia_object_feature.lc_non_periodic IS 'Aperiodic set of 20 numbers, named by the view light_curve_feature; elements that the points do not determine are null';

CREATE TABLE apdb_base.dia_object_astrometry (
    dia_object_id BIGINT NOT NULL,
    store_seq BIGINT NOT NULL,
    store_seq_end BIGINT,
    object_store_seq BIGINT NOT NULL,
    made_mjd_tai DOUBLE PRECISION NOT NULL,
    n_points INTEGER NOT NULL,
    radec_mjd_tai DOUBLE PRECISION,
    ra DOUBLE PRECISION,
    ra_err REAL,
    dec DOUBLE PRECISION,
    dec_err REAL,
    pm_ra REAL,
    pm_ra_err REAL,
    pm_dec REAL,
    pm_dec_err REAL,
    parallax REAL,
    parallax_err REAL,
    ra_dec_corr REAL,
    ra_pm_ra_corr REAL,
    ra_pm_dec_corr REAL,
    ra_parallax_corr REAL,
    dec_pm_ra_corr REAL,
    dec_pm_dec_corr REAL,
    dec_parallax_corr REAL,
    pm_ra_pm_dec_corr REAL,
    pm_ra_parallax_corr REAL,
    pm_dec_parallax_corr REAL,
    pm_parallax_ln_l REAL,
    pm_parallax_chi2 REAL,
    pm_parallax_ndata INTEGER NOT NULL,
    CONSTRAINT dia_object_astrometry_pkey PRIMARY KEY (dia_object_id, store_seq)
);

COMMENT ON TABLE apdb_base.dia_object_astrometry IS 'Proper motion and parallax of the objects, fitted to the positions of their sources, with all earlier versions';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.store_seq IS 'Step of knowledge that this was made in';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.store_seq_end IS 'Step of knowledge that superseded it; null for what holds now';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.object_store_seq IS 'Step of knowledge of the version of the object that this was made from';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.made_mjd_tai IS 'When it was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.n_points IS 'Sources of the object then';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.radec_mjd_tai IS 'Epoch of the fitted position, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra IS 'Right ascension at the epoch, without parallax [deg]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra_err IS 'Error of ra, times cos(dec) [deg]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dec IS 'Declination at the epoch, without parallax [deg]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dec_err IS 'Error of dec [deg]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_ra IS 'Proper motion in right ascension, times cos(dec) [mas/yr]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_ra_err IS 'Error of pm_ra [mas/yr]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_dec IS 'Proper motion in declination [mas/yr]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_dec_err IS 'Error of pm_dec [mas/yr]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.parallax IS 'Parallax [mas]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.parallax_err IS 'Error of the parallax [mas]';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra_dec_corr IS 'Correlation of the errors of right ascension and declination';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra_pm_ra_corr IS 'Correlation of the errors of right ascension and proper motion in right ascension';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra_pm_dec_corr IS 'Correlation of the errors of right ascension and proper motion in declination';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.ra_parallax_corr IS 'Correlation of the errors of right ascension and parallax';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dec_pm_ra_corr IS 'Correlation of the errors of declination and proper motion in right ascension';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dec_pm_dec_corr IS 'Correlation of the errors of declination and proper motion in declination';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.dec_parallax_corr IS 'Correlation of the errors of declination and parallax';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_ra_pm_dec_corr IS 'Correlation of the errors of proper motion in right ascension and proper motion in declination';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_ra_parallax_corr IS 'Correlation of the errors of proper motion in right ascension and parallax';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_dec_parallax_corr IS 'Correlation of the errors of proper motion in declination and parallax';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_parallax_ln_l IS 'Natural logarithm of the likelihood of the fit, density by square arcsecond for each point';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_parallax_chi2 IS 'Chi squared of the fit';

COMMENT ON COLUMN apdb_base.dia_object_astrometry.pm_parallax_ndata IS 'Sources that the fit was made of; outliers are left out';

CREATE TABLE apdb_base.dia_object_feature_packet (
    dia_object_id BIGINT NOT NULL,
    store_seq BIGINT NOT NULL,
    store_seq_end BIGINT,
    fragment BYTEA NOT NULL,
    CONSTRAINT dia_object_feature_packet_pkey PRIMARY KEY (dia_object_id, store_seq)
);

COMMENT ON TABLE apdb_base.dia_object_feature_packet IS 'Avro bytes of the field features of extended alert packets; made from dia_object_feature and dia_object_astrometry';

COMMENT ON COLUMN apdb_base.dia_object_feature_packet.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_feature_packet.store_seq IS 'Step of knowledge that this was made in';

COMMENT ON COLUMN apdb_base.dia_object_feature_packet.store_seq_end IS 'Step of knowledge that superseded it; null for what holds now';

COMMENT ON COLUMN apdb_base.dia_object_feature_packet.fragment IS 'Avro bytes of the map';

CREATE TABLE apdb_base.feature_queue (
    dia_object_id BIGINT NOT NULL,
    due_mjd_tai DOUBLE PRECISION NOT NULL,
    attempts SMALLINT DEFAULT 0 NOT NULL,
    error TEXT,
    CONSTRAINT feature_queue_pkey PRIMARY KEY (dia_object_id)
);

CREATE INDEX feature_queue_due_idx ON apdb_base.feature_queue (due_mjd_tai, dia_object_id);

COMMENT ON TABLE apdb_base.feature_queue IS 'Objects that are due to be characterised';

COMMENT ON COLUMN apdb_base.feature_queue.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.feature_queue.due_mjd_tai IS 'Since when, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.feature_queue.attempts IS 'How often that failed';

COMMENT ON COLUMN apdb_base.feature_queue.error IS 'Why it failed last';

ALTER TABLE apdb_base.store_event DROP CONSTRAINT store_event_kind;

ALTER TABLE apdb_base.store_event ADD CONSTRAINT store_event_kind CHECK (kind in ('visit', 'reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute', 'complete', 'features'));

COMMENT ON COLUMN apdb_base.store_event.kind IS 'What happened: visit, reassign, merge, split, withdraw, replace, forced, attribute, complete or features';

-- ---- settings ----

insert into apdb_base.metadata (name, value) values
('setting.features_history_days', '0'),
('setting.features_min_sources', '2'),
('setting.features_frequency_min', '0'),
('setting.features_frequency_max', '10'),
('setting.features_oversampling', '5'),
('setting.features_position_floor', '0.01'),
-- Steps of knowledge up to here have put their objects into the queue.
('state.features_store_seq', '0');
