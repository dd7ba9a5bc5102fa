-- retires the touched DIAObjects that have no source left
--
-- contract: the row stays, as the last version that the object had, with the end of its validity;
--   the view hides it and a source that starts an object under its id brings it back. Forced
--   photometry of a merged object is copied to its heir for images where that has none; then all
--   of it is withdrawn. After recount_touched; takes the retired objects out of stage_touched.
-- args:
--   p_store_seq: store_seq of the correction
--   p_now [d]: its knowledge time, MJD TAI
--   p_heir: object that the sources went to by a merge, or null
-- returns: ids of the retired objects
-- errors: none
-- locks: row locks on the objects and on their forced photometry
-- cost: one index search an object and partition
create or replace function apdb.retire_emptied(
    p_store_seq bigint, p_now double precision, p_heir bigint
)
returns bigint[]
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids bigint[];
begin
    select coalesce(array_agg(t.dia_object_id order by t.dia_object_id), '{}') into v_ids
    from pg_temp.stage_touched as t
    where t.n_dia_sources = 0;
    if cardinality(v_ids) = 0 then
        return v_ids;
    end if;

    update apdb_base.dia_object as o
    set validity_end_mjd_tai = p_now, store_seq_end = p_store_seq
    where o.dia_object_id = any(v_ids) and o.validity_end_mjd_tai is null;

    if p_heir is not null then
        insert into apdb_base.dia_forced_source (
            dia_forced_source_id, dia_object_id, ra, dec, visit, detector, psf_flux, psf_flux_err,
            midpoint_mjd_tai, science_flux, science_flux_err, band, time_processed_mjd_tai, store_seq
        )
        select distinct on (f.visit, f.detector)
            f.dia_forced_source_id, p_heir, f.ra, f.dec, f.visit, f.detector, f.psf_flux, f.psf_flux_err,
            f.midpoint_mjd_tai, f.science_flux, f.science_flux_err, f.band, p_now, p_store_seq
        from apdb_base.dia_forced_source as f
        where
            f.dia_object_id = any(v_ids) and f.time_withdrawn_mjd_tai is null
            and not exists (
                select from apdb_base.dia_forced_source as h
                where h.dia_object_id = p_heir and h.visit = f.visit and h.detector = f.detector
            )
        order by f.visit, f.detector, f.dia_object_id;
    end if;

    perform apdb.inherit_fragments(p_store_seq, p_now, p_heir, v_ids);
    update apdb_base.dia_forced_source as f
    set time_withdrawn_mjd_tai = p_now
    where f.dia_object_id = any(v_ids) and f.time_withdrawn_mjd_tai is null;
    delete from pg_temp.stage_touched as t
    where t.n_dia_sources = 0;
    return v_ids;
end
$$;
