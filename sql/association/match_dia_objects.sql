-- gives the staged sources their DIAObjects, old or new
--
-- contract: candidate pairs, then one rule resolves them; a leader without object that is fit to start
--   one does; followers go with their leader. The id of a new object is that of the source that
--   started it, or a spare one (2^62 and up) where a living object has that id already.
-- args:
--   p_rule: nearest or likelihood
--   p_radius [arcsec]: association radius
-- returns: number of new objects
-- errors: VA001 for an unknown rule; VA007 when the visit would start too many objects
-- locks: none of its own; the caller holds the sky
-- cost: 120 ms for 10,000 sources against 1,000,000 objects
create or replace function apdb.match_dia_objects(p_rule text, p_radius double precision)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_limit integer := apdb.setting('max_new_objects');
    v_new integer;
begin
    insert into pg_temp.stage_pair (dia_source_id, target_id, distance, score)
    select c.dia_source_id, c.dia_object_id, c.distance, c.score
    from apdb.candidate_pairs(p_radius) as c;

    -- Without any error the likelihood has nothing to say, and distance decides.
    if p_rule = 'likelihood' and not exists (
        select from pg_temp.stage_source as s where s.ra_err is not null or s.dec_err is not null
    ) and not exists (
        select from pg_temp.stage_pair as p
        inner join apdb_base.dia_object as o on p.target_id = o.dia_object_id
        where o.ra_err is not null or o.dec_err is not null
    ) then
        update pg_temp.stage_pair as p
        set score = p.distance
        where true;
    end if;

    if p_rule = 'nearest' then
        update pg_temp.stage_match as m
        set dia_object_id = r.target_id
        from apdb.resolve_nearest() as r
        where m.dia_source_id = r.dia_source_id;
    elsif p_rule = 'likelihood' then
        update pg_temp.stage_match as m
        set dia_object_id = r.target_id
        from apdb.resolve_likelihood() as r
        where m.dia_source_id = r.dia_source_id;
    else
        raise exception 'unknown association rule %', quote_literal(p_rule)
        using errcode = 'VA001', hint = 'Use nearest or likelihood.';
    end if;

    select count(*) into v_new
    from pg_temp.stage_match as m
    where m.dia_source_id = m.leader_id and m.dia_object_id is null and m.ss_object_id is null and not m.disqualified;
    if v_new > v_limit then
        raise exception 'the visit would start % new objects, more than max_new_objects = %', v_new, v_limit
        using errcode = 'VA007', hint = 'Look at the difference image; apdb db set max_new_objects raises the limit.';
    end if;

    update pg_temp.stage_match as m
    set
        dia_object_id = case
            when exists (
                select from apdb_base.dia_object as o
                where o.dia_object_id = m.dia_source_id and o.validity_end_mjd_tai is null
            ) then nextval('apdb_base.spare_dia_object_id')
            else m.dia_source_id
        end
    where m.dia_source_id = m.leader_id and m.dia_object_id is null and m.ss_object_id is null and not m.disqualified;

    update pg_temp.stage_match as f
    set dia_object_id = l.dia_object_id
    from pg_temp.stage_match as l
    where f.leader_id = l.dia_source_id and f.dia_source_id <> f.leader_id and l.dia_object_id is not null;
    return v_new;
end
$$;
