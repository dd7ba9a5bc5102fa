-- moves the staged ephemerides into the ephemeris table
--
-- contract: after open_ephemeris_stage and the copy, in the same transaction. Idempotent: a row of
--   the same object and time is replaced when it says something else, and left alone otherwise.
--   Visits that are stored keep their attributions.
-- args: none
-- returns: number of rows inserted or replaced
-- errors: none
-- locks: row locks on the rows replaced, in the order of the key
-- cost: 15 µs a row
create or replace function apdb.load_ephemeris()
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_n bigint;
begin
    insert into apdb_base.ephemeris as e (
        ss_object_id, mjd_tai, ra, dec, ra_rate, dec_rate, ra_err, dec_err, vmag, designation
    )
    select
        s.ss_object_id, s.mjd_tai, s.ra, s.dec, s.ra_rate, s.dec_rate, s.ra_err, s.dec_err, s.vmag, s.designation
    from pg_temp.stage_ephemeris as s
    order by s.ss_object_id, s.mjd_tai
    on conflict (ss_object_id, mjd_tai) do update
        set
            ra = excluded.ra,
            dec = excluded.dec,
            ra_rate = excluded.ra_rate,
            dec_rate = excluded.dec_rate,
            ra_err = excluded.ra_err,
            dec_err = excluded.dec_err,
            vmag = excluded.vmag,
            designation = excluded.designation
        where
            (e.ra, e.dec, e.ra_rate, e.dec_rate, e.ra_err, e.dec_err, e.vmag, e.designation)
            is distinct from (
                excluded.ra, excluded.dec, excluded.ra_rate, excluded.dec_rate, excluded.ra_err,
                excluded.dec_err, excluded.vmag, excluded.designation
            );
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
