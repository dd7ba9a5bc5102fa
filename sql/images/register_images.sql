-- puts files of a visit and detector into the index of the image store
--
-- contract: the files are there already, whole. What the same run made of the visit before is current no
--   longer, of every kind; retention removes it. A file that was registered before stays as it is.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_run: tag of the run; empty for the production
--   p_filter: name of the filter, as the instrument calls it, or band
--   p_mjd [d]: midpoint, MJD TAI
--   p_ra [deg]: middle of the footprint
--   p_dec [deg]: middle of the footprint
--   p_radius [deg]: circle around it
--   p_boundary [deg]: corners, ra, dec, ra, dec …
--   p_template_id: template that was subtracted, or null
--   p_kinds: what is in each file
--   p_paths: where each is, below the root of the store
--   p_sizes [byte]: length of each
--   p_sha256: SHA-256 of each
-- returns: how many files of before are current no longer
-- errors: VA001 when the filter is unknown
-- locks: advisory (17020, hash of visit, detector and run) until the end of the transaction
-- cost: one row a file
create or replace function apdb.register_images(
    p_visit bigint,
    p_detector integer,
    p_run text,
    p_filter text,
    p_mjd double precision,
    p_ra double precision,
    p_dec double precision,
    p_radius double precision,
    p_boundary double precision[],
    p_template_id bigint,
    p_kinds text[],
    p_paths text[],
    p_sizes bigint[],
    p_sha256 bytea[]
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_band text := apdb.band_of(p_filter);
    v_before integer;
begin
    perform pg_advisory_xact_lock(17020, hashtext(format('%s %s %s', p_visit, p_detector, p_run)));
    update apdb_base.image as i
    set is_current = false
    where
        i.visit = p_visit and i.detector = p_detector and i.run = p_run and i.is_current
        and i.path <> all(p_paths);
    get diagnostics v_before = row_count;
    insert into apdb_base.image (
        path, kind, visit, detector, run, band, midpoint_mjd_tai, ra, dec, radius, boundary, template_id, size,
        sha256, written_mjd_tai
    )
    select
        f.path, f.kind, p_visit, p_detector, p_run, v_band, p_mjd, p_ra, p_dec, p_radius, p_boundary,
        p_template_id, f.size, f.sha256, n.mjd_tai
    from unnest(p_kinds, p_paths, p_sizes, p_sha256) as f (kind, path, size, sha256)
    cross join (select apdb.mjd_tai(clock_timestamp()) as mjd_tai) as n
    on conflict (path) do nothing;
    return v_before;
end
$$;
