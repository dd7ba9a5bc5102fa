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
language sql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select apdb.for_bands(
        (
            select string_agg(
                case
                    when p_mixed then format(
                        'case when t.stale_bands & (1 << strpos(''ugrizy'', ''#'') - 1) <> 0 then %s else %s.#_%s end',
                        v.staged, p_target, n.name
                    )
                    else v.staged
                end,
                ', ' order by n.i
            )
            from unnest(p_names) with ordinality as n (name, i)
            cross join lateral (
                select format(case when n.name = 'psf_flux_ndata' then 'coalesce(#.%s, 0)' else '#.%s' end, n.name) as staged
            ) as v
        ),
        p_stale
    )
$$;
