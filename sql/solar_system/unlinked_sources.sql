-- sources of a span of time that may be of moving things that are not known
--
-- contract: those of no solar-system object whose DIAObject has no other sources, or only a few of one
--   night: what stays in its place for longer does not move. Sources of no object at all, which were stored
--   with disqualifying flags, are left out.
-- args:
--   p_from [d]: first midpoint, MJD TAI
--   p_until [d]: midpoints before this, MJD TAI
-- returns: the source, its visit, night, midpoint and exposure [d, s], position and errors [deg], flux [nJy] and
--   band, length [arcsec] and position angle [deg] of its trail where that is significant; by midpoint and id
-- errors: none
-- locks: none
-- cost: a scan of the partitions of the span
create or replace function apdb.unlinked_sources(p_from double precision, p_until double precision)
returns table (
    dia_source_id bigint,
    visit bigint,
    night date,
    midpoint_mjd_tai double precision,
    exposure_time real,
    ra double precision,
    "dec" double precision,
    ra_err real,
    dec_err real,
    psf_flux real,
    band text,
    trail_length real,
    trail_angle real
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        d.dia_source_id, d.visit, v.night, d.midpoint_mjd_tai, v.exposure_time, d.ra, d."dec", d.ra_err, d.dec_err,
        d.psf_flux, d.band,
        case when d.trail_length > greatest(1.5, 5.0 * d.trail_length_err) then d.trail_length end,
        case when d.trail_length > greatest(1.5, 5.0 * d.trail_length_err) then d.trail_angle end
    from apdb_base.dia_source as d
    inner join apdb_base.visit as v on d.visit = v.visit and d.detector = v.detector
    inner join apdb_base.dia_object as o on d.dia_object_id = o.dia_object_id
    where
        d.midpoint_mjd_tai >= p_from and d.midpoint_mjd_tai < p_until
        and d.ss_object_id is null and d.time_withdrawn_mjd_tai is null
        and o.n_dia_sources <= 5 and o.last_dia_source_mjd_tai - o.first_dia_source_mjd_tai < 0.5
    order by d.midpoint_mjd_tai, d.dia_source_id
$$;
