-- a right ascension from atan2, brought into [0, 360)
--
-- contract: a tiny negative angle, which 360 swallows, becomes 0.
-- args:
--   p_ra [deg]: angle in [-180, 180]
-- returns: right ascension in degrees
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.normal_ra(p_ra double precision)
returns double precision
language sql immutable parallel safe
as $$
    select case when p_ra >= 0.0 then p_ra when p_ra + 360.0 < 360.0 then p_ra + 360.0 else 0.0 end
$$;
