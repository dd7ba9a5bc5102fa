-- pairs of current DIAObjects closer than a radius
--
-- contract: each pair once, the lower id first, in the order of the ids. A long list is read in
--   pages: the last dia_object_id_1 of a page is p_after of the next; a page holds all pairs of
--   its last object.
-- args:
--   p_radius [arcsec]: radius, above 0 and at most 60
--   p_limit: most pairs, but for those of the last object
--   p_after: only objects with a higher id than this; null for all
-- returns: ids of both, distance [arcsec], position of the first [deg], numbers of sources
-- errors: VA001 when the radius or the limit is out of range
-- locks: none
-- cost: 15 us an object that is looked at
create or replace function apdb.find_duplicates(
    p_radius double precision, p_limit integer default 10000, p_after bigint default null
)
returns table (
    dia_object_id_1 bigint,
    dia_object_id_2 bigint,
    distance double precision,
    ra double precision,
    "dec" double precision,
    n_dia_sources_1 integer,
    n_dia_sources_2 integer
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    if not coalesce(p_radius > 0 and p_radius <= 60, false) then
        raise exception 'the radius must be above 0 and at most 60 arcsec, not %', p_radius using errcode = 'VA001';
    end if;
    if not coalesce(p_limit > 0, false) then
        raise exception 'the limit must be 1 or more, not %', p_limit using errcode = 'VA001';
    end if;
    return query
    select p.*
    from (
        select
            a.dia_object_id as dia_object_id_1,
            b.dia_object_id as dia_object_id_2,
            q3c_dist(a.ra, a.dec, b.ra, b.dec) * 3600.0,
            a.ra, a.dec, a.n_dia_sources, b.n_dia_sources
        from apdb_base.dia_object as a
        -- + 0 keeps the index of the ids out of it: half of all objects have a higher one.
        inner join apdb_base.dia_object as b
            on q3c_join(a.ra, a.dec, b.ra, b.dec, p_radius / 3600.0)
            and a.dia_object_id < b.dia_object_id + 0
        where
            a.validity_end_mjd_tai is null and b.validity_end_mjd_tai is null
            and a.dia_object_id > coalesce(p_after, -9223372036854775808)
        order by a.dia_object_id
        fetch first (p_limit) rows with ties
    ) as p
    order by p.dia_object_id_1, p.dia_object_id_2;
end
$$;
