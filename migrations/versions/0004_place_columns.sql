-- The sums that positions are made of as plain columns instead of arrays.

DROP TABLE apdb_base.dia_object_place;

CREATE TABLE apdb_base.dia_object_place (
    dia_object_id BIGINT NOT NULL,
    u_weight DOUBLE PRECISION,
    u_x DOUBLE PRECISION,
    u_y DOUBLE PRECISION,
    u_z DOUBLE PRECISION,
    u_n_err INTEGER,
    u_ra_var DOUBLE PRECISION,
    u_dec_var DOUBLE PRECISION,
    u_cov DOUBLE PRECISION,
    g_weight DOUBLE PRECISION,
    g_x DOUBLE PRECISION,
    g_y DOUBLE PRECISION,
    g_z DOUBLE PRECISION,
    g_n_err INTEGER,
    g_ra_var DOUBLE PRECISION,
    g_dec_var DOUBLE PRECISION,
    g_cov DOUBLE PRECISION,
    r_weight DOUBLE PRECISION,
    r_x DOUBLE PRECISION,
    r_y DOUBLE PRECISION,
    r_z DOUBLE PRECISION,
    r_n_err INTEGER,
    r_ra_var DOUBLE PRECISION,
    r_dec_var DOUBLE PRECISION,
    r_cov DOUBLE PRECISION,
    i_weight DOUBLE PRECISION,
    i_x DOUBLE PRECISION,
    i_y DOUBLE PRECISION,
    i_z DOUBLE PRECISION,
    i_n_err INTEGER,
    i_ra_var DOUBLE PRECISION,
    i_dec_var DOUBLE PRECISION,
    i_cov DOUBLE PRECISION,
    z_weight DOUBLE PRECISION,
    z_x DOUBLE PRECISION,
    z_y DOUBLE PRECISION,
    z_z DOUBLE PRECISION,
    z_n_err INTEGER,
    z_ra_var DOUBLE PRECISION,
    z_dec_var DOUBLE PRECISION,
    z_cov DOUBLE PRECISION,
    y_weight DOUBLE PRECISION,
    y_x DOUBLE PRECISION,
    y_y DOUBLE PRECISION,
    y_z DOUBLE PRECISION,
    y_n_err INTEGER,
    y_ra_var DOUBLE PRECISION,
    y_dec_var DOUBLE PRECISION,
    y_cov DOUBLE PRECISION,
    CONSTRAINT dia_object_place_pkey PRIMARY KEY (dia_object_id)
)
 WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Objects of this step of knowledge and before have no sums yet: their next visit reads their whole history.
INSERT INTO apdb_base.metadata (name, value)
SELECT
    'state.places_store_seq',
    (CASE WHEN s.is_called THEN s.last_value ELSE 0 END)::text
FROM apdb_base.store_seq AS s;

COMMENT ON TABLE apdb_base.dia_object_place IS 'Sums that the positions of objects are made of, band by band, so that a visit reads the history of its own band only; a cache, made anew from the sources where a row is missing';

COMMENT ON COLUMN apdb_base.dia_object_place.dia_object_id IS 'The object';

COMMENT ON COLUMN apdb_base.dia_object_place.u_weight IS 'Sum of the weights of the u-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.u_x IS 'In the u band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.u_y IS 'In the u band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.u_z IS 'In the u band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.u_n_err IS 'In the u band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.u_ra_var IS 'In the u band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.u_dec_var IS 'In the u band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.u_cov IS 'In the u band, squared weights times covariance; null if none has one';

COMMENT ON COLUMN apdb_base.dia_object_place.g_weight IS 'Sum of the weights of the g-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.g_x IS 'In the g band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.g_y IS 'In the g band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.g_z IS 'In the g band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.g_n_err IS 'In the g band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.g_ra_var IS 'In the g band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.g_dec_var IS 'In the g band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.g_cov IS 'In the g band, squared weights times covariance; null if none has one';

COMMENT ON COLUMN apdb_base.dia_object_place.r_weight IS 'Sum of the weights of the r-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.r_x IS 'In the r band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.r_y IS 'In the r band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.r_z IS 'In the r band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.r_n_err IS 'In the r band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.r_ra_var IS 'In the r band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.r_dec_var IS 'In the r band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.r_cov IS 'In the r band, squared weights times covariance; null if none has one';

COMMENT ON COLUMN apdb_base.dia_object_place.i_weight IS 'Sum of the weights of the i-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.i_x IS 'In the i band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.i_y IS 'In the i band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.i_z IS 'In the i band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.i_n_err IS 'In the i band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.i_ra_var IS 'In the i band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.i_dec_var IS 'In the i band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.i_cov IS 'In the i band, squared weights times covariance; null if none has one';

COMMENT ON COLUMN apdb_base.dia_object_place.z_weight IS 'Sum of the weights of the z-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.z_x IS 'In the z band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.z_y IS 'In the z band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.z_z IS 'In the z band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.z_n_err IS 'In the z band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.z_ra_var IS 'In the z band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.z_dec_var IS 'In the z band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.z_cov IS 'In the z band, squared weights times covariance; null if none has one';

COMMENT ON COLUMN apdb_base.dia_object_place.y_weight IS 'Sum of the weights of the y-band sources in the position; null without sources';

COMMENT ON COLUMN apdb_base.dia_object_place.y_x IS 'In the y band, their weighted unit vectors, x';

COMMENT ON COLUMN apdb_base.dia_object_place.y_y IS 'In the y band, their weighted unit vectors, y';

COMMENT ON COLUMN apdb_base.dia_object_place.y_z IS 'In the y band, their weighted unit vectors, z';

COMMENT ON COLUMN apdb_base.dia_object_place.y_n_err IS 'In the y band, number of them that have errors';

COMMENT ON COLUMN apdb_base.dia_object_place.y_ra_var IS 'In the y band, squared weights times variance in ra';

COMMENT ON COLUMN apdb_base.dia_object_place.y_dec_var IS 'In the y band, squared weights times variance in dec';

COMMENT ON COLUMN apdb_base.dia_object_place.y_cov IS 'In the y band, squared weights times covariance; null if none has one';
