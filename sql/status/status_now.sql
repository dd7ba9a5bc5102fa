-- the state of the database at a glance: last visit, backlog of transactions, size, growth
--
-- contract: growth is the bytes that a stored source takes on average, times the sources of the last
--   p_days days of processing (or of the time since the first, at least one day).
-- args:
--   p_days [d]: over how many days growth is measured
-- returns: one row; times in MJD TAI [d], sizes in bytes, null where there is nothing
-- errors: none
-- locks: none
-- cost: reads the visits of p_days
create or replace function apdb.status_now(
    p_days double precision default 7.0,
    out mjd_tai double precision,
    out schema_version text,
    out n_visits bigint,
    out last_visit bigint,
    out last_detector smallint,
    out last_midpoint_mjd_tai double precision,
    out last_stored_mjd_tai double precision,
    out last_lag double precision,
    out last_store_seq bigint,
    out database_bytes bigint,
    out bytes_per_day double precision,
    out oldest_transaction_age double precision,
    out oldest_transaction_pid integer,
    out oldest_transaction_client text,
    out archive_failing_since timestamptz,
    out n_replicas bigint,
    out replica_lag double precision
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_since double precision;
    v_recent double precision;
    v_total double precision;
begin
    mjd_tai := apdb.mjd_tai(clock_timestamp());
    select m.value into schema_version from apdb_base.metadata as m where m.name = 'schema.version';
    -- Counting millions takes seconds; from there on the planner's estimate will do.
    select c.reltuples::bigint into n_visits from pg_class as c where c.oid = 'apdb_base.visit'::regclass;
    if n_visits < 1000000 then
        n_visits := (select count(*) from apdb_base.visit);
    end if;
    select
        v.visit, v.detector, v.midpoint_mjd_tai, v.time_processed_mjd_tai,
        (v.time_processed_mjd_tai - coalesce(v.readout_end_mjd_tai, v.midpoint_mjd_tai)) * 86400.0
    into last_visit, last_detector, last_midpoint_mjd_tai, last_stored_mjd_tai, last_lag
    from apdb_base.visit as v
    order by v.store_seq desc
    limit 1;
    last_store_seq := (select max(e.store_seq) from apdb_base.store_event as e);
    database_bytes := pg_database_size(current_database());

    select min(e.mjd_tai), coalesce(sum(v.n_dia_sources), 0.0) into v_since, v_recent
    from apdb_base.store_event as e
    inner join apdb_base.visit as v on e.store_seq = v.store_seq
    where e.mjd_tai >= status_now.mjd_tai - p_days;
    v_total := greatest(
        v_recent,
        (
            select sum(greatest(c.reltuples, 0))
            from pg_class as c
            inner join pg_inherits as i on c.oid = i.inhrelid
            where i.inhparent = 'apdb_base.dia_source'::regclass
        )
    );
    -- Until the oldest visit of the span is a day old, what came is taken for a day's.
    bytes_per_day := case when v_total > 0 then
        database_bytes * (v_recent / v_total) / greatest(1.0, mjd_tai - v_since)
    else 0.0 end;

    select extract(epoch from clock_timestamp() - a.xact_start), a.pid, a.application_name
    into oldest_transaction_age, oldest_transaction_pid, oldest_transaction_client
    from pg_stat_activity as a
    where a.datname = current_database() and a.xact_start is not null and a.pid <> pg_backend_pid()
        and a.backend_type = 'client backend'
    order by a.xact_start
    limit 1;
    select s.last_failed_time into archive_failing_since
    from pg_stat_archiver as s
    where s.last_failed_time > coalesce(s.last_archived_time, '-infinity');
    select count(*), max(extract(epoch from r.replay_lag)) into n_replicas, replica_lag
    from pg_stat_replication as r;
end
$$;
