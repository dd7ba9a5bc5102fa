-- has a template chosen no more
--
-- contract: its file stays for as long as the setting image_keep_days says, and its row for ever. Again,
--   nothing changes.
-- args:
--   p_template_id: the template
-- returns: since when it is retired, MJD TAI [d]
-- errors: VA005 when there is no such template
-- locks: the row of the template
-- cost: one row
create or replace function apdb.retire_template(p_template_id bigint)
returns double precision
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_retired double precision;
begin
    update apdb_base.template as t
    set retired_mjd_tai = coalesce(t.retired_mjd_tai, apdb.mjd_tai(clock_timestamp()))
    where t.template_id = p_template_id
    returning t.retired_mjd_tai into v_retired;
    if v_retired is null then
        raise exception 'there is no template %', p_template_id using errcode = 'VA005';
    end if;
    return v_retired;
end
$$;
