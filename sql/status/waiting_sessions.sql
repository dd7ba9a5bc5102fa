-- who waits for whom
--
-- contract: every session of this database that waits for a lock, with each session that holds it.
-- args: none
-- returns: pids, clients, the visits they store, what kind of lock, how long [s], and what the holder does
-- errors: none
-- locks: none
-- cost: one look at the lock table for each session
create or replace function apdb.waiting_sessions()
returns table (
    pid integer,
    client text,
    visit text,
    lock text,
    waiting double precision,
    holder_pid integer,
    holder_client text,
    holder_visit text,
    holder_state text
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    with session as (
        select
            a.pid, a.application_name, a.state, a.query_start,
            (
                select t.visit || ' ' || t.detector
                from apdb_base.visit_attempt as t
                where t.backend_pid = a.pid and t.backend_start = a.backend_start and t.state = 'running'
                order by t.attempt_id desc
                limit 1
            ) as visit
        from pg_stat_activity as a
        where a.datname = current_database()
    )

    select
        w.pid, w.application_name, w.visit,
        case
            when l.locktype = 'advisory' and l.classid = 17001 then 'visit'
            when l.locktype = 'advisory' and l.classid = 17002 then 'sky cell ' || l.objid
            else coalesce(l.locktype || coalesce(' ' || l.relation::regclass::text, ''), 'lock')
        end,
        extract(epoch from clock_timestamp() - coalesce(l.waitstart, w.query_start)),
        h.pid, h.application_name, h.visit, h.state
    from session as w
    cross join lateral unnest(pg_blocking_pids(w.pid)) as b (pid)
    left join pg_locks as l on w.pid = l.pid and not l.granted
    left join session as h on b.pid = h.pid
    order by 5 desc, w.pid, h.pid
$$;
