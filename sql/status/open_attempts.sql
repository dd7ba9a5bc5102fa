-- attempts to store a visit that have not ended: at work, waiting, or dead
--
-- contract: dead: its backend is gone, or has begun another attempt, or has been idle for 10 s. Dead
--   attempts of visits that are stored by now, or that another living attempt is storing, are left out.
-- args: none
-- returns: state running, waiting or died; age [s]; who blocks it
-- errors: none
-- locks: none
-- cost: reads the attempts that are running
create or replace function apdb.open_attempts()
returns table (
    state text,
    attempt_id bigint,
    visit bigint,
    detector smallint,
    client text,
    pid integer,
    age double precision,
    waits_for text,
    blocked_by integer[]
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    with attempt as (
        select
            t.*, a.wait_event_type, a.wait_event,
            a.pid is null
            or (a.state = 'idle' and a.state_change < clock_timestamp() - interval '10 s')
            or exists (
                select from apdb_base.visit_attempt as n
                where
                    n.backend_pid = t.backend_pid and n.backend_start = t.backend_start
                    and n.attempt_id > t.attempt_id
            ) as dead
        from apdb_base.visit_attempt as t
        left join pg_stat_activity as a on t.backend_pid = a.pid and t.backend_start = a.backend_start
        where t.state = 'running'
    )

    select
        case when t.dead then 'died' when b.pids <> '{}' then 'waiting' else 'running' end,
        t.attempt_id, t.visit, t.detector, t.client, t.backend_pid,
        (apdb.mjd_tai(clock_timestamp()) - t.started_mjd_tai) * 86400.0,
        t.wait_event_type || ': ' || t.wait_event,
        b.pids
    from attempt as t
    cross join lateral (
        select case when t.dead then '{}'::integer[] else pg_blocking_pids(t.backend_pid) end as pids
    ) as b
    where
        not t.dead
        or not (
            exists (select from apdb_base.visit as v where v.visit = t.visit and v.detector = t.detector)
            or exists (
                select from attempt as o
                where o.visit = t.visit and o.detector = t.detector and not o.dead
            )
        )
    order by t.attempt_id
$$;
