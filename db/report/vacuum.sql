-- title:    Vacuum
-- question: Does autovacuum keep up, what holds it back, and how far away is the freezing of old rows?
-- columns:
--   name         the table; the one with the most dead rows comes first
--   live_rows    estimate of its rows
--   dead_rows    estimate of rows that were deleted or replaced and are not removed yet
--   threshold    dead rows above which autovacuum begins
--   vacuumed_at  when it was last vacuumed, UTC; null for never
--   analyzed_at  when its statistics were last made, UTC; null for never
--   frozen_age   transactions since its oldest row that is not frozen; autovacuum freezes at autovacuum_freeze_max_age
--   horizon_age  transactions since the oldest snapshot: no vacuum removes rows that died later; report sessions says who holds it

WITH options AS (
    SELECT
        pg_class.oid,
        max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS threshold,
        max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale_factor
    FROM pg_class
    CROSS JOIN LATERAL pg_options_to_table(reloptions)
    GROUP BY pg_class.oid
)
SELECT
    stat.relname::text AS name,
    stat.n_live_tup AS live_rows,
    stat.n_dead_tup AS dead_rows,
    (
        coalesce(options.threshold, current_setting('autovacuum_vacuum_threshold'))::float8
        + coalesce(options.scale_factor, current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(pg_class.reltuples, 0)
    )::bigint AS threshold,
    greatest(stat.last_vacuum, stat.last_autovacuum) AS vacuumed_at,
    greatest(stat.last_analyze, stat.last_autoanalyze) AS analyzed_at,
    age(pg_class.relfrozenxid)::bigint AS frozen_age,
    (SELECT coalesce(max(transactions), 0)::bigint FROM snapshot_holders) AS horizon_age
FROM pg_stat_user_tables AS stat
JOIN pg_class ON pg_class.oid = stat.relid
LEFT JOIN options ON options.oid = stat.relid
WHERE stat.schemaname = current_schema()
ORDER BY stat.n_dead_tup DESC, stat.relname;
