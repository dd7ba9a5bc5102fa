-- makes the staged features and astrometry what holds now, and takes the objects from the queue
--
-- contract: after claim_features, in its transaction. What held before is kept, with the step of knowledge that
--   ended it. Under the locks of the sky, so that what an alert packet says of an object is what was
--   known at its step. Objects that were touched since they were taken stay in the queue; what held of retired
--   ones ends.
-- args: none
-- returns: store_seq, time [d], number of objects that were written, and of those that are still due
-- errors: VA004 when another session still holds the sky after lock_timeout
-- locks: advisory (class 17002, cells of the objects), then row locks on the queue's rows that are held already
-- cost: 0.2 ms an object
create or replace function apdb.store_features(
    out store_seq bigint, out mjd_tai double precision, out n_objects integer, out n_still_due integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids bigint[];
begin
    select array_agg(d.dia_object_id order by d.dia_object_id) into v_ids
    from pg_temp.stage_due as d;
    perform apdb.lock_concerned(null, v_ids, null, null, null);
    select k.store_seq, k.mjd_tai into store_seq, mjd_tai
    from apdb.next_knowledge('features', null, null, null) as k;

    update apdb_base.dia_object_feature as f
    set store_seq_end = store_features.store_seq
    where f.dia_object_id = any(v_ids) and f.store_seq_end is null;
    update apdb_base.dia_object_astrometry as a
    set store_seq_end = store_features.store_seq
    where a.dia_object_id = any(v_ids) and a.store_seq_end is null;
    update apdb_base.dia_object_feature_packet as p
    set store_seq_end = store_features.store_seq
    where p.dia_object_id = any(v_ids) and p.store_seq_end is null;

    insert into apdb_base.dia_object_feature (
        dia_object_id, store_seq, band, made_mjd_tai, n_points, first_mjd_tai, last_mjd_tai, lc_periodic,
        lc_non_periodic
    )
    select
        f.dia_object_id, store_features.store_seq, f.band, store_features.mjd_tai, f.n_points, f.first_mjd_tai,
        f.last_mjd_tai, f.lc_periodic, f.lc_non_periodic
    from pg_temp.stage_feature as f
    inner join apdb_base.dia_object as o on f.dia_object_id = o.dia_object_id
    where o.validity_end_mjd_tai is null;
    insert into apdb_base.dia_object_astrometry (
        dia_object_id, store_seq, object_store_seq, made_mjd_tai, n_points, radec_mjd_tai, ra, ra_err, dec, dec_err,
        pm_ra, pm_ra_err,
        pm_dec, pm_dec_err, parallax, parallax_err, ra_dec_corr, ra_pm_ra_corr, ra_pm_dec_corr, ra_parallax_corr,
        dec_pm_ra_corr, dec_pm_dec_corr, dec_parallax_corr, pm_ra_pm_dec_corr, pm_ra_parallax_corr,
        pm_dec_parallax_corr, pm_parallax_ln_l, pm_parallax_chi2, pm_parallax_ndata
    )
    select
        a.dia_object_id, store_features.store_seq, d.object_store_seq, store_features.mjd_tai, a.n_points,
        a.radec_mjd_tai, a.ra,
        a.ra_err, a.dec, a.dec_err, a.pm_ra, a.pm_ra_err, a.pm_dec, a.pm_dec_err, a.parallax, a.parallax_err,
        a.ra_dec_corr, a.ra_pm_ra_corr, a.ra_pm_dec_corr, a.ra_parallax_corr, a.dec_pm_ra_corr, a.dec_pm_dec_corr,
        a.dec_parallax_corr, a.pm_ra_pm_dec_corr, a.pm_ra_parallax_corr, a.pm_dec_parallax_corr, a.pm_parallax_ln_l,
        a.pm_parallax_chi2, a.pm_parallax_ndata
    from pg_temp.stage_astrometry as a
    inner join pg_temp.stage_due as d on a.dia_object_id = d.dia_object_id
    inner join apdb_base.dia_object as o on a.dia_object_id = o.dia_object_id
    where o.validity_end_mjd_tai is null;
    get diagnostics n_objects = row_count;
    insert into apdb_base.dia_object_feature_packet (dia_object_id, store_seq, fragment)
    select a.dia_object_id, store_features.store_seq, a.fragment
    from pg_temp.stage_astrometry as a
    inner join apdb_base.dia_object as o on a.dia_object_id = o.dia_object_id
    where o.validity_end_mjd_tai is null;

    delete from apdb_base.feature_queue as q
    using pg_temp.stage_due as d, apdb_base.dia_object as o
    where
        q.dia_object_id = d.dia_object_id and q.dia_object_id = o.dia_object_id
        and o.store_seq = d.object_store_seq and o.store_seq_end is not distinct from d.object_store_seq_end;
    n_still_due := (
        select count(*)
        from pg_temp.stage_due as d
        inner join apdb_base.feature_queue as q on d.dia_object_id = q.dia_object_id
    );
end
$$;
