-- gives up followed positions
--
-- contract: their fluxes stay. What is not followed under such a name is an error, and then nothing changes.
-- args:
--   p_requested_by: who asked for them
--   p_names: which; null for all of this asker
-- returns: number of positions given up
-- errors: VA005 when one is not followed (DETAIL: the names)
-- locks: advisory (class 17018, hash of who asked); row locks
-- cost: one index search each
create or replace function apdb.unfollow_positions(p_requested_by text, p_names text[])
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_unknown text;
    v_n integer;
begin
    perform pg_advisory_xact_lock(17018, hashtext(p_requested_by));
    select string_agg(g.name, ', ' order by g.name) into v_unknown
    from unnest(p_names) as g (name)
    where not exists (
        select from apdb_base.followed_position as p
        where p.requested_by = p_requested_by and p.name = g.name and p.removed_mjd_tai is null
    );
    if v_unknown is null and p_names is null and not exists (
        select from apdb_base.followed_position as p
        where p.requested_by = p_requested_by and p.removed_mjd_tai is null
    ) then
        v_unknown := 'nothing';
    end if;
    if v_unknown is not null then
        raise exception 'not followed for %', quote_literal(p_requested_by)
        using errcode = 'VA005', detail = v_unknown, hint = 'apdb forced list shows what is.';
    end if;
    update apdb_base.followed_position as p
    set removed_mjd_tai = apdb.mjd_tai(clock_timestamp())
    where
        p.requested_by = p_requested_by and p.removed_mjd_tai is null
        and (p_names is null or p.name = any(p_names));
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
