-- minimum-cost assignment of the rows of one cluster, each row free to stay alone at a price
--
-- contract: successive shortest augmenting paths with potentials on a sparse graph (Jonker & Volgenant
--   1987): every row gets a column of its own or its private ghost, and the sum of the costs is the
--   least possible. Rows and columns are numbered from 1; edges come sorted by row, then column.
-- args:
--   p_n_rows: number of rows
--   p_n_columns: number of columns
--   p_edge_row: row of each edge, ascending
--   p_edge_column: column of each edge
--   p_edge_cost: cost of each edge
--   p_ghost: cost of leaving a row alone; above every edge cost
-- returns: for each row its column, 0 for none
-- errors: none
-- locks: none
-- cost: 1 ms for 10 rows, 0.1 s for 300 rows in one cluster
create or replace function apdb.assign_optimal(
    p_n_rows integer,
    p_n_columns integer,
    p_edge_row integer[],
    p_edge_column integer[],
    p_edge_cost double precision[],
    p_ghost double precision
)
returns integer[]
language plpgsql immutable parallel safe
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    c_inf constant double precision := 'infinity';
    v_first integer[] := array_fill(0, array[p_n_rows + 2]);
    v_u double precision[] := array_fill(0.0::double precision, array[p_n_rows]);
    v_v double precision[] := array_fill(0.0::double precision, array[p_n_columns]);
    v_owner integer[] := array_fill(0, array[p_n_columns]);
    v_taken integer[] := array_fill(0, array[p_n_rows]);
    v_dist double precision[] := array_fill(c_inf, array[p_n_columns]);
    v_before integer[] := array_fill(0, array[p_n_columns]);
    v_done boolean[] := array_fill(false, array[p_n_columns]);
    v_seen integer[];
    v_row integer;
    v_column integer;
    v_next integer;
    v_base double precision;
    v_new double precision;
    v_end double precision;
    v_end_row integer;
    v_end_column integer;
begin
    for e in 1 .. cardinality(p_edge_row) loop
        v_first[p_edge_row[e] + 1] := v_first[p_edge_row[e] + 1] + 1;
    end loop;
    v_first[1] := 1;
    for r in 2 .. p_n_rows + 1 loop
        v_first[r] := v_first[r] + v_first[r - 1];
    end loop;

    for r in 1 .. p_n_rows loop
        v_seen := '{}';
        v_row := r;
        v_base := 0.0;
        v_end := p_ghost - v_u[r];
        v_end_row := r;
        v_end_column := 0;
        loop
            for e in v_first[v_row] .. v_first[v_row + 1] - 1 loop
                v_column := p_edge_column[e];
                if not v_done[v_column] then
                    v_new := v_base + p_edge_cost[e] - v_u[v_row] - v_v[v_column];
                    if v_new < v_dist[v_column] then
                        if v_dist[v_column] = c_inf then
                            v_seen := v_seen || v_column;
                        end if;
                        v_dist[v_column] := v_new;
                        v_before[v_column] := v_row;
                    end if;
                end if;
            end loop;

            v_next := 0;
            foreach v_column in array v_seen loop
                if not v_done[v_column] and (
                    v_next = 0 or v_dist[v_column] < v_dist[v_next]
                    or (v_dist[v_column] = v_dist[v_next] and v_column < v_next)
                ) then
                    v_next := v_column;
                end if;
            end loop;
            exit when v_next = 0 or v_dist[v_next] >= v_end;

            v_done[v_next] := true;
            v_base := v_dist[v_next];
            if v_owner[v_next] = 0 then
                v_end := v_base;
                v_end_column := v_next;
                exit;
            end if;
            v_row := v_owner[v_next];
            if v_base + p_ghost - v_u[v_row] < v_end then
                v_end := v_base + p_ghost - v_u[v_row];
                v_end_row := v_row;
                v_end_column := 0;
            end if;
        end loop;

        v_u[r] := v_u[r] + v_end;
        foreach v_column in array v_seen loop
            if v_done[v_column] and v_dist[v_column] < v_end then
                v_v[v_column] := v_v[v_column] - (v_end - v_dist[v_column]);
                v_u[v_owner[v_column]] := v_u[v_owner[v_column]] + (v_end - v_dist[v_column]);
            end if;
        end loop;

        -- Walk the path back to row r. A row that ends on its ghost first gives its column away.
        if v_end_column = 0 then
            v_column := v_taken[v_end_row];
            v_taken[v_end_row] := 0;
        else
            v_column := v_end_column;
        end if;
        while v_column <> 0 loop
            v_row := v_before[v_column];
            v_next := v_taken[v_row];
            v_owner[v_column] := v_row;
            v_taken[v_row] := v_column;
            v_column := v_next;
        end loop;

        foreach v_column in array v_seen loop
            v_dist[v_column] := c_inf;
            v_done[v_column] := false;
        end loop;
    end loop;
    return v_taken;
end
$$;
