-- the positions of the touched DIAObjects, from the sums of all their bands
--
-- contract: the sums of stale bands are in stage_band, those of the others in dia_object_place; bands without
--   sources are left out. Position: mean of the unit vectors, weighted by 1/(s^2 + (0.05 arcsec)^2); errors
--   propagated with the same weights. Writes a row of stage_summary for each object with sources.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: 50 ms for 10,000 objects
create or replace function apdb.place_objects()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_group record;
    v_name text;
begin
    for v_group in
        select t.is_mixed, bit_or(t.stale_bands) as stale
        from pg_temp.stage_touched as t
        group by t.is_mixed, case when not t.is_mixed then t.stale_bands end
    loop
        v_name := format('apdb_place_%s_%s', v_group.stale, v_group.is_mixed);
        perform apdb.prepare_once(v_name, '', apdb.place_statement(v_group.stale, v_group.is_mixed));
        execute format('execute %I', v_name);
    end loop;
end
$$;
