-- the current DIAObjects near each of many positions
--
-- contract: positions are numbered from 0 in the order of the arrays. Ties by id. A position without any gives no
--   row.
-- args:
--   p_ra [deg]: positions
--   p_dec [deg]: positions
--   p_radius [arcsec]: how far to look, above 0 and at most 3600
--   p_best: true for the nearest only, false for all
-- returns: number of the position, object, its position and its distance [arcsec], in the order of position and
--   distance
-- errors: VA001 when something is null, NaN or out of range
-- locks: none
-- cost: 15 us a position and 3 us a pair
create or replace function apdb.crossmatch_objects(
    p_ra double precision[], p_dec double precision[], p_radius double precision, p_best boolean default true
)
returns table (
    place bigint, dia_object_id bigint, ra double precision, "dec" double precision, distance double precision
)
language plpgsql stable parallel safe security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_incremental_sort = off
set jit = off
set work_mem = '64MB'
as $$
#variable_conflict use_column
begin
    perform apdb.check_crossmatch(p_ra, p_dec, p_radius);
    return query
    select f.place, f.dia_object_id, f.ra, f.dec, f.distance
    from (
        select
            m.*,
            case
                when p_best then row_number() over (partition by m.place order by m.distance, m.dia_object_id)
            end as nth
        from (
            select
                p.place - 1 as place, o.dia_object_id, o.ra, o.dec, q3c_dist(p.ra, p.dec, o.ra, o.dec) * 3600.0 as distance
            from (
                select u.*
                from unnest(p_ra, p_dec) with ordinality as u (ra, dec, place)
                order by q3c_ang2ipix(u.ra, u.dec)
                offset 0
            ) as p
            cross join lateral (
                select c.dia_object_id, c.ra, c.dec
                from apdb_base.dia_object as c
                where q3c_join(p.ra, p.dec, c.ra, c.dec, p_radius / 3600.0) and c.validity_end_mjd_tai is null
                offset 0
            ) as o
            offset 0
        ) as m
    ) as f
    where not p_best or f.nth = 1
    order by f.place, f.distance, f.dia_object_id;
end
$$;
