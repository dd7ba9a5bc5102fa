-- whether the session has a prepared statement
--
-- contract: statements made from text are prepared once a session, under names that begin with apdb_, so that their
--   plans last as long as those of other statements of a visit; open_stage forgets them after an upgrade.
-- args:
--   p_name: name of the statement
-- returns: true if it has
-- errors: none
-- locks: none
-- cost: 20 us
create or replace function apdb.is_prepared(p_name text)
returns boolean
language sql stable
as $$
    select exists (select from pg_prepared_statements as s where s.name = p_name)
$$;
