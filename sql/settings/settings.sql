-- the settings of this database, with what each may be
--
-- contract: readers may call it.
-- args: none
-- returns: name, value, the values allowed in words, unit and meaning, ordered as setting_rules
-- errors: none
-- locks: none
-- cost: one small table read
create or replace function apdb.settings()
returns table (name text, value text, allowed text, unit text, meaning text)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        r.name,
        m.value,
        case
            when r.type = 'list' then 'any of ' || array_to_string(r.choices, ', ')
            when r.choices is not null then array_to_string(r.choices, ' or ')
            when r.type = 'text' then 'text'
            when r.above_lowest then format('%s above %s, at most %s', r.type, r.lowest, r.highest)
            else format('%s from %s to %s', r.type, r.lowest, r.highest)
        end,
        r.unit,
        r.meaning
    from apdb.setting_rules() with ordinality as r
        (name, type, lowest, highest, above_lowest, choices, unit, meaning, place)
    inner join apdb_base.metadata as m on m.name = 'setting.' || r.name
    order by r.place
$$;
