-- forced photometry of objects as it was known at a step of knowledge
--
-- contract: stored at that step or before, and not withdrawn or replaced until then.
-- args:
--   p_dia_object_ids: objects
--   p_from [d]: start of the midpoints, MJD TAI
--   p_to [d]: their end, included
--   p_store_seq: the step
-- returns: rows, ordered by object, midpoint and id
-- errors: none
-- locks: none
-- cost: one index search an object and partition
create or replace function apdb.forced_as_of(
    p_dia_object_ids bigint[], p_from double precision, p_to double precision, p_store_seq bigint
)
returns setof apdb_base.dia_forced_source
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select f.*
    from (
        select d.*
        from apdb_base.dia_forced_source as d
        where
            d.dia_object_id = any(p_dia_object_ids)
            and d.midpoint_mjd_tai >= p_from and d.midpoint_mjd_tai <= p_to
            and d.store_seq <= p_store_seq
        union all
        select
            s.dia_forced_source_id, s.dia_object_id, s.ra, s.dec, s.visit, s.detector, s.psf_flux, s.psf_flux_err,
            s.midpoint_mjd_tai, s.science_flux, s.science_flux_err, s.band, s.time_processed_mjd_tai,
            s.time_withdrawn_mjd_tai, s.store_seq
        from apdb_base.dia_forced_source_superseded as s
        where
            s.dia_object_id = any(p_dia_object_ids)
            and s.midpoint_mjd_tai >= p_from and s.midpoint_mjd_tai <= p_to
            and s.store_seq <= p_store_seq and s.superseded_store_seq > p_store_seq
    ) as f
    where
        f.time_withdrawn_mjd_tai is null
        or f.time_withdrawn_mjd_tai > (
            select e.mjd_tai from apdb_base.store_event as e
            where e.store_seq = p_store_seq
        )
    order by f.dia_object_id, f.midpoint_mjd_tai, f.dia_forced_source_id
$$;
