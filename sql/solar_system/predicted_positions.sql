-- where known solar-system objects are at a time, within a disc
--
-- contract: from the ephemeris table: for each object the row nearest in time, at most
--   ephemeris_max_dt away, moved along its rates. An object that moves further than
--   ephemeris_margin from that row is missed: tabulate fast ones densely.
-- args:
--   p_mjd [d]: time, MJD TAI
--   p_ra [deg]: centre of the disc
--   p_dec [deg]: centre of the disc
--   p_radius [deg]: radius of the disc
-- returns: id, designation, position [deg], rates [deg/d, ra_rate with cos dec] and V magnitude
-- errors: none
-- locks: none
-- cost: one Q3C search of the ephemeris table
create or replace function apdb.predicted_positions(
    p_mjd double precision, p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (
    ss_object_id bigint,
    designation text,
    ra double precision,
    "dec" double precision,
    ra_rate double precision,
    dec_rate double precision,
    vmag real
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_max_dt double precision := apdb.setting('ephemeris_max_dt');
    v_margin double precision := apdb.setting('ephemeris_margin');
begin
    return query
    with nearest as (
        select distinct on (e.ss_object_id) e.*, p_mjd - e.mjd_tai as dt
        from apdb_base.ephemeris as e
        where
            -- Not q3c_radial_query: near the corners of its cube Q3C 2.0.0 loses rows there.
            q3c_join(p_ra, p_dec, e.ra, e.dec, p_radius + v_margin)
            and e.mjd_tai between p_mjd - v_max_dt and p_mjd + v_max_dt
        order by e.ss_object_id, abs(p_mjd - e.mjd_tai), e.mjd_tai
    ),

    -- Along the rates on the tangent plane, so that the poles and RA 0 are nothing special.
    moved as (
        select
            n.*,
            radians(n.ra_rate::double precision * n.dt) as xi,
            radians(n.dec_rate::double precision * n.dt) as eta
        from nearest as n
    ),

    placed as (
        select
            m.*,
            m.ra + degrees(atan2(m.xi, cos(radians(m.dec)) - m.eta * sin(radians(m.dec)))) as ra_now,
            degrees(asin(
                (sin(radians(m.dec)) + m.eta * cos(radians(m.dec))) / sqrt(1.0 + m.xi * m.xi + m.eta * m.eta)
            )) as dec_now
        from moved as m
    )

    select
        p.ss_object_id,
        p.designation,
        p.ra_now - 360.0 * floor(p.ra_now / 360.0),
        p.dec_now,
        p.ra_rate::double precision,
        p.dec_rate::double precision,
        p.vmag
    from placed as p
    where q3c_dist(p.ra_now, p.dec_now, p_ra, p_dec) <= p_radius;
end
$$;
