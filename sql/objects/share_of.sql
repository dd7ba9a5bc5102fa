-- what a point adds to a sum that outliers count less in, by Stetson's weights
--
-- contract: p_value / (p_scale + (p_flux - p_mean)^2), by which fluxes and weights alike are summed.
-- args:
--   p_value: the flux [nJy], or 1
--   p_flux [nJy]: the flux
--   p_scale [nJy^2]: 4 (n - 1) / n times its variance; infinite for a point that is not there
--   p_mean [nJy]: the mean so far
-- returns: the addend
-- errors: none
-- locks: none
-- cost: 0.1 us; inlined
create or replace function apdb.share_of(
    p_value double precision, p_flux double precision, p_scale double precision, p_mean double precision
)
returns double precision
language sql immutable parallel safe
as $$
    select p_value / (p_scale + (p_flux - p_mean) * (p_flux - p_mean))
$$;
