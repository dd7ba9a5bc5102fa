-- Orbits as states, and the nightly ephemerides that are made of them.

CREATE TABLE apdb_base.orbit (
    ss_object_id BIGINT NOT NULL,
    designation TEXT NOT NULL,
    epoch_mjd_tdb DOUBLE PRECISION NOT NULL,
    x DOUBLE PRECISION NOT NULL,
    y DOUBLE PRECISION NOT NULL,
    z DOUBLE PRECISION NOT NULL,
    vx DOUBLE PRECISION NOT NULL,
    vy DOUBLE PRECISION NOT NULL,
    vz DOUBLE PRECISION NOT NULL,
    covariance BYTEA,
    h REAL,
    g REAL,
    source TEXT NOT NULL,
    changed_mjd_tai DOUBLE PRECISION NOT NULL,
    CONSTRAINT orbit_pkey PRIMARY KEY (ss_object_id),
    CONSTRAINT orbit_no_nan CHECK (greatest(epoch_mjd_tdb, x, y, z, vx, vy, vz) < 'infinity' and least(epoch_mjd_tdb, x, y, z, vx, vy, vz) > '-infinity' and greatest(h, g) < 'infinity'),
    CONSTRAINT orbit_covariance_length CHECK (length(covariance) = 168)
);

CREATE INDEX orbit_designation_idx ON apdb_base.orbit (designation);

COMMENT ON TABLE apdb_base.orbit IS 'Orbits of known objects as states, which ephemerides are made from';

COMMENT ON COLUMN apdb_base.orbit.ss_object_id IS 'Identifier of the object, from its packed designation';

COMMENT ON COLUMN apdb_base.orbit.designation IS 'Primary designation of the object in plain form';

COMMENT ON COLUMN apdb_base.orbit.epoch_mjd_tdb IS 'Epoch of the state, MJD TDB [d]';

COMMENT ON COLUMN apdb_base.orbit.x IS 'Barycentric x coordinate at the epoch, ICRF [AU]';

COMMENT ON COLUMN apdb_base.orbit.y IS 'Barycentric y coordinate at the epoch, ICRF [AU]';

COMMENT ON COLUMN apdb_base.orbit.z IS 'Barycentric z coordinate at the epoch, ICRF [AU]';

COMMENT ON COLUMN apdb_base.orbit.vx IS 'Barycentric velocity along x at the epoch, ICRF [AU/d]';

COMMENT ON COLUMN apdb_base.orbit.vy IS 'Barycentric velocity along y at the epoch, ICRF [AU/d]';

COMMENT ON COLUMN apdb_base.orbit.vz IS 'Barycentric velocity along z at the epoch, ICRF [AU/d]';

COMMENT ON COLUMN apdb_base.orbit.covariance IS 'Covariance of the state - the upper triangle by rows as 21 little-endian doubles [AU, AU/d]; null if it is not known';

COMMENT ON COLUMN apdb_base.orbit.h IS 'Absolute magnitude H in the V band [mag]';

COMMENT ON COLUMN apdb_base.orbit.g IS 'Slope parameter G of the phase function; null means 0.15';

COMMENT ON COLUMN apdb_base.orbit.source IS 'Where the orbit came from';

COMMENT ON COLUMN apdb_base.orbit.changed_mjd_tai IS 'When the orbit was last changed, MJD TAI [d]';

CREATE TABLE apdb_base.ephemeris_night (
    night_mjd INTEGER NOT NULL,
    night DATE NOT NULL,
    site TEXT NOT NULL,
    middle_mjd_tai DOUBLE PRECISION NOT NULL,
    half_width DOUBLE PRECISION NOT NULL,
    fast_half_width DOUBLE PRECISION NOT NULL,
    fast_spacing DOUBLE PRECISION NOT NULL,
    slow_margin DOUBLE PRECISION NOT NULL,
    fast_margin DOUBLE PRECISION NOT NULL,
    earth DOUBLE PRECISION[] NOT NULL,
    site_turn DOUBLE PRECISION[] NOT NULL,
    sun DOUBLE PRECISION[] NOT NULL,
    n_slow INTEGER NOT NULL,
    n_fast INTEGER NOT NULL,
    n_failed INTEGER NOT NULL,
    orbit_store_seq BIGINT NOT NULL,
    built_mjd_tai DOUBLE PRECISION NOT NULL,
    store_seq BIGINT NOT NULL,
    CONSTRAINT ephemeris_night_pkey PRIMARY KEY (night_mjd)
);

COMMENT ON TABLE apdb_base.ephemeris_night IS 'Nights for which ephemerides were built, and where the observer and the Sun are in them';

COMMENT ON COLUMN apdb_base.ephemeris_night.night_mjd IS 'Date of the evening on which the night began, as MJD [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.night IS 'Date of the evening on which the night began';

COMMENT ON COLUMN apdb_base.ephemeris_night.site IS 'Observatory code of the site that it is for';

COMMENT ON COLUMN apdb_base.ephemeris_night.middle_mjd_tai IS 'Middle of the night, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.half_width IS 'How long before and after it the ephemerides hold [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.fast_half_width IS 'How long before and after their own middle those of fast objects hold [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.fast_spacing IS 'How far the middles of the pieces are apart that the night has for fast objects [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.slow_margin IS 'Farthest that a slow object moves from its position in the middle [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_night.fast_margin IS 'Farthest that a fast object moves from its position in the middle of its piece [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_night.earth IS 'Barycentric position of the Earth - five coefficients of x, highest first, then of y and z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_night.site_turn IS 'Position of the site from the centre of the Earth - constant, cosine and sine part of x, then of y and z, of one turn in a sidereal day since the middle [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_night.sun IS 'Barycentric position of the Sun - three coefficients of x, highest first, then of y and z [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_night.n_slow IS 'Number of slow objects';

COMMENT ON COLUMN apdb_base.ephemeris_night.n_fast IS 'Number of fast objects';

COMMENT ON COLUMN apdb_base.ephemeris_night.n_failed IS 'Number of orbits that could not be propagated';

COMMENT ON COLUMN apdb_base.ephemeris_night.orbit_store_seq IS 'Step of knowledge of the last load of orbits that is in it';

COMMENT ON COLUMN apdb_base.ephemeris_night.built_mjd_tai IS 'When it was built, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ephemeris_night.store_seq IS 'Step of knowledge that it was built in';

CREATE TABLE apdb_base.ephemeris_slow (
    night_mjd INTEGER NOT NULL,
    ss_object_id BIGINT NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    x0 DOUBLE PRECISION NOT NULL,
    y0 DOUBLE PRECISION NOT NULL,
    z0 DOUBLE PRECISION NOT NULL,
    x1 REAL NOT NULL,
    y1 REAL NOT NULL,
    z1 REAL NOT NULL,
    x2 REAL NOT NULL,
    y2 REAL NOT NULL,
    z2 REAL NOT NULL,
    x3 REAL NOT NULL,
    y3 REAL NOT NULL,
    z3 REAL NOT NULL,
    ra_err REAL,
    dec_err REAL,
    ra_dec_cov REAL,
    h REAL,
    g REAL,
    designation TEXT NOT NULL,
    CONSTRAINT ephemeris_slow_pkey PRIMARY KEY (night_mjd, ss_object_id),
    CONSTRAINT ephemeris_slow_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90)
);

CREATE INDEX ephemeris_slow_q3c_idx ON apdb_base.ephemeris_slow (night_mjd, q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.ephemeris_slow IS 'Where the objects are that move little in a night - polynomials of where their light comes from';

COMMENT ON COLUMN apdb_base.ephemeris_slow.night_mjd IS 'The night, as in ephemeris_night [d]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.ss_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.ephemeris_slow.ra IS 'Right ascension from the site in the middle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.dec IS 'Declination from the site in the middle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.x0 IS 'Barycentric x in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.y0 IS 'Barycentric y in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.z0 IS 'Barycentric z in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.x1 IS 'Coefficient of power 1 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.y1 IS 'Coefficient of power 1 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.z1 IS 'Coefficient of power 1 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.x2 IS 'Coefficient of power 2 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.y2 IS 'Coefficient of power 2 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.z2 IS 'Coefficient of power 2 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.x3 IS 'Coefficient of power 3 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.y3 IS 'Coefficient of power 3 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.z3 IS 'Coefficient of power 3 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.ra_err IS 'One-sigma error of the right ascension by the covariance of the orbit, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.dec_err IS 'One-sigma error of the declination by the covariance of the orbit [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.ra_dec_cov IS 'Covariance of right ascension and declination, with the factor cos(dec) included [deg**2]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.h IS 'Absolute magnitude H [mag]';

COMMENT ON COLUMN apdb_base.ephemeris_slow.g IS 'Slope parameter G';

COMMENT ON COLUMN apdb_base.ephemeris_slow.designation IS 'Designation of the object';

CREATE TABLE apdb_base.ephemeris_fast (
    night_mjd INTEGER NOT NULL,
    ss_object_id BIGINT NOT NULL,
    middle_mjd_tai DOUBLE PRECISION NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    x0 DOUBLE PRECISION NOT NULL,
    y0 DOUBLE PRECISION NOT NULL,
    z0 DOUBLE PRECISION NOT NULL,
    x1 REAL NOT NULL,
    y1 REAL NOT NULL,
    z1 REAL NOT NULL,
    x2 REAL NOT NULL,
    y2 REAL NOT NULL,
    z2 REAL NOT NULL,
    x3 REAL NOT NULL,
    y3 REAL NOT NULL,
    z3 REAL NOT NULL,
    ra_err REAL,
    dec_err REAL,
    ra_dec_cov REAL,
    h REAL,
    g REAL,
    designation TEXT NOT NULL,
    CONSTRAINT ephemeris_fast_pkey PRIMARY KEY (night_mjd, ss_object_id, middle_mjd_tai),
    CONSTRAINT ephemeris_fast_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90)
);

CREATE INDEX ephemeris_fast_q3c_idx ON apdb_base.ephemeris_fast (night_mjd, q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.ephemeris_fast IS 'Where fast objects are - polynomials for pieces of a night';

COMMENT ON COLUMN apdb_base.ephemeris_fast.night_mjd IS 'The night, as in ephemeris_night [d]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.ss_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.ephemeris_fast.middle_mjd_tai IS 'Middle of the piece of the night, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.ra IS 'Right ascension from the site in the middle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.dec IS 'Declination from the site in the middle, ICRS [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.x0 IS 'Barycentric x in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.y0 IS 'Barycentric y in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.z0 IS 'Barycentric z in the middle of where its light comes from, ICRF [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.x1 IS 'Coefficient of power 1 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.y1 IS 'Coefficient of power 1 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.z1 IS 'Coefficient of power 1 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.x2 IS 'Coefficient of power 2 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.y2 IS 'Coefficient of power 2 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.z2 IS 'Coefficient of power 2 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.x3 IS 'Coefficient of power 3 of x, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.y3 IS 'Coefficient of power 3 of y, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.z3 IS 'Coefficient of power 3 of z, in the time from the middle by the half-width [AU]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.ra_err IS 'One-sigma error of the right ascension by the covariance of the orbit, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.dec_err IS 'One-sigma error of the declination by the covariance of the orbit [deg]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.ra_dec_cov IS 'Covariance of right ascension and declination, with the factor cos(dec) included [deg**2]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.h IS 'Absolute magnitude H [mag]';

COMMENT ON COLUMN apdb_base.ephemeris_fast.g IS 'Slope parameter G';

COMMENT ON COLUMN apdb_base.ephemeris_fast.designation IS 'Designation of the object';

-- ---- steps of knowledge, and settings ----

ALTER TABLE apdb_base.store_event DROP CONSTRAINT store_event_kind;

ALTER TABLE apdb_base.store_event ADD CONSTRAINT store_event_kind CHECK (kind in ('visit', 'reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute', 'complete', 'features', 'reference', 'orbits', 'ephemerides'));

COMMENT ON COLUMN apdb_base.store_event.kind IS 'What happened: visit, reassign, merge, split, withdraw, replace, forced, attribute, complete, features, reference, orbits or ephemerides';

INSERT INTO apdb_base.metadata (name, value) VALUES
('setting.site_code', 'X05'),
('setting.ephemeris_keep_nights', '3'),
('setting.ss_radius_max', '2'),
('setting.ss_magnitude_margin', '4');
