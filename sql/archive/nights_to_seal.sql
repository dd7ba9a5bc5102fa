-- nights that are over and have files under no seal yet
--
-- contract: over since archive_seal_after_days. A night that has a seal comes again when alerts were written
--   after it.
-- args: none
-- returns: night; number of the seal it would get
-- errors: none
-- locks: none
-- cost: reads the files under no seal
create or replace function apdb.nights_to_seal()
returns table (night date, seal integer)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select f.night, 1 + coalesce(max(s.seal), 0)
    from (select a.night from apdb_base.archive_file as a where a.seal is null group by a.night) as f
    left join apdb_base.night_seal as s on f.night = s.night
    where
        -- A night ends at noon, about 1.5 d after the MJD of its date.
        (f.night - date '1858-11-17') + 1.5 + apdb.setting('archive_seal_after_days')::double precision
        < apdb.mjd_tai(clock_timestamp())
    group by f.night
    order by f.night
$$;
