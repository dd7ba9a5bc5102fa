-- where known solar-system objects are at a time, within a disc, by whatever ephemerides there are
--
-- contract: by the ephemeris table where it has an object, otherwise by the ephemerides of the night; what the
--   former does not say is null.
-- args:
--   p_mjd [d]: time, MJD TAI
--   p_ra [deg]: centre of the disc
--   p_dec [deg]: centre of the disc
--   p_radius [deg]: radius of the disc
-- returns: as predict, without the covariance of the position
-- errors: VA001 when the centre or radius is out of range or NaN
-- locks: none
-- cost: that of predict and predicted_positions
create or replace function apdb.predicted_at(
    p_mjd double precision, p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (
    ss_object_id bigint,
    designation text,
    ra double precision,
    "dec" double precision,
    ra_err real,
    dec_err real,
    ra_rate double precision,
    dec_rate double precision,
    vmag real,
    elongation double precision,
    phase_angle double precision,
    topo_range double precision,
    topo_range_rate double precision,
    helio_range double precision,
    helio_range_rate double precision,
    helio_x double precision,
    helio_y double precision,
    helio_z double precision,
    helio_vx double precision,
    helio_vy double precision,
    helio_vz double precision,
    topo_x double precision,
    topo_y double precision,
    topo_z double precision,
    topo_vx double precision,
    topo_vy double precision,
    topo_vz double precision
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with plain as materialized (
        select e.*
        from apdb.predicted_positions(p_mjd, p_ra, p_dec, p_radius) as e
    )

    select
        e.ss_object_id, e.designation, e.ra, e.dec, null, null, e.ra_rate, e.dec_rate, e.vmag, null, null, null, null,
        null, null, null, null, null, null, null, null, null, null, null, null, null, null
    from plain as e
    union all
    select
        e.ss_object_id, e.designation, e.ra, e.dec, e.ra_err, e.dec_err, e.ra_rate, e.dec_rate, e.vmag, e.elongation,
        e.phase_angle, e.topo_range, e.topo_range_rate, e.helio_range, e.helio_range_rate, e.helio_x, e.helio_y,
        e.helio_z, e.helio_vx, e.helio_vy, e.helio_vz, e.topo_x, e.topo_y, e.topo_z, e.topo_vx, e.topo_vy, e.topo_vz
    from apdb.predict(p_ra, p_dec, p_radius, p_mjd) as e
    where not exists (select from plain as o where o.ss_object_id = e.ss_object_id);
end
$$;
