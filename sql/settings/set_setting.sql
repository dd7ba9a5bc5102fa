-- changes a setting of this database
--
-- contract: only settings that exist can be changed; the value is checked where it is used.
-- args:
--   p_name: name of the setting
--   p_value: its new value
-- returns: nothing
-- errors: VA005 when there is no such setting
-- locks: the row of the setting
-- cost: one row
create or replace function apdb.set_setting(p_name text, p_value text)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    update apdb_base.metadata as m
    set value = p_value
    where m.name = 'setting.' || p_name;
    if not found then
        raise exception 'there is no setting %', quote_literal(p_name)
        using errcode = 'VA005', hint = 'apdb db settings lists the settings.';
    end if;
end
$$;
