-- forgets requests to the alert service that are kept no longer
--
-- contract: by the setting api_audit_keep_days; 0 keeps them for ever. Repeated, nothing happens.
-- args:
--   p_dry_run: true to change nothing
-- returns: rows that were, or would be, removed
-- errors: none
-- locks: rows of the audit
-- cost: reads the audit; 2 us a row that goes
create or replace function apdb.forget_requests(p_dry_run boolean)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_keep double precision := nullif(apdb.setting('api_audit_keep_days')::double precision, 0.0);
    v_before double precision := apdb.mjd_tai(clock_timestamp()) - v_keep;
    v_rows bigint;
begin
    if p_dry_run then
        select count(*) into v_rows
        from apdb_base.api_audit as r
        where r.time_mjd_tai < v_before;
    else
        delete from apdb_base.api_audit as r
        where r.time_mjd_tai < v_before;
        get diagnostics v_rows = row_count;
    end if;
    return v_rows;
end
$$;
