-- trigger: every row that a statement wrote refers to a row that exists
--
-- contract: what a foreign key promises on insert and update, checked once a statement instead of once a
--   row: 10,000 sources cost 15 ms instead of 590 ms (docs/decisions/0002). Arguments of the trigger: the
--   referenced table, then pairs of referring and referenced column. Nulls refer to nothing.
-- args: none
-- returns: trigger
-- errors: 23503 (foreign_key_violation) naming table and values
-- locks: none; rows of the referenced tables are only ever deleted under the locks that writers hold
-- cost: one hash join
create or replace function apdb.check_reference()
returns trigger
language plpgsql security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_columns text;
    v_present text;
    v_join text;
    v_missing text;
begin
    select
        string_agg(format('a.%I', tg_argv[i]), ', '),
        string_agg(format('a.%I is not null', tg_argv[i]), ' and '),
        string_agg(format('p.%I = a.%I', tg_argv[i + 1], tg_argv[i]), ' and ')
    into v_columns, v_present, v_join
    from generate_series(1, tg_nargs - 1, 2) as i;

    execute format(
        'select (a.*)::text from (select distinct %s from added as a where %s) as a'
        ' where not exists (select from apdb_base.%I as p where %s) limit 1',
        v_columns, v_present, tg_argv[0], v_join
    ) into v_missing;
    if v_missing is not null then
        raise exception '% refers to % %, which does not exist', tg_table_name, tg_argv[0], v_missing
        using errcode = 'foreign_key_violation', constraint = tg_name, table = tg_table_name;
    end if;
    return null;
end
$$;
