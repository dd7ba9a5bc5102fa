-- stores fluxes forced at followed positions
--
-- contract: idempotent: the same row again changes nothing, another measurement of the same position and image
--   replaces it. These fluxes are in no alert and no summary, so they take no place in the order of knowledge.
--   Arrays of one length, null where unknown; bands may be filters of the instrument.
-- args:
--   p_followed_ids: followed positions, given up ones too
--   p_visits: visits
--   p_detectors: detectors
--   p_mjds [d]: midpoints, MJD TAI
--   p_bands: bands
--   p_psf_fluxes [nJy]: fluxes on the difference images
--   p_psf_flux_errs [nJy]: their errors
--   p_science_fluxes [nJy]: fluxes on the direct images
--   p_science_flux_errs [nJy]: their errors
-- returns: number of rows inserted or replaced
-- errors: VA005 when a position does not exist (DETAIL: the numbers); VA001 for an unknown band
-- locks: row locks on the rows replaced
-- cost: 20 ms for 1,000 rows
create or replace function apdb.store_followed(
    p_followed_ids bigint[],
    p_visits bigint[],
    p_detectors integer[],
    p_mjds double precision[],
    p_bands text[],
    p_psf_fluxes real[],
    p_psf_flux_errs real[],
    p_science_fluxes real[],
    p_science_flux_errs real[]
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_unknown text;
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_n integer;
begin
    select string_agg(x.id::text, ',' order by x.id) into v_unknown
    from (
        select distinct i.id
        from unnest(p_followed_ids) as i (id)
        where not exists (select from apdb_base.followed_position as p where p.followed_id = i.id)
        order by i.id
        limit 1000
    ) as x;
    if v_unknown is not null then
        raise exception 'forced photometry of followed positions that do not exist'
        using errcode = 'VA005', detail = v_unknown;
    end if;
    select min(i.band) into v_unknown
    from unnest(p_bands) as i (band)
    where not exists (select from apdb_base.band as b where b.filter = i.band);
    if v_unknown is not null then
        raise exception 'unknown band %', quote_literal(v_unknown)
        using errcode = 'VA001', hint = 'apdb db band FILTER BAND makes an instrument''s filter known.';
    end if;

    insert into apdb_base.forced_followed as d (
        followed_id, visit, detector, midpoint_mjd_tai, band, psf_flux, psf_flux_err, science_flux,
        science_flux_err, time_processed_mjd_tai
    )
    select
        i.followed_id, i.visit, i.detector, i.mjd, b.band, i.psf_flux, i.psf_flux_err, i.science_flux,
        i.science_flux_err, v_now
    from unnest(
        p_followed_ids, p_visits, p_detectors, p_mjds, p_bands, p_psf_fluxes, p_psf_flux_errs,
        p_science_fluxes, p_science_flux_errs
    ) as i (
        followed_id, visit, detector, mjd, band, psf_flux, psf_flux_err, science_flux, science_flux_err
    )
    inner join apdb_base.band as b on i.band = b.filter
    order by i.followed_id, i.visit, i.detector
    on conflict (followed_id, visit, detector, midpoint_mjd_tai) do update
        set
            band = excluded.band,
            psf_flux = excluded.psf_flux,
            psf_flux_err = excluded.psf_flux_err,
            science_flux = excluded.science_flux,
            science_flux_err = excluded.science_flux_err,
            time_processed_mjd_tai = excluded.time_processed_mjd_tai
        where
            (d.band, d.psf_flux, d.psf_flux_err, d.science_flux, d.science_flux_err)
            is distinct from (
                excluded.band, excluded.psf_flux, excluded.psf_flux_err, excluded.science_flux,
                excluded.science_flux_err
            );
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
