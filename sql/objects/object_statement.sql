-- the statement that writes the staged summaries of touched DIAObjects
--
-- contract: text for apply_summaries. Position, times, counters and forced fluxes of all, statistics of the stale
--   bands; those of the others stay as they are.
-- args:
--   p_stale: stale bands, one bit a band, u first
--   p_mixed: of the objects that have some of these stale, or of those that have all; only for rows that exist
--   p_exist: of the objects that have a row already, or of those that get one
--   p_have_place: of those that have a row in dia_object_place, or of those that may have none
-- returns: SQL text, with the knowledge time as $1 and the store_seq as $2
-- errors: none
-- locks: none
-- cost: 0.1 ms
create or replace function apdb.object_statement(
    p_stale integer, p_mixed boolean, p_exist boolean, p_have_place boolean
)
returns text
language plpgsql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    c_all constant integer := 63;
    c_object constant text[] := array[
        'ra', 'ra_err', 'dec', 'dec_err', 'ra_dec_cov', 'first_dia_source_mjd_tai', 'last_dia_source_mjd_tai',
        'n_dia_sources'
    ];
    v_statistics text[] := apdb.band_statistics();
    v_columns text;
    v_values text;
begin
    v_columns := concat_ws(
        ', ', 'validity_start_mjd_tai, validity_end_mjd_tai, store_seq, store_seq_end', array_to_string(c_object, ', '),
        apdb.for_bands('#_fp_flux_mean, #_fp_flux_mean_err', c_all),
        apdb.for_bands('#_psf_flux_ndata, #_' || array_to_string(v_statistics, ', #_'), p_stale)
    );
    v_values := concat_ws(
        ', ', '$1, null, $2, null', 's.' || array_to_string(c_object, ', s.'),
        apdb.for_bands('s.#_fp_flux_mean, s.#_fp_flux_mean_err', c_all),
        apdb.stale_values(array['psf_flux_ndata'] || v_statistics, p_stale, p_mixed, 'o')
    );
    if p_exist then
        return format(
            'update apdb_base.dia_object as o set (%s) = row(%s) %s and o.dia_object_id = t.dia_object_id',
            v_columns, v_values, apdb.summaries_from(p_stale, p_mixed, p_exist, p_have_place)
        );
    end if;
    return format(
        'insert into apdb_base.dia_object (%s) select %s %s order by t.dia_object_id',
        concat_ws(', ', 'dia_object_id', v_columns, apdb.for_bands('#_psf_flux_ndata', c_all - p_stale)),
        concat_ws(', ', 't.dia_object_id', v_values, apdb.for_bands('0', c_all - p_stale)),
        apdb.summaries_from(p_stale, p_mixed, p_exist, p_have_place)
    );
end
$$;
