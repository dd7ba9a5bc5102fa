-- records the attributed sources of the stage as detections of their solar-system objects
--
-- contract: one ss_source row each, see write_ss_sources. Objects that are new here get a row; counters are kept.
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
declare
    v_ids bigint[];
begin
    select array_agg(distinct m.ss_object_id) into v_ids
    from pg_temp.stage_match as m
    where m.ss_object_id is not null;
    if v_ids is null then
        return;
    end if;

    perform apdb.ensure_ss_objects(v_ids);
    insert into pg_temp.stage_ss_source (
        dia_source_id, source_ra, source_dec, dia_distance_rank,
        ss_object_id, designation, ra, dec, ra_err, dec_err, ra_rate, dec_rate, vmag, elongation, phase_angle,
        topo_range, topo_range_rate, helio_range, helio_range_rate, helio_x, helio_y, helio_z, helio_vx, helio_vy,
        helio_vz, topo_x, topo_y, topo_z, topo_vx, topo_vy, topo_vz
    )
    select
        s.dia_source_id, s.ra, s.dec, 1,
        p.ss_object_id, p.designation, p.ra, p.dec, p.ra_err, p.dec_err, p.ra_rate, p.dec_rate, p.vmag, p.elongation,
        p.phase_angle, p.topo_range, p.topo_range_rate, p.helio_range, p.helio_range_rate, p.helio_x, p.helio_y,
        p.helio_z, p.helio_vx, p.helio_vy, p.helio_vz, p.topo_x, p.topo_y, p.topo_z, p.topo_vx, p.topo_vy, p.topo_vz
    from pg_temp.stage_source as s
    inner join pg_temp.stage_match as m on s.dia_source_id = m.dia_source_id
    inner join pg_temp.stage_prediction as p on m.ss_object_id = p.ss_object_id;
    perform apdb.write_ss_sources();
    perform apdb.count_ss_objects(v_ids);
end
$$;
