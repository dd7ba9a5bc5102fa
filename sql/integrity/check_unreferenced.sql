-- trigger: no row that a statement deleted is still referred to
--
-- contract: the other half of check_reference. Arguments of the trigger: the referring table, then pairs of
--   referring and referenced column.
-- args: none
-- returns: trigger
-- errors: 23503 (foreign_key_violation) naming table and values
-- locks: none
-- cost: one index search a deleted row
create or replace function apdb.check_unreferenced()
returns trigger
language plpgsql security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_join text;
    v_columns text;
    v_left text;
begin
    select
        string_agg(format('c.%I = r.%I', tg_argv[i], tg_argv[i + 1]), ' and '),
        string_agg(format('r.%I', tg_argv[i + 1]), ', ')
    into v_join, v_columns
    from generate_series(1, tg_nargs - 1, 2) as i;

    execute format(
        'select row(%s)::text from removed as r where exists (select from apdb_base.%I as c where %s) limit 1',
        v_columns, tg_argv[0], v_join
    ) into v_left;
    if v_left is not null then
        raise exception '% % is still referred to by %', tg_table_name, v_left, tg_argv[0]
        using errcode = 'foreign_key_violation', constraint = tg_name, table = tg_table_name;
    end if;
    return null;
end
$$;
