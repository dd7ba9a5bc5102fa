-- notes that a report was sent to the Minor Planet Center
--
-- contract: whoever sent it says so; observations that have an answer keep it. Again changes nothing.
-- args:
--   p_batch: name of the report
-- returns: number of observations marked
-- errors: VA005 when there is no report of that name
-- locks: row locks on the observations, in the order of their ids
-- cost: one index search
create or replace function apdb.mark_submitted(p_batch text)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_n integer;
begin
    perform 1
    from apdb_base.mpc_submission as s
    where s.batch = p_batch
    order by s.dia_source_id
    for no key update;
    if not found then
        raise exception 'no report named % was exported', p_batch using errcode = 'VA005';
    end if;
    update apdb_base.mpc_submission as s
    set state = 'submitted', submitted_mjd_tai = apdb.mjd_tai(clock_timestamp())
    where s.batch = p_batch and s.state = 'exported';
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
