-- makes a filter of an instrument known as one of the survey's bands
--
-- contract: the same again changes nothing. Visits that are stored keep the band that they have.
--   The survey's own names, such as g for g, stay as they are.
-- args:
--   p_filter: name of the filter as the instrument calls it; case matters
--   p_band: band of the survey that it stands for
--   p_description: about the filter, or null to leave what there is
-- returns: the band that the filter stood for, null when it was unknown
-- errors: VA001 when the name is empty or too long, the band is none of the survey, or the filter
--   is another band itself
-- locks: the row of the filter
-- cost: one row
create or replace function apdb.add_band(p_filter text, p_band text, p_description text)
returns text
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_bands constant text[] := array['u', 'g', 'r', 'i', 'z', 'y'];
    v_before text;
begin
    if p_filter is null or trim(p_filter) = '' or length(p_filter) > 100 then
        raise exception 'a filter cannot be called %', coalesce(quote_literal(p_filter), 'null')
        using errcode = 'VA001', hint = 'Give the name that the instrument''s files use, 1 to 100 characters.';
    end if;
    if p_band is null or p_band <> all(v_bands) then
        raise exception 'there is no band %: the survey has %',
            coalesce(quote_literal(p_band), 'null'), array_to_string(v_bands, ', ')
        using errcode = 'VA001';
    end if;
    if p_filter = any(v_bands) and p_filter <> p_band then
        raise exception '% is a band of the survey and cannot stand for %', p_filter, p_band
        using errcode = 'VA001', hint = 'Give the filter another name, such as DECam-g.';
    end if;

    select b.band into v_before
    from apdb_base.band as b
    where b.filter = p_filter
    for update;
    insert into apdb_base.band as b (filter, band, description)
    values (p_filter, p_band, p_description)
    on conflict (filter) do update
        set
            band = excluded.band,
            description = coalesce(excluded.description, b.description)
        where
            (b.band, b.description)
            is distinct from (excluded.band, coalesce(excluded.description, b.description));
    return v_before;
end
$$;
