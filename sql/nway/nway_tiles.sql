-- the tiles of an N-way matching, after all sources are in
--
-- contract: makes the index by which blocks are read; call it once.
-- args: none
-- returns: tiles in ascending order and the sources that each is home to
-- errors: none
-- locks: none
-- cost: 2 us a source
create or replace function apdb.nway_tiles()
returns table (tile bigint, n bigint)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_column
begin
    create index stage_nway_tile on pg_temp.stage_nway (tile);
    analyze pg_temp.stage_nway;
    return query
    select s.tile, count(*)
    from pg_temp.stage_nway as s
    where s.is_home
    group by s.tile
    order by s.tile;
end
$$;
