-- gives an object that was found here the designation of the Minor Planet Center
--
-- contract: all its sources go to the object of the designation, which is made if it is not known; an orbit that
--   was loaded for it stays, else ours goes along. Told in the identification history.
-- args:
--   p_ss_object_id: the object that was found here
--   p_designated_id: id of the designation
--   p_designation: the designation in plain form
--   p_packed: and packed
-- returns: the step of knowledge; 0 if it has no sources
-- errors: VA005 when the object was not found here; VA004 when another session holds the sky
-- locks: advisory (17013, 0), as when orbits are loaded; then those of reassign
-- cost: as reassign
create or replace function apdb.designate_object(
    p_ss_object_id bigint, p_designated_id bigint, p_designation text, p_packed text
)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_name text;
    v_seq bigint;
    v_now double precision;
    v_ids bigint[];
begin
    perform pg_advisory_xact_lock(17013, 0);
    v_now := apdb.mjd_tai(clock_timestamp());
    select o.designation into v_name
    from apdb_base.orbit as o
    where o.ss_object_id = p_ss_object_id and o.source = 'linking';
    if v_name is null then
        raise exception 'solar-system object % is not one that was found here', p_ss_object_id
        using errcode = 'VA005';
    end if;
    select coalesce(array_agg(d.dia_source_id), '{}') into v_ids
    from apdb_base.dia_source as d
    where d.ss_object_id = p_ss_object_id and d.time_withdrawn_mjd_tai is null;

    insert into apdb_base.ss_object (
        ss_object_id, designation, n_obs, arc, u_n_obs, g_n_obs, r_n_obs, i_n_obs, z_n_obs, y_n_obs,
        u_n_obs_used, g_n_obs_used, r_n_obs_used, i_n_obs_used, z_n_obs_used, y_n_obs_used
    )
    values (p_designated_id, p_designation, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    on conflict (ss_object_id) do nothing;
    select r.store_seq into v_seq
    from apdb.reassign(v_ids, null, p_designated_id, 'designated by the Minor Planet Center: ' || v_name) as r;
    if exists (select from apdb_base.orbit as o where o.ss_object_id = p_designated_id) then
        delete from apdb_base.orbit as o
        where o.ss_object_id = p_ss_object_id;
        delete from apdb_base.mpc_orbits as m
        where m.unpacked_primary_provisional_designation = v_name and m.id < 0;
    else
        update apdb_base.orbit as o
        set ss_object_id = p_designated_id, designation = p_designation, changed_mjd_tai = v_now
        where o.ss_object_id = p_ss_object_id;
        update apdb_base.mpc_orbits as m
        set
            designation = p_designation,
            packed_primary_provisional_designation = p_packed,
            unpacked_primary_provisional_designation = p_designation
        where m.unpacked_primary_provisional_designation = v_name and m.id < 0;
    end if;
    insert into apdb_base.identification (
        kind, ss_object_id, other_ss_object_id, designation, store_seq, mjd_tai, n_dia_sources, n_nights,
        first_mjd_tai, last_mjd_tai, reason
    )
    select
        'designated', p_designated_id, p_ss_object_id, p_designation, nullif(v_seq, 0), v_now, count(*),
        count(distinct v.night), min(l.midpoint_mjd_tai), max(l.midpoint_mjd_tai),
        v_name || ' was designated by the Minor Planet Center'
    from apdb_base.dia_source_locator as l
    inner join apdb_base.visit as v on l.visit = v.visit and l.detector = v.detector
    where l.dia_source_id = any(v_ids);
    return v_seq;
end
$$;
