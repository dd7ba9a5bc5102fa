-- keeps ss_source in step with the changed sources
--
-- contract: the rows of sources that are attributed no more, or otherwise, go; sources attributed
--   by hand get one, with the prediction where the ephemeris has the object within 0.1 deg.
--   Solar-system objects that are unknown get a row. Counters are count_ss_objects' work.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: one ephemeris search a newly attributed source
create or replace function apdb.move_ss_sources()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    delete from apdb_base.ss_source as s
    using pg_temp.stage_change as c
    where
        s.dia_source_id = c.dia_source_id
        and (c.withdrawn or c.old_ss_object_id is distinct from c.new_ss_object_id);

    insert into apdb_base.ss_object (
        ss_object_id, designation, n_obs, arc, u_n_obs, g_n_obs, r_n_obs, i_n_obs, z_n_obs, y_n_obs,
        u_n_obs_used, g_n_obs_used, r_n_obs_used, i_n_obs_used, z_n_obs_used, y_n_obs_used
    )
    select
        n.ss_object_id,
        (
            select e.designation
            from apdb_base.ephemeris as e
            where e.ss_object_id = n.ss_object_id
            order by e.mjd_tai desc
            limit 1
        ),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from (
        select distinct c.new_ss_object_id as ss_object_id
        from pg_temp.stage_change as c
        where c.new_ss_object_id is not null
    ) as n
    order by n.ss_object_id
    on conflict (ss_object_id) do nothing;

    insert into apdb_base.ss_source (
        dia_source_id, ss_object_id, designation, ecl_lambda, ecl_beta, gal_lon, gal_lat,
        eph_ra, eph_dec, eph_vmag, eph_rate, eph_rate_ra, eph_rate_dec,
        eph_offset, eph_offset_ra, eph_offset_dec, eph_offset_along_track, eph_offset_cross_track
    )
    select
        d.dia_source_id, o.ss_object_id, o.designation, e.lon, e.lat, g.lon, g.lat,
        p.ra, p.dec, p.vmag, x.rate, p.ra_rate, p.dec_rate,
        q3c_dist(p.ra, p.dec, d.ra, d.dec) * 3600.0, x.dx, x.dy,
        (x.dx * p.ra_rate + x.dy * p.dec_rate) / nullif(x.rate, 0.0),
        (x.dy * p.ra_rate - x.dx * p.dec_rate) / nullif(x.rate, 0.0)
    from pg_temp.stage_change as c
    inner join apdb_base.dia_source as d
        on c.dia_source_id = d.dia_source_id and c.midpoint_mjd_tai = d.midpoint_mjd_tai
    inner join apdb_base.ss_object as o on c.new_ss_object_id = o.ss_object_id
    left join lateral (
        select q.ra, q.dec, q.vmag, q.ra_rate, q.dec_rate
        from apdb.predicted_positions(d.midpoint_mjd_tai, d.ra, d.dec, 0.1) as q
        where q.ss_object_id = o.ss_object_id
    ) as p on true
    cross join lateral (
        select
            degrees(cos(radians(d.dec)) * sin(radians(d.ra - p.ra))) * 3600.0 as dx,
            degrees(
                sin(radians(d.dec - p.dec))
                + 2.0 * sin(radians(p.dec)) * cos(radians(d.dec)) * power(sin(radians(d.ra - p.ra) / 2.0), 2)
            ) * 3600.0 as dy,
            sqrt(p.ra_rate * p.ra_rate + p.dec_rate * p.dec_rate) as rate
    ) as x
    cross join lateral apdb.ecliptic(d.ra, d.dec) as e
    cross join lateral apdb.galactic(d.ra, d.dec) as g
    where not c.withdrawn and c.old_ss_object_id is distinct from c.new_ss_object_id;
end
$$;
