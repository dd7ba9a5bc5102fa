-- value of a setting of this database
--
-- contract: settings live in the metadata table under 'setting.<name>'; sql/README.md lists them.
-- args:
--   p_name: name of the setting, for instance association_radius
-- returns: its value as text
-- errors: VA005 when there is no such setting
-- locks: none
-- cost: one index look-up
create or replace function apdb.setting(p_name text)
returns text
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_value text;
begin
    select m.value into v_value
    from apdb_base.metadata as m
    where m.name = 'setting.' || p_name;
    if v_value is null then
        raise exception 'there is no setting %', quote_literal(p_name)
        using errcode = 'VA005', hint = 'apdb db settings lists the settings.';
    end if;
    return v_value;
end
$$;
