-- makes the session's stage tables, once, and empties them
--
-- contract: owned by the owner role, so that owner routines can read them; the caller may only
--   insert. Made anew after an upgrade. Emptied here, once a transaction, and not at commit: that would throw
--   away every plan made for them, and planning is most of a small visit. For the same reason a few rows are
--   deleted, and the tables truncated only when they have grown. Few rows get plans that last for the session,
--   many rows a plan of their own in each statement, until the transaction ends.
-- args:
--   p_n_rows: how many rows will be staged; null for many
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 15 ms the first time in a session, then 0.3 ms
create or replace function apdb.open_stage(p_n_rows integer)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    c_few constant integer := 200;
    v_made_by text;
begin
    perform apdb.refuse_foreign_stages();
    if current_setting('apdb.stage_is_open', true) = 'yes' then
        return;
    end if;
    perform set_config('apdb.stage_is_open', 'yes', true);
    perform set_config(
        'plan_cache_mode', case when p_n_rows <= c_few then 'force_generic_plan' else 'force_custom_plan' end, true
    );

    -- Tables of the same text as the one that made them: an upgrade may have changed them since.
    select m.value into v_made_by
    from apdb_base.metadata as m
    where m.name = 'routines.fingerprint';
    if to_regclass('pg_temp.stage_source') is not null then
        if obj_description('pg_temp.stage_source'::regclass) is not distinct from v_made_by then
            perform apdb.empty_stage();
            return;
        end if;
        drop table pg_temp.stage_source, pg_temp.stage_forced, pg_temp.stage_pair, pg_temp.stage_match,
            pg_temp.stage_prediction, pg_temp.stage_ss_source, pg_temp.stage_touched, pg_temp.stage_band,
            pg_temp.stage_summary;
    end if;

    -- No NOT NULL here: the constraints of the base tables name what is wrong.
    execute 'create temporary table stage_source as select * from apdb_base.dia_source with no data';
    execute format('comment on table pg_temp.stage_source is %L', v_made_by);
    create index stage_source_q3c on pg_temp.stage_source (q3c_ang2ipix(ra, dec));
    execute 'create temporary table stage_forced as select * from apdb_base.dia_forced_source with no data';
    execute format(
        'create temporary table stage_summary as select dia_object_id, ra, ra_err, dec, dec_err, ra_dec_cov, '
        'first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources, %s from apdb_base.dia_object with no data',
        apdb.for_bands('#_fp_flux_mean, #_fp_flux_mean_err', 63)
    );
    -- The columns of one band stand for those of all.
    execute format(
        'create temporary table stage_band as select dia_object_id, 0 as number, u_psf_flux_ndata as psf_flux_ndata, %s, %s '
        'from apdb_base.dia_object inner join apdb_base.dia_object_place using (dia_object_id) with no data',
        (select string_agg(format('u_%s as %1$s', s.name), ', ') from unnest(apdb.band_statistics()) as s (name)),
        (select string_agg(format('u_%s as %1$s', s.name), ', ') from unnest(apdb.place_sums()) as s (name))
    );
    alter table pg_temp.stage_band add primary key (dia_object_id, number);
    create temporary table stage_pair (
        dia_source_id bigint not null,
        target_id bigint not null,
        distance double precision not null,
        score double precision not null
    );
    create temporary table stage_match (
        dia_source_id bigint not null,
        leader_id bigint not null,
        disqualified boolean not null,
        dia_object_id bigint,
        ss_object_id bigint
    );
    create temporary table stage_prediction (
        ss_object_id bigint not null,
        designation text,
        ra double precision not null,
        dec double precision not null,
        ra_err real,
        dec_err real,
        ra_rate double precision not null,
        dec_rate double precision not null,
        vmag real,
        elongation double precision,
        phase_angle double precision,
        topo_range double precision,
        topo_range_rate double precision,
        helio_range double precision,
        helio_range_rate double precision,
        helio_x double precision,
        helio_y double precision,
        helio_z double precision,
        helio_vx double precision,
        helio_vy double precision,
        helio_vz double precision,
        topo_x double precision,
        topo_y double precision,
        topo_z double precision,
        topo_vx double precision,
        topo_vy double precision,
        topo_vz double precision
    );
    -- Attributed sources, each with the prediction of its object, if there is one.
    create temporary table stage_ss_source (
        dia_source_id bigint not null,
        source_ra double precision not null,
        source_dec double precision not null,
        dia_distance_rank smallint,
        ss_object_id bigint,
        designation text,
        ra double precision,
        dec double precision,
        ra_err real,
        dec_err real,
        ra_rate double precision,
        dec_rate double precision,
        vmag real,
        elongation double precision,
        phase_angle double precision,
        topo_range double precision,
        topo_range_rate double precision,
        helio_range double precision,
        helio_range_rate double precision,
        helio_x double precision,
        helio_y double precision,
        helio_z double precision,
        helio_vx double precision,
        helio_vy double precision,
        helio_vz double precision,
        topo_x double precision,
        topo_y double precision,
        topo_z double precision,
        topo_vx double precision,
        topo_vy double precision,
        topo_vz double precision
    );
    create temporary table stage_touched (
        dia_object_id bigint primary key,
        exists_already boolean not null,
        is_new boolean not null,
        n_dia_sources integer not null,
        first_mjd_tai double precision not null,
        last_mjd_tai double precision not null,
        -- of the last version, whose history ended there; null for none
        old_first_mjd_tai double precision,
        old_last_mjd_tai double precision,
        -- last time at which the validity of the object began or ended; what comes next is later
        known_mjd_tai double precision,
        -- in dia_object_place
        has_place boolean not null default false,
        -- one bit a band, u first: whose statistics the last version of the object does not give
        stale_bands integer not null default 63,
        -- other stale bands than the other objects of the visit: written by a statement that asks for each band
        is_mixed boolean not null default false
    );
    grant insert, select on pg_temp.stage_source, pg_temp.stage_forced to public;
end
$$;
