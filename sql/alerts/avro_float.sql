-- the bytes of a number as Avro writes a float
--
-- contract: four bytes, little-endian.
-- args:
--   p_value: the number
-- returns: 4 bytes
-- errors: none
-- locks: none
-- cost: 1 us; inlined
create or replace function apdb.avro_float(p_value real)
returns bytea
language sql immutable parallel safe
as $$
    select substring(float4send(p_value) from 4 for 1) || substring(float4send(p_value) from 3 for 1)
        || substring(float4send(p_value) from 2 for 1) || substring(float4send(p_value) from 1 for 1)
$$;
