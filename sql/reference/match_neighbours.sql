-- neighbours and potential hosts of some positions, by the reference catalogues
--
-- contract: reads only. Reference objects are moved by their proper motions from their epoch to the time of the
--   position, and only then measured. Stars have an extendedness below 0.5, galaxies 0.5 and above; an object
--   without is neither. ln_p is the natural logarithm of the probability that both are the same celestial object:
--   with f the density [arcsec**-2] at the offset of a Gaussian whose covariance is the sum of those of both
--   positions, of that of the proper motion times the years squared, and of (0.05 arcsec)**2 in either coordinate
--   (0.2 arcsec stands for an unknown position error), P = Q f / (Q sum(f) + (1 - Q) n), where the sum and the
--   density n [arcsec**-2] are over the N objects that the same catalogue has within the radius. That is Bayes'
--   theorem for a prior probability Q that the object is one of the N, each of them as likely as another, and is
--   anywhere within the radius otherwise. East and north are those at the reference object at its epoch. A
--   separation of hosts is R = sqrt(cxx x**2 + cyy y**2 + cxy x y), cxx = iyy / D, cyy = ixx / D, cxy = -2 ixy / D,
--   D = ixx iyy - ixy**2, x east and y north of the galaxy, or the distance over the effective radius; no cut on
--   it. Ties by catalogue and id.
-- args:
--   p_ids: ids of the objects, each once
--   p_ra [deg]: their positions
--   p_dec [deg]: their positions
--   p_ra_err [deg]: errors, with the factor cos(dec); null for unknown
--   p_dec_err [deg]: errors; null for unknown
--   p_ra_dec_cov [deg**2]: covariances, with the factor cos(dec); null for none
--   p_mjd [d]: times of the positions, MJD TAI
--   p_radius [arcsec]: how far away neighbours may be, at that time
--   p_prior: the prior probability Q
--   p_host_separation: moments or effective_radius
-- returns: a row for each object that has a neighbour, with the columns of dia_object_neighbour
-- errors: none
-- locks: none
-- cost: 0.25 s for 10,000 positions with 4 reference objects within the radius of each, of 5,000,000
create or replace function apdb.match_neighbours(
    p_ids bigint[],
    p_ra double precision[],
    p_dec double precision[],
    p_ra_err real[],
    p_dec_err real[],
    p_ra_dec_cov real[],
    p_mjd double precision[],
    p_radius double precision,
    p_prior double precision,
    p_host_separation text
)
returns table (
    dia_object_id bigint,
    nearby_obj bigint[],
    nearby_obj_catalogue smallint[],
    nearby_obj_dist real[],
    nearby_obj_ln_p real[],
    nearby_pot_host bigint[],
    nearby_pot_host_catalogue smallint[],
    nearby_pot_host_sep_dist real[]
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
-- The planner takes a join by Q3C for many thousand times what it is.
set enable_seqscan = off
-- And what follows for one row. A join by Q3C is a nested loop all the same.
set enable_nestloop = off
set enable_incremental_sort = off
set jit = off
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
    c_arcsec constant double precision := degrees(1.0) * 3600.0;
    v_catalogues smallint[];
    -- How far [deg] an object can have moved: of those that move by at most 100 mas/yr in either coordinate, and of
    -- all. Few are faster: they are looked for around all positions at once, by an index of their own.
    v_slow double precision;
    v_fast double precision;
    -- A circle around all positions [deg], and how far from a position fast ones are looked for.
    v_ra double precision;
    v_dec double precision;
    v_circle double precision;
    v_reach double precision;
begin
    select
        array_agg(c.catalogue_id),
        coalesce(max(t.years * least(0.1 * sqrt(2.0), c.max_pm / 1000.0)), 0.0) / 3600.0,
        coalesce(max(t.years * c.max_pm / 1000.0) filter (where c.max_pm > 100.0), 0.0) / 3600.0
    into v_catalogues, v_slow, v_fast
    from apdb_base.reference_catalogue as c
    cross join (select min(u.mjd) as first, max(u.mjd) as last from unnest(p_mjd) as u (mjd)) as m
    cross join lateral (
        select greatest(m.last - c.first_epoch_mjd_tai, c.last_epoch_mjd_tai - m.first) / 365.25 as years
    ) as t
    where c.dropped_store_seq is null and c.for_neighbours;

    if v_fast > 0.0 then
        v_reach := p_radius / 3600.0 + v_fast + 1e-9;
        select degrees(atan2(m.y, m.x)), degrees(atan2(m.z, sqrt(m.x * m.x + m.y * m.y))) into v_ra, v_dec
        from (
            select
                avg(cos(radians(u.dec)) * cos(radians(u.ra))) as x,
                avg(cos(radians(u.dec)) * sin(radians(u.ra))) as y,
                avg(sin(radians(u.dec))) as z
            from unnest(p_ra, p_dec) as u (ra, dec)
        ) as m;
        v_ra := v_ra - 360.0 * floor(v_ra / 360.0);
        select max(q3c_dist(v_ra, v_dec, u.ra, u.dec)) into v_circle
        from unnest(p_ra, p_dec) as u (ra, dec);
    end if;

    -- OFFSET 0 keeps expressions from being worked out once for each use, and + 0 the planner from going
    -- through whole catalogues by their key.
    return query
    with place as materialized (
        select
            p.*,
            -- What is no covariance of these errors is none.
            case when p.given_cov * p.given_cov < p.var_x * p.var_y then p.given_cov else 0.0 end as cov
        from (
            select
                u.id, u.ra, u.dec, u.mjd,
                cos(radians(u.dec)) as cos_dec,
                power(coalesce(u.ra_err::double precision * 3600.0, 0.2), 2) as var_x,
                power(coalesce(u.dec_err::double precision * 3600.0, 0.2), 2) as var_y,
                coalesce(u.ra_dec_cov::double precision, 0.0) * 12960000.0 as given_cov
            from unnest(p_ids, p_ra, p_dec, p_ra_err, p_dec_err, p_ra_dec_cov, p_mjd)
                as u (id, ra, dec, ra_err, dec_err, ra_dec_cov, mjd)
        ) as p
        -- What lies near each other in the index is read one after the other.
        order by q3c_ang2ipix(p.ra, p.dec)
    ),

    -- In bands of declination as high as these may lie from a position: it is in theirs, or the next.
    fast as materialized (
        select r.*, floor(r.dec / v_reach)::bigint as dec_band
        from apdb_base.reference_object as r
        where
            q3c_join(v_ra, v_dec, r.ra, r.dec, v_circle + v_reach)
            and greatest(abs(r.pm_ra), abs(r.pm_dec)) > 100
            and r.catalogue_id + 0 = any(v_catalogues)
            and v_fast > 0.0
    ),

    pair as (
        select
            p.id, p.ra, p.dec, p.cos_dec, p.var_x, p.var_y, p.cov, p.mjd,
            r.catalogue_id, r.reference_object_id, r.ra as r_ra, r.dec as r_dec, r.epoch_mjd_tai, r.ra_err, r.dec_err,
            r.ra_dec_cov, r.pm_ra, r.pm_dec, r.pm_ra_err, r.pm_dec_err, r.pm_ra_dec_cov, r.extendedness, r.ixx, r.iyy,
            r.ixy, r.effective_radius
        from place as p
        -- A lateral query is entered by the index, whatever the planner thinks of the size of the whole. Of ten that
        -- the index finds one is near enough: only that one is asked for the rest.
        cross join lateral (
            select o.*
            from apdb_base.reference_object as o
            where q3c_join(p.ra, p.dec, o.ra, o.dec, p_radius / 3600.0 + v_slow + 1e-9)
            offset 0
        ) as r
        where
            r.catalogue_id = any(v_catalogues)
            and (r.pm_ra is null or abs(r.pm_ra) <= 100)
            and (r.pm_dec is null or abs(r.pm_dec) <= 100)
        union all
        select
            p.id, p.ra, p.dec, p.cos_dec, p.var_x, p.var_y, p.cov, p.mjd,
            r.catalogue_id, r.reference_object_id, r.ra, r.dec, r.epoch_mjd_tai, r.ra_err, r.dec_err,
            r.ra_dec_cov, r.pm_ra, r.pm_dec, r.pm_ra_err, r.pm_dec_err, r.pm_ra_dec_cov, r.extendedness, r.ixx, r.iyy,
            r.ixy, r.effective_radius
        from fast as r
        cross join (values (-1), (0), (1)) as b (step)
        inner join place as p
            on floor(p.dec / v_reach)::bigint = r.dec_band + b.step
            and q3c_dist(p.ra, p.dec, r.ra, r.dec) <= v_reach
    ),

    timed as (
        select n.*, coalesce((n.mjd - n.epoch_mjd_tai) / 365.25, 0.0) as years
        from pair as n
        offset 0
    ),

    -- On the plane that touches the sphere where the reference object was at its epoch [arcsec].
    offset_by as (
        select
            t.id, t.catalogue_id, t.reference_object_id, t.extendedness, t.effective_radius,
            t.ixx::double precision as ixx, t.iyy::double precision as iyy, t.ixy::double precision as ixy,
            c_arcsec * t.cos_dec * sin(radians(t.ra - t.r_ra)) - t.years * coalesce(t.pm_ra, 0.0) / 1000.0 as x,
            c_arcsec * (
                sin(radians(t.dec - t.r_dec))
                + 2.0 * sin(radians(t.r_dec)) * t.cos_dec * power(sin(radians(t.ra - t.r_ra) / 2.0), 2)
            ) - t.years * coalesce(t.pm_dec, 0.0) / 1000.0 as y,
            0.0025 + t.var_x + power(coalesce(t.ra_err * 3600.0, 0.2), 2)
            + power(t.years * coalesce(t.pm_ra_err, 0.0) / 1000.0, 2) as var_x,
            0.0025 + t.var_y + power(coalesce(t.dec_err * 3600.0, 0.2), 2)
            + power(t.years * coalesce(t.pm_dec_err, 0.0) / 1000.0, 2) as var_y,
            t.cov + coalesce(t.ra_dec_cov, 0.0) * 12960000.0
            + power(t.years / 1000.0, 2) * coalesce(t.pm_ra_dec_cov, 0.0) as cov
        from timed as t
        offset 0
    ),

    measured as materialized (
        select
            o.id, o.catalogue_id, o.reference_object_id, o.extendedness,
            c_arcsec * asin(least(1.0, sqrt(o.x * o.x + o.y * o.y) / c_arcsec)) as distance,
            -0.5 * (
                (o.var_y * o.x * o.x + o.var_x * o.y * o.y - 2.0 * o.cov * o.x * o.y)
                / (o.var_x * o.var_y - o.cov * o.cov)
                + ln((o.var_x * o.var_y - o.cov * o.cov) * power(2.0 * pi(), 2))
            ) as ln_f,
            case
                when o.extendedness < 0.5 then null
                when p_host_separation = 'effective_radius'
                    then case when o.effective_radius > 0 then sqrt(o.x * o.x + o.y * o.y) / o.effective_radius end
                when o.ixx > 0.0 and o.ixx * o.iyy > o.ixy * o.ixy
                    then sqrt(
                        (o.iyy * o.x * o.x + o.ixx * o.y * o.y - 2.0 * o.ixy * o.x * o.y)
                        / (o.ixx * o.iyy - o.ixy * o.ixy)
                    )
            end as separation
        from offset_by as o
        where o.x * o.x + o.y * o.y <= power(c_arcsec * sin(radians(p_radius / 3600.0)), 2)
    ),

    likely as (
        -- exp says underflow instead of 0.
        select
            m.*,
            sum(exp(greatest(m.ln_f, -700.0))) over (partition by m.id, m.catalogue_id) as sum_f,
            count(*) over (partition by m.id, m.catalogue_id) / (pi() * p_radius * p_radius) as density
        from measured as m
        offset 0
    ),

    nearest as (
        select
            l.id, l.catalogue_id, l.reference_object_id, l.distance::real as distance, l.extendedness >= 0.5 as is_galaxy,
            (ln(p_prior) + l.ln_f - ln(p_prior * l.sum_f + (1.0 - p_prior) * l.density))::real as ln_p
        from likely as l
        where l.extendedness is not null
        order by l.id, l.distance, l.catalogue_id, l.reference_object_id
    ),

    neighbour as (
        select
            n.id,
            array_agg(n.reference_object_id) filter (where not n.is_galaxy) as star,
            array_agg(n.catalogue_id) filter (where not n.is_galaxy) as star_catalogue,
            array_agg(n.distance) filter (where not n.is_galaxy) as star_distance,
            array_agg(n.ln_p) filter (where not n.is_galaxy) as star_ln_p,
            array_agg(n.reference_object_id) filter (where n.is_galaxy) as galaxy,
            array_agg(n.catalogue_id) filter (where n.is_galaxy) as galaxy_catalogue,
            array_agg(n.distance) filter (where n.is_galaxy) as galaxy_distance,
            array_agg(n.ln_p) filter (where n.is_galaxy) as galaxy_ln_p
        from nearest as n
        group by n.id
    ),

    host as (
        select
            h.id,
            array_agg(h.reference_object_id) as host,
            array_agg(h.catalogue_id) as host_catalogue,
            array_agg(h.separation::real) as host_separation
        from (
            select g.*
            from (
                select
                    m.*,
                    row_number() over (
                        partition by m.id order by m.distance, m.catalogue_id, m.reference_object_id
                    ) as place
                from measured as m
                where m.extendedness >= 0.5
            ) as g
            where g.place <= 10 and g.separation is not null
            order by g.id, g.separation, g.catalogue_id, g.reference_object_id
        ) as h
        group by h.id
    )

    select
        n.id,
        array[n.star[1], n.star[2], n.star[3], n.galaxy[1], n.galaxy[2], n.galaxy[3]],
        array[
            n.star_catalogue[1], n.star_catalogue[2], n.star_catalogue[3],
            n.galaxy_catalogue[1], n.galaxy_catalogue[2], n.galaxy_catalogue[3]
        ],
        array[
            n.star_distance[1], n.star_distance[2], n.star_distance[3],
            n.galaxy_distance[1], n.galaxy_distance[2], n.galaxy_distance[3]
        ],
        array[
            n.star_ln_p[1], n.star_ln_p[2], n.star_ln_p[3], n.galaxy_ln_p[1], n.galaxy_ln_p[2], n.galaxy_ln_p[3]
        ],
        array[h.host[1], h.host[2], h.host[3]],
        array[h.host_catalogue[1], h.host_catalogue[2], h.host_catalogue[3]],
        array[h.host_separation[1], h.host_separation[2], h.host_separation[3]]
    from neighbour as n
    left join host as h on n.id = h.id;
end
$$;
