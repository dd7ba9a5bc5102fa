-- moves the staged fragments to their tables
--
-- contract: those that are there already are replaced, so that it may be repeated.
-- args: none
-- returns: number of fragments staged
-- errors: none of its own
-- locks: none of its own; the caller holds the visit and the sky of what they are of
-- cost: 0.2 s for 10,000 sources, forced sources and objects
create or replace function apdb.insert_fragments()
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_n bigint;
    v_all bigint;
begin
    insert into apdb_base.dia_source_fragment (
        dia_object_id, midpoint_mjd_tai, dia_source_id, registry_id, head, tail
    )
    select s.dia_object_id, s.midpoint_mjd_tai, s.dia_source_id, s.registry_id, s.head, s.tail
    from pg_temp.stage_dia_source_fragment as s
    order by s.dia_object_id, s.midpoint_mjd_tai, s.dia_source_id
    on conflict (dia_object_id, midpoint_mjd_tai, dia_source_id, registry_id) do update
        set head = excluded.head, tail = excluded.tail;
    get diagnostics v_all = row_count;

    insert into apdb_base.dia_forced_source_fragment (
        dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id, head, tail
    )
    select s.dia_object_id, s.midpoint_mjd_tai, s.dia_forced_source_id, s.registry_id, s.head, s.tail
    from pg_temp.stage_dia_forced_source_fragment as s
    order by s.dia_object_id, s.midpoint_mjd_tai, s.dia_forced_source_id
    on conflict (dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id) do update
        set head = excluded.head, tail = excluded.tail;
    get diagnostics v_n = row_count;
    v_all := v_all + v_n;

    insert into apdb_base.dia_object_fragment (
        visit, detector, dia_object_id, midpoint_mjd_tai, registry_id, fragment
    )
    select s.visit, s.detector, s.dia_object_id, s.midpoint_mjd_tai, s.registry_id, s.fragment
    from pg_temp.stage_dia_object_fragment as s
    order by s.visit, s.detector, s.dia_object_id
    on conflict (visit, detector, dia_object_id, midpoint_mjd_tai, registry_id) do update
        set fragment = excluded.fragment;
    get diagnostics v_n = row_count;
    v_all := v_all + v_n;

    insert into apdb_base.ss_source_fragment (
        visit, detector, dia_source_id, midpoint_mjd_tai, registry_id, fragment
    )
    select s.visit, s.detector, s.dia_source_id, s.midpoint_mjd_tai, s.registry_id, s.fragment
    from pg_temp.stage_ss_source_fragment as s
    order by s.visit, s.detector, s.dia_source_id
    on conflict (visit, detector, dia_source_id, midpoint_mjd_tai, registry_id) do update
        set fragment = excluded.fragment;
    get diagnostics v_n = row_count;
    v_all := v_all + v_n;

    insert into apdb_base.mpc_orbits_fragment (
        visit, detector, ss_object_id, midpoint_mjd_tai, registry_id, fragment
    )
    select s.visit, s.detector, s.ss_object_id, s.midpoint_mjd_tai, s.registry_id, s.fragment
    from pg_temp.stage_mpc_orbits_fragment as s
    order by s.visit, s.detector, s.ss_object_id
    on conflict (visit, detector, ss_object_id, midpoint_mjd_tai, registry_id) do update
        set fragment = excluded.fragment;
    get diagnostics v_n = row_count;
    return v_all + v_n;
end
$$;
