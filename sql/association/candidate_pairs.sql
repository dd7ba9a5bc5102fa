-- the current DIAObjects within a radius of each staged source that still needs one
--
-- contract: read-only, so that on a sharded sky each shard can run it over its own objects.
--   score is the cost of ap_association's likelihood rule:
--   0.5 (dx^2/sx^2 + dy^2/sy^2) + 0.5 ln(sx^2 sy^2), offsets on the tangent plane, variances of source
--   and object summed, a missing error taken as 0.2 arcsec, combined errors not below 0.05 arcsec.
-- args:
--   p_radius [arcsec]: association radius
-- returns: pairs with their distance [arcsec] and score
-- errors: none
-- locks: none
-- cost: 30 ms for 10,000 sources against 1,000,000 objects, by the Q3C index
create or replace function apdb.candidate_pairs(p_radius double precision)
returns table (
    dia_source_id bigint, dia_object_id bigint, distance double precision, score double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set enable_seqscan = off
as $$
    select
        p.dia_source_id,
        p.dia_object_id,
        p.distance,
        0.5 * (p.dx * p.dx / p.var_x + p.dy * p.dy / p.var_y) + 0.5 * ln(p.var_x * p.var_y)
    from (
        select
            s.dia_source_id,
            o.dia_object_id,
            q3c_dist(s.ra, s.dec, o.ra, o.dec) * 3600.0 as distance,
            degrees(cos(radians(o.dec)) * sin(radians(o.ra - s.ra))) * 3600.0 as dx,
            degrees(
                sin(radians(o.dec - s.dec))
                + 2.0 * sin(radians(s.dec)) * cos(radians(o.dec)) * power(sin(radians(o.ra - s.ra) / 2.0), 2)
            ) * 3600.0 as dy,
            greatest(
                0.0025,
                power(coalesce(s.ra_err::double precision * 3600.0, 0.2), 2)
                + power(coalesce(o.ra_err::double precision * 3600.0, 0.2), 2)
            ) as var_x,
            greatest(
                0.0025,
                power(coalesce(s.dec_err::double precision * 3600.0, 0.2), 2)
                + power(coalesce(o.dec_err::double precision * 3600.0, 0.2), 2)
            ) as var_y
        from pg_temp.stage_source as s
        inner join pg_temp.stage_match as m
            on s.dia_source_id = m.dia_source_id and s.dia_source_id = m.leader_id and m.ss_object_id is null
        inner join apdb_base.dia_object as o
            on q3c_join(s.ra, s.dec, o.ra, o.dec, p_radius / 3600.0) and o.validity_end_mjd_tai is null
    ) as p
$$;
