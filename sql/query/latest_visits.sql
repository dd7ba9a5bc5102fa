-- the visits that are stored, the latest of them
--
-- contract: whole rows, boundary and report included.
-- args:
--   p_night: only those of this night; null for all
--   p_limit: most rows, those with the latest midpoint; null for all
-- returns: whole rows, latest first
-- errors: none
-- locks: none
-- cost: one index scan
create or replace function apdb.latest_visits(p_night date default null, p_limit integer default null)
returns setof apdb.visit
language sql stable parallel safe
as $$
    select v.*
    from apdb.visit as v
    where p_night is null or v.night = p_night
    order by v.midpoint_mjd_tai desc, v.visit desc, v.detector desc
    limit p_limit
$$;
