-- visits that should be stored and are not: missing or failed
--
-- contract: missing: expected, its midpoint (else the time it was announced) longer ago than the grace, and
--   not failed. Failed: recorded by fail_visit, or its last attempt to be stored ended with an error. A
--   visit that is stored is neither.
-- args:
--   p_grace [s]: how long after its midpoint a visit may take
-- returns: state missing or failed, when, where and why; the latest first
-- errors: none
-- locks: none
-- cost: reads expected_visit and the attempts that failed
create or replace function apdb.outstanding_visits(p_grace double precision default 600.0)
returns table (
    state text,
    visit bigint,
    detector smallint,
    night date,
    midpoint_mjd_tai double precision,
    since_mjd_tai double precision,
    stage text,
    reason text,
    n_failures integer
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    with attempt as (
        select
            a.visit, a.detector, count(*)::integer as n,
            (array_agg(a.error order by a.attempt_id desc))[1] as error, max(a.ended_mjd_tai) as ended_mjd_tai
        from apdb_base.visit_attempt as a
        where a.state = 'failed'
        group by a.visit, a.detector
    ),

    known as (
        select
            coalesce(e.visit, a.visit) as visit, coalesce(e.detector, a.detector) as detector,
            e.night, e.midpoint_mjd_tai, e.expected_at_mjd_tai,
            greatest(e.failed_at_mjd_tai, a.ended_mjd_tai) as failed_at,
            -- Whichever failed last says why.
            coalesce(e.failed_at_mjd_tai, 0.0) >= coalesce(a.ended_mjd_tai, 0.0) as by_report,
            e.failed_stage, e.failed_reason, a.error, coalesce(e.n_failures, 0) + coalesce(a.n, 0) as n_failures
        from apdb_base.expected_visit as e
        full join attempt as a on e.visit = a.visit and e.detector = a.detector
    )

    select
        case when k.failed_at is null then 'missing' else 'failed' end,
        k.visit, k.detector, coalesce(k.night, apdb.night_of(k.failed_at)), k.midpoint_mjd_tai,
        coalesce(k.failed_at, k.midpoint_mjd_tai, k.expected_at_mjd_tai) as since,
        case when k.failed_at is not null then case when k.by_report then k.failed_stage else 'store' end end,
        case when k.by_report then k.failed_reason else k.error end,
        k.n_failures
    from known as k
    where
        not exists (select from apdb_base.visit as v where v.visit = k.visit and v.detector = k.detector)
        and (
            k.failed_at is not null
            or coalesce(k.midpoint_mjd_tai, k.expected_at_mjd_tai) + p_grace / 86400.0
            < apdb.mjd_tai(clock_timestamp())
        )
    order by since desc, k.visit, k.detector
$$;
