-- the values of per-band columns: from stage_band where the band is stale, else what they are
--
-- contract: band by band, each in the order of the names; a band without points has 0 of them. stage_touched is t.
-- args:
--   p_names: names of columns, without the band in front
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: for objects that have some of these stale, or for those that have all
--   p_target: alias of the row that is written, for mixed objects
-- returns: SQL text
-- errors: none
-- locks: none
-- cost: 30 us
create or replace function apdb.stale_values(p_names text[], p_stale integer, p_mixed boolean, p_target text)
returns text
language plpgsql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    c_count constant text := 'psf_flux_ndata';
    v_piece text := '#.' || array_to_string(p_names, ', #.');
begin
    if p_mixed then
        select string_agg(
            format(
                'case when t.stale_bands & (1 << strpos(''ugrizy'', ''#'') - 1) <> 0 then #.%1$s else %2$s.#_%1$s end',
                n.name, p_target
            ),
            ', ' order by n.i
        )
        into v_piece
        from unnest(p_names) with ordinality as n (name, i);
    end if;
    return apdb.for_bands(replace(v_piece, '#.' || c_count, format('coalesce(#.%s, 0)', c_count)), p_stale);
end
$$;
