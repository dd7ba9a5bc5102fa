-- notes what became of a visit and detector in the image pipeline
--
-- contract: after begin_processing. A failure of the production (run empty) is also a failure of the visit,
--   as fail_visit records it. One that is none of the image (the image store did not answer) is no attempt.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_run: tag of the run; empty for the production
--   p_stage: stage that failed; null if none did
--   p_reason: why it failed; null if it did not
--   p_template_id: template that was chosen or given, or null
--   p_template_version: its version, or null
--   p_template_rule: how it was chosen, or null
--   p_template_coverage: fraction of the image that it covers, or null
--   p_flavour: way of the subtraction, or null
--   p_n_dia_sources: number of DIASources, or null
--   p_timings [s]: seconds of each stage by name
--   p_counts: whether it was an attempt
-- returns: state now, done or failed
-- errors: VA005 when it was not begun
-- locks: the row, and that of the expected visit
-- cost: two rows
create or replace function apdb.end_processing(
    p_visit bigint,
    p_detector integer,
    p_run text,
    p_stage text,
    p_reason text,
    p_template_id bigint,
    p_template_version integer,
    p_template_rule text,
    p_template_coverage real,
    p_flavour text,
    p_n_dia_sources integer,
    p_timings jsonb,
    p_counts boolean default true
)
returns text
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_state text;
begin
    update apdb_base.visit_processing as p
    set
        state = case when p_stage is null then 'done' else 'failed' end,
        stage = p_stage,
        reason = p_reason,
        template_id = p_template_id,
        template_version = p_template_version,
        template_rule = p_template_rule,
        template_coverage = p_template_coverage,
        flavour = p_flavour,
        n_dia_sources = p_n_dia_sources,
        timings = p_timings,
        n_attempts = p.n_attempts - (not p_counts)::integer,
        ended_mjd_tai = apdb.mjd_tai(clock_timestamp())
    where p.visit = p_visit and p.detector = p_detector and p.run = p_run
    returning p.state into v_state;
    if v_state is null then
        raise exception 'processing of visit % detector % was not begun', p_visit, p_detector
        using errcode = 'VA005';
    end if;
    if p_stage is not null and p_run = '' then
        perform apdb.fail_visit(p_visit, p_detector, p_reason, p_stage);
    end if;
    return v_state;
end
$$;
