-- lets one session at a time change the sky around some sources and objects
--
-- contract: locks the cells of the given sources and objects, of the objects that the sources
--   belong to, of what a visit has stored, and of the staged sources. Whoever held a cell may have
--   moved sources to other objects: it looks again until it holds all that is concerned. Cells
--   found late and out of order are taken only if they are free, so that sessions cannot deadlock.
-- args:
--   p_dia_source_ids: sources, or null
--   p_dia_object_ids: objects, or null
--   p_visit: a visit whose sources and forced photometry are concerned, or null
--   p_detector: its detector, or null
--   p_radius [arcsec]: radius of the discs; null for the association radius of the database
-- returns: number of cells locked
-- errors: VA004 when another session still holds a cell after lock_timeout; names that session
-- locks: advisory (class 17002, cell), ascending, until the transaction ends
-- cost: a few ms for 100 sources
create or replace function apdb.lock_concerned(
    p_dia_source_ids bigint[],
    p_dia_object_ids bigint[],
    p_visit bigint,
    p_detector integer,
    p_radius double precision
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_radius double precision := coalesce(p_radius, apdb.setting('association_radius')::double precision) / 3600.0;
    v_held integer[] := '{}';
    v_missing integer[];
    v_highest integer := -1;
    v_cell integer;
begin
    loop
        with source as (
            select d.ra, d.dec, d.dia_object_id
            from unnest(p_dia_source_ids) as i (dia_source_id)
            inner join apdb_base.dia_source_locator as l on i.dia_source_id = l.dia_source_id
            inner join apdb_base.dia_source as d
                on l.dia_source_id = d.dia_source_id and l.midpoint_mjd_tai = d.midpoint_mjd_tai
            union all
            select d.ra, d.dec, d.dia_object_id
            from apdb_base.dia_source as d
            where d.visit = p_visit and d.detector = p_detector
        ),

        object as (
            select s.dia_object_id
            from source as s
            union
            select i.dia_object_id
            from unnest(p_dia_object_ids) as i (dia_object_id)
            union
            select f.dia_object_id
            from apdb_base.dia_forced_source as f
            where f.visit = p_visit and f.detector = p_detector and f.time_withdrawn_mjd_tai is null
        ),

        place as (
            select s.ra, s.dec
            from source as s
            union all
            select o.ra, o.dec
            from object as i
            inner join apdb_base.dia_object as o on i.dia_object_id = o.dia_object_id
            union all
            select s.ra, s.dec
            from pg_temp.stage_source as s
        )

        select coalesce(array_agg(distinct c.cell order by c.cell), '{}') into v_missing
        from place as p
        cross join lateral apdb.sky_cells(p.ra, p.dec, v_radius) as c
        where c.cell <> all(v_held);
        exit when cardinality(v_missing) = 0;

        foreach v_cell in array v_missing loop
            if v_cell > v_highest then
                perform apdb.lock_or_say_who(17002, v_cell);
                v_highest := v_cell;
            elsif not pg_try_advisory_xact_lock(17002, v_cell) then
                raise exception 'the sources concerned were moved to another part of the sky while this waited'
                using errcode = 'VA004', hint = 'Nothing was changed; try again.';
            end if;
        end loop;
        v_held := v_held || v_missing;
    end loop;
    return cardinality(v_held);
end
$$;
