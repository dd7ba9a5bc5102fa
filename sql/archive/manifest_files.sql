-- the archive files of a night
--
-- contract: those of superseded revisions too, and those that retention removed.
-- args:
--   p_night: the night
-- returns: as archive_file, SHA-256 as hexadecimal; ordered by path
-- errors: none
-- locks: none
-- cost: reads the files of the night
create or replace function apdb.manifest_files(p_night date)
returns table (
    path text,
    kind text,
    size bigint,
    sha256 text,
    visit bigint,
    detector smallint,
    n_alerts integer,
    content text,
    degraded text,
    codec text,
    schema_version text,
    store_seq bigint,
    state text,
    seal integer
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        f.path, f.kind, f.size, encode(f.sha256, 'hex'), f.visit, f.detector, f.n_alerts, f.content, f.degraded,
        f.codec, f.schema_version, f.store_seq, f.state, f.seal
    from apdb_base.archive_file as f
    where f.night = p_night
    order by f.path collate "C"
$$;
