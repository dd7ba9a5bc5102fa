-- the statement that keeps the sums of places of touched DIAObjects
--
-- contract: text for apply_summaries. The sums of the stale bands, from stage_band to dia_object_place.
-- args:
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: of the objects that have some of these stale, or of those that have all; only for rows that exist
--   p_exist: of the objects that have a row in dia_object already, or of the new ones
--   p_have_place: of those that have a row in dia_object_place, or of those that may have none
-- returns: SQL text
-- errors: none
-- locks: none
-- cost: 0.1 ms
create or replace function apdb.sums_statement(
    p_stale integer, p_mixed boolean, p_exist boolean, p_have_place boolean
)
returns text
language plpgsql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_sums text[] := apdb.place_sums();
    v_columns text := apdb.for_bands('#_' || array_to_string(v_sums, ', #_'), p_stale);
    v_values text := apdb.stale_values(v_sums, p_stale, p_mixed, 'p');
    v_from text := apdb.summaries_from(p_stale, p_mixed, p_exist, p_have_place);
begin
    if p_have_place then
        return format(
            'update apdb_base.dia_object_place as p set (%s) = row(%s) %s and p.dia_object_id = t.dia_object_id',
            v_columns, v_values, v_from
        );
    end if;
    return format(
        'insert into apdb_base.dia_object_place (dia_object_id, %1$s) select t.dia_object_id, %2$s %3$s'
        ' order by t.dia_object_id on conflict (dia_object_id) do update set (%1$s) = row(%4$s)',
        v_columns, v_values, v_from, apdb.for_bands('excluded.#_' || array_to_string(v_sums, ', excluded.#_'), p_stale)
    );
end
$$;
