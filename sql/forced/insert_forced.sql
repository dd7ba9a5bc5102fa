-- moves the staged forced photometry into dia_forced_source
--
-- contract: idempotent: a row that is stored already with the same fluxes is left alone, another
--   measurement of the same object, visit and detector replaces it and the old one is kept aside. Ids are
--   made where none were given; position is that of the object where none was given.
-- args:
--   p_store_seq: store_seq of the visit or of the call
--   p_now [d]: knowledge time, MJD TAI
-- returns: number of rows inserted or replaced
-- errors: VA005 when an object does not exist (DETAIL: the ids)
-- locks: row locks on the rows replaced
-- cost: 60 ms for 10,000 rows
create or replace function apdb.insert_forced(p_store_seq bigint, p_now double precision)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_ids text;
    v_n integer;
begin
    select string_agg(x.dia_object_id::text, ',' order by x.dia_object_id) into v_ids
    from (
        select distinct f.dia_object_id
        from pg_temp.stage_forced as f
        left join apdb_base.dia_object as o on f.dia_object_id = o.dia_object_id
        where o.dia_object_id is null
        order by f.dia_object_id
        limit 1000
    ) as x;
    if v_ids is not null then
        raise exception 'forced photometry of objects that do not exist'
        using errcode = 'VA005', detail = v_ids;
    end if;

    perform apdb.keep_forced(p_store_seq);
    insert into apdb_base.dia_forced_source as d (
        dia_forced_source_id, dia_object_id, ra, dec, visit, detector, psf_flux, psf_flux_err,
        midpoint_mjd_tai, science_flux, science_flux_err, band, time_processed_mjd_tai, store_seq
    )
    select
        coalesce(f.dia_forced_source_id, nextval('apdb_base.dia_forced_source_id')),
        f.dia_object_id, coalesce(f.ra, o.ra), coalesce(f.dec, o.dec), f.visit, f.detector, f.psf_flux, f.psf_flux_err,
        f.midpoint_mjd_tai, f.science_flux, f.science_flux_err, f.band, p_now, p_store_seq
    from pg_temp.stage_forced as f
    inner join apdb_base.dia_object as o on f.dia_object_id = o.dia_object_id
    order by f.dia_object_id, f.visit, f.detector
    on conflict (dia_object_id, visit, detector, midpoint_mjd_tai) do update
        set
            psf_flux = excluded.psf_flux,
            psf_flux_err = excluded.psf_flux_err,
            science_flux = excluded.science_flux,
            science_flux_err = excluded.science_flux_err,
            time_processed_mjd_tai = excluded.time_processed_mjd_tai,
            time_withdrawn_mjd_tai = null,
            store_seq = excluded.store_seq
        where
            d.time_withdrawn_mjd_tai is not null
            or (d.psf_flux, d.psf_flux_err, d.science_flux, d.science_flux_err)
            is distinct from
            (excluded.psf_flux, excluded.psf_flux_err, excluded.science_flux, excluded.science_flux_err);
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
