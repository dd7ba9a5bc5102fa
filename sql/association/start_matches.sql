-- one row in stage_match for each staged source, with the leader of its detection
--
-- contract: sources of one batch within duplicate_radius of each other are one detection delivered
--   twice: one leads (unflagged before flagged, then the lowest id) and the others follow it.
-- args: none
-- returns: number of followers
-- errors: none
-- locks: none
-- cost: 25 ms for 10,000 sources
create or replace function apdb.start_matches()
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = on
as $$
declare
    v_reliability_min double precision := apdb.setting('reliability_min');
    v_radius double precision := apdb.setting('duplicate_radius')::double precision / 3600.0;
    v_pair record;
    v_followers integer := 0;
begin
    insert into pg_temp.stage_match (dia_source_id, leader_id, disqualified)
    select
        s.dia_source_id,
        s.dia_source_id,
        apdb.disqualifies_new_object(
            s.centroid_flag, s.pixel_flags_cr_center, s.pixel_flags_nodata_center,
            s.pixel_flags_interpolated_center, s.pixel_flags_saturated_center,
            s.pixel_flags_suspect_center, s.pixel_flags_streak_center, s.glint_trail,
            s.reliability, v_reliability_min
        )
    from pg_temp.stage_source as s;

    -- Pairs are few: a survey has a handful in a visit. In the order of the would-be follower, each
    -- follows the first leader near it, so chains do not depend on the order of the input.
    for v_pair in
        with ranked as (
            select
                s.dia_source_id,
                s.ra,
                s.dec,
                row_number() over (order by m.disqualified, s.dia_source_id) as rank
            from pg_temp.stage_source as s
            inner join pg_temp.stage_match as m on s.dia_source_id = m.dia_source_id
        )

        select
            a.dia_source_id as leader_id,
            b.dia_source_id as follower_id
        from (
            select
                i.dia_source_id as id_1,
                j.dia_source_id as id_2
            from pg_temp.stage_source as i
            inner join pg_temp.stage_source as j
                on q3c_join(i.ra, i.dec, j.ra, j.dec, v_radius)
            where i.dia_source_id < j.dia_source_id
        ) as p
        inner join ranked as a on a.dia_source_id in (p.id_1, p.id_2)
        inner join ranked as b on b.dia_source_id in (p.id_1, p.id_2) and a.rank < b.rank
        order by b.rank, a.rank
    loop
        update pg_temp.stage_match as f
        set leader_id = v_pair.leader_id
        where
            f.dia_source_id = v_pair.follower_id and f.leader_id = f.dia_source_id
            and exists (
                select from pg_temp.stage_match as l
                where l.dia_source_id = v_pair.leader_id and l.leader_id = l.dia_source_id
            );
        if found then
            v_followers := v_followers + 1;
        end if;
    end loop;
    return v_followers;
end
$$;
