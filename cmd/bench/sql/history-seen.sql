-- The sweeps and the audit have been by.
INSERT INTO watermarks (name, order_id, at)
SELECT name, last.id, last.at + interval '1 minute'
FROM (
    SELECT id, at
    FROM bench_history
    ORDER BY at DESC
    LIMIT 1
) AS last
CROSS JOIN unnest('{audit,orphans,orphans:again}'::text[]) AS name;

DROP TABLE bench_history;
