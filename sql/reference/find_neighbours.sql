-- works out the neighbours of the touched objects, where that is due
--
-- contract: after apply_summaries, in its transaction; does nothing where no catalogue was ever loaded. Due are
--   objects that have none yet, or whose neighbours were worked out before the last load or drop of a catalogue,
--   or for a position more than 0.05 arcsec away (positions are trusted no further than that anywhere here), or
--   when either error was more than twice what it is now, or for a time more than 365 days away (stars move). Each
--   such object gets a new version, and its earlier one ends. An object without neighbours has a version that says
--   so, lest it be looked for at each visit.
-- args:
--   p_store_seq: step of knowledge under which the objects were written
--   p_mjd [d]: time to which reference objects are moved, MJD TAI; null for that of each object's last source
-- returns: number of objects whose neighbours were worked out
-- errors: none
-- locks: none of its own; the caller holds the objects
-- cost: 15 ms for 10,000 objects of which none is due; 0.3 s for 10,000 new objects
create or replace function apdb.find_neighbours(p_store_seq bigint, p_mjd double precision)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_reference bigint;
    v_ids bigint[];
begin
    select m.value::bigint into v_reference
    from apdb_base.metadata as m
    where m.name = 'state.reference_store_seq';
    if v_reference is null then
        return 0;
    end if;

    select array_agg(o.dia_object_id) into v_ids
    from pg_temp.stage_summary as o
    left join apdb_base.dia_object_neighbour as n on o.dia_object_id = n.dia_object_id and n.store_seq_end is null
    where
        n.dia_object_id is null
        or n.reference_store_seq < v_reference
        or q3c_dist(o.ra, o.dec, n.ra, n.dec) > 0.05 / 3600.0
        or n.ra_err > 2 * o.ra_err
        or n.dec_err > 2 * o.dec_err
        or abs(n.mjd_tai - coalesce(p_mjd, o.last_dia_source_mjd_tai)) > 365.0;
    return apdb.write_neighbours(v_ids, p_store_seq, p_mjd, v_reference);
end
$$;
