-- writes measurements of a visit and detector
--
-- contract: adds rows; what was measured before stays, and the latest counts. Values that are not finite
--   are left out: there is nothing to be seen in them.
-- args:
--   p_visit: visit, or null
--   p_detector: detector, or null
--   p_mjd [d]: midpoint of the visit, MJD TAI, which says the night; null for that of now
--   p_names: what was measured
--   p_values: values
--   p_units: unit of each, or null
--   p_tags: circumstances of all of them, such as the run
-- returns: how many rows were written
-- errors: none
-- locks: none
-- cost: one row each
create or replace function apdb.record_metrics(
    p_visit bigint,
    p_detector integer,
    p_mjd double precision,
    p_names text[],
    p_values double precision[],
    p_units text[],
    p_tags jsonb
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_night date := apdb.night_of(coalesce(p_mjd, v_now));
    v_rows integer;
begin
    insert into apdb_base.metrics (name, value, unit, visit, detector, night, mjd_tai, tags)
    select m.name, m.value, m.unit, p_visit, p_detector, v_night, v_now, p_tags
    from unnest(p_names, p_values, p_units) as m (name, value, unit)
    where m.value > '-infinity' and m.value < 'infinity';
    get diagnostics v_rows = row_count;
    return v_rows;
end
$$;
