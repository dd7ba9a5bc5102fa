-- records that a detector of a visit broke on its way
--
-- contract: each call counts one failure and replaces stage and reason. The visit may still be stored
--   later, and is then no longer reported as failed. It need not have been expected.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_reason: what happened, in words
--   p_stage: where, for instance subtract
-- returns: how often it has failed
-- errors: VA001 when reason or stage is empty
-- locks: the row of the visit
-- cost: one row
create or replace function apdb.fail_visit(p_visit bigint, p_detector integer, p_reason text, p_stage text)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_failures integer;
begin
    if coalesce(btrim(p_reason), '') = '' or coalesce(btrim(p_stage), '') = '' then
        raise exception 'a failed visit needs a reason and a stage' using errcode = 'VA001';
    end if;
    insert into apdb_base.expected_visit as e (
        visit, detector, night, failed_at_mjd_tai, failed_stage, failed_reason, n_failures
    )
    values (p_visit, p_detector, apdb.night_of(v_now), v_now, p_stage, p_reason, 1)
    on conflict (visit, detector) do update set
        failed_at_mjd_tai = v_now, failed_stage = p_stage, failed_reason = p_reason, n_failures = e.n_failures + 1
    returning e.n_failures into v_failures;
    return v_failures;
end
$$;
