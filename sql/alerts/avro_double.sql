-- the bytes of a number as Avro writes a double
--
-- contract: eight bytes, little-endian.
-- args:
--   p_value: the number
-- returns: 8 bytes
-- errors: none
-- locks: none
-- cost: 2 us; inlined
create or replace function apdb.avro_double(p_value double precision)
returns bytea
language sql immutable parallel safe
as $$
    select substring(float8send(p_value) from 8 for 1) || substring(float8send(p_value) from 7 for 1)
        || substring(float8send(p_value) from 6 for 1) || substring(float8send(p_value) from 5 for 1)
        || substring(float8send(p_value) from 4 for 1) || substring(float8send(p_value) from 3 for 1)
        || substring(float8send(p_value) from 2 for 1) || substring(float8send(p_value) from 1 for 1)
$$;
