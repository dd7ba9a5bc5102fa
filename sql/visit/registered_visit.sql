-- what is stored under a (visit, detector)
--
-- contract: one row if it is stored, none otherwise.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: digest, store_seq, time, the report as it was given, timings, and the store_seq of the last correction
-- errors: none
-- locks: none
-- cost: one index look-up
create or replace function apdb.registered_visit(p_visit bigint, p_detector integer)
returns table (
    digest bytea,
    store_seq bigint,
    mjd_tai double precision,
    dia_object_ids bigint[],
    ss_object_ids bigint[],
    is_new boolean[],
    timings jsonb,
    association text,
    association_radius double precision,
    n_dia_forced_sources integer,
    ephemerides_missing boolean,
    corrected_store_seq bigint
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        v.digest, v.store_seq, v.time_processed_mjd_tai, v.report_dia_object_id, v.report_ss_object_id, v.report_is_new,
        v.timings,
        v.association, v.association_radius, v.n_dia_forced_sources, v.ephemerides_missing, v.corrected_store_seq
    from apdb_base.visit as v
    where v.visit = p_visit and v.detector = p_detector
$$;
