-- the survey's band that a filter stands for
--
-- contract: the same as begin_visit takes it for.
-- args:
--   p_filter: name of the filter, as the instrument calls it; bands are filters of their own name
-- returns: the band
-- errors: VA001 when the filter is unknown; names those that are known
-- locks: none
-- cost: one row
create or replace function apdb.band_of(p_filter text)
returns text
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_band text;
begin
    select b.band into v_band
    from apdb_base.band as b
    where b.filter = p_filter;
    if v_band is null then
        raise exception 'unknown band %: known are %',
            coalesce(quote_literal(p_filter), 'null'),
            (select string_agg(b.filter, ', ' order by b.filter) from apdb_base.band as b)
        using errcode = 'VA001', hint = 'apdb db band FILTER BAND makes an instrument''s filter known.';
    end if;
    return v_band;
end
$$;
