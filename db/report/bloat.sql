-- title:    Table and index bloat
-- question: Which tables and indexes are larger than their rows need?
-- columns:
--   name         the table or index; the one with the most bytes too many comes first
--   kind         table or index
--   bytes        its size
--   rows         its rows, as VACUUM or ANALYZE counted them last; null if they never did
--   bloat_bytes  estimate of what is free or dead in it, from the mean widths of its columns; null without statistics
--   bloat_share  bloat_bytes as a share of bytes; REINDEX CONCURRENTLY makes an index small again

WITH widths AS (
    SELECT relation.oid AS relation, attribute.attnum, stats.avg_width * (1 - stats.null_frac) AS width
    FROM pg_stats AS stats
    JOIN pg_class AS relation ON relation.relname = stats.tablename
        AND relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = stats.schemaname)
    JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attname = stats.attname
    WHERE stats.schemaname = current_schema()
), table_rows AS (
    -- A row has a header of 24 bytes and a pointer of 4, and begins at a multiple of 8.
    SELECT relation, 28 + 8 * ceil(sum(width) / 8) AS bytes
    FROM widths
    GROUP BY relation
), index_rows AS (
    -- An entry has a header of 8 bytes and a pointer of 4. Pages of a B-tree are filled to nine tenths.
    SELECT index.indexrelid AS relation, (12 + 8 * ceil(sum(width) / 8)) / 0.9 AS bytes
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (attnum, n)
    JOIN widths ON widths.relation = CASE key.attnum WHEN 0 THEN index.indexrelid ELSE index.indrelid END
        AND widths.attnum = CASE key.attnum WHEN 0 THEN key.n ELSE key.attnum END
    GROUP BY index.indexrelid, index.indnatts
    HAVING count(*) = index.indnatts
), relations AS (
    SELECT
        pg_class.relname::text AS name,
        CASE pg_class.relkind WHEN 'i' THEN 'index' ELSE 'table' END AS kind,
        pg_relation_size(pg_class.oid) AS bytes,
        CASE WHEN pg_class.reltuples >= 0 THEN pg_class.reltuples::bigint END AS rows,
        CASE WHEN pg_class.reltuples >= 0 THEN pg_class.reltuples * coalesce(index_rows.bytes, table_rows.bytes) END AS needed
    FROM pg_class
    LEFT JOIN pg_am ON pg_am.oid = pg_class.relam
    LEFT JOIN index_rows ON index_rows.relation = pg_class.oid AND pg_am.amname = 'btree'
    LEFT JOIN table_rows ON table_rows.relation = pg_class.oid AND pg_class.relkind = 'r'
    WHERE pg_class.relkind IN ('r', 'i')
        AND pg_class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
), estimates AS (
    SELECT name, kind, bytes, rows, greatest(bytes - needed, 0)::bigint AS bloat_bytes
    FROM relations
)
SELECT
    name,
    kind,
    bytes,
    rows,
    bloat_bytes,
    round((bloat_bytes / nullif(bytes, 0)::float8)::numeric, 2)::float8 AS bloat_share
FROM estimates
ORDER BY bloat_bytes DESC NULLS LAST, bytes DESC, name;
