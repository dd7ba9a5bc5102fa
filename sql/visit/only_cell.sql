-- the one sky cell that a small disc lies in
--
-- contract: of sky_cells, for discs that touch a single cell: a few comparisons instead of two loops. Sure of
--   its answer, not of its silence: near an edge, RA 0 or a pole it says nothing.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius of the disc, at most 0.1
-- returns: cell number, or null when the disc may touch several
-- errors: none
-- locks: none
-- cost: 1 us; inlined
create or replace function apdb.only_cell(
    p_ra double precision, p_dec double precision, p_radius double precision
)
returns integer
language sql immutable parallel safe
as $$
    select
        case
            when
                abs(p_dec) < 89.0
                and floor((p_dec - p_radius + 90.0) / 0.1) = floor((p_dec + p_radius + 90.0) / 0.1)
                -- The disc's half-width in RA, a little too large.
                and floor(
                    (p_ra - p_radius * 1.001 / cos(radians(abs(p_dec) + p_radius)))
                    * apdb.cells_in_band(floor((p_dec + 90.0) / 0.1)::integer) / 360.0
                ) = floor(
                    (p_ra + p_radius * 1.001 / cos(radians(abs(p_dec) + p_radius)))
                    * apdb.cells_in_band(floor((p_dec + 90.0) / 0.1)::integer) / 360.0
                )
                then
                    floor((p_dec + 90.0) / 0.1)::integer * 3600
                    + floor(p_ra * apdb.cells_in_band(floor((p_dec + 90.0) / 0.1)::integer) / 360.0)::integer
        end
$$;
