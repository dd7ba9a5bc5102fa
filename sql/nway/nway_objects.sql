-- numbers the objects of an N-way matching, after all sources are matched
--
-- contract: by cell and round of their seeds, as the matching in memory does; makes the table stage_nway_object,
--   sources with the numbers of their objects, which the caller may read.
-- args:
--   p_n: sources to read at a time, about
-- returns: last object of each part to read, ascending
-- errors: none
-- locks: none
-- cost: 5 us a source
create or replace function apdb.nway_objects(p_n integer)
returns setof bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    analyze pg_temp.stage_nway_match;
    create temporary table stage_nway_object as
    select
        dense_rank() over (order by m.cell, m.round) as object_id,
        s.source_no, s.catalogue, s.row_no, s.lon, s.lat, s.flux, s.flux_err, s.mjd
    from pg_temp.stage_nway_match as m
    inner join pg_temp.stage_nway as s on m.source_no = s.source_no and s.is_home;
    create index stage_nway_object_id on pg_temp.stage_nway_object (object_id);
    analyze pg_temp.stage_nway_object;
    grant select on pg_temp.stage_nway_object to public;
    return query
    select max(c.object_id)
    from (
        select o.object_id, (sum(o.n) over (order by o.object_id) - 1)::bigint / p_n as part
        from (select s.object_id, count(*) as n from pg_temp.stage_nway_object as s group by s.object_id) as o
    ) as c
    group by c.part
    order by c.part;
end
$$;
