-- DIASources as they were known at a step of knowledge: given ones, or those of objects
--
-- contract: stored at that step or before, not withdrawn or replaced until then, with the objects that they
--   belonged to then: what a later correction took away is in reassignment and dia_source_superseded.
-- args:
--   p_dia_source_ids: sources, or null
--   p_dia_object_ids: objects, or null
--   p_from [d]: start of the midpoints, MJD TAI
--   p_to [d]: their end, not included
--   p_store_seq: the step
-- returns: the objects that each source belonged to then, and its row as it is now
-- errors: none
-- locks: none
-- cost: two index searches a source
create or replace function apdb.sources_as_of(
    p_dia_source_ids bigint[],
    p_dia_object_ids bigint[],
    p_from double precision,
    p_to double precision,
    p_store_seq bigint
)
returns table (then_dia_object_id bigint, then_ss_object_id bigint, source apdb_base.dia_source)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    with candidate as (
        select u.id
        from unnest(p_dia_source_ids) as u (id)
        union
        select d.dia_source_id
        from apdb_base.dia_source as d
        where
            d.dia_object_id = any(p_dia_object_ids)
            and d.midpoint_mjd_tai >= p_from and d.midpoint_mjd_tai < p_to
        union
        select r.dia_source_id
        from apdb_base.reassignment as r
        where r.old_dia_object_id = any(p_dia_object_ids) and r.store_seq > p_store_seq
    ),

    stored as (
        select d as source
        from candidate as c
        inner join apdb_base.dia_source_locator as l on c.id = l.dia_source_id
        inner join apdb_base.dia_source as d
            on l.dia_source_id = d.dia_source_id and l.midpoint_mjd_tai = d.midpoint_mjd_tai
        where d.store_seq <= p_store_seq
        union all
        select jsonb_populate_record(null::apdb_base.dia_source, to_jsonb(s)) as source
        from candidate as c
        inner join apdb_base.dia_source_superseded as s on c.id = s.dia_source_id
        where s.store_seq <= p_store_seq and s.superseded_store_seq > p_store_seq
    ),

    known as (
        select
            case when n.store_seq is null then (s.source).dia_object_id else n.old_dia_object_id end as object_id,
            case when n.store_seq is null then (s.source).ss_object_id else n.old_ss_object_id end as ss_id,
            s.source
        from stored as s
        -- The first change after the step says what was before it.
        left join lateral (
            select r.store_seq, r.old_dia_object_id, r.old_ss_object_id
            from apdb_base.reassignment as r
            where r.dia_source_id = (s.source).dia_source_id and r.store_seq > p_store_seq
            order by r.store_seq
            limit 1
        ) as n on true
        where not exists (
            select from apdb_base.reassignment as r
            where
                r.dia_source_id = (s.source).dia_source_id and r.withdrawn
                and r.store_seq > (s.source).store_seq and r.store_seq <= p_store_seq
        )
    )

    select k.object_id, k.ss_id, k.source
    from known as k
    where
        (k.source).midpoint_mjd_tai >= p_from and (k.source).midpoint_mjd_tai < p_to
        and (p_dia_object_ids is null or k.object_id = any(p_dia_object_ids))
    order by k.object_id, (k.source).midpoint_mjd_tai, (k.source).dia_source_id
$$;
