-- whether all sources of a visit are withdrawn
--
-- contract: a replacement by the same content brings such a visit back; one of which a part is
--   withdrawn it leaves alone.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: true if it has sources and none is visible
-- errors: none
-- locks: none
-- cost: one index search a partition
create or replace function apdb.is_withdrawn(p_visit bigint, p_detector integer)
returns boolean
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select coalesce(bool_and(d.time_withdrawn_mjd_tai is not null), false)
    from apdb_base.dia_source as d
    where d.visit = p_visit and d.detector = p_detector
$$;
