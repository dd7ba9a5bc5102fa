-- the files that the index knows, for comparison with those that are there
--
-- contract: all, or those of one night.
-- args:
--   p_night: the night, or null for all
-- returns: path, kind, state, size [byte], SHA-256, number of alerts; ordered by visit and detector
-- errors: none
-- locks: none
-- cost: reads the files of the night, or all
create or replace function apdb.archived_files(p_night date)
returns table (
    path text,
    kind text,
    visit bigint,
    detector smallint,
    state text,
    size bigint,
    sha256 bytea,
    n_alerts integer
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select f.path, f.kind, f.visit, f.detector, f.state, f.size, f.sha256, f.n_alerts
    from apdb_base.archive_file as f
    where p_night is null or f.night = p_night
    order by f.visit, f.detector, f.path
$$;
