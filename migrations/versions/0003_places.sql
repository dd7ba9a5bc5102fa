-- The sums that an object's position is made of, and an index of histories that knows the band.

CREATE TABLE apdb_base.dia_object_place (
    dia_object_id BIGINT NOT NULL,
    u_place DOUBLE PRECISION[],
    g_place DOUBLE PRECISION[],
    r_place DOUBLE PRECISION[],
    i_place DOUBLE PRECISION[],
    z_place DOUBLE PRECISION[],
    y_place DOUBLE PRECISION[],
    CONSTRAINT dia_object_place_pkey PRIMARY KEY (dia_object_id)
)
 WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

COMMENT ON TABLE apdb_base.dia_object_place IS 'Sums that the positions of objects are made of, band by band, so that a visit reads the history of its own band only; a cache, made anew from the sources where a row is missing';

COMMENT ON COLUMN apdb_base.dia_object_place.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_place.u_place IS 'Sums over the places of the u-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

COMMENT ON COLUMN apdb_base.dia_object_place.g_place IS 'Sums over the places of the g-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

COMMENT ON COLUMN apdb_base.dia_object_place.r_place IS 'Sums over the places of the r-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

COMMENT ON COLUMN apdb_base.dia_object_place.i_place IS 'Sums over the places of the i-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

COMMENT ON COLUMN apdb_base.dia_object_place.z_place IS 'Sums over the places of the z-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

COMMENT ON COLUMN apdb_base.dia_object_place.y_place IS 'Sums over the places of the y-band sources that the position is made of: weight; weighted unit vector x, y, z; number of position errors; squared weights times variance in ra, in dec, and covariance';

DROP INDEX apdb_base.dia_source_dia_object_idx;

CREATE INDEX dia_source_dia_object_idx ON apdb_base.dia_source (dia_object_id, midpoint_mjd_tai, band);
