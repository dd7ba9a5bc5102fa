-- seals a night: what its manifest lists stays as it is
--
-- contract: in the transaction that read the manifest, after the manifest was written to the archive. Alerts
--   that are written for the night later are stored all the same; they are under the next seal, whose
--   manifest lists everything again.
-- args:
--   p_night: the night
--   p_seal: number of the seal, from nights_to_seal
--   p_paths: the files that the manifest lists
--   p_n_alerts: current alerts that it counts
--   p_manifest: path of the manifest in the archive
--   p_manifest_sha256: its SHA-256
-- returns: files that came under a seal
-- errors: 23505 when somebody has just sealed the night
-- locks: rows of the files
-- cost: one row a file
create or replace function apdb.seal_night(
    p_night date, p_seal integer, p_paths text[], p_n_alerts bigint, p_manifest text, p_manifest_sha256 bytea
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_rows integer;
begin
    insert into apdb_base.night_seal (
        night, seal, n_files, n_alerts, manifest, manifest_sha256, time_sealed_mjd_tai, made_by
    )
    values (
        p_night, p_seal, cardinality(p_paths), p_n_alerts, p_manifest, p_manifest_sha256,
        apdb.mjd_tai(clock_timestamp()), session_user
    );
    update apdb_base.archive_file as f
    set seal = p_seal
    where f.night = p_night and f.path = any(p_paths) and f.seal is null;
    get diagnostics v_rows = row_count;
    return v_rows;
end
$$;
