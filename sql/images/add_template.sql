-- puts a template into the index of the image store
--
-- contract: the file is there already, whole. It becomes the next version of its name and band; those before
--   stay as they are until they are retired.
-- args:
--   p_name: what it is called
--   p_filter: name of the filter, as the instrument calls it, or band
--   p_path: where the file is, below the root of the store
--   p_ra [deg]: middle of the footprint
--   p_dec [deg]: middle of the footprint
--   p_radius [deg]: circle around it
--   p_boundary [deg]: corners, ra, dec, ra, dec …
--   p_n_exposures: how many exposures it was made of; 0 where that is unknown
--   p_visits: those known by number
--   p_first_mjd_tai [d]: earliest of them, or null
--   p_last_mjd_tai [d]: latest of them, or null
--   p_seeing [arcsec]: full width at half maximum of its PSF, or null
--   p_noise [nJy]: median noise of a pixel, or null
--   p_size [byte]: length of the file
--   p_sha256: SHA-256 of the file
-- returns: number and version of the template
-- errors: VA001 when the filter is unknown or the name is empty
-- locks: advisory (17021, hash of name and band) until the end of the transaction
-- cost: one row
create or replace function apdb.add_template(
    p_name text,
    p_filter text,
    p_path text,
    p_ra double precision,
    p_dec double precision,
    p_radius double precision,
    p_boundary double precision[],
    p_n_exposures integer,
    p_visits bigint[],
    p_first_mjd_tai double precision,
    p_last_mjd_tai double precision,
    p_seeing real,
    p_noise real,
    p_size bigint,
    p_sha256 bytea,
    out template_id bigint,
    out version integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_band text := apdb.band_of(p_filter);
begin
    if coalesce(btrim(p_name), '') = '' then
        raise exception 'a template needs a name' using errcode = 'VA001';
    end if;
    perform pg_advisory_xact_lock(17021, hashtext(p_name || ' ' || v_band));
    insert into apdb_base.template as t (
        name, version, band, path, ra, dec, radius, boundary, n_exposures, visits, first_mjd_tai, last_mjd_tai,
        seeing, noise, size, sha256, created_mjd_tai
    )
    select
        p_name, coalesce(max(b.version), 0) + 1, v_band, p_path, p_ra, p_dec, p_radius, p_boundary, p_n_exposures,
        p_visits, p_first_mjd_tai, p_last_mjd_tai, p_seeing, p_noise, p_size, p_sha256,
        apdb.mjd_tai(clock_timestamp())
    from apdb_base.template as b
    where b.name = p_name and b.band = v_band
    returning t.template_id, t.version into template_id, version;
end
$$;
