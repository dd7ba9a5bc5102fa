-- which files of the archive no committed transaction refers to
--
-- contract: asked in a statement of its own after living attempts were read (open_attempts) and before that
--   the files: an attempt that had ended by then has committed, and is seen here, or never will.
--   Ours are those whose attempt this database made for that visit; others are not for it to judge.
--   Stamps that wait, in the folder spool, belong to packets that are to be completed with them.
-- args:
--   p_paths: files that are there
--   p_visits: visit in the name of each
--   p_detectors: detector in the name of each
--   p_attempts: attempt in the name of each
-- returns: path of each that no row refers to; whether its attempt is known here
-- errors: none
-- locks: none
-- cost: two index searches a file, one more for stamps that wait
create or replace function apdb.unindexed_files(
    p_paths text[], p_visits bigint[], p_detectors integer[], p_attempts bigint[]
)
returns table (path text, ours boolean)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        f.path,
        exists (
            select from apdb_base.visit_attempt as t
            where t.attempt_id = f.attempt_id and t.visit = f.visit and t.detector = f.detector
        )
    from unnest(p_paths, p_visits, p_detectors, p_attempts) as f (path, visit, detector, attempt_id)
    where
        not exists (select from apdb_base.archive_file as a where a.path = f.path)
        and not exists (
            select from apdb_base.alert as a
            where
                f.path like 'spool/%' and a.visit = f.visit and a.detector = f.detector and a.is_current
                and a.degraded is not null
                and f.path = 'spool/' || replace(a.packet_file, '.packets.avro', '.stamps.avro')
        )
    order by f.path
$$;
