-- the sky cells that a disc touches
--
-- contract: declination bands of 0.1 deg, each cut into equal cells at least 0.1 deg wide at the
--   edge nearest the pole. A disc touches every cell that its bounding box touches, so two
--   discs that overlap always share a cell: at RA 0 and at the poles too.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius of the disc
-- returns: cell numbers, below 6.5 million
-- errors: none
-- locks: none
-- cost: about 3 us a disc; inlined
create or replace function apdb.sky_cells(
    p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (cell integer)
language sql immutable parallel safe
as $$
    select b.band * 3600 + mod(g.k, b.n_cells)
    from (
        select
            i.band,
            apdb.cells_in_band(i.band) as n_cells
        from generate_series(
            greatest(0, floor((p_dec - p_radius + 90.0) / 0.1))::integer,
            least(1799, floor((p_dec + p_radius + 90.0) / 0.1))::integer
        ) as i (band)
    ) as b
    cross join lateral (
        select
            case
                when abs(p_dec) + p_radius >= 90.0 then 180.0
                else degrees(asin(least(1.0, sin(radians(p_radius)) / cos(radians(p_dec)))))
            end as half_width
    ) as w
    cross join lateral generate_series(
        case
            when w.half_width * 2.0 * b.n_cells / 360.0 >= b.n_cells - 1 then 0
            else floor((p_ra - w.half_width + 360.0) * b.n_cells / 360.0)::integer
        end,
        case
            when w.half_width * 2.0 * b.n_cells / 360.0 >= b.n_cells - 1 then b.n_cells - 1
            else floor((p_ra + w.half_width + 360.0) * b.n_cells / 360.0)::integer
        end
    ) as g (k)
$$;
