-- the points of the light curves that the touched DIAObjects are summarised from
--
-- contract: of the objects in stage_touched: stored sources that are not withdrawn and staged ones, within
--   p_days before the object's last source. Inlined into the routines of this room.
-- args:
--   p_from [d]: earliest midpoint of all, MJD TAI; lets the planner leave partitions out
--   p_to [d]: latest midpoint of all, MJD TAI
--   p_days [d]: length of the history
-- returns: points, with the number of their band (0 for u) and whether its statistics are stale
-- errors: none
-- locks: none
-- cost: 0.15 s for 240,000 points
create or replace function apdb.touched_points(
    p_from double precision, p_to double precision, p_days double precision
)
returns table (
    dia_object_id bigint,
    dia_source_id bigint,
    number integer,
    stale boolean,
    midpoint_mjd_tai double precision,
    ra double precision,
    "dec" double precision,
    ra_err real,
    dec_err real,
    ra_dec_cov real,
    psf_flux real,
    psf_flux_err real,
    science_flux real,
    science_flux_err real
)
language sql stable
as $$
    select
        d.dia_object_id, d.dia_source_id, n.number, (t.stale_bands >> n.number) & 1 = 1, d.midpoint_mjd_tai,
        d.ra, d.dec, d.ra_err, d.dec_err, d.ra_dec_cov,
        d.psf_flux, d.psf_flux_err, d.science_flux, d.science_flux_err
    from pg_temp.stage_touched as t
    inner join apdb_base.dia_source as d
        on t.dia_object_id = d.dia_object_id
        and d.midpoint_mjd_tai between t.last_mjd_tai - p_days and t.last_mjd_tai
    cross join lateral (select strpos('ugrizy', d.band) - 1 as number) as n
    where t.exists_already and d.midpoint_mjd_tai between p_from and p_to and d.time_withdrawn_mjd_tai is null
    union all
    select
        m.dia_object_id, s.dia_source_id, n.number, (t.stale_bands >> n.number) & 1 = 1, s.midpoint_mjd_tai,
        s.ra, s.dec, s.ra_err, s.dec_err, s.ra_dec_cov,
        s.psf_flux, s.psf_flux_err, s.science_flux, s.science_flux_err
    from pg_temp.stage_source as s
    inner join pg_temp.stage_match as m on s.dia_source_id = m.dia_source_id
    inner join pg_temp.stage_touched as t
        on m.dia_object_id = t.dia_object_id and s.midpoint_mjd_tai >= t.last_mjd_tai - p_days
    cross join lateral (select strpos('ugrizy', s.band) - 1 as number) as n
$$;
