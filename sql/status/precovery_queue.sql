-- how old the queue of precovery is, and what came of it
--
-- contract: new objects are to be measured on earlier images within 24 h (LDM-151 3.4.1): the age is that of the
--   oldest request that waits, the delay that of requests done within the last day.
-- args: none
-- returns: requests that wait, of these due now and tried before; age of the oldest [s], null for none; requests
--   given up; done within the last day, and their median and longest delay [s]
-- errors: none
-- locks: none
-- cost: an index look-up for each request that waits or was done within the day
create or replace function apdb.precovery_queue()
returns table (
    n_queued integer,
    n_due integer,
    n_retrying integer,
    oldest_age double precision,
    n_dead integer,
    n_done_last_day integer,
    delay_median double precision,
    delay_max double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select q.n, q.n_due, q.n_retrying, q.age, d.n, f.n, f.delay_median, f.delay_max
    from (select apdb.mjd_tai(clock_timestamp()) as now) as t
    cross join lateral (
        select
            count(*)::integer as n,
            (count(*) filter (where r.next_try_mjd_tai <= t.now))::integer as n_due,
            (count(*) filter (where r.n_attempts > 0))::integer as n_retrying,
            case
                when min(r.queued_mjd_tai) is not null
                    then greatest(t.now - min(r.queued_mjd_tai), 0.0) * 86400.0
            end as age
        from apdb_base.precovery_request as r
        where r.state = 'queued'
    ) as q
    cross join lateral (
        select count(*)::integer as n
        from apdb_base.precovery_request as r
        where r.state = 'dead'
    ) as d
    cross join lateral (
        select
            count(*)::integer as n,
            percentile_cont(0.5) within group (order by r.finished_mjd_tai - r.queued_mjd_tai) * 86400.0
                as delay_median,
            max(r.finished_mjd_tai - r.queued_mjd_tai) * 86400.0 as delay_max
        from apdb_base.precovery_request as r
        where r.state = 'done' and r.finished_mjd_tai > t.now - 1.0
    ) as f
$$;
