-- DIASources of a visit
--
-- contract: without those withdrawn; inlined.
-- args:
--   p_visit: visit
--   p_detector: detector, or null for all
-- returns: whole rows, in no order
-- errors: none
-- locks: none
-- cost: one index look-up in each partition
create or replace function apdb.sources_of_visit(p_visit bigint, p_detector integer default null)
returns setof apdb.dia_source
language sql stable parallel safe
as $$
    select s.*
    from apdb.dia_source as s
    where s.visit = p_visit and (p_detector is null or s.detector = p_detector)
$$;
