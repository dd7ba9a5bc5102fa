-- the bytes of an unsigned number in Avro's variable-length form
--
-- contract: seven bits a byte, lowest first; the top bit of a byte says that another follows.
-- args:
--   p_value: the number; a negative one stands for itself plus 2^64
-- returns: 1 to 10 bytes
-- errors: none
-- locks: none
-- cost: 1 us; inlined
create or replace function apdb.avro_varint(p_value bigint)
returns bytea
language sql immutable parallel safe
as $$
    select case
        when p_value between 0 and 127 then substring(int8send(p_value << 56) from 1 for 1)
        when p_value between 0 and 16383 then
            substring(int8send(((p_value & 127 | 128) << 56) | ((p_value >> 7) << 48)) from 1 for 2)
        else
            case
                when p_value between 0 and 72057594037927935 then
                    -- Eight groups as if more followed; then the last byte that is needed says that none does.
                    substring(
                        int8send(
                            (
                                ((p_value & 127 | 128) << 56) | (((p_value >> 7) & 127 | 128) << 48)
                                | (((p_value >> 14) & 127 | 128) << 40) | (((p_value >> 21) & 127 | 128) << 32)
                                | (((p_value >> 28) & 127 | 128) << 24) | (((p_value >> 35) & 127 | 128) << 16)
                                | (((p_value >> 42) & 127 | 128) << 8) | ((p_value >> 49) & 127 | 128)
                            ) # (
                                128::bigint << case
                                    when p_value < 2097152 then 40
                                    when p_value < 268435456 then 32
                                    when p_value < 34359738368 then 24
                                    when p_value < 4398046511104 then 16
                                    when p_value < 562949953421312 then 8
                                    else 0
                                end
                            )
                        ) from 1 for case
                            when p_value < 2097152 then 3
                            when p_value < 268435456 then 4
                            when p_value < 34359738368 then 5
                            when p_value < 4398046511104 then 6
                            when p_value < 562949953421312 then 7
                            else 8
                        end
                    )
                else
                    int8send(
                        ((p_value & 127 | 128) << 56) | (((p_value >> 7) & 127 | 128) << 48)
                        | (((p_value >> 14) & 127 | 128) << 40) | (((p_value >> 21) & 127 | 128) << 32)
                        | (((p_value >> 28) & 127 | 128) << 24) | (((p_value >> 35) & 127 | 128) << 16)
                        | (((p_value >> 42) & 127 | 128) << 8) | ((p_value >> 49) & 127 | 128)
                    )
                    -- The top byte as it is: its top bit is the 64th, which then has a byte of its own.
                    || substring(int8send(p_value) from 1 for 1)
                    || case when p_value < 0 then '\x01'::bytea else ''::bytea end
            end
    end
$$;
