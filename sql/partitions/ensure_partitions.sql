-- makes the partitions of a span of time, where they are missing
--
-- contract: 30-day ranges aligned to multiples of 30 d MJD, for every partitioned table. Called in a short
--   transaction of its own before a visit, with lock_timeout, days ahead: creating a partition
--   needs the parent for itself for a moment.
-- args:
--   p_from [d]: start of the span, MJD TAI
--   p_to [d]: end of the span, MJD TAI
-- returns: names of the partitions made
-- errors: VA001 when the span is not within MJD 15000 to 150000
-- locks: advisory (class 17000, 0); ACCESS EXCLUSIVE on a parent while its partition is made
-- cost: 15 ms a partition, microseconds when there is nothing to do
create or replace function apdb.ensure_partitions(p_from double precision, p_to double precision)
returns text[]
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_lower integer;
    v_table text;
    v_name text;
    v_made text[] := '{}';
begin
    if not (p_from >= 15000 and p_to <= 150000 and p_from <= p_to) then
        raise exception 'no partitions for MJD % to %', p_from, p_to
        using errcode = 'VA001', hint = 'MJD TAI between 15000 and 150000.';
    end if;
    for v_lower in
        select generate_series(floor(p_from / 30.0)::integer * 30, floor(p_to / 30.0)::integer * 30, 30)
    loop
        for v_table in
            select c.relname
            from pg_class as c
            where c.relnamespace = 'apdb_base'::regnamespace and c.relkind = 'p'
            order by c.relname
        loop
            v_name := format('%s_p%s', v_table, v_lower);
            if to_regclass('apdb_base.' || v_name) is null then
                perform pg_advisory_xact_lock(17000, 0);
                if to_regclass('apdb_base.' || v_name) is null then
                    execute format(
                        'create table apdb_base.%I partition of apdb_base.%I for values from (%s) to (%s)'
                        ' with (autovacuum_analyze_scale_factor = 0.05)',
                        v_name, v_table, v_lower, v_lower + 30
                    );
                    v_made := v_made || v_name;
                end if;
            end if;
        end loop;
    end loop;
    return v_made;
end
$$;
