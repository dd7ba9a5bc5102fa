-- makes sure that the session has a prepared statement, and that it is this one
--
-- contract: statements made from text are prepared once a session, under names that begin with apdb_, so that their
--   plans last as long as those of other statements of a visit. Not the name is trusted but the text: the session
--   may have prepared something else under that name, and it would run as the owner.
-- args:
--   p_name: name of the statement
--   p_types: types of its parameters in parentheses, '' for none
--   p_text: the statement
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 40 us when it is there
create or replace function apdb.prepare_once(p_name text, p_types text, p_text text)
returns void
language plpgsql volatile
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_wanted text := format('prepare %I %s as %s', p_name, p_types, p_text);
    v_there text;
begin
    select s.statement into v_there
    from pg_prepared_statements as s
    where s.name = p_name;
    if v_there = v_wanted then
        return;
    end if;
    if v_there is not null then
        execute format('deallocate %I', p_name);
    end if;
    execute v_wanted;
end
$$;
