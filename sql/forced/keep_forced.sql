-- keeps the forced measurements that staged ones are about to replace
--
-- contract: before insert_forced writes, so that what was known at any earlier step can be told: alerts are
--   proved by it. Measurements with the same fluxes are not replaced.
-- args:
--   p_store_seq: step of knowledge that replaces them
-- returns: number of measurements kept
-- errors: none
-- locks: none
-- cost: one index look-up where nothing of these images is stored, else one a row
create or replace function apdb.keep_forced(p_store_seq bigint)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_n integer;
begin
    if not exists (
        select
        from (select distinct s.visit, s.detector, s.midpoint_mjd_tai from pg_temp.stage_forced as s) as i
        inner join apdb_base.dia_forced_source as d
            on i.visit = d.visit and i.detector = d.detector and i.midpoint_mjd_tai = d.midpoint_mjd_tai
    ) then
        return 0;
    end if;
    insert into apdb_base.dia_forced_source_superseded (
        dia_forced_source_id, dia_object_id, ra, dec, visit, detector, psf_flux, psf_flux_err, midpoint_mjd_tai,
        science_flux, science_flux_err, band, time_processed_mjd_tai, time_withdrawn_mjd_tai, store_seq,
        superseded_store_seq
    )
    select
        d.dia_forced_source_id, d.dia_object_id, d.ra, d.dec, d.visit, d.detector, d.psf_flux, d.psf_flux_err,
        d.midpoint_mjd_tai, d.science_flux, d.science_flux_err, d.band, d.time_processed_mjd_tai,
        d.time_withdrawn_mjd_tai, d.store_seq, p_store_seq
    from pg_temp.stage_forced as s
    inner join apdb_base.dia_forced_source as d
        on
            s.dia_object_id = d.dia_object_id and s.visit = d.visit and s.detector = d.detector
            and s.midpoint_mjd_tai = d.midpoint_mjd_tai
    where
        d.store_seq < p_store_seq
        and (
            d.time_withdrawn_mjd_tai is not null
            or (d.psf_flux, d.psf_flux_err, d.science_flux, d.science_flux_err)
            is distinct from (s.psf_flux, s.psf_flux_err, s.science_flux, s.science_flux_err)
        );
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
