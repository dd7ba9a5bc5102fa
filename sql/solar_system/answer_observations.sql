-- takes in what the Minor Planet Center says of observations
--
-- contract: by obsSubID; an answer replaces an earlier one, the same again changes nothing. Answers on
--   observations that were never exported are refused as a whole.
-- args:
--   p_dia_source_ids: the obsSubIDs
--   p_states: published, rejected or unlinked, of each
--   p_obs_ids: identifiers that the observations got, or null
--   p_designations: designations that they were identified with, or null
--   p_messages: what was said, or null
-- returns: number of observations whose row changed
-- errors: VA005 for observations that were not exported; VA001 for another state
-- locks: row locks on the observations, in the order of their ids
-- cost: one index search an observation
create or replace function apdb.answer_observations(
    p_dia_source_ids bigint[], p_states text[], p_obs_ids text[], p_designations text[], p_messages text[]
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_n integer;
    v_ids text;
begin
    if exists (select from unnest(p_states) as u (state) where u.state not in ('published', 'rejected', 'unlinked')) then
        raise exception 'answers are published, rejected or unlinked' using errcode = 'VA001';
    end if;
    perform 1
    from apdb_base.mpc_submission as s
    where s.dia_source_id = any(p_dia_source_ids)
    order by s.dia_source_id
    for no key update;
    select string_agg(u.id::text, ', ' order by u.id) into v_ids
    from unnest(p_dia_source_ids) as u (id)
    where not exists (select from apdb_base.mpc_submission as s where s.dia_source_id = u.id);
    if v_ids is not null then
        raise exception 'observations that were never exported: %', v_ids
        using errcode = 'VA005', hint = 'Nothing was changed; is the answer for another database?';
    end if;
    update apdb_base.mpc_submission as s
    set
        state = a.state,
        obs_id = coalesce(a.obs_id, s.obs_id),
        mpc_designation = coalesce(a.designation, s.mpc_designation),
        message = a.message,
        answered_mjd_tai = apdb.mjd_tai(clock_timestamp())
    from unnest(p_dia_source_ids, p_states, p_obs_ids, p_designations, p_messages)
        as a (dia_source_id, state, obs_id, designation, message)
    where
        s.dia_source_id = a.dia_source_id
        and (s.state, s.obs_id, s.mpc_designation, s.message) is distinct from (
            a.state, coalesce(a.obs_id, s.obs_id), coalesce(a.designation, s.mpc_designation), a.message
        );
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
