-- gives up the files of the image store that retention keeps no longer
--
-- contract: by the setting image_keep_days, counted from when a file came into the index: images and
--   catalogues; templates from when they were retired, once no image that is kept was made with them. What was
--   made again in the same run goes after a day, for someone may be reading it. Marks them expired;
--   whoever removes them says so afterwards (images_removed), and until then they come again. The index keeps
--   its rows.
-- args:
--   p_dry_run: true to change nothing
-- returns: files that are expired now: path, size [byte] and why
-- errors: none
-- locks: rows of the files
-- cost: reads the files that are there
create or replace function apdb.expire_images(p_dry_run boolean)
returns table (path text, size bigint, why text)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_keep double precision := apdb.setting('image_keep_days');
begin
    return query
    with given_up as materialized (
        select
            i.path,
            i.size,
            case
                when i.state = 'expired' then 'was to be removed before'
                when not i.is_current and v_now - i.written_mjd_tai > 1.0 then 'was made again'
                when v_now - i.written_mjd_tai > v_keep then format('images are kept for %s d', v_keep)
            end as why
        from apdb_base.image as i
        where i.state <> 'removed'
    ),

    images as (
        update apdb_base.image as i
        set state = 'expired', removed_mjd_tai = v_now
        from given_up as g
        where not p_dry_run and i.path = g.path and g.why is not null and i.state = 'whole'
    ),

    retired as materialized (
        select t.template_id, t.path, t.size
        from apdb_base.template as t
        where
            t.state <> 'removed' and v_now - t.retired_mjd_tai > v_keep
            and not exists (
                select from apdb_base.image as i
                where
                    i.template_id = t.template_id and i.state = 'whole' and i.is_current
                    and v_now - i.written_mjd_tai <= v_keep
            )
    ),

    templates as (
        update apdb_base.template as t
        set state = 'expired'
        from retired as r
        where not p_dry_run and t.template_id = r.template_id and t.state = 'whole'
    )

    select g.path, g.size, g.why
    from given_up as g
    where g.why is not null
    union all
    select r.path, r.size, format('templates are kept for %s d after they were retired', v_keep)
    from retired as r
    order by 1;
end
$$;
