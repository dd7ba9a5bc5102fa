-- makes the partitions of a span of time, where they are missing
--
-- contract: 30-day ranges aligned to multiples of 30 d MJD, for every partitioned table; 240-day ranges
--   for fragments, which are read by object over a whole year: each partition costs a search of its
--   index. Vacuum comes to those soon, for what it has not seen cannot be read from the index alone.
--   Called in a short transaction of its own before a visit, with lock_timeout, days ahead: creating a
--   partition needs the parent for itself for a moment.
-- args:
--   p_from [d]: start of the span, MJD TAI
--   p_to [d]: end of the span, MJD TAI
-- returns: names of the partitions made
-- errors: VA001 when the span is not within MJD 15000 to 150000; VA004 when sessions still use the
--   tables after lock_timeout; names them
-- locks: advisory (class 17000, 0); then ACCESS EXCLUSIVE on the partitioned tables, dia_source first, as
--   every visit uses them; lock_timeout should be below deadlock_timeout, so that it is this one
--   that gives way
-- cost: 15 ms a partition, microseconds when there is nothing to do
create or replace function apdb.ensure_partitions(p_from double precision, p_to double precision)
returns text[]
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_lower integer;
    v_width integer;
    v_tables text[];
    v_table text;
    v_name text;
    v_made text[] := '{}';
    v_holders text;
begin
    if not (p_from >= 15000 and p_to <= 150000 and p_from <= p_to) then
        raise exception 'no partitions for MJD % to %', p_from, p_to
        using errcode = 'VA001', hint = 'MJD TAI between 15000 and 150000.';
    end if;
    v_tables := array(
        select c.relname
        from pg_class as c
        where c.relnamespace = 'apdb_base'::regnamespace and c.relkind = 'p'
        order by c.relname <> 'dia_source', c.relname
    );
    if not exists (
        select
        from unnest(v_tables) as t (name)
        cross join lateral (select case when t.name like '%\_fragment' then 240 else 30 end as width) as w
        cross join lateral generate_series(
            floor(p_from / w.width)::integer * w.width, floor(p_to / w.width)::integer * w.width, w.width
        ) as l (lower_mjd)
        where to_regclass(format('apdb_base.%I', t.name || '_p' || l.lower_mjd)) is null
    ) then
        return v_made;
    end if;

    begin
        perform pg_advisory_xact_lock(17000, 0);
        foreach v_table in array v_tables loop
            execute format('lock table only apdb_base.%I in access exclusive mode', v_table);
        end loop;
    exception when lock_not_available then
        perform pg_stat_clear_snapshot();
        select string_agg(apdb.who_is(x.pid), '; ') into v_holders
        from (
            select distinct l.pid
            from pg_locks as l
            where
                l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
                and l.database = (select d.oid from pg_database as d where d.datname = current_database())
                and l.relation in (select format('apdb_base.%I', t.name)::regclass from unnest(v_tables) as t (name))
        ) as x;
        raise exception 'another session uses the tables that need a partition: %',
            coalesce(v_holders, 'it has just ended')
        using errcode = 'VA004', hint = 'Nothing was stored; try again.';
    end;
    foreach v_table in array v_tables loop
        v_width := case when v_table like '%\_fragment' then 240 else 30 end;
        for v_lower in
            select generate_series(
                floor(p_from / v_width)::integer * v_width, floor(p_to / v_width)::integer * v_width, v_width
            )
        loop
            v_name := format('%s_p%s', v_table, v_lower);
            if to_regclass(format('apdb_base.%I', v_name)) is null then
                execute format(
                    'create table apdb_base.%I partition of apdb_base.%I for values from (%s) to (%s)'
                    ' with (autovacuum_analyze_scale_factor = 0.05%s)',
                    v_name, v_table, v_lower, v_lower + v_width,
                    case when v_table like '%\_fragment' then ', autovacuum_vacuum_insert_scale_factor = 0.02' end
                );
                v_made := v_made || v_name;
            end if;
        end loop;
    end loop;
    return v_made;
end
$$;
