-- the statement that places touched DIAObjects
--
-- contract: text for place_objects, which says what it does. The sum over the bands is in their order, so that it
--   does not depend on which are stale.
-- args:
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: of the objects that have some of these stale, or of those that have all
-- returns: SQL text
-- errors: none
-- locks: none
-- cost: 0.1 ms
create or replace function apdb.place_statement(p_stale integer, p_mixed boolean)
returns text
language plpgsql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_name text;
    v_band text;
    v_terms text;
    v_sum text;
    v_sums text := '';
begin
    foreach v_name in array apdb.place_sums() loop
        v_terms := null;
        for v_number in 0..5 loop
            v_band := substr('ugrizy', v_number + 1, 1);
            v_terms := concat_ws(
                ', ', v_terms,
                case
                    when (p_stale >> v_number) & 1 = 0 then format('p.%s_%s', v_band, v_name)
                    when p_mixed then format(
                        'case when t.stale_bands & %1$s <> 0 then %2$s.%3$s else p.%2$s_%3$s end',
                        1 << v_number, v_band, v_name
                    )
                    else format('%s.%s', v_band, v_name)
                end
            );
        end loop;
        v_sum := 'coalesce(' || replace(v_terms, ', ', ', 0) + coalesce(') || ', 0)';
        -- No covariance is not a covariance of 0.
        if v_name = 'cov' then
            v_sum := format('case when coalesce(%s) is not null then %s end', v_terms, v_sum);
        end if;
        v_sums := v_sums || ', ' || v_sum || ' as ' || v_name;
    end loop;
    return format(
        $sql$
        insert into pg_temp.stage_summary (
            dia_object_id, first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources,
            ra, dec, ra_err, dec_err, ra_dec_cov
        )
        select
            s.dia_object_id, s.first_mjd_tai, s.last_mjd_tai, s.n_dia_sources,
            apdb.normal_ra(degrees(atan2(s.y, s.x))),
            degrees(atan2(s.z, sqrt(s.x * s.x + s.y * s.y))),
            case when s.n_err > 0 then sqrt(s.ra_var) / s.weight end,
            case when s.n_err > 0 then sqrt(s.dec_var) / s.weight end,
            s.cov / (s.weight * s.weight)
        from (
            select t.dia_object_id, t.first_mjd_tai, t.last_mjd_tai, t.n_dia_sources%s
            from pg_temp.stage_touched as t
            left join apdb_base.dia_object_place as p on t.dia_object_id = p.dia_object_id
            %s
            where %s
            offset 0
        ) as s
        where s.weight > 0.0
        $sql$,
        v_sums, apdb.stage_bands(p_stale), apdb.have_stale(p_stale, p_mixed)
    );
end
$$;
