-- makes the session's stage tables, once
--
-- contract: owned by the owner role, so that owner routines can read them; the caller may only
--   insert. Emptied at every commit. Made anew after an upgrade.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 15 ms the first time in a session, then one look-up
create or replace function apdb.open_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    v_made_by text;
begin
    -- Tables of the same text as the one that made them: an upgrade may have changed them since.
    select m.value into v_made_by
    from apdb_base.metadata as m
    where m.name = 'routines.fingerprint';
    if to_regclass('pg_temp.stage_source') is not null then
        if obj_description('pg_temp.stage_source'::regclass) is not distinct from v_made_by then
            return;
        end if;
        drop table pg_temp.stage_source, pg_temp.stage_forced, pg_temp.stage_pair, pg_temp.stage_match,
            pg_temp.stage_prediction, pg_temp.stage_touched, pg_temp.stage_summary;
    end if;

    -- No NOT NULL here: the constraints of the base tables name what is wrong.
    execute 'create temporary table stage_source on commit delete rows as '
        || 'select * from apdb_base.dia_source with no data';
    execute format('comment on table pg_temp.stage_source is %L', v_made_by);
    create index stage_source_q3c on pg_temp.stage_source (q3c_ang2ipix(ra, dec));
    execute 'create temporary table stage_forced on commit delete rows as '
        || 'select * from apdb_base.dia_forced_source with no data';
    execute 'create temporary table stage_summary on commit delete rows as '
        || 'select * from apdb_base.dia_object with no data';
    create temporary table stage_pair (
        dia_source_id bigint not null,
        target_id bigint not null,
        distance double precision not null,
        score double precision not null
    ) on commit delete rows;
    create temporary table stage_match (
        dia_source_id bigint not null,
        leader_id bigint not null,
        disqualified boolean not null,
        dia_object_id bigint,
        ss_object_id bigint
    ) on commit delete rows;
    create temporary table stage_prediction (
        ss_object_id bigint not null,
        designation text,
        ra double precision not null,
        dec double precision not null,
        ra_rate double precision not null,
        dec_rate double precision not null,
        vmag real
    ) on commit delete rows;
    create temporary table stage_touched (
        dia_object_id bigint primary key,
        exists_already boolean not null,
        is_new boolean not null,
        n_dia_sources integer not null,
        first_mjd_tai double precision not null,
        last_mjd_tai double precision not null,
        -- one bit a band, u first: whose statistics the last version of the object does not give
        stale_bands integer not null default 63
    ) on commit delete rows;
    grant insert, select on pg_temp.stage_source, pg_temp.stage_forced to public;
end
$$;
