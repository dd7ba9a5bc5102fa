-- records that detectors of a visit should come
--
-- contract: again for the same visit, what is given replaces what was there and what is null stays; a
--   failure that was recorded stays. The visit need not be unknown: what is stored is never missing.
-- args:
--   p_visit: visit
--   p_detectors: its detectors
--   p_band: name of the filter or band, or null
--   p_midpoint_mjd_tai [d]: planned midpoint, MJD TAI, or null
--   p_ra [deg]: planned centre, or null
--   p_dec [deg]: planned centre, or null
-- returns: how many detectors are now expected of this visit
-- errors: none (23514 for positions that cannot be)
-- locks: the rows of the visit
-- cost: one row each
create or replace function apdb.expect_visit(
    p_visit bigint,
    p_detectors integer[],
    p_band text default null,
    p_midpoint_mjd_tai double precision default null,
    p_ra double precision default null,
    p_dec double precision default null
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    insert into apdb_base.expected_visit as e (
        visit, detector, band, midpoint_mjd_tai, ra, dec, night, expected_at_mjd_tai, n_failures
    )
    select
        p_visit, d.detector, p_band, p_midpoint_mjd_tai, p_ra, p_dec,
        apdb.night_of(coalesce(p_midpoint_mjd_tai, n.mjd_tai)), n.mjd_tai, 0
    from (select distinct unnest(p_detectors) as detector order by detector) as d
    cross join (select apdb.mjd_tai(clock_timestamp()) as mjd_tai) as n
    on conflict (visit, detector) do update set
        band = coalesce(excluded.band, e.band),
        midpoint_mjd_tai = coalesce(excluded.midpoint_mjd_tai, e.midpoint_mjd_tai),
        ra = coalesce(excluded.ra, e.ra),
        dec = coalesce(excluded.dec, e.dec),
        night = case
            when excluded.midpoint_mjd_tai is null and e.night is not null then e.night
            else excluded.night
        end,
        expected_at_mjd_tai = coalesce(e.expected_at_mjd_tai, excluded.expected_at_mjd_tai);
    return (
        select count(*)::integer
        from apdb_base.expected_visit as e
        where e.visit = p_visit and e.expected_at_mjd_tai is not null
    );
end
$$;
