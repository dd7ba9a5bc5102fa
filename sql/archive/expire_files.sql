-- gives up the archive files that retention keeps no longer
--
-- contract: by the settings archive_keep_…: packets and stamps of sealed nights by the age of the night, and
--   files without any current alert by when they were written. Marks them expired; whoever removes them
--   says so afterwards (files_removed), and until then they come again. The index keeps its rows.
-- args:
--   p_dry_run: true to change nothing
-- returns: files that are expired now: path, kind, size [byte] and why
-- errors: none
-- locks: rows of the files
-- cost: reads the files that are whole
create or replace function apdb.expire_files(p_dry_run boolean)
returns table (path text, kind text, size bigint, why text)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_packets double precision := apdb.setting('archive_keep_packets_days');
    v_stamps double precision := apdb.setting('archive_keep_stamps_days');
    v_superseded double precision := apdb.setting('archive_keep_superseded_days');
    v_paths text[];
    v_whys text[];
begin
    select array_agg(x.path), array_agg(x.why) into v_paths, v_whys
    from (
        select
            f.path,
            case
                when f.state = 'expired' then 'was to be removed before'
                when
                    f.seal is not null
                    and v_now - (f.night - date '1858-11-17')
                    > nullif(case f.kind when 'packets' then v_packets else v_stamps end, 0.0)
                    then format(
                        '%s are kept for %s d', f.kind, case f.kind when 'packets' then v_packets else v_stamps end
                    )
                when
                    v_now - f.written_mjd_tai > nullif(v_superseded, 0.0)
                    and not exists (
                        select from apdb_base.alert as a
                        where
                            a.visit = f.visit and a.detector = f.detector and a.is_current
                            and f.path in (a.packet_file, a.stamps_file)
                    )
                    then format('superseded alerts are kept for %s d', v_superseded)
            end as why
        from apdb_base.archive_file as f
        where f.state <> 'removed'
    ) as x
    where x.why is not null;
    if not p_dry_run then
        update apdb_base.archive_file as f
        set state = 'expired', removed_mjd_tai = v_now
        where f.path = any(v_paths) and f.state = 'whole';
    end if;
    return query
    select f.path, f.kind, f.size, x.why
    from unnest(v_paths, v_whys) as x (path, why)
    inner join apdb_base.archive_file as f on x.path = f.path
    order by f.path;
end
$$;
