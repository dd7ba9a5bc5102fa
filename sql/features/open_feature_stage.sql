-- makes the session's stage tables for characterisation, once
--
-- contract: as open_stage: owned by the owner role, the caller may insert and read, emptied at every commit,
--   made anew after an upgrade.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 5 ms the first time in a session, then one look-up
create or replace function apdb.open_feature_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    v_made_by text;
begin
    perform apdb.refuse_foreign_stages();
    select m.value into v_made_by
    from apdb_base.metadata as m
    where m.name = 'routines.fingerprint';
    if to_regclass('pg_temp.stage_due') is not null then
        if obj_description('pg_temp.stage_due'::regclass) is not distinct from v_made_by then
            return;
        end if;
        drop table pg_temp.stage_due, pg_temp.stage_point, pg_temp.stage_feature, pg_temp.stage_astrometry;
    end if;
    create temporary table stage_due (
        dia_object_id bigint primary key,
        object_store_seq bigint,
        object_store_seq_end bigint,
        first_mjd_tai double precision,
        last_mjd_tai double precision,
        is_staged boolean not null default false
    ) on commit delete rows;
    execute format('comment on table pg_temp.stage_due is %L', v_made_by);
    create temporary table stage_point (
        dia_object_id bigint not null,
        dia_source_id bigint not null,
        band text,
        midpoint_mjd_tai double precision not null,
        ra double precision not null,
        dec double precision not null,
        ra_err real,
        dec_err real,
        ra_dec_cov real,
        psf_flux real,
        psf_flux_err real,
        science_flux real,
        -- whether it belongs to the light curve: within the history that features look back
        in_light_curve boolean not null
    ) on commit delete rows;
    execute 'create temporary table stage_feature on commit delete rows as '
        || 'select f.* from apdb_base.dia_object_feature as f with no data';
    execute 'create temporary table stage_astrometry on commit delete rows as '
        || 'select a.*, p.fragment from apdb_base.dia_object_astrometry as a '
        || 'inner join apdb_base.dia_object_feature_packet as p using (dia_object_id) with no data';
    grant insert, select on pg_temp.stage_due, pg_temp.stage_point, pg_temp.stage_feature, pg_temp.stage_astrometry
    to public;
end
$$;
