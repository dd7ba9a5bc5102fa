-- marks the bands of the touched DIAObjects that lose points of the history to time
--
-- contract: with a later last source the history begins later. Bands with a source between the old
--   and the new beginning become stale in stage_touched; the other bands that the visit did not observe
--   keep the statistics of the object's last version.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: 10 ms where nothing is lost, 0.1 s where each of 8,000 objects loses a point
create or replace function apdb.mark_expired_bands()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    c_long constant double precision := 30.0;
    v_days double precision := apdb.setting('history_days');
    v_is_long boolean;
    v_from double precision;
    v_to double precision;
begin
    -- The few objects that nobody had seen for long lose points of many partitions: apart, so that the others are not
    -- looked for in all of these.
    foreach v_is_long in array array[false, true] loop
        select min(t.ends_from), max(t.ends_to)
        into v_from, v_to
        from apdb.touched_windows(v_days) as t
        where (t.ends_to - t.ends_from > c_long) = v_is_long;
        continue when v_from is null;

        update pg_temp.stage_touched as t
        set stale_bands = t.stale_bands | e.bands, is_mixed = t.is_mixed or (t.stale_bands | e.bands) <> t.stale_bands
        from (
            select d.dia_object_id, bit_or(1 << (strpos('ugrizy', d.band) - 1)) as bands
            from apdb_base.dia_source as d
            -- The offset keeps the planner from an index search for each row.
            inner join (select w.* from apdb.touched_windows(v_days) as w offset 0) as w
                on d.dia_object_id = w.dia_object_id
                and d.midpoint_mjd_tai >= w.ends_from and d.midpoint_mjd_tai < w.ends_to
            where
                d.dia_object_id = any(array(
                    select i.dia_object_id
                    from apdb.touched_windows(v_days) as i
                    where (i.ends_to - i.ends_from > c_long) = v_is_long
                    order by i.dia_object_id
                ))
                and d.midpoint_mjd_tai >= v_from and d.midpoint_mjd_tai < v_to
            group by d.dia_object_id
        ) as e
        where t.dia_object_id = e.dia_object_id;
    end loop;
end
$$;
