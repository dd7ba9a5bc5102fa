-- what became of each (visit, detector) of a night, from expectation to alerts
--
-- contract: every one that was expected, failed or is stored. Eligible by is_eligible under the settings of now.
--   An eligible source without a current alert is missing. In time counts the first revisions of
--   alerts made with the visit itself that came into the index within p_limit of the end of readout, or of
--   the midpoint where the end is unknown; alerts of a later replacement are not measured against it.
-- args:
--   p_night: the night
--   p_limit [s]: longest latency that is in time
-- returns: stored or not, failure, counts; latency [s] of the slowest alert; latency_from says what it is
--   measured from: readout_end or midpoint
-- errors: none
-- locks: none
-- cost: reads sources and index of the night
create or replace function apdb.manifest_visits(p_night date, p_limit double precision)
returns table (
    visit bigint,
    detector smallint,
    is_stored boolean,
    failed_stage text,
    failed_reason text,
    n_eligible bigint,
    n_alerts bigint,
    n_missing bigint,
    n_not_eligible bigint,
    n_degraded bigint,
    n_first bigint,
    n_in_time bigint,
    latency double precision,
    latency_from text
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
    with stored as materialized (
        select
            v.visit, v.detector, v.midpoint_mjd_tai, v.store_seq,
            coalesce(v.readout_end_mjd_tai, v.midpoint_mjd_tai) as since,
            case when v.readout_end_mjd_tai is null then 'midpoint' else 'readout_end' end as latency_from
        from apdb_base.visit as v
        where v.night = p_night
    ),
    eligible as materialized (
        select t.dia_source_id, s.visit, s.detector
        from stored as s
        inner join apdb_base.dia_source as t
            on s.visit = t.visit and s.detector = t.detector and s.midpoint_mjd_tai = t.midpoint_mjd_tai
        cross join apdb.alert_rules() as r
        where
            apdb.is_eligible(
                t.time_withdrawn_mjd_tai, t.centroid_flag, t.pixel_flags_cr_center, t.pixel_flags_nodata_center,
                t.pixel_flags_interpolated_center, t.pixel_flags_saturated_center,
                t.pixel_flags_suspect_center, t.pixel_flags_streak_center, t.glint_trail,
                t.pixel_flags_injected_center, t.reliability, r.flags, r.reliability_min, r.fakes
            )
    ),
    indexed as materialized (
        select
            a.dia_source_id, s.visit, s.detector, a.is_current, a.degraded,
            a.revision = 0 and a.store_seq = s.store_seq as is_first,
            (f.written_mjd_tai - s.since) * 86400.0 as latency
        from stored as s
        inner join apdb_base.alert as a on s.visit = a.visit and s.detector = a.detector
        left join apdb_base.archive_file as f on a.packet_file = f.path
    ),
    matched as (
        select
            coalesce(e.visit, i.visit) as visit, coalesce(e.detector, i.detector) as detector,
            count(e.dia_source_id) as n_eligible,
            count(i.dia_source_id) as n_alerts,
            count(*) filter (where i.dia_source_id is null) as n_missing,
            count(*) filter (where e.dia_source_id is null) as n_not_eligible,
            count(i.degraded) as n_degraded
        from eligible as e
        full join (select x.* from indexed as x where x.is_current) as i
            on e.dia_source_id = i.dia_source_id and e.visit = i.visit and e.detector = i.detector
        group by 1, 2
    ),
    timed as (
        select
            i.visit, i.detector, count(*) as n_first,
            count(*) filter (where i.latency <= p_limit) as n_in_time, max(i.latency) as latency
        from indexed as i
        where i.is_first
        group by i.visit, i.detector
    ),
    known as (
        select s.visit, s.detector, null::text as failed_stage, null::text as failed_reason
        from stored as s
        union all
        select x.visit, x.detector, x.failed_stage, x.failed_reason
        from apdb_base.expected_visit as x
        where
            x.night = p_night
            and not exists (
                select from apdb_base.visit as v where v.visit = x.visit and v.detector = x.detector
            )
    )

    select
        k.visit, k.detector, s.visit is not null, k.failed_stage, k.failed_reason,
        coalesce(m.n_eligible, 0), coalesce(m.n_alerts, 0), coalesce(m.n_missing, 0),
        coalesce(m.n_not_eligible, 0), coalesce(m.n_degraded, 0), coalesce(t.n_first, 0),
        coalesce(t.n_in_time, 0), t.latency, s.latency_from
    from known as k
    left join stored as s on k.visit = s.visit and k.detector = s.detector
    left join matched as m on k.visit = m.visit and k.detector = m.detector
    left join timed as t on k.visit = t.visit and k.detector = t.detector
    order by k.visit, k.detector
$$;
