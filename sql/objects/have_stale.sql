-- the condition on stage_touched for the objects that one statement is for
--
-- contract: stage_touched is t.
-- args:
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: the objects that have some of these stale, or those that have all
-- returns: SQL text
-- errors: none
-- locks: none
-- cost: 10 us
create or replace function apdb.have_stale(p_stale integer, p_mixed boolean)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case when p_mixed then 't.is_mixed' else format('t.stale_bands = %s and not t.is_mixed', p_stale) end
$$;
