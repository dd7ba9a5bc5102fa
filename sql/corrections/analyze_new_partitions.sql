-- gives the planner a first idea of partitions that nothing has analysed yet
--
-- contract: without it the planner takes them for empty, and the summaries of thousands of objects
--   take a minute instead of a second. Autovacuum comes within minutes; corrections may come first.
-- args:
--   p_from [d]: earliest midpoint, MJD TAI
--   p_to [d]: latest midpoint, MJD TAI
-- returns: number of partitions analysed
-- errors: none
-- locks: SHARE UPDATE EXCLUSIVE on these partitions, which readers and visits do not notice
-- cost: 0.1 s a partition that has rows and was never analysed
create or replace function apdb.analyze_new_partitions(
    p_from double precision, p_to double precision
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_partition regclass;
    v_n integer := 0;
begin
    for v_partition in
        select c.oid::regclass
        from pg_inherits as i
        inner join pg_class as c on i.inhrelid = c.oid
        where
            i.inhparent in ('apdb_base.dia_source'::regclass, 'apdb_base.dia_forced_source'::regclass)
            and c.reltuples < 0 and pg_relation_size(c.oid) > 0
            and substring(c.relname from '_p(\d+)$')::double precision between p_from - 30.0 and p_to
        order by c.oid
    loop
        execute format(
            'analyze %s (dia_object_id, midpoint_mjd_tai, time_withdrawn_mjd_tai)', v_partition
        );
        v_n := v_n + 1;
    end loop;
    return v_n;
end
$$;
