-- changes a setting of this database
--
-- contract: only settings that exist can be changed, and only to what setting_rules allows. Holds
--   for visits that begin afterwards. Numbers are kept in PostgreSQL's own notation.
-- args:
--   p_name: name of the setting
--   p_value: its new value
-- returns: the value that it had
-- errors: VA005 when there is no such setting; VA001 when it may not have this value
-- locks: the row of the setting; for archive_url advisory (class 17007, 0), so that visits under way end first
-- cost: one row
create or replace function apdb.set_setting(p_name text, p_value text)
returns text
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_rule record;
    v_number double precision;
    v_value text := trim(p_value);
    v_before text;
begin
    select s.allowed, s.unit, r.type, r.lowest, r.highest, r.above_lowest, r.choices into v_rule
    from apdb.settings() as s
    inner join apdb.setting_rules() as r on s.name = r.name
    where s.name = p_name;
    if not found then
        raise exception 'there is no setting %', coalesce(quote_literal(p_name), 'null')
        using errcode = 'VA005', hint = 'apdb db settings lists the settings.';
    end if;

    if v_rule.type = 'list' then
        v_value := array_to_string(array(
            select trim(u.flag) from unnest(string_to_array(v_value, ',')) as u (flag)
        ), ',');
    elsif v_rule.type in ('number', 'integer') then
        begin
            v_number := v_value::double precision;
        exception
            when invalid_text_representation or numeric_value_out_of_range then v_number := null;
        end;
        if v_rule.type = 'integer' and v_number between -1e15 and 1e15 then
            v_value := v_number::bigint::text;
        else
            v_value := v_number::text;
        end if;
    end if;
    -- NaN is above every number, so it is outside too; null is outside because of "is not true".
    if (
        case v_rule.type
            when 'choice' then v_value = any(v_rule.choices)
            when 'list' then string_to_array(v_value, ',') <@ v_rule.choices
            when 'text' then length(v_value) <= 1000
            else
                v_number between v_rule.lowest and v_rule.highest
                and not (v_rule.above_lowest and v_number = v_rule.lowest)
                and (v_rule.type = 'number' or v_number = trunc(v_number))
        end
    ) is not true then
        raise exception '% cannot be %: it must be %',
            p_name, coalesce(quote_literal(p_value), 'null'), concat_ws(' ', v_rule.allowed, v_rule.unit)
        using errcode = 'VA001', hint = 'apdb db settings shows what each setting may be.';
    end if;
    if p_name = 'alert_schema_version' and not exists (
        select from apdb.alert_rules() as r
        where (split_part(v_value, '.', 1)::integer * 100 + split_part(v_value, '.', 2)::integer) = any(r.complete)
    ) then
        raise exception 'not all visits have fragments of alert schema %', v_value
        using errcode = 'VA001', hint = 'apdb alerts rebuild-fragments makes them, and changes the setting.';
    end if;

    if p_name = 'archive_url' then
        -- Visits that began without an archive leave no fragments, and say so only when they commit.
        perform pg_advisory_xact_lock(17007, 0);
    end if;
    select m.value into v_before
    from apdb_base.metadata as m
    where m.name = 'setting.' || p_name
    for update;
    update apdb_base.metadata as m
    set value = v_value
    where m.name = 'setting.' || p_name;

    if p_name = 'history_days' and v_value <> v_before then
        -- Summaries made until now are of the other length: associate_visit uses nothing of them.
        insert into apdb_base.metadata (name, value)
        select 'state.history_days_store_seq', s.last_value::text
        from apdb_base.store_seq as s
        on conflict (name) do update set value = excluded.value;
    end if;
    return v_before;
end
$$;
