-- The key of the fragments of forced photometry has their bytes with it.
--
-- History is read by object: an index that has it all needs no look at thirty pages of the table for an
-- object. Where there are fragments already this takes some seconds for each million.
alter table apdb_base.dia_forced_source_fragment
    drop constraint dia_forced_source_fragment_pkey,
    add constraint dia_forced_source_fragment_pkey
        primary key (dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id) include (head, tail);

-- What vacuum has not seen cannot be read from the index alone.
do $$
declare
    v_partition regclass;
begin
    for v_partition in
        select i.inhrelid
        from pg_inherits as i
        inner join pg_class as c on i.inhparent = c.oid
        where c.relnamespace = 'apdb_base'::regnamespace and c.relkind = 'p' and c.relname like '%\_fragment'
    loop
        execute format('alter table %s set (autovacuum_vacuum_insert_scale_factor = 0.02)', v_partition);
    end loop;
end
$$;
