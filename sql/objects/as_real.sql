-- a statistic as it is stored, in single precision
--
-- contract: below the smallest normal number it is 0, above the largest unknown; a cast would be an error, and a visit
--   refused for one odd light curve.
-- args:
--   p_value: the number
-- returns: the nearest real
-- errors: none
-- locks: none
-- cost: inlined where the argument is a column
create or replace function apdb.as_real(p_value double precision)
returns real
language sql immutable parallel safe
as $$
    select
        case
            when abs(p_value) < 1.1754944e-38 then 0.0
            when abs(p_value) <= 3.4028234e38 then p_value
        end::real
$$;
