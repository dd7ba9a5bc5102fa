-- where the statements of apply_summaries take their rows from
--
-- contract: stage_touched is t, stage_summary s, the stale bands of stage_band go by their names.
-- args:
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: objects that have some of these stale, or those that have all
--   p_exist: objects that have a row already, or those that get one
--   p_have_place: objects that have a row in dia_object_place, or those that may have none
-- returns: SQL text, FROM and WHERE
-- errors: none
-- locks: none
-- cost: 20 us
create or replace function apdb.summaries_from(
    p_stale integer, p_mixed boolean, p_exist boolean, p_have_place boolean
)
returns text
language sql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select format(
        'from pg_temp.stage_touched as t inner join pg_temp.stage_summary as s on t.dia_object_id = s.dia_object_id %s'
        ' where %s and t.exists_already = %L and t.has_place = %L',
        apdb.stage_bands(p_stale), apdb.have_stale(p_stale, p_mixed), p_exist, p_have_place
    )
$$;
