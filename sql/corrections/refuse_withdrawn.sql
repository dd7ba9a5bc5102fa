-- refuses a correction of sources that are withdrawn
--
-- contract: names the first 20.
-- args: none
-- returns: nothing
-- errors: VA008 when stage_change has withdrawn sources
-- locks: none
-- cost: one read of the stage
create or replace function apdb.refuse_withdrawn()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_ids text;
begin
    select string_agg(x.dia_source_id::text, ', ' order by x.dia_source_id) into v_ids
    from (
        select c.dia_source_id
        from pg_temp.stage_change as c
        where c.was_withdrawn
        order by c.dia_source_id
        limit 20
    ) as x;
    if v_ids is not null then
        raise exception 'withdrawn DIASources belong to no object any more: %', v_ids
        using errcode = 'VA008', hint = 'Nothing was changed; leave them out, or replace their visit.';
    end if;
end
$$;
