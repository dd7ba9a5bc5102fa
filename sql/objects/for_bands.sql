-- a piece of SQL repeated for bands
--
-- contract: '#' in the template becomes the name of the band; pieces in the order ugrizy. Keeps the six sets
--   of columns from being spelled out, and out of statements they have no part in.
-- args:
--   p_template: the piece
--   p_bands: one bit a band, u first
--   p_separator: between the pieces
-- returns: SQL text, null for no band
-- errors: none
-- locks: none
-- cost: 5 us
create or replace function apdb.for_bands(p_template text, p_bands integer, p_separator text default ', ')
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_pieces text;
begin
    for v_number in 0..5 loop
        if (p_bands >> v_number) & 1 = 1 then
            v_pieces := concat_ws(p_separator, v_pieces, replace(p_template, '#', substr('ugrizy', v_number + 1, 1)));
        end if;
    end loop;
    return v_pieces;
end
$$;
