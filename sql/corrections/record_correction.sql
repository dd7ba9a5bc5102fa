-- the audit of a correction, the mark in the register, and counters of solar-system objects
--
-- contract: one row in reassignment for each source changed, with what it belonged to before: from
--   them the state of any earlier store_seq follows. After a replacement the register and the
--   counters are commit_replacement's work.
-- args:
--   p_store_seq: store_seq of the correction
--   p_details: what changed
-- returns: nothing
-- errors: none
-- locks: row locks on solar-system objects, then visits, each in the order of their ids
-- cost: 20 ms for 10,000 sources
create or replace function apdb.record_correction(p_store_seq bigint, p_details jsonb)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_event apdb_base.store_event;
begin
    select e.* into v_event
    from apdb_base.store_event as e
    where e.store_seq = p_store_seq;

    insert into apdb_base.reassignment (
        store_seq, dia_source_id, midpoint_mjd_tai, old_dia_object_id, new_dia_object_id,
        old_ss_object_id, new_ss_object_id, withdrawn
    )
    select
        p_store_seq, c.dia_source_id, c.midpoint_mjd_tai, c.old_dia_object_id,
        case when not c.withdrawn then c.new_dia_object_id end,
        c.old_ss_object_id,
        case when not c.withdrawn then c.new_ss_object_id end,
        c.withdrawn
    from pg_temp.stage_change as c;
    insert into apdb_base.correction (store_seq, kind, reason, made_by, mjd_tai, n_dia_sources, details)
    values (
        p_store_seq, v_event.kind, v_event.reason, v_event.made_by, v_event.mjd_tai,
        (select count(*) from pg_temp.stage_change), p_details
    );
    if v_event.kind = 'replace' then
        return;
    end if;

    perform apdb.count_ss_objects(array(
        select c.old_ss_object_id from pg_temp.stage_change as c
        where c.old_ss_object_id is not null
        union
        select c.new_ss_object_id from pg_temp.stage_change as c
        where c.new_ss_object_id is not null
    ));
    perform 1
    from apdb_base.visit as v
    where
        (v.visit, v.detector) in (select c.visit, c.detector from pg_temp.stage_change as c)
        or (v.visit = v_event.visit and v.detector = v_event.detector)
    order by v.visit, v.detector
    for no key update;
    update apdb_base.visit as v
    set corrected_store_seq = p_store_seq
    where
        (v.visit, v.detector) in (select c.visit, c.detector from pg_temp.stage_change as c)
        or (v.visit = v_event.visit and v.detector = v_event.detector);
end
$$;
