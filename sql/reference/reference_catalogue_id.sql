-- number of a reference catalogue
--
-- contract: of those that are there, not of those that were dropped.
-- args:
--   p_name: its name
-- returns: the number
-- errors: VA005 when there is no such catalogue; the hint names those that there are
-- locks: none
-- cost: one index search
create or replace function apdb.reference_catalogue_id(p_name text)
returns smallint
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_id smallint;
begin
    select c.catalogue_id into v_id
    from apdb_base.reference_catalogue as c
    where c.name = p_name and c.dropped_store_seq is null;
    if v_id is null then
        raise exception 'there is no reference catalogue %', coalesce(quote_literal(p_name), 'null')
        using
            errcode = 'VA005',
            hint = (
                select coalesce('There are: ' || string_agg(c.name, ', ' order by c.name), 'None is loaded')
                from apdb_base.reference_catalogue as c
                where c.dropped_store_seq is null
            );
    end if;
    return v_id;
end
$$;
