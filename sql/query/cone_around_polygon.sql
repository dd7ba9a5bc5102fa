-- the cone around a polygon of great circles
--
-- contract: about the mean of the corners. A cone of less than 90 deg that holds the corners holds the great circles
--   between them, too. With constant arguments it runs once, when the query is planned. It does not look for edges
--   that cross. Q3C has a search by polygons of its own, q3c_poly_query, but that of 2.0.0 misses what a concave one
--   holds next to an edge of a cube face.
-- args:
--   p_vertices [deg]: ra, dec, ra, dec … of 3 to 100 corners within 15 deg of their middle
-- returns: ra, dec, radius [deg]
-- errors: VA001 when the polygon has too few or too many corners, is too large, or out of range
-- locks: none
-- cost: 1 us a corner
create or replace function apdb.cone_around_polygon(p_vertices double precision[])
returns double precision[]
language plpgsql immutable parallel safe cost 1
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_n integer := coalesce(array_length(p_vertices, 1), 0);
    v_ra double precision;
    v_dec double precision;
    v_norm double precision;
    v_farthest double precision;
begin
    if v_n % 2 = 1 or v_n < 6 or v_n > 200 or array_ndims(p_vertices) > 1 then
        raise exception 'a polygon has 3 to 100 corners as ra, dec, ra, dec …, not % numbers', v_n
        using errcode = 'VA001';
    end if;
    for i in 1..v_n by 2 loop
        if (
            p_vertices[i] >= 0.0 and p_vertices[i] < 360.0 and p_vertices[i + 1] between -90.0 and 90.0
        ) is not true then
            raise exception 'corner % at %, % has no ra in [0, 360) or no dec in [-90, 90] degrees',
                i / 2, coalesce(p_vertices[i]::text, 'null'), coalesce(p_vertices[i + 1]::text, 'null')
            using errcode = 'VA001';
        end if;
    end loop;
    select
        degrees(atan2(m.y, m.x)), degrees(asin(m.z / nullif(m.norm, 0.0))), m.norm into v_ra, v_dec, v_norm
    from (
        select s.x, s.y, s.z, sqrt(s.x * s.x + s.y * s.y + s.z * s.z) as norm
        from (
            select
                sum(cos(radians(p_vertices[i + 1])) * cos(radians(p_vertices[i]))) as x,
                sum(cos(radians(p_vertices[i + 1])) * sin(radians(p_vertices[i]))) as y,
                sum(sin(radians(p_vertices[i + 1]))) as z
            from generate_series(1, v_n, 2) as i
        ) as s
    ) as m;
    select max(q3c_dist(v_ra, v_dec, p_vertices[i], p_vertices[i + 1])) into v_farthest
    from generate_series(1, v_n, 2) as i;
    if (v_norm > 1e-6 and v_farthest <= 15.0) is not true then
        raise exception 'the polygon is too large: a corner is % degrees from the middle, at most 15 can be searched',
            round(v_farthest::numeric, 2)
        using errcode = 'VA001', hint = 'Cut it, or search a cone.';
    end if;
    return array[v_ra - 360.0 * floor(v_ra / 360.0), v_dec, v_farthest * (1.0 + 1e-9) + 1e-9];
end
$$;
