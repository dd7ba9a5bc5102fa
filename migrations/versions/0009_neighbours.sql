-- Reference catalogues by name, side by side, and the neighbours of objects in them.

-- The view of the old table goes with it; views are made anew at the end of an upgrade.
DROP VIEW IF EXISTS apdb.reference_object;

ALTER TABLE apdb_base.reference_object RENAME TO reference_object_0003;

ALTER TABLE apdb_base.reference_object_0003 RENAME CONSTRAINT reference_object_pkey TO reference_object_0003_pkey;

ALTER INDEX apdb_base.reference_object_q3c_idx RENAME TO reference_object_0003_q3c_idx;

CREATE TABLE apdb_base.reference_catalogue (
    catalogue_id SMALLINT NOT NULL,
    name TEXT NOT NULL,
    release TEXT,
    description TEXT,
    for_neighbours BOOLEAN NOT NULL,
    n_objects BIGINT NOT NULL,
    n_stars BIGINT NOT NULL,
    n_galaxies BIGINT NOT NULL,
    first_epoch_mjd_tai DOUBLE PRECISION,
    last_epoch_mjd_tai DOUBLE PRECISION,
    max_pm REAL,
    loaded_mjd_tai DOUBLE PRECISION NOT NULL,
    store_seq BIGINT NOT NULL,
    dropped_store_seq BIGINT,
    CONSTRAINT reference_catalogue_pkey PRIMARY KEY (catalogue_id),
    CONSTRAINT reference_catalogue_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$' and name <> 'objects'),
    CONSTRAINT reference_catalogue_counts CHECK (least(n_objects, n_stars, n_galaxies, max_pm) >= 0)
);

CREATE UNIQUE INDEX reference_catalogue_name_idx ON apdb_base.reference_catalogue (name) WHERE dropped_store_seq is null;

COMMENT ON TABLE apdb_base.reference_catalogue IS 'Reference catalogues that were loaded; those that were dropped stay on record, for neighbours name them';

COMMENT ON COLUMN apdb_base.reference_catalogue.catalogue_id IS 'Number of the catalogue, never used again';

COMMENT ON COLUMN apdb_base.reference_catalogue.name IS 'Short name of the catalogue, such as gaia';

COMMENT ON COLUMN apdb_base.reference_catalogue.release IS 'Release of the catalogue, such as DR3';

COMMENT ON COLUMN apdb_base.reference_catalogue.description IS 'What the catalogue is, in words';

COMMENT ON COLUMN apdb_base.reference_catalogue.for_neighbours IS 'Whether neighbours and hosts of objects are taken from it';

COMMENT ON COLUMN apdb_base.reference_catalogue.n_objects IS 'Number of objects';

COMMENT ON COLUMN apdb_base.reference_catalogue.n_stars IS 'Number of objects of extendedness below 0.5';

COMMENT ON COLUMN apdb_base.reference_catalogue.n_galaxies IS 'Number of objects of extendedness 0.5 and above';

COMMENT ON COLUMN apdb_base.reference_catalogue.first_epoch_mjd_tai IS 'Earliest epoch of an object that moves, MJD TAI; null if none moves [d]';

COMMENT ON COLUMN apdb_base.reference_catalogue.last_epoch_mjd_tai IS 'Latest epoch of an object that moves, MJD TAI; null if none moves [d]';

COMMENT ON COLUMN apdb_base.reference_catalogue.max_pm IS 'Largest proper motion of an object; null if none moves [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_catalogue.loaded_mjd_tai IS 'When it was loaded, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.reference_catalogue.store_seq IS 'Place of the load in the order of knowledge';

COMMENT ON COLUMN apdb_base.reference_catalogue.dropped_store_seq IS 'Place of its drop in the order of knowledge; null while it is there';

CREATE TABLE apdb_base.reference_object (
    reference_object_id BIGINT NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    epoch_mjd_tai DOUBLE PRECISION,
    catalogue_id SMALLINT NOT NULL,
    ra_err REAL,
    dec_err REAL,
    ra_dec_cov REAL,
    pm_ra REAL,
    pm_dec REAL,
    pm_ra_err REAL,
    pm_dec_err REAL,
    pm_ra_dec_cov REAL,
    parallax REAL,
    parallax_err REAL,
    extendedness REAL,
    ixx REAL,
    iyy REAL,
    ixy REAL,
    effective_radius REAL,
    flux REAL,
    flux_err REAL,
    u_mag REAL,
    g_mag REAL,
    r_mag REAL,
    i_mag REAL,
    z_mag REAL,
    y_mag REAL,
    band TEXT,
    CONSTRAINT reference_object_pkey PRIMARY KEY (catalogue_id, reference_object_id),
    CONSTRAINT reference_object_position CHECK (ra >= 0 and ra < 360 and dec between -90 and 90),
    CONSTRAINT reference_object_no_nan CHECK (greatest(ra_err, dec_err, ra_dec_cov, pm_ra, pm_dec, pm_ra_err, pm_dec_err, pm_ra_dec_cov, parallax, parallax_err, extendedness, ixx, iyy, ixy, effective_radius, flux, flux_err, u_mag, g_mag, r_mag, i_mag, z_mag, y_mag) <> 'NaN' and greatest(ra, dec, epoch_mjd_tai) <> 'NaN'),
    CONSTRAINT reference_object_errors CHECK (least(ra_err, dec_err, pm_ra_err, pm_dec_err, parallax_err, flux_err) >= 0 and greatest(ra_err, dec_err, pm_ra_err, pm_dec_err, parallax_err, flux_err) < 'infinity'),
    CONSTRAINT reference_object_epoch CHECK (epoch_mjd_tai between 15000 and 150000)
);

CREATE INDEX reference_object_fast_idx ON apdb_base.reference_object (q3c_ang2ipix(ra, dec)) WHERE greatest(abs(pm_ra), abs(pm_dec)) > 100;

CREATE INDEX reference_object_q3c_idx ON apdb_base.reference_object (q3c_ang2ipix(ra, dec));

COMMENT ON TABLE apdb_base.reference_object IS 'Stars and galaxies of reference catalogues';

COMMENT ON COLUMN apdb_base.reference_object.reference_object_id IS 'Identifier of the object within its catalogue';

COMMENT ON COLUMN apdb_base.reference_object.ra IS 'Right ascension at the epoch, ICRS [deg]';

COMMENT ON COLUMN apdb_base.reference_object.dec IS 'Declination at the epoch, ICRS [deg]';

COMMENT ON COLUMN apdb_base.reference_object.epoch_mjd_tai IS 'Epoch of the position, MJD TAI; null if it is unknown, and then the object does not move [d]';

COMMENT ON COLUMN apdb_base.reference_object.catalogue_id IS 'Number of the catalogue that the object comes from; reference_catalogue has its name';

COMMENT ON COLUMN apdb_base.reference_object.ra_err IS 'One-sigma error of ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.reference_object.dec_err IS 'One-sigma error of dec [deg]';

COMMENT ON COLUMN apdb_base.reference_object.ra_dec_cov IS 'Covariance of ra and dec, with the factor cos(dec) included [deg**2]';

COMMENT ON COLUMN apdb_base.reference_object.pm_ra IS 'Proper motion in right ascension, with the factor cos(dec) included [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_dec IS 'Proper motion in declination [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_ra_err IS 'One-sigma error of pm_ra [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_dec_err IS 'One-sigma error of pm_dec [mas/yr]';

COMMENT ON COLUMN apdb_base.reference_object.pm_ra_dec_cov IS 'Covariance of pm_ra and pm_dec [mas**2/yr**2]';

COMMENT ON COLUMN apdb_base.reference_object.parallax IS 'Annual parallax [mas]';

COMMENT ON COLUMN apdb_base.reference_object.parallax_err IS 'One-sigma error of parallax [mas]';

COMMENT ON COLUMN apdb_base.reference_object.extendedness IS 'How extended the object looks, from 0 (star) to 1 (galaxy)';

COMMENT ON COLUMN apdb_base.reference_object.ixx IS 'Second moment of the light along right ascension [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.iyy IS 'Second moment of the light along declination [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.ixy IS 'Mixed second moment of the light, east and north positive [arcsec**2]';

COMMENT ON COLUMN apdb_base.reference_object.effective_radius IS 'Radius that holds half of the flux [arcsec]';

COMMENT ON COLUMN apdb_base.reference_object.flux IS 'Flux in the band given beside it [nJy]';

COMMENT ON COLUMN apdb_base.reference_object.flux_err IS 'One-sigma error of flux [nJy]';

COMMENT ON COLUMN apdb_base.reference_object.u_mag IS 'AB magnitude in the u band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.g_mag IS 'AB magnitude in the g band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.r_mag IS 'AB magnitude in the r band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.i_mag IS 'AB magnitude in the i band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.z_mag IS 'AB magnitude in the z band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.y_mag IS 'AB magnitude in the y band [mag]';

COMMENT ON COLUMN apdb_base.reference_object.band IS 'Band of the flux, of the survey or of the catalogue';

CREATE TABLE apdb_base.dia_object_neighbour (
    dia_object_id BIGINT NOT NULL,
    store_seq BIGINT NOT NULL,
    store_seq_end BIGINT,
    reference_store_seq BIGINT NOT NULL,
    mjd_tai DOUBLE PRECISION NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    ra_err REAL,
    dec_err REAL,
    nearby_obj BIGINT[] NOT NULL,
    nearby_obj_catalogue SMALLINT[] NOT NULL,
    nearby_obj_dist REAL[] NOT NULL,
    nearby_obj_ln_p REAL[] NOT NULL,
    nearby_pot_host BIGINT[] NOT NULL,
    nearby_pot_host_catalogue SMALLINT[] NOT NULL,
    nearby_pot_host_sep_dist REAL[] NOT NULL,
    CONSTRAINT dia_object_neighbour_pkey PRIMARY KEY (dia_object_id, store_seq),
    CONSTRAINT dia_object_neighbour_lengths CHECK (cardinality(nearby_obj) = 6 and cardinality(nearby_obj_catalogue) = 6 and cardinality(nearby_obj_dist) = 6 and cardinality(nearby_obj_ln_p) = 6 and cardinality(nearby_pot_host) = 3 and cardinality(nearby_pot_host_catalogue) = 3 and cardinality(nearby_pot_host_sep_dist) = 3)
);

COMMENT ON TABLE apdb_base.dia_object_neighbour IS 'Stars and galaxies of the reference catalogues near an object, as known from a step of knowledge on';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.store_seq IS 'Step of knowledge from which on this holds';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.store_seq_end IS 'Step of knowledge from which on something else holds; null while this does';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.reference_store_seq IS 'Last load or drop of a reference catalogue that this takes account of';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.mjd_tai IS 'Time to which the reference objects were moved, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.ra IS 'Right ascension of the object that this was worked out for, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.dec IS 'Declination of the object that this was worked out for, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.ra_err IS 'Error of that ra, with the factor cos(dec) included [deg]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.dec_err IS 'Error of that dec [deg]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_obj IS 'Identifiers of the nearest three stars and, behind them, the nearest three galaxies; null where there are fewer';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_obj_catalogue IS 'Number of the catalogue of each nearby_obj';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_obj_dist IS 'Distance of each nearby_obj at that time [arcsec]';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_obj_ln_p IS 'Natural logarithm of the probability that the object is that nearby_obj';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_pot_host IS 'Identifiers of the three galaxies of the lowest separation in units of their own size, among the ten nearest; null where there are fewer';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_pot_host_catalogue IS 'Number of the catalogue of each nearby_pot_host';

COMMENT ON COLUMN apdb_base.dia_object_neighbour.nearby_pot_host_sep_dist IS 'Separation from each nearby_pot_host in units of its second moments towards the object, or of its effective radius (setting host_separation)';

-- ---- what was in the old table, which nothing but SQL by hand could fill ----

INSERT INTO apdb_base.reference_catalogue (
    catalogue_id, name, release, description, for_neighbours, n_objects, n_stars, n_galaxies,
    first_epoch_mjd_tai, last_epoch_mjd_tai, max_pm, loaded_mjd_tai, store_seq
)
SELECT
    row_number() OVER (ORDER BY o.catalogue), 'old_' || row_number() OVER (ORDER BY o.catalogue), max(o.release),
    'Rows of ' || o.catalogue || ' from before catalogues had a register', false, count(*),
    count(*) FILTER (WHERE o.extendedness < 0.5), count(*) FILTER (WHERE o.extendedness >= 0.5),
    min(o.epoch_mjd_tai) FILTER (WHERE o.pm_ra IS NOT NULL OR o.pm_dec IS NOT NULL),
    max(o.epoch_mjd_tai) FILTER (WHERE o.pm_ra IS NOT NULL OR o.pm_dec IS NOT NULL),
    max(sqrt(o.pm_ra::double precision ^ 2 + o.pm_dec::double precision ^ 2)), 0, 0
FROM apdb_base.reference_object_0003 AS o
GROUP BY o.catalogue;

INSERT INTO apdb_base.reference_object (
    catalogue_id, reference_object_id, ra, dec, epoch_mjd_tai, ra_err, dec_err, pm_ra, pm_dec, pm_ra_err, pm_dec_err, parallax, parallax_err, extendedness, ixx, iyy, ixy, effective_radius, flux, flux_err, band
)
SELECT
    c.catalogue_id, o.reference_object_id, o.ra, o.dec, o.epoch_mjd_tai, o.ra_err, o.dec_err, o.pm_ra, o.pm_dec, o.pm_ra_err, o.pm_dec_err, o.parallax, o.parallax_err, o.extendedness, o.ixx, o.iyy, o.ixy, o.effective_radius, o.flux, o.flux_err, o.band
FROM apdb_base.reference_object_0003 AS o
INNER JOIN apdb_base.reference_catalogue AS c
    ON c.description = 'Rows of ' || o.catalogue || ' from before catalogues had a register';

DROP TABLE apdb_base.reference_object_0003;

-- ---- steps of knowledge, and settings ----

ALTER TABLE apdb_base.store_event DROP CONSTRAINT store_event_kind;

ALTER TABLE apdb_base.store_event ADD CONSTRAINT store_event_kind CHECK (kind in ('visit', 'reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute', 'complete', 'features', 'reference'));

COMMENT ON COLUMN apdb_base.store_event.kind IS 'What happened: visit, reassign, merge, split, withdraw, replace, forced, attribute, complete, features or reference';

INSERT INTO apdb_base.metadata (name, value) VALUES
('setting.neighbour_radius', '10'),
('setting.neighbour_prior', '0.5'),
('setting.host_separation', 'moments');
