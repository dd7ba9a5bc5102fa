-- positions that want forced photometry on the images of the visit being stored
--
-- contract: between associate_visit and commit_visit. Every object touched by the visit, at its new
--   position, and every other current object inside the bounding circle with forced_min_sources
--   sources or more, the last within history_days. The caller cuts to the true footprint.
-- args:
--   p_mjd [d]: midpoint of the visit, MJD TAI
--   p_ra [deg]: centre of the visit
--   p_dec [deg]: centre of the visit
--   p_radius [deg]: radius of the visit
-- returns: object id and position [deg]
-- errors: none
-- locks: none
-- cost: one Q3C search; counters only, no history is read
create or replace function apdb.forced_positions(
    p_mjd double precision, p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (dia_object_id bigint, ra double precision, "dec" double precision)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
-- The planner expects a hundred objects in a cone of a hundred thousand.
set enable_nestloop = off
as $$
#variable_conflict use_column
declare
    v_days double precision := apdb.setting('history_days');
    v_min integer := apdb.setting('forced_min_sources');
begin
    return query
    select u.dia_object_id, u.ra, u.dec
    from pg_temp.stage_summary as u
    union all
    select o.dia_object_id, o.ra, o.dec
    from apdb_base.dia_object as o
    where
        -- Not q3c_radial_query: near the corners of its cube Q3C 2.0.0 loses rows there.
        q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius)
        and o.validity_end_mjd_tai is null
        and o.n_dia_sources >= v_min
        and o.last_dia_source_mjd_tai >= p_mjd - v_days
        and not exists (select from pg_temp.stage_touched as t where t.dia_object_id = o.dia_object_id)
    order by dia_object_id;
end
$$;
