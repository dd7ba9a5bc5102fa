-- the square root, or null where there is none
--
-- contract: inlined. Conditions on alerts use it: a root of a negative number must not stop a query.
-- args:
--   p_x: any number
-- returns: its root; null for a negative number, and for null
-- errors: none
-- locks: none
-- cost: 0.1 us
create or replace function apdb.sqrt_or_null(p_x double precision)
returns double precision
language sql immutable parallel safe
as $$
    select case when p_x >= 0.0 then sqrt(p_x) end
$$;
