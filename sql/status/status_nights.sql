-- what came in each of the last nights
--
-- contract: a night is there if a visit is stored, expected or failed in it. Counts are of (visit, detector).
--   Lag is from the end of readout, else the midpoint, to the store.
-- args:
--   p_n: how many nights
-- returns: one row a night, latest first; lags [s]
-- errors: none
-- locks: none
-- cost: reads the visits of those nights
create or replace function apdb.status_nights(p_n integer default 7)
returns table (
    night date,
    n_exposures bigint,
    n_visits bigint,
    n_dia_sources bigint,
    n_new_dia_objects bigint,
    n_dia_forced_sources bigint,
    n_unassociated bigint,
    n_expected bigint,
    n_outstanding bigint,
    lag_median double precision,
    lag_p98 double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    with nights as (
        select v.night from apdb_base.visit as v group by v.night
        union
        select e.night from apdb_base.expected_visit as e where e.night is not null
        order by night desc
        limit p_n
    )

    select
        n.night, s.n_exposures, s.n_visits, s.n_dia_sources, s.n_new_dia_objects, s.n_dia_forced_sources,
        s.n_unassociated, e.n_expected, e.n_outstanding, s.lag_median, s.lag_p98
    from nights as n
    cross join lateral (
        select
            count(distinct v.visit) as n_exposures,
            count(*) as n_visits,
            coalesce(sum(v.n_dia_sources), 0) as n_dia_sources,
            coalesce(sum(v.n_new_dia_objects), 0) as n_new_dia_objects,
            coalesce(sum(v.n_dia_forced_sources), 0) as n_dia_forced_sources,
            coalesce(sum(v.n_unassociated), 0) as n_unassociated,
            percentile_cont(0.5) within group (order by l.lag) as lag_median,
            percentile_cont(0.98) within group (order by l.lag) as lag_p98
        from apdb_base.visit as v
        cross join lateral (
            select (v.time_processed_mjd_tai - coalesce(v.readout_end_mjd_tai, v.midpoint_mjd_tai)) * 86400.0 as lag
        ) as l
        where v.night = n.night
    ) as s
    cross join lateral (
        select
            count(x.expected_at_mjd_tai) as n_expected,
            count(*) filter (where v.visit is null) as n_outstanding
        from apdb_base.expected_visit as x
        left join apdb_base.visit as v on x.visit = v.visit and x.detector = v.detector
        where x.night = n.night
    ) as e
    order by n.night desc
$$;
