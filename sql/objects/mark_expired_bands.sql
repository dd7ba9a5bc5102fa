-- marks the bands of the touched DIAObjects that lose points of the history to time
--
-- contract: with a later last source the history begins later. Bands with a source between the old
--   and the new beginning become stale in stage_touched; the other bands that the visit did not observe
--   keep the statistics of the object's last version.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: one index search an object, in the one or two partitions where the history begins
create or replace function apdb.mark_expired_bands()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_days double precision := apdb.setting('history_days');
    v_from double precision;
    v_to double precision;
begin
    select min(greatest(t.old_last_mjd_tai - v_days, t.old_first_mjd_tai)), max(t.last_mjd_tai) - v_days
    into v_from, v_to
    from pg_temp.stage_touched as t;
    if v_from is null or v_from >= v_to then
        return;
    end if;

    update pg_temp.stage_touched as t
    set stale_bands = t.stale_bands | e.bands, is_mixed = t.is_mixed or (t.stale_bands | e.bands) <> t.stale_bands
    from (
        select d.dia_object_id, bit_or(1 << (strpos('ugrizy', d.band) - 1)) as bands
        from pg_temp.stage_touched as t
        inner join apdb_base.dia_source as d
            on t.dia_object_id = d.dia_object_id
            and d.midpoint_mjd_tai >= t.old_last_mjd_tai - v_days
            and d.midpoint_mjd_tai < t.last_mjd_tai - v_days
        where d.midpoint_mjd_tai >= v_from and d.midpoint_mjd_tai < v_to
        group by d.dia_object_id
    ) as e
    where t.dia_object_id = e.dia_object_id;
end
$$;
