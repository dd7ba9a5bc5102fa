-- size of every table and partition
--
-- contract: rows are the planner's estimate; a table that was never analysed has none.
-- args: none
-- returns: table, partition (null for a table that has none), rows, bytes of table, indexes and TOAST
-- errors: none
-- locks: none
-- cost: one look at the file system for each
create or replace function apdb.table_sizes()
returns table (table_name text, partition_name text, n_rows bigint, table_bytes bigint, index_bytes bigint)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        coalesce(p.relname, c.relname)::text,
        case when p.oid is not null then c.relname::text end,
        case when c.reltuples >= 0 then c.reltuples::bigint end,
        pg_table_size(c.oid),
        pg_indexes_size(c.oid)
    from pg_class as c
    left join pg_inherits as i on c.oid = i.inhrelid
    left join pg_class as p on i.inhparent = p.oid
    where c.relnamespace = 'apdb_base'::regnamespace and c.relkind = 'r'
    order by 1, 2
$$;
