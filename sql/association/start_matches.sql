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
as $$
declare
    v_reliability_min double precision := apdb.setting('reliability_min');
    v_radius double precision := apdb.setting('duplicate_radius')::double precision / 3600.0;
    v_first bigint[];
    v_second bigint[];
    v_pair record;
    v_follows boolean[];
    v_followers bigint[] := '{}';
    v_leaders bigint[] := '{}';
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

    -- Of a pair within the radius neither can be far from the next in declination: few are left to join.
    with neighbour as (
        select
            s.dia_source_id, s.ra, s.dec,
            s.dec - lag(s.dec) over upwards <= v_radius or lead(s.dec) over upwards - s.dec <= v_radius as is_near
        from pg_temp.stage_source as s
        window upwards as (order by s.dec)
    )

    select array_agg(i.dia_source_id), array_agg(j.dia_source_id) into v_first, v_second
    from neighbour as i
    inner join pg_temp.stage_source as j on q3c_join(i.ra, i.dec, j.ra, j.dec, v_radius)
    where i.is_near and i.dia_source_id < j.dia_source_id;
    if v_first is null then
        return 0;
    end if;

    -- In the order of the would-be follower, each follows the first leader near it, so chains do not
    -- depend on the order of the input.
    v_follows := array_fill(false, array[(select count(*)::integer from pg_temp.stage_match)]);
    for v_pair in
        with ranked as materialized (
            select
                m.dia_source_id,
                (row_number() over (order by m.disqualified, m.dia_source_id))::integer as rank
            from pg_temp.stage_match as m
        )

        select
            case when a.rank < b.rank then a.dia_source_id else b.dia_source_id end as leader_id,
            case when a.rank < b.rank then b.dia_source_id else a.dia_source_id end as follower_id,
            least(a.rank, b.rank) as leader_rank,
            greatest(a.rank, b.rank) as follower_rank
        from unnest(v_first, v_second) as p (first_id, second_id)
        inner join ranked as a on p.first_id = a.dia_source_id
        inner join ranked as b on p.second_id = b.dia_source_id
        order by greatest(a.rank, b.rank), least(a.rank, b.rank)
    loop
        if not v_follows[v_pair.leader_rank] and not v_follows[v_pair.follower_rank] then
            v_follows[v_pair.follower_rank] := true;
            v_followers := v_followers || v_pair.follower_id;
            v_leaders := v_leaders || v_pair.leader_id;
        end if;
    end loop;

    update pg_temp.stage_match as f
    set leader_id = l.leader_id
    from unnest(v_followers, v_leaders) as l (follower_id, leader_id)
    where f.dia_source_id = l.follower_id;
    return cardinality(v_followers);
end
$$;
