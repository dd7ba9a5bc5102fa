-- the bytes of a number as Avro writes an int or a long
--
-- contract: zigzag, then the variable-length form.
-- args:
--   p_value: the number
-- returns: 1 to 10 bytes
-- errors: none
-- locks: none
-- cost: 1 us; inlined
create or replace function apdb.avro_long(p_value bigint)
returns bytea
language sql immutable parallel safe
as $$
    select apdb.avro_varint((p_value << 1) # (p_value >> 63))
$$;
