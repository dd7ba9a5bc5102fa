-- makes a reference catalogue of the staged rows
--
-- contract: after open_reference_stage and the copy, in the same transaction, so that a catalogue is there as a
--   whole or not at all. Objects get their neighbours from it when they are touched next, or by refresh_neighbours.
-- args:
--   p_name: name of the catalogue: small letters, digits and underscores
--   p_release: its release, or null
--   p_description: what it is, in words, or null
--   p_for_neighbours: whether neighbours and hosts are taken from it; false for crossmatches only
--   p_replace: true to drop the catalogue of that name first, if there is one
-- returns: its row in the register
-- errors: VA001 when the name cannot be, or is taken, or rows share an id
-- locks: advisory (17011, 0), so that one catalogue is loaded or dropped at a time; the number of the step is taken
--   when the rows are in: what waits for archive_horizon does not wait for them
-- cost: 15 us a row
create or replace function apdb.load_reference(
    p_name text, p_release text, p_description text, p_for_neighbours boolean, p_replace boolean
)
returns setof apdb_base.reference_catalogue
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set work_mem = '256MB'
as $$
declare
    v_id smallint;
    v_there boolean;
    v_counts record;
    v_seq bigint;
    v_now double precision;
    v_twice bigint;
begin
    if p_name !~ '^[a-z][a-z0-9_]{0,62}$' or p_name = 'objects' then
        raise exception 'a catalogue cannot be called %', quote_literal(p_name)
        using errcode = 'VA001',
            hint = 'Names are made of small letters, digits and underscores; objects is taken by DIAObjects.';
    end if;
    perform apdb.open_stage(null);
    perform pg_advisory_xact_lock(17011, 0);
    v_there := exists (
        select from apdb_base.reference_catalogue as c where c.name = p_name and c.dropped_store_seq is null
    );
    if v_there and p_replace is not true then
        raise exception 'there is a catalogue % already', quote_literal(p_name)
        using errcode = 'VA001', hint = 'Replace it (--replace), drop it, or choose another name.';
    end if;

    select coalesce(max(c.catalogue_id), 0) + 1 into v_id
    from apdb_base.reference_catalogue as c;
    begin
        -- In the order of the sky, so that neighbours share pages of table and index.
        insert into apdb_base.reference_object (
            reference_object_id, ra, dec, epoch_mjd_tai, catalogue_id, ra_err, dec_err, ra_dec_cov, pm_ra, pm_dec,
            pm_ra_err, pm_dec_err, pm_ra_dec_cov, parallax, parallax_err, extendedness, ixx, iyy, ixy,
            effective_radius, flux, flux_err, u_mag, g_mag, r_mag, i_mag, z_mag, y_mag, band
        )
        select
            s.reference_object_id, s.ra, s.dec, s.epoch_mjd_tai, v_id, s.ra_err, s.dec_err, s.ra_dec_cov, s.pm_ra,
            s.pm_dec, s.pm_ra_err, s.pm_dec_err, s.pm_ra_dec_cov, s.parallax, s.parallax_err, s.extendedness, s.ixx,
            s.iyy, s.ixy, s.effective_radius, s.flux, s.flux_err, s.u_mag, s.g_mag, s.r_mag, s.i_mag, s.z_mag, s.y_mag,
            s.band
        from pg_temp.stage_reference as s
        order by q3c_ang2ipix(s.ra, s.dec);
    exception when unique_violation then
        select s.reference_object_id into v_twice
        from pg_temp.stage_reference as s
        group by s.reference_object_id
        having count(*) > 1
        order by s.reference_object_id
        limit 1;
        raise exception 'reference_object_id % occurs more than once', v_twice
        using errcode = 'VA001', hint = 'Identifiers are unique within a catalogue; without any, rows are numbered.';
    end;
    analyze apdb_base.reference_object;
    select
        count(*) as n_objects,
        count(*) filter (where s.extendedness < 0.5) as n_stars,
        count(*) filter (where s.extendedness >= 0.5) as n_galaxies,
        min(s.epoch_mjd_tai) filter (where s.pm_ra is not null or s.pm_dec is not null) as first_epoch,
        max(s.epoch_mjd_tai) filter (where s.pm_ra is not null or s.pm_dec is not null) as last_epoch,
        max(sqrt(
            power(coalesce(s.pm_ra, 0.0)::double precision, 2) + power(coalesce(s.pm_dec, 0.0)::double precision, 2)
        )) filter (where s.pm_ra is not null or s.pm_dec is not null) as max_pm
    into v_counts
    from pg_temp.stage_reference as s;

    -- Late: until the commit, nobody gets alerts of what is stored after a number that is taken.
    if v_there then
        perform apdb.drop_reference(p_name);
    end if;
    select k.store_seq, k.mjd_tai into v_seq, v_now
    from apdb.next_knowledge('reference', null, null, 'load of ' || p_name) as k;
    insert into apdb_base.metadata (name, value)
    values ('state.reference_store_seq', v_seq::text)
    on conflict (name) do update set value = excluded.value;
    return query
    insert into apdb_base.reference_catalogue (
        catalogue_id, name, release, description, for_neighbours, n_objects, n_stars, n_galaxies,
        first_epoch_mjd_tai, last_epoch_mjd_tai, max_pm, loaded_mjd_tai, store_seq
    )
    values (
        v_id, p_name, p_release, p_description, p_for_neighbours, v_counts.n_objects, v_counts.n_stars,
        v_counts.n_galaxies, v_counts.first_epoch, v_counts.last_epoch, v_counts.max_pm, v_now, v_seq
    )
    returning *;
end
$$;
