-- the joins that bring the bands of stage_band beside stage_touched
--
-- contract: each band under its own name, null where it has no row; stage_touched is t.
-- args:
--   p_bands: one bit a band, u first
-- returns: SQL text
-- errors: none
-- locks: none
-- cost: 20 us
create or replace function apdb.stage_bands(p_bands integer)
returns text
language sql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select apdb.for_bands(
        'left join pg_temp.stage_band as # on t.dia_object_id = #.dia_object_id and #.number = strpos(''ugrizy'', ''#'') - 1',
        p_bands, ' '
    )
$$;
