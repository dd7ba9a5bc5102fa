-- keeps ss_source in step with the changed sources
--
-- contract: the rows of sources that are attributed no more, or otherwise, go; sources attributed
--   by hand get one, with the prediction where an ephemeris has the object within 0.1 deg.
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

    perform apdb.ensure_ss_objects(array(
        select distinct c.new_ss_object_id
        from pg_temp.stage_change as c
        where c.new_ss_object_id is not null
    ));

    insert into pg_temp.stage_ss_source (
        dia_source_id, source_ra, source_dec, dia_distance_rank,
        ss_object_id, designation, ra, dec, ra_err, dec_err, ra_rate, dec_rate, vmag, elongation, phase_angle,
        topo_range, topo_range_rate, helio_range, helio_range_rate, helio_x, helio_y, helio_z, helio_vx, helio_vy,
        helio_vz, topo_x, topo_y, topo_z, topo_vx, topo_vy, topo_vz
    )
    select
        d.dia_source_id, d.ra, d.dec, case when p.ra is not null then 1 end,
        o.ss_object_id, o.designation, p.ra, p.dec, p.ra_err, p.dec_err, p.ra_rate, p.dec_rate, p.vmag, p.elongation,
        p.phase_angle, p.topo_range, p.topo_range_rate, p.helio_range, p.helio_range_rate, p.helio_x, p.helio_y,
        p.helio_z, p.helio_vx, p.helio_vy, p.helio_vz, p.topo_x, p.topo_y, p.topo_z, p.topo_vx, p.topo_vy, p.topo_vz
    from pg_temp.stage_change as c
    inner join apdb_base.dia_source as d
        on c.dia_source_id = d.dia_source_id and c.midpoint_mjd_tai = d.midpoint_mjd_tai
    inner join apdb_base.ss_object as o on c.new_ss_object_id = o.ss_object_id
    left join lateral (
        select q.*
        from apdb.predicted_at(d.midpoint_mjd_tai, d.ra, d.dec, 0.1) as q
        where q.ss_object_id = o.ss_object_id
    ) as p on true
    where not c.withdrawn and c.old_ss_object_id is distinct from c.new_ss_object_id;
    perform apdb.write_ss_sources();
end
$$;
