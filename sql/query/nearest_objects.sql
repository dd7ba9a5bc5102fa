-- the current DIAObjects nearest to a position, within a stated radius
--
-- contract: ties by id. Q3C has no nearest-neighbour search: a large radius over a crowded sky reads all of it.
-- args:
--   p_ra [deg]: position
--   p_dec [deg]: position
--   p_radius [deg]: how far to look, above 0 and at most 10
--   p_n: how many objects
-- returns: whole rows, nearest first
-- errors: VA001 when something is out of range or NaN
-- locks: none
-- cost: 0.3 ms and 5 us for each object within the radius
create or replace function apdb.nearest_objects(
    p_ra double precision, p_dec double precision, p_radius double precision, p_n integer default 1
)
returns setof apdb.dia_object
language plpgsql stable parallel safe security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform apdb.check_cone(p_ra, p_dec, p_radius);
    if (p_radius <= 10.0 and p_n >= 1) is not true then
        raise exception 'radius = % is above 10 degrees, or n = % below 1', p_radius, coalesce(p_n::text, 'null')
        using errcode = 'VA001', hint = 'Degrees, not arcsec.';
    end if;
    return query
    select o.*
    from apdb_base.dia_object as o
    where
        q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius)
        and o.validity_end_mjd_tai is null
    order by q3c_dist(p_ra, p_dec, o.ra, o.dec), o.dia_object_id
    limit p_n;
end
$$;
