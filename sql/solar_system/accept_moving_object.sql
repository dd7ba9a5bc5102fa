-- makes sources one object of the solar system, with its orbit, as one step
--
-- contract: a new object gets a name of our own (ap and six digits of base 36), to be replaced when the Minor
--   Planet Center gives a designation, and an id from its letters as those of designations. The sources are
--   reassigned to it, DIAObjects that are left without one are retired, counters put right, its orbit and its row
--   of mpc_orbits written, and the step told in the identification history. An object that goes into it
--   loses its orbit; its sources must be among those given. All or nothing.
-- args:
--   p_ss_object_id: the object; null for a new one
--   p_other: object that goes into it, or null
--   p_dia_source_ids: all sources that its orbit is of
--   p_epoch [d]: epoch of the orbit, MJD TDB
--   p_state [au, au/d]: barycentric state, ICRF
--   p_covariance: of the state, as the table orbit has it; null if it is not known
--   p_elements: columns of mpc_orbits by name
--   p_reason: why, in words
-- returns: the object and its name, the step of knowledge, number of sources moved, DIAObjects retired
-- errors: VA005 for unknown sources or objects; VA008 when a source is of another solar-system object by now, or
--   withdrawn, or the orbit of the object is not of our own; VA004 when another session holds the sky
-- locks: advisory (17013, 0), as when orbits are loaded; then those of reassign
-- cost: 40 ms for a few sources
create or replace function apdb.accept_moving_object(
    p_ss_object_id bigint,
    p_other bigint,
    p_dia_source_ids bigint[],
    p_epoch double precision,
    p_state double precision[],
    p_covariance bytea,
    p_elements jsonb,
    p_reason text,
    out ss_object_id bigint,
    out designation text,
    out store_seq bigint,
    out n_dia_sources integer,
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_step bigint;
    v_number bigint;
    v_now double precision;
    v_ids text;
begin
    perform pg_advisory_xact_lock(17013, 0);
    v_now := apdb.mjd_tai(clock_timestamp());
    v_step := nextval(pg_get_serial_sequence('apdb_base.identification', 'identification_id'));
    if p_ss_object_id is null then
        designation := '';
        v_number := v_step;
        for k in 1..6 loop
            designation := substr('0123456789abcdefghijklmnopqrstuvwxyz', (v_number % 36)::integer + 1, 1) || designation;
            v_number := v_number / 36;
        end loop;
        designation := 'ap' || designation;
        ss_object_id := ('x' || encode(convert_to(designation, 'UTF8'), 'hex'))::bit(64)::bigint;
    else
        select o.ss_object_id, o.designation into ss_object_id, designation
        from apdb_base.orbit as o
        where o.ss_object_id = p_ss_object_id;
        if ss_object_id is null then
            raise exception 'solar-system object % has no orbit', p_ss_object_id using errcode = 'VA005';
        end if;
    end if;
    if p_other is not null and not exists (
        select from apdb_base.orbit as o
        where o.ss_object_id = p_other and o.source = 'linking'
    ) then
        raise exception 'solar-system object % is not one that was found here', p_other
        using errcode = 'VA008', hint = 'Nothing was changed; only objects without a designation are merged.';
    end if;
    select string_agg(d.dia_source_id::text, ', ' order by d.dia_source_id) into v_ids
    from apdb_base.dia_source_locator as l
    inner join apdb_base.dia_source as d
        on l.dia_source_id = d.dia_source_id and l.midpoint_mjd_tai = d.midpoint_mjd_tai
    where
        l.dia_source_id = any(p_dia_source_ids)
        and d.ss_object_id <> coalesce(p_ss_object_id, 0) and d.ss_object_id <> coalesce(p_other, 0);
    if v_ids is not null then
        raise exception 'sources are of other solar-system objects by now: %', v_ids
        using errcode = 'VA008', hint = 'Nothing was changed; run the linking again.';
    end if;

    insert into apdb_base.ss_object (
        ss_object_id, designation, n_obs, arc, u_n_obs, g_n_obs, r_n_obs, i_n_obs, z_n_obs, y_n_obs,
        u_n_obs_used, g_n_obs_used, r_n_obs_used, i_n_obs_used, z_n_obs_used, y_n_obs_used
    )
    values (ss_object_id, designation, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    on conflict (ss_object_id) do nothing;
    select r.store_seq, r.n_dia_sources, r.retired into store_seq, n_dia_sources, retired
    from apdb.reassign(p_dia_source_ids, null, ss_object_id, p_reason) as r;

    perform apdb.write_found_orbit(ss_object_id, designation, p_epoch, p_state, p_covariance, p_elements, v_now);
    if p_other is not null then
        delete from apdb_base.orbit as o
        where o.ss_object_id = p_other;
        delete from apdb_base.mpc_orbits as m
        using apdb_base.ss_object as o
        where o.ss_object_id = p_other and m.unpacked_primary_provisional_designation = o.designation and m.id < 0;
    end if;
    if store_seq > 0 then
        -- Nights built before this step lack the object.
        insert into apdb_base.metadata (name, value)
        values ('state.orbit_store_seq', store_seq::text)
        on conflict (name) do update set value = excluded.value;
    end if;
    insert into apdb_base.identification (
        identification_id, kind, ss_object_id, other_ss_object_id, designation, store_seq, mjd_tai, n_dia_sources,
        n_nights, first_mjd_tai, last_mjd_tai, normalized_rms, reason
    )
    select
        v_step,
        case when p_other is not null then 'merged' when p_ss_object_id is null then 'new' else 'extended' end,
        accept_moving_object.ss_object_id, p_other, accept_moving_object.designation,
        nullif(accept_moving_object.store_seq, 0), v_now, count(*), count(distinct v.night),
        min(l.midpoint_mjd_tai), max(l.midpoint_mjd_tai), (p_elements ->> 'normalized_rms')::real, p_reason
    from apdb_base.dia_source_locator as l
    inner join apdb_base.visit as v on l.visit = v.visit and l.detector = v.detector
    where l.dia_source_id = any(p_dia_source_ids);
end
$$;
