-- the number of sky cells in a declination band of 0.1 deg
--
-- contract: as many as are at least 0.1 deg wide at the band's edge nearest the pole; one at the pole itself.
-- args:
--   p_band: number of the band, 0 at the south pole to 1799
-- returns: number of cells, 1 to 3600
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.cells_in_band(p_band integer)
returns integer
language sql immutable parallel safe
as $$
    select
        greatest(1, floor(
            3600.0 * cos(radians(least(90.0, greatest(abs(p_band * 0.1 - 90.0), abs(p_band * 0.1 - 89.9)))))
        ))::integer
$$;
