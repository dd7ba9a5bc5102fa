-- notes that the image pipeline begins with a visit and detector
--
-- contract: in a transaction of its own, so that a process that dies leaves a trace. Again, it counts one
--   attempt more, unless the one before was broken off, and what that has left is forgotten.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_run: tag of the run; empty for the production
--   p_mode: fast or full
--   p_input: file, or null
--   p_config: configuration of all stages
--   p_worker: host and process
-- returns: number of the attempt, from 1
-- errors: none (23514 for a mode that there is not)
-- locks: the row
-- cost: one row
create or replace function apdb.begin_processing(
    p_visit bigint,
    p_detector integer,
    p_run text,
    p_mode text,
    p_input text,
    p_config jsonb,
    p_worker text
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_attempts integer;
begin
    insert into apdb_base.visit_processing as p (
        visit, detector, run, state, mode, input, config, worker, started_mjd_tai
    )
    values (
        p_visit, p_detector, p_run, 'running', p_mode, p_input, p_config, p_worker,
        apdb.mjd_tai(clock_timestamp())
    )
    on conflict (visit, detector, run) do update set
        state = 'running', mode = excluded.mode, input = excluded.input, config = excluded.config,
        worker = excluded.worker, started_mjd_tai = excluded.started_mjd_tai, ended_mjd_tai = null,
        n_attempts = p.n_attempts + (p.state <> 'running')::integer, stage = null, reason = null, timings = null, n_dia_sources = null,
        flavour = null, template_id = null, template_version = null, template_rule = null, template_coverage = null
    returning p.n_attempts into v_attempts;
    return v_attempts;
end
$$;
