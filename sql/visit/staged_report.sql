-- what association decided, in the order of dia_source_id
--
-- contract: between associate_visit and the end of the transaction.
-- args: none
-- returns: object ids (0 for none) and whether the visit started the object
-- errors: none
-- locks: none
-- cost: 10 ms for 10,000 sources
create or replace function apdb.staged_report()
returns table (dia_object_ids bigint[], ss_object_ids bigint[], is_new boolean[])
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        coalesce(array_agg(coalesce(m.dia_object_id, 0) order by m.dia_source_id), '{}'),
        coalesce(array_agg(coalesce(m.ss_object_id, 0) order by m.dia_source_id), '{}'),
        coalesce(array_agg(coalesce(t.is_new, false) order by m.dia_source_id), '{}')
    from pg_temp.stage_match as m
    left join pg_temp.stage_touched as t on m.dia_object_id = t.dia_object_id
$$;
