-- a session in words: backend, client, and the visit that it stores
--
-- contract: call pg_stat_clear_snapshot() first, since a transaction keeps its first look at the sessions.
-- args:
--   p_pid: process id of the session's backend
-- returns: text for messages
-- errors: none
-- locks: none
-- cost: microseconds
create or replace function apdb.who_is(p_pid integer)
returns text
language sql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        format(
            'backend %s (%s), %s', p_pid, coalesce(nullif(a.application_name, ''), 'unnamed client'),
            coalesce(
                (
                    select format(
                        'storing visit %s detector %s since MJD %s',
                        t.visit, t.detector, round(t.started_mjd_tai::numeric, 5)
                    )
                    from apdb_base.visit_attempt as t
                    where t.backend_pid = p_pid and t.backend_start = a.backend_start and t.state = 'running'
                    order by t.attempt_id desc
                    limit 1
                ),
                'no visit of its own: a correction, a dry run or a session at work by hand'
            )
        )
    from (values (p_pid)) as p (pid)
    left join pg_stat_activity as a on p.pid = a.pid
$$;
