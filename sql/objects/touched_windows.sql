-- the times whose points the touched DIAObjects lose from their history
--
-- contract: of the objects in stage_touched that had a source and get a later one, so that the history begins later:
--   from where it began, or from the first source, to where it begins now; only where that is some time. Inlined.
-- args:
--   p_days [d]: length of the history
-- returns: objects and times, MJD TAI, the end excluded
-- errors: none
-- locks: none
-- cost: 3 ms for 10,000 objects
create or replace function apdb.touched_windows(p_days double precision)
returns table (dia_object_id bigint, ends_from double precision, ends_to double precision)
language sql stable
as $$
    select w.dia_object_id, w.ends_from, w.ends_to
    from (
        select
            t.dia_object_id,
            greatest(t.old_last_mjd_tai - p_days, t.old_first_mjd_tai) as ends_from,
            t.last_mjd_tai - p_days as ends_to
        from pg_temp.stage_touched as t
        where t.old_last_mjd_tai is not null
    ) as w
    where w.ends_from < w.ends_to
$$;
