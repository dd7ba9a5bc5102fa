-- records the attributed sources of the stage as detections of their solar-system objects
--
-- contract: one ss_source row each, with the prediction and what follows from it alone: offsets in right
--   ascension (with cos dec), declination, along and across the track, ecliptic (J2000 mean obliquity) and
--   galactic coordinates of the source. Objects that are new here get a row; counters are kept.
-- args: none
-- returns: nothing
-- errors: none
-- locks: row locks on the ss_object rows, in id order
-- cost: 5 ms for 1,000 sources
create or replace function apdb.store_ss_sources()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_temp.stage_match as m where m.ss_object_id is not null) then
        return;
    end if;

    insert into apdb_base.ss_object (
        ss_object_id, designation, n_obs, arc, u_n_obs, g_n_obs, r_n_obs, i_n_obs, z_n_obs, y_n_obs,
        u_n_obs_used, g_n_obs_used, r_n_obs_used, i_n_obs_used, z_n_obs_used, y_n_obs_used
    )
    select distinct on (p.ss_object_id) p.ss_object_id, p.designation, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from pg_temp.stage_prediction as p
    inner join pg_temp.stage_match as m on p.ss_object_id = m.ss_object_id
    order by p.ss_object_id
    on conflict (ss_object_id) do nothing;

    insert into apdb_base.ss_source (
        dia_source_id, ss_object_id, designation, ecl_lambda, ecl_beta, gal_lon, gal_lat,
        eph_ra, eph_dec, eph_vmag, eph_rate, eph_rate_ra, eph_rate_dec,
        eph_offset, eph_offset_ra, eph_offset_dec, eph_offset_along_track, eph_offset_cross_track, dia_distance_rank
    )
    select
        s.dia_source_id, p.ss_object_id, p.designation, e.lon, e.lat, g.lon, g.lat,
        p.ra, p.dec, p.vmag, o.rate, p.ra_rate, p.dec_rate,
        q3c_dist(p.ra, p.dec, s.ra, s.dec) * 3600.0, o.dx, o.dy,
        (o.dx * p.ra_rate + o.dy * p.dec_rate) / nullif(o.rate, 0.0),
        (o.dy * p.ra_rate - o.dx * p.dec_rate) / nullif(o.rate, 0.0),
        1
    from pg_temp.stage_source as s
    inner join pg_temp.stage_match as m on s.dia_source_id = m.dia_source_id
    inner join pg_temp.stage_prediction as p on m.ss_object_id = p.ss_object_id
    cross join lateral (
        select
            degrees(cos(radians(s.dec)) * sin(radians(s.ra - p.ra))) * 3600.0 as dx,
            degrees(
                sin(radians(s.dec - p.dec))
                + 2.0 * sin(radians(p.dec)) * cos(radians(s.dec)) * power(sin(radians(s.ra - p.ra) / 2.0), 2)
            ) * 3600.0 as dy,
            sqrt(p.ra_rate * p.ra_rate + p.dec_rate * p.dec_rate) as rate
    ) as o
    cross join lateral apdb.ecliptic(s.ra, s.dec) as e
    cross join lateral apdb.galactic(s.ra, s.dec) as g;

    perform apdb.count_ss_objects(array(
        select distinct m.ss_object_id from pg_temp.stage_match as m
        where m.ss_object_id is not null
    ));
end
$$;
