-- lets one session at a time change a part of the sky
--
-- contract: locks every cell that the discs of the staged sources touch, in ascending order, so
--   that sessions cannot deadlock. A statement of its own, before the first read: what is read
--   after it includes all that earlier holders committed.
-- args:
--   p_radius [arcsec]: association radius, the radius of the discs
-- returns: number of cells locked
-- errors: VA004 when another session still holds a cell after lock_timeout; names that session
-- locks: advisory (class 17002, cell), ascending, until the transaction ends
-- cost: 20 ms for 10,000 sources
create or replace function apdb.lock_sky(p_radius double precision)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
-- The planner expects a million cells and would make a hash table for them.
set enable_hashagg = off
as $$
declare
    v_radius double precision := p_radius / 3600.0;
    v_cell integer;
    v_n integer := 0;
begin
    for v_cell in
        with disc as (
            select s.ra, s.dec, apdb.only_cell(s.ra, s.dec, v_radius) as cell
            from pg_temp.stage_source as s
            offset 0
        )

        select d.cell
        from disc as d
        where d.cell is not null
        union
        select c.cell
        from disc as d
        cross join lateral apdb.sky_cells(d.ra, d.dec, v_radius) as c
        where d.cell is null
        order by cell
    loop
        perform apdb.lock_or_say_who(17002, v_cell);
        v_n := v_n + 1;
    end loop;
    return v_n;
end
$$;
