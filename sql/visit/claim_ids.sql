-- makes the ids of the staged sources the visit's own
--
-- contract: after the visit is registered and before anything is stored under its ids: sessions on
--   different parts of the sky share no lock, so the one that claims an id first has it and the
--   other is told which ids.
-- args: none
-- returns: nothing
-- errors: VA006 when another visit has claimed an id since associate_visit (in DETAIL: the ids)
-- locks: waits for a session that claims the same id; in id order, so that two cannot wait for each other
-- cost: 60 ms for 10,000 sources
create or replace function apdb.claim_ids()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    insert into apdb_base.dia_source_locator (dia_source_id, midpoint_mjd_tai, visit, detector)
    select s.dia_source_id, s.midpoint_mjd_tai, s.visit, s.detector
    from pg_temp.stage_source as s
    order by s.dia_source_id;
exception when unique_violation then
    perform apdb.refuse_stored_ids();
    raise;
end
$$;
