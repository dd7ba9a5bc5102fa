-- one-to-one matches from stage_pair with the least total cost
--
-- contract: the true optimum of the assignment in which every source takes an object at the cost of
--   its score, or stays alone at the ghost cost: the highest score of the visit plus one, as in
--   ap_association. Where no source of a cluster contests another's best object, each takes its best, which
--   is optimal; the contested clusters are solved one by one. Empties stage_pair.
-- args: none
-- returns: matches
-- errors: none
-- locks: none
-- cost: 40 ms for 10,000 pairs and few contested clusters
create or replace function apdb.resolve_likelihood()
returns table (dia_source_id bigint, target_id bigint)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_ghost double precision;
    v_cluster record;
    v_sources bigint[];
    v_targets bigint[];
    v_columns integer[];
    v_contested bigint[];
    v_grown bigint[];
begin
    select max(p.score) + 1.0 into v_ghost
    from pg_temp.stage_pair as p;

    select coalesce(array_agg(c.target_id), '{}') into v_contested
    from (
        select b.target_id
        from (
            select distinct on (p.dia_source_id) p.dia_source_id, p.target_id
            from pg_temp.stage_pair as p
            order by p.dia_source_id, p.score, p.target_id
        ) as b
        group by b.target_id
        having count(*) > 1
    ) as c;

    -- All objects that share a source with a contested one, however far along the chain.
    loop
        select coalesce(array_agg(distinct q.target_id), '{}') into v_grown
        from pg_temp.stage_pair as p
        inner join pg_temp.stage_pair as q on p.dia_source_id = q.dia_source_id
        where p.target_id = any(v_contested);
        exit when cardinality(v_grown) = cardinality(v_contested);
        v_contested := v_grown;
    end loop;

    return query
    select distinct on (p.dia_source_id) p.dia_source_id, p.target_id
    from pg_temp.stage_pair as p
    where p.target_id <> all(v_contested)
    order by p.dia_source_id, p.score, p.target_id;

    for v_cluster in
        with recursive edge as materialized (
            select p.dia_source_id, p.target_id, p.score
            from pg_temp.stage_pair as p
            where p.target_id = any(v_contested)
        ),

        reach as (
            select distinct e.target_id as root, e.target_id
            from edge as e
            union
            select r.root, f.target_id
            from reach as r
            inner join edge as e on r.target_id = e.target_id
            inner join edge as f on e.dia_source_id = f.dia_source_id
            where f.target_id > r.root
        ),

        cluster as (
            select r.target_id, min(r.root) as root
            from reach as r
            group by r.target_id
        ),

        numbered as (
            select
                c.root,
                e.dia_source_id,
                e.target_id,
                e.score,
                dense_rank() over (partition by c.root order by e.dia_source_id)::integer as source_number,
                dense_rank() over (partition by c.root order by e.target_id)::integer as target_number
            from edge as e
            inner join cluster as c on e.target_id = c.target_id
        )

        select
            max(n.source_number) as n_sources,
            max(n.target_number) as n_targets,
            array_agg(n.source_number order by n.source_number, n.target_number) as edge_source,
            array_agg(n.target_number order by n.source_number, n.target_number) as edge_target,
            array_agg(n.score order by n.source_number, n.target_number) as edge_score,
            array_agg(distinct n.dia_source_id) as source_ids,
            array_agg(distinct n.target_id) as target_ids
        from numbered as n
        group by n.root
    loop
        v_sources := v_cluster.source_ids;
        v_targets := v_cluster.target_ids;
        v_columns := apdb.assign_optimal(
            v_cluster.n_sources, v_cluster.n_targets,
            v_cluster.edge_source, v_cluster.edge_target, v_cluster.edge_score, v_ghost
        );
        return query
        select v_sources[i], v_targets[v_columns[i]]
        from generate_subscripts(v_columns, 1) as i
        where v_columns[i] > 0;
    end loop;
    delete from pg_temp.stage_pair;
end
$$;
