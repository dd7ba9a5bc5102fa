-- V magnitude of an asteroid by its H and G
--
-- contract: Bowell et al. 1989, Asteroids II, in the form of the exponentials; G of 0.15 where none is known.
-- args:
--   p_h [mag]: absolute magnitude
--   p_g: slope parameter, or null
--   p_r [au]: distance from the Sun
--   p_delta [au]: distance from the observer
--   p_phase [deg]: phase angle
-- returns: magnitude; null without H, and from 150 deg on, where the law does not hold
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.hg_magnitude(
    p_h double precision, p_g double precision, p_r double precision, p_delta double precision, p_phase double precision
)
returns double precision
language sql immutable parallel safe
as $$
    select case
        when
            p_phase < 150.0
            and (1.0 - coalesce(p_g, 0.15)) * exp(-3.33 * power(tan(radians(p_phase / 2.0)), 0.63))
            + coalesce(p_g, 0.15) * exp(-1.87 * power(tan(radians(p_phase / 2.0)), 1.22)) > 0.0
            then p_h + 5.0 * log(p_r * p_delta) - 2.5 * log(
                (1.0 - coalesce(p_g, 0.15)) * exp(-3.33 * power(tan(radians(p_phase / 2.0)), 0.63))
                + coalesce(p_g, 0.15) * exp(-1.87 * power(tan(radians(p_phase / 2.0)), 1.22))
            )
    end
$$;
