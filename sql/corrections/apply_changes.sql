-- makes the planned correction: sources, objects with their versions and summaries, and the audit
--
-- contract: after lock_concerned, in its transaction. Counters and summaries are made anew from
--   the sources. A replacement leaves the register and the counters of solar-system objects to
--   commit_replacement.
-- args:
--   p_kind: reassign, merge, split, withdraw or replace
--   p_visit: visit, if all of it is concerned: its forced photometry is withdrawn too
--   p_detector: its detector
--   p_reason: why, in words
--   p_new_object: id of an object to start, or null
--   p_heir: object that gets the forced photometry of those that are left empty, or null
-- returns: store_seq and time [d], number of sources changed, ids of the objects changed and
--   retired
-- errors: none of its own
-- locks: row locks on objects, solar-system objects and visits, each in the order of their ids
-- cost: 10 ms for a few sources; 1.5 s for a visit of 10,000
create or replace function apdb.apply_changes(
    p_kind text,
    p_visit bigint,
    p_detector integer,
    p_reason text,
    p_new_object bigint,
    p_heir bigint,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    insert into pg_temp.stage_touched as t (
        dia_object_id, exists_already, is_new, n_dia_sources, first_mjd_tai, last_mjd_tai
    )
    select distinct x.dia_object_id, true, false, 0, 0, 0
    from pg_temp.stage_change as c
    cross join lateral (values (c.old_dia_object_id), (c.new_dia_object_id)) as x (dia_object_id)
    where x.dia_object_id is not null
    on conflict (dia_object_id) do update set is_new = false;
    update pg_temp.stage_touched as t
    set known_mjd_tai = greatest(o.validity_start_mjd_tai, o.validity_end_mjd_tai)
    from apdb_base.dia_object as o
    where t.dia_object_id = o.dia_object_id;
    select count(*) into n_dia_sources
    from pg_temp.stage_change as c;

    select k.store_seq, k.mjd_tai into store_seq, mjd_tai
    from apdb.next_knowledge(p_kind, p_visit, p_detector, p_reason) as k;
    -- Objects that a replacement may touch were there to set the clock right.
    delete from pg_temp.stage_touched as t
    where t.is_new;

    if p_new_object is not null then
        -- Sources refer to it, so it comes first; apply_summaries writes what it is.
        insert into apdb_base.dia_object (
            dia_object_id, validity_start_mjd_tai, ra, dec, u_psf_flux_ndata, g_psf_flux_ndata,
            r_psf_flux_ndata, i_psf_flux_ndata, z_psf_flux_ndata, y_psf_flux_ndata, n_dia_sources, store_seq
        )
        values (p_new_object, apply_changes.mjd_tai, 0, 0, 0, 0, 0, 0, 0, 0, 0, apply_changes.store_seq);
    end if;
    perform apdb.write_changes(p_visit, p_detector, mjd_tai);

    analyze pg_temp.stage_touched;
    perform apdb.recount_touched();
    retired := apdb.retire_emptied(store_seq, mjd_tai, p_heir);
    perform apdb.summarise_objects();
    perform apdb.summarise_forced();
    perform apdb.apply_summaries(store_seq, mjd_tai);
    perform apdb.queue_precovery(mjd_tai, p_new_object);
    perform apdb.find_neighbours(store_seq, null);
    select coalesce(array_agg(t.dia_object_id order by t.dia_object_id), '{}') into changed
    from pg_temp.stage_touched as t
    where t.dia_object_id is distinct from p_new_object;
    delete from pg_temp.stage_touched where true;
    delete from pg_temp.stage_band where true;
    delete from pg_temp.stage_summary where true;

    perform apdb.move_ss_sources();
    perform apdb.record_correction(
        store_seq,
        jsonb_build_object('changed', changed, 'retired', retired, 'created', array_remove(array[p_new_object], null))
    );
end
$$;
