-- makes the staged ephemerides those of a night
--
-- contract: after open_night_stage and the copies, in the same transaction, so that visits see the night as it was
--   or as it is, and never a part. Of the nights the last ones built are kept (setting ephemeris_keep_nights).
-- args:
--   p_night_mjd [d]: date of the evening on which the night began, as MJD
--   p_site: code of the observatory
--   p_middle [d]: middle of the night, MJD TAI
--   p_half_width [d]: how long before and after it they hold
--   p_fast_half_width [d]: how long before and after their own middle those of fast objects hold
--   p_fast_spacing [d]: how far the middles of the pieces are apart that the night has for fast objects
--   p_slow_margin [deg]: farthest that a slow object moves from its position in the middle
--   p_fast_margin [deg]: farthest that a fast object moves from its position in the middle of its piece
--   p_earth [au]: the Earth, as ephemeris_night has it
--   p_site_turn [au]: the site from the Earth's centre, as ephemeris_night has it
--   p_sun [au]: the Sun, as ephemeris_night has it
--   p_n_failed: number of orbits that could not be propagated
--   p_orbit_store_seq: last load of orbits that is in it
-- returns: number of slow and of fast objects
-- errors: none
-- locks: advisory (17014, 0), so that one night is stored at a time; the number of the step is taken when the rows
--   are in
-- cost: 15 us an object
create or replace function apdb.store_night(
    p_night_mjd integer,
    p_site text,
    p_middle double precision,
    p_half_width double precision,
    p_fast_half_width double precision,
    p_fast_spacing double precision,
    p_slow_margin double precision,
    p_fast_margin double precision,
    p_earth double precision[],
    p_site_turn double precision[],
    p_sun double precision[],
    p_n_failed integer,
    p_orbit_store_seq bigint,
    out n_slow integer,
    out n_fast integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set work_mem = '256MB'
as $$
declare
    v_gone integer[];
    v_seq bigint;
    v_now double precision;
begin
    perform apdb.open_stage(null);
    perform pg_advisory_xact_lock(17014, 0);
    select array_agg(k.night_mjd) into v_gone
    from (
        select n.night_mjd
        from apdb_base.ephemeris_night as n
        where n.night_mjd <> p_night_mjd
        order by n.store_seq desc
        offset apdb.setting('ephemeris_keep_nights')::integer - 1
    ) as k;
    v_gone := coalesce(v_gone, '{}') || p_night_mjd;
    delete from apdb_base.ephemeris_night as n where n.night_mjd = any(v_gone);
    delete from apdb_base.ephemeris_slow as e where e.night_mjd = any(v_gone);
    delete from apdb_base.ephemeris_fast as e where e.night_mjd = any(v_gone);

    -- They come in the order of the sky, so that neighbours share pages.
    insert into apdb_base.ephemeris_slow
    select * from pg_temp.stage_slow;
    get diagnostics n_slow = row_count;
    insert into apdb_base.ephemeris_fast
    select * from pg_temp.stage_fast;
    select count(distinct s.ss_object_id) into n_fast
    from pg_temp.stage_fast as s;
    analyze apdb_base.ephemeris_slow;
    analyze apdb_base.ephemeris_fast;

    -- Late: until the commit, nobody gets alerts of what is stored after a number that is taken.
    select k.store_seq, k.mjd_tai into v_seq, v_now
    from apdb.next_knowledge('ephemerides', null, null, 'night of ' || (date '1858-11-17' + p_night_mjd)) as k;
    insert into apdb_base.ephemeris_night (
        night_mjd, night, site, middle_mjd_tai, half_width, fast_half_width, fast_spacing, slow_margin, fast_margin,
        earth,
        site_turn, sun, n_slow, n_fast, n_failed, orbit_store_seq, built_mjd_tai, store_seq
    )
    values (
        p_night_mjd, date '1858-11-17' + p_night_mjd, p_site, p_middle, p_half_width, p_fast_half_width, p_fast_spacing,
        p_slow_margin, p_fast_margin, p_earth, p_site_turn, p_sun, store_night.n_slow, store_night.n_fast, p_n_failed,
        p_orbit_store_seq, v_now, v_seq
    );
end
$$;
