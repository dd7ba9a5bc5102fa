-- where known solar-system objects are at a time, within a disc, and how they move
--
-- contract: from the ephemerides that were built for the night: polynomials of where an object's light comes from,
--   seen from the site at that time, so that parallax and light time are in it. Nothing when no night was built
--   that covers the time: night_built says.
-- args:
--   p_ra [deg]: centre of the disc
--   p_dec [deg]: centre of the disc
--   p_radius [deg]: radius of the disc
--   p_mjd [d]: time, MJD TAI
-- returns: id, designation; astrometric position [deg], its errors [deg], rates [deg/d, ra_rate with cos dec] and V
--   magnitude by H and G; elongation and phase angle [deg]; distances [au] and their rates [km/s] from the observer
--   and the Sun; vectors from the Sun and the observer when the light left, ICRS axes [au, km/s]
-- errors: VA001 when the centre or radius is out of range or NaN
-- locks: none
-- cost: two Q3C searches, and 10 us an object
create or replace function apdb.predict(
    p_ra double precision, p_dec double precision, p_radius double precision, p_mjd double precision
)
returns table (
    ss_object_id bigint,
    designation text,
    ra double precision,
    "dec" double precision,
    ra_err real,
    dec_err real,
    ra_dec_cov real,
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
set plan_cache_mode = force_custom_plan
set jit = off
as $$
#variable_conflict use_column
declare
    -- of light, au a day
    k_light constant double precision := 299792.458 * 86400.0 / 149597870.7;
    -- km/s in an au a day
    k_kms constant double precision := 149597870.7 / 86400.0;
    n apdb_base.ephemeris_night;
    -- the observer and his velocity, the Sun and its
    obs_x double precision;
    obs_y double precision;
    obs_z double precision;
    obs_vx double precision;
    obs_vy double precision;
    obs_vz double precision;
    sun_x double precision;
    sun_y double precision;
    sun_z double precision;
    sun_vx double precision;
    sun_vy double precision;
    sun_vz double precision;
begin
    -- NaN is greater than any number, and would match everything.
    if
        not coalesce(p_radius >= 0.0 and p_radius <= 180.0 and p_dec between -90.0 and 90.0, false)
        or not coalesce(p_ra >= 0.0 and p_ra <= 360.0, false)
    then
        raise exception 'no disc of radius % deg around %, %', p_radius, p_ra, p_dec
        using errcode = 'VA001', hint = 'Give ra in 0-360, dec in -90-90 and a radius in 0-180, in degrees.';
    end if;
    select e.* into n
    from apdb_base.ephemeris_night as e
    where e.night_mjd = apdb.night_built(p_mjd);
    if not found then
        return;
    end if;
    select
        f.place[1], f.place[2], f.place[3], f.speed[1], f.speed[2], f.speed[3],
        f.sun[1], f.sun[2], f.sun[3], f.sun_speed[1], f.sun_speed[2], f.sun_speed[3]
    into obs_x, obs_y, obs_z, obs_vx, obs_vy, obs_vz, sun_x, sun_y, sun_z, sun_vx, sun_vy, sun_vz
    from apdb.observer_of_night(n, p_mjd) as f;

    return query
    with found as (
        select
            e.ss_object_id, e.designation, e.ra_err, e.dec_err, e.ra_dec_cov, e.h, e.g,
            (p_mjd - n.middle_mjd_tai) / n.half_width as s, n.half_width as width,
            e.x0, e.y0, e.z0, e.x1, e.y1, e.z1, e.x2, e.y2, e.z2, e.x3, e.y3, e.z3
        from apdb_base.ephemeris_slow as e
        where
            e.night_mjd = n.night_mjd
            -- Not q3c_radial_query: near the corners of its cube Q3C 2.0.0 loses rows there.
            and q3c_join(p_ra, p_dec, e.ra, e.dec, least(180.0, p_radius + n.slow_margin))
        union all
        select
            e.ss_object_id, e.designation, e.ra_err, e.dec_err, e.ra_dec_cov, e.h, e.g,
            (p_mjd - e.middle_mjd_tai) / n.fast_half_width, n.fast_half_width,
            e.x0, e.y0, e.z0, e.x1, e.y1, e.z1, e.x2, e.y2, e.z2, e.x3, e.y3, e.z3
        from apdb_base.ephemeris_fast as e
        where
            e.night_mjd = n.night_mjd
            -- Pieces overlap a little: one of them.
            and e.middle_mjd_tai > p_mjd - n.fast_spacing / 2.0 and e.middle_mjd_tai <= p_mjd + n.fast_spacing / 2.0
            and q3c_join(p_ra, p_dec, e.ra, e.dec, least(180.0, p_radius + n.fast_margin))
    ),

    -- `offset 0` keeps each of these a step of its own: merged, all would be worked out again for each use.
    lines as (
        select
            f.*,
            f.x0 + f.s * (f.x1 + f.s * (f.x2 + f.s * f.x3)) - obs_x as dx,
            f.y0 + f.s * (f.y1 + f.s * (f.y2 + f.s * f.y3)) - obs_y as dy,
            f.z0 + f.s * (f.z1 + f.s * (f.z2 + f.s * f.z3)) - obs_z as dz,
            (f.x1 + f.s * (2.0 * f.x2 + 3.0 * f.s * f.x3)) / f.width as vx,
            (f.y1 + f.s * (2.0 * f.y2 + 3.0 * f.s * f.y3)) / f.width as vy,
            (f.z1 + f.s * (2.0 * f.z2 + 3.0 * f.s * f.z3)) / f.width as vz
        from found as f
        offset 0
    ),

    placed as (
        select
            l.*,
            sqrt(l.dx * l.dx + l.dy * l.dy + l.dz * l.dz) as delta,
            degrees(atan2(l.dy, l.dx)) as lon,
            degrees(atan2(l.dz, sqrt(l.dx * l.dx + l.dy * l.dy))) as lat
        from lines as l
        offset 0
    ),

    inside as (
        select
            p.*,
            case when p.lon < 0.0 then p.lon + 360.0 else p.lon end as ra,
            sqrt(p.dx * p.dx + p.dy * p.dy) as across,
            -- Light time changes with the distance: what moves is seen by another clock.
            1.0 / (
                1.0 - (p.dx * (p.vx - obs_vx) + p.dy * (p.vy - obs_vy) + p.dz * (p.vz - obs_vz)) / (p.delta * k_light)
            ) as clock,
            p.dx + obs_x - sun_x + sun_vx * p.delta / k_light as hx,
            p.dy + obs_y - sun_y + sun_vy * p.delta / k_light as hy,
            p.dz + obs_z - sun_z + sun_vz * p.delta / k_light as hz
        from placed as p
        where q3c_dist(p.lon, p.lat, p_ra, p_dec) <= p_radius
        offset 0
    ),

    measured as (
        select
            i.*,
            sqrt(i.hx * i.hx + i.hy * i.hy + i.hz * i.hz) as r,
            i.vx * i.clock - sun_vx as hvx,
            i.vy * i.clock - sun_vy as hvy,
            i.vz * i.clock - sun_vz as hvz,
            i.vx * i.clock - obs_vx as tvx,
            i.vy * i.clock - obs_vy as tvy,
            i.vz * i.clock - obs_vz as tvz,
            i.vx - obs_vx as drx,
            i.vy - obs_vy as dry,
            i.vz - obs_vz as drz
        from inside as i
        offset 0
    ),

    angles as (
        select
            m.*,
            degrees(acos(greatest(-1.0, least(1.0, (m.hx * m.dx + m.hy * m.dy + m.hz * m.dz) / (m.r * m.delta)))))
                as phase
        from measured as m
        offset 0
    )

    select
        a.ss_object_id,
        a.designation,
        a.ra,
        a.lat,
        a.ra_err,
        a.dec_err,
        a.ra_dec_cov,
        degrees((a.dx * a.dry - a.dy * a.drx) / (a.across * a.delta)),
        degrees((a.across * a.drz - a.dz * (a.dx * a.drx + a.dy * a.dry) / a.across) / (a.delta * a.delta)),
        apdb.hg_magnitude(a.h, a.g, a.r, a.delta, a.phase)::real,
        degrees(acos(greatest(-1.0, least(
            1.0,
            (a.dx * (sun_x - obs_x) + a.dy * (sun_y - obs_y) + a.dz * (sun_z - obs_z))
            / (a.delta * sqrt(power(sun_x - obs_x, 2) + power(sun_y - obs_y, 2) + power(sun_z - obs_z, 2)))
        )))),
        a.phase,
        a.delta,
        (a.dx * a.tvx + a.dy * a.tvy + a.dz * a.tvz) / a.delta * k_kms,
        a.r,
        (a.hx * a.hvx + a.hy * a.hvy + a.hz * a.hvz) / a.r * k_kms,
        a.hx, a.hy, a.hz, a.hvx * k_kms, a.hvy * k_kms, a.hvz * k_kms,
        a.dx, a.dy, a.dz, a.tvx * k_kms, a.tvy * k_kms, a.tvz * k_kms
    from angles as a;
end
$$;
