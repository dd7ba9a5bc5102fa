-- where the index of the archive disagrees with the database or with itself
--
-- contract: nothing comes back if all is well. Sources that were withdrawn or replaced keep their
--   alerts; that is no discrepancy. A visit without any alert is looked at with p_all only: it may have
--   been stored before the database had an archive.
-- args:
--   p_night: the night, or null for all
--   p_all: true to report eligible sources of visits that have no alert at all
-- returns: what is wrong, in a few words that do not change; where; more in detail
-- errors: none
-- locks: none
-- cost: reads sources and index of the night, or all
create or replace function apdb.verify_index(p_night date, p_all boolean)
returns table (what text, visit bigint, detector smallint, dia_source_id bigint, path text, detail text)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
    with stored as materialized (
        select v.visit, v.detector, v.midpoint_mjd_tai
        from apdb_base.visit as v
        where p_night is null or v.night = p_night
    ),
    eligible as (
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
            and (
                p_all
                or exists (
                    select from apdb_base.archive_file as f where f.visit = s.visit and f.detector = s.detector
                )
            )
    ),
    indexed as materialized (
        select a.*
        from apdb_base.alert as a
        where p_night is null or (a.visit, a.detector) in (select s.visit, s.detector from stored as s)
    ),
    files as materialized (
        select f.*
        from apdb_base.archive_file as f
        where p_night is null or f.night = p_night
    ),
    referenced as (
        select r.path, count(*) as n
        from indexed as a
        cross join lateral (values (a.packet_file), (a.stamps_file)) as r (path)
        where r.path is not null
        group by r.path
    ),
    revisions as (
        select
            a.dia_source_id, max(a.visit) as visit, max(a.detector) as detector,
            count(*) filter (where a.is_current) as n_current,
            count(*) as n, max(a.revision) as last, max(a.revision) filter (where a.is_current) as current
        from apdb_base.alert as a
        where a.dia_source_id in (select i.dia_source_id from indexed as i)
        group by a.dia_source_id
    )

    select 'eligible source without alert', e.visit, e.detector, e.dia_source_id, null, null
    from eligible as e
    where not exists (select from indexed as a where a.dia_source_id = e.dia_source_id and a.is_current)
    union all
    select
        'current revision is not one and the last', r.visit, r.detector, r.dia_source_id, null,
        format('%s current, the last is %s', r.n_current, r.last)
    from revisions as r
    where r.n_current <> 1 or r.current <> r.last
    union all
    select 'revisions have a gap', r.visit, r.detector, r.dia_source_id, null, format('%s up to %s', r.n, r.last)
    from revisions as r
    where r.n <> r.last + 1
    union all
    select 'alert without visit', a.visit, a.detector, a.dia_source_id, a.packet_file, null
    from indexed as a
    where not exists (select from apdb_base.visit as v where v.visit = a.visit and v.detector = a.detector)
    union all
    select 'alert of an unknown source', a.visit, a.detector, a.dia_source_id, a.packet_file, null
    from indexed as a
    where
        a.is_current
        and not exists (select from apdb_base.dia_source_locator as l where l.dia_source_id = a.dia_source_id)
        and not exists (
            select from apdb_base.dia_source_superseded as d where d.dia_source_id = a.dia_source_id
        )
    union all
    select
        'alert refers to a file that the index does not have', a.visit, a.detector, a.dia_source_id, r.path, null
    from indexed as a
    cross join lateral (values (a.packet_file), (a.stamps_file)) as r (path)
    where r.path is not null and not exists (select from apdb_base.archive_file as f where f.path = r.path)
    union all
    select
        'file has another number of alerts than the index', f.visit, f.detector, null, f.path,
        format('%s, the index has %s', f.n_alerts, coalesce(r.n, 0))
    from files as f
    left join referenced as r on f.path = r.path
    where f.state = 'whole' and f.n_alerts <> coalesce(r.n, 0)
    order by 1, 2, 3, 4
$$;
