-- milliseconds since an instant, for the timings of a report
--
-- contract: wall clock.
-- args:
--   p_start: the instant
-- returns: milliseconds, to the microsecond
-- errors: none
-- locks: none
-- cost: nothing
create or replace function apdb.ms_since(p_start timestamptz)
returns double precision
language sql volatile
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select round(extract(epoch from clock_timestamp() - p_start) * 1000.0, 3)::double precision
$$;
