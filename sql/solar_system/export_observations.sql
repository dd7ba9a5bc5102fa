-- takes the sources of solar-system objects that were not reported yet into a report
--
-- contract: each source is reported once; the caller writes the files in the same transaction, so that what is
--   marked was written. Nothing is sent.
-- args:
--   p_batch: name of the report, not used before
--   p_from [d]: sources of midpoints from this on, MJD TAI
--   p_until [d]: and before this
--   p_found_only: only objects that were found here
-- returns: sources with what a report says of them, position [deg] and errors [deg], flux [nJy]; by object and time
-- errors: VA001 when the name is used already
-- locks: advisory (17013, 1), so that no source goes into two reports
-- cost: a scan of the partitions of the span
create or replace function apdb.export_observations(
    p_batch text, p_from double precision, p_until double precision, p_found_only boolean
)
returns table (
    dia_source_id bigint,
    ss_object_id bigint,
    designation text,
    found_here boolean,
    midpoint_mjd_tai double precision,
    exposure_time real,
    ra double precision,
    "dec" double precision,
    ra_err real,
    dec_err real,
    ra_dec_cov real,
    psf_flux real,
    psf_flux_err real,
    band text
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_now double precision;
begin
    perform pg_advisory_xact_lock(17013, 1);
    if exists (select from apdb_base.mpc_submission as s where s.batch = p_batch) then
        raise exception 'a report named % was exported before', p_batch
        using errcode = 'VA001', hint = 'Nothing was exported; give another name.';
    end if;
    v_now := apdb.mjd_tai(clock_timestamp());
    insert into apdb_base.mpc_submission (dia_source_id, ss_object_id, trk_sub, batch, state, exported_mjd_tai)
    select d.dia_source_id, d.ss_object_id, o.designation, p_batch, 'exported', v_now
    from apdb_base.dia_source as d
    inner join apdb_base.ss_object as o on d.ss_object_id = o.ss_object_id
    left join apdb_base.orbit as b on d.ss_object_id = b.ss_object_id
    where
        d.midpoint_mjd_tai >= p_from and d.midpoint_mjd_tai < p_until
        and d.time_withdrawn_mjd_tai is null and o.designation is not null
        and (not p_found_only or b.source = 'linking')
        and not exists (select from apdb_base.mpc_submission as s where s.dia_source_id = d.dia_source_id);
    return query
    select
        d.dia_source_id, s.ss_object_id, s.trk_sub, coalesce(b.source = 'linking', false), d.midpoint_mjd_tai,
        v.exposure_time, d.ra, d."dec", d.ra_err, d.dec_err, d.ra_dec_cov, d.psf_flux, d.psf_flux_err, d.band
    from apdb_base.mpc_submission as s
    inner join apdb_base.dia_source_locator as l on s.dia_source_id = l.dia_source_id
    inner join apdb_base.dia_source as d
        on l.dia_source_id = d.dia_source_id and l.midpoint_mjd_tai = d.midpoint_mjd_tai
    inner join apdb_base.visit as v on d.visit = v.visit and d.detector = v.detector
    left join apdb_base.orbit as b on s.ss_object_id = b.ss_object_id
    where s.batch = p_batch
    order by s.trk_sub, d.midpoint_mjd_tai, d.dia_source_id;
end
$$;
